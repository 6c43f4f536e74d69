//! Reading what the programs print with `--json`.
//!
//! In: one JSON text. Out: [`Json`], asked by dotted paths; and texts as JSON writes them. It reads what our own programs
//! write (RFC 8259 without surrogate pairs); it is no parser for input of strangers.

use anyhow::{Result, bail};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value()?;
        match reader.next() {
            None => Ok(value),
            Some(_) => bail!("something follows the JSON value: {}", reader.rest),
        }
    }

    /// The value at a dotted path: `data.slots.B`.
    pub(crate) fn at(&self, path: &str) -> &Json {
        path.split('.').fold(self, |value, name| match value {
            Json::Object(members) => {
                members.iter().find(|(key, _)| key == name).map_or(&Json::Null, |(_, value)| value)
            }
            _ => &Json::Null,
        })
    }

    /// The text at a path; empty when there is none.
    pub(crate) fn text(&self, path: &str) -> &str {
        match self.at(path) {
            Json::Text(text) => text,
            _ => "",
        }
    }

    /// The number at a path.
    pub(crate) fn decimal(&self, path: &str) -> Option<f64> {
        match self.at(path) {
            Json::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The values of a list; none when it is no list.
    pub(crate) fn items(&self) -> &[Json] {
        match self {
            Json::List(values) => values,
            _ => &[],
        }
    }

    /// The whole number at a path; 0 when there is none.
    pub(crate) fn number(&self, path: &str) -> u64 {
        match self.at(path) {
            Json::Number(number) => *number as u64,
            _ => 0,
        }
    }
}

/// A text as JSON writes it, with its quotation marks.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control < ' ' => out += &format!("\\u{:04x}", u32::from(control)),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// The next character behind white space, not taken.
    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, mark: char) -> bool {
        let found = self.next() == Some(mark);
        if found {
            self.rest = &self.rest[mark.len_utf8()..];
        }
        found
    }

    fn need(&mut self, mark: char) -> Result<()> {
        match self.take(mark) {
            true => Ok(()),
            false => bail!("no '{mark}' in front of: {}", self.rest),
        }
    }

    fn value(&mut self) -> Result<Json> {
        match self.next() {
            Some('{') => self.object(),
            Some('[') => self.list(),
            Some('"') => self.text().map(Json::Text),
            _ => self.word(),
        }
    }

    fn object(&mut self) -> Result<Json> {
        self.need('{')?;
        let mut members = Vec::new();
        while !self.take('}') {
            if !members.is_empty() {
                self.need(',')?;
            }
            let key = self.text()?;
            self.need(':')?;
            members.push((key, self.value()?));
        }
        Ok(Json::Object(members))
    }

    fn list(&mut self) -> Result<Json> {
        self.need('[')?;
        let mut values = Vec::new();
        while !self.take(']') {
            if !values.is_empty() {
                self.need(',')?;
            }
            values.push(self.value()?);
        }
        Ok(Json::List(values))
    }

    fn text(&mut self) -> Result<String> {
        self.need('"')?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 'u')) => {
                        let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        text.push(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('?'));
                    }
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                character => text.push(character),
            }
        }
        bail!("a text without its end: {}", self.rest)
    }

    fn word(&mut self) -> Result<Json> {
        let end = self.rest.find([',', ']', '}', ' ', '\n']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number => match number.parse() {
                Ok(number) => Json::Number(number),
                Err(_) => bail!("not a JSON value: {number}"),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, quoted};

    /// Values are found by their paths; what is absent is null, empty or 0; what is no JSON is an error.
    #[test]
    fn reads_what_the_programs_print() {
        let text =
            r#" {"code":"ok","data":{"a":[],"b":[1,{"c":2.5}],"n":268435456,"t":"x\n\"\u00e4/","f":false}, "z":null} "#;
        let value = Json::parse(text).unwrap();
        assert_eq!((value.text("code"), value.number("data.n")), ("ok", 268_435_456));
        assert_eq!((value.text("data.t"), value.text("data.q"), value.number("data.a.b")), ("x\n\"ä/", "", 0));
        assert_eq!((value.at("z"), value.at("data.f")), (&Json::Null, &Json::Bool(false)));
        assert_eq!(value.at("data.b").items()[1].decimal("c"), Some(2.5));
        let text = "a \"b\" \\ \n ä";
        assert_eq!(Json::parse(&quoted(text)).unwrap(), Json::Text(text.into()));
        for text in ["", "{", "{\"a\"}", "[1 2]", "\"open", "{} x", "nul"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
