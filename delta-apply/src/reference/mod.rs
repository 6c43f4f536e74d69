//! References: the fields of executables that hold an address or a distance, and change when what they lead to moves.
//!
//! In: a region's kind and a window of its bytes. Out: [`Site`]s, found by local rules that need no table of
//! instructions, no symbols and no memory of the rest of the file. The same function runs where a delta is made and where
//! it is applied. A wrong or a missed site costs bits of the delta, never correctness: what a site predicts is always
//! compared with the target.

mod aarch64;
mod arm;
mod data;
mod frames;
mod go;
mod pools;
mod region;
mod site;
mod symbols;
mod x86;

pub use region::{Image, Region, RegionKind, Span};
pub use site::{Form, Site, get, granularity_log2, label, put};

use core::ops::Range;
use site::signed;

/// Bytes on both sides of a range that rules look at; a window should hold as many where the region has them.
pub const MARGIN_BYTES: usize = 64;

/// What a scan of one executable knows from the bytes before. Most of it is valid for the range that follows the last
/// one, and starts anew everywhere else.
#[derive(Clone, Debug, Default)]
pub struct ScanState {
    /// Offset of the byte behind the last range, plus one; 0 before the first.
    next: u64,
    /// Jump tables: the address of the table that the scan is in. Call frames: that of the next record.
    anchor: u64,
    /// AArch64: what is known of registers.
    pages: aarch64::Pages,
    /// ARM: what is known of literal pools.
    pools: pools::Pools,
}

impl ScanState {
    /// A state that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

/// The bytes that one call of [`find`] may look at.
struct Scan<'a> {
    image: &'a Image,
    region: &'a Region,
    window: &'a [u8],
    /// Positions in the window that belong to the region.
    known: Range<usize>,
    /// Positions at which a site may start.
    range: Range<usize>,
    /// Position at which a site must have ended.
    limit: usize,
    /// Address of the window's first byte.
    address: u64,
}

impl<'a> Scan<'a> {
    fn new(image: &'a Image, region: &'a Region, window: &'a [u8], origin: u64, range: Range<usize>, limit: usize) -> Self {
        let position =
            |offset: u64| usize::try_from(offset.saturating_sub(origin)).unwrap_or(usize::MAX).min(window.len());
        let known = position(region.offset)..position(region.end());
        let start = range.start.clamp(known.start, known.end);
        let range = start..range.end.clamp(start, known.end);
        let address = region.address.wrapping_add(origin.wrapping_sub(region.offset));
        let limit = limit.clamp(range.end, known.end.max(range.end));
        Self { image, region, window, known, range, limit, address }
    }

    fn address(&self, position: usize) -> u64 {
        self.address.wrapping_add(position as u64)
    }

    /// The 32-bit word at a position of the region, if it is in the window.
    fn word(&self, position: usize) -> Option<u32> {
        let bytes = self.window[..self.known.end].get(position..)?.first_chunk();
        bytes.filter(|_| position >= self.known.start).map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// The 64-bit word at a position of the region, if it is in the window.
    fn long(&self, position: usize) -> Option<u64> {
        let bytes = self.window[..self.known.end].get(position..)?.first_chunk();
        bytes.filter(|_| position >= self.known.start).map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn byte(&self, position: usize) -> Option<u8> {
        if self.known.contains(&position) { self.window.get(position).copied() } else { None }
    }

    /// The first position of the range whose address is a multiple of `alignment`, a power of two.
    fn aligned(&self, alignment: u64) -> usize {
        let start = self.range.start;
        start.saturating_add((self.address(start).wrapping_neg() & (alignment - 1)) as usize)
    }

    /// Hands on a site if it lies in the range. Gives the position behind it.
    fn site(&self, found: &mut impl FnMut(Site), at: usize, form: Form, target: u64, anchor: u64) -> usize {
        let end = at.saturating_add(form.width().into());
        if self.range.contains(&at) && end <= self.limit {
            found(Site { at: at as u32, width: form.width(), form, target, anchor });
        }
        end
    }
}

/// Finds the references of a region in `range` of a window whose first byte is at `origin` in the executable. Sites are
/// found in ascending order and do not overlap; they start in the range and end at `limit` at the latest. Only the
/// window's bytes that belong to the region are looked at. `state` is handed from range to range, where each starts at
/// the end of the last one or of its last site.
pub fn find(
    image: &Image,
    region: &Region,
    window: &[u8],
    origin: u64,
    range: Range<usize>,
    limit: usize,
    state: &mut ScanState,
    found: &mut impl FnMut(Site),
) {
    let scan = Scan::new(image, region, window, origin, range, limit);
    if scan.range.is_empty() {
        return;
    }
    let follows = state.next == origin.wrapping_add(scan.range.start as u64).wrapping_add(1);
    if !follows {
        state.anchor = 0;
    }
    let mut end = scan.range.end;
    let found = &mut |site: Site| {
        end = end.max(site.at as usize + usize::from(site.width));
        found(site);
    };
    match region.kind {
        RegionKind::Plain | RegionKind::GoNames | RegionKind::GoPrograms => {}
        RegionKind::X86_64 => x86::find(&scan, found),
        RegionKind::Aarch64 => aarch64::find(&scan, follows, &mut state.pages, found),
        RegionKind::Arm => arm::find(&scan, follows, &mut state.pools, found),
        RegionKind::Pointers64 => data::find_pointers_64(&scan, found),
        RegionKind::Pointers32 => data::find_pointers_32(&scan, found),
        RegionKind::Tables => data::find_constants::<false, false>(&scan, &mut state.anchor, found),
        RegionKind::TablesAndPointers64 => data::find_constants::<true, false>(&scan, &mut state.anchor, found),
        RegionKind::PeConstants => data::find_constants::<true, true>(&scan, &mut state.anchor, found),
        RegionKind::Distances32 => data::find_distances(&scan, found),
        RegionKind::Frames => frames::find(&scan, &mut state.anchor, found),
        RegionKind::FrameIndex => frames::find_index(&scan, found),
        RegionKind::Symbols64 => symbols::find_64(&scan, found),
        RegionKind::Symbols32 => symbols::find_32(&scan, found),
        RegionKind::Relocations32 => data::find_relocations(&scan, found),
        RegionKind::GoIndex => go::find_index(&scan, found),
        RegionKind::GoRecords => go::find_records(&scan, &mut state.anchor, found),
        RegionKind::ArmUnwind => data::find_arm_unwind(&scan, found),
    }
    state.next = origin.wrapping_add(end as u64).wrapping_add(1);
}
