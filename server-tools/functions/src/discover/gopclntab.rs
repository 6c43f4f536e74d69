//! `.gopclntab`: every function of a Go program with its name, which stripping keeps (Go's `src/internal/abi/symtab.go`
//! and `cmd/link/internal/ld/pcln.go`).

use super::{Bounds, Mode, Sources};
use crate::fields::Fields;
use crate::image::{Format, Image, Symbol, name_at};
use crate::limits::FUNCTIONS_MAX;

/// Go 1.18 and 1.19, and since 1.20.
const MAGICS: [u32; 2] = [0xffff_fff0, 0xffff_fff1];

/// Linkers align the table to it.
const ALIGNMENT: usize = 32;

/// In PE the table has no section of its own: it is among the constants, and its first 8 bytes are known.
fn hidden(image: &Image<'_>) -> Option<(u64, u64)> {
    let is_head = |head: &&[u8]| {
        let magic = Fields(head).word(0).is_some_and(|magic| MAGICS.contains(&magic));
        magic && matches!(head.get(4..8), Some([0, 0, 1 | 2 | 4, 4 | 8]))
    };
    let constants = image.sections.iter().filter(|section| !section.is_code && image.format == Format::Pe);
    constants.into_iter().find_map(|section| {
        let at = section.bytes.chunks(ALIGNMENT).position(|head| is_head(&head))? * ALIGNMENT;
        Some((section.address + at as u64, (section.bytes.len() - at) as u64))
    })
}

struct Table<'a> {
    bytes: Fields<'a>,
    functions: u64,
    text: u64,
    names: u64,
    index: u64,
}

impl<'a> Table<'a> {
    fn read(image: &Image<'a>) -> Option<Self> {
        let (address, length) = image.unwind.go_table?;
        let bytes = Fields(Fields(image.bytes(address)).range_cut(0, length));
        let is_long = bytes.byte(7)? == 8;
        let word = |index: u64| bytes.number(8 + index * if is_long { 8 } else { 4 }, is_long);
        if !MAGICS.contains(&bytes.word(0)?) {
            return None;
        }
        // Since Go 1.24 or so the start of the code is left 0 for the loader to know.
        let text = match word(2)? {
            0 => image.section_named(".text").or_else(|| image.sections.iter().find(|s| s.is_code))?.address,
            text => text,
        };
        let functions = word(0)?.min(FUNCTIONS_MAX as u64);
        Some(Self { bytes, functions, text, names: word(3)?, index: word(7)? })
    }

    /// Start, end and place of the record of a function.
    fn function(&self, index: u64) -> Option<(u64, u64, u64)> {
        let word = |place: u64| self.bytes.word(self.index.checked_add(8 * index + 4 * place)?).map(u64::from);
        Some((self.text.wrapping_add(word(0)?), self.text.wrapping_add(word(2)?), self.index.wrapping_add(word(1)?)))
    }
}

pub(super) fn add(image: &mut Image<'_>, bounds: &mut Bounds) {
    image.unwind.go_table = image.unwind.go_table.or_else(|| hidden(image));
    let Some(table) = Table::read(image) else { return };
    for index in 0..table.functions {
        let Some((start, end, _)) = table.function(index) else { return };
        if end > start && image.code(start).is_some_and(|section| end <= section.end()) {
            bounds.add(start, Some(end), Mode::Plain, Sources::GO_TABLE);
        }
    }
}

/// The names in the table.
pub(crate) fn names<'a>(image: &Image<'a>) -> Vec<Symbol<'a>> {
    let Some(table) = Table::read(image) else { return Vec::new() };
    let symbol = |index| {
        let (address, end, record) = table.function(index)?;
        let name = u64::from(table.bytes.word(record.checked_add(4)?)?);
        Some(Symbol {
            address,
            name: name_at(table.bytes, table.names.checked_add(name)?)?,
            bytes: end.saturating_sub(address),
        })
    };
    (0..table.functions).filter_map(symbol).collect()
}
