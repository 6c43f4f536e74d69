//! Data that holds addresses or distances: pointers, jump tables, and words that count from an image's base.

use super::{Form, Scan, Site, signed};
use core::ops::Range;

/// Addresses that count as pointers: those of the image from the region's parameter on.
fn plausible(scan: &Scan<'_>) -> Range<u64> {
    let memory = scan.image.memory();
    memory.start.max(scan.region.parameter)..memory.end
}

/// A site is an aligned word that is an address of the image.
pub(super) fn find_pointers_64(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let plausible = plausible(scan);
    let mut at = scan.aligned(8);
    while let Some(target) = scan.long(at).filter(|_| at < scan.range.end) {
        if plausible.contains(&target) {
            scan.site(found, at, Form::Absolute64, target, 0);
        }
        at += 8;
    }
}

/// A site is an aligned word that is an address of the image.
pub(super) fn find_pointers_32(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let plausible = plausible(scan);
    let mut at = scan.aligned(4);
    while let Some(target) = scan.word(at).filter(|_| at < scan.range.end) {
        let target = target.into();
        if plausible.contains(&target) {
            scan.site(found, at, Form::Absolute32, target, 0);
        }
        at += 4;
    }
}

/// A site is an aligned word that is the distance from the image's base to an address of the image.
pub(super) fn find_distances(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let (base, memory) = (scan.region.parameter, scan.image.memory());
    let mut at = scan.aligned(4);
    while let Some(distance) = scan.word(at).filter(|_| at < scan.range.end) {
        let target = base.wrapping_add(signed(distance));
        if distance != u32::MAX && memory.contains(&target) {
            scan.site(found, at, Form::Anchored32, target, base);
        }
        at += 4;
    }
}

/// A site is the first of each two words: the address of a place that the loader fills.
pub(super) fn find_relocations(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let start = scan.range.start;
    let into = scan.address(start).wrapping_sub(scan.region.address) & 7;
    let mut at = start + (8 - into as usize) % 8;
    while let Some(target) = scan.word(at).map(u64::from).filter(|_| at < scan.range.end) {
        if scan.image.contains(target) {
            scan.site(found, at, Form::Absolute32, target, 0);
        }
        at += 8;
    }
}

/// A site is an aligned word whose highest bit is 0 and that leads to code or into the region, but not into the 32 bytes
/// around the word.
pub(super) fn find_arm_unwind(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let mut at = scan.aligned(4);
    while let Some(word) = scan.word(at).filter(|_| at < scan.range.end) {
        let here = scan.address(at);
        let distance = signed((word << 1) as i32 as u32);
        let target = here.wrapping_add(((distance as i64) >> 1) as u64);
        let is_inside = target.wrapping_sub(scan.region.address) < scan.region.length && target.abs_diff(here) > 32;
        if word >> 31 == 0 && (is_inside || scan.image.is_code(target)) {
            scan.site(found, at, Form::Distance31, target, 0);
        }
        at += 4;
    }
}

/// Entries of one jump table lie closer together than this: they are places in one function.
const FUNCTION_BYTES_MAX: u64 = 1 << 20;

/// Aligned words of read-only data. In this order, a site is
/// - an entry of a jump table: a word whose distance from the table's start leads to code, not far from where the entry
///   before leads. A table starts where this holds for two words in a row, both counted from the first;
/// - if the image has pointers here, an aligned 64-bit address of the image;
/// - if it is a PE image, a distance from the image's base to code, or one to an aligned place in the region behind a
///   distance to code or behind a small number: these are handlers' data, and tables with their counts.
pub(super) fn find_constants<const POINTERS: bool, const PE: bool>(
    scan: &Scan<'_>,
    table: &mut u64,
    found: &mut impl FnMut(Site),
) {
    let code = scan.image.code();
    let memory = scan.image.memory();
    // In PE images the parameter is the base of distances, not a bound of pointers.
    let pointers = if PE { memory.clone() } else { plausible(scan) };
    let base = scan.region.parameter;
    let mut last = None;
    let mut at = scan.aligned(4);
    while let Some(word) = scan.word(at).filter(|_| at < scan.range.end) {
        let here = scan.address(at);
        if *table != 0 {
            let target = table.wrapping_add(signed(word));
            let near = last.is_none_or(|last: u64| last.abs_diff(target) < FUNCTION_BYTES_MAX);
            if near && code.contains(&target) {
                last = Some(target);
                at = scan.site(found, at, Form::Anchored32, target, *table);
                continue;
            }
            (*table, last) = (0, None);
        }
        let target = here.wrapping_add(signed(word));
        if code.contains(&target) {
            let second = scan.word(at + 4).map(|word| here.wrapping_add(signed(word)));
            if second.is_some_and(|second| code.contains(&second) && second.abs_diff(target) < FUNCTION_BYTES_MAX) {
                (*table, last) = (here, Some(target));
                at = scan.site(found, at, Form::Anchored32, target, here);
                continue;
            }
        }
        if POINTERS && here & 7 == 0 {
            let long = scan.long(at).filter(|long| pointers.contains(long));
            if let Some(target) = long.filter(|_| at + 8 <= scan.limit) {
                at = scan.site(found, at, Form::Absolute64, target, 0);
                continue;
            }
        }
        if PE {
            let target = base.wrapping_add(signed(word));
            if code.contains(&target) || is_unwind_data(scan, at, word, &code) {
                scan.site(found, at, Form::Anchored32, target, base);
            }
        }
        at += 4;
    }
}

/// Whether the word at `at` leads into the region, and the word before is what stands in front of such ones.
fn is_unwind_data(scan: &Scan<'_>, at: usize, word: u32, code: &Range<u64>) -> bool {
    let base = scan.region.parameter;
    let is_inside = base.wrapping_add(signed(word)).wrapping_sub(scan.region.address) < scan.region.length;
    let is_head = |before: u32| before <= COUNT_MAX || code.contains(&base.wrapping_add(signed(before)));
    is_inside && word & 3 == 0 && at.checked_sub(4).and_then(|at| scan.word(at)).is_some_and(is_head)
}

/// Entries of a table of states of one function, at most.
const COUNT_MAX: u32 = 0xffff;
