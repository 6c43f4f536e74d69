//! Tables of functions in Go programs: `.gopclntab`, of Go 1.18 and later.
//!
//! All references are 32-bit distances: to functions from the first byte of code, to names from the region of names, to
//! line programs from the region of those, to records from the index in front of them, and to data of functions from the
//! region's parameter, which is 0 if that is unknown.

use super::{Form, Image, RegionKind, Scan, Site, signed};

/// Line programs and pieces of data of one function, at most; more is taken for something else.
const PIECES_MAX: u32 = 32;
/// Data of all functions, at most.
const PIECES_BYTES_MAX: u64 = 1 << 28;
/// Bytes of a record in front of its pieces.
const RECORD_BYTES: usize = 44;

/// From where a word counts, and how far it may lead.
#[derive(Clone, Copy)]
struct Anchor {
    address: u64,
    bytes: u64,
}

impl Anchor {
    fn of(image: &Image, kind: RegionKind) -> Self {
        let region = image.regions().iter().find(|region| region.kind == kind);
        region.map_or(Self { address: 0, bytes: 0 }, |region| Self { address: region.address, bytes: region.length })
    }

    fn holds(self, word: u32) -> bool {
        u64::from(word) < self.bytes
    }
}

/// The index is pairs of words: a function, and its record, which counts from the start of the index.
pub(super) fn find_index(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let (code, index) = (scan.image.code().start, scan.region.address);
    let mut at = scan.aligned(4);
    while let Some(word) = scan.word(at).filter(|_| at < scan.range.end) {
        let is_function = scan.address(at).wrapping_sub(index) & 4 == 0;
        let anchor = if is_function { code } else { index };
        at = scan.site(found, at, Form::Anchored32, anchor.wrapping_add(signed(word)), anchor);
    }
}

/// Records are walked by their lengths, which follow from the numbers of their pieces. `next` is the address of the
/// record that follows the last range, or that crosses its end.
pub(super) fn find_records(scan: &Scan<'_>, next: &mut u64, found: &mut impl FnMut(Site)) {
    let (code, pieces) = (scan.image.code(), scan.region.parameter);
    let anchors = Anchors {
        code: Anchor { address: code.start, bytes: code.end.saturating_sub(code.start) },
        names: Anchor::of(scan.image, RegionKind::GoNames),
        programs: Anchor::of(scan.image, RegionKind::GoPrograms),
        pieces: Anchor { address: pieces, bytes: if pieces == 0 { 0 } else { PIECES_BYTES_MAX } },
    };
    let resume = usize::try_from(next.wrapping_sub(scan.address)).ok();
    let resume = resume.filter(|at| *next != 0 && *at >= scan.known.start && *at < scan.window.len());
    let mut at = resume.unwrap_or_else(|| {
        let start = scan.range.start.saturating_sub(RECORD_BYTES).max(scan.known.start);
        start + (scan.address(start).wrapping_neg() & 3) as usize
    });
    *next = 0;
    while at < scan.range.end {
        let bytes = record(scan, at, &anchors, found);
        let behind = at + bytes.unwrap_or(4);
        if bytes.is_some() {
            // A record that crosses the end goes on in the range that follows, if it starts near enough to be seen.
            let is_near = scan.range.end - at <= RECORD_BYTES;
            *next = scan.address(if behind > scan.range.end && is_near { at } else { behind });
        }
        at = behind;
    }
}

/// From where the words of a record count.
struct Anchors {
    code: Anchor,
    names: Anchor,
    programs: Anchor,
    pieces: Anchor,
}

/// The bytes of the record at `at`: function, name, bytes of arguments, place of a deferred return, line programs (3),
/// number of further programs, compilation unit, line, four bytes of which the last is the number of pieces of data; then
/// the programs and the pieces.
fn record(scan: &Scan<'_>, at: usize, anchors: &Anchors, found: &mut impl FnMut(Site)) -> Option<usize> {
    let function = scan.word(at).filter(|function| anchors.code.holds(*function))?;
    let has_name = scan.word(at + 4).is_some_and(|name| anchors.names.holds(name));
    let has_program = scan.word(at + 16).is_some_and(|program| anchors.programs.holds(program));
    let programs = scan.word(at + 28).filter(|programs| *programs <= PIECES_MAX)?;
    let bytes = scan.word(at + 40)?;
    let pieces = bytes >> 24;
    if pieces > PIECES_MAX || bytes >> 16 & 0xff != 0 || function & 3 != 0 || !has_name || !has_program {
        return None;
    }
    let mut site = |place: usize, anchor: Anchor| {
        if let Some(word) = scan.word(place).filter(|word| *word != 0 && anchor.holds(*word)) {
            scan.site(found, place, Form::Anchored32, anchor.address.wrapping_add(word.into()), anchor.address);
        }
    };
    site(at, anchors.code);
    site(at + 4, anchors.names);
    (4..7).for_each(|word| site(at + 4 * word, anchors.programs));
    let first_piece = at + RECORD_BYTES + 4 * programs as usize;
    let end = first_piece + 4 * pieces as usize;
    (at + RECORD_BYTES..first_piece).step_by(4).for_each(|place| site(place, anchors.programs));
    (first_piece..end).step_by(4).for_each(|place| site(place, anchors.pieces));
    Some(end - at)
}
