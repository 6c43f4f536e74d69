//! 32-bit x86 instructions.
//!
//! Calls, jumps and conditional jumps are as in 64-bit code. The parameter tells two kinds of programs apart:
//! - where it is 0, addresses stand in the code: a site is any word, aligned or not, that is an address of the image;
//! - else it is the address of the global offset table, from which position-independent code counts. Sites are operands
//!   with a base register and a distance that leads from the table to elsewhere in the image, and the distance that is
//!   added to the program counter to get at the table.

use super::{Form, Scan, Site, signed, x86};

/// Distances from the table below this are taken for places in structures.
const NEAR_BYTES: u64 = 0x800;

pub(super) fn find(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let (code, memory, table) = (scan.image.code(), scan.image.memory(), scan.region.parameter);
    let bytes = &scan.window[..scan.limit];
    // An opcode may stand before the range, its field in it.
    let mut at = scan.range.start.saturating_sub(2).max(scan.known.start);
    while at < scan.range.end {
        let Some(&[first, second, third, fourth, fifth]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            break;
        };
        let word = u32::from_le_bytes([second, third, fourth, fifth]);
        let behind = scan.address(at).wrapping_add(5);
        let target = behind.wrapping_add(signed(word));
        at = match first {
            0xe8 | 0xe9 if code.contains(&target) && !x86::is_operand(scan, at) => {
                scan.site(found, at + 1, Form::Call32, target, 0)
            }
            0x0f if second & 0xf0 == 0x80 => match scan.word(at + 2) {
                Some(distance) if code.contains(&behind.wrapping_add(1).wrapping_add(signed(distance))) => {
                    let target = behind.wrapping_add(1).wrapping_add(signed(distance));
                    scan.site(found, at + 2, Form::Jump32, target, 0)
                }
                _ => at + 1,
            },
            _ if table == 0 => match u64::from(word) {
                target if memory.contains(&target) => scan.site(found, at + 1, Form::Absolute32, target, 0),
                _ => at + 1,
            },
            // `add eax, n` and `add r, n`, one byte further, behind a call that fetches the program counter.
            0x05 if is_table(scan, at, word) => distance(scan, at + 1, word, found),
            0xc0..=0xc7 if is_table(scan, at.saturating_sub(1), word) => distance(scan, at + 1, word, found),
            // A base register without an index and four bytes of distance, or without a base and with an index.
            0x80..=0xbf if first & 7 != 4 => operand(scan, at + 1, word, found).unwrap_or(at + 1),
            _ => at + 1,
        };
    }
}

/// Whether the instruction at `at` adds what leads to the table from there, or from the byte before, where a `pop` is that
/// fetched the program counter.
fn is_table(scan: &Scan<'_>, at: usize, word: u32) -> bool {
    let sum = scan.address(at).wrapping_add(signed(word));
    sum.wrapping_sub(scan.region.parameter) <= 1
}

fn distance(scan: &Scan<'_>, at: usize, word: u32, found: &mut impl FnMut(Site)) -> usize {
    scan.site(found, at, Form::Distance32, scan.address(at).wrapping_add(signed(word)), 0)
}

fn operand(scan: &Scan<'_>, at: usize, word: u32, found: &mut impl FnMut(Site)) -> Option<usize> {
    let (table, distance) = (scan.region.parameter, signed(word));
    let target = table.wrapping_add(distance);
    let is_far = distance.min(distance.wrapping_neg()) >= NEAR_BYTES;
    (is_far && scan.image.contains(target)).then(|| scan.site(found, at, Form::Anchored32, target, table))
}
