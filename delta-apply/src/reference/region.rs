//! What an executable looks like from outside: which of its bytes are loaded where, and which ranges hold which kind
//! of reference.
//!
//! In: tables that the encoder read from ELF or PE headers and shipped. Out: offset to address and back, and the region
//! of an offset. Nothing here parses an executable, and tables that make no sense give sites that predict badly, never
//! an error.

use alloc::vec::Vec;
use core::ops::Range;

/// What the bytes of a region hold; which fields in them are references follows from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RegionKind {
    /// Nothing that refers to an address.
    Plain = 0,
    /// x86-64 instructions.
    X86_64 = 1,
    /// AArch64 instructions.
    Aarch64 = 2,
    /// Aligned 64-bit addresses among other words. Parameter: the lowest address that counts as one.
    Pointers64 = 3,
    /// Aligned 32-bit addresses among other words. Parameter: the lowest address that counts as one.
    Pointers32 = 4,
    /// Jump tables of 32-bit distances from the table's first entry to code.
    Tables = 5,
    /// Jump tables and aligned 64-bit addresses. Parameter: the lowest address that counts as one.
    TablesAndPointers64 = 6,
    /// Call frame information: `.eh_frame`.
    Frames = 7,
    /// The sorted index of call frame information: `.eh_frame_hdr`.
    FrameIndex = 8,
    /// Aligned 32-bit distances from the parameter, an image's base, to anything in the image.
    Distances32 = 9,
    /// Read-only data of a PE image: 64-bit addresses, jump tables, and 32-bit distances from the parameter to code.
    PeConstants = 10,
    /// Entries of 24 bytes of an ELF64 symbol table. Parameter: the address of its string table.
    Symbols64 = 11,
    /// Entries of 16 bytes of an ELF32 symbol table. Parameter: the address of its string table.
    Symbols32 = 12,
    /// 32-bit ARM instructions, A32 or Thumb. Parameter: the lowest address that counts as one in a literal pool; 0 if
    /// there are only distances.
    Arm = 13,
    /// Entries of 8 bytes of an ELF32 relocation table without addends.
    Relocations32 = 14,
    /// `.ARM.exidx` and `.ARM.extab`: 31-bit distances to code and to each other.
    ArmUnwind = 15,
    /// Names of Go functions. Nothing in them is a reference; records refer to them.
    GoNames = 16,
    /// Line programs of Go functions. Nothing in them is a reference; records refer to them.
    GoPrograms = 17,
    /// The index of Go functions.
    GoIndex = 18,
    /// Records of Go functions. Parameter: the address from which their data counts, or 0.
    GoRecords = 19,
    /// 32-bit x86 instructions. Parameter: the address of the global offset table, or 0 if addresses stand in the code.
    I386 = 20,
    /// RISC-V instructions.
    RiscV = 21,
    /// Data of Go functions, with lists of calls that were put in line.
    GoInlined = 22,
    /// Descriptions of Go types. Parameter: the lowest address that counts as one.
    GoTypes = 23,
    /// Entries of 24 bytes of an ELF64 relocation table. Parameter: the address of its symbol table, or 0.
    Relocations64 = 24,
    /// A table of types of the kernel (BPF Type Format). No field of it is a reference to an address; the coding makes
    /// it of the base's as a whole.
    Types = 25,
}

impl RegionKind {
    /// All kinds; the number of a kind in payloads is its place here.
    pub const ALL: [Self; 26] = [
        Self::Plain,
        Self::X86_64,
        Self::Aarch64,
        Self::Pointers64,
        Self::Pointers32,
        Self::Tables,
        Self::TablesAndPointers64,
        Self::Frames,
        Self::FrameIndex,
        Self::Distances32,
        Self::PeConstants,
        Self::Symbols64,
        Self::Symbols32,
        Self::Arm,
        Self::Relocations32,
        Self::ArmUnwind,
        Self::GoNames,
        Self::GoPrograms,
        Self::GoIndex,
        Self::GoRecords,
        Self::I386,
        Self::RiscV,
        Self::GoInlined,
        Self::GoTypes,
        Self::Relocations64,
        Self::Types,
    ];

    /// The kind of a number in a payload.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Whether regions of this kind hold instructions.
    pub const fn is_code(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64 | Self::Arm | Self::I386 | Self::RiscV)
    }

    /// The number of a kind in payloads.
    pub const fn number(self) -> u64 {
        self as u64
    }
}

/// A range of an executable whose bytes are of one kind. Offsets count from the executable's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where the region starts in the file.
    pub offset: u64,
    /// Bytes of the region.
    pub length: u64,
    /// The address of its first byte.
    pub address: u64,
    /// What it holds.
    pub kind: RegionKind,
    /// A number that the kind gives a meaning; 0 where it gives none.
    pub parameter: u64,
}

impl Region {
    /// The first offset behind the region.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// A run of addresses and the part of the file that fills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where its bytes start in the file.
    pub offset: u64,
    /// The address of its first byte.
    pub address: u64,
    /// Bytes that come from the file.
    pub file_bytes: u64,
    /// Bytes that it takes in memory. 0: the bytes are never loaded, their addresses are made up so that they can be
    /// referred to (strings of symbols).
    pub memory_bytes: u64,
    /// Whether code may run here.
    pub executable: bool,
}

/// One executable, of the base or of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    spans: Vec<Span>,
    regions: Vec<Region>,
    /// From the lowest to the highest address of code.
    code: Range<u64>,
    /// From the lowest to the highest address of anything loaded.
    memory: Range<u64>,
}

/// From the lowest to the highest of these addresses, each with its length.
fn hull(ranges: impl Iterator<Item = (u64, u64)>) -> Range<u64> {
    let all = ranges.fold((u64::MAX, 0), |(low, high), (address, length)| {
        (address.min(low), address.saturating_add(length).max(high))
    });
    all.0..all.1
}

/// Addresses at the start of an image that nothing points to: its headers.
const HEADER_BYTES: u64 = 0x200;

impl Image {
    /// An image of these tables. Regions are sorted; those that overlap an earlier one are dropped.
    pub fn new(spans: Vec<Span>, mut regions: Vec<Region>) -> Self {
        regions.retain(|region| region.length > 0);
        regions.sort_unstable_by_key(|region| {
            (region.offset, region.length, region.address, region.kind, region.parameter)
        });
        let mut end = 0;
        regions.retain(|region| {
            let keeps = region.offset >= end;
            end = if keeps { region.end() } else { end };
            keeps
        });
        let loaded = || spans.iter().filter(|span| span.memory_bytes > 0);
        let mut memory = hull(loaded().map(|span| (span.address, span.memory_bytes)));
        // Some linkers put constants into the same span as code; regions tell them apart.
        let mut code = hull(regions.iter().filter(|region| region.kind.is_code()).map(|r| (r.address, r.length)));
        if code.is_empty() {
            code = hull(loaded().filter(|span| span.executable).map(|span| (span.address, span.memory_bytes)));
        }
        memory.start = memory.start.saturating_add(HEADER_BYTES);
        Self { spans, regions, code, memory }
    }

    /// The spans, in the order in which they were given.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The regions, sorted and disjoint.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The address at which the byte at `offset` is loaded.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let within = |span: &&Span| offset >= span.offset && offset - span.offset < span.file_bytes;
        self.spans.iter().find(within).map(|span| span.address.wrapping_add(offset - span.offset))
    }

    /// The offset of the byte that is loaded at `address`.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let within = |span: &&Span| address >= span.address && address - span.address < span.file_bytes;
        self.spans.iter().find(within).map(|span| span.offset.saturating_add(address - span.address))
    }

    /// Whether code may lie at `address`: it is between the first and the last byte of code.
    pub fn is_code(&self, address: u64) -> bool {
        self.code.contains(&address)
    }

    /// Whether `address` is plausible: between the headers and the last byte of memory.
    pub fn contains(&self, address: u64) -> bool {
        self.memory.contains(&address)
    }

    /// From the lowest to the highest address of code.
    pub fn code(&self) -> Range<u64> {
        self.code.clone()
    }

    /// From the headers to the highest address of memory.
    pub fn memory(&self) -> Range<u64> {
        self.memory.clone()
    }

    /// The number of the region that holds the byte loaded at `address`, or of the next one.
    pub fn region_index(&self, address: u64) -> usize {
        let offset = self.offset_of(address).unwrap_or(u64::MAX);
        self.regions.partition_point(|region| region.end() <= offset)
    }

    /// The region that holds `offset`.
    pub fn region_at(&self, offset: u64) -> Option<&Region> {
        let index = self.regions.partition_point(|region| region.offset <= offset).checked_sub(1)?;
        let region = &self.regions[index];
        (offset - region.offset < region.length).then_some(region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn region(offset: u64, length: u64) -> Region {
        Region { offset, length, address: offset, kind: RegionKind::Plain, parameter: 0 }
    }

    /// Numbers of kinds are part of the format.
    #[test]
    fn kinds_have_the_numbers_of_their_places() {
        for (place, kind) in RegionKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.number(), place as u64);
            assert_eq!(RegionKind::from_number(place as u64), Some(kind));
        }
        assert_eq!(RegionKind::from_number(RegionKind::ALL.len() as u64), None);
        assert_eq!(RegionKind::from_number(u64::MAX), None);
    }

    /// Regions are found by their offsets; one that overlaps an earlier one is left out.
    #[test]
    fn regions_are_disjoint() {
        let image = Image::new(vec![], vec![region(30, 10), region(10, 10), region(15, 10), region(5, 0)]);
        assert_eq!(image.regions(), [region(10, 10), region(30, 10)]);
        let check = |offset, expected| assert_eq!(image.region_at(offset).map(|r| r.offset), expected, "{offset}");
        check(9, None);
        check(10, Some(10));
        check(19, Some(10));
        check(20, None);
        check(39, Some(30));
        check(u64::MAX, None);
    }

    /// Addresses and offsets lead to each other inside a span and nowhere else; made-up addresses are not plausible.
    #[test]
    fn addresses() {
        let image = Image::new(
            vec![
                Span { offset: 0, address: 0x1000, file_bytes: 0x500, memory_bytes: 0x500, executable: false },
                Span { offset: 0x500, address: 0x2500, file_bytes: 0x100, memory_bytes: 0x100, executable: true },
                Span { offset: 0x600, address: 0x3600, file_bytes: 0x10, memory_bytes: 0x100, executable: false },
                Span { offset: 0x610, address: 1 << 40, file_bytes: 0x10, memory_bytes: 0, executable: false },
            ],
            vec![],
        );
        assert_eq!(image.address_of(0x505), Some(0x2505));
        assert_eq!(image.offset_of(0x2505), Some(0x505));
        assert_eq!(image.offset_of(0x3610), None, "memory without bytes");
        assert_eq!(image.offset_of((1 << 40) + 1), Some(0x611));
        assert_eq!(image.address_of(0x620), None);
        assert!(
            image.contains(0x36ff) && !image.contains(0x3700) && !image.contains(0x1100) && !image.contains(1 << 40)
        );
        assert!(image.is_code(0x2500) && !image.is_code(0x2600));
    }
}
