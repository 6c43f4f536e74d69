//! ARM with 32 bits, T32: half words and pairs of them; constants and tables of jumps stand inside functions
//! (Arm Architecture Reference Manual for A-profile, chapter F3).

use super::arm::State;
use super::{Code, Flow, Kind, Sink, signed};

const PC: u32 = 15;

pub(super) fn decode(code: Code<'_>, sink: &mut impl Sink) {
    let mut state = State::new(pool(&code));
    let mut at = 0;
    // The table of jumps that the last instruction reads: where it starts, and how many entries a comparison allows.
    let mut bound = None;
    while let Some(first) = code.half(at) {
        let address = code.start + at as u64;
        if address.is_multiple_of(4) && state.is_constant(address) {
            sink.data(address, address + 4);
            at += 4;
            continue;
        }
        if first >> 11 < 29 {
            let bits = short(&code, address, first, &mut state, sink);
            // Distances of jumps start at bit 10.
            sink.instruction(if first >> 11 == 28 { 28 << 3 } else { first >> 8 }, bits.into());
            bound = if first >> 11 == 5 { Some(u64::from(first & 0xff) + 1) } else { bound };
            at += 2;
            continue;
        }
        let Some(second) = code.half(at + 2) else { break };
        let bits = long(&code, address, first << 16 | second, &mut state, sink);
        let is_branch = first >> 11 == 30 && second & 0x8000 != 0;
        sink.instruction(if is_branch { second >> 12 | 0x2_0000 } else { first >> 4 | 0x1_0000 }, bits.into());
        at += 4;
        if first & 0xfff0 == 0xe8d0 && second & 0xffe0 == 0xf000 {
            // tbb, tbh: the table follows.
            let width = if second & 0x10 != 0 { 2 } else { 1 };
            let table = (bound.unwrap_or(0) * width).next_multiple_of(2);
            let from = code.start + at as u64;
            sink.data(from, from + table);
            for entry in 0..bound.unwrap_or(0) {
                let place = usize::try_from(at as u64 + entry * width).unwrap_or(usize::MAX);
                let half = code.half(place & !1).unwrap_or(0);
                let distance = if width == 2 { half } else { half >> (8 * (place & 1)) & 0xff };
                sink.flow(from, Flow::Branch(from + 2 * u64::from(distance)));
            }
            at += usize::try_from(table).unwrap_or(0);
        }
        // cmp.w register, #number
        let is_bound = first & 0xfff0 == 0xf1b0 && second & 0xff00 == 0x0f00;
        bound = if is_bound { Some(u64::from(second & 0xff) + 1) } else { bound };
    }
    state.finish(&code, sink);
}

/// Addresses of the constants that the code loads.
fn pool(code: &Code<'_>) -> Vec<u64> {
    let mut pool = Vec::new();
    let mut at = 0;
    while let Some(first) = code.half(at) {
        let here = ((code.start + at as u64) & !3) + 4;
        if first >> 11 < 29 {
            if first >> 11 == 9 {
                pool.push(here + u64::from(first & 0xff) * 4);
            }
            at += 2;
            continue;
        }
        let Some(second) = code.half(at + 2) else { break };
        let sign = if first & 0x80 != 0 { 1 } else { -1 };
        if first & 0xff7f == 0xf85f {
            pool.push(here.wrapping_add_signed(sign * i64::from(second & 0xfff)));
        } else if first & 0xff3f == 0xed1f && second & 0x0e00 == 0x0a00 {
            let place = here.wrapping_add_signed(sign * 4 * i64::from(second & 0xff));
            pool.extend([place, place + 4].into_iter().take(if second & 0x100 != 0 { 2 } else { 1 }));
        }
        at += 4;
    }
    pool.retain(|place| place % 4 == 0);
    pool
}

fn short(code: &Code<'_>, address: u64, half: u32, state: &mut State, sink: &mut impl Sink) -> u32 {
    let (here, next) = (address + 4, address + 2);
    let jump = |distance: i64| here.wrapping_add_signed(distance) & 0xffff_ffff;
    let low = half & 7;
    let mut bits = half;
    match half >> 11 {
        9 => {
            // ldr register, [pc, #distance]
            bits &= 0xff00;
            let place = (here & !3) + u64::from(half & 0xff) * 4;
            match code.word_at(place) {
                Some(value) => state.constant(half >> 8 & 7, value),
                None => state.forget(half >> 8 & 7),
            }
        }
        20 => {
            // adr
            let target = (here & !3) + u64::from(half & 0xff) * 4;
            state.address(half >> 8 & 7, target);
        }
        28 => {
            let target = jump(signed(half, 11) * 2);
            if code.is_outside(target) {
                bits &= 0xf800;
                sink.reference(Kind::Jump, target | 1);
            }
            sink.flow(next, Flow::Jump(target));
        }
        26 | 27 if half >> 8 & 15 < 14 => {
            let target = jump(signed(half, 8) * 2);
            if code.is_outside(target) {
                bits &= 0xff00;
                sink.reference(Kind::Jump, target | 1);
            }
            sink.flow(next, Flow::Branch(target));
        }
        27 if half >> 8 == 0xde => sink.flow(next, Flow::Stop),
        22 | 23 if half & 0xf500 == 0xb100 => {
            // cbz, cbnz
            let target = here + u64::from((half >> 9 & 1) << 6 | (half >> 3 & 31) << 1);
            sink.flow(next, Flow::Branch(target));
        }
        23 if half >> 8 == 0xbd => sink.flow(next, Flow::Stop),
        8 if half & 0xff78 == 0x4478 => {
            // add register, pc
            let register = half & 7 | half >> 4 & 8;
            state.add_here(register, register, here, sink);
        }
        8 if half >> 8 == 0x47 => {
            let register = half >> 3 & 15;
            let is_call = half & 0x80 != 0;
            if is_call || register != 14 {
                state.through(register, is_call, sink);
            }
            if !is_call {
                sink.flow(next, Flow::Stop);
            }
        }
        8 if half & 0xff87 == 0x4687 => {
            // mov pc, register
            sink.reference(Kind::IndirectJump, 0);
            sink.flow(next, Flow::Stop);
        }
        8 => state.forget(if half & 0x0400 != 0 { half & 7 | half >> 4 & 8 } else { low }),
        11 if half & 0xfe00 == 0x5800 => state.load_indexed(low, half >> 3 & 7, half >> 6 & 7, sink),
        4..8 => state.forget(half >> 8 & 7),
        13 | 15 | 17 => state.forget(low),
        19 => state.forget(half >> 8 & 7),
        0..4 => state.forget(low),
        _ => {}
    }
    bits
}

/// A pair of half words, the first one in the upper half.
fn long(code: &Code<'_>, address: u64, pair: u32, state: &mut State, sink: &mut impl Sink) -> u32 {
    let (first, second) = (pair >> 16, pair & 0xffff);
    let (here, next) = (address + 4, address + 4);
    let rd = second >> 12 & 15;
    let mut bits = pair;
    if first >> 11 == 30 && second & 0x8000 != 0 {
        let sign = first >> 10 & 1;
        let (j1, j2) = (second >> 13 & 1, second >> 11 & 1);
        if second & 0x5000 != 0 {
            // b, bl, blx
            let distance = sign << 24 | (1 ^ j1 ^ sign) << 23 | (1 ^ j2 ^ sign) << 22 | (first & 0x3ff) << 12;
            let distance = signed(distance | (second & 0x7ff) << 1, 25);
            let is_call = second & 0x4000 != 0;
            let to_a32 = is_call && second & 0x1000 == 0;
            let from = if to_a32 { here & !3 } else { here };
            let target = from.wrapping_add_signed(distance) & 0xffff_ffff;
            if is_call {
                bits &= 0xf800_d000;
                let target = if to_a32 { target & !3 } else { target | 1 };
                sink.reference(Kind::Call, target);
                state.called();
                sink.flow(next, Flow::Call(target));
            } else {
                if code.is_outside(target) {
                    bits &= 0xf800_d000;
                    sink.reference(Kind::Jump, target | 1);
                }
                sink.flow(next, Flow::Jump(target));
            }
        } else if first >> 7 & 7 != 7 {
            // b.w with a condition
            let distance = sign << 20 | j2 << 19 | j1 << 18 | (first & 0x3f) << 12 | (second & 0x7ff) << 1;
            let target = here.wrapping_add_signed(signed(distance, 21)) & 0xffff_ffff;
            if code.is_outside(target) {
                bits &= 0xfbc0_d000;
                sink.reference(Kind::Jump, target | 1);
            }
            sink.flow(next, Flow::Branch(target));
        } else if first & 0xfff0 == 0xf7f0 && second & 0xf000 == 0xa000 {
            sink.flow(next, Flow::Stop);
        }
    } else if first & 0xfb70 == 0xf240 {
        // movw, movt
        let half = (first & 15) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xff;
        let register = second >> 8 & 15;
        if first & 0x80 != 0 {
            state.high_half(register, half);
        } else {
            state.constant(register, half);
        }
        bits &= 0xfbf0_8f00;
    } else if first & 0xff7f == 0xf85f {
        // ldr register, [pc, #distance]
        bits &= 0xff7f_f000 & !0x80_0000;
        let sign = if first & 0x80 != 0 { 1 } else { -1 };
        let place = (here & !3).wrapping_add_signed(sign * i64::from(second & 0xfff));
        match code.word_at(place) {
            Some(value) => state.constant(rd, value),
            None => state.forget(rd),
        }
        if rd == PC {
            sink.flow(next, Flow::Stop);
        }
    } else if first & 0xff3f == 0xed1f && second & 0x0e00 == 0x0a00 {
        // vldr from a constant
        bits &= 0xff7f_ff00;
    } else if first & 0xfff0 == 0xf850 && second & 0x0fc0 == 0 {
        // ldr register, [base, index]
        state.load_indexed(rd, first & 15, second & 15, sink);
        if rd == PC {
            sink.flow(next, Flow::Stop);
        }
    } else {
        let pops = first & 0xffd0 == 0xe890 && second & 0x8000 != 0;
        let loads = (first & 0xff70 == 0xf850) && rd == PC;
        let tables = first & 0xfff0 == 0xe8d0 && second & 0xffe0 == 0xf000;
        if tables || loads {
            sink.reference(Kind::IndirectJump, 0);
        }
        if pops || loads || tables {
            sink.flow(next, Flow::Stop);
        }
        let is_store = first & 0xfe10 == 0xf800 || first & 0xfe50 == 0xe840;
        if !is_store {
            state.forget(if first >> 9 == 0x7c { rd } else { second >> 8 & 15 });
        }
    }
    bits
}
