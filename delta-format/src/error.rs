//! Why bytes are not what a format says. One enum for every format of this crate: the reader of an error wants to
//! know whether the bytes are damaged, newer than this program, or beyond a limit.

use core::fmt;

/// The bytes do not follow the format. Always the fault of the input, never of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The input ends before the format does.
    Truncated,
    /// Bytes follow where the format ends.
    TrailingBytes,
    /// The file does not start with the expected magic.
    BadMagic,
    /// The checksum over the unsigned parts does not match: the file is damaged.
    BadChecksum,
    /// A version number that this program does not know.
    UnknownVersion,
    /// The bytes decode, but the format has another spelling for the same value.
    NotCanonical,
    /// A name, version or digest has characters that the format does not allow.
    BadText,
    /// A field has a value that the format does not allow; the field is named.
    BadField(&'static str),
    /// A field is beyond its limit in [`crate::limits`]; the field is named.
    LimitExceeded(&'static str),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the data ends too early"),
            Self::TrailingBytes => f.write_str("there are bytes after the end of the data"),
            Self::BadMagic => f.write_str("this is not a file of this kind"),
            Self::BadChecksum => f.write_str("the file is damaged (checksum mismatch)"),
            Self::UnknownVersion => f.write_str("the format version is newer than this program"),
            Self::NotCanonical => f.write_str("the data is not in canonical form"),
            Self::BadText => f.write_str("a text field has characters that are not allowed"),
            Self::BadField(field) => write!(f, "the field '{field}' has a value that is not allowed"),
            Self::LimitExceeded(field) => write!(f, "the field '{field}' is beyond its limit"),
        }
    }
}

impl core::error::Error for FormatError {}
