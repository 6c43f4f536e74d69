//! Why a command failed, in words for people and in an exit code for scripts. The codes are those of `stella-agent`.

use delta_apply::{ApplyError, BaseError, IoError};
use delta_bundle::{BundleReadError, ChannelError, CreateError};
use delta_format::FormatError;
use delta_verify::{Class, Refusal};
use std::fmt::Display;
use std::io;
use std::path::Path;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process exits with.
    pub(crate) exit_code: u8,
    /// A fixed word for scripts.
    pub(crate) code: &'static str,
    /// A sentence for people: what happened to which file, and what to do next.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const VERIFICATION: u8 = 5;
    pub(crate) const POLICY: u8 = 6;
    pub(crate) const BASE: u8 = 7;
    pub(crate) const SPACE: u8 = 8;
    pub(crate) const BUSY: u8 = 10;

    pub(crate) fn new(exit_code: u8, code: &'static str, message: impl Display) -> Self {
        Self { exit_code, code, message: message.to_string() }
    }

    /// The arguments do not fit together.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Self::USAGE, "usage", message)
    }

    /// A file operation failed.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let message = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::new(Self::SPACE, "no-space", message),
            _ => Self::new(Self::FAILED, "io", message),
        }
    }

    /// A file is not in its format.
    pub(crate) fn format(path: &Path, error: FormatError) -> Self {
        // The words of `delta-verify` for the same bytes.
        let damaged = matches!(error, FormatError::BadChecksum | FormatError::Truncated | FormatError::TrailingBytes);
        let code = if damaged { "damaged" } else { "malformed" };
        Self::new(Self::VERIFICATION, code, format!("{}: {error}", path.display()))
    }

    /// The verifier refused a file.
    pub(crate) fn refusal(path: &Path, refusal: Refusal) -> Self {
        let exit_code = match refusal.class() {
            Class::Verification => Self::VERIFICATION,
            Class::Policy => Self::POLICY,
        };
        Self::new(exit_code, refusal.code(), format!("{}: refused: {refusal}", path.display()))
    }

    /// A bundle cannot be read.
    pub(crate) fn bundle(path: &Path, error: BundleReadError) -> Self {
        match error {
            BundleReadError::Io(error) => Self::io(path, &error),
            BundleReadError::Format(error) => Self::format(path, error),
            error => Self::new(Self::VERIFICATION, "damaged", format!("{}: {error}", path.display())),
        }
    }

    /// A base is not the one that a bundle was made for.
    pub(crate) fn base(path: &Path, error: BaseError) -> Self {
        let message = format!("{}: {error}", path.display());
        match error {
            BaseError::Mismatch { .. } => Self::new(Self::BASE, "base-mismatch", message),
            BaseError::Cancelled => Self::cancelled(),
            _ => Self::new(Self::FAILED, "io", message),
        }
    }

    /// Applying a payload failed.
    pub(crate) fn apply(path: &Path, error: ApplyError<IoError>) -> Self {
        let message = format!("{}: {error}", path.display());
        match error {
            ApplyError::Cancelled => Self::cancelled(),
            ApplyError::GroupDamaged { .. } => Self::new(Self::VERIFICATION, "damaged", message),
            ApplyError::Format(_) | ApplyError::Frame | ApplyError::LimitsUnderstated => {
                Self::new(Self::VERIFICATION, "malformed", message)
            }
            ApplyError::Target(IoError::ENOSPC) => Self::new(Self::SPACE, "no-space", message),
            ApplyError::SegmentMismatch { .. } => Self::new(Self::BASE, "base-mismatch", message),
            _ => Self::new(Self::FAILED, "io", message),
        }
    }

    /// The user pressed Ctrl-C.
    pub(crate) fn cancelled() -> Self {
        Self::new(Self::FAILED, "cancelled", "cancelled; nothing was written")
    }
}

impl From<delta_attest::Error> for Failure {
    fn from(error: delta_attest::Error) -> Self {
        match &error {
            delta_attest::Error::Io { path, source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Self::io(path, source)
            }
            delta_attest::Error::Busy(_) => Self::new(Self::BUSY, "busy", error),
            _ => Self::new(Self::FAILED, "attest", error),
        }
    }
}

impl From<delta_attest::Problem> for Failure {
    fn from(problem: delta_attest::Problem) -> Self {
        Self::new(Self::FAILED, "attest", problem)
    }
}

impl From<delta_graph::Error> for Failure {
    fn from(error: delta_graph::Error) -> Self {
        match error {
            delta_graph::Error::Io { path, source, .. } => Self::io(&path, &source),
            delta_graph::Error::Attest(error) => error.into(),
            delta_graph::Error::NotExecutable(_) => Self::new(Self::FAILED, "not-an-executable", error),
            delta_graph::Error::In { .. } => Self::new(Self::VERIFICATION, "graph-refused", error),
            error => Self::new(Self::FAILED, "graph", error),
        }
    }
}

impl From<delta_ingest::tree::TreeError> for Failure {
    fn from(error: delta_ingest::tree::TreeError) -> Self {
        let code = if error.source.kind() == io::ErrorKind::InvalidData { "damaged" } else { "io" };
        match error.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::new(Self::SPACE, "no-space", error),
            _ => Self::new(Self::FAILED, code, error),
        }
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Io { path, source } => Self::io(&path, &source),
            CreateError::Cancelled => Self::cancelled(),
            CreateError::Format(_) | CreateError::TooLarge { .. } => Self::new(Self::USAGE, "not-representable", error),
            error => Self::new(Self::FAILED, "not-reproduced", error),
        }
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Self::new(Self::FAILED, "channel", error)
    }
}
