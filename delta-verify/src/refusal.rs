//! Why a file or an update is refused: one variant a reason, each with a stable code for scripts and a sentence for
//! people. No reason carries bytes of the refused file, so a refusal can be logged as it is.

use core::fmt;
use delta_format::{FormatError, Version};

/// Whose rules stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The file does not prove what it claims (exit code 5).
    Verification,
    /// The file is genuine, but not for this device or not now (exit code 6).
    Policy,
}

/// The first check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The checksum does not match or the file ends too early: fetch it again.
    Damaged,
    /// The bytes do not follow the format.
    Malformed(FormatError),
    /// A signature names a key that the trust root does not have.
    WrongKey,
    /// A signature of a known key does not verify.
    SignatureInvalid,
    /// Fewer keys with the needed role signed than the trust root asks for.
    ThresholdNotMet {
        /// Keys that signed.
        valid: u8,
        /// Keys that must sign.
        needed: u8,
    },
    /// The capsule has no log proof, and this kind of file needs one.
    NotLogged,
    /// The checkpoint is of a log that the trust root does not have.
    UnknownLog,
    /// The inclusion proof does not lead to the root of the checkpoint.
    NotInLog,
    /// The log's signature under the checkpoint does not verify.
    CheckpointInvalid,
    /// A cosignature of a known witness does not verify.
    CosignatureInvalid,
    /// Fewer witnesses saw the checkpoint than the trust root asks for.
    WitnessQuorum {
        /// Witnesses that saw it.
        valid: u8,
        /// Witnesses that must have seen it.
        needed: u8,
    },
    /// The log shows this device another history than before.
    LogForked,
    /// Nothing at hand connects the checkpoint with the head that this device keeps.
    LogConsistencyUnproven,
    /// The update is for another product.
    OtherProduct,
    /// The update is for other hardware.
    OtherHardware,
    /// The channel index is of another channel.
    OtherChannel,
    /// The channel index is older than one that this device has seen.
    ChannelOlder {
        /// Its number.
        number: u64,
        /// The newest number seen.
        seen: u64,
    },
    /// The file was valid until a time that has provably passed.
    Expired {
        /// Unix seconds.
        expires: u64,
        /// The proven time, Unix seconds.
        proven: u64,
    },
    /// Applying needs more memory than this device allows.
    NeedsTooMuchMemory {
        /// Bytes declared.
        needed: u32,
        /// Bytes allowed.
        allowed: u32,
    },
    /// The version is older than the floor of this device, and no rollback attestation allows it.
    VersionBelowFloor {
        /// The version of the update.
        version: Version,
        /// The floor.
        floor: Version,
    },
    /// The version is the one at the floor, with another image.
    VersionNotNewer {
        /// The version of the update, which is the floor.
        version: Version,
    },
    /// A rollback was asked for without an attestation.
    RollbackNotAttested,
    /// The rollback attestation allows another step than this one.
    RollbackForeign,
}

impl Refusal {
    /// Damage is told apart from everything else that can be wrong with the format: it is cured by fetching again.
    pub(crate) fn of_format(error: FormatError) -> Self {
        match error {
            FormatError::BadChecksum | FormatError::Truncated => Self::Damaged,
            other => Self::Malformed(other),
        }
    }

    /// The stable name of the reason, for scripts, logs and tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Malformed(_) => "malformed",
            Self::WrongKey => "wrong-key",
            Self::SignatureInvalid => "signature-invalid",
            Self::ThresholdNotMet { .. } => "threshold-not-met",
            Self::NotLogged => "not-logged",
            Self::UnknownLog => "unknown-log",
            Self::NotInLog => "not-in-log",
            Self::CheckpointInvalid => "checkpoint-invalid",
            Self::CosignatureInvalid => "cosignature-invalid",
            Self::WitnessQuorum { .. } => "witness-quorum",
            Self::LogForked => "log-forked",
            Self::LogConsistencyUnproven => "log-consistency-unproven",
            Self::OtherProduct => "other-product",
            Self::OtherHardware => "other-hardware",
            Self::OtherChannel => "other-channel",
            Self::ChannelOlder { .. } => "channel-older",
            Self::Expired { .. } => "expired",
            Self::NeedsTooMuchMemory { .. } => "needs-too-much-memory",
            Self::VersionBelowFloor { .. } => "version-below-floor",
            Self::VersionNotNewer { .. } => "version-not-newer",
            Self::RollbackNotAttested => "rollback-not-attested",
            Self::RollbackForeign => "rollback-foreign",
        }
    }

    /// Whose rules stopped it; decides the exit code.
    pub const fn class(&self) -> Class {
        match self {
            Self::Damaged
            | Self::Malformed(_)
            | Self::WrongKey
            | Self::SignatureInvalid
            | Self::ThresholdNotMet { .. }
            | Self::NotLogged
            | Self::UnknownLog
            | Self::NotInLog
            | Self::CheckpointInvalid
            | Self::CosignatureInvalid
            | Self::WitnessQuorum { .. }
            | Self::LogForked
            | Self::LogConsistencyUnproven => Class::Verification,
            Self::OtherProduct
            | Self::OtherHardware
            | Self::OtherChannel
            | Self::ChannelOlder { .. }
            | Self::Expired { .. }
            | Self::NeedsTooMuchMemory { .. }
            | Self::VersionBelowFloor { .. }
            | Self::VersionNotNewer { .. }
            | Self::RollbackNotAttested
            | Self::RollbackForeign => Class::Policy,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("the file is damaged or incomplete; fetch it again"),
            Self::Malformed(error) => write!(f, "the file is not well formed: {error}"),
            Self::WrongKey => f.write_str("the file is signed by a key that the trust root does not know"),
            Self::SignatureInvalid => f.write_str("a signature of a known key does not match the statement"),
            Self::ThresholdNotMet { valid, needed } => {
                write!(f, "{valid} of the {needed} needed keys signed the file")
            }
            Self::NotLogged => f.write_str("the file carries no proof that it is in a transparency log"),
            Self::UnknownLog => f.write_str("the file is in a log that the trust root does not know"),
            Self::NotInLog => f.write_str("the proof does not show that the file is in the log"),
            Self::CheckpointInvalid => f.write_str("the log did not sign the checkpoint of the proof"),
            Self::CosignatureInvalid => f.write_str("the cosignature of a known witness does not match the checkpoint"),
            Self::WitnessQuorum { valid, needed } => {
                write!(f, "{valid} of the {needed} needed witnesses saw the checkpoint")
            }
            Self::LogForked => f.write_str(
                "the log contradicts what it showed this device before; do not install, and tell the log's operator",
            ),
            Self::LogConsistencyUnproven => f.write_str(
                "nothing shows that the log continues what this device saw before; use a source that serves the log",
            ),
            Self::OtherProduct => f.write_str("the update is for another product"),
            Self::OtherHardware => f.write_str("the update is for other hardware"),
            Self::OtherChannel => f.write_str("the index is of another channel than the configured one"),
            Self::ChannelOlder { number, seen } => {
                write!(f, "the channel index is number {number}, and this device has seen number {seen}")
            }
            Self::Expired { expires, proven } => {
                write!(f, "the file expired at {expires}, and the time is provably {proven} or later (Unix seconds)")
            }
            Self::NeedsTooMuchMemory { needed, allowed } => {
                write!(f, "applying the update needs {needed} bytes of memory and {allowed} are allowed")
            }
            Self::VersionBelowFloor { version, floor } => {
                write!(
                    f,
                    "version {version} is older than the floor {floor} of this device; a rollback attestation is needed"
                )
            }
            Self::VersionNotNewer { version } => {
                write!(f, "version {version} is already at the floor of this device, with another image")
            }
            Self::RollbackNotAttested => f.write_str("going back needs a signed rollback attestation"),
            Self::RollbackForeign => f.write_str("the rollback attestation allows another step than this one"),
        }
    }
}

impl core::error::Error for Refusal {}
