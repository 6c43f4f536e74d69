//! Why an update did not go on, as it is kept across restarts and slots.
//!
//! In: an error of the executor, cut to fixed sizes. Out: a part of the record. It decides nothing; [`crate::policy`]
//! reads the class.

use crate::{DETAIL_BYTES_MAX, MESSAGE_BYTES_MAX, Stage};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Text of at most `N` bytes; longer text is cut at a character.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line<const N: usize>(heapless::String<N>);

impl<const N: usize> Line<N> {
    /// The text, cut.
    pub fn cut(text: &str) -> Self {
        let mut line = heapless::String::new();
        for character in text.chars() {
            if line.push(character).is_err() {
                break;
            }
        }
        Self(line)
    }

    /// The text, or nothing when it does not fit.
    pub fn whole(text: &str) -> Option<Self> {
        heapless::String::try_from(text).ok().map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Display for Line<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const N: usize> fmt::Debug for Line<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Whose fault it is, which decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Class {
    /// A connection failed or ended.
    Network,
    /// A server or medium does not give the bundle: missing, denied, unplugged.
    Source,
    /// Signatures, proofs or bytes are not what they must be.
    Verification,
    /// Right, but not for this device or not now.
    Policy,
    /// The active slot is not the image that the bundle was made for.
    BaseMismatch,
    /// No room in a slot or in the state directory, or more memory asked than allowed.
    Room,
    /// A disk, slot or boot loader gave an error.
    Device,
    /// The bundle is signed, but applying it fails: its maker's fault.
    Bundle,
    /// The slot reads back as something else than was written.
    ReadBack,
    /// The new slot ran and failed its health checks.
    Unhealthy,
    /// The new slot used up its tries without ever proving itself.
    Crashed,
    /// The boot loader did not start the armed slot.
    NotTried,
    /// An operator said so.
    Operator,
}

impl Class {
    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Source => "source",
            Self::Verification => "verification",
            Self::Policy => "policy",
            Self::BaseMismatch => "base-mismatch",
            Self::Room => "no-room",
            Self::Device => "device",
            Self::Bundle => "bundle",
            Self::ReadBack => "read-back",
            Self::Unhealthy => "unhealthy",
            Self::Crashed => "crashed",
            Self::NotTried => "not-tried",
            Self::Operator => "operator",
        }
    }
}

/// One failure, with everything that a report needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step that failed.
    pub stage: Stage,
    /// Whose fault.
    pub class: Class,
    /// The system's error number, 0 when there is none.
    pub errno: i32,
    /// A sentence for people.
    pub message: Line<MESSAGE_BYTES_MAX>,
    /// Output of the failed check, last kernel lines.
    pub detail: Line<DETAIL_BYTES_MAX>,
}

impl Failure {
    /// A failure without errno or detail.
    pub fn new(stage: Stage, class: Class, message: &str) -> Self {
        Self { stage, class, errno: 0, message: Line::cut(message), detail: Line::default() }
    }

    /// The same with the system's error number.
    #[must_use]
    pub fn errno(mut self, errno: i32) -> Self {
        self.errno = errno;
        self
    }

    /// The same with the end of some output: the last lines say what went wrong.
    #[must_use]
    pub fn detail(mut self, output: &str) -> Self {
        let mut from = output.len().saturating_sub(DETAIL_BYTES_MAX);
        while !output.is_char_boundary(from) {
            from += 1;
        }
        self.detail = Line::cut(&output[from..]);
        self
    }
}
