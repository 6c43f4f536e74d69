//! JSON, as little as a device needs: values that print themselves, and a bounded reader for the calls on the socket.
//!
//! In: text of at most [`BYTES_MAX`] bytes, nested at most [`DEPTH_MAX`] levels. Out: a [`Value`], or where the text is
//! wrong. It knows whole numbers only, keeps the order of members and refuses a member that is given twice. No signed
//! byte ever passes through here: bundles, attestations and channels are not JSON on the device.

use std::fmt;

/// Bytes of one message on the socket: far above the largest call (a path and a few words).
pub const BYTES_MAX: usize = 64 * 1024;
/// Levels of nesting; the deepest call has three.
pub const DEPTH_MAX: usize = 8;

/// One JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object, its members in order.
    Object(Vec<(String, Value)>),
}

/// An object of the given members, in this order.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    fill(&mut members.into_iter())
}

/// Kept apart from [`object`], so that its code exists once and not once for each number of members.
#[inline(never)]
fn fill(members: &mut dyn Iterator<Item = (&str, Value)>) -> Value {
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A text of anything that can be displayed.
pub fn text(value: impl fmt::Display) -> Value {
    Value::Text(value.to_string())
}

/// A value, or `null` for none.
pub fn optional<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}

impl Value {
    /// The member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of the member `name`.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number of the member `name`.
    pub fn number_of(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Self::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether the member `name` is `true`.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some(&Self::Bool(true))
    }

    /// Adds a member at the end of an object; other values stay as they are.
    pub fn push(&mut self, name: &str, value: Value) {
        if let Self::Object(members) = self {
            members.push((name.to_owned(), value));
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    /// Sizes and times of this program are below 2^53; a larger number would not survive other people's readers.
    fn from(value: u64) -> Self {
        Self::Number(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::List(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => quote(value, f),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    quote(name, f)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => fmt::Write::write_char(f, c)?,
        }
    }
    f.write_str("\"")
}

/// Where a text stops being JSON, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson {
    /// Bytes before the fault.
    pub at: usize,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is not the JSON that was expected, from byte {} on", self.at)
    }
}

impl std::error::Error for NotJson {}

/// Reads one value that fills the whole text.
///
/// # Errors
/// [`NotJson`] names the first byte that is wrong or beyond a limit.
pub fn parse(text: &str) -> Result<Value, NotJson> {
    if text.len() > BYTES_MAX {
        return Err(NotJson { at: BYTES_MAX });
    }
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(DEPTH_MAX)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { reader.fail() }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fail<T>(&self) -> Result<T, NotJson> {
        Err(NotJson { at: self.at })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take(byte) { Ok(()) } else { self.fail() }
    }

    fn value(&mut self, depth_left: usize) -> Result<Value, NotJson> {
        self.skip_space();
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return self.fail();
        };
        match self.peek() {
            Some(b'{') => self.object(depth_left),
            Some(b'[') => self.list(depth_left),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in [("null", Value::Null), ("true", true.into()), ("false", false.into())] {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.fail()
            }
        }
    }

    fn object(&mut self, depth_left: usize) -> Result<Value, NotJson> {
        self.expect(b'{')?;
        let mut members: Vec<(String, Value)> = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            if members.iter().any(|(known, _)| *known == name) {
                return self.fail();
            }
            self.expect(b':')?;
            members.push((name, self.value(depth_left)?));
            if !self.take(b',') {
                self.expect(b'}')?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn list(&mut self, depth_left: usize) -> Result<Value, NotJson> {
        self.expect(b'[')?;
        let mut values = Vec::new();
        if self.take(b']') {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth_left)?);
            if !self.take(b',') {
                self.expect(b']')?;
                return Ok(Value::List(values));
            }
        }
    }

    fn number(&mut self) -> Result<Value, NotJson> {
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|b| !(b.is_ascii_digit() || b == b'-')).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        let plain = digits.trim_start_matches('-');
        let leading_zero = plain.len() > 1 && plain.starts_with('0');
        match digits.parse() {
            Ok(number) if !leading_zero && !after.starts_with(['.', 'e', 'E']) => {
                self.at += end;
                Ok(Value::Number(number))
            }
            _ => self.fail(),
        }
    }

    fn string(&mut self) -> Result<String, NotJson> {
        if self.peek() != Some(b'"') {
            return self.fail();
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                return self.fail();
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => out.push(self.escape()?),
                c if c < ' ' => return self.fail(),
                c => {
                    out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, NotJson> {
        let plain = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.fail(),
        };
        self.at += 2;
        Ok(plain)
    }

    /// A character by its number in four hexadecimal digits, or by two such numbers beyond the first 65,536.
    fn unicode(&mut self) -> Result<char, NotJson> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).map_or_else(|| self.fail(), Ok);
        }
        let second = self.unit()?;
        if !(0xdc00..0xe000).contains(&second) {
            return self.fail();
        }
        let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(joined).map_or_else(|| self.fail(), Ok)
    }

    fn unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.text.get(self.at..self.at + 6).and_then(|s| s.strip_prefix("\\u"));
        match digits {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                self.at += 6;
                u32::from_str_radix(hex, 16).map_err(|_| NotJson { at: self.at })
            }
            _ => self.fail(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed is read back as the same value.
    #[test]
    fn values_survive_the_round_trip() {
        let value = object([
            ("text", text("a \"quoted\" \\ line\n\u{1}é\u{1f600}")),
            ("numbers", vec![0u64.into(), Value::Number(-7), Value::Number(i64::MIN)].into()),
            ("nothing", Value::Null),
            ("yes", true.into()),
            ("empty", object([])),
        ]);
        assert_eq!(parse(&value.to_string()), Ok(value));
    }

    #[test]
    fn escapes_are_read() {
        let check = |input: &str, expected: &str| assert_eq!(parse(input), Ok(text(expected)), "{input}");
        check(r#""\u00e9\ud83d\ude00\/\b\f\r\t""#, "\u{e9}\u{1f600}/\u{8}\u{c}\r\t");
    }

    /// Everything else is refused at the byte where it goes wrong.
    #[test]
    fn refuses_what_is_not_json() {
        for input in [
            "",
            "nul",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "[1,]",
            "01",
            "1.5",
            "1e3",
            "--1",
            "\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u00g0\"",
            "\"\\u+041\"",
            "{\"a\":1,\"a\":2}",
            "1 2",
            "\"\n\"",
            "99999999999999999999",
            "[[[[[[[[1]]]]]]]]",
        ] {
            assert!(parse(input).is_err(), "{input}");
        }
        assert!(parse(&" ".repeat(BYTES_MAX + 1)).is_err());
    }
}
