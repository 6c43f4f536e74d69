//! What the sections of an ELF file hold.

use super::Machine;
use super::elf::{Header, SHT_NOBITS, Section};
use super::go::{self, Program};
use delta_apply::coding::is_sound;
use delta_apply::reference::{Region, RegionKind, Span};

pub(super) const SHT_PROGBITS: u64 = 1;
const SHT_SYMTAB: u64 = 2;
const SHT_RELA: u64 = 4;
const SHT_DYNAMIC: u64 = 6;
const SHT_REL: u64 = 9;
const SHT_DYNSYM: u64 = 11;
const SHT_INIT_ARRAY: u64 = 14;
const SHT_FINI_ARRAY: u64 = 15;
const SHT_PREINIT_ARRAY: u64 = 16;
const SHT_RELR: u64 = 19;
const SHT_ARM_EXIDX: u64 = 0x7000_0001;
pub(super) const WRITABLE: u64 = 1;
pub(super) const LOADED: u64 = 2;
const EXECUTABLE: u64 = 4;

/// Where sections that are never loaded are said to be, so that symbols can refer to their names.
const UNLOADED_ADDRESS: u64 = 0x7000_0000_0000;

/// The kind of the machine's instructions.
pub(super) fn code(machine: Machine) -> RegionKind {
    match machine {
        Machine::X86_64 => RegionKind::X86_64,
        Machine::X86 => RegionKind::I386,
        Machine::Aarch64 => RegionKind::Aarch64,
        Machine::Arm => RegionKind::Arm,
        Machine::RiscV64 => RegionKind::RiscV,
    }
}

/// The regions of the sections. A span is added for tables that are never loaded, if symbols refer to them.
pub(super) fn regions(header: &Header<'_>, sections: &[Section<'_>], spans: &mut Vec<Span>) -> Vec<Region> {
    let address_of = |section: &Section<'_>| match section.flags & LOADED != 0 {
        true => section.address,
        false => UNLOADED_ADDRESS.wrapping_add(section.offset),
    };
    let has_symbols = |section: &Section<'_>| section.kind == SHT_SYMTAB && section.flags & LOADED == 0;
    if sections.iter().any(has_symbols) {
        let is_unloaded = |section: &&Section<'_>| {
            section.flags & LOADED == 0 && !matches!(section.kind, 0 | SHT_NOBITS) && section.length > 0
        };
        let unloaded = sections.iter().filter(is_unloaded);
        let start = unloaded.clone().map(|section| section.offset).min().unwrap_or(0);
        let end = unloaded.map(|section| section.offset + section.length).max().unwrap_or(0);
        let (address, file_bytes) = (UNLOADED_ADDRESS + start, end - start);
        spans.push(Span { offset: start, address, file_bytes, memory_bytes: 0, executable: false });
    }
    let lowest = lowest_target(sections);
    let holds_pointers = header.is_fixed || !slots_are_zero(header, sections);
    let Header { fields, is_long, is_fixed, .. } = *header;
    let program = Program { fields, is_long, is_fixed, sections, lowest };
    let mut regions = Vec::new();
    for section in sections {
        if matches!(section.kind, 0 | SHT_NOBITS) || section.length == 0 {
            continue;
        }
        if section.name.ends_with(b".gopclntab") {
            regions.extend(go::regions(&program, section).into_iter().flatten());
            continue;
        }
        let Some(kind) = kind_of(header, section, holds_pointers) else { continue };
        let parameter = match kind {
            RegionKind::Pointers64 | RegionKind::Pointers32 if section.kind == SHT_DYNAMIC => 0,
            RegionKind::Pointers64 | RegionKind::Pointers32 | RegionKind::TablesAndPointers64 => lowest,
            RegionKind::Arm if header.is_fixed => lowest,
            RegionKind::I386 if !header.is_fixed => offset_table(sections),
            RegionKind::Symbols64 | RegionKind::Symbols32 | RegionKind::Relocations64 => {
                usize::try_from(section.link).ok().and_then(|link| sections.get(link)).map_or(0, address_of)
            }
            _ => 0,
        };
        let Section { offset, length, .. } = *section;
        regions.push(Region { offset, length, address: address_of(section), kind, parameter });
    }
    joined(carved(regions))
}

/// Regions of types lie inside of regions of constants, of which what is before and behind is left.
fn carved(mut regions: Vec<Region>) -> Vec<Region> {
    let Some(types) = regions.iter().find(|region| region.kind == RegionKind::GoTypes).copied() else { return regions };
    let around =
        |region: &Region| region.kind != types.kind && region.offset <= types.offset && region.end() >= types.end();
    if let Some(index) = regions.iter().position(around) {
        let outer = regions.swap_remove(index);
        regions.push(Region { length: types.offset - outer.offset, ..outer });
        let (offset, address) = (types.end(), outer.address.wrapping_add(types.end() - outer.offset));
        regions.push(Region { offset, address, length: outer.end() - types.end(), ..outer });
    }
    regions
}

/// Padding between sections at most.
const GAP_BYTES_MAX: u64 = 128;
/// A region that is shorter says less than it costs to ship.
const REGION_BYTES_MIN: u64 = 16;

/// Regions that follow each other and differ in nothing become one: each is shipped.
fn joined(mut regions: Vec<Region>) -> Vec<Region> {
    regions.sort_by_key(|region| region.offset);
    let mut joined: Vec<Region> = Vec::new();
    for region in regions {
        let last = joined.last_mut().filter(|last| {
            let same = (last.kind, last.parameter) == (region.kind, region.parameter);
            let bias = |region: &Region| region.address.wrapping_sub(region.offset);
            let is_next = region.offset >= last.end() && region.offset - last.end() <= GAP_BYTES_MAX;
            let has_entries = matches!(
                region.kind,
                RegionKind::Symbols64
                    | RegionKind::Symbols32
                    | RegionKind::FrameIndex
                    | RegionKind::GoRecords
                    | RegionKind::Types
            );
            same && bias(last) == bias(&region) && is_next && !has_entries
        });
        match last {
            Some(last) => last.length = region.end() - last.offset,
            None => joined.push(region),
        }
    }
    joined.retain(|region| region.length >= REGION_BYTES_MIN);
    joined
}

fn kind_of(header: &Header<'_>, section: &Section<'_>, holds_pointers: bool) -> Option<RegionKind> {
    let pointers = if header.is_long { RegionKind::Pointers64 } else { RegionKind::Pointers32 };
    match section.kind {
        SHT_SYMTAB | SHT_DYNSYM => {
            return Some(if header.is_long { RegionKind::Symbols64 } else { RegionKind::Symbols32 });
        }
        SHT_DYNAMIC => return Some(pointers),
        _ if section.flags & LOADED == 0 => return None,
        SHT_RELA if header.is_long => return Some(RegionKind::Relocations64),
        SHT_RELA | SHT_RELR => return Some(pointers),
        SHT_REL if !header.is_long => return Some(RegionKind::Relocations32),
        SHT_ARM_EXIDX => return Some(RegionKind::ArmUnwind),
        _ => {}
    }
    if section.flags & EXECUTABLE != 0 {
        return Some(code(header.machine));
    }
    match section.name {
        b".eh_frame" => return Some(RegionKind::Frames),
        // Version 1, and the encodings that all linkers choose.
        b".eh_frame_hdr" => {
            let head = header.fields.word(section.offset)?;
            return (head == 0x3b03_1b01).then_some(RegionKind::FrameIndex);
        }
        b".gcc_except_table" | b".interp" | b".typelink" => return None,
        b".ARM.extab" => return Some(RegionKind::ArmUnwind),
        b".got" | b".got.plt" => return Some(pointers),
        b".BTF" => {
            return header
                .fields
                .bytes(section.offset, section.length)
                .filter(|table| is_sound(table))
                .map(|_| RegionKind::Types);
        }
        name if name.starts_with(b".note") => return None,
        _ => {}
    }
    match section.kind {
        SHT_INIT_ARRAY | SHT_FINI_ARRAY | SHT_PREINIT_ARRAY => holds_pointers.then_some(pointers),
        SHT_PROGBITS if section.flags & WRITABLE != 0 => holds_pointers.then_some(pointers),
        SHT_PROGBITS if header.is_fixed && header.is_long => Some(RegionKind::TablesAndPointers64),
        SHT_PROGBITS if header.is_fixed => Some(RegionKind::Pointers32),
        SHT_PROGBITS => Some(RegionKind::Tables),
        _ => None,
    }
}

/// What position-independent code for i386 counts from.
fn offset_table(sections: &[Section<'_>]) -> u64 {
    let named = |name: &[u8]| sections.iter().find(|section| section.name == name);
    // Where there is none, no distance from it leads anywhere.
    named(b".got.plt").or(named(b".got")).map_or(u64::MAX, |section| section.address)
}

/// The lowest address of code, constants and data. Below are tables for the linker, to which no pointer leads, and small
/// numbers that would be taken for addresses.
fn lowest_target(sections: &[Section<'_>]) -> u64 {
    let is_target = |section: &&Section<'_>| {
        let is_filled = matches!(section.kind, SHT_PROGBITS | SHT_INIT_ARRAY | SHT_NOBITS) && section.length > 0;
        is_filled && section.flags & LOADED != 0 && section.name != b".interp" && !section.name.starts_with(b".note")
    };
    sections.iter().filter(is_target).map(|section| section.address).min().unwrap_or(0)
}

/// Relocations that are looked at to see what is in the places that they fill.
const SAMPLES: u64 = 1000;

/// Whether the places that the loader fills with addresses hold nothing before, because the addresses are in the table
/// of relocations. Then what looks like an address in data is a number.
fn slots_are_zero(header: &Header<'_>, sections: &[Section<'_>]) -> bool {
    let (relative, entry_bytes) = match header.machine {
        Machine::X86_64 => (8, 24),
        Machine::Aarch64 => (1027, 24),
        Machine::RiscV64 => (3, 24),
        // Their relocations have no room for the address.
        Machine::X86 | Machine::Arm => return false,
    };
    let fields = header.fields;
    let loaded = |address: u64| {
        let section = sections.iter().find(|section| section.is_filled() && section.holds(address))?;
        fields.long(section.offset + (address - section.address))
    };
    let (mut zeros, mut filled) = (0, 0);
    for table in sections.iter().filter(|section| section.kind == SHT_RELA && section.flags & LOADED != 0) {
        let count = table.length / entry_bytes;
        let step = (count / SAMPLES).max(1);
        for index in (0..count).step_by(step as usize) {
            let at = table.offset + index * entry_bytes;
            if fields.long(at + 8) != Some(relative) {
                continue;
            }
            match fields.long(at).and_then(loaded) {
                Some(0) => zeros += 1,
                _ => filled += 1,
            }
        }
    }
    zeros > filled
}
