//! Tables of ELF symbols. Three fields of an entry are sites: the name's place in the string table (the region's
//! parameter is that table's address), the value, and the size as the last byte of what the symbol names.

use super::site::ENTRY_BYTES;
use super::{Form, Scan, Site};

/// Sizes above this are no sizes of functions or objects.
const SIZE_MAX: u64 = 1 << 24;

/// `Elf64_Sym`: name 4, info, other, section 2, value 8, size 8.
pub(super) fn find_64(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    each(scan, 24, |entry| {
        name(scan, found, entry);
        let value = scan.long(entry + 8).filter(|value| scan.image.contains(*value));
        let Some(value) = value else { return };
        scan.site(found, entry + 8, Form::Absolute64, value, 0);
        if let Some(size @ 1..SIZE_MAX) = scan.long(entry + 16) {
            scan.site(found, entry + 16, Form::Length32, value.wrapping_add(size - 1), value);
        }
    });
}

/// `Elf32_Sym`: name 4, value 4, size 4, info, other, section 2.
pub(super) fn find_32(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    each(scan, 16, |entry| {
        name(scan, found, entry);
        let value = scan.word(entry + 4).map(u64::from).filter(|value| scan.image.contains(*value));
        let Some(value) = value else { return };
        scan.site(found, entry + 4, Form::Absolute32, value, 0);
        if let Some(size @ 1..SIZE_MAX) = scan.word(entry + 8).map(u64::from) {
            scan.site(found, entry + 8, Form::Length32, value.wrapping_add(size - 1), value);
        }
    });
}

fn name(scan: &Scan<'_>, found: &mut impl FnMut(Site), entry: usize) {
    let table = scan.region.parameter;
    if let Some(name @ 1..=0x7fff_ffff) = scan.word(entry) {
        scan.site(found, entry, Form::Anchored32, table.wrapping_add(name.into()), table);
    }
}

/// Calls `visit` with the position of each entry that the range touches and the window holds from its start.
fn each(scan: &Scan<'_>, entry_bytes: usize, mut visit: impl FnMut(usize)) {
    let into = scan.address(scan.range.start).wrapping_sub(scan.region.address) % entry_bytes as u64;
    let first = scan.range.start.checked_sub(into as usize).unwrap_or(scan.range.start + entry_bytes - into as usize);
    (first..scan.range.end).step_by(entry_bytes).for_each(&mut visit);
}

/// In entries of 64-bit relocation tables, sites are the number of a symbol, or, where there is none, the address of the
/// place that the loader fills and the address that it fills in. The places of symbols follow each other, whichever they
/// are: were they sites, entries would seem to stay where they are when one is inserted.
pub(super) fn find_relocations(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let symbols = scan.region.parameter;
    each(scan, ENTRY_BYTES as usize, |entry| {
        let (place, symbol) = (scan.long(entry), scan.word(entry + 12));
        if symbol == Some(0)
            && let Some(target) = place.filter(|target| scan.image.contains(*target))
        {
            scan.site(found, entry, Form::Absolute64, target, 0);
        }
        match (symbol, scan.long(entry + 16)) {
            (Some(symbol @ 1..), _) if symbols != 0 => {
                let target = symbols.wrapping_add(u64::from(symbol) * ENTRY_BYTES);
                scan.site(found, entry + 12, Form::Indexed32, target, symbols);
            }
            (Some(0), Some(target)) if scan.image.contains(target) => {
                scan.site(found, entry + 16, Form::Absolute64, target, 0);
            }
            _ => {}
        }
    });
}
