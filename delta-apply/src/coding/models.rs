//! Everything that a stream learns from its first bit to its last.

use super::bits::{Bit, Number};
use super::bytes::ByteModel;
use super::copies::CopyModels;
use super::flags::{Flag, TABLE_LOG2};
use super::learned::Learned;
use super::tables::TableModels;
use alloc::boxed::Box;

/// Contexts of the literals, and of bytes that differ.
pub(super) const LITERAL_CONTEXTS: usize = 8;
pub(super) const RESIDUAL_CONTEXTS: usize = 8;
/// Classes of reference forms; see [`super::predict::class`].
pub(super) const FORM_CLASSES: usize = 27;

/// Log2 of a table of numbers at most.
const NUMBERS_LOG2_MAX: u32 = 14;

/// Log2 of a table of numbers beside a table of `1 << table_log2` bytes.
const fn numbers_log2(table_log2: u8) -> u32 {
    let numbers_log2 = table_log2 as u32 - 4;
    if numbers_log2 < NUMBERS_LOG2_MAX { numbers_log2 } else { NUMBERS_LOG2_MAX }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Models {
    pub(super) sizes: [Number; 2],
    pub(super) shape: [Bit; 4],
    /// Whether new bytes are noise.
    pub(super) noise: Bit,
    pub(super) copies: Box<CopyModels>,
    pub(super) tables: Box<TableModels>,
    /// Whether a piece differs from its prediction.
    pub(super) piece: Flag<3>,
    /// Whether a block of a piece that differs does.
    pub(super) block: Flag<4>,
    /// Whether a reference leads elsewhere.
    pub(super) site: Flag<5>,
    /// Whether a byte differs: one that hardly does, and any other.
    pub(super) quiet: Flag<3>,
    pub(super) miss: Flag<8>,
    /// Whether a reference that leads elsewhere is one at all.
    pub(super) known: [Bit; FORM_CLASSES],
    /// Whether it moved as far as the last one into the same region.
    pub(super) together: [Bit; FORM_CLASSES],
    /// Whether it is off by as much as the last one, or the one before.
    pub(super) again: [[Bit; 2]; FORM_CLASSES],
    pub(super) offset: Flag<5>,
    pub(super) residual: ByteModel<RESIDUAL_CONTEXTS>,
    pub(super) literal: ByteModel<LITERAL_CONTEXTS>,
    pub(super) learned: Learned,
}

impl Models {
    /// Bytes of memory of the models with tables of `1 << table_log2` bytes.
    pub(super) fn memory_bytes(table_log2: u8) -> u64 {
        let numbers_log2 = numbers_log2(table_log2);
        let flags = Flag::<6>::memory_bytes(TABLE_LOG2) * 5
            + CopyModels::memory_bytes(numbers_log2)
            + Flag::<5>::memory_bytes(numbers_log2);
        let bytes = ByteModel::<LITERAL_CONTEXTS>::memory_bytes(table_log2)
            + ByteModel::<RESIDUAL_CONTEXTS>::memory_bytes(residual_log2(table_log2));
        let numbers = (size_of::<CopyModels>() + size_of::<TableModels>()) as u64;
        flags + bytes + numbers + Learned::memory_bytes(table_log2) + size_of::<Self>() as u64
    }

    /// Knows nothing.
    pub(super) fn new(table_log2: u8) -> Self {
        Self {
            sizes: [Number::new(), Number::new()],
            shape: [Bit::new(); 4],
            noise: Bit::rare(),
            copies: Box::new(CopyModels::new(numbers_log2(table_log2))),
            tables: Box::default(),
            piece: Flag::new(TABLE_LOG2, Bit::rare()),
            block: Flag::new(TABLE_LOG2, Bit::rare()),
            site: Flag::new(TABLE_LOG2, Bit::rare()),
            quiet: Flag::new(TABLE_LOG2, Bit::rare()),
            miss: Flag::new(TABLE_LOG2, Bit::rare()),
            known: [Bit::new(); FORM_CLASSES],
            together: [Bit::new(); FORM_CLASSES],
            again: [[Bit::new(); 2]; FORM_CLASSES],
            offset: Flag::new(numbers_log2(table_log2), Bit::new()),
            residual: ByteModel::new(residual_log2(table_log2)),
            literal: ByteModel::new(table_log2),
            learned: Learned::new(table_log2),
        }
    }
}

/// Bytes that differ are fewer than literals, and need a smaller table.
const fn residual_log2(table_log2: u8) -> u8 {
    table_log2 - 1
}
