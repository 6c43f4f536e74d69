//! Whether a reference of the base and one of the target lead to the same: what makes a function *moved* and not
//! *retargeted*. Functions are the same when they are partners, imports when they have one name, variables when they are
//! partners, constants when every byte is equal that is no address, and every address leads to the same.

use crate::data::{Datum, jumps};
use crate::fields::Fields;
use crate::limits::{CONSTANT_BYTES_MAX, TABLE_POINTERS_MAX, TWIN_BYTES_MAX};
use crate::matching::{NONE, Pairs};
use crate::program::{Link, Program};
use rayon::prelude::*;

pub(crate) struct Sameness<'p> {
    base: &'p Program<'p>,
    target: &'p Program<'p>,
    pairs: &'p Pairs,
    /// For each datum of the base whether it is the same as its partner.
    data: Vec<bool>,
}

impl<'p> Sameness<'p> {
    pub(crate) fn new(base: &'p Program<'p>, target: &'p Program<'p>, pairs: &'p Pairs) -> Self {
        let mut sameness = Self { base, target, pairs, data: Vec::new() };
        let data: Vec<bool> = (0..base.data.len() as u32)
            .into_par_iter()
            .map(|index| sameness.partner(index).is_some_and(|partner| sameness.is_equal(index, partner)))
            .collect();
        sameness.data = data;
        sameness
    }

    /// The partner of a datum of the base.
    fn partner(&self, index: u32) -> Option<u32> {
        let partner = self.pairs.of_base.get(self.base.functions.len() + index as usize)?;
        if *partner == NONE { None } else { partner.checked_sub(self.target.functions.len() as u32) }
    }

    /// Whether two references lead to the same.
    pub(crate) fn is_same(&self, mine: Link, theirs: Link) -> bool {
        match (mine, theirs) {
            (Link::Datum(x), Link::Datum(y)) if self.partner(x) == Some(y) => {
                self.data.get(x as usize).copied().unwrap_or(false)
            }
            (Link::Datum(x), Link::Datum(y)) => {
                // Not partners: a text that is there twice may be referred to at either place.
                let is_constant = |datum: Option<&Datum>| {
                    datum.is_some_and(|datum| datum.is_constant && datum.end - datum.address <= TWIN_BYTES_MAX)
                };
                is_constant(self.base.data.get(x)) && is_constant(self.target.data.get(y)) && self.is_equal(x, y)
            }
            _ => self.is_alike(mine, theirs),
        }
    }

    /// The same, but of data only that they look alike.
    fn is_alike(&self, mine: Link, theirs: Link) -> bool {
        match (mine, theirs) {
            (Link::Unknown, Link::Unknown) => true,
            (Link::Import(x), Link::Import(y)) => x == y,
            (Link::Function(x), Link::Function(y)) => self.pairs.of_base.get(x as usize) == Some(&y),
            (Link::Datum(x), Link::Datum(y)) => {
                let label = |datum: &Datum| (datum.label, datum.is_constant);
                let labels = (self.base.data.get(x).map(label), self.target.data.get(y).map(label));
                self.partner(x) == Some(y) || labels.0 == labels.1 && labels.0.is_some_and(|(_, constant)| constant)
            }
            _ => false,
        }
    }

    /// Whether two data have the same content, as far as it counts.
    fn is_equal(&self, x: u32, y: u32) -> bool {
        let (Some(mine), Some(theirs)) = (self.base.data.get(x), self.target.data.get(y)) else { return false };
        if mine.is_constant != theirs.is_constant {
            return false;
        }
        // Each ends where the next thing begins that something refers to, so the real end is not behind either.
        let length = (mine.end - mine.address).min(theirs.end - theirs.address).min(CONSTANT_BYTES_MAX);
        let pointers = self.base.image.pointers_in(mine.address, mine.address + length);
        let others = self.target.image.pointers_in(theirs.address, theirs.address + length);
        if !mine.is_constant {
            // A slot of the global offset table is its target; the content of a variable does not count.
            let is_slot = mine.is_slot && theirs.is_slot;
            return !is_slot || self.lead_to_the_same(pointers, others, mine.address, theirs.address);
        }
        let tables = (jumps(self.base, mine.address, mine.end), jumps(self.target, theirs.address, theirs.end));
        if let (Some(mine), Some(theirs)) = tables {
            return mine == theirs;
        }
        self.lead_to_the_same(pointers, others, mine.address, theirs.address)
            && self.have_equal_bytes(pointers, mine.address, theirs.address, length)
    }

    fn lead_to_the_same(&self, pointers: &[(u64, u64)], others: &[(u64, u64)], mine: u64, theirs: u64) -> bool {
        let leads = |((place, to), (other, target)): (&(u64, u64), &(u64, u64))| {
            place - mine == other - theirs && self.is_alike(self.base.address(*to), self.target.address(*target))
        };
        pointers.len() == others.len() && pointers.iter().zip(others).take(TABLE_POINTERS_MAX).all(leads)
    }

    /// Whether the bytes between pointers are equal.
    fn have_equal_bytes(&self, pointers: &[(u64, u64)], mine: u64, theirs: u64, length: u64) -> bool {
        let word = if self.base.image.machine.is_long() { 8 } else { 4 };
        let (mine_bytes, their_bytes) = (Fields(self.base.image.bytes(mine)), Fields(self.target.image.bytes(theirs)));
        let mut from = 0;
        let ends = pointers.iter().map(|(place, _)| place - mine).chain([length]);
        ends.into_iter().all(|end| {
            let size = end.saturating_sub(from);
            let is_equal = mine_bytes.range_cut(from, size) == their_bytes.range_cut(from, size);
            from = end + word;
            is_equal
        })
    }
}
