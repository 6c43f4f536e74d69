//! What the corrections taught: where an address of the base really went.

use alloc::boxed::Box;
use alloc::vec;

/// Log2 of the rows at most. A row is replaced by the next one that falls on it.
const ROWS_LOG2_MAX: u32 = 15;

/// Log2 of the rows beside a table of `1 << table_log2` bytes: 32 KiB of them where little is given, all from 2^18 on.
const fn rows_log2(table_log2: u8) -> u32 {
    let rows_log2 = 2 * table_log2 as u32 - 20;
    if rows_log2 < ROWS_LOG2_MAX { rows_log2 } else { ROWS_LOG2_MAX }
}

/// Addresses are kept in 32 bits, relative to the lowest of their executable.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// Address in the base, plus one; 0: empty.
    base: u32,
    target: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Learned {
    rows: Box<[Row]>,
    shift: u32,
    base_low: u64,
    target_low: u64,
    changes: u32,
}

impl Learned {
    /// Bytes of memory beside a table of `1 << table_log2` bytes.
    pub(super) const fn memory_bytes(table_log2: u8) -> u64 {
        (size_of::<Row>() as u64) << rows_log2(table_log2)
    }

    /// Knows nothing.
    pub(super) fn new(table_log2: u8) -> Self {
        let rows = vec![Row::default(); 1 << rows_log2(table_log2)].into_boxed_slice();
        Self { rows, shift: 32 - rows_log2(table_log2), base_low: 0, target_low: 0, changes: 0 }
    }

    /// Forgets, for executables whose lowest addresses are these.
    pub(super) fn clear(&mut self, base_low: u64, target_low: u64) {
        self.rows.fill(Row::default());
        (self.base_low, self.target_low) = (base_low, target_low);
    }

    fn key(&self, base: u64) -> Option<(usize, u32)> {
        let relative = u32::try_from(base.wrapping_sub(self.base_low)).ok()?.checked_add(1)?;
        Some(((relative.wrapping_mul(0x9E37_79B1) >> self.shift) as usize, relative))
    }

    /// Where `base` went when it was last seen.
    #[inline]
    pub(super) fn get(&self, base: u64) -> Option<u64> {
        let (row, key) = self.key(base)?;
        let row = self.rows[row];
        (row.base == key).then(|| self.target_low.wrapping_add(row.target.into()))
    }

    /// `base` went to `target`.
    pub(super) fn set(&mut self, base: u64, target: u64) {
        if let (Some((row, key)), Ok(target)) = (self.key(base), u32::try_from(target.wrapping_sub(self.target_low))) {
            self.rows[row] = Row { base: key, target };
            self.changes = self.changes.wrapping_add(1);
        }
    }

    /// How often something was learned.
    pub(super) fn changes(&self) -> u32 {
        self.changes
    }
}
