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
}

impl Features {
    pub(crate) fn of(code: Code<'_>) -> Self {
        let mut features = Self { raw: mix_bytes(1, code.bytes), masked: 2, operations: 3, ..Self::default() };
        code.decode(&mut features);
        features.references.shrink_to_fit();
        features
    }
}

impl Sink for Features {
    fn instruction(&mut self, operation: u32, bits: u64) {
        self.masked = mix(self.masked, bits);
        self.operations = mix(self.operations, operation.into());
        self.instructions = self.instructions.saturating_add(1);
    }

    fn reference(&mut self, kind: Kind, target: u64) {
        self.masked = mix(self.masked, kind as u64);
        self.references.push(Reference { target, kind });
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

/// How far control reaches from the start of a function: where it ends if nothing else tells.
#[derive(Debug)]
pub(crate) struct Reach<'s> {
    /// Calls to these do not return.
    stops: &'s [u64],
    limit: u64,
    /// The furthest target of a jump so far.
    furthest: u64,
    /// The first place behind an end that no jump so far leads to, constants behind it included.
    pub(crate) end: Option<u64>,
}

impl<'s> Reach<'s> {
    pub(crate) fn of(code: Code<'_>, stops: &'s [u64]) -> Self {
        let limit = code.start + code.bytes.len() as u64;
        let mut reach = Self { stops, limit, furthest: code.start, end: None };
        code.decode(&mut reach);
        reach
    }
}

impl Sink for Reach<'_> {
    fn instruction(&mut self, _: u32, _: u64) {}
    fn reference(&mut self, _: Kind, _: u64) {}

    fn flow(&mut self, next: u64, flow: Flow) {
        if self.end.is_some() {
            return;
        }
        let leads = |target: u64| if target < self.limit { target } else { 0 };
        let stops = match flow {
            Flow::Branch(target) => {
                self.furthest = self.furthest.max(leads(target));
                false
            }
            Flow::Call(target) => self.stops.binary_search(&(target & !1)).is_ok(),
            Flow::Jump(_) | Flow::Stop => true,
        };
        if stops && next > self.furthest {
            self.end = Some(next);
        } else if let Flow::Jump(target) = flow {
            self.furthest = self.furthest.max(leads(target));
        }
    }

    fn data(&mut self, from: u64, to: u64) {
        if let Some(end) = self.end
            && from.wrapping_sub(end) < 4
        {
            self.end = Some(to);
        }
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
