//! What callgrind saw a program do, compared with its call graph: the measure of the rule that nothing that runs is
//! called unreachable.
//!
//! In: the text that `valgrind --tool=callgrind --dump-instr=yes --compress-pos=no --compress-strings=no` wrote
//! (callgrind format specification, valgrind manual chapter 6). Out: each call between two functions with how the graph
//! explains it. Functions are those of the graph, found by address; names of the trace are not read.

use delta_functions::callgraph::{CallGraph, EdgeKind, Node, Reachable};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A place: the number of its file in [`Trace::files`], and the address there.
pub type Place = (u32, u64);

/// The name of the file of code that is in none.
const NO_FILE: &str = "???";
/// Instructions of a stub: a mark for indirect branches, the jump, and one to spare. Other code in no file is none.
const STUB_INSTRUCTIONS_MAX: usize = 3;

/// A trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Files that code ran in.
    pub files: Vec<String>,
    /// Calls: from, to.
    pub calls: BTreeSet<(Place, Place)>,
    /// Instructions that ran.
    pub ran: BTreeSet<Place>,
}

impl Trace {
    /// Reads a trace; lines that are no part of the format are skipped.
    pub fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let mut number = |files: &mut Vec<String>, name| {
            *numbers.entry(name).or_insert_with(|| {
                files.push(str::to_owned(name));
                files.len() as u32 - 1
            })
        };
        let address = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
        let (mut own, mut called) = (0, None);
        // The target of a call stands in the line before its place.
        let mut target = None;
        // Where the present function of no file starts, and how many instructions of each ran.
        let mut stub = None;
        let mut instructions: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("ob=") {
                own = number(&mut trace.files, name);
                called = None;
            } else if let Some(name) = line.strip_prefix("cob=") {
                called = Some(number(&mut trace.files, name));
            } else if let Some(rest) = line.strip_prefix("calls=") {
                target = rest.split(' ').nth(1).and_then(address).map(|at| (called.take().unwrap_or(own), at));
            } else if let Some(at) = line.split(' ').next().and_then(address) {
                let place = (own, stub.unwrap_or(at));
                if let Some(stub) = stub {
                    instructions.entry(stub).or_default().insert(at);
                }
                match target.take() {
                    Some(target) => drop(trace.calls.insert((place, target))),
                    None => drop(trace.ran.insert((own, at))),
                }
            } else if let Some(name) = line.strip_prefix("fn=") {
                called = None;
                let is_of_no_file = trace.files.get(own as usize).is_some_and(|file| file == NO_FILE);
                stub = address(name).filter(|_| is_of_no_file);
            }
        }
        let is_stub = |at: u64| instructions.get(&at).is_some_and(|ran| ran.len() <= STUB_INSTRUCTIONS_MAX);
        trace.join_stubs(is_stub);
        trace
    }
}

impl Trace {
    /// Callgrind does not know the stubs of libraries as part of a file. What calls one and what it jumps to is one call.
    fn join_stubs(&mut self, is_stub: impl Fn(u64) -> bool) {
        let Some(none) = self.files.iter().position(|file| file == NO_FILE).map(|number| number as u32) else { return };
        let (of_stubs, mut calls): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(&mut self.calls).into_iter().partition(|((file, at), _)| *file == none && is_stub(*at));
        let mut targets: BTreeMap<Place, Vec<Place>> = BTreeMap::new();
        of_stubs.iter().for_each(|(from, to)| targets.entry(*from).or_default().push(*to));
        let joined = calls
            .iter()
            .flat_map(|(from, stub)| targets.get(stub).into_iter().flatten().map(move |target| (*from, *target)));
        let called: BTreeSet<Place> = calls.iter().map(|(_, to)| *to).collect();
        let joined: Vec<(Place, Place)> = joined.filter(|(_, to)| to.0 != none).collect();
        // What leads to no stub, and stubs that nobody called, stay as they are: calls with an end in no file.
        calls.retain(|(_, to)| to.0 != none || !targets.contains_key(to));
        calls.extend(of_stubs.into_iter().filter(|(from, _)| !called.contains(from)));
        calls.extend(joined);
        self.calls = calls;
    }

    /// Libraries that valgrind loads before the others, which are part of the run and no part of the program.
    pub fn preloaded(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().filter(|name| name.contains("/vgpreload_")).map(PathBuf::from)
    }
}

/// How the graph explains a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Explained {
    /// By an edge between the two whose target is known.
    Exact,
    /// The caller is a function of the loader, and the graph has the callee as what the loader calls.
    Loader,
    /// The caller takes the address of the callee, or refers to a table with it.
    Address,
    /// The caller calls what only the running program knows, and the callee's address is taken.
    Pointer,
    /// The caller's stub goes to the loader the first time, and the loader on to what it found.
    Lazy,
    /// Not at all.
    No,
}

/// A trace beside a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Calls between two functions, by node, and how each is explained.
    pub edges: BTreeMap<(u32, u32), Explained>,
    /// For each of them a place that called and one that was called.
    pub places: BTreeMap<(u32, u32), (u64, u64)>,
    /// Functions that ran.
    pub executed: BTreeSet<u32>,
    /// Functions that ran and that the graph calls unreachable.
    pub unreachable: BTreeSet<u32>,
    /// Records of calls.
    pub records: usize,
    /// Those of them with an end in no function: stubs of the linker, code made at run time.
    pub dropped: usize,
    /// Those of them with an end in a file that is not part of the graph.
    pub outside: usize,
}

impl Comparison {
    /// Compares. `paths` are the files of the graph.
    pub fn new(graph: &CallGraph, reachable: &Reachable, paths: &[PathBuf], trace: &Trace) -> Self {
        let object = |name: &String| {
            let real = Path::new(name).canonicalize().ok()?;
            paths.iter().position(|path| *path == real).map(|index| index as u32)
        };
        let objects: Vec<Option<u32>> = trace.files.iter().map(object).collect();
        let is_inside = |(file, _): Place| objects[file as usize].is_some();
        let node = |(file, at): Place| {
            let object = objects[file as usize]?;
            let function = graph.objects[object as usize].function_around(at)?;
            Some(graph.number(Node::Function(object, function)))
        };
        let executed: BTreeSet<u32> = trace.ran.iter().filter_map(|place| node(*place)).collect();
        let unreachable = executed.iter().copied().filter(|node| !reachable.has(*node)).collect();
        let mut comparison = Self {
            edges: BTreeMap::new(),
            places: BTreeMap::new(),
            executed,
            unreachable,
            records: trace.calls.len(),
            dropped: 0,
            outside: 0,
        };
        for (from, to) in &trace.calls {
            if !is_inside(*from) || !is_inside(*to) {
                comparison.outside += 1;
                continue;
            }
            let (Some(caller), Some(callee)) = (node(*from), node(*to)) else {
                comparison.dropped += 1;
                continue;
            };
            if caller != callee {
                comparison.edges.insert((caller, callee), Explained::No);
                comparison.places.insert((caller, callee), (from.1, to.1));
            }
        }
        for (edge, how) in &mut comparison.edges {
            *how = explained(graph, edge.0, edge.1);
        }
        comparison
    }

    /// How many calls are explained in each way, in the order of [`Explained`].
    pub fn counts(&self) -> [usize; 6] {
        let mut counts = [0; 6];
        for how in self.edges.values() {
            counts[*how as usize] += 1;
        }
        counts
    }
}

fn explained(graph: &CallGraph, caller: u32, callee: u32) -> Explained {
    let kinds = graph.edges_from(caller).iter().filter(|edge| edge.to == callee).map(|edge| edge.kind);
    match kinds.min() {
        Some(kind) if kind.is_call() => return Explained::Exact,
        Some(_) => return Explained::Address,
        None => {}
    }
    let (any, loader) = (graph.number(Node::IndirectAny), graph.number(Node::Loader));
    let leads = |from: u32, to: u32| graph.edges_from(from).iter().any(|edge| edge.to == to);
    let is_of_loader = graph.is_of_loader(caller) && leads(caller, any);
    if is_of_loader && leads(loader, callee) {
        return Explained::Loader;
    }
    if leads(caller, any) && leads(any, callee) {
        return Explained::Pointer;
    }
    let is_lazy = graph.edges_from(caller).iter().any(|edge| edge.kind == EdgeKind::Plt);
    if is_lazy && leads(any, callee) {
        return Explained::Lazy;
    }
    Explained::No
}
