//! C2SP signed-note: the text that log and witness signatures stand under, their keys and key ids.
//!
//! In: note texts and verifier keys (`vkey`). Out: borrowed parts and checked keys. It verifies nothing itself: what a
//! signature must cover differs between logs ([`crate::checkpoint`]) and witnesses ([`crate::cosignature`]).

mod key;

use crate::base64;
use core::fmt;
use delta_format::{NoteKeyId, statement};
pub use key::{KEY_NAME_BYTES_MAX, KeyName, NoteKey, NoteKeyKind};

/// Signature lines of one note that are looked at; signed-note asks for at least 16, and a log that rotates its key
/// writes two of its own.
pub const NOTE_SIGNATURES_MAX: usize = 32;

/// The text before each signature: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Writes bytes as base64 text.
///
/// # Errors
/// Those of `out`.
pub fn write_base64(out: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    let mut result = Ok(());
    statement::base64(bytes, |quad| {
        if let (Ok(()), Ok(text)) = (result, core::str::from_utf8(quad)) {
            result = out.write_str(text);
        }
    });
    result
}

/// Why a note or a key is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// The note has no blank line before its signatures, has control characters or does not end in a newline.
    Shape,
    /// A signature line is not dash, name, base64 of key id and signature; or there are none, or too many.
    SignatureLine,
    /// The text of a checkpoint is not origin, size and root.
    Checkpoint,
    /// A key name is empty, too long or has a space or a plus sign.
    KeyName,
    /// A verifier key is not name, key id and base64 key.
    KeyShape,
    /// The key id does not follow from the rest of the verifier key.
    KeyId,
    /// The signature type of the key is none that is verified here.
    KeyKind,
    /// The bytes are no Ed25519 public key that can be trusted.
    KeyPoint,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "the text is not a signed note",
            Self::SignatureLine => "a signature line of the note is not well formed",
            Self::Checkpoint => "the note is not a checkpoint of origin, tree size and root",
            Self::KeyName => "a key name is 1 to 128 visible ASCII characters without a plus sign",
            Self::KeyShape => "a verifier key is NAME+ID+BASE64",
            Self::KeyId => "the id of the verifier key does not match its name and key",
            Self::KeyKind => "the verifier key is neither an Ed25519 log key nor an Ed25519 witness key",
            Self::KeyPoint => "the bytes of the verifier key are not a safe Ed25519 public key",
        })
    }
}

impl core::error::Error for NoteError {}

/// A signed note, cut into text and signature lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The signed text, with its last newline.
    pub text: &'a str,
    signatures: &'a str,
}

/// One signature line. What follows the key id depends on the kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteSignature<'a> {
    /// The name of the key.
    pub name: &'a str,
    encoded: &'a str,
}

impl<'a> Note<'a> {
    /// Cuts a note at its last blank line and checks every signature line.
    ///
    /// # Errors
    /// [`NoteError::Shape`] or [`NoteError::SignatureLine`].
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        if !note.ends_with('\n') || note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::Shape);
        }
        let blank = note.rfind("\n\n").ok_or(NoteError::Shape)?;
        let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
        let count = signatures.lines().count();
        if count == 0 || count > NOTE_SIGNATURES_MAX {
            return Err(NoteError::SignatureLine);
        }
        for line in signatures.lines() {
            NoteSignature::parse(line).ok_or(NoteError::SignatureLine)?;
        }
        Ok(Self { text, signatures })
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> impl Iterator<Item = NoteSignature<'a>> + use<'a> {
        self.signatures.lines().filter_map(NoteSignature::parse)
    }

    /// The signatures that name `key` (both name and id; signed-note asks to ignore those that match only one).
    pub fn signatures_of<'k>(&self, key: &'k NoteKey) -> impl Iterator<Item = NoteSignature<'a>> + use<'a, 'k> {
        self.signatures()
            .filter(|signature| signature.name == key.name().as_str() && signature.key_id() == Some(key.id()))
    }
}

impl<'a> NoteSignature<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let named = !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace());
        let signature = Self { name, encoded };
        // Longer signatures than any that is known here (ML-DSA) are not decoded; their key id is enough to skip them.
        (named && encoded.len() > 8 && signature.key_id().is_some()).then_some(signature)
    }

    /// The base64 text of key id and signature.
    pub fn encoded(&self) -> &'a str {
        self.encoded
    }

    /// The id of the key that made it.
    pub fn key_id(&self) -> Option<NoteKeyId> {
        let [a, b, c, d, ..]: [u8; 6] = base64::decode(self.encoded.as_bytes().get(..8)?)?;
        Some(NoteKeyId::new([a, b, c, d]))
    }

    /// The bytes after the key id, when they are exactly `N - 4`; the whole of `N` bytes is given.
    pub fn bytes<const N: usize>(&self) -> Option<[u8; N]> {
        base64::decode(self.encoded.as_bytes())
    }
}

/// Writes one signature line.
///
/// # Errors
/// Those of `out`.
pub fn write_signature(out: &mut impl fmt::Write, name: &str, id_and_signature: &[u8]) -> fmt::Result {
    write!(out, "{SIGNATURE_MARK}{name} ")?;
    write_base64(out, id_and_signature)?;
    out.write_str("\n")
}
