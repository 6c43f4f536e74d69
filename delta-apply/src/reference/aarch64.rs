//! AArch64 instructions: aligned words, told apart by their fixed bits.
//!
//! Sites are branches to code, `adr` and loads of literals, and pairs of `adrp` and the instructions that add the low
//! 12 bits of an address to the page in its register. To complete the address of an `adrp`, the next instructions are
//! searched for the first that uses its register; the others are completed with what is known of their register.

use super::{Form, MARGIN_BYTES, Scan, Site, signed};

/// Which registers hold a page that an `adrp` put there.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    page: [u64; 32],
    known: u32,
}

/// Instructions behind an `adrp` that are searched for the low bits of its address.
const LOOK_AHEAD: usize = 12;

/// Registers that a called function may change: x0 to x18 and the link register.
const CALLER_SAVED: u32 = 0x4007_ffff;

const RETURN: u32 = 0xd65f_03c0;

pub(super) fn find(scan: &Scan<'_>, follows: bool, pages: &mut Pages, found: &mut impl FnMut(Site)) {
    let mut at = scan.aligned(4);
    if !follows {
        pages.known = 0;
        at = at.saturating_sub(MARGIN_BYTES).max(scan.known.start);
        at += (scan.address(at).wrapping_neg() & 3) as usize;
    }
    while let Some(instruction) = scan.word(at).filter(|_| at < scan.range.end) {
        one(scan, at, instruction, pages, found);
        at += 4;
    }
}

fn one(scan: &Scan<'_>, at: usize, instruction: u32, pages: &mut Pages, found: &mut impl FnMut(Site)) {
    let here = scan.address(at);
    let register = instruction & 31;
    // The bits 25 to 28 tell the groups apart.
    match instruction >> 25 & 0xf {
        // Branches.
        0b1010 | 0b1011 => {
            if let Some((form, target)) = branch(instruction, here)
                && scan.image.is_code(target)
            {
                scan.site(found, at, form, target, 0);
            }
            if instruction >> 26 == 0b10_0101 || instruction & 0xffff_fc1f == 0xd63f_0000 {
                pages.known &= !CALLER_SAVED;
            } else if instruction == RETURN {
                pages.known = 0;
            }
        }
        // Immediate operands.
        0b1000 | 0b1001 => {
            if instruction & 0x1f00_0000 == 0x1000_0000 {
                let distance = signed(((instruction << 8) as i32 >> 11) as u32 & !3 | instruction >> 29 & 3);
                if instruction >> 31 == 0 {
                    let target = here.wrapping_add(distance);
                    if scan.image.contains(target) {
                        scan.site(found, at, Form::Near21, target, 0);
                    }
                    pages.known &= !(1 << register);
                } else {
                    let page = (here & !0xfff).wrapping_add(distance << 12);
                    let target = page | low_bits_ahead(scan, at, register).unwrap_or(0);
                    if scan.image.contains(target) {
                        scan.site(found, at, Form::Page21, target, target);
                        pages.page[register as usize] = page;
                        pages.known |= 1 << register;
                    } else {
                        pages.known &= !(1 << register);
                    }
                }
                return;
            }
            offset(scan, at, instruction, pages, found);
            pages.known &= !(1 << register);
        }
        // Loads and stores.
        0b0100 | 0b0110 | 0b1100 | 0b1110 => {
            let is_vector = instruction >> 26 & 1 == 1;
            if instruction & 0x3b00_0000 == 0x1800_0000 {
                let target = here.wrapping_add(signed(((instruction << 8) as i32 >> 13) as u32) << 2);
                if scan.image.contains(target) {
                    scan.site(found, at, Form::Branch19, target, 0);
                }
                pages.known &= !(u32::from(!is_vector) << register);
                return;
            }
            offset(scan, at, instruction, pages, found);
            let is_load = instruction >> 22 & 3 != 0;
            if is_load && !is_vector {
                pages.known &= !(1 << register);
            }
        }
        // Operations on registers.
        0b0101 | 0b1101 => pages.known &= !(1 << register),
        _ => {}
    }
}

fn branch(instruction: u32, here: u64) -> Option<(Form, u64)> {
    let at_5 = |bits: u32| signed(((instruction << (27 - bits)) as i32 >> (32 - bits)) as u32) << 2;
    let (form, distance) = match instruction >> 24 {
        0x14..=0x17 | 0x94..=0x97 => (Form::Branch26, signed(((instruction << 6) as i32 >> 6) as u32) << 2),
        0x34 | 0x35 | 0xb4 | 0xb5 | 0x54 => (Form::Branch19, at_5(19)),
        0x36 | 0x37 | 0xb6 | 0xb7 => (Form::Branch14, at_5(14)),
        _ => return None,
    };
    Some((form, here.wrapping_add(distance)))
}

/// The shift of the 12-bit offset of an `add`, a load or a store that has one.
fn shift_of(instruction: u32) -> Option<u8> {
    if instruction & 0xffc0_0000 == 0x9100_0000 {
        return Some(0);
    }
    if instruction & 0x3b00_0000 != 0x3900_0000 {
        return None;
    }
    let is_quad = instruction & 0x0480_0000 == 0x0480_0000;
    Some(if is_quad { 4 } else { (instruction >> 30) as u8 })
}

fn low_bits(instruction: u32) -> Option<u64> {
    let offset = u64::from(instruction >> 10 & 0xfff) << shift_of(instruction)?;
    (offset <= 0xfff).then_some(offset)
}

fn low_bits_ahead(scan: &Scan<'_>, at: usize, register: u32) -> Option<u64> {
    let uses = |instruction: &u32| instruction >> 5 & 31 == register;
    let ahead = (1..=LOOK_AHEAD).map_while(|index| scan.word(at + 4 * index));
    ahead.filter(uses).find_map(low_bits)
}

fn offset(scan: &Scan<'_>, at: usize, instruction: u32, pages: &Pages, found: &mut impl FnMut(Site)) {
    let base = instruction >> 5 & 31;
    if pages.known >> base & 1 == 0 {
        return;
    }
    let (Some(shift), Some(low)) = (shift_of(instruction), low_bits(instruction)) else { return };
    let target = pages.page[base as usize] | low;
    if scan.image.contains(target) {
        scan.site(found, at, Form::PageOffset { shift }, target, target);
    }
}
