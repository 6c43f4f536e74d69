//! A reference in the bytes of an executable, and the ways in which its field is written.
//!
//! In: the field's bytes, the address they are at, and where they point. Out: the bytes that point elsewhere from
//! elsewhere. Bits of an instruction that are not part of the field stay as they are.

/// A reference that `find` saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Where the field starts in the window.
    pub at: u32,
    /// Bytes that hold the field.
    pub width: u8,
    /// How it is written.
    pub form: Form,
    /// The address that it leads to. Forms that hold a part of an address only say how it is completed.
    pub target: u64,
    /// The address from which it is measured, for forms that say so; else 0. An anchor moves like a target does.
    pub anchor: u64,
}

/// Bytes of an entry of an ELF64 symbol table.
pub(super) const ENTRY_BYTES: u64 = 24;

/// How a field is written. `address` is that of the field's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// x86 `call` and `jmp`: 32-bit distance from the end of the field.
    Call32,
    /// x86 conditional jump: 32-bit distance from the end of the field.
    Jump32,
    /// x86-64 operand: 32-bit distance from the end of the instruction, which is `trailing` bytes behind the field.
    Operand32 {
        /// Bytes of an immediate operand that follow: 0, 1, 2 or 4.
        trailing: u8,
    },
    /// 64-bit address.
    Absolute64,
    /// 32-bit address.
    Absolute32,
    /// 32-bit distance from the field itself.
    Distance32,
    /// 32-bit distance back from the field: subtracted from the field's address.
    Back32,
    /// 32-bit distance from the anchor.
    Anchored32,
    /// Number of an entry of 24 bytes behind the anchor.
    Indexed32,
    /// 32-bit length of what starts at the anchor; the target is its last byte, which is more likely to stay part of it
    /// than the byte behind it.
    Length32,
    /// AArch64 `b` and `bl`: 26 bits, words from the instruction.
    Branch26,
    /// AArch64 `b.cond`, `cbz`, `cbnz` and loads of literals: 19 bits at bit 5, words from the instruction.
    Branch19,
    /// AArch64 `tbz` and `tbnz`: 14 bits at bit 5, words from the instruction.
    Branch14,
    /// AArch64 `adr`: 21 bits, bytes from the instruction.
    Near21,
    /// AArch64 `adrp`: 21 bits, pages of 4096 bytes from the instruction's page. The anchor is the expected target; the
    /// low 12 bits of what is read are the anchor's.
    Page21,
    /// AArch64 `add` and loads and stores behind `adrp`: the low 12 bits of an address, shifted right by `shift`. The
    /// anchor is the expected target; the page of what is read is the anchor's.
    PageOffset {
        /// Log2 of the bytes that the instruction reads or writes; 0 for `add`.
        shift: u8,
    },
    /// A32 `b` and `bl`: 24 bits, words from two instructions further.
    Branch24,
    /// A32 `blx`: 24 bits and a bit for half of a word, from two instructions further.
    Exchange25,
    /// Thumb `b.w` and `bl`: 24 bits, half-words from 4 bytes further.
    ThumbBranch24,
    /// Thumb `blx`: as `bl`, but to a word, counted from a word.
    ThumbExchange24,
    /// Thumb conditional `b.w`: 20 bits, half-words from 4 bytes further.
    ThumbBranch20,
    /// `movw` or `movt`: a half of the distance from a place `ahead` bytes further; of the address if `ahead` is 0. The
    /// anchor is the expected target; the other half of what is read is the anchor's.
    MoveHalf {
        /// Whether it is the upper half.
        is_high: bool,
        /// Whether the instruction is a Thumb one.
        is_thumb: bool,
        /// Bytes to where the distance counts from.
        ahead: u8,
    },
    /// RISC-V `jal`: 20 bits, half-words from the instruction.
    Jump20,
    /// RISC-V conditional branch: 12 bits, half-words from the instruction.
    Branch12,
    /// RISC-V `auipc`: the upper 20 bits of a distance from the instruction, rounded for what is added later. The anchor
    /// is the expected target, from which what is added is taken.
    High20,
    /// RISC-V instruction behind `auipc`: the low 12 bits of the distance, signed. The anchor is the expected target, from
    /// which the upper bits are taken.
    Low12 {
        /// Whether it is a store, which has its bits elsewhere.
        is_store: bool,
        /// Bytes back to the `auipc`.
        back: u8,
    },
    /// ARM unwind tables: 31-bit distance from the field itself; the highest bit says something else.
    Distance31,
}

fn word(bytes: &[u8]) -> u32 {
    match bytes.first_chunk::<4>() {
        Some(word) => u32::from_le_bytes(*word),
        None => 0,
    }
}

fn set_word(bytes: &mut [u8], word: u32) {
    if let Some(field) = bytes.first_chunk_mut::<4>() {
        *field = word.to_le_bytes();
    }
}

/// A signed 32-bit distance as a difference of addresses.
pub(super) fn signed(distance: u32) -> u64 {
    i64::from(distance as i32) as u64
}

impl Form {
    /// Bytes that hold the field.
    pub const fn width(self) -> u8 {
        match self {
            Self::Absolute64 => 8,
            _ => 4,
        }
    }

    /// The bits of the field in its word; the others are fixed.
    fn mask(self) -> u32 {
        self.placed(u32::MAX)
    }

    /// Bits of the number that the field holds.
    const fn bits(self) -> u32 {
        match self {
            Self::Branch26 => 26,
            Self::Exchange25 => 25,
            Self::Branch24 | Self::ThumbBranch24 | Self::ThumbExchange24 => 24,
            Self::Near21 | Self::Page21 => 21,
            Self::ThumbBranch20 | Self::Jump20 | Self::High20 => 20,
            Self::Branch19 => 19,
            Self::MoveHalf { .. } => 16,
            Self::Branch14 => 14,
            Self::PageOffset { .. } | Self::Branch12 | Self::Low12 { .. } => 12,
            Self::Distance31 => 31,
            _ => 32,
        }
    }

    /// The number, which may be longer than the field, at the place of the field.
    fn placed(self, number: u32) -> u32 {
        let part = |from: u32, bits: u32| number >> from & ((1 << bits) - 1);
        match self {
            Self::Branch26 => part(0, 26),
            Self::Branch19 => part(0, 19) << 5,
            Self::Branch14 => part(0, 14) << 5,
            Self::Near21 | Self::Page21 => part(0, 2) << 29 | part(2, 19) << 5,
            Self::PageOffset { .. } => part(0, 12) << 10,
            Self::Branch24 => part(0, 24),
            Self::Exchange25 => part(1, 24) | part(0, 1) << 24,
            // Two bits are stored as whether they differ from the sign; `mixed` does that.
            Self::ThumbBranch24 => {
                part(23, 1) << 10 | part(22, 1) << 29 | part(21, 1) << 27 | part(11, 10) | part(0, 11) << 16
            }
            Self::ThumbExchange24 => {
                part(23, 1) << 10 | part(22, 1) << 29 | part(21, 1) << 27 | part(11, 10) | part(1, 10) << 17
            }
            Self::ThumbBranch20 => {
                part(19, 1) << 10 | part(18, 1) << 27 | part(17, 1) << 29 | part(11, 6) | part(0, 11) << 16
            }
            Self::MoveHalf { is_thumb: false, .. } => part(12, 4) << 16 | part(0, 12),
            Self::MoveHalf { is_thumb: true, .. } => {
                part(12, 4) | part(11, 1) << 10 | part(8, 3) << 28 | part(0, 8) << 16
            }
            Self::Jump20 => part(19, 1) << 31 | part(0, 10) << 21 | part(10, 1) << 20 | part(11, 8) << 12,
            Self::Branch12 => part(11, 1) << 31 | part(4, 6) << 25 | part(0, 4) << 8 | part(10, 1) << 7,
            Self::High20 => part(0, 20) << 12,
            Self::Low12 { is_store: false, .. } => part(0, 12) << 20,
            Self::Low12 { is_store: true, .. } => part(5, 7) << 25 | part(0, 5) << 7,
            Self::Distance31 => part(0, 31),
            _ => number,
        }
    }

    /// The number at the place of the field: the inverse of `placed`, without a sign.
    fn taken(self, word: u32) -> u32 {
        let part = |at: u32, bits: u32| word >> at & ((1 << bits) - 1);
        match self {
            Self::Branch26 => part(0, 26),
            Self::Branch19 => part(5, 19),
            Self::Branch14 => part(5, 14),
            Self::Near21 | Self::Page21 => part(29, 2) | part(5, 19) << 2,
            Self::PageOffset { .. } => part(10, 12),
            Self::Branch24 => part(0, 24),
            Self::Exchange25 => part(0, 24) << 1 | part(24, 1),
            Self::ThumbBranch24 => {
                part(10, 1) << 23 | part(29, 1) << 22 | part(27, 1) << 21 | part(0, 10) << 11 | part(16, 11)
            }
            Self::ThumbExchange24 => {
                part(10, 1) << 23 | part(29, 1) << 22 | part(27, 1) << 21 | part(0, 10) << 11 | part(17, 10) << 1
            }
            Self::ThumbBranch20 => {
                part(10, 1) << 19 | part(27, 1) << 18 | part(29, 1) << 17 | part(0, 6) << 11 | part(16, 11)
            }
            Self::MoveHalf { is_thumb: false, .. } => part(16, 4) << 12 | part(0, 12),
            Self::MoveHalf { is_thumb: true, .. } => {
                part(0, 4) << 12 | part(10, 1) << 11 | part(28, 3) << 8 | part(16, 8)
            }
            Self::Jump20 => part(31, 1) << 19 | part(21, 10) | part(20, 1) << 10 | part(12, 8) << 11,
            Self::Branch12 => part(31, 1) << 11 | part(25, 6) << 4 | part(8, 4) | part(7, 1) << 10,
            Self::High20 => part(12, 20),
            Self::Low12 { is_store: false, .. } => part(20, 12),
            Self::Low12 { is_store: true, .. } => part(25, 7) << 5 | part(7, 5),
            Self::Distance31 => part(0, 31),
            _ => word,
        }
    }

    /// In two forms, bits 22 and 21 are stored as whether they equal the sign.
    fn mixed(self, number: u32) -> u32 {
        match self {
            Self::ThumbBranch24 | Self::ThumbExchange24 if number >> 23 & 1 == 0 => number ^ 0x60_0000,
            _ => number,
        }
    }

    fn read(self, word: u32) -> u32 {
        self.mixed(self.taken(word))
    }

    /// The number that the field holds, with its sign.
    fn read_signed(self, word: u32) -> u64 {
        let unused = 32 - self.bits();
        signed(((self.read(word) << unused) as i32 >> unused) as u32)
    }

    fn write(self, bytes: &mut [u8], number: u32) {
        let mask = self.mask();
        set_word(bytes, word(bytes) & !mask | self.placed(self.mixed(number)) & mask);
    }
}

/// The low 12 bits of a distance, signed.
fn low_12(distance: u64) -> u64 {
    signed((distance as u32) << 20 >> 20 ^ 0x800).wrapping_sub(0x800)
}

/// Where the halves of a `movw` and `movt` pair count from.
fn counter(address: u64, ahead: u8) -> u64 {
    if ahead == 0 { 0 } else { address.wrapping_add(ahead.into()) }
}

/// Log2 of the distance between targets that a field can tell apart.
pub const fn granularity_log2(form: Form) -> u8 {
    match form {
        Form::Exchange25 | Form::ThumbBranch24 | Form::ThumbBranch20 | Form::Jump20 | Form::Branch12 => 1,
        Form::Branch26 | Form::Branch24 | Form::ThumbExchange24 | Form::Branch19 | Form::Branch14 => 2,
        Form::Page21 | Form::High20 => 12,
        Form::MoveHalf { is_high: true, .. } => 16,
        Form::PageOffset { shift } => shift,
        _ => 0,
    }
}

/// Writes the field at the start of `bytes`, which are at `address`, so that it leads to `target`. What does not fit is
/// cut off.
pub fn put(form: Form, bytes: &mut [u8], address: u64, target: u64, anchor: u64) {
    let distance = target.wrapping_sub(address);
    let number = match form {
        Form::Absolute64 => {
            if let Some(field) = bytes.first_chunk_mut::<8>() {
                *field = target.to_le_bytes();
            }
            return;
        }
        Form::Call32 | Form::Jump32 => distance.wrapping_sub(4),
        Form::Operand32 { trailing } => distance.wrapping_sub(4 + u64::from(trailing)),
        Form::Absolute32 => target,
        Form::Distance32 | Form::Distance31 | Form::Near21 => distance,
        Form::Back32 => distance.wrapping_neg(),
        Form::Anchored32 => target.wrapping_sub(anchor),
        Form::Indexed32 => target.wrapping_sub(anchor) / ENTRY_BYTES,
        Form::Length32 => target.wrapping_sub(anchor).wrapping_add(1),
        Form::Branch26 | Form::Branch19 | Form::Branch14 => distance >> 2,
        Form::Page21 => (target >> 12).wrapping_sub(address >> 12),
        Form::PageOffset { shift } => (target & 0xfff) >> (shift & 7),
        Form::Branch24 => distance.wrapping_sub(8) >> 2,
        Form::Exchange25 => distance.wrapping_sub(8) >> 1,
        Form::ThumbBranch24 | Form::ThumbBranch20 => distance.wrapping_sub(4) >> 1,
        Form::ThumbExchange24 => target.wrapping_sub(address & !3).wrapping_sub(4) >> 1,
        Form::MoveHalf { is_high, ahead, .. } => {
            target.wrapping_sub(counter(address, ahead)) >> if is_high { 16 } else { 0 }
        }
        Form::Jump20 | Form::Branch12 => distance >> 1,
        Form::High20 => distance.wrapping_add(0x800) >> 12,
        Form::Low12 { back, .. } => distance.wrapping_add(back.into()),
    };
    form.write(bytes, number as u32);
}

/// The address that the field at the start of `bytes` leads to; nothing when its other bits are not those of `pattern`,
/// or when it cannot be a field of this form.
pub fn get(form: Form, bytes: &[u8], pattern: &[u8], address: u64, anchor: u64) -> Option<u64> {
    if let Form::Absolute64 = form {
        return Some(u64::from_le_bytes(*bytes.first_chunk()?));
    }
    let field = u32::from_le_bytes(*bytes.first_chunk()?);
    if (field ^ word(pattern)) & !form.mask() != 0 {
        return None;
    }
    let number = form.read_signed(field);
    let from = |base: u64, distance: u64| base.wrapping_add(distance);
    Some(match form {
        Form::Call32 | Form::Jump32 => from(address.wrapping_add(4), number),
        Form::Operand32 { trailing } => from(address.wrapping_add(4 + u64::from(trailing)), number),
        Form::Absolute32 | Form::Absolute64 => u64::from(field),
        Form::Distance32 | Form::Distance31 | Form::Near21 => from(address, number),
        Form::Back32 => address.wrapping_sub(number),
        Form::Anchored32 => from(anchor, number),
        Form::Indexed32 => from(anchor, u64::from(field) * ENTRY_BYTES),
        Form::Length32 => from(anchor.wrapping_sub(1), u64::from(field)),
        Form::Branch26 | Form::Branch19 | Form::Branch14 => from(address, number << 2),
        Form::Page21 => from(address & !0xfff, number << 12) | anchor & 0xfff,
        Form::PageOffset { shift } => {
            let offset = u64::from(form.read(field)) << (shift & 7);
            if offset > 0xfff {
                return None;
            }
            anchor & !0xfff | offset
        }
        Form::Branch24 => from(address.wrapping_add(8), number << 2),
        Form::Exchange25 => from(address.wrapping_add(8), number << 1),
        Form::ThumbBranch24 | Form::ThumbBranch20 => from(address.wrapping_add(4), number << 1),
        Form::ThumbExchange24 => from((address & !3).wrapping_add(4), number << 1),
        Form::MoveHalf { is_high, ahead, .. } => {
            let counter = counter(address, ahead);
            let expected = anchor.wrapping_sub(counter) as u32;
            let half = form.read(field);
            let value = if is_high { half << 16 | expected & 0xffff } else { expected & 0xffff_0000 | half };
            if ahead == 0 { value.into() } else { from(counter, signed(value)) }
        }
        Form::Jump20 | Form::Branch12 => from(address, number << 1),
        Form::High20 => from(address, number << 12).wrapping_add(low_12(anchor.wrapping_sub(address))),
        Form::Low12 { back, .. } => {
            let expected = anchor.wrapping_sub(address.wrapping_sub(back.into()));
            anchor.wrapping_sub(low_12(expected)).wrapping_add(number)
        }
    })
}

/// Writes a label in place of the field: fields with equal labels look equal, others differ.
pub fn label(form: Form, bytes: &mut [u8], label: u64) {
    let hash = label.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match form {
        Form::Absolute64 => {
            if let Some(field) = bytes.first_chunk_mut::<8>() {
                *field = hash.to_le_bytes();
            }
        }
        _ => {
            let mask = form.mask();
            set_word(bytes, word(bytes) & !mask | (hash >> 32) as u32 & mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forms() -> impl Strategy<Value = Form> {
        prop_oneof![
            Just(Form::Call32),
            Just(Form::Jump32),
            (0..5u8).prop_map(|trailing| Form::Operand32 { trailing }),
            Just(Form::Absolute64),
            Just(Form::Absolute32),
            Just(Form::Distance32),
            Just(Form::Back32),
            Just(Form::Anchored32),
            Just(Form::Indexed32),
            Just(Form::Length32),
            Just(Form::Branch26),
            Just(Form::Branch19),
            Just(Form::Branch14),
            Just(Form::Near21),
            Just(Form::Page21),
            (0..5u8).prop_map(|shift| Form::PageOffset { shift }),
            Just(Form::Branch24),
            Just(Form::Exchange25),
            Just(Form::ThumbBranch24),
            Just(Form::ThumbExchange24),
            Just(Form::ThumbBranch20),
            (any::<bool>(), any::<bool>(), any::<u8>()).prop_map(|(is_high, is_thumb, ahead)| Form::MoveHalf {
                is_high,
                is_thumb,
                ahead
            }),
            Just(Form::Distance31),
            Just(Form::Jump20),
            Just(Form::Branch12),
            Just(Form::High20),
            (any::<bool>(), any::<u8>()).prop_map(|(is_store, back)| Form::Low12 { is_store, back }),
        ]
    }

    proptest! {
        /// What is read and written again is what was there, at any address and from any anchor; what is written
        /// differently keeps the bits that are not the field's.
        #[test]
        fn reading_and_writing_agree(
            form in forms(), bytes: [u8; 8], other: [u8; 8], address: u64, anchor: u64, target: u64,
        ) {
            let mut written = bytes;
            if let Some(read) = get(form, &bytes, &bytes, address, anchor) {
                put(form, &mut written, address, read, anchor);
                prop_assert_eq!(written, bytes);
            }
            put(form, &mut written, address, target, anchor);
            prop_assert!(get(form, &written, &bytes, address, anchor).is_some());
            let mut labelled = bytes;
            label(form, &mut labelled, target);
            prop_assert_eq!(word(&labelled) & !form.mask(), word(&bytes) & !form.mask());
            if let Some(read) = get(form, &bytes, &other, address, anchor) {
                let mut written = other;
                put(form, &mut written, address, read, anchor);
                prop_assert_eq!(&written[..form.width().into()], &bytes[..form.width().into()]);
            }
        }

        /// No length of bytes is a panic.
        #[test]
        fn short_fields_are_left_alone(form in forms(), bytes: Vec<u8>, address: u64, target: u64) {
            let mut bytes = bytes;
            bytes.truncate(10);
            put(form, &mut bytes, address, target, target);
            label(form, &mut bytes, target);
            get(form, &bytes, &[], address, target);
        }
    }

    fn check(form: Form, bytes: [u8; 4], address: u64, anchor: u64, target: u64) {
        assert_eq!(get(form, &bytes, &bytes, address, anchor), Some(target), "{form:?}");
        let mut written = bytes;
        form.write(&mut written, 0);
        put(form, &mut written, address, target, anchor);
        assert_eq!(written, bytes, "{form:?}");
    }

    /// Encodings as a disassembler shows them.
    #[test]
    fn known_encodings() {
        check(Form::Call32, [0xfb, 0xff, 0xff, 0xff], 0x1001, 0, 0x1000);
        // cmp byte ptr [rip+0x10], 5 at 0x1000 is seven bytes long.
        check(Form::Operand32 { trailing: 1 }, [0x10, 0, 0, 0], 0x1002, 0, 0x1017);
        check(Form::Length32, [0x20, 0, 0, 0], 0, 0x5000, 0x501f);
        check(Form::Branch26, 0x97ff_ffff_u32.to_le_bytes(), 0x1000, 0, 0xffc);
        check(Form::Branch19, 0x54ff_ffe1_u32.to_le_bytes(), 0x1000, 0, 0xffc);
        check(Form::Branch14, 0x3607_ffc0_u32.to_le_bytes(), 0x1000, 0, 0x1000 - 8);
        check(Form::Near21, 0x7000_0000_u32.to_le_bytes(), 0x1000, 0, 0x1003);
        check(Form::Page21, 0xf000_0013_u32.to_le_bytes(), 0x1234, 0x777, 0x4777);
        check(Form::PageOffset { shift: 3 }, 0xf940_0e73_u32.to_le_bytes(), 0, 0x4000, 0x4018);
        // bl to itself, blx over an odd half-word, in A32; bl, blx and bne.w in Thumb.
        check(Form::Branch24, 0xebff_fffe_u32.to_le_bytes(), 0x8000, 0, 0x8000);
        check(Form::Exchange25, 0xfb00_0000_u32.to_le_bytes(), 0x8000, 0, 0x800a);
        check(Form::ThumbBranch24, [0xff, 0xf7, 0xfe, 0xff], 0x8002, 0, 0x8002);
        check(Form::ThumbBranch24, [0x00, 0xf0, 0x00, 0xf8], 0x8002, 0, 0x8006);
        check(Form::ThumbExchange24, [0x00, 0xf0, 0x02, 0xe8], 0x8002, 0, 0x8008);
        check(Form::ThumbBranch20, [0x7f, 0xf4, 0xfe, 0xaf], 0x8000, 0, 0x8000);
        // movw r0, #0x5678 and movt r0, #0x1234, in A32 and in Thumb.
        let half = |is_high, is_thumb| Form::MoveHalf { is_high, is_thumb, ahead: 0 };
        check(half(false, false), 0xe305_0678_u32.to_le_bytes(), 0, 0x1234_0000, 0x1234_5678);
        check(half(true, false), 0xe341_0234_u32.to_le_bytes(), 0, 0x5678, 0x1234_5678);
        check(half(false, true), [0x45, 0xf2, 0x78, 0x60], 0, 0x1234_0000, 0x1234_5678);
        check(half(true, true), [0xc1, 0xf2, 0x34, 0x20], 0, 0x5678, 0x1234_5678);
        // RISC-V: j to four bytes before, bne to eight bytes behind, auipc and addi for 0x12345 behind.
        check(Form::Jump20, 0xffdf_f06f_u32.to_le_bytes(), 0x1000, 0, 0xffc);
        check(Form::Branch12, 0x00b5_1463_u32.to_le_bytes(), 0x1000, 0, 0x1008);
        check(Form::High20, 0x0001_2517_u32.to_le_bytes(), 0x1000, 0x1345, 0x1_3345);
        check(Form::Low12 { is_store: false, back: 4 }, 0x3455_0513_u32.to_le_bytes(), 0x1004, 0x1_3000, 0x1_3345);
    }
}
