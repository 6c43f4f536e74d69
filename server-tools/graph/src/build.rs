//! From a call graph to a reachability graph.

use crate::closure::{Closure, Plugins};
use crate::kind::Kind;
use crate::model::{Binary, Edge, Function, INDIRECT_ANY, LOADER, Node, NodeKind, PLUGINS_NAMED, RichGraph, Root};
use crate::symbol;
use delta_functions::callgraph::{self, CallGraph};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the analyser: that of this program.
pub const ANALYZER_VERSION: &str = env!("CARGO_PKG_VERSION");

impl RichGraph {
    /// The graph of a program and its libraries. `purls` says from which package a file is, by the name of the file.
    pub fn build(closure: Closure, purls: &BTreeMap<String, String>, plugins: Plugins) -> Self {
        let exporting = closure.exporting(plugins);
        let Closure { files, objects, missing, .. } = closure;
        let graph = CallGraph::new(objects, exporting);
        let mut keys = BTreeSet::new();
        let mut binaries = Vec::with_capacity(files.len());
        for (object, file) in graph.objects.iter().zip(&files) {
            let build_id = object.build_id.as_deref().filter(|id| id.len() >= 8).map(hexadecimal);
            let digest = file.sha256.to_string();
            // Two builds with one id are told apart by their bytes.
            let key = [build_id.as_deref().unwrap_or(&digest), &digest].map(|id| id.get(..16).unwrap_or(id).to_owned());
            let key = key.into_iter().find(|key| !keys.contains(key)).unwrap_or_else(|| digest.clone());
            keys.insert(key.clone());
            binaries.push(Binary {
                name: object.name.clone(),
                key,
                build_id,
                sha256: file.sha256,
                format: format!("{:?}", object.format).to_lowercase(),
                machine: object.machine.name().to_owned(),
                purl: purls.get(&object.name).cloned(),
                degraded: object.degraded.iter().map(|reason| reason.name().to_owned()).collect(),
            });
        }
        let node = |number: u32| match graph.node(number) {
            callgraph::Node::Loader => Node { id: LOADER.to_owned(), kind: NodeKind::Loader },
            callgraph::Node::IndirectAny => Node { id: INDIRECT_ANY.to_owned(), kind: NodeKind::IndirectAny },
            callgraph::Node::Function(file, index) => {
                let object = &graph.objects[file as usize];
                let function = &object.functions[index as usize];
                let mut names = function.symbols.iter().map(|name| String::from_utf8_lossy(name).into_owned());
                let id = node_id(&binaries[file as usize].key, function.address);
                let kind = NodeKind::Function(Function {
                    binary: file,
                    address: function.address,
                    length: function.bytes,
                    section: object.sections.get(function.section as usize).cloned().unwrap_or_default(),
                    symbol: names.next().unwrap_or_default(),
                    aliases: names.collect(),
                    is_exported: function.is_exported,
                    code: files[file as usize].code[index as usize],
                    unresolved: object.unresolved[index as usize],
                });
                Node { id, kind }
            }
        };
        let mut nodes: Vec<(u32, Node)> = (0..graph.len() as u32).map(|number| (number, node(number))).collect();
        nodes.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        let mut places = vec![0_u32; nodes.len()];
        for (place, (number, _)) in (0_u32..).zip(&nodes) {
            places[*number as usize] = place;
        }
        let place = |number: u32| places[number as usize];
        let edge = |edge: &callgraph::Edge| Edge {
            from: place(edge.from),
            to: place(edge.to),
            kind: Kind::Static(edge.kind),
            evidence: Vec::new(),
        };
        let root = |root: &callgraph::Root| Root {
            node: place(root.node),
            phase: root.kind.phase().to_owned(),
            source: root.kind.name().to_owned(),
        };
        let mut roots: Vec<Root> = graph.roots.iter().map(root).collect();
        roots.sort_unstable();
        let mut rich = Self {
            analyzer_version: ANALYZER_VERSION.to_owned(),
            binaries,
            nodes: Vec::new(),
            edges: graph.edges.iter().map(edge).collect(),
            roots,
            missing,
            assumptions: if plugins == Plugins::Named { vec![PLUGINS_NAMED.to_owned()] } else { Vec::new() },
            unresolved_call_sites: graph.unresolved_call_sites(),
        };
        rich.nodes = nodes.into_iter().map(|(_, node)| node).collect();
        rich.sort_edges();
        rich
    }
}

/// The id of a function's node.
pub fn node_id(key: &str, address: u64) -> String {
    format!("{key}:{address:08x}")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name that a node is shown by.
pub fn label(graph: &RichGraph, node: u32) -> String {
    let Some(function) = graph.function(node) else { return graph.id(node).to_owned() };
    let file = graph.binary(function).map_or("", |binary| binary.name.as_str());
    match function.symbol.as_str() {
        "" => format!("{file}:{:#x}", function.address),
        symbol => format!("{file}:{}", symbol::display(symbol)),
    }
}
