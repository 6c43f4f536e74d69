//! PE headers of 64-bit Windows executables and of programs for EFI.

use super::elf::Section;
use super::fields::Fields;
use super::go::{self, Program};
use super::{Headers, Machine, parts, sections};
use core::ops::Range;
use delta_apply::reference::{Image, Region, RegionKind, Span};

const EXECUTABLE: u64 = 0x2000_0000;
const WRITABLE: u64 = 0x8000_0000;
const SECTION_BYTES: u64 = 40;
/// The place of the table of functions among the directories.
const EXCEPTIONS: u64 = 3;

/// How far before its header a file may start.
const STUB_BYTES_MAX: usize = 4096;

/// Where the file starts whose header, which begins with `PE`, is at `header`.
pub(super) fn start(bytes: &[u8], header: usize) -> Option<usize> {
    let is_start = |start: &usize| {
        let rest = &bytes[*start..];
        rest.starts_with(b"MZ") && Fields(rest).word(0x3c) == Some((header - start) as u64)
    };
    (header.saturating_sub(STUB_BYTES_MAX)..header).rev().find(is_start)
}

/// Reads the executable at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Option<Headers> {
    let fields = Fields(bytes);
    if !bytes.starts_with(b"MZ") {
        return None;
    }
    let header = fields.word(0x3c)?;
    if fields.word(header)? != 0x4550 {
        return None;
    }
    let (machine, code) = match fields.half(header + 4)? {
        0x8664 => (Machine::X86_64, RegionKind::X86_64),
        0xaa64 => (Machine::Aarch64, RegionKind::Aarch64),
        _ => return None,
    };
    let optional = header + 24;
    if fields.half(optional)? != 0x20b {
        return None;
    }
    let base = fields.long(optional + 24)?;
    let header_bytes = fields.word(optional + 60)?;
    let directory = |index: u64| {
        let has = fields.word(optional + 108)? > index;
        has.then_some((fields.word(optional + 112 + 8 * index)?, fields.word(optional + 116 + 8 * index)?))
    };
    let functions = directory(EXCEPTIONS).unwrap_or((0, 0));
    let headers = optional + fields.half(header + 20)?;
    let headers = headers..headers + fields.half(header + 6)? * SECTION_BYTES;
    let unwinds = lowest_unwind(fields, functions, headers.clone(), machine);
    let filled: Option<Vec<_>> =
        headers.clone().step_by(SECTION_BYTES as usize).map(|at| filled(fields, at, base)).collect();
    let filled = filled?;
    // No pointer leads to the headers. Programs for EFI count from address 0: small numbers would be taken for pointers.
    let lowest = filled.iter().map(|section| section.address).min().unwrap_or(base);
    let program = Program { fields, is_long: true, is_fixed: true, sections: &filled, lowest };
    let mut end = header_bytes;
    let (mut regions, mut named) = (Vec::new(), Vec::new());
    let head =
        Span { offset: 0, address: base, file_bytes: header_bytes, memory_bytes: header_bytes, executable: false };
    let mut spans = vec![head];
    for (at, section) in headers.step_by(SECTION_BYTES as usize).zip(&filled) {
        let word = |field: u64| fields.word(at + field);
        let (memory_bytes, address) = (word(8)?, word(12)?);
        let (length, offset, flags) = (word(16)?, word(20)?, word(36)?);
        if !fields.holds(offset, length) {
            return None;
        }
        end = end.max(offset + length);
        let name = fields.text(at)?;
        let name = name.get(..8).unwrap_or(name);
        named.push((name, offset..offset + length));
        // Files are padded, memory is not.
        let file_bytes = if memory_bytes == 0 { length } else { length.min(memory_bytes) };
        let executable = flags & EXECUTABLE != 0;
        spans.push(Span { offset, address: base.wrapping_add(address), file_bytes, memory_bytes, executable });
        let kind = match name {
            _ if executable => code,
            _ if functions.0 == address && functions.1 > 0 => RegionKind::Distances32,
            name if name.starts_with(b".reloc") || name.starts_with(b".rsrc") => continue,
            _ if flags & WRITABLE != 0 => RegionKind::Pointers64,
            name if name.starts_with(b".rdata") => RegionKind::PeConstants,
            _ => continue,
        };
        let parameter = match kind {
            RegionKind::Pointers64 => lowest,
            _ if executable => 0,
            _ => base,
        };
        let region = Region { offset, length: file_bytes, address: base.wrapping_add(address), kind, parameter };
        if let Some(tables) = (kind == RegionKind::PeConstants).then(|| go::merged(&program, section)).flatten() {
            let before = tables[0].offset - offset;
            regions.extend((before > 0).then_some(Region { length: before, ..region }));
            regions.extend(tables);
            continue;
        }
        // What unwinds functions lies behind all other constants, which hold tables of small numbers that would be taken
        // for distances.
        let before = unwinds.and_then(|start| start.checked_sub(address)).filter(|before| *before < file_bytes);
        match before.filter(|_| kind == RegionKind::PeConstants) {
            Some(before) => {
                let (offset, address) = (offset + before, region.address.wrapping_add(before));
                let kind = RegionKind::TablesAndPointers64;
                regions.push(Region { length: before, kind, parameter: lowest, ..region });
                regions.push(Region { offset, length: file_bytes - before, address, ..region });
            }
            None => regions.push(region),
        }
    }
    let parts = parts(named.into_iter());
    Some(Headers { bytes: usize::try_from(end).ok()?, image: Image::new(spans, regions), machine, parts })
}

/// The section whose header is at `at`, in the terms of ELF.
fn filled(fields: Fields<'_>, at: u64, base: u64) -> Option<Section<'_>> {
    let word = |field: u64| fields.word(at + field);
    let (memory_bytes, length, offset) = (word(8)?, word(16)?, word(20)?);
    let length = if memory_bytes == 0 { length } else { length.min(memory_bytes) };
    let is_writable = word(36)? & WRITABLE != 0;
    Some(Section {
        name: fields.text(at)?,
        kind: sections::SHT_PROGBITS,
        flags: sections::LOADED | if is_writable { sections::WRITABLE } else { 0 },
        address: base.wrapping_add(word(12)?),
        offset,
        length: if fields.holds(offset, length) { length } else { 0 },
        link: 0,
    })
}

/// The distance from the image's base to the first data for unwinding that the table of `functions`, a distance and a
/// length, leads to; a multiple of 8.
fn lowest_unwind(fields: Fields<'_>, functions: (u64, u64), sections: Range<u64>, machine: Machine) -> Option<u64> {
    let word = |at: u64| fields.word(at);
    let holder = sections.step_by(SECTION_BYTES as usize).find(|at| word(at + 12) == Some(functions.0))?;
    let (offset, bytes) = (word(holder + 20)?, functions.1.min(word(holder + 16)?));
    // Begin, end and data; on other machines begin and data, or what stands for it.
    let entry_bytes = if machine == Machine::X86_64 { 12 } else { 8 };
    let entries = (1..=bytes / entry_bytes).map(|entry| offset + entry * entry_bytes - 4);
    let lowest = entries.filter_map(word).filter(|data| *data != 0 && data & 3 == 0).min()?;
    Some(lowest & !7)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x1_4000_0000;
    const RDATA: u64 = BASE + 0x1000;
    const TABLE: u64 = 0x400;
    const DATA: usize = 0x1400;

    fn put<const N: usize>(file: &mut [u8], at: usize, bytes: [u8; N]) {
        file[at..at + N].copy_from_slice(&bytes);
    }

    /// A program with constants and data, and in the constants, 400 (hex) from their start, Go's table of two functions.
    fn program() -> Vec<u8> {
        let mut file = vec![0; 0x1800];
        put(&mut file, 0, *b"MZ");
        put(&mut file, 0x3c, 0x40_u32.to_le_bytes());
        put(&mut file, 0x40, *b"PE\0\0\x64\x86\x02\0");
        put(&mut file, 0x54, 240_u16.to_le_bytes());
        put(&mut file, 0x58, 0x20b_u16.to_le_bytes());
        put(&mut file, 0x70, BASE.to_le_bytes());
        put(&mut file, 0x94, 0x400_u32.to_le_bytes());
        let constants = (*b".rdata\0\0", [0x1000, 0x1000, 0x1000, 0x400], 0x4000_0040);
        let data = (*b".data\0\0\0", [0x400, 0x2000, 0x400, DATA as u32], 0xc000_0040_u32);
        for (index, (name, words, flags)) in [constants, data].into_iter().enumerate() {
            let at = 0x148 + 40 * index;
            put(&mut file, at, name);
            (0..4).for_each(|word| put(&mut file, at + 8 + 4 * word, words[word].to_le_bytes()));
            put(&mut file, at + 36, flags.to_le_bytes());
        }
        let table = 0x400 + TABLE as usize;
        put(&mut file, table, [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
        let head = [2, 1, 0, 0x48, 0x60, 0x70, 0x80, 0xa0_u64];
        (0..8).for_each(|word| put(&mut file, table + 8 + 8 * word, head[word].to_le_bytes()));
        let addresses = RDATA + TABLE;
        let module = [(0, addresses), (1, addresses + 0x48), (37, RDATA), (38, addresses - 8), (40, addresses + 0x100)];
        let lists = [(42, RDATA), (43, 1), (44, 1), (45, addresses + 0x200), (46, 16), (47, 16)];
        for (word, value) in module.into_iter().chain(lists) {
            put(&mut file, DATA + 16 + 8 * word, value.to_le_bytes());
        }
        file
    }

    fn regions(file: &[u8]) -> Vec<(RegionKind, u64, u64, u64)> {
        let image = read(file).expect("a program").image;
        image.regions().iter().map(|region| (region.kind, region.offset, region.length, region.parameter)).collect()
    }

    #[test]
    fn go_tables_lie_in_the_constants() {
        use RegionKind::{Distances32, GoIndex, GoInlined, GoNames, GoPrograms, GoRecords, GoTypes, Pointers64};
        let table = 0x400 + TABLE;
        let expected = [
            (GoTypes, 0x400, TABLE - 8, RDATA),
            (GoNames, table + 0x48, 0x18, 0),
            (Distances32, table + 0x60, 0x10, RDATA + TABLE + 0x70),
            (GoPrograms, table + 0x80, 0x20, 0),
            (GoIndex, table + 0xa0, 0x14, 0),
            (GoRecords, table + 0xb4, 0x4c, RDATA + TABLE + 0x100),
            (GoInlined, table + 0x100, 0x100, 0),
            (Distances32, table + 0x200, 0x40, RDATA),
            (Pointers64, table + 0x240, 0xdc0 - TABLE, RDATA),
            (Pointers64, 0x1400, 0x400, RDATA),
        ];
        assert_eq!(regions(&program()), expected);
    }

    /// What is no table of Go, or none that makes sense, is constants.
    #[test]
    fn constants_without_go_tables() {
        let expected = [(RegionKind::PeConstants, 0x400, 0x1000, BASE), (RegionKind::Pointers64, 0x1400, 0x400, RDATA)];
        for at in [0, 7, 8, 32] {
            let mut file = program();
            file[0x400 + TABLE as usize + at] = 0;
            assert_eq!(regions(&file), expected, "byte {at}");
        }
    }

    /// Without the table of the module, types and links are unknown.
    #[test]
    fn go_tables_without_a_module() {
        let mut file = program();
        file[DATA + 16] ^= 1;
        let kinds: Vec<_> = regions(&file).iter().map(|region| region.0).collect();
        let known = [RegionKind::PeConstants, RegionKind::GoNames, RegionKind::Distances32, RegionKind::GoPrograms];
        let behind = [RegionKind::GoIndex, RegionKind::GoRecords, RegionKind::Pointers64];
        assert_eq!(kinds, [&known[..], &behind[..]].concat());
    }
}
