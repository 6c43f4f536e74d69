//! ELF: sections where there are any, segments where not, and everything that the loader does from `PT_DYNAMIC`, which
//! no stripping removes.

use super::{Format, Image, Machine, Root, Section, Symbol, name_at};
use crate::degraded::Degraded;
use crate::fields::Fields;
use crate::limits::{LOADS_MAX, NAMES_MAX, POINTERS_MAX, SECTIONS_MAX};

const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const PT_ARM_EXIDX: u32 = 0x7000_0001;
const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_RELA: u32 = 4;
const SHT_NOBITS: u32 = 8;
const SHT_REL: u32 = 9;
const SHT_DYNSYM: u32 = 11;
const SHT_INIT_ARRAY: u32 = 14;
const SHT_FINI_ARRAY: u32 = 15;
const SHT_PREINIT_ARRAY: u32 = 16;
const SHF_WRITE: u64 = 1;
const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;
const SHF_TLS: u64 = 0x400;
const NT_GNU_BUILD_ID: u32 = 3;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;

/// Where unwind tables of an image are: address and length.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unwind {
    pub(crate) eh_frame: Option<(u64, u64)>,
    pub(crate) exidx: Option<(u64, u64)>,
    pub(crate) pdata: Option<(u64, u64)>,
    pub(crate) go_table: Option<(u64, u64)>,
}

struct Elf<'a> {
    file: Fields<'a>,
    is_long: bool,
    machine: Machine,
}

#[derive(Clone, Copy)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

struct Header {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    length: u64,
    link: u32,
}

pub(super) fn read(bytes: &[u8]) -> Option<Image<'_>> {
    let file = Fields(bytes);
    if !bytes.starts_with(b"\x7fELF") || file.byte(5)? != 1 {
        return None;
    }
    let is_long = file.byte(4)? == 2;
    let machine = match (file.half(18)?, is_long) {
        (62, true) => Machine::X86_64,
        (3, false) => Machine::X86,
        (183, true) => Machine::Aarch64,
        (40, false) => Machine::Arm,
        (243, true) => Machine::RiscV64,
        _ => return None,
    };
    let kind = file.half(16)?;
    if !matches!(kind, ET_EXEC | ET_DYN) {
        return None;
    }
    let elf = Elf { file, is_long, machine };
    let segments = elf.segments();
    let headers = elf.headers();
    let mut image = Image {
        format: Format::Elf,
        machine,
        base: 0,
        is_fixed: kind == ET_EXEC,
        sections: elf.sections(&headers),
        pointers: Vec::new(),
        imports: Vec::new(),
        preemptible: Vec::new(),
        exports: Vec::new(),
        needed: Vec::new(),
        runpath: None,
        interpreter: None,
        roots: Vec::new(),
        symbols: Vec::new(),
        unwind: Unwind::default(),
        soname: None,
        build_id: elf.build_id(&segments),
        degraded: Vec::new(),
    };
    if !image.sections.iter().any(|section| section.is_code) {
        image.degraded.push(Degraded::NoSections);
        image.sections = elf.sections_of(&segments);
    }
    elf.unwind(&mut image, &segments);
    let entry = file.number(24, is_long)?;
    image.roots.push((entry, Root::Entry));
    image.interpreter = elf.interpreter(&segments);
    elf.symbols(&headers, &mut image);
    if let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) {
        elf.dynamic(dynamic, &segments, &headers, &mut image);
    } else {
        elf.static_relocations(&segments, &headers, &mut image);
    }
    Some(image)
}

impl<'a> Elf<'a> {
    fn segments(&self) -> Vec<Segment> {
        let (offset_at, bytes_at, entry) = if self.is_long { (32, 54, 56) } else { (28, 42, 32) };
        let offset = self.file.number(offset_at, self.is_long).unwrap_or(0);
        let count = self.file.half(bytes_at + 2).unwrap_or(0).min(SECTIONS_MAX as u16);
        let number = |at| self.file.number(at, self.is_long);
        let read = |index: u64| {
            let at = offset.checked_add(index * entry)?;
            let word = if self.is_long { 8 } else { 4 };
            let first = at.checked_add(word)?;
            Some(Segment {
                kind: self.file.word(at)?,
                flags: self.file.word(if self.is_long { at + 4 } else { at + 24 })?,
                offset: number(first)?,
                address: number(first + word)?,
                file_bytes: number(first + 3 * word)?,
                memory_bytes: number(first + 4 * word)?,
            })
        };
        (0..u64::from(count)).filter_map(read).collect()
    }

    fn headers(&self) -> Vec<Header> {
        let (offset_at, count_at, entry) = if self.is_long { (40, 60, 64) } else { (32, 48, 40) };
        let offset = self.file.number(offset_at, self.is_long).unwrap_or(0);
        let count = self.file.half(count_at).unwrap_or(0).min(SECTIONS_MAX as u16);
        let word = if self.is_long { 8 } else { 4 };
        let read = |index: u64| {
            let at = offset.checked_add(index * entry)?;
            let number = |index: u64| self.file.number(at.checked_add(8 + index * word)?, self.is_long);
            Some(Header {
                name: self.file.word(at)?,
                kind: self.file.word(at + 4)?,
                flags: number(0)?,
                address: number(1)?,
                offset: number(2)?,
                length: number(3)?,
                link: self.file.word(at + 8 + 4 * word)?,
            })
        };
        if offset == 0 { Vec::new() } else { (0..u64::from(count)).filter_map(read).collect() }
    }

    fn sections(&self, headers: &[Header]) -> Vec<Section<'a>> {
        let names_at = if self.is_long { 62 } else { 50 };
        let index = usize::from(self.file.half(names_at).unwrap_or(0));
        let names = headers.get(index).map_or(&[][..], |header| self.file.range_cut(header.offset, header.length));
        let loaded = |header: &&Header| header.flags & SHF_ALLOC != 0 && header.address != 0 && header.kind != 0;
        let section = |header: &Header| {
            let name = name_at(Fields(names), header.name.into()).unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            let is_filled = header.kind != SHT_NOBITS;
            let bytes = if is_filled { self.file.range_cut(header.offset, header.length) } else { &[] };
            let is_code = header.flags & SHF_EXECINSTR != 0 && header.kind == SHT_PROGBITS;
            // Thread-local zeros take no addresses: others stand where they seem to be.
            let memory_bytes = if !is_filled && header.flags & SHF_TLS != 0 { 0 } else { header.length };
            Section {
                is_stubs: name.starts_with(".plt") || name == ".iplt",
                name,
                address: header.address,
                bytes,
                memory_bytes,
                is_code,
                is_writable: header.flags & SHF_WRITE != 0,
            }
        };
        headers.iter().filter(loaded).map(section).collect()
    }

    fn sections_of(&self, segments: &[Segment]) -> Vec<Section<'a>> {
        let section = |segment: &Segment| Section {
            name: String::new(),
            address: segment.address,
            bytes: self.file.range_cut(segment.offset, segment.file_bytes),
            memory_bytes: segment.memory_bytes,
            is_code: segment.flags & 1 != 0,
            is_writable: segment.flags & 2 != 0,
            is_stubs: false,
        };
        segments.iter().filter(|segment| segment.kind == PT_LOAD).map(section).collect()
    }

    fn unwind(&self, image: &mut Image<'a>, segments: &[Segment]) {
        let place = |name: &str| image.section_named(name).map(|section| (section.address, section.memory_bytes));
        let mut unwind = Unwind {
            eh_frame: place(".eh_frame"),
            exidx: place(".ARM.exidx"),
            pdata: None,
            go_table: place(".gopclntab").or_else(|| place(".data.rel.ro.gopclntab")),
        };
        for segment in segments {
            match segment.kind {
                PT_ARM_EXIDX if unwind.exidx.is_none() => unwind.exidx = Some((segment.address, segment.file_bytes)),
                PT_GNU_EH_FRAME if unwind.eh_frame.is_none() => {
                    // `.eh_frame_hdr`: version 1, and usually a pc-relative word that leads to `.eh_frame`.
                    let header = Fields(self.file.range_cut(segment.offset, segment.file_bytes));
                    let is_relative = header.word(0).is_some_and(|word| word & 0xffff == 0x1b01);
                    let start = header
                        .word(4)
                        .map(|distance| segment.address.wrapping_add(4).wrapping_add(distance as i32 as u64));
                    let holder = start.and_then(|start| {
                        image.sections.iter().find(|s| start >= s.address && start < s.end()).map(|s| s.end() - start)
                    });
                    unwind.eh_frame = start.zip(holder).filter(|_| is_relative);
                }
                _ => {}
            }
        }
        image.unwind = unwind;
    }

    fn interpreter(&self, segments: &[Segment]) -> Option<&'a [u8]> {
        let segment = segments.iter().find(|segment| segment.kind == PT_INTERP)?;
        name_at(Fields(self.file.range_cut(segment.offset, segment.file_bytes)), 0)
    }

    fn build_id(&self, segments: &[Segment]) -> Option<&'a [u8]> {
        segments.iter().filter(|segment| segment.kind == PT_NOTE).find_map(|segment| {
            let notes = Fields(self.file.range_cut(segment.offset, segment.file_bytes.min(1 << 16)));
            let mut at = 0;
            loop {
                let name = u64::from(notes.word(at)?);
                let length = u64::from(notes.word(at + 4)?);
                let content = at + 12 + name.next_multiple_of(4);
                if notes.word(at + 8)? == NT_GNU_BUILD_ID && notes.range(at + 12, 4) == Some(b"GNU\0") {
                    return notes.range(content, length);
                }
                at = content + length.next_multiple_of(4);
            }
        })
    }

    /// Names of code from the tables of symbols, and as roots those which others may call.
    fn symbols(&self, headers: &[Header], image: &mut Image<'a>) {
        for header in headers.iter().filter(|header| matches!(header.kind, SHT_SYMTAB | SHT_DYNSYM)) {
            let names = headers.get(header.link as usize).map_or(&[][..], |h| self.file.range_cut(h.offset, h.length));
            let table = Fields(self.file.range_cut(header.offset, header.length));
            let count = header.length / self.symbol_bytes();
            self.symbols_of(table, Fields(names), count, header.kind == SHT_DYNSYM, image);
        }
    }

    fn symbol_bytes(&self) -> u64 {
        if self.is_long { 24 } else { 16 }
    }

    /// Name, kind, section, value and size of a symbol.
    fn symbol(&self, table: Fields<'a>, names: Fields<'a>, index: u64) -> Option<(&'a [u8], u8, u16, u64, u64)> {
        let at = index.checked_mul(self.symbol_bytes())?;
        let (info, section, value, size) = if self.is_long { (4, 6, 8, 16) } else { (12, 14, 4, 8) };
        let name = name_at(names, table.word(at)?.into()).unwrap_or_default();
        let value = table.number(at.checked_add(value)?, self.is_long)?;
        let size = table.number(at.checked_add(size)?, self.is_long)?;
        Some((name, table.byte(at + info)? & 15, table.half(at + section)?, value, size))
    }

    fn symbols_of(&self, table: Fields<'a>, names: Fields<'a>, count: u64, exported: bool, image: &mut Image<'a>) {
        for index in 0..count.min(NAMES_MAX as u64) {
            let Some((name, kind, section, value, bytes)) = self.symbol(table, names, index) else { break };
            if !matches!(kind, STT_FUNC | STT_GNU_IFUNC) || section == 0 || value == 0 {
                continue;
            }
            if exported {
                if kind == STT_GNU_IFUNC {
                    image.roots.push((value, Root::Resolver));
                }
                image.roots.push((value, Root::Export));
                if !name.is_empty() && image.exports.len() < NAMES_MAX {
                    image.exports.push((name, value));
                }
            }
            if !name.is_empty() {
                image.symbols.push(Symbol { address: self.machine.code(value), name, bytes });
            }
        }
    }

    /// What a program without a loader fills in and calls by itself: the choices of resolvers, arrays of initializers.
    fn static_relocations(&self, segments: &[Segment], headers: &[Header], image: &mut Image<'a>) {
        let loads: Vec<&Segment> = segments.iter().filter(|segment| segment.kind == PT_LOAD).take(LOADS_MAX).collect();
        let at = |address: u64| -> Fields<'a> {
            let bytes = loads.iter().find(|segment| address.wrapping_sub(segment.address) < segment.file_bytes);
            Fields(bytes.map_or(&[][..], |segment| {
                let from = address - segment.address;
                self.file.range_cut(segment.offset.saturating_add(from), segment.file_bytes - from)
            }))
        };
        for header in headers.iter().filter(|header| header.flags & SHF_ALLOC != 0) {
            if matches!(header.kind, SHT_RELA | SHT_REL) {
                let list = Fields(self.file.range_cut(header.offset, header.length));
                self.relocations(list, header.kind == SHT_RELA, &at, Fields(&[]), Fields(&[]), image);
            }
        }
        image.pointers.sort_unstable();
        for header in headers {
            let root = match header.kind {
                SHT_INIT_ARRAY | SHT_PREINIT_ARRAY => Root::Initializer,
                SHT_FINI_ARRAY => Root::Finalizer,
                _ => continue,
            };
            self.array(header.address, header.length, root, &at, image);
        }
    }

    /// What the loader is told to do.
    fn dynamic(&self, dynamic: &Segment, segments: &[Segment], headers: &[Header], image: &mut Image<'a>) {
        let loads: Vec<Segment> =
            segments.iter().filter(|segment| segment.kind == PT_LOAD).take(LOADS_MAX).copied().collect();
        let is_loaded = |address: u64, segment: &&Segment| {
            address >= segment.address && address - segment.address < segment.file_bytes
        };
        // From an address to the end of its segment in the file.
        let at = |address: u64| -> Fields<'a> {
            let bytes = loads.iter().find(|segment| is_loaded(address, segment)).map_or(&[][..], |segment| {
                let from = address - segment.address;
                self.file.range_cut(segment.offset.saturating_add(from), segment.file_bytes - from)
            });
            Fields(bytes)
        };
        let table = Fields(self.file.range_cut(dynamic.offset, dynamic.file_bytes));
        let word = if self.is_long { 8 } else { 4 };
        let mut tags = Vec::new();
        let mut place = 0;
        while let (Some(tag), Some(value)) =
            (table.number(place, self.is_long), table.number(place + word, self.is_long))
            && tag != 0
            && tags.len() < SECTIONS_MAX
        {
            tags.push((tag, value));
            place += 2 * word;
        }
        let tag = |tag: u64| tags.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
        let names = tag(5).map_or(Fields(&[]), at);
        image.soname = tag(14).and_then(|offset| name_at(names, offset));
        let needed = tags.iter().filter(|(tag, _)| *tag == 1);
        image.needed = needed.filter_map(|(_, offset)| name_at(names, *offset)).collect();
        image.runpath = tag(29).or(tag(15)).and_then(|offset| name_at(names, offset));
        let symbols = tag(6).map_or(Fields(&[]), at);
        if !headers.iter().any(|header| header.kind == SHT_DYNSYM)
            && let Some((from, to)) = tag(6).zip(tag(5))
        {
            // Without headers nothing says how many there are; linkers put the names behind the symbols.
            self.symbols_of(symbols, names, to.saturating_sub(from) / self.symbol_bytes(), true, image);
        }
        image.roots.extend(tag(12).map(|function| (function, Root::Initializer)));
        image.roots.extend(tag(13).map(|function| (function, Root::Finalizer)));
        let lists = [(tag(7), tag(8), true), (tag(17), tag(18), false)];
        let plt = (tag(23), tag(2), tag(20) == Some(7));
        for (address, length, has_addend) in lists.into_iter().chain([plt]) {
            if let (Some(address), Some(length)) = (address, length) {
                let list = Fields(at(address).range_cut(0, length));
                self.relocations(list, has_addend, &at, symbols, names, image);
            }
        }
        if let (Some(address), Some(length)) = (tag(36), tag(35)) {
            self.relative(Fields(at(address).range_cut(0, length)), &at, image);
        }
        image.pointers.sort_unstable();
        let arrays = [(25, 27, Root::Initializer), (26, 28, Root::Finalizer), (32, 33, Root::Initializer)];
        for (array, length, root) in arrays {
            if let Some((from, length)) = tag(array).zip(tag(length)) {
                self.array(from, length, root, &at, image);
            }
        }
    }

    /// An array of functions that the loader calls: relocated pointers, or in files that run at fixed addresses, numbers.
    fn array(&self, from: u64, length: u64, root: Root, at: &impl Fn(u64) -> Fields<'a>, image: &mut Image<'a>) {
        let targets = image.pointers_in(from, from.saturating_add(length)).to_vec();
        image.roots.extend(targets.into_iter().map(|(_, target)| (target, root)));
        if image.is_fixed {
            let word = if self.is_long { 8 } else { 4 };
            let list = Fields(at(from).range_cut(0, length));
            let targets = (0..list.0.len() as u64 / word).filter_map(|index| list.number(index * word, self.is_long));
            image.roots.extend(targets.map(|target| (target, root)));
        }
    }

    /// Whether a type of relocation calls the address and fills in what that returns (`IRELATIVE`).
    fn is_resolver(&self, kind: u64) -> bool {
        matches!(
            (self.machine, kind),
            (Machine::X86_64, 37)
                | (Machine::X86, 42)
                | (Machine::Aarch64, 1032)
                | (Machine::Arm, 160)
                | (Machine::RiscV64, 58)
        )
    }

    /// What a type of relocation fills in: an address of this file, that of a symbol, or something else.
    fn kind(&self, kind: u64) -> Fill {
        match (self.machine, kind) {
            (Machine::X86_64, 8 | 37)
            | (Machine::X86, 8 | 42)
            | (Machine::Aarch64, 1027 | 1032)
            | (Machine::Arm, 23 | 160)
            | (Machine::RiscV64, 3 | 58) => Fill::Own,
            (Machine::X86_64 | Machine::X86, 1 | 6 | 7)
            | (Machine::Aarch64, 257 | 1025 | 1026)
            | (Machine::Arm, 2 | 21 | 22)
            | (Machine::RiscV64, 2 | 5) => Fill::Symbol,
            _ => Fill::Other,
        }
    }

    fn relocations(
        &self,
        list: Fields<'a>,
        has_addend: bool,
        at: &impl Fn(u64) -> Fields<'a>,
        symbols: Fields<'a>,
        names: Fields<'a>,
        image: &mut Image<'a>,
    ) {
        let word = if self.is_long { 8 } else { 4 };
        let entry = word * if has_addend { 3 } else { 2 };
        for index in 0..list.0.len() as u64 / entry {
            if image.pointers.len() >= POINTERS_MAX || image.imports.len() >= NAMES_MAX {
                image.degraded.push(Degraded::Truncated);
                return;
            }
            let number = |field: u64| list.number(index * entry + field * word, self.is_long);
            let (Some(place), Some(info)) = (number(0), number(1)) else { return };
            let addend = if has_addend { number(2) } else { at(place).number(0, self.is_long) }.unwrap_or(0);
            let (kind, symbol) = if self.is_long { (info & 0xffff_ffff, info >> 32) } else { (info & 0xff, info >> 8) };
            match self.kind(kind) {
                Fill::Own => {
                    image.pointers.push((place, addend));
                    if self.is_resolver(kind) {
                        image.roots.push((addend, Root::Resolver));
                    }
                }
                Fill::Symbol => match self.symbol(symbols, names, symbol) {
                    Some((name, _, section, value, _)) if section != 0 && value != 0 => {
                        if !name.is_empty() {
                            image.preemptible.push((place, name));
                        }
                        // The addend of a slot for calls is the address of its stub.
                        let is_whole = matches!(kind, 1 | 2 | 257) && has_addend;
                        let addend = if is_whole { addend } else { 0 };
                        image.pointers.push((place, value.wrapping_add(addend)));
                    }
                    Some((name, ..)) if !name.is_empty() => image.imports.push((place, name)),
                    _ => {}
                },
                Fill::Other => {}
            }
        }
    }

    /// `DT_RELR`: an even word is the place of a pointer, an odd one a map of the 63 or 31 words that follow the last.
    fn relative(&self, list: Fields<'a>, at: &impl Fn(u64) -> Fields<'a>, image: &mut Image<'a>) {
        let word: u64 = if self.is_long { 8 } else { 4 };
        let mut place = 0_u64;
        for index in 0..list.0.len() as u64 / word {
            let Some(entry) = list.number(index * word, self.is_long) else { return };
            if image.pointers.len() >= POINTERS_MAX {
                image.degraded.push(Degraded::Truncated);
                return;
            }
            let mut push = |place: u64| {
                if let Some(target) = at(place).number(0, self.is_long) {
                    image.pointers.push((place, target));
                }
            };
            if entry & 1 == 0 {
                push(entry);
                place = entry.wrapping_add(word);
            } else {
                for bit in (1..8 * word).filter(|bit| entry >> bit & 1 == 1) {
                    push(place.wrapping_add((bit - 1) * word));
                }
                place = place.wrapping_add((8 * word - 1) * word);
            }
        }
    }
}

/// What a relocation fills in.
enum Fill {
    Own,
    Symbol,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the generic ABI: a place, then a map of the words behind it.
    #[test]
    fn packed_relative_pointers() {
        let targets: Vec<u8> = (0..64_u64).flat_map(|index| (0x5000 + index).to_le_bytes()).collect();
        let at = |address: u64| Fields(targets.get(address as usize - 0x100..).unwrap_or_default());
        let list: Vec<u8> = [0x100_u64, 0b1011, 0x1].iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let elf = Elf { file: Fields(&[]), is_long: true, machine: Machine::X86_64 };
        let mut image = Image::of_code(Machine::X86_64, 0x1000, &[]);
        elf.relative(Fields(&list), &at, &mut image);
        assert_eq!(image.pointers, [(0x100, 0x5000), (0x108, 0x5001), (0x118, 0x5003)]);
    }
}
