//! An executable as the loader sees it: sections at addresses, pointers that the loader fills in, imports, entries.
//!
//! In: the bytes of an ELF or PE file. Out: an [`Image`], sorted and bounded, whatever the bytes are. It knows no
//! instructions and finds no functions but those that headers name.

mod elf;
mod pe;

use crate::degraded::Degraded;
use crate::fields::Fields;
use crate::limits::{LITERAL_BYTES_MAX, NAME_BYTES_MAX};

pub(crate) use elf::Unwind;

/// Addresses that no section has: more than what decoders add to an address of code.
const ADDRESS_MARGIN: u64 = 1 << 20;

/// The container of an executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Executable and Linkable Format.
    Elf,
    /// Portable Executable.
    Pe,
}

/// The processor of an executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86 with 64 bits.
    X86_64,
    /// x86 with 32 bits.
    X86,
    /// ARM with 64 bits, A64.
    Aarch64,
    /// ARM with 32 bits, A32 and T32 mixed.
    Arm,
    /// RISC-V with 64 bits, compressed instructions included.
    RiscV64,
}

impl Machine {
    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64",
            Self::X86 => "i386",
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
            Self::RiscV64 => "riscv64",
        }
    }

    pub(crate) fn is_long(self) -> bool {
        !matches!(self, Self::X86 | Self::Arm)
    }

    /// The address of code that a pointer to code names: bit 0 of ARM's says T32.
    pub(crate) fn code(self, pointer: u64) -> u64 {
        if self == Self::Arm { pointer & !1 } else { pointer }
    }

    /// What every instruction's address is a multiple of.
    pub(crate) fn alignment(self) -> u64 {
        match self {
            Self::X86_64 | Self::X86 => 1,
            Self::Aarch64 => 4,
            Self::Arm | Self::RiscV64 => 2,
        }
    }
}

/// A section, or a segment where a file has no sections.
#[derive(Debug, Clone)]
pub(crate) struct Section<'a> {
    pub(crate) name: String,
    pub(crate) address: u64,
    /// What the file fills it with.
    pub(crate) bytes: &'a [u8],
    /// How much it takes in memory.
    pub(crate) memory_bytes: u64,
    pub(crate) is_code: bool,
    pub(crate) is_writable: bool,
    /// Stubs that jump to imports: `.plt` and its kin. No functions of the program.
    pub(crate) is_stubs: bool,
}

impl Section<'_> {
    pub(crate) fn end(&self) -> u64 {
        self.address.saturating_add(self.memory_bytes)
    }
}

/// Why a header says that a function starts at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    Export,
    Entry,
    /// Called by the loader before the entry.
    Initializer,
    /// Called by the loader at the end.
    Finalizer,
    /// Called by the loader for each thread.
    ThreadCallback,
    /// Called by the loader to choose between functions (`STT_GNU_IFUNC`).
    Resolver,
    /// Listed as a target of indirect calls: by the compiler, or by an unwind table.
    Guarded,
}

/// A name of an address, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Symbol<'a> {
    pub(crate) address: u64,
    pub(crate) name: &'a [u8],
    /// The size that the file states; 0 where it states none.
    pub(crate) bytes: u64,
}

/// The file as it lies in memory.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) format: Format,
    pub(crate) machine: Machine,
    /// Where addresses count from: the preferred base of PE, else 0.
    pub(crate) base: u64,
    /// Whether the file runs at the addresses it names, so that numbers in code may be addresses.
    pub(crate) is_fixed: bool,
    /// By address, without overlap.
    pub(crate) sections: Vec<Section<'a>>,
    /// Place and target of each pointer that the loader fills in with an address of this file, by place.
    pub(crate) pointers: Vec<(u64, u64)>,
    /// Place and name of each pointer that the loader fills in with an address of another file, by place.
    pub(crate) imports: Vec<(u64, &'a [u8])>,
    /// Place and name of each pointer that is an address of this file unless another file defines that name, by place.
    pub(crate) preemptible: Vec<(u64, &'a [u8])>,
    /// Name and address of each function that others may call by name, sorted. The address is a pointer: bit 0 says T32.
    pub(crate) exports: Vec<(&'a [u8], u64)>,
    /// Files that the loader loads with this one, in its order.
    pub(crate) needed: Vec<&'a [u8]>,
    /// Folders in which the loader looks first, between colons (`DT_RUNPATH`, `DT_RPATH`).
    pub(crate) runpath: Option<&'a [u8]>,
    /// The loader that the file asks for.
    pub(crate) interpreter: Option<&'a [u8]>,
    /// Pointers to code that headers name; bit 0 says T32 on ARM.
    pub(crate) roots: Vec<(u64, Root)>,
    /// Names of code by address, sorted; labels only.
    pub(crate) symbols: Vec<Symbol<'a>>,
    /// Where unwind tables are.
    pub(crate) unwind: Unwind,
    /// Name under which others load it.
    pub(crate) soname: Option<&'a [u8]>,
    /// The linker's or compiler's identity of this build.
    pub(crate) build_id: Option<&'a [u8]>,
    pub(crate) degraded: Vec<Degraded>,
}

impl<'a> Image<'a> {
    /// Reads a file; nothing if it is no executable of a known processor.
    pub(crate) fn read(file: &'a [u8]) -> Option<Self> {
        let mut image = elf::read(file).or_else(|| pe::read(file))?;
        image.sort();
        Some(image)
    }

    /// Brings everything into the order that look-ups need, and drops sections that overlap others.
    fn sort(&mut self) {
        self.sections.sort_by(|a, b| (a.address, a.memory_bytes, &a.name).cmp(&(b.address, b.memory_bytes, &b.name)));
        let mut end = 0;
        self.sections.retain(|section| {
            // Addresses near the last one would overflow in sums with small distances.
            let last = section.address.checked_add(section.memory_bytes.max(section.bytes.len() as u64));
            let is_sane = last.is_some_and(|last| last < u64::MAX - ADDRESS_MARGIN);
            let is_apart = is_sane && section.address >= end && section.memory_bytes > 0;
            end = if is_apart { section.end() } else { end };
            is_apart
        });
        self.pointers.sort_unstable();
        self.pointers.dedup_by_key(|(place, _)| *place);
        self.imports.sort_unstable();
        self.imports.dedup_by_key(|(place, _)| *place);
        self.preemptible.sort_unstable();
        self.preemptible.dedup_by_key(|(place, _)| *place);
        self.exports.sort_unstable();
        self.exports.dedup();
        let mut roots = std::mem::take(&mut self.roots);
        roots.retain(|(pointer, _)| self.code(self.machine.code(*pointer)).is_some());
        roots.sort_unstable();
        roots.dedup();
        self.roots = roots;
        self.symbols.sort_unstable();
        self.symbols.dedup();
    }

    pub(crate) fn section(&self, address: u64) -> Option<&Section<'a>> {
        let index = self.sections.partition_point(|section| section.address <= address);
        let section = self.sections.get(index.checked_sub(1)?)?;
        (address - section.address < section.memory_bytes).then_some(section)
    }

    pub(crate) fn section_named(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The section of code at an address, stubs left out.
    pub(crate) fn code(&self, address: u64) -> Option<&Section<'a>> {
        self.section(address).filter(|section| section.is_code && !section.is_stubs)
    }

    /// The file's bytes from an address to the end of its section.
    pub(crate) fn bytes(&self, address: u64) -> &'a [u8] {
        let Some(section) = self.section(address) else { return &[] };
        usize::try_from(address - section.address).ok().and_then(|from| section.bytes.get(from..)).unwrap_or_default()
    }

    /// The word that the file has at an address.
    pub(crate) fn word(&self, address: u64) -> Option<u32> {
        Fields(self.bytes(address)).word(0)
    }

    /// Where the pointer at an address leads in this file.
    pub(crate) fn pointer(&self, place: u64) -> Option<u64> {
        let index = self.pointers.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.pointers.get(index).map(|(_, target)| *target)
    }

    /// The places and targets of pointers in a range of addresses.
    pub(crate) fn pointers_in(&self, from: u64, to: u64) -> &[(u64, u64)] {
        let start = self.pointers.partition_point(|(place, _)| *place < from);
        let end = self.pointers.partition_point(|(place, _)| *place < to).max(start);
        self.pointers.get(start..end).unwrap_or_default()
    }

    /// Index of the import whose pointer is at an address.
    pub(crate) fn import(&self, place: u64) -> Option<usize> {
        self.imports.binary_search_by_key(&place, |(place, _)| *place).ok()
    }

    /// The text at an address, as far as it is printable.
    pub(crate) fn literal(&self, address: u64, length_max: u64) -> &'a [u8] {
        let tail = Fields(self.bytes(address)).range_cut(0, length_max.min(LITERAL_BYTES_MAX));
        let is_text = |byte: &u8| (0x20..0x7f).contains(byte) || *byte >= 0x80 || matches!(byte, b'\t' | b'\n' | b'\r');
        let end = tail.iter().position(|byte| !is_text(byte)).unwrap_or(tail.len());
        tail.get(..end).unwrap_or_default()
    }

    /// Whether a number may be an address of this file.
    pub(crate) fn holds(&self, address: u64) -> bool {
        self.section(address).is_some()
    }
}

/// The name at an offset of a table of names.
pub(crate) fn name_at(names: Fields<'_>, offset: u64) -> Option<&[u8]> {
    names.text(offset, NAME_BYTES_MAX).filter(|name| !name.is_empty())
}

#[cfg(test)]
impl<'a> Image<'a> {
    /// An image of code alone.
    pub(crate) fn of_code(machine: Machine, address: u64, bytes: &'a [u8]) -> Self {
        let code = Section {
            name: ".text".to_owned(),
            address,
            bytes,
            memory_bytes: bytes.len() as u64,
            is_code: true,
            is_writable: false,
            is_stubs: false,
        };
        Self {
            format: Format::Elf,
            machine,
            base: 0,
            is_fixed: false,
            sections: vec![code],
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
        }
    }
}
