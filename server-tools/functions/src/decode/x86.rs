//! x86 with 64 and 32 bits, by `iced-x86`, which says where in an instruction its constants are.

use super::{Code, Flow, Kind, Sink};
use crate::hash::mix;
use crate::image::{Format, Machine};
use iced_x86::{ConstantOffsets, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};

/// Displacements below it are fields of structures, above it distances from the global offset table.
const GOT_DISTANCE_MIN: u32 = 0x1000;

pub(super) fn decode(code: Code<'_>, sink: &mut impl Sink) {
    let is_long = code.image.machine == Machine::X86_64;
    let mut decoder = Decoder::with_ip(if is_long { 64 } else { 32 }, code.bytes, code.start, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut context = Context { code, is_long, base_is_seen: false, thunk: None, got: None };
    while decoder.can_decode() {
        let from = decoder.position();
        decoder.decode_out(&mut instruction);
        let length = instruction.len();
        let mut bytes = [0; 16];
        for (to, byte) in bytes.iter_mut().zip(code.bytes.get(from..from + length).unwrap_or_default()) {
            *to = *byte;
        }
        if context.may_refer(&instruction) {
            let places = decoder.get_constant_offsets(&instruction);
            context.refer(&instruction, &places, &mut bytes, sink);
        }
        let [low, high] = [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index])));
        // Most instructions have at most 8 bytes.
        let bits = if length > 8 { mix(low, high) } else { low };
        sink.instruction(instruction.code() as u32, bits ^ (length as u64) << 59);
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => {}
            FlowControl::Call | FlowControl::IndirectCall => sink.flow(instruction.next_ip(), Flow::Call(0)),
            _ => sink.flow(instruction.next_ip(), Flow::Stop),
        }
    }
}

struct Context<'i> {
    code: Code<'i>,
    is_long: bool,
    /// Whether the function has computed the base of a PE image, from which offsets then count.
    base_is_seen: bool,
    /// After a call that loads the address behind itself: the register and that address.
    thunk: Option<(Register, u64)>,
    /// The register that holds the address of the global offset table, and that address.
    got: Option<(Register, u64)>,
}

impl Context<'_> {
    /// Whether the instruction may hold an address: most do not, and asking for their constants takes time.
    fn may_refer(&self, instruction: &Instruction) -> bool {
        instruction.flow_control() != FlowControl::Next
            || instruction.is_ip_rel_memory_operand()
            || !self.is_long
            || self.code.image.is_fixed
    }

    fn refer(&mut self, i: &Instruction, places: &ConstantOffsets, bytes: &mut [u8; 16], sink: &mut impl Sink) {
        let thunk = self.thunk.take();
        match i.flow_control() {
            FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                self.branch(i, places, bytes, sink);
            }
            FlowControl::IndirectCall | FlowControl::IndirectBranch => self.indirect(i, places, bytes, sink),
            FlowControl::Next if i.is_ip_rel_memory_operand() => {
                let target = i.ip_rel_memory_address();
                self.base_is_seen |= target == self.code.image.base;
                clear(bytes, places.displacement_offset(), places.displacement_size());
                sink.reference(Kind::Address, target);
            }
            FlowControl::Next => {
                if let Some((register, address)) = thunk
                    && i.mnemonic() == Mnemonic::Add
                    && i.op0_register() == register
                    && places.immediate_size() == 4
                {
                    self.got = Some((register, address.wrapping_add(i.immediate32().into()) & 0xffff_ffff));
                    clear(bytes, places.immediate_offset(), 4);
                } else {
                    self.displacement(i, places, bytes, sink);
                    self.immediate(i, places, bytes, sink);
                }
            }
            _ => {}
        }
    }

    fn branch(&mut self, i: &Instruction, places: &ConstantOffsets, bytes: &mut [u8; 16], sink: &mut impl Sink) {
        let target = i.near_branch_target();
        // A function without a known end may hold others that it calls; `call next; pop` is how old code asks where it is.
        let is_far = match i.flow_control() {
            FlowControl::Call => target != i.next_ip(),
            _ => self.code.is_outside(target),
        };
        if !is_far || !places.has_immediate() {
            return;
        }
        clear(bytes, places.immediate_offset(), places.immediate_size());
        let is_call = i.flow_control() == FlowControl::Call;
        let kind = match i.flow_control() {
            FlowControl::Call => Kind::Call,
            FlowControl::ConditionalBranch => Kind::Branch,
            _ => Kind::Jump,
        };
        sink.reference(kind, target);
        if is_call && !self.is_long {
            self.thunk = thunk_register(self.code.image.bytes(target)).map(|register| (register, i.next_ip()));
        }
    }

    fn indirect(&mut self, i: &Instruction, places: &ConstantOffsets, bytes: &mut [u8; 16], sink: &mut impl Sink) {
        let is_call = i.flow_control() == FlowControl::IndirectCall;
        let slot = if i.is_ip_rel_memory_operand() {
            Some(i.ip_rel_memory_address())
        } else if places.displacement_size() == 4 && i.memory_index() == Register::None {
            match (i.memory_base(), self.got) {
                (Register::None, _) => Some(i.memory_displacement64()),
                (base, Some((register, got))) if base == register => {
                    Some(got.wrapping_add(i.memory_displacement64()) & 0xffff_ffff)
                }
                // Stubs find the table where their caller put it.
                (Register::EBX, None) if !self.is_long => {
                    self.got_of_image().map(|got| got.wrapping_add(i.memory_displacement64()) & 0xffff_ffff)
                }
                _ => None,
            }
        } else {
            None
        };
        match slot.filter(|slot| self.code.image.holds(*slot)) {
            Some(slot) => {
                clear(bytes, places.displacement_offset(), places.displacement_size());
                sink.reference(if is_call { Kind::SlotCall } else { Kind::SlotJump }, slot);
            }
            None => {
                self.displacement(i, places, bytes, sink);
                sink.reference(if is_call { Kind::IndirectCall } else { Kind::IndirectJump }, 0);
            }
        }
    }

    fn got_of_image(&self) -> Option<u64> {
        let image = self.code.image;
        image.section_named(".got.plt").or_else(|| image.section_named(".got")).map(|section| section.address)
    }

    /// A displacement of 4 bytes that is an address, or a distance from a known one.
    fn displacement(&self, i: &Instruction, places: &ConstantOffsets, bytes: &mut [u8; 16], sink: &mut impl Sink) {
        if places.displacement_size() != 4 || i.is_ip_rel_memory_operand() {
            return;
        }
        let image = self.code.image;
        let displacement = i.memory_displacement64();
        let target = if let Some((register, got)) = self.got {
            let is_far = (displacement as u32 as i32).unsigned_abs() >= GOT_DISTANCE_MIN;
            let may = i.memory_base() == register || (is_far && i.memory_base() != Register::None);
            may.then(|| got.wrapping_add(displacement) & 0xffff_ffff)
        } else if self.is_long && image.format == Format::Pe {
            (self.base_is_seen && i.memory_base() != Register::None).then(|| image.base.wrapping_add(displacement))
        } else if image.is_fixed {
            Some(displacement)
        } else {
            None
        };
        if let Some(target) = target.filter(|target| *target > image.base && image.holds(*target)) {
            clear(bytes, places.displacement_offset(), 4);
            sink.reference(Kind::Address, target);
        }
    }

    /// A number of 4 or 8 bytes that is an address.
    fn immediate(&self, i: &Instruction, places: &ConstantOffsets, bytes: &mut [u8; 16], sink: &mut impl Sink) {
        let (from, size) = (places.immediate_offset(), places.immediate_size());
        if !self.code.image.is_fixed || !matches!(size, 4 | 8) {
            return;
        }
        // The way to load an address and to push one; sums and comparisons with constants are not.
        let may = matches!(i.mnemonic(), Mnemonic::Mov | Mnemonic::Push | Mnemonic::Cmp | Mnemonic::Add);
        let mut number = [0; 8];
        for (to, byte) in number.iter_mut().zip(bytes.get(from..from + size).unwrap_or_default()) {
            *to = *byte;
        }
        let target = u64::from_le_bytes(number);
        if may && target > self.code.image.base && self.code.image.holds(target) {
            clear(bytes, from, size);
            sink.reference(Kind::Address, target);
        }
    }
}

/// The register that `mov (%esp), register; ret` loads with the address of its caller.
fn thunk_register(bytes: &[u8]) -> Option<Register> {
    let [0x8b, operands, 0x24, 0xc3] = *bytes.get(..4)? else { return None };
    (operands & 0xc7 == 0x04).then(|| {
        let number = usize::from(operands >> 3 & 7);
        use Register::{EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP};
        [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI][number]
    })
}

fn clear(bytes: &mut [u8; 16], from: usize, size: usize) {
    bytes.iter_mut().skip(from).take(size).for_each(|byte| *byte = 0);
}
