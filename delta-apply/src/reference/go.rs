//! Tables of functions and types in Go programs, of Go 1.18 and later.
//!
//! References of functions are 32-bit distances: to functions from the first byte of code, to names from the region of names, to
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

/// A piece of data of functions lists the calls that were put in line: four words each, of which the second is a name.
/// The others are small: the kind of function, a place in the function, a line.
pub(super) fn find_inlined(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let names = Anchor::of(scan.image, RegionKind::GoNames);
    let mut at = scan.aligned(4).saturating_sub(16).max(scan.known.start);
    at += (scan.address(at).wrapping_neg() & 3) as usize;
    while at < scan.range.end {
        let words = [0, 4, 8, 12].map(|word| scan.word(at + word));
        at = match words {
            [Some(0..=31), Some(name @ 64..), Some(0..=0xf_ffff), Some(1..=0xf_ffff)] if names.holds(name) => {
                let target = names.address.wrapping_add(name.into());
                scan.site(found, at + 4, Form::Anchored32, target, names.address);
                at + 16
            }
            _ => at + 4,
        };
    }
}

/// Descriptions of types. Sites are aligned 64-bit addresses, and 32-bit distances from the start of the region to names
/// and to types, and from the first byte of code to functions:
/// - a type's name and the type of pointers to it, behind two addresses and a word of flags that make sense;
/// - methods: a name, a type and twice a function, of which either may be missing;
/// - methods of interfaces: a name and a type;
/// - the path of a package in front of two small numbers and a zero.
pub(super) fn find_types(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let types = Types::new(scan);
    let lowest = scan.region.parameter;
    let mut at = scan.aligned(4);
    while at < scan.range.end {
        let pointer = scan.long(at).filter(|_| scan.address(at) & 7 == 0);
        let pointer = pointer.filter(|target| *target >= lowest && scan.image.contains(*target));
        at = match pointer {
            Some(target) => scan.site(found, at, Form::Absolute64, target, 0),
            None => types.words(scan, at, found),
        };
    }
}

/// What words of types may be.
struct Types {
    types: Anchor,
    code: Anchor,
}

impl Types {
    fn new(scan: &Scan<'_>) -> Self {
        let code = scan.image.code();
        Self {
            types: Anchor { address: scan.region.address, bytes: scan.region.length },
            code: Anchor { address: code.start, bytes: code.end.saturating_sub(code.start) },
        }
    }

    fn is_name(&self, word: u32) -> bool {
        word != 0 && self.types.holds(word)
    }

    /// Types lie at multiples of 32.
    fn is_type(&self, word: u32) -> bool {
        word != 0 && word & 31 == 0 && self.types.holds(word)
    }

    /// Functions lie at multiples of 16 at least; those that are never called are missing.
    fn is_function(&self, word: u32) -> bool {
        word == u32::MAX || word & 15 == 0 && self.code.holds(word)
    }

    /// The sites of the words at `at`; gives the place behind what was understood.
    fn words(&self, scan: &Scan<'_>, at: usize, found: &mut impl FnMut(Site)) -> usize {
        let [first, second, third, fourth] = [0, 4, 8, 12].map(|word| scan.word(at + word));
        let (Some(first), Some(second)) = (first, second) else { return at + 4 };
        let mut site = |place: usize, word: u32, anchor: Anchor| {
            if !matches!(word, 0 | u32::MAX) {
                let target = anchor.address.wrapping_add(word.into());
                scan.site(found, place, Form::Anchored32, target, anchor.address);
            }
        };
        if !self.is_name(first) {
            return at + 4;
        }
        if (second == 0 || self.is_type(second)) && self.is_behind_flags(scan, at) {
            site(at, first, self.types);
            site(at + 4, second, self.types);
            return at + 8;
        }
        if self.is_type(second) {
            site(at, first, self.types);
            site(at + 4, second, self.types);
            if let (Some(third), Some(fourth)) = (third, fourth)
                && self.is_function(third)
                && self.is_function(fourth)
            {
                site(at + 8, third, self.code);
                site(at + 12, fourth, self.code);
                return at + 16;
            }
            return at + 8;
        }
        let is_path =
            second & 0xfe00_fe00 == 0 && fourth == Some(0) && third.is_some_and(|third| (16..4096).contains(&third));
        if is_path {
            site(at, first, self.types);
            return at + 16;
        }
        at + 4
    }

    /// Whether the bytes before are the end of a type's head: flags, alignments and the kind, and two addresses.
    fn is_behind_flags(&self, scan: &Scan<'_>, at: usize) -> bool {
        let back = |bytes: usize| at.checked_sub(bytes);
        let flags = back(20).and_then(|at| scan.word(at)).map(u32::to_le_bytes);
        let address = back(8).and_then(|at| scan.long(at)).is_some_and(|address| scan.image.contains(address));
        let is_size = |bytes: u8| matches!(bytes, 1 | 2 | 4 | 8);
        let makes_sense = |[flags, first, second, kind]: [u8; 4]| {
            flags < 64 && is_size(first) && is_size(second) && (1..=26).contains(&(kind & 31))
        };
        address && flags.is_some_and(makes_sense)
    }
}
