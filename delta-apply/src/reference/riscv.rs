//! RISC-V instructions: of two bytes, or of four where the two lowest bits are set.
//!
//! Sites are `jal` and conditional branches to code, and pairs of `auipc` and the instructions that add the low 12 bits
//! of a distance to its register. To complete the distance of an `auipc`, the next instructions are searched for the
//! first that uses its register; the others are completed with what is known of their register.

use super::{Form, MARGIN_BYTES, Scan, Site, signed};

/// What `auipc` put into registers.
#[derive(Clone, Debug, Default)]
pub(super) struct Uppers {
    /// By register: what it holds, and the address of the instruction that put it there.
    upper: [(u64, u64); 32],
    known: u32,
}

/// Instructions behind an `auipc` that are searched for the low bits of its distance.
const LOOK_AHEAD: usize = 12;

pub(super) fn find(scan: &Scan<'_>, follows: bool, uppers: &mut Uppers, found: &mut impl FnMut(Site)) {
    let mut at = scan.range.start;
    if !follows {
        uppers.known = 0;
        at = at.saturating_sub(MARGIN_BYTES).max(scan.known.start);
    }
    at += (scan.address(at) & 1) as usize;
    while at < scan.range.end {
        let Some(half) = half(scan, at) else { break };
        if half & 3 != 3 {
            // Most short instructions have the register that they write here.
            uppers.known &= !(1 << (half >> 7 & 31));
            at += 2;
            continue;
        }
        let Some(instruction) = scan.word(at) else { break };
        one(scan, at, instruction, uppers, found);
        at += 4;
    }
}

fn half(scan: &Scan<'_>, at: usize) -> Option<u32> {
    Some(u32::from(scan.byte(at)?) | u32::from(scan.byte(at + 1)?) << 8)
}

fn one(scan: &Scan<'_>, at: usize, instruction: u32, uppers: &mut Uppers, found: &mut impl FnMut(Site)) {
    let here = scan.address(at);
    let register = instruction >> 7 & 31;
    match instruction & 0x7f {
        opcode @ (0x6f | 0x63) => {
            let form = if opcode == 0x6f { Form::Jump20 } else { Form::Branch12 };
            let bytes = instruction.to_le_bytes();
            let target = super::get(form, &bytes, &bytes, here, 0).filter(|target| scan.image.is_code(*target));
            if let Some(target) = target {
                scan.site(found, at, form, target, 0);
            }
            uppers.known &= if opcode == 0x6f { !(1 << register) } else { u32::MAX };
        }
        0x17 => {
            let upper = here.wrapping_add(signed(instruction & 0xffff_f000));
            let target = upper.wrapping_add(low_bits_ahead(scan, at, register).unwrap_or(0));
            uppers.known &= !(1 << register);
            if scan.image.contains(target) {
                scan.site(found, at, Form::High20, target, target);
                uppers.upper[register as usize] = (upper, here);
                uppers.known |= 1 << register;
            }
        }
        opcode => {
            let base = instruction >> 15 & 31;
            if let Some(low) = low_bits(instruction).filter(|_| uppers.known >> base & 1 == 1) {
                let (upper, place) = uppers.upper[base as usize];
                let target = upper.wrapping_add(low);
                if let (Ok(back), true) = (u8::try_from(here.wrapping_sub(place)), scan.image.contains(target)) {
                    let form = Form::Low12 { is_store: is_store(opcode), back };
                    scan.site(found, at, form, target, target);
                }
            }
            if !is_store(opcode) {
                uppers.known &= !(1 << register);
            }
        }
    }
}

fn is_store(opcode: u32) -> bool {
    matches!(opcode, 0x23 | 0x27)
}

/// The 12 bits that a load, a store, `addi` or `jalr` adds to its base register.
fn low_bits(instruction: u32) -> Option<u64> {
    match instruction & 0x7f {
        0x03 | 0x07 | 0x67 => {}
        0x13 if instruction >> 12 & 7 == 0 => {}
        0x23 | 0x27 => return Some(signed((instruction as i32 >> 25 << 5) as u32 | instruction >> 7 & 31)),
        _ => return None,
    }
    Some(signed((instruction as i32 >> 20) as u32))
}

fn low_bits_ahead(scan: &Scan<'_>, at: usize, register: u32) -> Option<u64> {
    let mut place = at + 4;
    for _ in 0..LOOK_AHEAD {
        if half(scan, place)? & 3 != 3 {
            place += 2;
            continue;
        }
        let instruction = scan.word(place)?;
        if let Some(low) = low_bits(instruction).filter(|_| instruction >> 15 & 31 == register) {
            return Some(low);
        }
        place += 4;
    }
    None
}
