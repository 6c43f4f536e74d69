//! ARM with 64 bits: every instruction is a word, and addresses are made of few forms: branches, `adr`, and `adrp` with
//! the low 12 bits in an addition, a load or a store that follows.
//! (Arm Architecture Reference Manual for A-profile, chapter C4.)

use super::{Code, Flow, Kind, Sink, signed};

/// What a register is known to hold.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Unknown,
    /// A page, or an address in it.
    Address(u64),
    /// What the pointer at an address leads to.
    Pointed(u64),
}

const LOW_12: u32 = 0xfff << 10;
const DISTANCE_19: u32 = 0x7_ffff << 5;

pub(super) fn decode(code: Code<'_>, sink: &mut impl Sink) {
    let mut registers = [Value::Unknown; 32];
    for (at, word) in code.bytes.chunks_exact(4).enumerate() {
        let word = u32::from_le_bytes(word.try_into().unwrap_or_default());
        let address = code.start + 4 * at as u64;
        let bits = step(&code, address, word, &mut registers, sink);
        sink.instruction(operation(word), bits.into());
    }
}

/// The bits that name the operation: the upper 11 without the first bits of distances and numbers.
fn operation(word: u32) -> u32 {
    let bits = match word >> 24 & 0x1f {
        // adr, adrp
        0x10 => 0x9f00_0000,
        // Additions, moves and logic with numbers.
        0x11..=0x13 => 0xff80_0000,
        // b, bl
        0x14..=0x17 if word >> 29 & 3 == 0 => 0xfc00_0000,
        // b.cond, cbz, cbnz, tbz, tbnz
        0x14..=0x17 if word >> 29 & 3 != 2 || word >> 24 & 3 == 0 => 0x7f00_0000,
        // Loads of literals.
        0x18 | 0x1c => 0xff00_0000,
        // Pairs, and offsets without a sign.
        0x08 | 0x09 | 0x0c | 0x0d | 0x19 | 0x1d => 0xffc0_0000,
        _ => 0xffe0_0000,
    };
    (word & bits) >> 21
}

/// Looks at one instruction; its bits without addresses.
fn step(code: &Code<'_>, address: u64, word: u32, registers: &mut [Value; 32], sink: &mut impl Sink) -> u32 {
    let (rd, rn) = ((word & 31) as usize, (word >> 5 & 31) as usize);
    let next = address + 4;
    let relative = |distance: i64| address.wrapping_add_signed(distance);
    let mut result = Value::Unknown;
    let mut writes = true;
    let mut bits = word;
    if word & 0x7c00_0000 == 0x1400_0000 {
        // b, bl
        let target = relative(signed(word, 26) * 4);
        writes = false;
        if word >> 31 == 1 {
            bits &= 0xfc00_0000;
            sink.reference(Kind::Call, target);
            sink.flow(next, Flow::Call(target));
            called(registers);
        } else {
            if code.is_outside(target) {
                bits &= 0xfc00_0000;
                sink.reference(Kind::Jump, target);
            }
            sink.flow(next, Flow::Jump(target));
        }
    } else if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        // b.cond, cbz, cbnz
        let target = relative(signed(word >> 5, 19) * 4);
        writes = false;
        if code.is_outside(target) {
            bits &= !DISTANCE_19;
            sink.reference(Kind::Branch, target);
        }
        sink.flow(next, Flow::Branch(target));
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        // tbz, tbnz
        let target = relative(signed(word >> 5, 14) * 4);
        writes = false;
        if code.is_outside(target) {
            bits &= !(0x3fff << 5);
            sink.reference(Kind::Branch, target);
        }
        sink.flow(next, Flow::Branch(target));
    } else if word & 0x1f00_0000 == 0x1000_0000 {
        // adr, adrp
        let distance = signed((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3, 21);
        bits &= 0x9f00_001f;
        if word >> 31 == 1 {
            result = Value::Address((address & !0xfff).wrapping_add_signed(distance << 12));
        } else {
            let target = relative(distance);
            if !code.is_outside(target) {
                bits = word;
            }
            sink.reference(Kind::Address, target);
            result = Value::Address(target);
        }
    } else if word & 0xff80_0000 == 0x9100_0000 {
        // add with an immediate
        if let Value::Address(page) = registers[rn] {
            let target = page.wrapping_add(u64::from(word >> 10 & 0xfff) << if word >> 22 & 1 == 1 { 12 } else { 0 });
            bits &= !LOW_12;
            sink.reference(Kind::Address, target);
        }
    } else if word & 0x3b00_0000 == 0x3900_0000 {
        // load or store with an unsigned offset
        let is_vector = word & 0x0400_0000 != 0;
        let is_store = word & 0x00c0_0000 == 0;
        if let Value::Address(page) = registers[rn] {
            let scale = if word & 0x0480_0000 == 0x0480_0000 { 4 } else { word >> 30 };
            let target = page.wrapping_add(u64::from(word >> 10 & 0xfff) << scale);
            bits &= !LOW_12;
            sink.reference(Kind::Address, target);
            if word & 0xffc0_0000 == 0xf940_0000 {
                result = Value::Pointed(target);
            }
        }
        writes = !is_store && !is_vector;
    } else if word & 0x3b00_0000 == 0x1800_0000 {
        // load of a literal
        let target = relative(signed(word >> 5, 19) * 4);
        if code.is_outside(target) {
            bits &= !DISTANCE_19;
            sink.reference(Kind::Address, target);
        }
    } else if word & 0xff9f_fc1f == 0xd61f_0000 && word >> 21 & 3 != 3 {
        // br, blr, ret
        writes = false;
        match (word >> 21 & 3, registers[rn]) {
            (1, Value::Pointed(slot)) => sink.reference(Kind::SlotCall, slot),
            (0, Value::Pointed(slot)) => sink.reference(Kind::SlotJump, slot),
            (1, _) => sink.reference(Kind::IndirectCall, 0),
            (0, _) => sink.reference(Kind::IndirectJump, 0),
            _ => {}
        }
        if word >> 21 & 3 == 1 {
            sink.flow(next, Flow::Call(0));
            called(registers);
        } else {
            sink.flow(next, Flow::Stop);
        }
    } else if word & 0x0a00_0000 == 0x0800_0000 && word & 0x0040_0000 == 0 {
        // other stores
        writes = false;
    } else if word & 0xffe0_001f == 0xd420_0000 || word >> 16 == 0 {
        // brk, udf
        writes = false;
        sink.flow(next, Flow::Stop);
    }
    if writes && rd < 31 {
        registers[rd] = result;
    }
    bits
}

/// A call leaves nothing in the registers that it may use.
fn called(registers: &mut [Value; 32]) {
    registers.iter_mut().take(19).for_each(|register| *register = Value::Unknown);
}
