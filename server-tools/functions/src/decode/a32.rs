//! ARM with 32 bits, A32: every instruction is a word, and constants stand between functions and inside them
//! (Arm Architecture Reference Manual for A-profile, chapter F4).

use super::arm::State;
use super::{Code, Flow, Kind, Sink, signed};

const PC: u32 = 15;
const DISTANCE_24: u32 = 0xff_ffff;

pub(super) fn decode(code: Code<'_>, sink: &mut impl Sink) {
    let mut state = State::new(pool(&code));
    for (at, word) in code.bytes.chunks_exact(4).enumerate() {
        let address = code.start + 4 * at as u64;
        if state.is_constant(address) {
            sink.data(address, address + 4);
            continue;
        }
        let word = u32::from_le_bytes(word.try_into().unwrap_or_default());
        let bits = step(&code, at * 4, word, &mut state, sink);
        // Distances of branches start at bit 23, other operations go on to bit 20.
        let operation = if word & 0x0e00_0000 == 0x0a00_0000 { word >> 24 << 4 } else { word >> 20 };
        sink.instruction(operation, bits.into());
    }
    state.finish(&code, sink);
}

/// The address of the constant that an instruction loads: `ldr register, [pc, #distance]`, `vldr` as well.
fn constant(address: u64, word: u32) -> Option<(u64, u64)> {
    let sign = if word & 0x80_0000 != 0 { 1 } else { -1 };
    let here = address + 8;
    if word >> 28 == 15 {
        None
    } else if word & 0x0f7f_0000 == 0x051f_0000 {
        Some((here.wrapping_add_signed(sign * i64::from(word & 0xfff)), 4))
    } else if word & 0x0f3f_0e00 == 0x0d1f_0a00 {
        let bytes = if word & 0x100 != 0 { 8 } else { 4 };
        Some((here.wrapping_add_signed(sign * 4 * i64::from(word & 0xff)), bytes))
    } else {
        None
    }
}

/// All constants that the code loads.
fn pool(code: &Code<'_>) -> Vec<u64> {
    let mut pool = Vec::new();
    for (at, word) in code.bytes.chunks_exact(4).enumerate() {
        let word = u32::from_le_bytes(word.try_into().unwrap_or_default());
        if let Some((address, bytes)) = constant(code.start + 4 * at as u64, word) {
            let places = [address, address + 4];
            pool.extend(places.into_iter().take(bytes as usize / 4).filter(|place| place % 4 == 0));
        }
    }
    pool
}

fn step(code: &Code<'_>, at: usize, word: u32, state: &mut State, sink: &mut impl Sink) -> u32 {
    let address = code.start + at as u64;
    let (here, next) = (address + 8, address + 4);
    let (rd, rn, rm) = (word >> 12 & 15, word >> 16 & 15, word & 15);
    let is_always = word >> 28 == 14;
    let target = here.wrapping_add_signed(signed(word, 24) * 4) & 0xffff_ffff;
    let mut bits = word;
    if word >> 28 == 15 {
        if word & 0xfe00_0000 == 0xfa00_0000 {
            // blx: T32 is called
            bits &= 0xff00_0000;
            let target = (target + u64::from(word >> 23 & 2)) | 1;
            sink.reference(Kind::Call, target);
            state.called();
            sink.flow(next, Flow::Call(target));
        }
    } else if word & 0x0f00_0000 == 0x0b00_0000 {
        bits &= !DISTANCE_24;
        sink.reference(Kind::Call, target);
        state.called();
        sink.flow(next, Flow::Call(target));
    } else if word & 0x0f00_0000 == 0x0a00_0000 {
        if code.is_outside(target) {
            bits &= !DISTANCE_24;
            sink.reference(Kind::Jump, target);
        }
        sink.flow(next, if is_always { Flow::Jump(target) } else { Flow::Branch(target) });
    } else if word & 0x0fff_ffd0 == 0x012f_ff10 {
        // bx, blx
        let is_call = word & 0x20 != 0;
        if is_call || rm != 14 {
            state.through(rm, is_call, sink);
        }
        if !is_call && is_always {
            sink.flow(next, Flow::Stop);
        }
    } else if let Some((place, bytes)) = constant(address, word) {
        bits &= !0x80_0000;
        if bytes != 4 || word & 0x0f00_0000 == 0x0d00_0000 {
            let low = code.word_at(place).unwrap_or(0);
            let high = code.word_at(place + 4).filter(|_| bytes == 8).unwrap_or(0);
            sink.instruction(u32::MAX, u64::from(high) << 32 | u64::from(low));
            bits &= !0xff;
        } else {
            bits &= !0xfff;
            match code.word_at(place) {
                Some(value) => state.constant(rd, value),
                None => state.forget(rd),
            }
            if rd == PC && is_always {
                sink.flow(next, Flow::Stop);
            }
        }
    } else if word & 0x0fb0_0000 == 0x0300_0000 {
        // movw, movt
        let half = word >> 4 & 0xf000 | word & 0xfff;
        let is_high = word & 0x40_0000 != 0;
        if is_high {
            state.high_half(rd, half);
        } else {
            state.constant(rd, half);
        }
        bits &= 0xfff0_f000;
    } else if word & 0x0fef_0ff0 == 0x008f_0000 {
        // add rd, pc, rm
        state.add_here(rd, rm, here, sink);
    } else if word & 0x0fe0_0ff0 == 0x0080_0000 && rm == PC {
        state.add_here(rd, rn, here, sink);
    } else if word & 0x0fff_0ff0 == 0x079f_0000 {
        // ldr rd, [pc, rm]
        state.load_here(rd, rm, here, sink);
    } else if word & 0x0ff0_0ff0 == 0x0790_0000 {
        state.load_indexed(rd, rn, rm, sink);
    } else if word & 0x0fe0_0000 == 0x0280_0000 {
        // add rd, rn, #number
        let number = (word & 0xff).rotate_right(word >> 7 & 30);
        if rn == PC {
            let target = here.wrapping_add(number.into());
            state.address(rd, target);
            if code.is_outside(target) && rd != 12 {
                bits &= !0xfff;
                sink.reference(Kind::Address, target & 0xffff_ffff);
            }
        } else {
            state.add_number(rd, rn, number);
        }
    } else if word & 0x0f50_0000 == 0x0510_0000 && rd == PC && rn == 12 {
        // The end of a stub: ldr pc, [ip, #distance]!
        let sign = if word & 0x80_0000 != 0 { 1 } else { -1 };
        match state.slot(12, sign * i64::from(word & 0xfff)) {
            Some(slot) => sink.reference(Kind::SlotJump, slot),
            None => sink.reference(Kind::IndirectJump, 0),
        }
        sink.flow(next, Flow::Stop);
    } else {
        other(word, next, is_always, state, sink);
    }
    bits
}

/// Instructions that hold no addresses.
fn other(word: u32, next: u64, is_always: bool, state: &mut State, sink: &mut impl Sink) {
    let rd = word >> 12 & 15;
    let is_multiple = word & 0x0e10_0000 == 0x0810_0000;
    let pops = is_multiple && word >> 15 & 1 == 1;
    let loads = word & 0x0c50_0000 == 0x0410_0000 && rd == PC;
    let traps = word & 0xfff0_00f0 == 0xe7f0_00f0;
    let is_data = word & 0x0c00_0000 == 0 && word & 0x0180_0000 != 0x0100_0000;
    if is_always && (pops || loads || traps || is_data && rd == PC && word & 0x0e00_00f0 != 0x0000_0090) {
        if loads || is_data {
            sink.reference(Kind::IndirectJump, 0);
        }
        sink.flow(next, Flow::Stop);
    } else if !is_always && is_data && rd == PC || loads {
        // A table of jumps: `addls pc, pc, r3, lsl #2`, `ldrls pc, [pc, r3, lsl #2]`.
        sink.reference(Kind::IndirectJump, 0);
    }
    if is_multiple {
        (0..16).filter(|register| word >> register & 1 == 1).for_each(|register| state.forget(register));
    } else if word & 0x0c10_0000 != 0x0400_0000 {
        // Not a store: the register is overwritten.
        state.forget(rd);
    }
}
