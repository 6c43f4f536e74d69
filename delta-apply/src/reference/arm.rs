//! 32-bit ARM instructions, A32 and Thumb.
//!
//! Which of the two a place holds is judged from the words around it: almost every A32 instruction has the condition
//! "always", the upper half-byte E, which Thumb code has at that place by chance only. Sites are
//! - branches with 24 bits (A32), 24 or 20 bits (Thumb) to code;
//! - `movw` and `movt` that make the distance from a later `add` or load of the program counter;
//! - words of literal pools: such a distance, or an address where the region's parameter, the lowest that counts as one,
//!   is not 0. Which words these are is remembered from the instructions that load them.

use super::pools::Pools;
use super::{Form, MARGIN_BYTES, Scan, Site, signed};

/// Blocks are of one instruction set; what is around a block as far as this counts too.
const BLOCK_BYTES: usize = 32;

/// Instructions behind a load that are searched for the one that adds the program counter.
const LOOK_AHEAD: usize = 12;

pub(super) fn find(scan: &Scan<'_>, follows: bool, pools: &mut Pools, found: &mut impl FnMut(Site)) {
    let mut at = scan.range.start;
    if !follows {
        at = at.saturating_sub(MARGIN_BYTES).max(scan.known.start);
    }
    at += (scan.address(at) & 1) as usize;
    while at < scan.range.end {
        let into = (scan.address(at) % BLOCK_BYTES as u64) as usize;
        let end = (at - into.min(at) + BLOCK_BYTES).max(at + 2).min(scan.range.end);
        let is_thumb = !looks_like_a32(scan, at.saturating_sub(into));
        while at < end {
            if scan.address(at) & 3 == 0
                && let Some((target, anchor)) = pools.take(scan, at)
            {
                let form = if anchor == 0 { Form::Absolute32 } else { Form::Anchored32 };
                at = scan.site(found, at, form, target, anchor);
                continue;
            }
            at = match is_thumb {
                true => thumb(scan, at, pools, found),
                false => a32(scan, at, pools, found),
            };
        }
    }
}

fn looks_like_a32(scan: &Scan<'_>, block: usize) -> bool {
    let start = block.saturating_sub(BLOCK_BYTES).max(scan.known.start);
    let start = start + (scan.address(start).wrapping_neg() & 3) as usize;
    let words = || (start..block + 2 * BLOCK_BYTES).step_by(4).map_while(|at| scan.word(at));
    let always = words().filter(|word| word >> 28 == 0xe).count();
    2 * always >= words().count()
}

fn a32(scan: &Scan<'_>, at: usize, pools: &mut Pools, found: &mut impl FnMut(Site)) -> usize {
    let here = scan.address(at);
    if here & 3 != 0 {
        return at + 2;
    }
    let Some(instruction) = scan.word(at) else { return at + 4 };
    let form = match instruction >> 24 {
        0xfa | 0xfb => Some(Form::Exchange25),
        0xf0.. => None,
        kind if kind & 0xe == 0xa => Some(Form::Branch24),
        _ => None,
    };
    if let Some(form) = form {
        let target = super::get(form, &instruction.to_le_bytes(), &instruction.to_le_bytes(), here, 0);
        if let Some(target) = target.filter(|target| scan.image.is_code(*target)) {
            return scan.site(found, at, form, target, 0);
        }
    }
    // A load from behind the program counter, with its distance added.
    if instruction & 0x0fff_0000 == 0x059f_0000 {
        let place = here.wrapping_add(8 + u64::from(instruction & 0xfff));
        pools.add(place, counter_a32(scan, at, instruction >> 12 & 15).map_or(0, |counter| counter.0));
    }
    if let 0x0300_0000 | 0x0340_0000 = instruction & 0x0ff0_0000 {
        let register = instruction >> 12 & 15;
        if let Some((counter, ahead)) = counter_a32(scan, at, register) {
            let is_high = instruction & 0x0040_0000 != 0;
            let half = |instruction: u32| instruction >> 4 & 0xf000 | instruction & 0xfff;
            let other = if is_high { 0x0300_0000 } else { 0x0340_0000 } | register << 12;
            if let Some(partner) = partner(scan, at, is_high, |word| word & 0x0ff0_f000 == other) {
                let (low, high) = if is_high { (partner, instruction) } else { (instruction, partner) };
                let target = counter.wrapping_add(signed(half(high) << 16 | half(low)));
                if scan.image.contains(target) {
                    return scan.site(found, at, Form::MoveHalf { is_high, is_thumb: false, ahead }, target, target);
                }
            }
        }
    }
    at + 4
}

/// The other instruction of a pair that makes a 32-bit number: before the upper half, behind the lower.
fn partner(scan: &Scan<'_>, at: usize, is_high: bool, is_other: impl Fn(u32) -> bool) -> Option<u32> {
    let place = |step: usize| if is_high { at.checked_sub(2 * step) } else { Some(at + 2 * step) };
    (1..=LOOK_AHEAD).map_while(|step| scan.word(place(step)?)).find(|word| is_other(*word))
}

/// What the program counter is worth where it is added to `register` behind the instruction at `at`, and how many bytes
/// that is from there.
fn counter_a32(scan: &Scan<'_>, at: usize, register: u32) -> Option<(u64, u8)> {
    for step in 1..=LOOK_AHEAD {
        let instruction = scan.word(at + 4 * step)?;
        // `add rd, pc, rn`, `ldr rd, [pc, rn]`, and the same with other widths.
        let adds = matches!(instruction & 0x0fff_0fff, word if word == 0x008f_0000 | register);
        let loads = instruction & 0x0f3f_0fff == 0x071f_0000 | register;
        if adds || loads {
            let ahead = 4 * step + 8;
            return Some((scan.address(at).wrapping_add(ahead as u64), ahead as u8));
        }
        // `add rd, rn, pc`.
        if instruction & 0x0fff_0fff == register << 16 | 0x0080_000f {
            let ahead = 4 * step + 8;
            return Some((scan.address(at).wrapping_add(ahead as u64), ahead as u8));
        }
    }
    None
}

fn half(scan: &Scan<'_>, at: usize) -> Option<u32> {
    Some(u32::from(scan.byte(at)?) | u32::from(scan.byte(at + 1)?) << 8)
}

fn is_wide(first: u32) -> bool {
    first >= 0xe800
}

fn thumb(scan: &Scan<'_>, at: usize, pools: &mut Pools, found: &mut impl FnMut(Site)) -> usize {
    let Some(first) = half(scan, at) else { return at + 2 };
    let here = scan.address(at);
    if !is_wide(first) {
        if first & 0xf800 == 0x4800 {
            let place = (here & !3).wrapping_add(4 + u64::from(first & 0xff) * 4);
            let register = first >> 8 & 7;
            pools.add(place, counter_thumb(scan, at + 2, register).map_or(0, |counter| counter.0));
        }
        return at + 2;
    }
    let Some(second) = half(scan, at + 2) else { return at + 4 };
    let instruction = first | second << 16;
    if first & 0xf800 == 0xf000 && second & 0x8000 != 0 {
        let form = match second & 0x5000 {
            0x4000 => Form::ThumbExchange24,
            0x5000 | 0x1000 => Form::ThumbBranch24,
            // The condition "always" and those above are other instructions.
            _ if first >> 6 & 0xf < 14 => Form::ThumbBranch20,
            _ => return at + 4,
        };
        let bytes = instruction.to_le_bytes();
        let target = super::get(form, &bytes, &bytes, here, 0);
        if let Some(target) = target.filter(|target| scan.image.is_code(*target)) {
            return scan.site(found, at, form, target, 0);
        }
        return at + 4;
    }
    // `ldr.w rt, [pc, +n]`.
    if first == 0xf8df {
        let place = (here & !3).wrapping_add(4 + u64::from(second & 0xfff));
        pools.add(place, counter_thumb(scan, at + 4, second >> 12).map_or(0, |counter| counter.0));
    }
    if matches!(first & 0xfbf0, 0xf240 | 0xf2c0) && second & 0x8000 == 0 {
        return move_thumb(scan, at, instruction, found);
    }
    at + 4
}

fn move_thumb(scan: &Scan<'_>, at: usize, instruction: u32, found: &mut impl FnMut(Site)) -> usize {
    let is_high = instruction & 0x80 != 0;
    let register = instruction & 0x0f00_0000;
    let other = if is_high { 0xf240 } else { 0xf2c0 } | register;
    let value = |word: u32| (word & 0xf) << 12 | (word >> 10 & 1) << 11 | (word >> 28 & 7) << 8 | word >> 16 & 0xff;
    let counter = counter_thumb(scan, at + 4, register >> 24);
    let partner = partner(scan, at, is_high, |word| word & 0x8f00_fbf0 == other);
    if let (Some((counter, ahead)), Some(partner)) = (counter, partner) {
        let (low, high) = if is_high { (partner, instruction) } else { (instruction, partner) };
        let target = counter.wrapping_add(signed(value(high) << 16 | value(low)));
        if scan.image.contains(target) {
            let ahead = ahead + 4;
            return scan.site(found, at, Form::MoveHalf { is_high, is_thumb: true, ahead }, target, target);
        }
    }
    at + 4
}

/// Like [`counter_a32`]; the distance is from `at`.
fn counter_thumb(scan: &Scan<'_>, at: usize, register: u32) -> Option<(u64, u8)> {
    let add = 0x4478 | register & 7 | (register & 8) << 4;
    let mut behind = at;
    for _ in 0..LOOK_AHEAD {
        let instruction = half(scan, behind)?;
        if instruction == add {
            let ahead = behind + 4 - at;
            return Some((scan.address(behind).wrapping_add(4), ahead as u8));
        }
        behind += if is_wide(instruction) { 4 } else { 2 };
    }
    None
}
