//! `richgraph-v1` as canonical JSON (RFC 8785): what is hashed and signed.
//!
//! Fields are declared in the order of their keys, numbers are integers, and nothing that is empty is written,
//! so plain serialization is canonical. A reader writes again what it read and refuses other bytes, so a graph has one
//! spelling, and what follows from other fields (`display`, `symbol_id`, `confidence_bp`) cannot lie.

use crate::closure::FILES_MAX;
use crate::error::{Error, Refused};
use crate::kind::Kind;
use crate::limits::{EVIDENCE_MAX, GRAPH_BYTES_MAX, GRAPH_EDGES_MAX, GRAPH_NODES_MAX};
use crate::model::{Binary, Edge, Function, INDIRECT_ANY, LOADER, Node, NodeKind, RichGraph, Root};
use crate::symbol;
use delta_format::{Blake3, Sha256};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// The schema of a graph.
pub const GRAPH_SCHEMA: &str = "richgraph-v1";
/// The name of the analyser.
pub const ANALYZER: &str = "stella-functions";

type Text<'a> = Cow<'a, str>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    analyzer: WireAnalyzer<'a>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assumptions: Vec<Text<'a>>,
    binaries: Vec<WireBinary<'a>>,
    #[serde(serialize_with = "edges", borrow)]
    edges: Edges<'a>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Text<'a>>,
    #[serde(serialize_with = "nodes", borrow)]
    nodes: Nodes<'a>,
    roots: Vec<WireRoot<'a>>,
    schema: Text<'a>,
    unresolved_call_sites: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAnalyzer<'a> {
    name: Text<'a>,
    version: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBinary<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<Text<'a>>,
    format: Text<'a>,
    key: Text<'a>,
    machine: Text<'a>,
    name: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purl: Option<Text<'a>>,
    sha256: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEdge<'a> {
    confidence_bp: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    evidence: Vec<Text<'a>>,
    #[serde(borrow)]
    from: Text<'a>,
    kind: Kind,
    #[serde(borrow)]
    to: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireNode<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attributes: Option<WireAttributes<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_block_hash: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    code_id: Option<WireCode<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display: Option<Text<'a>>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lang: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purl: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    symbol: Option<WireSymbol<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    symbol_id: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAttributes<'a> {
    #[serde(default, skip_serializing_if = "is_false")]
    exported: bool,
    #[serde(default, skip_serializing_if = "str::is_empty", borrow)]
    section: Text<'a>,
    #[serde(default, skip_serializing_if = "is_zero")]
    unresolved_call_sites: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCode<'a> {
    length: u64,
    /// Hexadecimal: addresses of kernels do not fit in the integers of JSON.
    #[serde(borrow)]
    start: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSymbol<'a> {
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    aliases: Vec<Text<'a>>,
    #[serde(borrow)]
    mangled: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRoot<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow)]
    source: Text<'a>,
}

/// Edges and nodes are most of a graph: they are written one by one, not copied into another form first.
enum Edges<'a> {
    Read(Vec<WireEdge<'a>>),
    Of(&'a RichGraph),
}

enum Nodes<'a> {
    Read(Vec<WireNode<'a>>),
    Of(&'a RichGraph),
}

impl<'de: 'a, 'a> Deserialize<'de> for Edges<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Read)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Nodes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Read)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn edges<S: Serializer>(edges: &Edges<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let Edges::Of(graph) = edges else { return Err(serde::ser::Error::custom("only graphs are written")) };
    let mut list = serializer.serialize_seq(Some(graph.edges.len()))?;
    for edge in &graph.edges {
        list.serialize_element(&WireEdge {
            confidence_bp: edge.kind.confidence_bp(),
            evidence: edge.evidence.iter().map(|digest| digest.into()).collect(),
            from: graph.id(edge.from).into(),
            kind: edge.kind,
            to: graph.id(edge.to).into(),
        })?;
    }
    list.end()
}

fn nodes<S: Serializer>(nodes: &Nodes<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let Nodes::Of(graph) = nodes else { return Err(serde::ser::Error::custom("only graphs are written")) };
    let mut list = serializer.serialize_seq(Some(graph.nodes.len()))?;
    for node in &graph.nodes {
        list.serialize_element(&wire_node(graph, node))?;
    }
    list.end()
}

fn wire_node<'a>(graph: &'a RichGraph, node: &'a Node) -> WireNode<'a> {
    let mut wire = WireNode {
        attributes: None,
        build_id: None,
        code_block_hash: None,
        code_id: None,
        display: None,
        id: node.id.as_str().into(),
        kind: "function".into(),
        lang: None,
        purl: None,
        symbol: None,
        symbol_id: None,
    };
    let NodeKind::Function(function) = &node.kind else {
        wire.kind = node.id.as_str().into();
        return wire;
    };
    let Some(binary) = graph.binary(function) else { return wire };
    let attributes = WireAttributes {
        exported: function.is_exported,
        section: function.section.as_str().into(),
        unresolved_call_sites: function.unresolved,
    };
    let is_told = attributes.exported || !attributes.section.is_empty() || attributes.unresolved_call_sites > 0;
    wire.attributes = is_told.then_some(attributes);
    wire.build_id = binary.build_id.as_deref().map(|id| format!("gnu-build-id:{id}").into());
    wire.code_block_hash = Some(format!("blake3:{}", function.code).into());
    wire.code_id = Some(WireCode { length: function.length, start: format!("{:#x}", function.address).into() });
    wire.lang = Some("binary".into());
    wire.purl = binary.purl.as_deref().map(Cow::Borrowed);
    if !function.symbol.is_empty() {
        wire.display = Some(symbol::display(&function.symbol).into());
        wire.symbol = Some(WireSymbol {
            aliases: function.aliases.iter().map(|name| name.into()).collect(),
            mangled: function.symbol.as_str().into(),
        });
    }
    wire.symbol_id = Some(symbol::id(&symbol::digest(binary, function)).into());
    wire
}

impl RichGraph {
    /// Writes the canonical JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let binary = |binary: &'_ Binary| WireBinary {
            build_id: binary.build_id.clone().map(Cow::Owned),
            degraded: binary.degraded.iter().cloned().map(Cow::Owned).collect(),
            format: binary.format.clone().into(),
            key: binary.key.clone().into(),
            machine: binary.machine.clone().into(),
            name: binary.name.clone().into(),
            purl: binary.purl.clone().map(Cow::Owned),
            sha256: binary.sha256.to_string().into(),
        };
        let root = |root: &Root| WireRoot {
            id: self.id(root.node).to_owned().into(),
            phase: root.phase.clone().into(),
            source: root.source.clone().into(),
        };
        let wire = Wire {
            analyzer: WireAnalyzer { name: ANALYZER.into(), version: self.analyzer_version.as_str().into() },
            assumptions: self.assumptions.iter().map(|word| word.into()).collect(),
            binaries: self.binaries.iter().map(binary).collect(),
            edges: Edges::Of(self),
            missing: self.missing.iter().map(|name| name.into()).collect(),
            nodes: Nodes::Of(self),
            roots: self.roots.iter().map(root).collect(),
            schema: GRAPH_SCHEMA.into(),
            unresolved_call_sites: self.unresolved_call_sites,
        };
        // What functions and edges take on average, so that the list does not grow by doubling.
        let mut json = Vec::with_capacity(self.edges.len() * 112 + self.nodes.len() * 440 + 4_096);
        serde_json::to_writer(&mut json, &wire).expect("a graph has nothing that JSON cannot say");
        json
    }

    /// Whether readers take a graph of that many bytes.
    ///
    /// # Errors
    /// [`Error::Limit`].
    pub fn fits(&self, json_bytes: u64) -> Result<(), Error> {
        let checks = [
            ("bytes of one graph", json_bytes, GRAPH_BYTES_MAX),
            ("functions of one graph", self.nodes.len() as u64, GRAPH_NODES_MAX as u64),
            ("edges of one graph", self.edges.len() as u64, GRAPH_EDGES_MAX as u64),
        ];
        match checks.into_iter().find(|(_, found, limit)| found > limit) {
            Some((what, _, limit)) => Err(Error::Limit { what, limit }),
            None => Ok(()),
        }
    }

    /// Reads canonical JSON.
    ///
    /// # Errors
    /// [`Refused`]: other text, unknown fields, what leads nowhere, another order, and anything that [`Self::to_json`]
    /// would not write.
    pub fn from_json(json: &[u8]) -> Result<Self, Refused> {
        if json.len() as u64 > GRAPH_BYTES_MAX {
            return Err(Refused::Limit("GRAPH_BYTES_MAX"));
        }
        let wire: Wire<'_> = serde_json::from_slice(json).map_err(|error| Refused::Syntax(error.to_string()))?;
        if wire.schema != GRAPH_SCHEMA || wire.analyzer.name != ANALYZER {
            return Err(Refused::Field("schema"));
        }
        let (Edges::Read(edges), Nodes::Read(nodes)) = (wire.edges, wire.nodes) else {
            return Err(Refused::Field("edges"));
        };
        if nodes.len() > GRAPH_NODES_MAX || edges.len() > GRAPH_EDGES_MAX {
            return Err(Refused::Limit("GRAPH_NODES_MAX"));
        }
        if wire.binaries.len() > FILES_MAX {
            return Err(Refused::Limit("FILES_MAX"));
        }
        let mut graph = Self {
            analyzer_version: wire.analyzer.version.into_owned(),
            binaries: wire.binaries.into_iter().map(binary).collect::<Result<_, _>>()?,
            nodes: Vec::with_capacity(nodes.len()),
            edges: Vec::with_capacity(edges.len()),
            roots: Vec::new(),
            missing: wire.missing.into_iter().map(Cow::into_owned).collect(),
            assumptions: wire.assumptions.into_iter().map(Cow::into_owned).collect(),
            unresolved_call_sites: wire.unresolved_call_sites,
        };
        for node in nodes {
            let node = read_node(&graph.binaries, node)?;
            graph.nodes.push(node);
        }
        if !graph.nodes.is_sorted_by(|a, b| a.id < b.id) {
            return Err(Refused::Order("nodes"));
        }
        let find = |graph: &Self, id: &str| graph.find(id).ok_or(Refused::Field("from"));
        for edge in edges {
            if edge.evidence.len() > EVIDENCE_MAX || !edge.evidence.is_sorted_by(|a, b| a < b) {
                return Err(Refused::Field("evidence"));
            }
            let (from, to) = (find(&graph, &edge.from)?, find(&graph, &edge.to)?);
            let evidence = edge.evidence.into_iter().map(Cow::into_owned).collect();
            graph.edges.push(Edge { from, to, kind: edge.kind, evidence });
        }
        let key = |edge: &Edge| (edge.from, edge.to, edge.kind.name());
        if !graph.edges.is_sorted_by(|a, b| key(a) < key(b)) {
            return Err(Refused::Order("edges"));
        }
        for root in wire.roots {
            let node = find(&graph, &root.id)?;
            graph.roots.push(Root { node, phase: root.phase.into_owned(), source: root.source.into_owned() });
        }
        if !graph.roots.is_sorted_by(|a, b| a < b) {
            return Err(Refused::Order("roots"));
        }
        if graph.to_json() != json {
            return Err(Refused::NotCanonical);
        }
        Ok(graph)
    }
}

fn binary(wire: WireBinary<'_>) -> Result<Binary, Refused> {
    let is_key = matches!(wire.key.len(), 16 | 64) && wire.key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_key {
        return Err(Refused::Field("key"));
    }
    Ok(Binary {
        name: wire.name.into_owned(),
        key: wire.key.into_owned(),
        build_id: wire.build_id.map(Cow::into_owned),
        sha256: wire.sha256.parse().map_err(|_| Refused::Field("sha256"))?,
        format: wire.format.into_owned(),
        machine: wire.machine.into_owned(),
        purl: wire.purl.map(Cow::into_owned),
        degraded: wire.degraded.into_iter().map(Cow::into_owned).collect(),
    })
}

fn read_node(binaries: &[Binary], wire: WireNode<'_>) -> Result<Node, Refused> {
    let id = wire.id.into_owned();
    let kind = match &*wire.kind {
        LOADER => NodeKind::Loader,
        INDIRECT_ANY => NodeKind::IndirectAny,
        "function" => {
            let key = id.split_once(':').map_or("", |(key, _)| key);
            let binary = binaries.iter().position(|binary| binary.key == key).ok_or(Refused::Field("id"))?;
            let code = wire.code_id.ok_or(Refused::Field("code_id"))?;
            let digits = code.start.strip_prefix("0x").ok_or(Refused::Field("code_id"))?;
            let address = u64::from_str_radix(digits, 16).map_err(|_| Refused::Field("code_id"))?;
            if id != crate::build::node_id(key, address) {
                return Err(Refused::Field("id"));
            }
            let hash = wire.code_block_hash.as_deref().and_then(|text| text.strip_prefix("blake3:")?.parse().ok());
            let hash: Blake3 = hash.ok_or(Refused::Field("code_block_hash"))?;
            let attributes = wire.attributes.unwrap_or(WireAttributes {
                exported: false,
                section: "".into(),
                unresolved_call_sites: 0,
            });
            let (symbol, aliases) = wire.symbol.map_or_else(Default::default, |symbol| {
                let aliases = symbol.aliases.into_iter().map(Cow::into_owned).collect();
                (symbol.mangled.into_owned(), aliases)
            });
            NodeKind::Function(Function {
                binary: binary as u32,
                address,
                length: code.length,
                section: attributes.section.into_owned(),
                symbol,
                aliases,
                is_exported: attributes.exported,
                code: hash,
                unresolved: attributes.unresolved_call_sites,
            })
        }
        _ => return Err(Refused::Field("kind")),
    };
    Ok(Node { id, kind })
}

/// Digests under which a graph is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphHash {
    /// BLAKE3 of the canonical JSON: the name of a graph.
    pub blake3: Blake3,
    /// SHA-256 of the same, for tools without BLAKE3.
    pub sha256: Sha256,
}

impl GraphHash {
    /// The digests of a canonical JSON.
    pub fn of(json: &[u8]) -> Self {
        Self { blake3: delta_verify::blake3_of_parts(&[json]), sha256: delta_verify::sha256_of_parts(&[json]) }
    }
}
