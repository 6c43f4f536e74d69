//! Graphs and keys for tests.

use delta_attest::keys::NoteSigner;
use delta_attest::{SecretKey, TrustDraft};
use delta_format::{Blake3, Sha256};
use delta_functions::callgraph::EdgeKind;
use delta_graph::RichGraph;
use delta_graph::commitment::Trees;
use delta_graph::kind::Kind;
use delta_graph::model::{Binary, Edge, Function, INDIRECT_ANY, LOADER, Node, NodeKind, Root};
use delta_verify::TrustRoot;

const KEYS: [&str; 2] = ["00112233aabbccdd", "ffeeddcc00112233"];

fn binary(index: usize, name: &str) -> Binary {
    Binary {
        name: name.to_owned(),
        key: KEYS[index].to_owned(),
        build_id: Some(format!("{}0011", KEYS[index])),
        sha256: Sha256::new([index as u8 + 1; 32]),
        format: "elf".to_owned(),
        machine: "x86-64".to_owned(),
        purl: (index == 1).then(|| "pkg:deb/debian/libb@1.0".to_owned()),
        degraded: Vec::new(),
    }
}

fn function(binary: u32, address: u64, symbol: &str) -> Node {
    Node {
        id: format!("{}:{address:08x}", KEYS[binary as usize]),
        kind: NodeKind::Function(Function {
            binary,
            address,
            length: 0x40,
            section: ".text".to_owned(),
            symbol: symbol.to_owned(),
            aliases: if symbol == "parse" { vec!["__parse".to_owned()] } else { Vec::new() },
            is_exported: binary == 1,
            code: Blake3::new([address as u8; 32]),
            unresolved: u32::from(symbol == "dispatch"),
        }),
    }
}

/// A program `a` with `start -> main -> dispatch`, a library `b` that `main` calls, a handler whose address is taken, and
/// a function that nobody calls.
pub(crate) fn graph() -> RichGraph {
    let mut nodes = vec![
        function(0, 0x1000, "start"),
        function(0, 0x1040, "main"),
        function(0, 0x1080, "dispatch"),
        function(0, 0x10c0, "_ZN3lib6unusedEv"),
        function(1, 0x2000, "parse"),
        function(1, 0x2040, ""),
        Node { id: LOADER.to_owned(), kind: NodeKind::Loader },
        Node { id: INDIRECT_ANY.to_owned(), kind: NodeKind::IndirectAny },
    ];
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    let mut graph = RichGraph {
        analyzer_version: "0.1.0".to_owned(),
        binaries: vec![binary(0, "a"), binary(1, "libb.so.1")],
        nodes,
        edges: Vec::new(),
        roots: Vec::new(),
        assumptions: Vec::new(),
        missing: vec!["libmissing.so.2".to_owned()],
        unresolved_call_sites: 1,
    };
    let edges = [
        ("loader", "a:start", EdgeKind::Loader),
        ("loader", "libb.so.1:parse", EdgeKind::InitArray),
        ("a:start", "a:main", EdgeKind::CodeAddress),
        ("a:main", "a:dispatch", EdgeKind::Direct),
        ("a:main", "libb.so.1:parse", EdgeKind::Plt),
        ("a:dispatch", INDIRECT_ANY, EdgeKind::IndirectAny),
        (INDIRECT_ANY, "ffeeddcc00112233:00002040", EdgeKind::RelocPointer),
    ];
    let node = |name: &str| graph.named(name)[0];
    let mut list: Vec<Edge> = edges
        .into_iter()
        .map(|(from, to, kind)| Edge { from: node(from), to: node(to), kind: Kind::Static(kind), evidence: Vec::new() })
        .collect();
    list.sort_by_key(|edge| (edge.from, edge.to, edge.kind.name()));
    let root = |name: &str, phase: &str, source: &str| Root {
        node: node(name),
        phase: phase.to_owned(),
        source: source.to_owned(),
    };
    let mut roots = vec![root("a:start", "runtime", "entry-point"), root("libb.so.1:parse", "init", "init-array")];
    roots.sort_unstable();
    graph.edges = list;
    graph.roots = roots;
    graph
}

/// The trees of a graph.
pub(crate) fn trees(graph: &RichGraph) -> Trees {
    Trees::new(graph, &graph.reachable(|_| false))
}

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// A trust root of one signer.
pub(crate) fn trust(signer: &SecretKey) -> TrustRoot {
    let draft = TrustDraft {
        name: "test".parse().expect("a name"),
        version: 1,
        signers: vec![("signer".parse().expect("a name"), signer.public())],
        signer_threshold: 1,
        rollback: Vec::new(),
        rollback_threshold: 1,
        logs: vec![NoteSigner::log(key(101), "example.com/log".parse().expect("a name")).key().clone()],
        witnesses: vec![NoteSigner::witness(key(102), "witness".parse().expect("a name")).key().clone()],
        quorum: 1,
    };
    TrustRoot::parse(&draft.to_text().expect("a usable trust root")).expect("it was just written")
}

/// Compares with a stored vector, which is one line, and gives it. `STELLA_WRITE_VECTORS=1` writes vectors that are not
/// there yet; those that are there are never written again: a changed format gets a new version and new vectors.
pub(crate) fn vector(name: &str, written: &[u8]) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    if std::env::var_os("STELLA_WRITE_VECTORS").is_some() && !path.exists() {
        std::fs::write(&path, [written, b"\n"].concat()).expect("a writable folder");
    }
    let stored = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let stored = stored.strip_suffix(b"\n").expect("a line").to_vec();
    assert_eq!(String::from_utf8_lossy(written), String::from_utf8_lossy(&stored), "{name} changed");
    stored
}
