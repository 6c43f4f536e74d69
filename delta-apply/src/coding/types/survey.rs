//! Which types and strings of a target are which of the base, on hosts.

use super::layout::{self, HEAD_BYTES, Kind, RECORD_BYTES, Role};
use super::order::{Past, TYPES_MAX};
use super::runs::NEW;
use super::{Given, word};
use crate::coding::SectionCopy;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

/// A table in parts.
struct Table<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where records start, that of type 1 first.
    records: Vec<usize>,
}

impl<'a> Table<'a> {
    fn read(table: &'a [u8]) -> Option<Self> {
        let types_bytes = usize::try_from(layout::types_bytes(table)?).ok()?;
        let (types, strings) = table.get(HEAD_BYTES as usize..)?.split_at_checked(types_bytes)?;
        if strings.len() != word(table, 5) as usize || strings.first() != Some(&0) || strings.last() != Some(&0) {
            return None;
        }
        let (mut records, mut at) = (Vec::new(), 0);
        while at < types.len() {
            records.push(at);
            let info = word(types.get(at..at + RECORD_BYTES as usize)?, 1);
            let kind = Kind::of(info)?;
            at += RECORD_BYTES as usize + 4 * kind.entries(info) as usize * kind.entry().len();
        }
        let made = Self { types, strings, records };
        let has_names =
            |id: u32| made.words(id).all(|(role, word)| role != Role::Name || (word as usize) < strings.len());
        let is_sound = made.records.len() < TYPES_MAX as usize && (1..=made.records.len() as u32).all(has_names);
        (at == types.len() && is_sound).then_some(made)
    }

    fn string(&self, at: u32) -> &'a [u8] {
        let rest = self.strings.get(at as usize..).unwrap_or_default();
        &rest[..rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len())]
    }

    /// The words of a type with their roles.
    fn words(&self, id: u32) -> impl Iterator<Item = (Role, u32)> + '_ {
        let record = &self.types[self.records[id as usize - 1]..];
        let info = word(record, 1);
        let kind = Kind::of(info).unwrap_or_default();
        let third = if kind.leads() { Role::Type } else { Role::Other };
        let entries = (0..kind.entries(info)).flat_map(move |_| kind.entry().iter().copied());
        [Role::Name, Role::Other, third].into_iter().chain(entries).zip(0..).map(|(role, at)| (role, word(record, at)))
    }

    /// Where strings start.
    fn string_starts(&self) -> impl Iterator<Item = u32> + '_ {
        let ends = self.strings.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at as u32 + 1);
        core::iter::once(0).chain(ends).filter(|at| (*at as usize) < self.strings.len())
    }

    /// Types by what they are called, by all that is in them, and by that and all that is in what they refer to.
    fn hashes(&self) -> [Vec<u64>; 3] {
        let names: BTreeMap<u32, u64> = self.string_starts().map(|at| (at, fold(1, self.string(at)))).collect();
        let name = |at: u32| names.get(&at).copied().unwrap_or_else(|| fold(1, self.string(at)));
        let all = 1..=self.records.len() as u32;
        let is_named = |id: u32| {
            let record = &self.types[self.records[id as usize - 1]..];
            let kind = word(record, 1) >> 24 & 31;
            (word(record, 0) != 0 && !matches!(kind, 12 | 14)).then(|| {
                // Structures and unions may be announced only.
                let kind = if kind == 7 { 4 + (word(record, 1) >> 31) } else { kind };
                mix(name(word(record, 0)), kind.into())
            })
        };
        let combine = |id: u32, of: &[u64]| {
            self.words(id).fold(7, |hash, (role, word)| {
                let value = match role {
                    Role::Name => name(word),
                    Role::Type => of.get(word as usize).copied().unwrap_or(3),
                    Role::Other => word.into(),
                };
                mix(hash, value)
            })
        };
        let named: Vec<Option<u64>> = core::iter::once(None).chain(all.clone().map(is_named)).collect();
        let mut called: Vec<u64> = named.iter().map(|name| name.unwrap_or(0)).collect();
        for _ in 0..ROUNDS {
            let each = |id: u32| named[id as usize].unwrap_or_else(|| combine(id, &called));
            called = core::iter::once(0).chain(all.clone().map(each)).collect();
        }
        let deeper =
            |of: &[u64]| -> Vec<u64> { core::iter::once(0).chain(all.clone().map(|id| combine(id, of))).collect() };
        let content = deeper(&called);
        let mut deep = content.clone();
        for _ in 0..ROUNDS {
            deep = deeper(&deep);
        }
        [deep, content, called]
    }
}

/// How far types are told apart by what they refer to.
const ROUNDS: usize = 5;

fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(23) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 29
}

fn fold(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| mix(hash, u64::from(*byte) + 1))
}

/// What the encoder knows of a target.
pub(super) fn survey(base: &[u8], target: &[u8]) -> Option<Given> {
    let (base, target) = (Table::read(base)?, Table::read(target)?);
    let mut of_base: BTreeMap<&[u8], u32> = BTreeMap::new();
    for at in base.string_starts() {
        of_base.entry(base.string(at)).or_insert(at);
    }
    let known = |at: u32| of_base.get(target.string(at)).map(|base| (at, *base));
    let strings = target.string_starts().filter_map(known).collect();
    let ends = target.string_starts().map(|at| at + target.string(at).len() as u32 + 1).collect();
    Some(Given { steps: steps(&partners(&base, &target), base.records.len() as u32), strings, ends })
}

/// For each type of the target its like in the base.
fn partners(base: &Table<'_>, target: &Table<'_>) -> Vec<u32> {
    let (of_base, of_target) = (base.hashes(), target.hashes());
    let mut partners = vec![NEW; target.records.len() + 1];
    let mut taken = vec![false; base.records.len() + 1];
    for (of_base, of_target) in of_base.iter().zip(&of_target) {
        let mut ids: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (id, hash) in of_base.iter().enumerate().skip(1).filter(|(id, _)| !taken[*id]) {
            ids.entry(*hash).or_default().push(id as u32);
        }
        for id in 1..partners.len() {
            let expected = partners[id - 1].wrapping_add(1);
            if partners[id] != NEW {
                continue;
            }
            let Some(ids) = ids.get(&of_target[id]) else { continue };
            let free = || ids.iter().copied().filter(|id| !taken[*id as usize]);
            if let Some(partner) = free().find(|id| *id == expected).or_else(|| free().next()) {
                (partners[id], taken[partner as usize]) = (partner, true);
            }
        }
    }
    partners
}

/// Types of the target in runs: each goes on with the next one of the base that was not there yet.
fn steps(partners: &[u32], base_count: u32) -> Vec<(u32, u32)> {
    let (mut past, mut steps) = (Past::new(base_count), Vec::<(u32, u32)>::new());
    let mut next = 0;
    for &partner in &partners[1..] {
        match steps.last_mut() {
            Some((start, count)) if partner == next && (*start == NEW) == (partner == NEW) => *count += 1,
            _ => steps.push((partner, 1)),
        }
        if partner == NEW {
            next = NEW;
        } else {
            past.mark(partner);
            next = past.unused(partner + 1);
        }
    }
    steps
}

/// Whether bytes are a table that can be made of another one.
pub fn is_sound(table: &[u8]) -> bool {
    Table::read(table).is_some()
}

/// The operations of a device whose memory it takes to make `target` of `base`; nothing if it cannot be made.
pub fn operations(base: &[u8], target: &[u8]) -> Option<usize> {
    let (given, of_base) = (survey(base, target)?, Table::read(base)?);
    let mut past = Past::new(of_base.records.len() as u32);
    let (mut runs, mut last) = (0, 0);
    for &(start, count) in &given.steps {
        let mut next = start;
        runs += 1;
        for step in 0..if start == NEW { 0 } else { count } {
            runs += usize::from(step > 0 && next != last + 1);
            past.mark(next);
            (last, next) = (next, past.unused(next + 1));
        }
    }
    let (mut follows, mut there) = (None, BTreeSet::new());
    for at in Table::read(target)?.string_starts() {
        // A string that comes twice is a new one.
        let base = given.base_of(at).filter(|base| there.insert(*base));
        runs += usize::from(base != follows || base.is_none());
        follows = base.map(|base| base + (given.end_of(at) - at));
    }
    Some(runs)
}

const _: () = assert!(size_of::<SectionCopy>() == 16, "a run takes no more memory than an operation: 24 bytes");
