//! Everything that can go wrong, by whose fault it is: the bundle, the policy, this device, its link, or a bug of ours.
//!
//! In: errors of the verifier, the engine and the platform. Out: a sentence that ends with the next command, an exit
//! code, and the [`Failure`] that the journal keeps.

use super::outcome::rejected_exit_code;
use crate::journal::JournalError;
use crate::platform::{IoError, Slot, SourceError, SourceErrorKind, Stage};
use agent_machine::{Class, Failure, Rejected};
use delta_apply::BlockRange;
use delta_verify::Refusal;
use std::fmt;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A signed file was not accepted.
    Refused(Refusal),
    /// The file is damaged behind its head; what is wrong is named.
    Damaged(&'static str),
    /// The bundle is signed, but its payload cannot be applied; the engine's words.
    Bundle(String),
    /// The machine does not allow the command now.
    Rejected(Rejected),
    /// The running slot is not the base.
    BaseMismatch {
        /// The running slot.
        slot: Slot,
        /// What differs; empty when it is not known.
        ranges: Vec<BlockRange>,
    },
    /// Something does not fit.
    NoRoom {
        /// Where.
        place: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// The bundle could not be had.
    Source(SourceError),
    /// A disk, slot or boot loader failed.
    Device {
        /// In which step.
        stage: Stage,
        /// What failed, for people.
        what: &'static str,
        /// The system's error.
        error: IoError,
    },
    /// The journal cannot be used.
    Journal(JournalError),
    /// A slot does not hold what it must.
    ReadBack {
        /// The slot.
        slot: Slot,
        /// Whether a rollback attestation named the content.
        rollback: bool,
    },
    /// The watcher stopped the work.
    Stopped,
    /// There is no install to resume.
    NothingToResume,
    /// Another file was given than the one whose install is under way.
    OtherBundle,
    /// A bug of ours.
    Bug(&'static str),
}

impl Error {
    pub(super) fn device(stage: Stage, what: &'static str) -> impl FnOnce(IoError) -> Self {
        move |error| Self::Device { stage, what, error }
    }

    /// The exit code of a command that ends like this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(refusal) => match refusal.class() {
                delta_verify::Class::Verification => 5,
                delta_verify::Class::Policy => 6,
            },
            Self::Damaged(_) | Self::Bundle(_) | Self::ReadBack { rollback: true, .. } => 5,
            Self::Rejected(rejected) => rejected_exit_code(*rejected),
            Self::BaseMismatch { .. } => 7,
            Self::NoRoom { .. } => 8,
            Self::Source(error) => match error.kind {
                SourceErrorKind::Network | SourceErrorKind::Denied | SourceErrorKind::Missing => 9,
                SourceErrorKind::End => 5,
                SourceErrorKind::Io(_) | SourceErrorKind::Cancelled => 1,
            },
            Self::Device { error, .. } | Self::Journal(JournalError::Io(error)) if is_no_room(*error) => 8,
            Self::NothingToResume => 3,
            Self::OtherBundle => 10,
            Self::Device { .. } | Self::Journal(_) | Self::ReadBack { .. } | Self::Stopped | Self::Bug(_) => 1,
        }
    }

    /// A short word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Damaged(_) => "damaged",
            Self::Bundle(_) => "bundle-defective",
            Self::Rejected(rejected) => match rejected {
                Rejected::AlreadyInstalled => "already-installed",
                Rejected::FailedHere => "failed-here",
                Rejected::NotDefault => "not-default",
                Rejected::SlotRunning => "slot-running",
                Rejected::Installing => "installing",
                Rejected::RebootFirst => "reboot-first",
                Rejected::TrialFirst => "trial-first",
                Rejected::NothingToDo => "nothing-to-do",
                Rejected::FallingBack => "falling-back",
                Rejected::Unexpected { .. } => "bug",
            },
            Self::BaseMismatch { .. } => "base-mismatch",
            Self::NoRoom { .. } => "no-room",
            Self::Source(error) => match error.kind {
                SourceErrorKind::Network => "network",
                SourceErrorKind::Denied => "source-denied",
                SourceErrorKind::Missing => "source-missing",
                SourceErrorKind::End => "damaged",
                SourceErrorKind::Io(_) => "source-unreadable",
                SourceErrorKind::Cancelled => "stopped",
            },
            Self::Device { error, .. } | Self::Journal(JournalError::Io(error)) if is_no_room(*error) => "no-room",
            Self::Device { .. } => "device",
            Self::Journal(JournalError::Io(_)) => "state-unwritable",
            Self::Journal(_) => "journal",
            Self::ReadBack { .. } => "read-back",
            Self::Stopped => "stopped",
            Self::NothingToResume => "nothing-to-resume",
            Self::OtherBundle => "other-bundle",
            Self::Bug(_) => "bug",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Refused(refusal) => match refusal.class() {
                delta_verify::Class::Verification => Class::Verification,
                delta_verify::Class::Policy => Class::Policy,
            },
            Self::Damaged(_) => Class::Verification,
            Self::Bundle(_) => Class::Bundle,
            Self::Rejected(_) | Self::NothingToResume | Self::OtherBundle => Class::Policy,
            Self::BaseMismatch { .. } => Class::BaseMismatch,
            Self::NoRoom { .. } => Class::Room,
            Self::Source(error) => match error.kind {
                SourceErrorKind::Network => Class::Network,
                SourceErrorKind::End => Class::Verification,
                _ => Class::Source,
            },
            Self::Device { error, .. } if is_no_room(*error) => Class::Room,
            Self::ReadBack { .. } => Class::ReadBack,
            Self::Stopped => Class::Operator,
            Self::Device { .. } | Self::Journal(_) | Self::Bug(_) => Class::Device,
        }
    }

    /// What the journal keeps of it.
    pub(super) fn failure(&self, stage: Stage) -> Failure {
        let errno = match self {
            Self::Device { error, .. } | Self::Journal(JournalError::Io(error)) => error.0,
            Self::Source(SourceError { kind: SourceErrorKind::Io(error), .. }) => error.0,
            _ => 0,
        };
        Failure::new(stage, self.class(), &self.what()).errno(errno)
    }

    /// What happened, without advice.
    pub fn what(&self) -> String {
        match self {
            Self::Refused(refusal) => format!("Refused: {refusal}."),
            Self::Damaged(what) => format!("The bundle is damaged: {what}."),
            Self::Bundle(what) => format!("The bundle is signed, but it cannot be applied: {what}."),
            Self::Rejected(rejected) => format!("Not now: {rejected}."),
            Self::BaseMismatch { slot, ranges } => match &ranges[..] {
                [] => format!("The running slot {slot} is not the image that this update was made for."),
                [first, rest @ ..] => {
                    let more = match rest.len() {
                        0 => String::new(),
                        n => format!(" and {n} more ranges"),
                    };
                    format!(
                        "The running slot {slot} was changed: {first}{more} differ from the image that this update was made for. Nothing was written."
                    )
                }
            },
            Self::NoRoom { place, needed, available } => {
                format!("There is no room in {place}: {needed} bytes are needed, {available} are there.")
            }
            Self::Source(error) => sentence(&error.text),
            Self::Device { what, error, .. } => format!("{what}: {error}."),
            Self::Journal(error) => format!("{error}."),
            Self::ReadBack { slot, rollback: false } => {
                format!("Slot {slot} reads back as something else than was written; its disk may be failing.")
            }
            Self::ReadBack { slot, rollback: true } => {
                format!("Slot {slot} does not hold the image that the rollback attestation names.")
            }
            Self::Stopped => "Stopped; nothing is lost.".into(),
            Self::NothingToResume => "No install is under way.".into(),
            Self::OtherBundle => "Another install is under way, of another bundle.".into(),
            Self::Bug(what) => format!("Bug in the agent: {what}."),
        }
    }

    /// The next command to run.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => match refusal.class() {
                delta_verify::Class::Verification => {
                    "Ask the publisher for a good file; see why with: stella-agent verify FILE"
                }
                delta_verify::Class::Policy => "See what this device accepts with: stella-agent status",
            },
            Self::Damaged(_) => "Copy or download it again, then: stella-agent install FILE",
            Self::Bundle(_) => "Tell its publisher, and see the details with: stella-agent status",
            Self::Rejected(rejected) => match rejected {
                Rejected::FailedHere => "Install it nevertheless with: stella-agent install --force FILE",
                Rejected::NotDefault => "Start the default slot again with: systemctl reboot",
                Rejected::RebootFirst | Rejected::FallingBack => "Start the device again with: systemctl reboot",
                Rejected::TrialFirst => "Decide with: stella-agent commit, or stella-agent mark-bad",
                Rejected::Installing => "Go on with it by: stella-agent resume, or end it by: stella-agent cancel",
                _ => "See where the device is with: stella-agent status",
            },
            Self::BaseMismatch { .. } => {
                "See who changed it with: stella-agent doctor; a full image installs in any case"
            }
            Self::NoRoom { .. } => "Make room, then: stella-agent resume",
            Self::Source(error) if error.kind == SourceErrorKind::Missing => {
                "Check the name, then: stella-agent install FILE"
            }
            Self::Source(_) => "When it is reachable again, give the same command again, or: stella-agent resume",
            Self::Stopped => "Give the same command again, or: stella-agent resume",
            Self::NothingToResume => "Begin one with: stella-agent install FILE",
            Self::OtherBundle => "Go on with it by: stella-agent resume, or end it by: stella-agent cancel",
            Self::Device { .. } | Self::Journal(_) | Self::ReadBack { .. } => {
                "Look for the cause with: stella-agent doctor"
            }
            Self::Bug(_) => "Please report it with the output of: stella-agent status --json",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what(), self.hint())
    }
}

impl std::error::Error for Error {}

/// A text of somebody else as a sentence. An address or a path at its start is left as it is.
fn sentence(text: &str) -> String {
    let first_word = text.split(' ').next().unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    match text.chars().next() {
        Some(first) if first.is_ascii_lowercase() && first_word.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            format!("{}{}{end}", first.to_ascii_uppercase(), &text[1..])
        }
        _ => format!("{text}{end}"),
    }
}

/// ENOSPC and EDQUOT.
fn is_no_room(error: IoError) -> bool {
    matches!(error.0, 28 | 122)
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        match error.kind {
            SourceErrorKind::End => Self::Damaged("it ends too early"),
            SourceErrorKind::Cancelled => Self::Stopped,
            _ => Self::Source(error),
        }
    }
}

impl From<delta_apply::Cancelled> for Error {
    fn from(_: delta_apply::Cancelled) -> Self {
        Self::Stopped
    }
}
