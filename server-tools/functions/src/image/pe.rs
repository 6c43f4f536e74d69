//! PE: sections, base relocations as pointers, imports (delayed ones too), exports, callbacks of thread-local storage, and
//! the table of valid targets of guarded calls.

use super::elf::Unwind;
use super::{Format, Image, Machine, Root, Section, Symbol, name_at};
use crate::degraded::Degraded;
use crate::fields::Fields;
use crate::limits::{NAMES_MAX, POINTERS_MAX, SECTIONS_MAX};

const SECTION_CODE: u32 = 0x20;
const SECTION_EXECUTE: u32 = 0x2000_0000;
const SECTION_WRITE: u32 = 0x8000_0000;
const EXPORTS: u64 = 0;
const IMPORTS: u64 = 1;
const EXCEPTIONS: u64 = 3;
const RELOCATIONS: u64 = 5;
const THREAD_LOCAL: u64 = 9;
const LOAD_CONFIGURATION: u64 = 10;
const DELAYED_IMPORTS: u64 = 13;
const SYMBOL_BYTES: u64 = 18;

struct Pe<'a> {
    file: Fields<'a>,
    is_long: bool,
    base: u64,
    /// Where the optional header's directories are.
    directories: u64,
    directory_count: u64,
}

pub(super) fn read(bytes: &[u8]) -> Option<Image<'_>> {
    let file = Fields(bytes);
    if !bytes.starts_with(b"MZ") {
        return None;
    }
    let header = u64::from(file.word(0x3c)?);
    if file.range(header, 4)? != b"PE\0\0" {
        return None;
    }
    let optional = header + 24;
    let is_long = file.half(optional)? == 0x20b;
    let machine = match (file.half(header + 4)?, is_long) {
        (0x8664, true) => Machine::X86_64,
        (0x14c, false) => Machine::X86,
        (0xaa64, true) => Machine::Aarch64,
        (0x1c4, false) => Machine::Arm,
        (0x5064, true) => Machine::RiscV64,
        _ => return None,
    };
    let base = if is_long { file.long(optional + 24)? } else { file.word(optional + 28)?.into() };
    let directories = optional + if is_long { 112 } else { 96 };
    let directory_count = file.word(directories - 4)?.min(16).into();
    let pe = Pe { file, is_long, base, directories, directory_count };
    let sections = pe.sections(header);
    let mut image = Image {
        format: Format::Pe,
        machine,
        base,
        is_fixed: true,
        sections,
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
        build_id: None,
        degraded: Vec::new(),
    };
    image.sections.sort_by_key(|section| section.address);
    image.unwind.pdata = pe.directory(EXCEPTIONS);
    image.roots.push((base.wrapping_add(file.word(optional + 16)?.into()), Root::Entry));
    pe.relocations(&mut image);
    image.pointers.sort_unstable();
    pe.imports(&mut image);
    pe.delayed_imports(&mut image);
    pe.exports(&mut image);
    pe.callbacks(&mut image);
    pe.guarded(&mut image);
    pe.symbols(header, &mut image);
    Some(image)
}

impl<'a> Pe<'a> {
    /// Address and length of a directory.
    fn directory(&self, index: u64) -> Option<(u64, u64)> {
        let at = self.directories + 8 * index;
        let (address, length) = (self.file.word(at)?, self.file.word(at + 4)?);
        let is_there = index < self.directory_count && address != 0 && length != 0;
        is_there.then_some((self.base.wrapping_add(address.into()), length.into()))
    }

    fn sections(&self, header: u64) -> Vec<Section<'a>> {
        let count = u64::from(self.file.half(header + 6).unwrap_or(0)).min(SECTIONS_MAX as u64);
        let table = header + 24 + u64::from(self.file.half(header + 20).unwrap_or(0));
        let read = |index: u64| {
            let at = table + 40 * index;
            let word = |place: u64| self.file.word(at + place);
            let name = self.file.range(at, 8)?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let flags = word(36)?;
            let (memory, file) = (word(8)?, word(16)?);
            let memory_bytes = if memory == 0 { file } else { memory };
            Some(Section {
                name: String::from_utf8_lossy(name).into_owned(),
                address: self.base.wrapping_add(word(12)?.into()),
                bytes: self.file.range_cut(word(20)?.into(), file.min(memory_bytes).into()),
                memory_bytes: memory_bytes.into(),
                is_code: flags & (SECTION_CODE | SECTION_EXECUTE) != 0 && flags & SECTION_EXECUTE != 0,
                is_writable: flags & SECTION_WRITE != 0,
                is_stubs: false,
            })
        };
        (0..count).filter_map(read).collect()
    }

    /// Blocks of a page each: its address, the block's length, and a half word for each pointer.
    fn relocations(&self, image: &mut Image<'a>) {
        let Some((address, length)) = self.directory(RELOCATIONS) else { return };
        let blocks = Fields(Fields(image.bytes(address)).range_cut(0, length));
        let mut at = 0;
        while let (Some(page), Some(bytes)) = (blocks.word(at), blocks.word(at + 4)) {
            let bytes = u64::from(bytes);
            if bytes < 8 {
                break;
            }
            for place in (at + 8..at.saturating_add(bytes)).step_by(2) {
                let Some(entry) = blocks.half(place) else { break };
                if image.pointers.len() >= POINTERS_MAX {
                    image.degraded.push(Degraded::Truncated);
                    return;
                }
                let is_long = match entry >> 12 {
                    10 => true,
                    3 => false,
                    _ => continue,
                };
                let place = self.base.wrapping_add(page.into()).wrapping_add((entry & 0xfff).into());
                if let Some(target) = Fields(image.bytes(place)).number(0, is_long) {
                    image.pointers.push((place, target));
                }
            }
            at = at.saturating_add(bytes);
        }
    }

    fn imports(&self, image: &mut Image<'a>) {
        let Some((address, _)) = self.directory(IMPORTS) else { return };
        for index in 0..SECTIONS_MAX as u64 {
            let descriptor = Fields(image.bytes(address.wrapping_add(20 * index)));
            let (Some(names), Some(slots)) = (descriptor.word(0), descriptor.word(16)) else { return };
            if slots == 0 {
                return;
            }
            self.needs(descriptor.word(12), image);
            self.slots(if names == 0 { slots } else { names }, slots, image);
        }
    }

    fn needs(&self, name: Option<u32>, image: &mut Image<'a>) {
        let bytes = image.bytes(self.base.wrapping_add(name.unwrap_or(0).into()));
        image.needed.extend(name_at(Fields(bytes), 0));
    }

    fn delayed_imports(&self, image: &mut Image<'a>) {
        let Some((address, _)) = self.directory(DELAYED_IMPORTS) else { return };
        for index in 0..SECTIONS_MAX as u64 {
            let descriptor = Fields(image.bytes(address.wrapping_add(32 * index)));
            let (Some(slots), Some(names)) = (descriptor.word(12), descriptor.word(16)) else { return };
            if slots == 0 {
                return;
            }
            self.needs(descriptor.word(4), image);
            self.slots(names, slots, image);
        }
    }

    /// The slots of one library: where their names are, in the same order.
    fn slots(&self, names: u32, slots: u32, image: &mut Image<'a>) {
        let (word, ordinal) = if self.is_long { (8, 1 << 63) } else { (4, 1 << 31) };
        let table = Fields(image.bytes(self.base.wrapping_add(names.into())));
        for index in 0.. {
            let Some(entry) = table.number(index * word, self.is_long).filter(|entry| *entry != 0) else { return };
            if image.imports.len() >= NAMES_MAX {
                image.degraded.push(Degraded::Truncated);
                return;
            }
            let name = if entry & ordinal != 0 {
                Some(&b"by ordinal"[..])
            } else {
                name_at(Fields(image.bytes(self.base.wrapping_add(entry & 0xffff_ffff))), 2)
            };
            let place = self.base.wrapping_add(slots.into()).wrapping_add(index * word);
            image.imports.push((place, name.unwrap_or(b"?")));
        }
    }

    fn exports(&self, image: &mut Image<'a>) {
        let Some((address, length)) = self.directory(EXPORTS) else { return };
        let table = Fields(image.bytes(address));
        let at = |rva: Option<u32>| Fields(image.bytes(self.base.wrapping_add(rva.unwrap_or(0).into())));
        let count = |place| u64::from(table.word(place).unwrap_or(0)).min(1 << 16);
        let soname = name_at(at(table.word(12)), 0);
        let (functions, names, ordinals) = (at(table.word(28)), at(table.word(32)), at(table.word(36)));
        let mut roots = Vec::new();
        for index in 0..count(20) {
            let Some(function) = functions.word(4 * index) else { break };
            let function = self.base.wrapping_add(function.into());
            // Inside the directory it is the name of another library's function.
            if function.wrapping_sub(address) >= length {
                roots.push((function, Root::Export));
            }
        }
        let mut symbols = Vec::new();
        for index in 0..count(24) {
            let function = ordinals.half(2 * index).and_then(|ordinal| functions.word(4 * u64::from(ordinal)));
            let (Some(function), Some(name)) = (function, name_at(at(names.word(4 * index)), 0)) else { continue };
            let address = self.base.wrapping_add(function.into());
            symbols.push(Symbol { address, name, bytes: 0 });
        }
        image.soname = soname;
        image.exports = symbols.iter().map(|symbol| (symbol.name, symbol.address)).collect();
        image.symbols.append(&mut symbols);
        image.roots.append(&mut roots);
    }

    fn callbacks(&self, image: &mut Image<'a>) {
        let Some((address, _)) = self.directory(THREAD_LOCAL) else { return };
        let word = if self.is_long { 8 } else { 4 };
        let Some(mut list) = Fields(image.bytes(address)).number(3 * word, self.is_long) else { return };
        while let Some(callback) = Fields(image.bytes(list)).number(0, self.is_long).filter(|callback| *callback != 0) {
            image.roots.push((callback, Root::ThreadCallback));
            list = list.wrapping_add(word);
        }
    }

    /// `GuardCFFunctionTable`: every function whose address is taken, where the compiler wrote it.
    fn guarded(&self, image: &mut Image<'a>) {
        let Some((address, _)) = self.directory(LOAD_CONFIGURATION) else { return };
        let fields = Fields(image.bytes(address));
        let (table, count, flags) = if self.is_long { (128, 136, 144) } else { (80, 84, 88) };
        let size = u64::from(fields.word(0).unwrap_or(0));
        let (Some(table), Some(count), Some(flags)) =
            (fields.number(table, self.is_long), fields.number(count, self.is_long), fields.word(flags))
        else {
            return;
        };
        if size < 148 && self.is_long || size < 92 {
            return;
        }
        let stride = 4 + u64::from(flags >> 28);
        for index in 0..count.min(POINTERS_MAX as u64) {
            let entry = Fields(image.bytes(table.wrapping_add(index.saturating_mul(stride))));
            let Some(function) = entry.word(0) else { return };
            image.roots.push((self.base.wrapping_add(function.into()), Root::Guarded));
        }
    }

    /// The symbol table that compilers of the GNU world leave: names for people.
    fn symbols(&self, header: u64, image: &mut Image<'a>) {
        let (Some(table), Some(count)) = (self.file.word(header + 12), self.file.word(header + 16)) else { return };
        let (table, count) = (u64::from(table), u64::from(count).min(NAMES_MAX as u64));
        if table == 0 {
            return;
        }
        let names = Fields(self.file.range_cut(table + count * SYMBOL_BYTES, u64::MAX));
        let first_section = header + 24 + u64::from(self.file.half(header + 20).unwrap_or(0));
        let mut index = 0;
        while index < count {
            let at = table + index * SYMBOL_BYTES;
            let Some(symbol) = self.file.range(at, SYMBOL_BYTES).map(Fields) else { return };
            let (Some(value), Some(section), Some(kind), Some(more)) =
                (symbol.word(8), symbol.half(12), symbol.half(14), symbol.byte(17))
            else {
                return;
            };
            index += 1 + u64::from(more);
            if kind & 0x30 != 0x20 || section == 0 || section > 0x7fff {
                continue;
            }
            let short = symbol.range(0, 8).and_then(|name| name.split(|byte| *byte == 0).next());
            let name = match symbol.word(0) {
                Some(0) => name_at(names, symbol.word(4).unwrap_or(0).into()),
                _ => short,
            };
            let start = self.file.word(first_section + 40 * (u64::from(section) - 1) + 12).unwrap_or(0);
            let address = self.base.wrapping_add(start.into()).wrapping_add(value.into());
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                image.symbols.push(Symbol { address, name, bytes: 0 });
            }
        }
    }
}
