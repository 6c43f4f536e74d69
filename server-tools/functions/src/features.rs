//! What tells a function from others without its addresses.
//!
//! In: the bounds of a function. Out: hashes of its bytes, of its bytes without addresses, and of its operations, with
//! its references in order; and for functions that no hash finds, the counted triples of operations, whose overlap tells
//! how alike two functions are.

use crate::decode::{Code, Flow, Kind, Reference, Sink};
use crate::hash::{mix, mix_bytes};

/// The features of one function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Features {
    /// Hash of its bytes.
    pub(crate) raw: u64,
    /// Hash of its instructions without addresses.
    pub(crate) masked: u64,
    /// Hash of its operations.
    pub(crate) operations: u64,
    pub(crate) instructions: u32,
    pub(crate) references: Vec<Reference>,
    /// Where control ends if nothing else tells: the first place behind an end that no jump so far leads to, constants
    /// behind it included. Only of instruction sets whose decoders follow control.
    pub(crate) reach: Option<u64>,
    /// How many of the references stand before that.
    pub(crate) reached: usize,
    /// The target of a call that is the last instruction.
    pub(crate) last_call: Option<u64>,
    /// Whether control goes on behind the last instruction, calls left out: those that stand last do not return.
    pub(crate) falls_through: bool,
}

impl Features {
    /// The features of code, where calls to `stops`, which are sorted, do not return.
    pub(crate) fn of(code: Code<'_>, stops: &[u64]) -> Self {
        let end = code.start + code.bytes.len() as u64;
        let features = Self { raw: mix_bytes(1, code.bytes), masked: 2, operations: 3, ..Self::default() };
        let mut pass = Pass { features, stops, end, furthest: code.start, call: None, stopped: 0, data: 0 };
        code.decode(&mut pass);
        let Pass { mut features, call, stopped, data, .. } = pass;
        let is_last = |next: u64| next == end || data == end;
        features.falls_through = !is_last(stopped) && !call.is_some_and(|(next, _)| is_last(next));
        features.last_call = call.filter(|(next, _)| is_last(*next)).map(|(_, target)| target);
        if features.reach.is_none() {
            features.reached = features.references.len();
        }
        features.references.shrink_to_fit();
        features
    }
}

/// What is known on the way through a function.
struct Pass<'s> {
    features: Features,
    stops: &'s [u64],
    end: u64,
    /// The furthest target of a jump so far.
    furthest: u64,
    /// The last call, if nothing but constants followed it: the instruction behind it, and its target.
    call: Option<(u64, u64)>,
    /// The instruction behind the last one that control does not go on from.
    stopped: u64,
    /// Where the last constants end.
    data: u64,
}

impl Sink for Pass<'_> {
    fn instruction(&mut self, operation: u32, bits: u64) {
        let features = &mut self.features;
        features.masked = mix(features.masked, bits);
        features.operations = mix(features.operations, operation.into());
        features.instructions = features.instructions.saturating_add(1);
    }

    fn reference(&mut self, kind: Kind, target: u64) {
        self.features.masked = mix(self.features.masked, kind as u64);
        self.features.references.push(Reference { target, kind });
    }

    fn flow(&mut self, next: u64, flow: Flow) {
        self.call = if let Flow::Call(target) = flow { Some((next, target)) } else { None };
        if matches!(flow, Flow::Jump(_) | Flow::Stop) {
            self.stopped = next;
        }
        if self.features.reach.is_some() {
            return;
        }
        let leads = |target: u64| if target < self.end { target } else { 0 };
        let stops = match flow {
            Flow::Branch(target) => {
                self.furthest = self.furthest.max(leads(target));
                false
            }
            Flow::Jump(target) => {
                self.furthest = self.furthest.max(leads(target));
                true
            }
            Flow::Call(target) => self.stops.binary_search(&(target & !1)).is_ok(),
            Flow::Stop => true,
        };
        if stops && next > self.furthest {
            self.features.reach = Some(next);
            self.features.reached = self.features.references.len();
        }
    }

    fn data(&mut self, from: u64, to: u64) {
        let is_behind = |at: u64| from.wrapping_sub(at) < 4;
        if let Some(reach) = self.features.reach.filter(|reach| is_behind(*reach)) {
            self.features.reach = Some(to.max(reach));
        }
        // A call is the last thing also when only constants follow.
        let is_last = self.call.is_some_and(|(next, _)| is_behind(next)) || from == self.data;
        self.call = self.call.filter(|_| is_last);
        self.data = to;
    }
}

/// The sorted triples of operations of a function: its shape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape(Vec<u32>);

impl Shape {
    pub(crate) fn of(code: Code<'_>) -> Self {
        struct Operations(Vec<u32>);
        impl Sink for Operations {
            fn instruction(&mut self, operation: u32, _: u64) {
                self.0.push(operation);
            }
            fn reference(&mut self, _: Kind, _: u64) {}
        }
        let mut operations = Operations(Vec::with_capacity(code.bytes.len() / 4));
        code.decode(&mut operations);
        let triple = |triple: &[u32]| (triple.iter().fold(1, |hash, op| mix(hash, (*op).into())) >> 32) as u32;
        let mut triples: Vec<u32> = match operations.0.len() {
            0..3 => operations.0.iter().map(|operation| triple(std::slice::from_ref(operation))).collect(),
            _ => operations.0.windows(3).map(triple).collect(),
        };
        triples.sort_unstable();
        Self(triples)
    }

    /// The triples, sorted.
    pub(crate) fn triples(&self) -> &[u32] {
        &self.0
    }

    /// How alike two shapes are, in basis points: twice the common triples by all (Dice's coefficient).
    pub(crate) fn likeness(&self, other: &Self) -> u32 {
        let (mut mine, mut theirs) = (self.0.as_slice(), other.0.as_slice());
        let mut common = 0_u64;
        while let ([first, rest @ ..], [second, others @ ..]) = (mine, theirs) {
            common += u64::from(first == second);
            mine = if first <= second { rest } else { mine };
            theirs = if second <= first { others } else { theirs };
        }
        let all = (self.0.len() + other.0.len()) as u64;
        (20_000 * common).checked_div(all).unwrap_or(0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The merge counts what a naive count of equal triples counts.
    #[test]
    fn likeness_counts_common_triples() {
        let check = |a: &[u32], b: &[u32], expected| {
            let (a, b) = (Shape(a.to_vec()), Shape(b.to_vec()));
            assert_eq!((a.likeness(&b), b.likeness(&a)), (expected, expected));
        };
        check(&[1, 2, 2, 3], &[1, 2, 2, 3], 10_000);
        check(&[1, 2, 2, 3], &[2, 3, 4, 5], 5_000);
        check(&[1], &[], 0);
        check(&[], &[], 0);
    }
}
