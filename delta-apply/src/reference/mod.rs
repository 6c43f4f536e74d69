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
mod i386;
mod pools;
mod region;
mod riscv;
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
    /// RISC-V: what is known of registers.
    uppers: riscv::Uppers,
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
    fn new(
        image: &'a Image,
        region: &'a Region,
        window: &'a [u8],
        origin: u64,
        range: Range<usize>,
        limit: usize,
    ) -> Self {
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
#[expect(
    clippy::too_many_arguments,
    reason = "bytes, where they are, and who wants what: none of them belong together"
)]
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
        RegionKind::Plain | RegionKind::GoNames | RegionKind::GoPrograms | RegionKind::Types => {}
        RegionKind::X86_64 => x86::find(&scan, found),
        RegionKind::Aarch64 => aarch64::find(&scan, follows, &mut state.pages, found),
        RegionKind::I386 => i386::find(&scan, found),
        RegionKind::RiscV => riscv::find(&scan, follows, &mut state.uppers, found),
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
        RegionKind::Relocations64 => symbols::find_relocations(&scan, found),
        RegionKind::GoIndex => go::find_index(&scan, found),
        RegionKind::GoInlined => go::find_inlined(&scan, found),
        RegionKind::GoTypes => go::find_types(&scan, found),
        RegionKind::GoRecords => go::find_records(&scan, &mut state.anchor, found),
        RegionKind::ArmUnwind => data::find_arm_unwind(&scan, found),
    }
    state.next = origin.wrapping_add(end as u64).wrapping_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const CODE: u64 = 0x1_0000;

    /// An image with code at 64 KiB, data behind it, and the region to be scanned at `address`.
    fn image(kind: RegionKind, length: u64, address: u64, parameter: u64) -> Image {
        let span = |offset, address, executable| Span {
            offset,
            address,
            file_bytes: 0x1_0000,
            memory_bytes: 0x1_0000,
            executable,
        };
        let spans = vec![span(0, 0, false), span(0x1_0000, CODE, true), span(0x2_0000, 2 * CODE, false)];
        let mut regions = vec![Region { offset: 0x1_0000, length, address, kind, parameter }];
        if kind.is_code() {
            regions.push(Region { offset: 0x1_8000, length: 0x8000, address: CODE + 0x8000, kind, parameter });
        }
        Image::new(spans, regions)
    }

    fn scan(image: &Image, bytes: &[u8], ranges: impl Iterator<Item = Range<usize>>) -> Vec<Site> {
        let region = &image.regions()[0];
        let (mut sites, mut state) = (Vec::new(), ScanState::new());
        for range in ranges {
            find(image, region, bytes, region.offset, range, bytes.len(), &mut state, &mut |site| sites.push(site));
        }
        sites
    }

    proptest! {
        /// Whatever the bytes: sites are in order, lie in the region, and read as what the scan saw, up to what the form
        /// can tell. Ranges of any length find sites in order, too.
        #[test]
        fn any_bytes(
            kind in 0..RegionKind::ALL.len(), bytes in prop::collection::vec(any::<u8>(), 1..600),
            high in prop::sample::select(vec![0_u8, 0xff]), steps in prop::collection::vec(1..90_usize, 1..40),
            address in 0..0x100_u64, parameter in prop::sample::select(vec![0, CODE, u64::MAX]),
        ) {
            let mut bytes = bytes;
            // Distances that stay in the image are rare among all.
            bytes.iter_mut().skip(2).step_by(4).for_each(|byte| *byte = high);
            bytes.iter_mut().skip(3).step_by(4).for_each(|byte| *byte = high);
            let kind = RegionKind::ALL[kind];
            let image = image(kind, bytes.len() as u64, CODE + address, parameter);
            let mut last = 0;
            for site in scan(&image, &bytes, core::iter::once(0..bytes.len())) {
                let (at, end) = (site.at as usize, site.at as usize + usize::from(site.width));
                prop_assert!(at >= last && end <= bytes.len());
                last = end;
                let field = &bytes[at..end];
                let address = CODE + address + at as u64;
                let read = get(site.form, field, field, address, site.anchor).expect("the scan read it");
                let shift = granularity_log2(site.form);
                prop_assert_eq!(read >> shift, site.target >> shift, "{:?}", site);
                let mut written = field.to_vec();
                label(site.form, &mut written, 1);
                put(site.form, &mut written, address, site.target, site.anchor);
                prop_assert_eq!(&written, field, "{:?}", site);
            }
            let mut start = 0;
            let pieces = steps.into_iter().map(|step| {
                let range = start..start + step;
                start = range.end;
                range
            });
            let mut last = 0;
            for site in scan(&image, &bytes, pieces) {
                prop_assert!(site.at as usize >= last);
                last = site.at as usize + 1;
            }
        }
    }

    fn check(kind: RegionKind, address: u64, bytes: &[u8], expected: &[(u32, Form, u64)]) {
        let image = image(kind, bytes.len() as u64, address, 0);
        let found = scan(&image, bytes, core::iter::once(0..bytes.len()));
        let found: Vec<_> = found.iter().map(|site| (site.at, site.form, site.target)).collect();
        assert_eq!(found, expected, "{kind:?}");
    }

    /// One sequence of each family, as an assembler makes it.
    #[test]
    fn known_sequences() {
        // call; cmp byte ptr [rip + 0x10000], 5; jne; mov r8, r13 in front of a call whose opcode is its ModRM byte.
        let code =
            [0xe8, 0, 1, 0, 0, 0x80, 0x3d, 0, 0, 1, 0, 5, 0x0f, 0x85, 0, 1, 0, 0, 0x4d, 0x89, 0xe8, 0xe8, 0, 2, 0, 0];
        let expected = [
            (1, Form::Call32, CODE + 0x105),
            (7, Form::Operand32 { trailing: 1 }, 2 * CODE + 12),
            (14, Form::Jump32, CODE + 0x112),
            (22, Form::Call32, CODE + 0x21a),
        ];
        check(RegionKind::X86_64, CODE, &code, &expected);
        // adrp x0, +16 pages; add x0, x0, 0x123; ldr x1, [x0, 8], no longer of the page; bl +8.
        let code = [0x9000_0080_u32, 0x9104_8c00, 0xf940_0401, 0x9400_0002].map(u32::to_le_bytes);
        let target = 2 * CODE + 0x123;
        let expected =
            [(0, Form::Page21, target), (4, Form::PageOffset { shift: 0 }, target), (12, Form::Branch26, CODE + 20)];
        check(RegionKind::Aarch64, CODE, code.as_flattened(), &expected);
        // ldr r0, [pc, 4]; add r0, pc, r0; b +8; the word; bx lr.
        let code = [0xe59f_0004_u32, 0xe08f_0000, 0xea00_0000, 0x1_0000, 0xe12f_ff1e].map(u32::to_le_bytes);
        let expected = [(8, Form::Branch24, CODE + 16), (12, Form::Anchored32, 2 * CODE + 12)];
        check(RegionKind::Arm, CODE, code.as_flattened(), &expected);
        // ldr r0, [pc, 4]; add r0, pc; bl +0x100; the word; then code that does not look like A32.
        let code = [
            0x01, 0x48, 0x78, 0x44, 0x00, 0xf0, 0x80, 0xf8, 0, 0, 1, 0, 0x70, 0x47, 0, 0xbf, 0x70, 0x47, 0, 0xbf, 0x70,
            0x47,
        ];
        let expected = [(4, Form::ThumbBranch24, CODE + 0x108), (8, Form::Anchored32, 2 * CODE + 6)];
        check(RegionKind::Arm, CODE, &code, &expected);
        // auipc a0, 16; a short instruction; addi a0, a0, -4; jal +8.
        let code = [0x17, 5, 1, 0, 0x01, 0x00, 0x13, 5, 0xc5, 0xff, 0xef, 0, 0x80, 0];
        let expected = [
            (0, Form::High20, 2 * CODE - 4),
            (6, Form::Low12 { is_store: false, back: 6 }, 2 * CODE - 4),
            (10, Form::Jump20, CODE + 18),
        ];
        check(RegionKind::RiscV, CODE, &code, &expected);
        // The second symbol in a slot; the address of code in another slot.
        let entry =
            |place: u64, kind: u64, addend: u64| [place, kind, addend].map(u64::to_le_bytes).as_flattened().to_vec();
        let entries = [entry(2 * CODE, 2 << 32 | 6, 0), entry(2 * CODE + 8, 8, CODE + 4)].concat();
        let expected =
            [(12, Form::Indexed32, 48), (24, Form::Absolute64, 2 * CODE + 8), (40, Form::Absolute64, CODE + 4)];
        let image_with_symbols = image(RegionKind::Relocations64, 48, 2 * CODE, 0x300);
        let found = scan(&image_with_symbols, &entries, core::iter::once(0..48));
        let found: Vec<_> = found
            .iter()
            .map(|site| (site.at, site.form, site.target - if site.anchor == 0x300 { 0x300 } else { 0 }))
            .collect();
        assert_eq!(found, expected);
        // A table of two entries in front of a number.
        let words = [0xffff_0010_u32, 0xffff_0020, 7].map(u32::to_le_bytes);
        let expected = [(0, Form::Anchored32, CODE + 0x10), (4, Form::Anchored32, CODE + 0x20)];
        check(RegionKind::Tables, 2 * CODE, words.as_flattened(), &expected);
    }

    /// A common record with a personality routine, and a record of a function with landing pads; the second half is found
    /// without the first.
    #[test]
    fn frames() {
        let mut bytes = vec![24, 0, 0, 0, 0, 0, 0, 0, 1];
        bytes.extend_from_slice(b"zPLR\0");
        bytes.extend_from_slice(&[1, 0x78, 16, 7, 0x9b, 0, 1, 0, 0, 0x1b, 0x1b, 0, 0, 0]);
        assert_eq!(bytes.len(), 28);
        bytes.extend_from_slice(&[28, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0xff, 0xff, 16, 0, 0, 0, 4, 0, 1, 0, 0]);
        bytes.resize(60, 0);
        let at = 2 * CODE;
        let expected = [
            (19, Form::Distance32, at + 19 + 0x100),
            (32, Form::Back32, at),
            (36, Form::Distance32, at + 36 - 0x1_0000),
            (40, Form::Length32, at + 36 - 0x1_0000 + 15),
            (45, Form::Distance32, at + 45 + 0x100),
        ];
        check(RegionKind::Frames, at, &bytes, &expected);
        let image = image(RegionKind::Frames, 60, at, 0);
        let found = scan(&image, &bytes, [40..44, 44..60].into_iter());
        assert_eq!(found.iter().map(|site| site.at).collect::<Vec<_>>(), [40, 45]);
    }
}
