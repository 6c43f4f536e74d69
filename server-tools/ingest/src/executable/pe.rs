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
    let program = Program { fields, is_long: true, is_fixed: true, sections: &filled, lowest: base };
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
        let parameter = if executable { 0 } else { base };
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
                regions.push(Region { length: before, kind: RegionKind::TablesAndPointers64, ..region });
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
