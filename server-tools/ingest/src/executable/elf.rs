//! ELF headers: segments become spans; sections, or segments where there are no sections, become regions.

use super::fields::Fields;
use super::{Headers, Machine, parts, sections};
use delta_apply::reference::{Image, Region, RegionKind, Span};

const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_GNU_EH_FRAME: u64 = 0x6474_e550;
const EXECUTABLE: u64 = 1;
const WRITABLE: u64 = 2;

/// What the file's first header says.
pub(super) struct Header<'a> {
    pub(super) fields: Fields<'a>,
    pub(super) is_long: bool,
    pub(super) machine: Machine,
    /// Whether it runs at the addresses that it names, and at no others.
    pub(super) is_fixed: bool,
    programs: Table,
    sections: Table,
    /// The section that holds the names of sections.
    names: u64,
}

/// A table of headers.
#[derive(Clone, Copy)]
struct Table {
    offset: u64,
    entry_bytes: u64,
    count: u64,
}

impl Table {
    fn end(self) -> Option<u64> {
        self.entry_bytes.checked_mul(self.count)?.checked_add(self.offset)
    }

    fn entries(self) -> impl Iterator<Item = u64> {
        (0..self.count).map(move |index| self.offset + index * self.entry_bytes)
    }
}

/// A program header.
#[derive(Clone, Copy)]
struct Segment {
    kind: u64,
    flags: u64,
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

/// A section header; one of a PE file is told in these terms, too.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: u64,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) link: u64,
}

/// The section takes no bytes of the file.
pub(super) const SHT_NOBITS: u64 = 8;

impl Section<'_> {
    /// Whether it is loaded, from bytes of the file.
    pub(super) fn is_filled(&self) -> bool {
        self.flags & sections::LOADED != 0 && !matches!(self.kind, 0 | SHT_NOBITS)
    }

    pub(super) fn is_writable(&self) -> bool {
        self.flags & sections::WRITABLE != 0
    }

    /// The first offset behind it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.length
    }

    pub(super) fn holds(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.length
    }
}

/// Reads the executable at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Option<Headers> {
    let header = Header::read(bytes)?;
    let segments = header.segments()?;
    let sections = header.sections()?;
    let in_file = |section: &&Section<'_>| section.kind != SHT_NOBITS && section.kind != 0;
    let parts = parts(sections.iter().filter(in_file).map(|section| {
        let Section { name, offset, length, .. } = *section;
        (name, offset..offset + length)
    }));
    let section_ends = sections.iter().filter(in_file).map(|section| section.offset + section.length);
    let segment_ends = segments.iter().map(|segment| segment.offset + segment.file_bytes);
    let tables = [header.programs.end()?, header.sections.end()?];
    let end = usize::try_from(section_ends.chain(segment_ends).chain(tables).max()?).ok()?;
    let mut spans: Vec<Span> = segments
        .iter()
        .filter(|segment| segment.kind == PT_LOAD)
        .map(|segment| Span {
            offset: segment.offset,
            address: segment.address,
            file_bytes: segment.file_bytes,
            memory_bytes: segment.memory_bytes,
            executable: segment.flags & EXECUTABLE != 0,
        })
        .collect();
    let regions = match sections.is_empty() {
        true => header.regions_of(&segments),
        false => sections::regions(&header, &sections, &mut spans),
    };
    Some(Headers { bytes: end, image: Image::new(spans, regions), machine: header.machine, parts })
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let fields = Fields(bytes);
        if !bytes.starts_with(b"\x7fELF") || fields.byte(5)? != 1 || fields.byte(6)? != 1 {
            return None;
        }
        let is_long = match fields.byte(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let machine = match (fields.half(18)?, is_long) {
            (62, true) => Machine::X86_64,
            (3, false) => Machine::X86,
            (183, true) => Machine::Aarch64,
            (40, false) => Machine::Arm,
            (243, true) => Machine::RiscV64,
            _ => return None,
        };
        let kind = fields.half(16)?;
        // Behind the entry point: two offsets, flags and this header's length in 6 bytes, then six halves.
        let (tables, halves) = if is_long { (32, 54) } else { (28, 42) };
        let table = |index: u64, program_bytes: u64| {
            let offset = fields.number(tables + index * if is_long { 8 } else { 4 }, is_long)?;
            let entry_bytes = fields.half(halves + 4 * index)?;
            let count = fields.half(halves + 4 * index + 2)?;
            let is_empty = offset == 0 || count == 0;
            let sane = is_empty || entry_bytes == program_bytes && fields.holds(offset, entry_bytes * count);
            sane.then_some(if is_empty {
                Table { offset: 0, entry_bytes, count: 0 }
            } else {
                Table { offset, entry_bytes, count }
            })
        };
        let programs = table(0, if is_long { 56 } else { 32 })?;
        let sections = table(1, if is_long { 64 } else { 40 })?;
        let names = fields.half(halves + 8)?;
        let runs = matches!(kind, ET_EXEC | ET_DYN) && programs.count > 0;
        runs.then_some(Self { fields, is_long, machine, is_fixed: kind == ET_EXEC, programs, sections, names })
    }

    /// The program headers; nothing if one of them reaches out of the file.
    fn segments(&self) -> Option<Vec<Segment>> {
        let number = |at| self.fields.number(at, self.is_long);
        let read = |at: u64| {
            let word = if self.is_long { 8 } else { 4 };
            let first = at + word;
            let flags = self.fields.word(if self.is_long { at + 4 } else { at + 24 })?;
            let segment = Segment {
                kind: self.fields.word(at)?,
                flags,
                offset: number(first)?,
                address: number(first + word)?,
                file_bytes: number(first + 3 * word)?,
                memory_bytes: number(first + 4 * word)?,
            };
            self.fields.holds(segment.offset, segment.file_bytes).then_some(segment)
        };
        self.programs.entries().map(read).collect()
    }

    /// The section headers; none if they do not look like some; nothing if one of them reaches out of the file, which is
    /// how a file that lies in an image in two pieces shows.
    fn sections(&self) -> Option<Vec<Section<'a>>> {
        let (word, address_at) = if self.is_long { (8, 16) } else { (4, 12) };
        let number = |at| self.fields.number(at, self.is_long);
        let names = self.sections.entries().nth(usize::try_from(self.names).ok()?);
        let names = match names {
            Some(header) => number(header + address_at + word)?,
            None => return Some(Vec::new()),
        };
        let read = |at: u64| {
            let section = Section {
                name: names.checked_add(self.fields.word(at)?).and_then(|at| self.fields.text(at))?,
                kind: self.fields.word(at + 4)?,
                flags: number(at + 8)?,
                address: number(at + address_at)?,
                offset: number(at + address_at + word)?,
                length: number(at + address_at + 2 * word)?,
                link: self.fields.word(at + address_at + 3 * word)?,
            };
            let takes_bytes = section.kind != SHT_NOBITS && section.kind != 0;
            (!takes_bytes || self.fields.holds(section.offset, section.length)).then_some(section)
        };
        self.sections.entries().map(read).collect()
    }

    /// What can be told without sections.
    fn regions_of(&self, segments: &[Segment]) -> Vec<Region> {
        let pointers = if self.is_long { RegionKind::Pointers64 } else { RegionKind::Pointers32 };
        let kind_of = |segment: &Segment| match segment.kind {
            PT_LOAD if segment.flags & EXECUTABLE != 0 => Some(sections::code(self.machine)),
            PT_LOAD if segment.flags & WRITABLE != 0 => Some(pointers),
            PT_DYNAMIC => Some(pointers),
            PT_GNU_EH_FRAME => Some(RegionKind::FrameIndex),
            _ => None,
        };
        let region = |segment: &Segment| {
            let kind = kind_of(segment)?;
            let Segment { offset, address, file_bytes: length, .. } = *segment;
            Some(Region { offset, length, address, kind, parameter: 0 })
        };
        segments.iter().filter_map(region).collect()
    }
}
