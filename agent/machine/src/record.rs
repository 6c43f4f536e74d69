//! The body of a journal record: facts and state in one. `docs/formats/journal.md`, section "Body".

use crate::{Facts, Idle, State};
use delta_format::journal::BODY_BYTES_MAX;
use delta_format::{FormatError, wire};
use serde::{Deserialize, Serialize};

/// The format that this program writes and reads.
pub const RECORD_FORMAT: u8 = 1;

/// Everything that a device remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_FORMAT`].
    pub format: u8,
    /// What is known for good.
    pub facts: Facts,
    /// What is going on.
    pub state: State,
}

impl Default for Record {
    /// The record of a device fresh from the factory.
    fn default() -> Self {
        Self { format: RECORD_FORMAT, facts: Facts::default(), state: State::Idle(Idle {}) }
    }
}

impl Record {
    /// Decodes the body of a record.
    ///
    /// # Errors
    /// [`FormatError::UnknownVersion`] for a record of a newer agent; [`FormatError`].
    pub fn decode(body: &[u8]) -> Result<Self, FormatError> {
        match body.first() {
            None => Err(FormatError::Truncated),
            Some(&RECORD_FORMAT) => wire::decode(body, "journal record"),
            Some(_) => Err(FormatError::UnknownVersion),
        }
    }

    /// Encodes the record to the front of `out`.
    ///
    /// # Errors
    /// [`FormatError::LimitExceeded`]; cannot happen, the largest record is tested to fit.
    pub fn encode<'a>(&self, out: &'a mut [u8; BODY_BYTES_MAX]) -> Result<&'a [u8], FormatError> {
        wire::encode(self, out, "journal record")
    }
}
