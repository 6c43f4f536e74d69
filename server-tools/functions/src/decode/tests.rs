//! Bytes and the references in them, for each instruction set; and what all decoders promise.

use super::{Code, Flow, Kind, Reference, Sink};
use crate::discover::Mode;
use crate::features::Features;
use crate::image::{Image, Machine};
use proptest::prelude::*;

const START: u64 = 0x1000;

fn references(machine: Machine, mode: Mode, code: &[u8]) -> Vec<(Kind, u64)> {
    let image = Image::of_code(machine, START, code);
    let code = Code::new(&image, START, START + code.len() as u64, mode);
    Features::of(code, &[]).references.into_iter().map(|Reference { target, kind }| (kind, target)).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn halves(halves: &[u16]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}

#[test]
fn references_of_x86_64() {
    let check = |code: &[u8], expected: &[(Kind, u64)]| {
        assert_eq!(references(Machine::X86_64, Mode::Plain, code), expected, "{code:02x?}");
    };
    check(&[0xe8, 0xfb, 0x0f, 0, 0], &[(Kind::Call, 0x2000)]);
    check(&[0xe9, 0xfb, 0x0f, 0, 0], &[(Kind::Jump, 0x2000)]);
    check(&[0x0f, 0x84, 0xfa, 0x0f, 0, 0], &[(Kind::Branch, 0x2000)]);
    check(&[0x48, 0x8d, 0x05, 0xf9, 0x0f, 0, 0], &[(Kind::Address, 0x2000)]);
    check(&[0xff, 0x15, 0xfa, 0xff, 0xff, 0xff], &[(Kind::SlotCall, 0x1000)]);
    check(&[0xff, 0x25, 0xfa, 0xff, 0xff, 0xff], &[(Kind::SlotJump, 0x1000)]);
    check(&[0xff, 0xd0], &[(Kind::IndirectCall, 0)]);
    check(&[0x74, 0x01, 0x90, 0xc3], &[]);
}

/// Position-independent code of i386 finds its data from the global offset table.
#[test]
fn references_of_i386_count_from_the_table() {
    // call thunk; add ebx, 0x1ffb; lea eax, [ebx - 0x2000]; ret; thunk: mov ebx, [esp]; ret
    let code = [
        0xe8, 0x0d, 0, 0, 0, 0x81, 0xc3, 0xfb, 0x1f, 0, 0, 0x8d, 0x83, 0, 0xe0, 0xff, 0xff, 0xc3, 0x8b, 0x1c, 0x24,
        0xc3,
    ];
    let image = Image::of_code(Machine::X86, START, &code);
    let features = Features::of(Code::new(&image, START, START + 0x12, Mode::Plain), &[]);
    let found: Vec<(Kind, u64)> = features.references.iter().map(|r| (r.kind, r.target)).collect();
    assert_eq!(found, [(Kind::Call, 0x1012), (Kind::Address, 0x1000)]);
}

#[test]
fn references_of_a64() {
    let check = |code: &[u32], expected: &[(Kind, u64)]| {
        assert_eq!(references(Machine::Aarch64, Mode::Plain, &words(code)), expected, "{code:08x?}");
    };
    check(&[0x9400_0400], &[(Kind::Call, 0x2000)]);
    check(&[0x1400_0400], &[(Kind::Jump, 0x2000)]);
    // adrp x0; add x0, x0, #16
    check(&[0xb000_0000, 0x9100_4000], &[(Kind::Address, 0x2010)]);
    // adrp x16; ldr x17, [x16, #8]; br x17: a stub
    check(&[0xb000_0010, 0xf940_0611, 0xd61f_0220], &[(Kind::Address, 0x2008), (Kind::SlotJump, 0x2008)]);
    // A call forgets x0.
    check(&[0xb000_0000, 0x9400_0400, 0x9100_4000], &[(Kind::Call, 0x2004)]);
    check(&[0xd65f_03c0], &[]);
}

#[test]
fn references_of_riscv() {
    let check = |code: Vec<u8>, expected: &[(Kind, u64)]| {
        assert_eq!(references(Machine::RiscV64, Mode::Plain, &code), expected, "{code:02x?}");
    };
    check(words(&[0x0000_1097, 0x0000_80e7]), &[(Kind::Call, 0x2000)]);
    check(words(&[0x0000_1517, 0x0105_0513]), &[(Kind::Address, 0x2010)]);
    check(words(&[0x7fd0_00ef]), &[(Kind::Call, 0x1ffc)]);
    check(halves(&[0x8082]), &[]);
    check(halves(&[0x8782]), &[(Kind::IndirectJump, 0)]);
}

#[test]
fn references_of_a32_and_t32() {
    let check = |mode, code: Vec<u8>, expected: &[(Kind, u64)]| {
        assert_eq!(references(Machine::Arm, mode, &code), expected, "{code:02x?}");
    };
    check(Mode::Plain, words(&[0xeb00_03fe]), &[(Kind::Call, 0x2000)]);
    // blx: T32 is called, which bit 0 says.
    check(Mode::Plain, words(&[0xfa00_03fe]), &[(Kind::Call, 0x2001)]);
    // ldr r0, [pc]; add r0, pc, r0; constant
    check(Mode::Plain, words(&[0xe59f_0000, 0xe08f_0000, 0x0ff4]), &[(Kind::Address, 0x2000)]);
    check(Mode::Thumb, halves(&[0xf000, 0xfffe]), &[(Kind::Call, 0x2001)]);
    // ldr r0, [pc, #0]; add r0, pc; constant
    check(Mode::Thumb, halves(&[0x4800, 0x4478, 0x0ffa, 0]), &[(Kind::Address, 0x2000)]);
}

/// Counts what a decoder tells.
struct Count(usize);

impl Sink for Count {
    fn instruction(&mut self, _: u32, _: u64) {
        self.0 += 1;
    }
    fn reference(&mut self, _: Kind, _: u64) {
        self.0 += 1;
    }
    fn flow(&mut self, _: u64, _: Flow) {
        self.0 += 1;
    }
    fn data(&mut self, _: u64, _: u64) {
        self.0 += 1;
    }
}

const MACHINES: [(Machine, Mode); 6] = [
    (Machine::X86_64, Mode::Plain),
    (Machine::X86, Mode::Plain),
    (Machine::Aarch64, Mode::Plain),
    (Machine::Arm, Mode::Plain),
    (Machine::Arm, Mode::Thumb),
    (Machine::RiscV64, Mode::Plain),
];

/// `push rbp; call function; lea rax, [datum]; ret` at an address.
fn sample(start: u64, function: u64, datum: u64) -> Vec<u8> {
    let call = (function.wrapping_sub(start + 6) as u32).to_le_bytes();
    let lea = (datum.wrapping_sub(start + 13) as u32).to_le_bytes();
    [&[0x55, 0xe8][..], &call, &[0x48, 0x8d, 0x05], &lea, &[0xc3]].concat()
}

proptest! {
    /// Any bytes are decoded without a panic, and tell little more than there are bytes.
    #[test]
    fn any_bytes_are_decoded(code in prop::collection::vec(any::<u8>(), 0..400)) {
        for (machine, mode) in MACHINES {
            let image = Image::of_code(machine, START, &code);
            let mut count = Count(0);
            Code::new(&image, START, START + code.len() as u64, mode).decode(&mut count);
            // A table of jumps tells up to 256 targets for the four bytes that read it.
            prop_assert!(count.0 <= 64 * code.len() + 64);
            super::stub_slot(&image, START);
        }
    }

    /// The same function elsewhere, with what it refers to elsewhere, has the same features but for its bytes.
    #[test]
    fn addresses_do_not_count(
        starts in prop::array::uniform2(0x1000_u64..0x10_0000),
        functions in prop::array::uniform2(0x20_0000_u64..0x30_0000),
        data in prop::array::uniform2(0x40_0000_u64..0x50_0000),
    ) {
        let features = [0, 1].map(|index| {
            let code = sample(starts[index], functions[index], data[index]);
            let image = Image::of_code(Machine::X86_64, starts[index], &code);
            let end = starts[index] + code.len() as u64;
            Features::of(Code::new(&image, starts[index], end, Mode::Plain), &[])
        });
        prop_assert_eq!(features[0].masked, features[1].masked);
        prop_assert_eq!(features[0].operations, features[1].operations);
        let targets = [functions[0], data[0]];
        prop_assert_eq!(features[0].references.iter().map(|r| r.target).collect::<Vec<_>>(), targets);
    }
}
