//! What is where in a table of types (`include/uapi/linux/btf.h`): a head of 24 bytes, records, strings.
//!
//! A record is three words (name, kind with the number of entries, size or type) and entries of up to three words.

pub(super) const MAGIC: u32 = 0xeb9f;
/// Bytes of the head: magic, version 1, flags, own length, and place and length of types and of strings behind it.
pub(in crate::coding) const HEAD_BYTES: u64 = 24;
/// Bytes that each record starts with.
pub(super) const RECORD_BYTES: u64 = 12;

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Role {
    /// The place of a string.
    Name = 0,
    /// The number of a type.
    Type = 1,
    /// Something else.
    Other = 2,
}

/// A kind of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind(u8);

/// The last kind that is known.
const KINDS: u8 = 19;

impl Kind {
    /// The kind that the second word says.
    pub(super) fn of(word: u32) -> Option<Self> {
        let kind = (word >> 24 & 31) as u8;
        (kind <= KINDS).then_some(Self(kind))
    }

    pub(super) fn number(self) -> u32 {
        self.0.into()
    }

    /// Whether the third word is the number of a type: of pointers, type definitions, qualifiers, functions and their
    /// prototypes, variables and tags.
    pub(super) fn leads(self) -> bool {
        matches!(self.0, 2 | 8..=14 | 17 | 18)
    }

    /// Entries behind the first words.
    pub(super) fn entries(self, word: u32) -> u32 {
        match self.0 {
            1 | 3 | 14 | 17 => 1,
            4..=6 | 13 | 15 | 19 => word & 0xffff,
            _ => 0,
        }
    }

    /// The words of an entry: of integers, variables and tags; arrays; structures and unions; enumerations; prototypes;
    /// sections.
    pub(super) fn entry(self) -> &'static [Role] {
        use Role::{Name, Other, Type};
        match self.0 {
            3 => &[Type, Type, Other],
            4 | 5 => &[Name, Type, Other],
            6 => &[Name, Other],
            13 => &[Name, Type],
            15 => &[Type, Other, Other],
            19 => &[Name, Other, Other],
            _ => &[Other],
        }
    }
}

/// The head of a table.
pub(super) fn head(types_bytes: u64, strings_bytes: u64) -> [u8; HEAD_BYTES as usize] {
    let words = [MAGIC | 1 << 16, HEAD_BYTES as u32, 0, types_bytes as u32, types_bytes as u32, strings_bytes as u32];
    let mut bytes = [0; HEAD_BYTES as usize];
    for (field, word) in bytes.chunks_exact_mut(4).zip(words) {
        field.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Bytes of types, if a table has this layout.
pub(super) fn types_bytes(table: &[u8]) -> Option<u64> {
    let head_bytes = table.first_chunk::<{ HEAD_BYTES as usize }>()?;
    let word = |at: usize| head_bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let types_bytes = u64::from(word(12));
    (head(types_bytes, word(20).into()) == *head_bytes && types_bytes % 4 == 0).then_some(types_bytes)
}
