//! The instructions of one function: what remains of them when addresses are taken out, and where they refer to.
//!
//! In: the bytes of a function. Out, into a [`Sink`]: for each instruction a number that names its operation, and its
//! bits without the fields that hold addresses; each reference; where control goes. One file for each instruction set,
//! each one pass from the first byte to the last, so time is linear and no byte can make it more. Unknown bits are an
//! instruction without references.

mod a32;
mod a64;
mod arm;
mod riscv;
mod t32;
mod x86;

#[cfg(test)]
mod tests;

use crate::discover::Mode;
use crate::image::{Image, Machine};

/// How an instruction refers to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Calls an address.
    Call,
    /// Jumps out of the function to an address.
    Jump,
    /// Jumps out of the function to an address, or goes on.
    Branch,
    /// Calls what the pointer at an address leads to.
    SlotCall,
    /// Jumps to what the pointer at an address leads to.
    SlotJump,
    /// Computes an address, or reads or writes there.
    Address,
    /// Calls what only the running program knows.
    IndirectCall,
    /// Jumps to where only the running program knows.
    IndirectJump,
}

/// A reference from code. Targets of calls on ARM say with bit 0 that T32 is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) target: u64,
    pub(crate) kind: Kind,
}

/// Where control goes, for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// To an address, or on.
    Branch(u64),
    /// To an address.
    Jump(u64),
    /// To an address, and back to the next instruction, if it returns.
    Call(u64),
    /// Not on: a return, a jump to an unknown place, a trap.
    Stop,
}

/// Takes what a decoder finds.
pub(crate) trait Sink {
    /// An instruction: its operation, and its bits without addresses.
    fn instruction(&mut self, operation: u32, bits: u64);
    /// A reference of the instruction that comes next or just came.
    fn reference(&mut self, kind: Kind, target: u64);
    /// Control leaves the instruction before `next`.
    fn flow(&mut self, _next: u64, _flow: Flow) {}
    /// Data between instructions, from an address to another.
    fn data(&mut self, _from: u64, _to: u64) {}
}

/// The bytes of a function.
#[derive(Clone, Copy)]
pub(crate) struct Code<'i> {
    pub(crate) image: &'i Image<'i>,
    pub(crate) start: u64,
    pub(crate) bytes: &'i [u8],
    pub(crate) mode: Mode,
}

impl<'i> Code<'i> {
    /// The code from `start` to `end`, as far as the file has it.
    pub(crate) fn new(image: &'i Image<'i>, start: u64, end: u64, mode: Mode) -> Self {
        let bytes = image.bytes(start);
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX).min(bytes.len());
        Self { image, start, bytes: bytes.get(..length).unwrap_or_default(), mode }
    }

    /// Reads all of it.
    pub(crate) fn decode(self, sink: &mut impl Sink) {
        match (self.image.machine, self.mode) {
            (Machine::X86_64 | Machine::X86, _) => x86::decode(self, sink),
            (Machine::Aarch64, _) => a64::decode(self, sink),
            (Machine::Arm, Mode::Plain) => a32::decode(self, sink),
            (Machine::Arm, Mode::Thumb) => t32::decode(self, sink),
            (Machine::RiscV64, _) => riscv::decode(self, sink),
        }
    }

    fn end(&self) -> u64 {
        self.start.wrapping_add(self.bytes.len() as u64)
    }

    /// Whether an address is not inside this function; its own start counts as outside, being called by itself.
    fn is_outside(&self, target: u64) -> bool {
        target <= self.start || target >= self.end()
    }

    fn half(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?;
        bytes.try_into().ok().map(|bytes| u16::from_le_bytes(bytes).into())
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    }

    /// The word at an address of this function.
    fn word_at(&self, address: u64) -> Option<u32> {
        self.word(usize::try_from(address.checked_sub(self.start)?).ok()?)
    }
}

/// The low `bits` of a value as a signed number.
fn signed(value: u32, bits: u32) -> i64 {
    i64::from((value << (32 - bits)) as i32 >> (32 - bits))
}

/// The pointer through which the code at an address jumps on, if it is a stub for an import: a few instructions that end
/// in such a jump.
pub(crate) fn stub_slot(image: &Image<'_>, address: u64) -> Option<u64> {
    /// Stops at the first jump or call.
    struct First(Option<Option<u64>>);
    impl Sink for First {
        fn instruction(&mut self, _: u32, _: u64) {}
        fn reference(&mut self, kind: Kind, target: u64) {
            if !matches!(kind, Kind::Address | Kind::Branch) {
                self.0.get_or_insert((kind == Kind::SlotJump).then_some(target));
            }
        }
    }
    let mode = if image.machine.code(address) == address { Mode::Plain } else { Mode::Thumb };
    let start = image.machine.code(address);
    let mut first = First(None);
    // T32 callers enter through `bx pc; nop`, four bytes before the A32 stub.
    let (start, mode) = match mode {
        Mode::Thumb if image.word(start) == Some(0x46c0_4778) => (start + 4, Mode::Plain),
        mode => (start, mode),
    };
    Code::new(image, start, start.saturating_add(20), mode).decode(&mut first);
    first.0.flatten()
}
