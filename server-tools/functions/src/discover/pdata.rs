//! `.pdata` of PE: ranges of functions, and for x86-64 the pieces of functions that the linker cut
//! (Microsoft, "x64 exception handling" and "ARM64 exception handling").

use super::{Bounds, Mode, Sources};
use crate::fields::Fields;
use crate::image::{Image, Machine};
use crate::limits::FUNCTIONS_MAX;

/// The entry continues another one.
const CHAINED: u8 = 4;

pub(super) fn add(image: &Image<'_>, bounds: &mut Bounds) {
    let Some((address, length)) = image.unwind.pdata else { return };
    let table = Fields(Fields(image.bytes(address)).range_cut(0, length));
    match image.machine {
        Machine::X86_64 => x86_64(image, table, bounds),
        Machine::Aarch64 => aarch64(image, table, bounds),
        // Each has a form of its own, and files are rare.
        Machine::X86 | Machine::Arm | Machine::RiscV64 => {}
    }
}

/// Pieces that continue the one before make one function with it.
fn x86_64(image: &Image<'_>, table: Fields<'_>, bounds: &mut Bounds) {
    let mut last: Option<(u64, u64)> = None;
    let mut flush = |last: &mut Option<(u64, u64)>| {
        if let Some((start, end)) = last.take() {
            bounds.add(start, Some(end), Mode::Plain, Sources::UNWIND);
        }
    };
    for index in 0..(table.0.len() / 12).min(FUNCTIONS_MAX) as u64 {
        let at = |place: u64| table.word(12 * index + place).map(|rva| image.base.wrapping_add(rva.into()));
        let (Some(start), Some(end), Some(unwind)) = (at(0), at(4), at(8)) else { break };
        if end <= start || image.code(start).is_none_or(|section| end > section.end()) {
            continue;
        }
        let flags = Fields(image.bytes(unwind & !1)).byte(0).map_or(0, |byte| byte >> 3);
        let is_chained = flags & CHAINED != 0 || unwind.wrapping_sub(image.base) & 1 == 1;
        match &mut last {
            Some((_, before)) if is_chained && *before == start => *before = end,
            _ if is_chained => {}
            _ => {
                flush(&mut last);
                last = Some((start, end));
            }
        }
    }
    flush(&mut last);
}

fn aarch64(image: &Image<'_>, table: Fields<'_>, bounds: &mut Bounds) {
    for index in 0..(table.0.len() / 8).min(FUNCTIONS_MAX) as u64 {
        let (Some(start), Some(unwind)) = (table.word(8 * index), table.word(8 * index + 4)) else { return };
        let start = image.base.wrapping_add(start.into());
        // Packed in the entry itself, or the first word of a record.
        let words = match unwind & 3 {
            0 => image.word(image.base.wrapping_add(unwind.into())).map_or(0, |record| record & 0x3_ffff),
            _ => unwind >> 2 & 0x7ff,
        };
        let end = start.wrapping_add(u64::from(words) * 4);
        if end > start && image.code(start).is_some_and(|section| end <= section.end()) {
            bounds.add(start, Some(end), Mode::Plain, Sources::UNWIND);
        }
    }
}
