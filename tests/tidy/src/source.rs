//! Rust sources with everything blanked that is not code: comments, strings, and modules for tests.

use crate::tree;
use std::path::{Path, PathBuf};

/// One source file.
#[derive(Debug)]
pub struct Source {
    /// Its path, relative to the root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its code: comments and the insides of strings are spaces, lines stay where they are.
    pub code: String,
}

impl Source {
    fn new(path: PathBuf) -> Self {
        let text = tree::read(&path);
        let code = blank(&text);
        Self { path, text, code }
    }

    /// Whether the file is below a folder.
    pub fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Whether the file is code of the product: not a test, an example, or the module of tests of another file.
    pub fn is_product(&self) -> bool {
        let apart =
            |part: &std::ffi::OsStr| ["tests", "examples", "benches", "tests.rs"].iter().any(|name| part == *name);
        !self.path.iter().any(apart) && !self.is_below("xtask") && !self.path.ends_with("tests_support.rs")
    }

    /// The code before the module of tests.
    pub fn product_code(&self) -> &str {
        self.code.find("#[cfg(test)]\nmod tests").map_or(&self.code, |at| &self.code[..at])
    }

    /// The lines of the product's code that hold `word` with no letter, digit or underscore around it, from 1.
    pub fn lines_with(&self, word: &str) -> Vec<usize> {
        (1..).zip(self.product_code().lines()).filter(|(_, line)| holds(line, word)).map(|(number, _)| number).collect()
    }
}

/// Whether `line` holds `word` as a word.
pub fn holds(line: &str, word: &str) -> bool {
    let of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_none_or(|c| !of_a_word(c) || !word.starts_with(of_a_word));
        let after = line[at + word.len()..].chars().next().is_none_or(|c| !of_a_word(c) || !word.ends_with(of_a_word));
        before && after
    })
}

/// All Rust sources of the repository.
pub fn all() -> Vec<Source> {
    tree::files("rs").into_iter().map(Source::new).collect()
}

/// All sources below a folder.
pub fn below(folder: impl AsRef<Path>) -> Vec<Source> {
    all().into_iter().filter(|source| source.path.starts_with(folder.as_ref())).collect()
}

/// Replaces comments and the insides of string literals by spaces.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let keep = |out: &mut String, from: usize, to: usize| out.push_str(&text[from..to]);
    let wipe = |out: &mut String, from: usize, to: usize| {
        text[from..to].chars().for_each(|c| out.push(if c == '\n' { '\n' } else { ' ' }));
    };
    while at < bytes.len() {
        let rest = &text[at..];
        let end = if rest.starts_with("//") {
            let end = at + rest.find('\n').unwrap_or(rest.len());
            wipe(&mut out, at, end);
            end
        } else if rest.starts_with("/*") {
            let end = at + rest.find("*/").map_or(rest.len(), |end| end + 2);
            wipe(&mut out, at, end);
            end
        } else if let Some(hashes) = raw_string(rest) {
            let closing = format!("\"{}", "#".repeat(hashes));
            let from = at + hashes + 2;
            let end = from + text[from..].find(&closing).unwrap_or(text.len() - from);
            keep(&mut out, at, from);
            wipe(&mut out, from, end);
            let closed = (end + closing.len()).min(text.len());
            keep(&mut out, end, closed);
            closed
        } else if let Some(inside) = rest.strip_prefix('"') {
            let end = at + 1 + string_bytes(inside);
            keep(&mut out, at, at + 1);
            wipe(&mut out, at + 1, end);
            let closed = (end + 1).min(text.len());
            keep(&mut out, end, closed);
            closed
        } else if let Some(quote) = ["b'\"'", "'\"'", "'\\\"'"].into_iter().find(|quote| rest.starts_with(quote)) {
            let end = at + quote.len();
            wipe(&mut out, at, end);
            end
        } else {
            let end = at + rest.chars().next().map_or(1, char::len_utf8);
            keep(&mut out, at, end);
            end
        };
        at = end;
    }
    out
}

/// The hashes of a raw string that starts here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Bytes before the closing quote.
fn string_bytes(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blank() {
        let check = |text: &str, expected: &str| assert_eq!(blank(text), expected, "{text}");
        check("a // b\nc", "a     \nc");
        check("f(\"x // y\") // z", "f(\"      \")     ");
        check("r#\"a\"b\"# c", "r#\"   \"# c");
        check("\"a\\\"b\" c", "\"    \" c");
        check("/* x */ y", "        y");
        check("b'\"' + 'x'", "     + 'x'");
    }

    #[test]
    fn words_have_edges() {
        assert!(
            holds("an unsafe { }", "unsafe") && !holds("unsafe_code", "unsafe") && holds("x.unwrap()", ".unwrap()")
        );
    }
}
