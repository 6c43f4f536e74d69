//! x86-64 instructions, as far as new bytes need them: which part of its instruction the next byte is.
//!
//! In: bytes of code from left to right. Out: a [`Place`]. A start in the middle of an instruction is made good within a
//! few instructions. What is wrong costs bits, never correctness.

/// What the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Part {
    /// A prefix, or the opcode.
    Opcode = 0,
    /// The opcode behind 0F.
    Second = 1,
    /// The opcode behind 0F 38 or 0F 3A.
    Third = 2,
    /// What a prefix for vectors says.
    Vector = 3,
    /// Which registers, and how memory is addressed.
    Operands = 4,
    /// Base and index.
    Index = 5,
    /// A distance.
    Distance = 6,
    /// A number.
    Immediate = 7,
}

/// Where in its instruction the next byte is, and what came before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// What it is.
    pub(super) part: Part,
    /// Bytes of it that are left.
    pub(super) left: u8,
    /// The opcode, with 1 in the upper byte behind 0F, 2 behind 0F 38, 4 behind 0F 3A; 0 before it is known.
    pub(super) opcode: u16,
    /// The byte of operands.
    pub(super) operands: u8,
    /// The last prefix.
    pub(super) prefix: u8,
    /// Opcodes before, the last one lowest.
    pub(super) before: u32,
    /// Bytes of the number that follows.
    pub(super) immediate: u8,
    is_short: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            part: Part::Opcode,
            left: 1,
            opcode: 0,
            operands: 0,
            prefix: 0,
            before: 0,
            immediate: 0,
            is_short: false,
        }
    }
}

impl Place {
    /// Reads the next byte.
    pub(super) fn push(&mut self, byte: u8) {
        match self.part {
            Part::Opcode => match byte {
                0x66 => (self.is_short, self.prefix) = (true, byte),
                0x40..=0x4f | 0xf0 | 0xf2 | 0xf3 | 0x2e | 0x64 | 0x65 => self.prefix = byte,
                0x0f => self.part = Part::Second,
                0xc4 | 0xc5 => (self.part, self.left) = (Part::Vector, 0xc6 - byte),
                _ => self.opcode(byte.into()),
            },
            Part::Vector => {
                self.left -= 1;
                if self.left == 0 {
                    self.part = Part::Second;
                }
            }
            Part::Second if matches!(byte, 0x38 | 0x3a) => {
                self.part = Part::Third;
                self.prefix = byte;
            }
            Part::Second => self.opcode(0x100 | u16::from(byte)),
            Part::Third => self.opcode((u16::from(self.prefix & 2) << 8) + 0x200 + u16::from(byte)),
            Part::Operands => {
                self.operands = byte;
                if matches!(self.opcode, 0xf6 | 0xf7) && byte & 0x38 > 8 {
                    self.immediate = 0;
                }
                match (byte >> 6, byte & 7) {
                    (0..=2, 4) => (self.part, self.left) = (Part::Index, 1),
                    _ => self.distance(byte & 7),
                }
            }
            Part::Index => self.distance(byte & 7),
            Part::Distance | Part::Immediate => {
                self.left -= 1;
                if self.left == 0 {
                    self.number(self.part == Part::Immediate);
                }
            }
        }
    }

    fn opcode(&mut self, opcode: u16) {
        self.opcode = opcode;
        let low = opcode as u8;
        let wide = if self.is_short { 2 } else { 4 };
        let (has_operands, immediate) = match opcode >> 8 {
            0 => {
                let has_operands = matches!(low, 0x63 | 0x69 | 0x6b | 0x80..=0x8f | 0xc0 | 0xc1 | 0xc6 | 0xc7)
                    || matches!(low, 0xd0..=0xd3 | 0xd8..=0xdf | 0xf6 | 0xf7 | 0xfe | 0xff)
                    || low < 0x40 && low & 7 < 4;
                let immediate = match low {
                    0x00..=0x3f => [0, 0, 0, 0, 1, wide, 0, 0][usize::from(low & 7)],
                    0x68 | 0x69 | 0x81 | 0xa9 | 0xc7 | 0xf7 => wide,
                    0x6a | 0x6b | 0x70..=0x80 | 0x83 | 0xa8 | 0xb0..=0xb7 | 0xc0 | 0xc1 | 0xc6 | 0xcd | 0xeb | 0xf6 => {
                        1
                    }
                    0xb8..=0xbf if self.prefix & 0xf8 == 0x48 => 8,
                    0xb8..=0xbf => wide,
                    0xc2 => 2,
                    0xe8 | 0xe9 => 4,
                    _ => 0,
                };
                (has_operands, immediate)
            }
            1 => {
                let has_none = matches!(low, 0x05 | 0x06 | 0x08..=0x0b | 0x30..=0x37 | 0x77 | 0x80..=0x8f)
                    || matches!(low, 0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf);
                let immediate = match low {
                    0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => 1,
                    0x80..=0x8f => 4,
                    _ => 0,
                };
                (!has_none, immediate)
            }
            table => (true, u8::from(table == 4)),
        };
        self.immediate = immediate;
        match has_operands {
            true => (self.part, self.left) = (Part::Operands, 1),
            false => self.number(false),
        }
    }

    fn distance(&mut self, base: u8) {
        let bytes = match self.operands >> 6 {
            0 if base == 5 => 4,
            1 => 1,
            2 => 4,
            _ => 0,
        };
        match bytes {
            0 => self.number(false),
            bytes => (self.part, self.left) = (Part::Distance, bytes),
        }
    }

    fn number(&mut self, is_done: bool) {
        if self.immediate > 0 && !is_done {
            (self.part, self.left) = (Part::Immediate, self.immediate);
            return;
        }
        let before = self.before << 8 | u32::from(self.opcode as u8 ^ (self.opcode >> 8) as u8);
        *self = Self { before, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part that each byte of some instructions is.
    #[test]
    fn parts_of_instructions() {
        use Part::{Distance as D, Immediate as I, Index, Opcode as O, Operands, Second, Third, Vector};
        let check = |bytes: &[u8], expected: &[Part]| {
            let mut place = Place::default();
            let found: Vec<Part> = bytes
                .iter()
                .map(|byte| {
                    let part = place.part;
                    place.push(*byte);
                    part
                })
                .collect();
            assert_eq!(found, expected, "{bytes:x?}");
            assert_eq!((place.part, place.left), (O, 1), "{bytes:x?} are whole instructions");
        };
        // mov rax, [rip + 1]; cmp byte ptr [rip + 1], 5; mov eax, [rsp + 8]; test bl, 1; neg ebx.
        check(&[0x48, 0x8b, 5, 1, 0, 0, 0], &[O, O, Operands, D, D, D, D]);
        check(&[0x80, 0x3d, 1, 0, 0, 0, 5], &[O, Operands, D, D, D, D, I]);
        check(&[0x8b, 0x44, 0x24, 8], &[O, Operands, Index, D]);
        check(&[0xf6, 0xc3, 1, 0xf7, 0xdb], &[O, Operands, I, O, Operands]);
        // call; jne; movabs rax; mov ax, 1; ret.
        check(&[0xe8, 1, 2, 3, 4, 0x0f, 0x85, 1, 0, 0, 0], &[O, I, I, I, I, O, Second, I, I, I, I]);
        check(&[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], &[O, O, I, I, I, I, I, I, I, I]);
        check(&[0x66, 0xb8, 1, 0, 0xc3], &[O, O, I, I, O]);
        // vmovups ymm0, [rdi]; pshufb xmm0, xmm1; pinsrd xmm0, eax, 1.
        check(&[0xc5, 0xfc, 0x10, 7], &[O, Vector, Second, Operands]);
        check(&[0x66, 0x0f, 0x38, 0, 0xc1], &[O, O, Second, Third, Operands]);
        check(&[0x66, 0x0f, 0x3a, 0x22, 0xc0, 1], &[O, O, Second, Third, Operands, I]);
    }
}
