//! The call graph of one file, without the bytes of the file.

use super::sites::{Callee, Finder, Sites};
use super::{EdgeKind, RootKind, lookup, tables};
use crate::classify::names_at;
use crate::degraded::Degraded;
use crate::executable::Executable;
use crate::image::{Format, Machine, Root};
use crate::limits::{CHOICES_MAX, FUNCTION_TABLE_ENTRIES_MAX, FUNCTIONS_AT_A_TIME, SYMBOLS_MAX, TABLE_ENTRIES_MAX};
use crate::program::Program;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Imports of files that open others. The C library does too, for modules of its own; those are few and known.
const OPENS: [&[u8]; 7] =
    [b"dlopen", b"dlmopen", b"LoadLibraryA", b"LoadLibraryW", b"LoadLibraryExA", b"LoadLibraryExW", b"LdrLoadDll"];

/// A function of an [`ObjectGraph`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFunction {
    /// Its first address; of PE counted with the preferred base.
    pub address: u64,
    /// Its length in bytes, without padding.
    pub bytes: u64,
    /// The name of its section, as an index of [`ObjectGraph::sections`].
    pub section: u32,
    /// Its names as they stand in the file, those that people use first: without two underscores in front, then short ones.
    pub symbols: Vec<Vec<u8>>,
    /// Whether others may call it by name.
    pub is_exported: bool,
}

/// The functions of a file, and what leads from one to the other.
#[derive(Debug, Clone)]
pub struct ObjectGraph {
    /// The name that it is known by: what the caller gave.
    pub name: String,
    /// The name under which others load it.
    pub soname: Option<String>,
    /// The identity that a linker gave this build.
    pub build_id: Option<Vec<u8>>,
    /// Its container.
    pub format: Format,
    /// Its processor.
    pub machine: Machine,
    /// Files that the loader loads with it, in its order.
    pub needed: Vec<String>,
    /// Folders in which the loader looks first, between colons; `$ORIGIN` is the folder of the file.
    pub runpath: Option<String>,
    /// The loader that it asks for.
    pub interpreter: Option<String>,
    /// Whether it opens other files while it runs (`dlopen`, `LoadLibrary`), whose names nothing tells.
    pub opens_files: bool,
    /// Why less is known than could be.
    pub degraded: Vec<Degraded>,
    /// Names of sections.
    pub sections: Vec<String>,
    /// Functions in order of their addresses.
    pub functions: Vec<ObjectFunction>,
    /// For each function, calls whose target only the running program knows.
    pub unresolved: Vec<u32>,
    /// From, to, kind; sorted.
    pub(super) edges: Vec<(u32, u32, EdgeKind)>,
    /// From, index of a name, kind, whether this file defines the name too; sorted.
    pub(super) imports: Vec<(u32, u32, EdgeKind, bool)>,
    pub(super) names: Vec<Vec<u8>>,
    /// Functions whose address data holds.
    pub(super) taken: Vec<u32>,
    /// Names whose address data holds, by index.
    pub(super) taken_names: Vec<u32>,
    /// Name and function, sorted.
    pub(super) exports: Vec<(Vec<u8>, u32)>,
    pub(super) roots: Vec<(u32, RootKind)>,
    /// What each resolver may choose, sorted by resolver.
    pub(super) choices: BTreeMap<u32, Vec<u32>>,
    /// Hashes of texts that may be names to look up.
    pub(super) lookups: Vec<u64>,
}

impl ObjectGraph {
    /// The graph of an analysed file. `name` is what reports call it.
    pub fn new(executable: &Executable<'_>, name: &str) -> Self {
        let program = executable.program();
        let finder = Finder::new(program);
        let count = program.functions.len() as u32;
        let mut names = Names::default();
        let (mut edges, mut imports, mut unresolved) = (Vec::new(), Vec::new(), Vec::with_capacity(count as usize));
        // Functions that refer to tables need few entries; a file in which they need many is looked at in part. Every
        // pointer of a table counts as taken anyway; what only distances of such a table lead to is not known then.
        let mut left = TABLE_ENTRIES_MAX;
        for first in (0..count).step_by(FUNCTIONS_AT_A_TIME as usize) {
            let budget = if left > 0 { FUNCTION_TABLE_ENTRIES_MAX } else { 0 };
            let functions = first..count.min(first + FUNCTIONS_AT_A_TIME);
            let round: Vec<Sites<'_>> =
                functions.clone().into_par_iter().map(|index| finder.sites(index, budget)).collect();
            for (from, sites) in functions.zip(round) {
                left = left.saturating_sub((budget - sites.budget).into());
                unresolved.push(sites.unresolved);
                for (callee, kind) in sites.edges {
                    match callee {
                        Callee::Own(to) => edges.push((from, to, kind)),
                        Callee::Import(name) => imports.push((from, names.index(name), kind, false)),
                        Callee::Preemptible(name) => imports.push((from, names.index(name), kind, true)),
                    }
                }
            }
        }
        let roots = roots(program);
        let choices = choices(&roots, &edges, &mut unresolved);
        choose(&choices, &mut edges);
        let (taken, taken_names) = taken(program, &mut names);
        let (sections, functions) = functions(executable);
        Self {
            name: name.to_owned(),
            soname: executable.soname(),
            build_id: executable.build_id().map(<[u8]>::to_vec),
            format: executable.format(),
            machine: executable.machine(),
            needed: program.image.needed.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            runpath: program.image.runpath.map(|path| String::from_utf8_lossy(path).into_owned()),
            interpreter: program.image.interpreter.map(|name| String::from_utf8_lossy(name).into_owned()),
            opens_files: program.image.imports.iter().any(|(_, name)| OPENS.contains(name)),
            degraded: executable.degraded().to_vec(),
            sections,
            functions,
            unresolved,
            edges,
            imports,
            names: names.list,
            taken,
            taken_names,
            exports: exports(program),
            roots,
            choices,
            lookups: lookup::names(program),
        }
    }

    /// The index of the function that holds an address.
    pub fn function_around(&self, address: u64) -> Option<u32> {
        let index = self.functions.partition_point(|function| function.address <= address).checked_sub(1)?;
        let function = self.functions.get(index)?;
        (address - function.address < function.bytes).then_some(index as u32)
    }

    /// The function that a name leads others to, with a name of the file's own bytes; several where the name has versions.
    pub fn exported(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let from = self.exports.partition_point(|(known, _)| known.as_slice() < name);
        self.exports.iter().skip(from).take_while(move |(known, _)| known == name).map(|(_, function)| *function)
    }
}

/// Names, each once.
#[derive(Default)]
struct Names<'a> {
    list: Vec<Vec<u8>>,
    known: BTreeMap<&'a [u8], u32>,
}

impl<'a> Names<'a> {
    fn index(&mut self, name: &'a [u8]) -> u32 {
        *self.known.entry(name).or_insert_with(|| {
            self.list.push(name.to_vec());
            self.list.len() as u32 - 1
        })
    }
}

fn functions(executable: &Executable<'_>) -> (Vec<String>, Vec<ObjectFunction>) {
    let program = executable.program();
    let mut sections: Vec<String> = program.image.sections.iter().map(|section| section.name.clone()).collect();
    sections.push(String::new());
    let function = |function: &crate::program::Function| {
        let section = program.image.sections.partition_point(|section| section.address <= function.start);
        let named = names_at(executable.all_symbols(), function.start).iter().map(|symbol| symbol.name);
        let mut symbols: Vec<&[u8]> = named.take(SYMBOLS_MAX).collect();
        symbols.sort_by_key(|name| (name.starts_with(b"__"), name.len(), *name));
        symbols.dedup();
        ObjectFunction {
            address: function.start,
            bytes: function.bytes(),
            section: section.checked_sub(1).unwrap_or(sections.len() - 1) as u32,
            symbols: symbols.into_iter().map(<[u8]>::to_vec).collect(),
            is_exported: function.bound.sources.has(crate::discover::Sources::EXPORT),
        }
    };
    let functions = program.functions.iter().map(function).collect();
    (sections, functions)
}

/// Where the loader calls into the file.
fn roots(program: &Program<'_>) -> Vec<(u32, RootKind)> {
    let kind = |root: Root| match root {
        Root::Entry => Some(RootKind::EntryPoint),
        Root::Initializer => Some(RootKind::InitArray),
        Root::Finalizer => Some(RootKind::FiniArray),
        Root::ThreadCallback => Some(RootKind::TlsCallback),
        Root::Resolver => Some(RootKind::IfuncResolver),
        Root::Export => Some(RootKind::Export),
        Root::Guarded => None,
    };
    let function = |pointer: u64| program.index_around(program.image.machine.code(pointer));
    let root = |(pointer, root): &(u64, Root)| Some((function(*pointer)?, kind(*root)?));
    let mut roots: Vec<(u32, RootKind)> = program.image.roots.iter().filter_map(root).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// What resolvers may choose: the functions whose addresses they compute. One that computes very many counts as a call
/// of a pointer.
fn choices(
    roots: &[(u32, RootKind)],
    edges: &[(u32, u32, EdgeKind)],
    unresolved: &mut [u32],
) -> BTreeMap<u32, Vec<u32>> {
    let resolvers = roots.iter().filter(|(_, kind)| *kind == RootKind::IfuncResolver).map(|(function, _)| *function);
    let of = |resolver: u32| {
        let from = edges.partition_point(|(from, ..)| *from < resolver);
        let own = edges.iter().skip(from).take_while(|(from, ..)| *from == resolver);
        let addresses = own.filter(|(_, _, kind)| matches!(kind, EdgeKind::CodeAddress | EdgeKind::RelocPointer));
        (resolver, addresses.map(|(_, to, _)| *to).collect())
    };
    let mut choices: BTreeMap<u32, Vec<u32>> = resolvers.map(of).collect();
    for (resolver, list) in choices.iter_mut().filter(|(_, list)| list.len() > CHOICES_MAX) {
        list.clear();
        unresolved[*resolver as usize] += 1;
    }
    choices
}

/// A call of what a resolver chooses is a call of each choice.
fn choose(choices: &BTreeMap<u32, Vec<u32>>, edges: &mut Vec<(u32, u32, EdgeKind)>) {
    let chosen = edges.iter().flat_map(|(from, to, kind)| {
        let list = choices.get(to).map_or(&[][..], Vec::as_slice);
        list.iter().filter(|_| kind.is_call()).map(move |choice| (*from, *choice, *kind))
    });
    let chosen: Vec<_> = chosen.collect();
    edges.extend(chosen);
    edges.sort_unstable();
    edges.dedup();
}

/// Functions and names whose addresses data holds, slots for calls left out.
fn taken<'a>(program: &Program<'a>, names: &mut Names<'a>) -> (Vec<u32>, Vec<u32>) {
    let image = &program.image;
    let is_slot = |place: u64| {
        image.section(place).is_some_and(|section| section.name.starts_with(".got") || section.name == ".plt")
    };
    let pointers = image.pointers.iter().filter(|(place, _)| !is_slot(*place));
    let pointers = pointers.filter(|(_, target)| image.code(image.machine.code(*target)).is_some());
    let guarded = image.roots.iter().filter(|(_, root)| *root == Root::Guarded).map(|(pointer, _)| pointer);
    let targets = pointers.map(|(_, target)| target).chain(guarded);
    let mut taken: Vec<u32> = targets.filter_map(|target| program.index_around(image.machine.code(*target))).collect();
    taken.extend(tables::numbers(program));
    taken.sort_unstable();
    taken.dedup();
    // Pointers of PE to other files are slots for calls.
    let imports = image.imports.iter().filter(|_| image.format == Format::Elf);
    let named = imports.chain(&image.preemptible).filter(|(place, _)| !is_slot(*place));
    let mut taken_names: Vec<u32> = named.map(|(_, name)| names.index(name)).collect();
    taken_names.sort_unstable();
    taken_names.dedup();
    (taken, taken_names)
}

fn exports(program: &Program<'_>) -> Vec<(Vec<u8>, u32)> {
    let function = |address: u64| program.index_around(program.image.machine.code(address));
    let exports = program.image.exports.iter();
    exports.filter_map(|(name, address)| Some((name.to_vec(), function(*address)?))).collect()
}
