//! x86-64 instructions.
//!
//! There is no table of instructions here. A site is
//! - `call` or `jmp`: the byte E8 or E9 and a distance to code;
//! - a conditional jump: 0F 80 to 0F 8F and a distance to code;
//! - an operand relative to the instruction pointer: a ModRM byte of which the bits C7 are 05, behind a byte that can be
//!   an opcode with such an operand, and a distance to anything in the image. The distance counts from the end of the
//!   instruction, so the opcode also says how many immediate bytes follow.

use super::{Form, Scan, Site, signed};

/// What may start at a byte.
const NOTHING: u8 = 0;
const CALL: u8 = 1;
const ESCAPE: u8 = 2;
const MODRM: u8 = 3;

const STARTS: [u8; 256] = {
    let mut starts = [NOTHING; 256];
    let mut register = 0;
    while register < 8 {
        starts[register << 3 | 5] = MODRM;
        register += 1;
    }
    starts[0xe8] = CALL;
    starts[0xe9] = CALL;
    starts[0x0f] = ESCAPE;
    starts
};

pub(super) fn find(scan: &Scan<'_>, found: &mut impl FnMut(Site)) {
    let (code, memory) = (scan.image.code(), scan.image.memory());
    let (starts, bytes) = (&scan.window[..scan.range.end], &scan.window[..scan.limit]);
    // An opcode may stand before the range, its field in it.
    let mut at = scan.range.start.saturating_sub(2).max(scan.known.start);
    let starts_at = |at: usize| starts.get(at..)?.iter().position(|byte| STARTS[usize::from(*byte)] != NOTHING);
    while let Some(skipped) = starts_at(at) {
        at += skipped;
        let Some(&[first, second, third, fourth, fifth]) = bytes[at..].first_chunk() else { break };
        let behind = scan.address(at).wrapping_add(5);
        let target = behind.wrapping_add(signed(u32::from_le_bytes([second, third, fourth, fifth])));
        let next = match STARTS[usize::from(first)] {
            CALL if code.contains(&target) && !is_operand(scan, at) => {
                scan.site(found, at + 1, Form::Call32, target, 0)
            }
            MODRM if memory.contains(&target) => match trailing(scan, at) {
                Some(trailing) => {
                    let form = Form::Operand32 { trailing };
                    scan.site(found, at + 1, form, target.wrapping_add(trailing.into()), 0)
                }
                None => at + 1,
            },
            ESCAPE if second & 0xf0 == 0x80 => match bytes[at..].get(5) {
                Some(&sixth) => {
                    let distance = u32::from_le_bytes([third, fourth, fifth, sixth]);
                    let target = behind.wrapping_add(1).wrapping_add(signed(distance));
                    match code.contains(&target) {
                        true => scan.site(found, at + 2, Form::Jump32, target, 0),
                        false => at + 1,
                    }
                }
                None => break,
            },
            _ => at + 1,
        };
        at = next;
    }
}

/// Whether the byte at `at` is the ModRM byte of a common instruction on two registers.
pub(super) fn is_operand(scan: &Scan<'_>, at: usize) -> bool {
    let back = |bytes: usize| at.checked_sub(bytes).and_then(|at| scan.byte(at)).unwrap_or(0);
    match back(1) {
        0x85 | 0x89 | 0x8b => true,
        // Sums, differences and the like; with a prefix for 64 bits, since 1 is the end of many an immediate operand.
        opcode => opcode < 0x40 && opcode & 5 == 1 && back(2) & 0xf8 == 0x48,
    }
}

/// The immediate bytes of the instruction whose ModRM byte is at `modrm`; nothing if the bytes before it are no opcode.
fn trailing(scan: &Scan<'_>, modrm: usize) -> Option<u8> {
    let back = |bytes: usize| modrm.checked_sub(bytes).and_then(|at| scan.byte(at));
    let opcode = back(1)?;
    let (second, third) = (back(2).unwrap_or(0), back(3).unwrap_or(0));
    if second == 0x0f {
        return Some(u8::from(matches!(opcode, 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6)));
    }
    if third == 0x0f && second == 0x38 {
        return Some(0);
    }
    if third == 0x0f && second == 0x3a {
        return Some(1);
    }
    let fourth = back(4).unwrap_or(0);
    // VEX with two bytes; VEX with three and EVEX say in which table the opcode is.
    if third == 0xc5 {
        return Some(u8::from(matches!(opcode, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6)));
    }
    let table = match (fourth, back(5)) {
        (0xc4, _) => Some(third & 0x1f),
        (_, Some(0x62)) => Some(fourth & 7),
        _ => None,
    };
    if let Some(table @ 1..=3) = table {
        return Some(u8::from(table == 3 || table == 1 && matches!(opcode, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6)));
    }
    let register = scan.byte(modrm)? >> 3 & 7;
    let wide = if second == 0x66 || third == 0x66 && second & 0xf0 == 0x40 { 2 } else { 4 };
    match opcode {
        0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 | 0x6b => Some(1),
        0x81 | 0xc7 | 0x69 => Some(wide),
        0xf6 if register < 2 => Some(1),
        0xf7 if register < 2 => Some(wide),
        0x00..=0x3f if opcode & 4 == 0 => Some(0),
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xf6 | 0xf7 | 0xfe | 0xff => Some(0),
        _ => None,
    }
}
