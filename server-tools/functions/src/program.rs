//! One executable, analysed: its functions in order of address, and what each of their references leads to.

use crate::data::{Data, Datum};
use crate::decode::{Kind, Reference, stub_slot};
use crate::degraded::Degraded;
use crate::discover::{self, Bound, closure};
use crate::features::Features;
use crate::hash::{mix, mix_bytes};
use crate::image::Image;
use rayon::prelude::*;

/// What a reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing that is known.
    Unknown,
    /// A function, by index.
    Function(u32),
    /// Something that is no function, by index.
    Datum(u32),
    /// A function or datum of another file, by the hash of its name.
    Import(u64),
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) bound: Bound,
    pub(crate) raw: u64,
    pub(crate) masked: u64,
    pub(crate) operations: u64,
    pub(crate) instructions: u32,
    /// Whether control goes on into what stands behind it.
    pub(crate) falls_through: bool,
    /// Its first reference, and how many there are.
    first: u32,
    count: u32,
    /// Hash of its instructions without addresses, and of what its references hold or are called.
    pub(crate) exact: u64,
}

impl Function {
    pub(crate) fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// An executable and its functions.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) image: Image<'a>,
    pub(crate) functions: Vec<Function>,
    pub(crate) data: Data,
    references: Vec<Reference>,
    links: Vec<Link>,
    pub(crate) degraded: Vec<Degraded>,
}

impl<'a> Program<'a> {
    /// Analyses a file; nothing if it is no executable of a known processor.
    pub(crate) fn read(file: &'a [u8]) -> Option<Self> {
        let mut image = Image::read(file)?;
        let bounds = discover::listed(&mut image);
        let (found, is_truncated) = closure::functions(&image, bounds);
        let mut degraded = std::mem::take(&mut image.degraded);
        degraded.extend(is_truncated.then_some(Degraded::Truncated));
        let count = found.iter().map(|found| found.features.references.len()).sum();
        let mut references = Vec::with_capacity(count);
        let mut functions = Vec::with_capacity(found.len());
        for found in found {
            let Features { raw, masked, operations, instructions, falls_through, references: own, .. } = found.features;
            let first = references.len() as u32;
            let count = own.len() as u32;
            references.extend(own);
            let closure::Found { start, end, bound, .. } = found;
            let exact = masked;
            let function = Function {
                start,
                end,
                bound,
                raw,
                masked,
                operations,
                instructions,
                falls_through,
                first,
                count,
                exact,
            };
            functions.push(function);
        }
        let code: u64 = image.sections.iter().filter(|section| section.is_code).map(|s| s.bytes.len() as u64).sum();
        let covered: u64 = functions.iter().map(Function::bytes).sum();
        if covered < code / 100 || functions.is_empty() {
            degraded.push(Degraded::NoFunctions);
        }
        degraded.sort_unstable();
        degraded.dedup();
        let mut program = Self { image, functions, data: Data::default(), references, links: Vec::new(), degraded };
        program.link();
        Some(program)
    }

    /// Resolves all references.
    fn link(&mut self) {
        let address = |reference: &Reference| {
            let is_data = matches!(reference.kind, Kind::Address | Kind::SlotCall | Kind::SlotJump);
            is_data.then_some(reference.target)
        };
        let data = Data::new(self, self.references.iter().filter_map(address));
        self.data = data;
        let links: Vec<Link> = self.references.par_iter().map(|reference| self.resolve(reference)).collect();
        self.links = links;
        let exact: Vec<u64> = self.functions.par_iter().map(|function| self.exact(function)).collect();
        for (function, exact) in self.functions.iter_mut().zip(exact) {
            function.exact = exact;
        }
    }

    fn resolve(&self, reference: &Reference) -> Link {
        match reference.kind {
            Kind::IndirectCall | Kind::IndirectJump => Link::Unknown,
            Kind::Call | Kind::Jump | Kind::Branch => match self.function_at(reference.target) {
                Some(index) => Link::Function(index),
                None => stub_slot(&self.image, reference.target).map_or(Link::Unknown, |slot| self.slot(slot)),
            },
            Kind::SlotCall | Kind::SlotJump => self.slot(reference.target),
            Kind::Address => self.address(reference.target),
        }
    }

    /// What the pointer at an address leads to.
    fn slot(&self, slot: u64) -> Link {
        if let Some(import) = self.image.import(slot) {
            return self.import(import);
        }
        match self.image.pointer(slot).and_then(|target| self.function_at(target)) {
            Some(index) => Link::Function(index),
            None => self.data.find(slot).map_or(Link::Unknown, Link::Datum),
        }
    }

    fn import(&self, index: usize) -> Link {
        let name = self.image.imports.get(index).map_or(&[][..], |(_, name)| name);
        Link::Import(mix_bytes(9, name))
    }

    /// What is at an address.
    pub(crate) fn address(&self, address: u64) -> Link {
        if let Some(import) = self.image.import(address) {
            return self.import(import);
        }
        match self.function_at(address) {
            Some(index) => Link::Function(index),
            None => self.data.find(address).map_or(Link::Unknown, Link::Datum),
        }
    }

    /// The index of the function that starts where a pointer leads.
    pub(crate) fn function_at(&self, pointer: u64) -> Option<u32> {
        let start = self.image.machine.code(pointer);
        self.functions.binary_search_by_key(&start, |function| function.start).ok().map(|index| index as u32)
    }

    /// The function that holds an address.
    pub(crate) fn function_around(&self, address: u64) -> Option<&Function> {
        self.index_around(address).and_then(|index| self.functions.get(index as usize))
    }

    /// The index of the function that holds an address.
    pub(crate) fn index_around(&self, address: u64) -> Option<u32> {
        let index = self.functions.partition_point(|function| function.start <= address).checked_sub(1)?;
        self.functions.get(index).filter(|function| address < function.end).map(|_| index as u32)
    }

    pub(crate) fn references(&self, function: &Function) -> &[Reference] {
        let from = function.first as usize;
        self.references.get(from..from + function.count as usize).unwrap_or_default()
    }

    pub(crate) fn links(&self, function: &Function) -> &[Link] {
        let from = function.first as usize;
        self.links.get(from..from + function.count as usize).unwrap_or_default()
    }

    /// Names of the imports that a function refers to.
    pub(crate) fn imports(&self, function: &Function) -> impl Iterator<Item = &'a [u8]> {
        let import = |reference: &Reference| match reference.kind {
            Kind::Call | Kind::Jump | Kind::Branch if self.function_at(reference.target).is_none() => {
                stub_slot(&self.image, reference.target).and_then(|slot| self.image.import(slot))
            }
            Kind::SlotCall | Kind::SlotJump | Kind::Address => self.image.import(reference.target),
            _ => None,
        };
        let indices = self.references(function).iter().filter_map(import);
        indices.filter_map(|index| self.image.imports.get(index).map(|(_, name)| *name))
    }

    /// Code without addresses, with the names and contents of what it refers to.
    fn exact(&self, function: &Function) -> u64 {
        self.links(function).iter().fold(function.masked, |hash, link| match link {
            Link::Unknown => mix(hash, 1),
            Link::Function(_) => mix(hash, 2),
            Link::Datum(index) => mix(mix(hash, 3), self.data.get(*index).map_or(0, |datum: &Datum| datum.label)),
            Link::Import(name) => mix(mix(hash, 4), *name),
        })
    }
}
