//! RISC-V with 64 bits: words and half words; addresses are made by `auipc` with the low 12 bits in the instruction that
//! follows, or by `jal` (The RISC-V Instruction Set Manual, volume I, chapters 2 and 26).
//!
//! A linker turns `auipc; jalr` into `jal` where it can, which moves everything behind: such a function counts as
//! modified.

use super::{Code, Flow, Kind, Sink, signed};

/// What a register is known to hold.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Unknown,
    Address(u64),
    /// What the pointer at an address leads to.
    Pointed(u64),
}

pub(super) fn decode(code: Code<'_>, sink: &mut impl Sink) {
    let mut registers = [Value::Unknown; 32];
    let mut at = 0;
    while let Some(half) = code.half(at) {
        let address = code.start + at as u64;
        if half & 3 != 3 {
            let bits = short(&code, address, half, &mut registers, sink);
            sink.instruction(half & 0xe003 | 0x1_0000, bits.into());
            at += 2;
            continue;
        }
        let Some(word) = code.word(at) else { break };
        let bits = long(&code, address, word, &mut registers, sink);
        sink.instruction(word & 0x707f, bits.into());
        at += 4;
    }
}

fn short(code: &Code<'_>, address: u64, half: u32, registers: &mut [Value; 32], sink: &mut impl Sink) -> u32 {
    let (quadrant, function) = (half & 3, half >> 13);
    let rd = (half >> 7 & 31) as usize;
    let next = address + 2;
    let bit = |from: u32, to: u32| (half >> from & 1) << to;
    let mut bits = half;
    match (quadrant, function) {
        (1, 5) => {
            // c.j
            let distance = bit(12, 11) | bit(11, 4) | (half >> 9 & 3) << 8 | bit(8, 10) | bit(7, 6) | bit(6, 7);
            let distance = distance | (half >> 3 & 7) << 1 | bit(2, 5);
            let target = address.wrapping_add_signed(signed(distance, 12));
            if code.is_outside(target) {
                bits &= 0xe003;
                sink.reference(Kind::Jump, target);
            }
            sink.flow(next, Flow::Jump(target));
        }
        (1, 6 | 7) => {
            // c.beqz, c.bnez
            let distance = bit(12, 8) | (half >> 10 & 3) << 3 | (half >> 5 & 3) << 6 | (half >> 3 & 3) << 1 | bit(2, 5);
            let target = address.wrapping_add_signed(signed(distance, 9));
            if code.is_outside(target) {
                bits &= 0xe383;
                sink.reference(Kind::Branch, target);
            }
            sink.flow(next, Flow::Branch(target));
        }
        (2, 4) if half >> 2 & 31 == 0 && rd != 0 => {
            // c.jr, c.jalr
            let is_call = half & 0x1000 != 0;
            match (is_call, registers[rd]) {
                (true, Value::Pointed(slot)) => sink.reference(Kind::SlotCall, slot),
                (true, _) => sink.reference(Kind::IndirectCall, 0),
                (false, Value::Pointed(slot)) => sink.reference(Kind::SlotJump, slot),
                (false, _) if rd != 1 => sink.reference(Kind::IndirectJump, 0),
                (false, _) => {}
            }
            if is_call {
                called(registers);
            } else {
                sink.flow(next, Flow::Stop);
            }
        }
        (2, 4) if half == 0x9002 => sink.flow(next, Flow::Stop),
        (2, 4) => {
            // c.mv, c.add
            let source = (half >> 2 & 31) as usize;
            registers[rd] = if half & 0x1000 == 0 { registers[source] } else { Value::Unknown };
        }
        (1, 0..4) | (2, 0 | 2 | 3) => registers[rd] = Value::Unknown,
        (1, 4) => registers[8 + (half >> 7 & 7) as usize] = Value::Unknown,
        (0, 0..4) => {
            let rd = 8 + (half >> 2 & 7) as usize;
            let base = 8 + (half >> 7 & 7) as usize;
            // c.ld from where `auipc` led, offset 0.
            registers[rd] = match registers[base] {
                Value::Address(slot) if function == 3 && half & 0x1c60 == 0 => Value::Pointed(slot),
                _ => Value::Unknown,
            };
        }
        _ if half == 0 => sink.flow(next, Flow::Stop),
        _ => {}
    }
    bits
}

fn long(code: &Code<'_>, address: u64, word: u32, registers: &mut [Value; 32], sink: &mut impl Sink) -> u32 {
    let (rd, rs) = ((word >> 7 & 31) as usize, (word >> 15 & 31) as usize);
    let low = signed(word >> 20, 12);
    let next = address + 4;
    let mut result = Value::Unknown;
    let mut writes = true;
    let mut bits = word;
    match word & 0x7f {
        0x6f => {
            // jal
            let distance = (word >> 31) << 20 | (word >> 12 & 0xff) << 12 | (word >> 20 & 1) << 11;
            let target = address.wrapping_add_signed(signed(distance | (word >> 21 & 0x3ff) << 1, 21));
            if rd != 0 {
                bits &= 0xfff;
                sink.reference(Kind::Call, target);
                sink.flow(next, Flow::Call(target));
            } else {
                if code.is_outside(target) {
                    bits &= 0xfff;
                    sink.reference(Kind::Jump, target);
                }
                sink.flow(next, Flow::Jump(target));
            }
            if rd == 1 {
                called(registers);
            }
        }
        0x17 => {
            // auipc
            bits &= 0xfff;
            result = Value::Address(address.wrapping_add_signed(i64::from((word & 0xffff_f000) as i32)));
        }
        0x67 => {
            // jalr
            match registers[rs] {
                Value::Address(page) => {
                    bits &= 0xf_ffff;
                    let target = page.wrapping_add_signed(low);
                    sink.reference(if rd == 0 { Kind::Jump } else { Kind::Call }, target);
                    if rd == 1 {
                        sink.flow(next, Flow::Call(target));
                    }
                }
                Value::Pointed(slot) => sink.reference(if rd == 0 { Kind::SlotJump } else { Kind::SlotCall }, slot),
                // Stubs keep where they came from in t1.
                Value::Unknown if rd != 0 => sink.reference(Kind::IndirectCall, 0),
                Value::Unknown if rs != 1 => sink.reference(Kind::IndirectJump, 0),
                Value::Unknown => {}
            }
            if rd == 1 {
                called(registers);
            } else {
                sink.flow(next, Flow::Stop);
            }
        }
        0x13 | 0x03 | 0x07 | 0x1b => {
            // addi, loads
            if let Value::Address(page) = registers[rs] {
                let target = page.wrapping_add_signed(low);
                bits &= 0xf_ffff;
                sink.reference(Kind::Address, target);
                result = match word & 0x707f {
                    0x3003 => Value::Pointed(target),
                    _ => Value::Unknown,
                };
            }
            writes = word & 0x7f != 0x07;
        }
        0x23 | 0x27 => {
            // stores
            writes = false;
            if let Value::Address(page) = registers[rs] {
                bits &= 0x1ff_f07f;
                let distance = signed((word >> 25) << 5 | word >> 7 & 31, 12);
                sink.reference(Kind::Address, page.wrapping_add_signed(distance));
            }
        }
        0x63 => {
            // branches
            writes = false;
            let distance = (word >> 31) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 63) << 5 | (word >> 8 & 15) << 1;
            let target = address.wrapping_add_signed(signed(distance, 13));
            if code.is_outside(target) {
                bits &= 0x1ff_f07f;
                sink.reference(Kind::Branch, target);
            }
            sink.flow(next, Flow::Branch(target));
        }
        _ => {}
    }
    if writes && rd != 0 {
        registers[rd] = result;
    }
    bits
}

/// A call leaves nothing in t0 to t6, a0 to a7 and ra.
fn called(registers: &mut [Value; 32]) {
    for (number, register) in registers.iter_mut().enumerate() {
        if matches!(number, 1 | 5..8 | 10..18 | 28..32) {
            *register = Value::Unknown;
        }
    }
}
