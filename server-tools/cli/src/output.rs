//! What a command prints: lines for people, or one JSON object.

use crate::failure::Failure;
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// Where results go, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether progress bars may be drawn.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// Prints the result of a command: `object` with `--json`, else `text`.
    pub(crate) fn result(&self, object: &Value, text: &str) {
        let printed = if self.json { format!("{object}\n") } else { format!("{}\n", lines(text.trim_end())) };
        // A closed pipe (`| head`) is the reader's choice, not a failure.
        let _ = std::io::stdout().write_all(printed.as_bytes());
    }

    /// Says something beside the result, to people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            eprintln!("{}", lines(text));
        }
    }

    /// Prints raw text, the same in both forms: completions, a trust root.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let _ = std::io::stdout().write_all(bytes);
    }

    /// Prints why a command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let object = serde_json::json!({
                "error": {"code": failure.code, "exit_code": failure.exit_code, "message": failure.message}
            });
            self.result(&object, "");
        } else {
            eprintln!("stella: {}", lines(&failure.message));
        }
    }
}

/// A text of a file for a terminal, in one line: control characters are shown, not obeyed.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Lines for people, in which only ends of lines and tabs are obeyed.
fn lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|part| match part.char_indices().next_back() {
            Some((end, last @ ('\n' | '\t'))) => one_line(&part[..end]) + last.encode_utf8(&mut [0; 4]),
            _ => one_line(part),
        })
        .collect()
}

/// Bytes for people: `1.3 MB (1,312,000 bytes)`; small numbers without the first part.
pub(crate) fn bytes(count: u64) -> String {
    let grouped = grouped(count);
    match count {
        0..10_000 => format!("{grouped} bytes"),
        10_000..1_000_000 => format!("{:.1} kB ({grouped} bytes)", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB ({grouped} bytes)", count as f64 / 1e6),
        _ => format!("{:.2} GB ({grouped} bytes)", count as f64 / 1e9),
    }
}

/// `1 witness`, `2 witnesses`.
pub(crate) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A number with its digits in groups: `1,312,000`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers are grouped and rounded for reading.
    #[test]
    fn bytes_for_people() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(9_999), "9,999 bytes");
        assert_eq!(bytes(312_000), "312.0 kB (312,000 bytes)");
        assert_eq!(bytes(1_312_000), "1.31 MB (1,312,000 bytes)");
        assert_eq!(bytes(5_368_709_120), "5.37 GB (5,368,709,120 bytes)");
    }
}
