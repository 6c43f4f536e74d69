//! Several files as one graph: imports resolved, roots told, address-taken functions behind one node.
//!
//! A name leads to every file that defines it, not only to the one that the loader would choose: versions of names,
//! other orders of loading and preloaded files change the choice. What no file defines is counted.

use super::{EdgeKind, ObjectGraph, RootKind, lookup};
use crate::limits::DEFINITIONS_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A node: a function, or one of two that stand for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A function: the index of its file, and its index there.
    Function(u32, u32),
    /// Whatever starts the program: kernel, loader, and look-up by name.
    Loader,
    /// Whatever is called by a pointer: every function whose address is taken.
    IndirectAny,
}

/// An edge between nodes, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// From which node.
    pub from: u32,
    /// To which node.
    pub to: u32,
    /// How it is known.
    pub kind: EdgeKind,
}

/// Where the program is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Which node.
    pub node: u32,
    /// Why.
    pub kind: RootKind,
}

/// A call of what no file defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnresolvedImport {
    /// From which node.
    pub from: u32,
    /// The name that nobody defines.
    pub name: Vec<u8>,
    /// How it would be called.
    pub kind: EdgeKind,
}

/// Files and the edges between their functions.
#[derive(Debug, Clone)]
pub struct CallGraph {
    /// The files, in the order in which they were given.
    pub objects: Vec<ObjectGraph>,
    /// Edges, sorted, each once.
    pub edges: Vec<Edge>,
    /// Roots, sorted, each once.
    pub roots: Vec<Root>,
    /// Calls of what no file defines, sorted.
    pub unresolved_imports: Vec<UnresolvedImport>,
    /// For each file the number of its first function.
    firsts: Vec<u32>,
}

impl CallGraph {
    /// Links files. The first `named` ones are programs, or libraries that are looked at or loaded without being asked
    /// for: their entries and exports are roots; of all files where others may call in that are not among them. Files
    /// that others name as their interpreter are loaders.
    pub fn new(objects: Vec<ObjectGraph>, named: usize) -> Self {
        let mut firsts = Vec::with_capacity(objects.len());
        let mut count = 0_u32;
        for object in &objects {
            firsts.push(count);
            count = count.saturating_add(object.functions.len() as u32);
        }
        let mut graph = Self { objects, edges: Vec::new(), roots: Vec::new(), unresolved_imports: Vec::new(), firsts };
        graph.link(count, named);
        graph.objects.iter_mut().for_each(ObjectGraph::forget);
        graph
    }

    fn link(&mut self, count: u32, named: usize) {
        let (loader, any) = (count, count + 1);
        let mut edges: Vec<Edge> = Vec::new();
        let mut unresolved = Vec::new();
        // How each function's address is taken: by data or by code.
        let mut taken: BTreeMap<u32, EdgeKind> = BTreeMap::new();
        for (object, first) in self.objects.iter().zip(&self.firsts) {
            edges.extend(object.edges.iter().map(|&(from, to, kind)| Edge {
                from: first + from,
                to: first + to,
                kind,
            }));
            let addresses = object.edges.iter().filter(|(_, _, kind)| *kind == EdgeKind::CodeAddress);
            addresses.for_each(|(_, to, kind)| take(&mut taken, first + to, *kind));
            let defined: Vec<Vec<u32>> = object.names.iter().map(|name| self.defined(name)).collect();
            // Names that too many functions have: they are called like pointers.
            let mut ambiguous: BTreeSet<u32> = BTreeSet::new();
            for &(from, name, kind, is_own) in &object.imports {
                let targets = &defined[name as usize];
                let from = first + from;
                if targets.is_empty() && !is_own && kind.is_call() {
                    unresolved.push(UnresolvedImport { from, name: object.names[name as usize].clone(), kind });
                }
                if targets.len() > DEFINITIONS_MAX {
                    edges.push(Edge { from, to: any, kind: EdgeKind::IndirectAny });
                    ambiguous.insert(name);
                    continue;
                }
                for &to in targets {
                    edges.push(Edge { from, to, kind });
                    if kind == EdgeKind::CodeAddress {
                        take(&mut taken, to, kind);
                    }
                }
            }
            let names = object.taken_names.iter().chain(&ambiguous).flat_map(|name| &defined[*name as usize]).copied();
            let data = object.taken.iter().map(|function| first + function).chain(names);
            for to in data {
                take(&mut taken, to, EdgeKind::RelocPointer);
            }
            let sites = (0_u32..).zip(&object.unresolved).filter(|(_, sites)| **sites > 0);
            edges.extend(sites.map(|(from, _)| Edge { from: first + from, to: any, kind: EdgeKind::IndirectAny }));
        }
        // A pointer to a resolver's name is a pointer to what it chooses.
        for to in taken.keys().copied().collect::<Vec<_>>() {
            for choice in self.choices(to) {
                taken.entry(choice).or_insert(EdgeKind::CodeAddress);
            }
        }
        self.roots = self.roots(named);
        // The loader is one of the files, and calls what headers and names lead it to by pointers as everybody does.
        let called = self.roots.iter().filter(|root| root.kind != RootKind::Export);
        for root in called {
            taken.entry(root.node).or_insert(root.kind.edge());
        }
        edges.extend(taken.into_iter().map(|(to, kind)| Edge { from: any, to, kind }));
        edges.extend(self.roots.iter().map(|root| Edge { from: loader, to: root.node, kind: root.kind.edge() }));
        // Whether a call of an import is a root or not, somebody else's code follows it, and that may call back.
        edges.extend(unresolved.iter().map(|call| Edge { from: call.from, to: any, kind: EdgeKind::IndirectAny }));
        edges.sort_unstable();
        edges.dedup();
        unresolved.sort_unstable();
        unresolved.dedup();
        edges.shrink_to_fit();
        self.edges = edges;
        self.unresolved_imports = unresolved;
    }

    /// Every function of that name that others may call, with what resolvers choose.
    fn defined(&self, name: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        for (object, first) in self.objects.iter().zip(&self.firsts) {
            for function in object.exported(name) {
                found.push(first + function);
                found.extend(self.choices(first + function));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn choices(&self, node: u32) -> Vec<u32> {
        let Node::Function(object, function) = self.node(node) else { return Vec::new() };
        let first = self.firsts[object as usize];
        let choices = self.objects[object as usize].choices.get(&function);
        choices.map_or_else(Vec::new, |choices| choices.iter().map(|choice| first + choice).collect())
    }

    /// Whether a file is what another one names as its loader.
    fn is_loader(&self, object: usize) -> bool {
        let mut loaders = self.objects.iter().filter_map(|object| object.interpreter.as_deref());
        object > 0 && loaders.any(|loader| self.objects[object].answers_to(file_name(loader)))
    }

    /// Whether a node is a function of the loader: [`Node::Loader`] stands for those too.
    pub fn is_of_loader(&self, node: u32) -> bool {
        matches!(self.node(node), Node::Function(object, _) if self.is_loader(object as usize))
    }

    fn roots(&self, named: usize) -> Vec<Root> {
        let mut looked_up: Vec<u64> = self.objects.iter().flat_map(|object| object.lookups.iter().copied()).collect();
        looked_up.sort_unstable();
        looked_up.dedup();
        let mut roots = Vec::new();
        for (number, (object, first)) in self.objects.iter().zip(&self.firsts).enumerate() {
            let is_loader = self.is_loader(number);
            for &(function, kind) in &object.roots {
                let kind = match kind {
                    RootKind::EntryPoint if is_loader => RootKind::LoaderEntry,
                    // Libraries that others load have an entry only for people who start them.
                    RootKind::EntryPoint | RootKind::Export if number >= named => continue,
                    kind => kind,
                };
                roots.push(Root { node: first + function, kind });
            }
            for (name, function) in &object.exports {
                if looked_up.binary_search(&lookup::hash(name)).is_ok() {
                    roots.push(Root { node: first + function, kind: RootKind::Lookup });
                    let choices = self.choices(first + function);
                    roots.extend(choices.into_iter().map(|node| Root { node, kind: RootKind::Lookup }));
                }
            }
        }
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// How many nodes there are: the functions of all files, then [`Node::Loader`] and [`Node::IndirectAny`].
    pub fn len(&self) -> usize {
        self.functions() as usize + 2
    }

    /// Whether there is no function.
    pub fn is_empty(&self) -> bool {
        self.functions() == 0
    }

    fn functions(&self) -> u32 {
        self.firsts.last().zip(self.objects.last()).map_or(0, |(first, last)| first + last.functions.len() as u32)
    }

    /// What a number stands for.
    pub fn node(&self, number: u32) -> Node {
        let functions = self.functions();
        if number >= functions {
            return if number == functions { Node::Loader } else { Node::IndirectAny };
        }
        let object = self.firsts.partition_point(|first| *first <= number) - 1;
        Node::Function(object as u32, number - self.firsts[object])
    }

    /// The number of a node.
    pub fn number(&self, node: Node) -> u32 {
        match node {
            Node::Function(object, function) => self.firsts[object as usize] + function,
            Node::Loader => self.functions(),
            Node::IndirectAny => self.functions() + 1,
        }
    }

    /// The edges from a node.
    pub fn edges_from(&self, node: u32) -> &[Edge] {
        self.edges.get(self.edge_numbers(node)).unwrap_or_default()
    }

    /// The numbers of the edges from a node.
    pub fn edge_numbers(&self, node: u32) -> Range<usize> {
        let from = self.edges.partition_point(|edge| edge.from < node);
        let to = self.edges.partition_point(|edge| edge.from <= node);
        from..to.max(from)
    }

    /// Calls whose target only the running program knows, those of imports that no file defines included.
    pub fn unresolved_call_sites(&self) -> u64 {
        let sites = self.objects.iter().flat_map(|object| &object.unresolved).map(|sites| u64::from(*sites));
        sites.sum::<u64>() + self.unresolved_imports.len() as u64
    }
}

impl ObjectGraph {
    /// Whether a name of `DT_NEEDED` or `PT_INTERP`, without folders, means this file.
    pub fn answers_to(&self, name: &str) -> bool {
        self.soname.as_deref() == Some(name) || file_name(&self.name) == name
    }

    /// Drops what linking needed.
    fn forget(&mut self) {
        (self.edges, self.imports, self.taken, self.taken_names) = Default::default();
        (self.lookups, self.names) = Default::default();
    }
}

/// Notes that the address of a function is taken; of several ways the first kind is told.
fn take(taken: &mut BTreeMap<u32, EdgeKind>, node: u32, kind: EdgeKind) {
    let known = taken.entry(node).or_insert(kind);
    *known = kind.min(*known);
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
