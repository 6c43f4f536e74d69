//! Call frame information: the records of `.eh_frame`, and `.eh_frame_hdr`, the sorted index of them.
//!
//! Records are walked by their lengths. Where a range starts between two of them, the next record is recognised by what
//! its fields say. Encodings other than distances, which no common linker writes, give no sites. Of distances of 64 bits,
//! the lower half is the site.

use super::{Form, Scan, Site, signed};
use core::ops::ControlFlow;

/// Records and functions above this are taken for something else.
const RECORD_BYTES_MAX: u32 = 1 << 16;
const FUNCTION_BYTES_MAX: u32 = 1 << 24;

/// Bytes of a record up to the end of the last field that is a site.
const HEAD_BYTES: usize = 24;

/// In a record of a function, sites are
/// - the distance back to the common record;
/// - the distance to the function's first byte;
/// - the function's length, as its last byte;
/// - the distance to its table of landing pads, if the record's optional part is four or eight bytes long.
///
/// In a common record, the site is the distance to the personality routine. `next` is the address of the record that
/// follows the last range, or that crosses its end.
pub(super) fn find(scan: &Scan<'_>, next: &mut u64, found: &mut impl FnMut(Site)) {
    let resume = usize::try_from(next.wrapping_sub(scan.address)).ok();
    let resume = resume.filter(|at| *next != 0 && *at + HEAD_BYTES >= scan.known.start && *at < scan.window.len());
    let mut at = resume.unwrap_or_else(|| {
        let start = scan.range.start.saturating_sub(HEAD_BYTES).max(scan.known.start);
        start + (scan.address(start).wrapping_neg() & 3) as usize
    });
    *next = 0;
    while at < scan.range.end {
        let length = function_record(scan, at, found).or_else(|| common_record(scan, at, found));
        let behind = at + length.unwrap_or(4);
        let crosses = behind >= scan.range.end;
        if length.is_some() && crosses {
            // The head of this record may go on in the range that follows.
            let head_ends = at + HEAD_BYTES <= scan.range.end;
            *next = scan.address(if head_ends { behind } else { at });
        }
        at = behind;
    }
}

/// The bytes of the record at `at`, if it is that of a function.
fn function_record(scan: &Scan<'_>, at: usize, found: &mut impl FnMut(Site)) -> Option<usize> {
    let length = scan.word(at).filter(|length| length % 4 == 0 && (12..RECORD_BYTES_MAX).contains(length))?;
    let back = scan.word(at + 4).filter(|back| *back != 0 && back % 4 == 0)?;
    let common = scan.address(at + 4).wrapping_sub(back.into());
    if common < scan.region.address || common >= scan.address(at) {
        return None;
    }
    let begin = scan.address(at + 8).wrapping_add(signed(scan.word(at + 8)?));
    let bytes = scan.word(at + 12).filter(|bytes| (1..FUNCTION_BYTES_MAX).contains(bytes))?;
    if !scan.image.is_code(begin) {
        return None;
    }
    scan.site(found, at + 4, Form::Back32, common, 0);
    scan.site(found, at + 8, Form::Distance32, begin, 0);
    scan.site(found, at + 12, Form::Length32, begin.wrapping_add(u64::from(bytes) - 1), begin);
    if let Some(4 | 8) = scan.byte(at + 16) {
        distance(scan, at + 17, found);
    }
    Some(length as usize + 4)
}

/// The bytes of the record at `at`, if it is one that others refer to.
fn common_record(scan: &Scan<'_>, at: usize, found: &mut impl FnMut(Site)) -> Option<usize> {
    let length = scan.word(at).filter(|length| length % 4 == 0 && (12..RECORD_BYTES_MAX).contains(length))?;
    let is_common = scan.word(at + 4)? == 0 && matches!(scan.byte(at + 8)?, 1 | 3) && scan.byte(at + 9)? == b'z';
    if !is_common {
        return None;
    }
    // Behind the letters: the code's and the data's factor, the return address, the length of what the letters announce.
    let letters = (at + 10..at + 16).take_while(|at| scan.byte(*at).is_some_and(|letter| letter != 0)).count();
    let mut field = at + 10 + letters + 1;
    for _ in 0..4 {
        let more = (field..field + 5).take_while(|at| scan.byte(*at).is_some_and(|byte| byte & 0x80 != 0)).count();
        field += more + 1;
    }
    let _ = (at + 10..at + 10 + letters).try_for_each(|letter| match scan.byte(letter) {
        Some(b'P') => {
            // A distance of 32 or 64 bits, to the routine or to a pointer to it.
            if scan.byte(field).is_some_and(|encoding| matches!(encoding & 0x7f, 0x1b | 0x1c)) {
                distance(scan, field + 1, found);
            }
            ControlFlow::Break(())
        }
        Some(b'L' | b'R') => {
            field += 1;
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    });
    Some(length as usize + 4)
}

fn distance(scan: &Scan<'_>, at: usize, found: &mut impl FnMut(Site)) {
    let Some(distance @ 1..) = scan.word(at) else { return };
    let target = scan.address(at).wrapping_add(signed(distance));
    if scan.image.contains(target) {
        scan.site(found, at, Form::Distance32, target, 0);
    }
}

/// Behind a head of 12 bytes, which holds the distance to `.eh_frame`, the index is pairs of words: the distances from
/// the index to a function and to its record.
pub(super) fn find_index(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let base = scan.region.address;
    let mut at = scan.aligned(4);
    while let Some(word) = scan.word(at).filter(|_| at < scan.range.end) {
        match scan.address(at).wrapping_sub(base) {
            4 => distance(scan, at, found),
            0 | 8 => {}
            _ => {
                let target = base.wrapping_add(signed(word));
                if scan.image.contains(target) {
                    scan.site(found, at, Form::Anchored32, target, base);
                }
            }
        }
        at += 4;
    }
}
