//! Everything that a stream learns from its first bit to its last.

use super::bits::{Bit, Number};
use super::bytes::ByteModel;
use super::copies::CopyModels;
use super::flags::Flag;
use super::learned::Learned;
use super::tables::TableModels;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Contexts of the literals, and of bytes that differ.
pub(super) const LITERAL_CONTEXTS: usize = 8;
pub(super) const RESIDUAL_CONTEXTS: usize = 8;
/// Classes of reference forms; see [`super::predict::class`].
pub(super) const FORM_CLASSES: usize = 26;

/// The last of these is shared by the rarer forms.
pub(super) const OFFSET_CLASSES: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Models {
    pub(super) sizes: [Number; 2],
    pub(super) shape: [Bit; 4],
    pub(super) copies: Box<CopyModels>,
    pub(super) tables: Box<TableModels>,
    /// Whether a piece differs from its prediction.
    pub(super) piece: Flag<3>,
    /// Whether a block of a piece that differs does.
    pub(super) block: Flag<4>,
    /// Whether a reference leads elsewhere.
    pub(super) site: Flag<5>,
    /// Whether a byte differs.
    pub(super) miss: Flag<6>,
    /// Whether a reference that leads elsewhere is one at all.
    pub(super) known: [Bit; FORM_CLASSES],
    /// Whether it is off by as much as the last one, or the one before.
    pub(super) again: [[Bit; 2]; FORM_CLASSES],
    pub(super) offset: Vec<Number>,
    pub(super) residual: ByteModel<RESIDUAL_CONTEXTS, { RESIDUAL_CONTEXTS + 1 }>,
    pub(super) literal: ByteModel<LITERAL_CONTEXTS, { LITERAL_CONTEXTS + 1 }>,
    pub(super) learned: Learned,
}

impl Models {
    /// Bytes of memory of the models with tables of `1 << table_log2` bytes.
    pub(super) fn memory_bytes(table_log2: u8) -> u64 {
        let flags =
            Flag::<3>::MEMORY_BYTES + Flag::<4>::MEMORY_BYTES + Flag::<5>::MEMORY_BYTES + Flag::<6>::MEMORY_BYTES;
        let bytes = ByteModel::<LITERAL_CONTEXTS, { LITERAL_CONTEXTS + 1 }>::memory_bytes(table_log2)
            + ByteModel::<RESIDUAL_CONTEXTS, { RESIDUAL_CONTEXTS + 1 }>::memory_bytes(residual_log2(table_log2));
        let numbers =
            (size_of::<Number>() * OFFSET_CLASSES + size_of::<CopyModels>() + size_of::<TableModels>()) as u64;
        flags + bytes + numbers + Learned::MEMORY_BYTES + size_of::<Self>() as u64
    }

    /// Knows nothing.
    pub(super) fn new(table_log2: u8) -> Self {
        Self {
            sizes: [Number::new(), Number::new()],
            shape: [Bit::new(); 4],
            copies: Box::default(),
            tables: Box::default(),
            piece: Flag::new(),
            block: Flag::new(),
            site: Flag::new(),
            miss: Flag::new(),
            known: [Bit::new(); FORM_CLASSES],
            again: [[Bit::new(); 2]; FORM_CLASSES],
            offset: (0..OFFSET_CLASSES).map(|_| Number::new()).collect(),
            residual: ByteModel::new(residual_log2(table_log2)),
            literal: ByteModel::new(table_log2),
            learned: Learned::new(),
        }
    }
}

/// Bytes that differ are fewer than literals, and need a smaller table.
const fn residual_log2(table_log2: u8) -> u8 {
    table_log2 - 1
}
