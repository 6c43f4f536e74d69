//! What a successful verification proved. Only this crate can make a [`Verified`]; whoever holds one may rely on it.

use core::ops::Deref;
use delta_format::capsule::LogHead;
use delta_format::limits::{COSIGNATURES_MAX, SIGNATURES_MAX};
use delta_format::{NoteKeyId, Sha256};

/// A body whose signatures and proofs were verified, with what they proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    body: T,
    evidence: Evidence,
}

impl<T> Verified<T> {
    pub(crate) fn new(body: T, evidence: Evidence) -> Self {
        Self { body, evidence }
    }

    /// What was proven.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The time that witnesses proved, Unix seconds; 0 for a file that is not logged.
    pub fn proven_time(&self) -> u64 {
        self.evidence.log.as_ref().map_or(0, |log| log.proven_time)
    }

    /// The log head to keep from now on; `None` for a file that is not logged.
    pub fn log_head(&self) -> Option<LogHead> {
        self.evidence.log.as_ref().map(|log| log.head)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}

/// Who signed, and where it stands in which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// SHA-256 of the canonical statement that was signed.
    pub statement: Sha256,
    /// Key ids of the signers that counted for the threshold.
    pub signers: heapless::Vec<Sha256, SIGNATURES_MAX>,
    /// The log; `None` for a channel index, which is not logged.
    pub log: Option<LogEvidence>,
}

/// What the log and its witnesses proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvidence {
    /// The RFC 6962 leaf hash of the entry.
    pub leaf: Sha256,
    /// The place of the entry, from 0.
    pub leaf_index: u64,
    /// The head that includes the entry.
    pub checkpoint: LogHead,
    /// The head to keep from now on: the larger of `checkpoint` and what was kept before.
    pub head: LogHead,
    /// How `checkpoint` continues what was kept before.
    pub continuity: Continuity,
    /// Known witnesses that saw `checkpoint`, in the order of the capsule.
    pub witnesses: heapless::Vec<Witnessed, COSIGNATURES_MAX>,
    /// Unix seconds: the largest time that a whole quorum of witnesses vouches for.
    pub proven_time: u64,
    /// The time floor to keep from now on: the larger of `proven_time` and what was kept before.
    pub time_floor: u64,
}

/// One verified cosignature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness.
    pub witness: NoteKeyId,
    /// When it saw the head, Unix seconds.
    pub timestamp: u64,
}

/// How a checkpoint is connected with the head that was kept before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// No head of this log was kept.
    First,
    /// It is the same head.
    Same,
    /// It is newer, shown by a proof in the capsule.
    NewerByCapsule,
    /// It is newer, shown by the log's tiles.
    NewerByTiles,
    /// It is older, shown by the log's tiles.
    OlderByTiles,
}

impl Continuity {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Same => "same",
            Self::NewerByCapsule => "newer-by-capsule",
            Self::NewerByTiles => "newer-by-tiles",
            Self::OlderByTiles => "older-by-tiles",
        }
    }
}
