//! The words after a chore's name.
//!
//! In: the words. Out: which flags stood there and the value of each option; words nobody asked for are an error
//! ([`Misused`], exit code 2). Deliberately without abbreviations, `--key=value` and combined short flags.

use std::fmt;

/// What a chore was called with, taken out word by word.
#[derive(Debug)]
pub(crate) struct Arguments {
    words: Vec<String>,
    after_dashes: Vec<String>,
}

/// The chore was called wrongly; the usage line helps, a log does not.
#[derive(Debug)]
pub(crate) struct Misused(String);

impl Misused {
    pub(crate) fn new(reason: String) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Misused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Misused {}

impl Arguments {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        let mut words: Vec<String> = words.collect();
        let after_dashes = match words.iter().position(|word| word == "--") {
            Some(at) => words.split_off(at).into_iter().skip(1).collect(),
            None => Vec::new(),
        };
        Self { words, after_dashes }
    }

    /// Takes the first word out: what a chore of several is asked for.
    pub(crate) fn first(&mut self) -> Option<String> {
        (!self.words.is_empty()).then(|| self.words.remove(0))
    }

    /// Takes the flag out; true if it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() != before
    }

    /// Takes the option and its value out.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>, Misused> {
        let Some(at) = self.words.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if at + 1 == self.words.len() {
            return Err(Misused(format!("{name} needs a value")));
        }
        self.words.remove(at);
        Ok(Some(self.words.remove(at)))
    }

    /// Ends the reading: whatever is left was not meant for this chore. Returns the words after `--`.
    pub(crate) fn finish(self) -> Result<Vec<String>, Misused> {
        match self.words.first() {
            Some(word) => Err(Misused(format!("'{word}' means nothing here"))),
            None => Ok(self.after_dashes),
        }
    }
}
