//! What one reference of code leads to.
//!
//! In: a program, and a function of it. Out: the functions and imports that it calls, jumps to, or takes the address of,
//! and how many of its calls lead to what only the running program knows.

use super::EdgeKind;
use super::tables::{Table, jump_table, pointer_table};
use crate::decode::{Kind, Reference, stub_slot};
use crate::image::Format;
use crate::program::{Function, Program};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of padding between a function and the next one that control may go on into.
const PADDING_BYTES_MAX: u64 = 64;

/// Where an edge leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Callee<'a> {
    /// A function of this file, by index.
    Own(u32),
    /// What another file defines.
    Import(&'a [u8]),
    /// What this file defines unless another one does.
    Preemptible(&'a [u8]),
}

/// The edges of one function.
#[derive(Debug, Default)]
pub(super) struct Sites<'a> {
    pub(super) edges: Vec<(Callee<'a>, EdgeKind)>,
    /// Calls and jumps to what only the running program knows.
    pub(super) unresolved: u32,
    /// Entries of tables that may still be looked at.
    pub(super) budget: u32,
}

/// What is looked up for each reference.
pub(super) struct Finder<'p, 'a> {
    program: &'p Program<'a>,
    /// For each target of calls that is no function: the pointer that the stub there jumps through.
    stubs: BTreeMap<u64, u64>,
}

impl<'p, 'a> Finder<'p, 'a> {
    pub(super) fn new(program: &'p Program<'a>) -> Self {
        let mut targets: Vec<u64> = Vec::new();
        for function in &program.functions {
            let calls = program.references(function).iter().filter(|reference| is_branch(reference.kind));
            let outside = calls.filter(|call| program.function_at(call.target).is_none());
            targets.extend(outside.map(|call| call.target));
        }
        targets.sort_unstable();
        targets.dedup();
        let stub = |target: u64| Some((target, stub_slot(&program.image, target)?));
        Self { program, stubs: targets.into_iter().filter_map(stub).collect() }
    }

    /// The edges of a function, sorted, each once.
    /// `budget` is how many entries of tables are looked at.
    pub(super) fn sites(&self, index: u32, budget: u32) -> Sites<'a> {
        let mut sites = Sites { budget, ..Sites::default() };
        let Some(function) = self.program.functions.get(index as usize) else { return sites };
        let references = self.program.references(function);
        let is_jump = |reference: &&Reference| reference.kind == Kind::IndirectJump;
        // As many tables of jumps as jumps at most.
        let mut jumps = references.iter().filter(is_jump).count() as u32;
        let mut tables = BTreeSet::new();
        for reference in references {
            // A table that is referred to twice is still the table of one jump.
            if self.site(index, function, reference, jumps > 0, &mut sites) && tables.insert(reference.target) {
                jumps -= 1;
            }
        }
        sites.unresolved += jumps;
        if let Some(next) = self.next(index, function) {
            sites.edges.push((Callee::Own(next), EdgeKind::Tail));
        }
        sites.edges.sort_unstable();
        sites.edges.dedup();
        sites
    }

    /// Adds what a reference leads to; whether it is a table of jumps.
    fn site(
        &self,
        index: u32,
        function: &Function,
        reference: &Reference,
        may_jump: bool,
        sites: &mut Sites<'a>,
    ) -> bool {
        let Reference { target, kind } = *reference;
        match kind {
            Kind::Call => self.branch(index, target, EdgeKind::Direct, sites),
            Kind::Jump | Kind::Branch => self.branch(index, target, EdgeKind::Tail, sites),
            Kind::SlotCall | Kind::SlotJump => {
                let is_pe = self.program.image.format == Format::Pe;
                let import = if is_pe { EdgeKind::Iat } else { EdgeKind::GotImport };
                self.slot(target, EdgeKind::GotLocal, import, sites);
            }
            Kind::IndirectCall => sites.unresolved += 1,
            // Counted by the caller, who knows the tables.
            Kind::IndirectJump => {}
            Kind::Address => return self.address(index, function, target, may_jump, sites),
        }
        false
    }

    fn branch(&self, index: u32, target: u64, kind: EdgeKind, sites: &mut Sites<'a>) {
        if let Some(callee) = self.program.function_at(target) {
            // A jump to the own start is a loop.
            if callee != index || kind == EdgeKind::Direct {
                sites.edges.push((Callee::Own(callee), kind));
            }
        } else if let Some(slot) = self.stubs.get(&target) {
            self.slot(*slot, EdgeKind::Plt, EdgeKind::Plt, sites);
        } else {
            match self.program.index_around(self.program.image.machine.code(target)) {
                // A call of a place in the function itself is how old code asks where it is.
                Some(callee) if callee != index => sites.edges.push((Callee::Own(callee), kind)),
                Some(_) => {}
                None => sites.unresolved += 1,
            }
        }
    }

    /// A call through the pointer at an address.
    fn slot(&self, slot: u64, local: EdgeKind, import: EdgeKind, sites: &mut Sites<'a>) {
        let image = &self.program.image;
        let found = self.pointed(slot);
        let is_found = found.is_some();
        if let Some(callee) = found {
            let kind = if matches!(callee, Callee::Own(_)) { local } else { import };
            sites.edges.push((callee, kind));
        }
        if let Some(name) = self.preemptible(slot) {
            sites.edges.push((Callee::Preemptible(name), import));
        }
        let is_constant = image.section(slot).is_some_and(|section| {
            !section.is_writable || section.name.starts_with(".got") || section.name.starts_with(".data.rel.ro")
        });
        // A variable may hold another pointer by the time of the call.
        if !is_found || !is_constant && image.import(slot).is_none() {
            sites.unresolved += 1;
        }
    }

    /// What the pointer at an address leads to when the program starts.
    fn pointed(&self, slot: u64) -> Option<Callee<'a>> {
        let image = &self.program.image;
        if let Some((_, name)) = image.import(slot).and_then(|index| image.imports.get(index)) {
            return Some(Callee::Import(name));
        }
        let target = image.machine.code(image.pointer(slot)?);
        self.program.index_around(target).map(Callee::Own)
    }

    fn preemptible(&self, slot: u64) -> Option<&'a [u8]> {
        let list = &self.program.image.preemptible;
        let index = list.binary_search_by_key(&slot, |(place, _)| *place).ok()?;
        list.get(index).map(|(_, name)| *name)
    }

    /// An address that code computes or reads at; whether a table of jumps is there.
    fn address(&self, index: u32, function: &Function, target: u64, may_jump: bool, sites: &mut Sites<'a>) -> bool {
        let image = &self.program.image;
        let mut budget = sites.budget;
        let mut add = |callee: Callee<'a>, kind: EdgeKind| {
            if callee != Callee::Own(index) {
                sites.edges.push((callee, kind));
            }
        };
        if let Some((_, name)) = image.import(target).and_then(|place| image.imports.get(place)) {
            add(Callee::Import(name), EdgeKind::CodeAddress);
            return false;
        }
        if image.code(target).is_some() {
            let code = image.machine.code(target);
            if let Some(callee) = self.program.index_around(code) {
                add(Callee::Own(callee), EdgeKind::CodeAddress);
            }
            return false;
        }
        if let Some(slot) = self.stubs.get(&target).copied().or_else(|| self.stub_address(target)) {
            // The address of a stub is as good as the address of what it jumps to.
            if let Some(callee) = self.pointed(slot) {
                add(callee, EdgeKind::CodeAddress);
            }
            return false;
        }
        let Some(datum) = self.program.data.find(target).and_then(|datum| self.program.data.get(datum)) else {
            return false;
        };
        if datum.is_slot {
            if let Some(callee) = self.pointed(target) {
                add(callee, EdgeKind::CodeAddress);
            }
            if let Some(name) = self.preemptible(target) {
                add(Callee::Preemptible(name), EdgeKind::CodeAddress);
            }
            return false;
        }
        let range = (target, datum.end);
        let table = if may_jump { jump_table(self.program, index, function, range, &mut budget) } else { None };
        let is_table = table.is_some();
        match table {
            Some(Table { functions }) => {
                functions.into_iter().for_each(|callee| add(Callee::Own(callee), EdgeKind::JumpTable));
            }
            None => {
                let callees = pointer_table(self.program, target, datum.end, &mut budget);
                callees.into_iter().for_each(|callee| add(callee, EdgeKind::RelocPointer));
            }
        }
        sites.budget = budget;
        is_table
    }

    /// The pointer of the stub at an address that code computes.
    fn stub_address(&self, target: u64) -> Option<u64> {
        let is_stub = self.program.image.section(target).is_some_and(|section| section.is_code && section.is_stubs);
        is_stub.then(|| stub_slot(&self.program.image, target)).flatten()
    }

    /// The function that control goes on into behind the end of another one.
    fn next(&self, index: u32, function: &Function) -> Option<u32> {
        let next = self.program.functions.get(index as usize + 1)?;
        let is_near = next.start - function.end < PADDING_BYTES_MAX;
        (function.falls_through && is_near).then_some(index + 1)
    }
}

fn is_branch(kind: Kind) -> bool {
    matches!(kind, Kind::Call | Kind::Jump | Kind::Branch)
}
