//! What A32 and T32 share: constants between instructions, and addresses that are a constant plus where the program is.

use super::{Code, Kind, Sink};

/// What a register is known to hold.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Unknown,
    /// A constant, by its place in the list of constants.
    Constant(u32, usize),
    Address(u64),
    /// What the pointer at an address leads to.
    Pointed(u64),
}

/// Registers and constants of one function.
pub(super) struct State {
    registers: [Value; 16],
    /// Constants in order of their loads; those that turn out to be distances are taken out.
    constants: Vec<Option<u32>>,
    /// Addresses of constants of 4 bytes in the code, the last one first.
    pool: Vec<u64>,
}

impl State {
    /// A state before the first instruction, for code with constants at the given addresses.
    pub(super) fn new(mut pool: Vec<u64>) -> Self {
        pool.sort_unstable_by(|a, b| b.cmp(a));
        pool.dedup();
        Self { registers: [Value::Unknown; 16], constants: Vec::new(), pool }
    }

    /// Whether a constant is at an address; asked for one address after the other.
    pub(super) fn is_constant(&mut self, address: u64) -> bool {
        while self.pool.pop_if(|constant| *constant < address).is_some() {}
        self.pool.last() == Some(&address)
    }

    fn set(&mut self, register: u32, value: Value) {
        if let Some(place) = self.registers.get_mut(register as usize) {
            *place = value;
        }
    }

    fn get(&self, register: u32) -> Value {
        self.registers.get(register as usize).copied().unwrap_or(Value::Unknown)
    }

    pub(super) fn forget(&mut self, register: u32) {
        self.set(register, Value::Unknown);
    }

    /// `register` is loaded with a constant.
    pub(super) fn constant(&mut self, register: u32, constant: u32) {
        self.set(register, Value::Constant(constant, self.constants.len()));
        self.constants.push(Some(constant));
    }

    /// `register` keeps its low half and gets another high one.
    pub(super) fn high_half(&mut self, register: u32, half: u32) {
        if let Value::Constant(low, index) = self.get(register) {
            let constant = low & 0xffff | half << 16;
            self.set(register, Value::Constant(constant, index));
            self.constants[index] = Some(constant);
        }
    }

    fn take(&mut self, register: u32) -> Option<u32> {
        let Value::Constant(constant, index) = self.get(register) else { return None };
        self.constants[index] = None;
        Some(constant)
    }

    /// `to` = `from` + `here`: an address, if `from` held a constant.
    pub(super) fn add_here(&mut self, to: u32, from: u32, here: u64, sink: &mut impl Sink) {
        match self.take(from) {
            Some(constant) => {
                let target = here.wrapping_add(constant.into()) & 0xffff_ffff;
                sink.reference(Kind::Address, target);
                self.set(to, Value::Address(target));
            }
            None => self.forget(to),
        }
    }

    /// `to` is loaded from `here` plus what `from` holds.
    pub(super) fn load_here(&mut self, to: u32, from: u32, here: u64, sink: &mut impl Sink) {
        self.add_here(to, from, here, sink);
        if let Value::Address(slot) = self.get(to) {
            self.set(to, Value::Pointed(slot));
        }
    }

    /// `to` is loaded from `base` plus `index`, one of which may hold the address of the global offset table and the
    /// other a distance from there.
    pub(super) fn load_indexed(&mut self, to: u32, base: u32, index: u32, sink: &mut impl Sink) {
        let (table, distance) = match (self.get(base), self.get(index)) {
            (Value::Address(table), Value::Constant(..)) => (table, index),
            (Value::Constant(..), Value::Address(table)) => (table, base),
            _ => return self.forget(to),
        };
        let slot = table.wrapping_add(self.take(distance).unwrap_or(0).into()) & 0xffff_ffff;
        sink.reference(Kind::Address, slot);
        self.set(to, Value::Pointed(slot));
    }

    /// `to` = address in `from` + a number, as stubs do.
    pub(super) fn add_number(&mut self, to: u32, from: u32, number: u32) {
        match self.get(from) {
            Value::Address(address) => self.set(to, Value::Address(address.wrapping_add(number.into()) & 0xffff_ffff)),
            _ => self.forget(to),
        }
    }

    /// `to` is an address near `here`.
    pub(super) fn address(&mut self, to: u32, target: u64) {
        self.set(to, Value::Address(target & 0xffff_ffff));
    }

    /// The address in a register plus a distance.
    pub(super) fn slot(&self, register: u32, distance: i64) -> Option<u64> {
        match self.get(register) {
            Value::Address(address) => Some(address.wrapping_add_signed(distance) & 0xffff_ffff),
            _ => None,
        }
    }

    /// A jump or call to what a register holds.
    pub(super) fn through(&mut self, register: u32, is_call: bool, sink: &mut impl Sink) {
        match self.get(register) {
            Value::Pointed(slot) => sink.reference(if is_call { Kind::SlotCall } else { Kind::SlotJump }, slot),
            _ => sink.reference(if is_call { Kind::IndirectCall } else { Kind::IndirectJump }, 0),
        }
        if is_call {
            self.called();
        }
    }

    /// A call leaves nothing in r0 to r3, r12 and r14.
    pub(super) fn called(&mut self) {
        for register in [0, 1, 2, 3, 12, 14] {
            self.forget(register);
        }
    }

    /// The end of the function: constants that were no distances are what they are.
    pub(super) fn finish(self, code: &Code<'_>, sink: &mut impl Sink) {
        for constant in self.constants.into_iter().flatten() {
            let target = u64::from(constant);
            if code.image.is_fixed && code.image.holds(target) {
                sink.reference(Kind::Address, target);
            } else {
                sink.instruction(u32::MAX, target);
            }
        }
    }
}
