//! What is wrong with a trust root, and in which line, for the person who wrote it.

use super::{LOG_KEYS_MAX, SIGNER_KEYS_MAX, TRUST_BYTES_MAX, TRUST_FORMAT, WITNESS_KEYS_MAX};
use crate::note::NoteError;
use core::fmt;

/// The first thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustError {
    /// The line, from 1; 0 when something is missing from the whole text.
    pub line: u32,
    /// What is wrong with it.
    pub problem: TrustProblem,
}

/// What can be wrong with a trust root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustProblem {
    /// The text is longer than [`TRUST_BYTES_MAX`].
    TooLong,
    /// The line has other characters than visible ASCII and single spaces between words.
    Characters,
    /// The last line does not end in a newline.
    NoFinalNewline,
    /// The first line is not [`TRUST_FORMAT`].
    Format,
    /// The line starts with no known keyword.
    Keyword,
    /// The line has too few or too many words.
    Words,
    /// A name or a number is not one.
    Value,
    /// The base64 text is not the SubjectPublicKeyInfo of a safe Ed25519 key.
    Key,
    /// The verifier key is not one.
    NoteKey(NoteError),
    /// A log line has a witness key, or the other way round.
    KeyKind,
    /// The line repeats a setting, a key, or the name of another key.
    Twice,
    /// Two keys have ids that a capsule could not tell apart.
    IdCollision,
    /// There are more keys of this kind than the limit.
    TooManyKeys,
    /// A needed line is missing; its keyword is named.
    Missing(&'static str),
    /// A threshold or quorum is 0 or more than there are keys for it; its keyword is named.
    Unreachable(&'static str),
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {} of the trust root: {}", self.line, self.problem)
        } else {
            write!(f, "the trust root: {}", self.problem)
        }
    }
}

impl fmt::Display for TrustProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {TRUST_BYTES_MAX} bytes"),
            Self::Characters => {
                f.write_str("only visible ASCII characters with single spaces between words are allowed")
            }
            Self::NoFinalNewline => f.write_str("the last line does not end in a newline; the file may be cut off"),
            Self::Format => write!(f, "the first line must be '{TRUST_FORMAT}'"),
            Self::Keyword => {
                f.write_str("a line starts with name, version, signer, rollback, threshold, log, witness, quorum or #")
            }
            Self::Words => f.write_str("there are too few or too many words"),
            Self::Value => f.write_str("a name or number is not well formed"),
            Self::Key => f.write_str("the key is not the base64 text of an Ed25519 public key (SubjectPublicKeyInfo)"),
            Self::NoteKey(error) => error.fmt(f),
            Self::KeyKind => f.write_str("a log line needs a log key and a witness line a witness key"),
            Self::Twice => f.write_str("the setting, key or name was given before"),
            Self::IdCollision => f.write_str("the id of this key is the same as that of another; make a new key"),
            Self::TooManyKeys => write!(
                f,
                "there are more than {SIGNER_KEYS_MAX} signers, {LOG_KEYS_MAX} logs or {WITNESS_KEYS_MAX} witnesses"
            ),
            Self::Missing(keyword) => write!(f, "a line '{keyword}' is missing"),
            Self::Unreachable(keyword) => write!(
                f,
                "the number after '{keyword}' must be at least 1 and at most the number of keys that can meet it"
            ),
        }
    }
}

impl core::error::Error for TrustError {}
