//! The part of TOML 1.0 that a configuration needs: tables, bare keys, texts, whole numbers, booleans and lists of
//! texts. A full parser would cost more than the budget of the smallest agent has left.
//!
//! In: the text of one file. Out: its entries in order, each with its full key and line. What TOML allows beyond this
//! part (dates, fractions, inline tables, quoted keys, texts over several lines) is refused by name, never misread.

use std::fmt;

/// Bytes of one file; a complete configuration has about 2 KiB.
pub const FILE_BYTES_MAX: usize = 64 * 1024;

/// A value with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TomlValue {
    /// `"text"` or `'text'`
    Text(String),
    /// `42`, `-1` or `1_000`
    Number(i64),
    /// `true` or `false`
    Bool(bool),
    /// `["a", "b"]`
    List(Vec<String>),
}

/// One `key = value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key with its table: `slots.a`.
    pub key: String,
    /// The value.
    pub value: TomlValue,
    /// From 1.
    pub line: usize,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TomlError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for TomlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Reads one file.
///
/// # Errors
/// [`TomlError`] names the first line that cannot be read, also a key or table that is given twice.
pub fn parse(text: &str) -> Result<Vec<Entry>, TomlError> {
    let mut reader = Reader { rest: text, line: 1 };
    if text.len() > FILE_BYTES_MAX {
        return reader.fail("the file is longer than 64 KiB");
    }
    let mut entries: Vec<Entry> = Vec::new();
    let (mut table, mut tables) = (String::new(), Vec::new());
    loop {
        reader.skip_blank_lines();
        let line = reader.line;
        if reader.rest.is_empty() {
            return Ok(entries);
        }
        if reader.take("[") {
            if reader.rest.starts_with('[') {
                return reader.fail("lists of tables ([[...]]) are not supported here");
            }
            table = reader.key()?;
            if !reader.take("]") {
                return reader.fail("a table name ends with ]");
            }
            if tables.contains(&table) {
                return reader.fail("this table is opened twice in the file");
            }
            tables.push(table.clone());
        } else {
            let key = reader.key()?;
            let key = if table.is_empty() { key } else { format!("{table}.{key}") };
            if !reader.take("=") {
                return reader.fail("expected: key = value");
            }
            if entries.iter().any(|entry| entry.key == key) {
                return reader.fail("this key is given twice in the file");
            }
            let value = reader.value()?;
            entries.push(Entry { key, value, line });
        }
        reader.end_of_line()?;
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn fail<T>(&self, reason: &'static str) -> Result<T, TomlError> {
        Err(TomlError { line: self.line, reason })
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Takes `mark` and the space around it, if it is next.
    fn take(&mut self, mark: &str) -> bool {
        self.skip_space();
        let after = self.rest.strip_prefix(mark);
        self.rest = after.unwrap_or(self.rest);
        self.skip_space();
        after.is_some()
    }

    /// Skips space, comments and ends of lines.
    fn skip_blank_lines(&mut self) {
        loop {
            self.skip_space();
            if self.rest.starts_with('#') {
                self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..];
            }
            let Some(rest) = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n")) else {
                return;
            };
            self.rest = rest;
            self.line += 1;
        }
    }

    fn end_of_line(&mut self) -> Result<(), TomlError> {
        self.skip_space();
        match self.rest.starts_with(['\n', '#']) || self.rest.starts_with("\r\n") || self.rest.is_empty() {
            true => Ok(()),
            false => self.fail("something follows the value; one line holds one value"),
        }
    }

    /// Bare words between dots.
    fn key(&mut self) -> Result<String, TomlError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = self.rest.find(|c| !allowed(c)).unwrap_or(self.rest.len());
        let (key, rest) = self.rest.split_at(end);
        if key.split('.').any(str::is_empty) {
            return self.fail("a key is made of letters, digits, _ and -, without quotes");
        }
        self.rest = rest;
        Ok(key.to_owned())
    }

    fn value(&mut self) -> Result<TomlValue, TomlError> {
        match self.rest.chars().next() {
            Some('"' | '\'') => self.text().map(TomlValue::Text),
            Some('[') => self.list().map(TomlValue::List),
            Some('{') => self.fail("inline tables are not supported here; open a [table]"),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<TomlValue, TomlError> {
        let end = self.rest.find([' ', '\t', '\r', '\n', '#', ',', ']']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let digits = word.trim_start_matches(['+', '-']);
        let number = word.replace('_', "").parse::<i64>().ok();
        // TOML: no leading zeros, underscores only between digits.
        let zero = digits.len() > 1 && digits.starts_with('0');
        let plain = !zero && digits.split('_').all(|group| !group.is_empty());
        let value = match (word, number) {
            ("true", _) => TomlValue::Bool(true),
            ("false", _) => TomlValue::Bool(false),
            (_, Some(number)) if plain => TomlValue::Number(number),
            _ => return self.fail("the value is no text in quotes, whole number, true, false or list of texts"),
        };
        self.rest = rest;
        Ok(value)
    }

    fn list(&mut self) -> Result<Vec<String>, TomlError> {
        self.take("[");
        let mut texts = Vec::new();
        loop {
            self.skip_blank_lines();
            if self.take("]") {
                return Ok(texts);
            }
            if !self.rest.starts_with(['"', '\'']) {
                return self.fail("a list holds texts in quotes only");
            }
            texts.push(self.text()?);
            self.skip_blank_lines();
            if !self.take(",") && !self.rest.starts_with(']') {
                return self.fail("the texts of a list are separated by commas and end with ]");
            }
        }
    }

    fn text(&mut self) -> Result<String, TomlError> {
        if self.rest.starts_with("\"\"\"") || self.rest.starts_with("'''") {
            return self.fail("texts over several lines are not supported here");
        }
        let raw = self.rest.starts_with('\'');
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' if raw => return self.close(at, out),
                '"' if !raw => return self.close(at, out),
                '\\' if !raw => out.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, c @ ('"' | '\\'))) => c,
                    _ => return self.fail("of the escapes, \\n, \\t, \\\" and \\\\ are supported here"),
                }),
                '\t' => out.push(c),
                c if c.is_control() => break,
                c => out.push(c),
            }
        }
        self.fail("a text is not closed on its line")
    }

    fn close(&mut self, quote_at: usize, out: String) -> Result<String, TomlError> {
        self.rest = &self.rest[quote_at + 1..];
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries_with_their_tables_and_lines() {
        let text = "# head\nproduct = \"a # b\" # tail\r\nraw = 'C:\\x'\n\n[slots]\na = \"/dev/x\"\nn = 1_000\n[poll.x]\non = true\n\
                    list = [ \"a\", # one\n  'b',\n]\nempty = []\nneg = -5";
        let entries = parse(text).unwrap();
        let check = |index: usize, key: &str, value, line| {
            assert_eq!(entries[index], Entry { key: key.to_owned(), value, line });
        };
        check(0, "product", TomlValue::Text("a # b".to_owned()), 2);
        check(1, "raw", TomlValue::Text("C:\\x".to_owned()), 3);
        check(2, "slots.a", TomlValue::Text("/dev/x".to_owned()), 6);
        check(3, "slots.n", TomlValue::Number(1000), 7);
        check(4, "poll.x.on", TomlValue::Bool(true), 9);
        check(5, "poll.x.list", TomlValue::List(vec!["a".to_owned(), "b".to_owned()]), 10);
        check(6, "poll.x.empty", TomlValue::List(Vec::new()), 13);
        check(7, "poll.x.neg", TomlValue::Number(-5), 14);
        assert_eq!(entries.len(), 8);
    }

    /// Whatever is not read exactly is refused at its line.
    #[test]
    fn names_the_line_that_is_wrong() {
        let check = |text: &str, line| assert_eq!(parse(text).map_err(|error| error.line), Err(line), "{text}");
        for value in [
            "1.5",
            "1e3",
            "0x10",
            "007",
            "1__0",
            "_1",
            "2020-01-01",
            "yes",
            "{a=1}",
            "\"open",
            "\"\"\"a\"\"\"",
            "'''a'''",
            "\"\\x41\"",
            "[1, 2]",
            "[\"a\" \"b\"]",
            "[\"a\", 1",
            "1 2",
            "\"a\" b",
            "",
            "inf",
        ] {
            check(&format!("\nkey = {value}\n"), 2);
        }
        for text in ["\"k\" = 1", "k", "= 1", "a..b = 1", "[t", "[[t]]", "[t] x", "a = 1\r b = 2", "é = 1"] {
            check(text, 1);
        }
        check("a = 1\nb = 2\na = 3", 3);
        check("[t]\na = 1\n[u]\n[t]\n", 4);
        check(&"#".repeat(FILE_BYTES_MAX + 1), 1);
    }
}
