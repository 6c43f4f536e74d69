//! Names and keys of logs and witnesses, and their text, the `vkey` of signed-note.

use super::{NoteError, write_base64};
use crate::base64;
use crate::ed25519::PublicKey;
use core::fmt;
use core::str::FromStr;
use delta_format::NoteKeyId;

/// Bytes of a key name. Origins are URLs without scheme; 128 keeps every checkpoint body below 256 bytes.
pub const KEY_NAME_BYTES_MAX: usize = 128;

/// What a key signs, which is part of its key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKeyKind {
    /// 0x01: checkpoints, as the log itself.
    Log,
    /// 0x04: `cosignature/v1`, as a witness.
    Witness,
}

impl NoteKeyKind {
    const fn identifier(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Witness => 0x04,
        }
    }
}

/// A name without spaces and plus signs, 1 to 128 bytes of visible ASCII (signed-note allows more of Unicode).
#[derive(Clone, PartialEq, Eq)]
pub struct KeyName(heapless::String<KEY_NAME_BYTES_MAX>);

impl KeyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'+') {
            return Err(NoteError::KeyName);
        }
        heapless::String::try_from(text).map(Self).map_err(|_| NoteError::KeyName)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A verifier key: name, kind and public key; the key id follows from them. Its text is the `vkey` of signed-note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: KeyName,
    kind: NoteKeyKind,
    key: PublicKey,
    id: NoteKeyId,
}

impl NoteKey {
    /// Puts a key together and computes its id: the first 4 bytes of SHA-256(name, newline, kind, key).
    pub fn new(name: KeyName, kind: NoteKeyKind, key: PublicKey) -> Self {
        let parts: [&[u8]; 4] = [name.0.as_bytes(), b"\n", &[kind.identifier()], key.as_bytes()];
        let digest = crate::sha256_of_parts(&parts);
        let [a, b, c, d, ..] = *digest.as_bytes();
        let id = NoteKeyId::new([a, b, c, d]);
        Self { name, kind, key, id }
    }

    /// The name; of a log also its origin.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs.
    pub fn kind(&self) -> NoteKeyKind {
        self.kind
    }

    /// The public key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The key id.
    pub fn id(&self) -> NoteKeyId {
        self.id
    }
}

impl FromStr for NoteKey {
    type Err = NoteError;

    /// Reads a `vkey`: name, `+`, key id in hexadecimal, `+`, base64 of the kind and the key.
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::KeyShape);
        };
        let name = name.parse()?;
        let material: [u8; 33] = base64::decode(material.as_bytes()).ok_or(NoteError::KeyShape)?;
        let (&[identifier], key) = material.split_first_chunk().ok_or(NoteError::KeyShape)?;
        let kind = [NoteKeyKind::Log, NoteKeyKind::Witness]
            .into_iter()
            .find(|kind| kind.identifier() == identifier)
            .ok_or(NoteError::KeyKind)?;
        let key = key.try_into().map_err(|_| NoteError::KeyShape)?;
        let key = PublicKey::new(key).ok_or(NoteError::KeyPoint)?;
        let key = Self::new(name, kind, key);
        if id.parse() == Ok(key.id) { Ok(key) } else { Err(NoteError::KeyId) }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+", self.name, self.id)?;
        let mut material = [self.kind.identifier(); 33];
        material[1..].copy_from_slice(self.key.as_bytes());
        write_base64(f, &material)
    }
}
