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

/// The `bits` at bit 5 of an instruction, signed, times four.
fn words_at_5(instruction: u32, bits: u32) -> u64 {
    let left = 27 - bits;
    signed((((instruction << left) as i32) >> (32 - bits)) as u32) << 2
}

fn pages(instruction: u32) -> u64 {
    let value = (instruction >> 3) & 0x1f_fffc | (instruction >> 29) & 3;
    signed((((value << 11) as i32) >> 11) as u32)
}

/// Bits of an instruction that are the field; the others are fixed.
const PAGE_MASK: u32 = 0x60ff_ffe0;
const BRANCH_26_MASK: u32 = 0x03ff_ffff;
const BRANCH_19_MASK: u32 = 0x00ff_ffe0;
const BRANCH_14_MASK: u32 = 0x0007_ffe0;
const OFFSET_MASK: u32 = 0x003f_fc00;

impl Form {
    /// Bytes that hold the field.
    pub const fn width(self) -> u8 {
        match self {
            Self::Absolute64 => 8,
            _ => 4,
        }
    }

    /// The bits of the field, for forms that share their bytes with an instruction.
    const fn mask(self) -> u32 {
        match self {
            Self::Branch26 => BRANCH_26_MASK,
            Self::Branch19 => BRANCH_19_MASK,
            Self::Branch14 => BRANCH_14_MASK,
            Self::Near21 | Self::Page21 => PAGE_MASK,
            Self::PageOffset { .. } => OFFSET_MASK,
            _ => u32::MAX,
        }
    }

    /// The value at the place of the field.
    fn placed(self, value: u32) -> u32 {
        match self {
            Self::Branch26 => value,
            Self::Branch19 | Self::Branch14 => value << 5,
            Self::Near21 | Self::Page21 => (value & 3) << 29 | (value >> 2 & 0x7_ffff) << 5,
            Self::PageOffset { .. } => value << 10,
            _ => value,
        }
    }

    fn set(self, bytes: &mut [u8], value: u32) {
        let mask = self.mask();
        set_word(bytes, word(bytes) & !mask | self.placed(value) & mask);
    }
}

/// Log2 of the distance between targets that a field can tell apart.
pub const fn granularity_log2(form: Form) -> u8 {
    match form {
        Form::Branch26 | Form::Branch19 | Form::Branch14 => 2,
        Form::Page21 => 12,
        Form::PageOffset { shift } => shift,
        _ => 0,
    }
}

/// Writes the field at the start of `bytes`, which are at `address`, so that it leads to `target`. What does not fit is
/// cut off.
pub fn put(form: Form, bytes: &mut [u8], address: u64, target: u64, anchor: u64) {
    let distance = target.wrapping_sub(address);
    let value = match form {
        Form::Call32 | Form::Jump32 => distance.wrapping_sub(4),
        Form::Operand32 { trailing } => distance.wrapping_sub(4 + u64::from(trailing)),
        Form::Absolute64 => {
            if let Some(field) = bytes.first_chunk_mut::<8>() {
                *field = target.to_le_bytes();
            }
            return;
        }
        Form::Absolute32 => target,
        Form::Distance32 | Form::Near21 => distance,
        Form::Back32 => distance.wrapping_neg(),
        Form::Anchored32 => target.wrapping_sub(anchor),
        Form::Length32 => target.wrapping_sub(anchor).wrapping_add(1),
        Form::Branch26 | Form::Branch19 | Form::Branch14 => distance >> 2,
        Form::Page21 => (target >> 12).wrapping_sub(address >> 12),
        Form::PageOffset { shift } => (target & 0xfff) >> (shift & 7),
    };
    form.set(bytes, value as u32);
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
    let from = |base: u64, distance: u64| base.wrapping_add(distance);
    Some(match form {
        Form::Call32 | Form::Jump32 => from(address.wrapping_add(4), signed(field)),
        Form::Operand32 { trailing } => from(address.wrapping_add(4 + u64::from(trailing)), signed(field)),
        Form::Absolute32 | Form::Absolute64 => u64::from(field),
        Form::Distance32 => from(address, signed(field)),
        Form::Back32 => address.wrapping_sub(signed(field)),
        Form::Anchored32 => from(anchor, signed(field)),
        Form::Length32 => from(anchor.wrapping_sub(1), u64::from(field)),
        Form::Branch26 => from(address, signed((((field << 6) as i32) >> 6) as u32) << 2),
        Form::Branch19 => from(address, words_at_5(field, 19)),
        Form::Branch14 => from(address, words_at_5(field, 14)),
        Form::Near21 => from(address, pages(field)),
        Form::Page21 => from(address & !0xfff, pages(field) << 12) | anchor & 0xfff,
        Form::PageOffset { shift } => {
            let offset = u64::from((field & OFFSET_MASK) >> 10) << (shift & 7);
            if offset > 0xfff {
                return None;
            }
            anchor & !0xfff | offset
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
            Just(Form::Length32),
            Just(Form::Branch26),
            Just(Form::Branch19),
            Just(Form::Branch14),
            Just(Form::Near21),
            Just(Form::Page21),
            (0..5u8).prop_map(|shift| Form::PageOffset { shift }),
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
        form.set(&mut written, 0);
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
    }
}
