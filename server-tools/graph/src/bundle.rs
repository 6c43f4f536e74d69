//! Edge bundles: a few edges with why they are told apart, each bundle with its own envelope.
//!
//! In: a graph, and what somebody says about edges. Out: bundles of at most 512 edges in canonical JSON, in the order of
//! (`bundle_reason`, `edge_id`). Edges that a library other than the program's own provides, that run before the entry,
//! that were seen to run, that somebody disputes or revokes: whoever must prove or quarantine one of them needs its
//! bundle, not the graph.

use crate::commitment::edge_id;
use crate::error::Refused;
use crate::json::GraphHash;
use crate::kind::Kind;
use crate::limits::{BUNDLE_BYTES_MAX, BUNDLE_EDGES_MAX, EVIDENCE_MAX};
use crate::model::{Edge, RichGraph};
use crate::statement::{CANONICALIZATION, Digests, EDGES_PREDICATE, EdgesPredicate, Statement, Subject};
use crate::symbol;
use delta_functions::callgraph::EdgeKind;
use delta_verify::sha256_of_parts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The schema of a bundle.
pub const BUNDLE_SCHEMA: &str = "stella-edge-bundle/1";

/// Why edges stand in a bundle, in the order in which they are sorted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleReason {
    /// Somebody disputes them.
    Disputed,
    /// They run before the entry or after the end.
    InitRoot,
    /// They are left out from now on.
    Revocation,
    /// They were seen to run.
    RuntimeHit,
    /// They lead into a file from somebody else.
    ThirdParty,
}

impl BundleReason {
    /// All, by name.
    pub const ALL: [Self; 5] = [Self::Disputed, Self::InitRoot, Self::Revocation, Self::RuntimeHit, Self::ThirdParty];

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disputed => "disputed",
            Self::InitRoot => "init-root",
            Self::Revocation => "revocation",
            Self::RuntimeHit => "runtime-hit",
            Self::ThirdParty => "third-party",
        }
    }

    /// The place in which bundles are logged while the budget lasts: what changes a verdict first. What is benign and
    /// many is not logged, since the graph is.
    pub const fn publish_order(self) -> Option<u8> {
        match self {
            Self::Revocation => Some(0),
            Self::Disputed => Some(1),
            Self::RuntimeHit => Some(2),
            Self::InitRoot => Some(3),
            Self::ThirdParty => None,
        }
    }
}

/// An edge of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleEdge {
    /// How sure it is, in basis points.
    pub confidence_bp: u16,
    /// What [`edge_id`] gives.
    pub edge_id: String,
    /// Digests or places of what shows it.
    #[serde(rename = "evidenceRefs")]
    pub evidence_refs: Vec<String>,
    /// From which node.
    pub from: String,
    /// How it is known.
    pub kind: Kind,
    /// When control goes this way.
    pub phase: String,
    /// The package of the file that it leads into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// Why it is there.
    pub reason: String,
    /// Whether it is left out from now on.
    pub revoked: bool,
    /// `static` or `runtime`.
    pub source: String,
    /// Digest of the identity of the function that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol_digest: Option<String>,
    /// To which node.
    pub to: String,
}

/// A bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeBundle {
    /// The first 32 hexadecimal digits of the SHA-256 of the bundle with an empty id.
    pub bundle_id: String,
    /// Why its edges are told apart.
    pub bundle_reason: BundleReason,
    /// How many there are.
    pub edge_count: u64,
    /// The edges, by id.
    pub edges: Vec<BundleEdge>,
    /// BLAKE3 of the graph, hexadecimal.
    pub graph_hash: String,
    /// [`BUNDLE_SCHEMA`].
    pub schema: String,
}

/// What is told apart beside what the graph says itself.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names of files from somebody else.
    pub third_party: BTreeSet<String>,
    /// Ids of edges that somebody disputes.
    pub disputed: BTreeSet<String>,
    /// Ids of edges that are left out from now on.
    pub revoked: BTreeSet<String>,
}

/// The bundles of a graph, in the order of reason and edges.
pub fn bundles(graph: &RichGraph, hash: &GraphHash, selection: &Selection) -> Vec<EdgeBundle> {
    let mut of_reason: BTreeMap<BundleReason, Vec<BundleEdge>> = BTreeMap::new();
    let has_lists = !selection.disputed.is_empty() || !selection.revoked.is_empty();
    for edge in &graph.edges {
        let own = reason(graph, edge, selection);
        if own.is_none() && !has_lists {
            continue;
        }
        let id = edge_id(graph.id(edge.from), graph.id(edge.to), edge.kind);
        let is_revoked = selection.revoked.contains(&id);
        let listed =
            [(is_revoked, BundleReason::Revocation), (selection.disputed.contains(&id), BundleReason::Disputed)];
        let listed = listed.into_iter().filter_map(|(is_listed, reason)| is_listed.then_some(reason));
        for reason in listed.chain(own) {
            let is_revoked = is_revoked && reason == BundleReason::Revocation;
            of_reason.entry(reason).or_default().push(bundle_edge(graph, hash, edge, id.clone(), is_revoked));
        }
    }
    let mut bundles = Vec::new();
    for (reason, mut edges) in of_reason {
        edges.sort_by(|a, b| a.edge_id.cmp(&b.edge_id));
        let parts = edges.chunks(BUNDLE_EDGES_MAX);
        bundles.extend(parts.map(|part| EdgeBundle::new(hash, reason, part.to_vec())));
    }
    bundles
}

/// Why an edge stands in a bundle by itself.
fn reason(graph: &RichGraph, edge: &Edge, selection: &Selection) -> Option<BundleReason> {
    match edge.kind {
        Kind::Runtime => return Some(BundleReason::RuntimeHit),
        Kind::Static(EdgeKind::InitArray | EdgeKind::FiniArray | EdgeKind::TlsCallback) => {
            return Some(BundleReason::InitRoot);
        }
        Kind::Static(_) => {}
    }
    let (from, to) = (graph.function(edge.from)?, graph.function(edge.to)?);
    let is_foreign = graph.binary(to).is_some_and(|binary| selection.third_party.contains(&binary.name));
    (from.binary != to.binary && is_foreign).then_some(BundleReason::ThirdParty)
}

fn bundle_edge(graph: &RichGraph, hash: &GraphHash, edge: &Edge, id: String, is_revoked: bool) -> BundleEdge {
    let callee = graph.function(edge.to).and_then(|function| Some((graph.binary(function)?, function)));
    // What shows a static edge is the graph.
    let evidence_refs = match edge.evidence.as_slice() {
        [] => vec![format!("cas://reachability/graphs/{}", hash.blake3)],
        digests => digests.to_vec(),
    };
    BundleEdge {
        confidence_bp: edge.kind.confidence_bp(),
        edge_id: id,
        evidence_refs,
        from: graph.id(edge.from).to_owned(),
        kind: edge.kind,
        phase: edge.kind.phase().to_owned(),
        purl: callee.and_then(|(binary, _)| binary.purl.clone()),
        reason: edge.kind.reason().to_owned(),
        revoked: is_revoked,
        source: edge.kind.source().to_owned(),
        symbol_digest: callee.map(|(binary, function)| format!("sha256:{}", symbol::digest(binary, function))),
        to: graph.id(edge.to).to_owned(),
    }
}

impl EdgeBundle {
    fn new(hash: &GraphHash, reason: BundleReason, edges: Vec<BundleEdge>) -> Self {
        let mut bundle = Self {
            bundle_id: String::new(),
            bundle_reason: reason,
            edge_count: edges.len() as u64,
            edges,
            graph_hash: hash.blake3.to_string(),
            schema: BUNDLE_SCHEMA.to_owned(),
        };
        bundle.bundle_id = bundle.id();
        bundle
    }

    fn id(&self) -> String {
        let nameless = Self { bundle_id: String::new(), ..self.clone() };
        let digest = sha256_of_parts(&[&nameless.to_json()]).to_string();
        digest.get(..32).unwrap_or(&digest).to_owned()
    }

    /// Writes canonical JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a bundle has nothing that JSON cannot say")
    }

    /// Reads canonical JSON.
    ///
    /// # Errors
    /// [`Refused`]: also a wrong id of bundle or edge, another order, too many edges, and what the kind of an edge does
    /// not say.
    pub fn from_json(json: &[u8]) -> Result<Self, Refused> {
        if json.len() as u64 > BUNDLE_BYTES_MAX {
            return Err(Refused::Limit("BUNDLE_BYTES_MAX"));
        }
        let bundle: Self = serde_json::from_slice(json).map_err(|error| Refused::Syntax(error.to_string()))?;
        if bundle.schema != BUNDLE_SCHEMA || bundle.edge_count != bundle.edges.len() as u64 {
            return Err(Refused::Field("edge_count"));
        }
        if bundle.edges.is_empty() || bundle.edges.len() > BUNDLE_EDGES_MAX {
            return Err(Refused::Limit("BUNDLE_EDGES_MAX"));
        }
        if !bundle.edges.is_sorted_by(|a, b| a.edge_id < b.edge_id) {
            return Err(Refused::Order("edges"));
        }
        for edge in &bundle.edges {
            if edge.edge_id != edge_id(&edge.from, &edge.to, edge.kind) {
                return Err(Refused::Digest("edge_id"));
            }
            let told = (edge.source.as_str(), edge.phase.as_str(), edge.reason.as_str(), edge.confidence_bp);
            if told != (edge.kind.source(), edge.kind.phase(), edge.kind.reason(), edge.kind.confidence_bp()) {
                return Err(Refused::Field("reason"));
            }
            if edge.revoked != (bundle.bundle_reason == BundleReason::Revocation) {
                return Err(Refused::Field("revoked"));
            }
            if edge.evidence_refs.is_empty() || edge.evidence_refs.len() > EVIDENCE_MAX {
                return Err(Refused::Field("evidenceRefs"));
            }
        }
        if bundle.to_json() != json {
            return Err(Refused::NotCanonical);
        }
        if bundle.bundle_id != bundle.id() {
            return Err(Refused::Digest("bundle_id"));
        }
        Ok(bundle)
    }

    /// The statement about it; its subject is the bundle.
    pub fn statement(&self) -> Statement<EdgesPredicate> {
        let hash = GraphHash::of(&self.to_json());
        let digest = Digests { blake3: Some(hash.blake3.to_string()), sha256: hash.sha256.to_string() };
        let predicate = EdgesPredicate {
            bundle_id: self.bundle_id.clone(),
            bundle_reason: self.bundle_reason.name().to_owned(),
            canonicalization: CANONICALIZATION.to_owned(),
            edge_count: self.edge_count,
            graph_hash: self.graph_hash.clone(),
            revoked_count: self.edges.iter().filter(|edge| edge.revoked).count() as u64,
        };
        Statement::new(EDGES_PREDICATE, predicate, vec![Subject { digest, name: self.bundle_id.clone() }])
    }
}

/// Which of the bundles are logged: those that change a verdict first, at most `publishes_max`. Indices, in the order of
/// the bundles.
pub fn published(bundles: &[EdgeBundle], publishes_max: usize) -> Vec<usize> {
    let order = |(index, bundle): (usize, &EdgeBundle)| Some((bundle.bundle_reason.publish_order()?, index));
    let mut ranked: Vec<(u8, usize)> = bundles.iter().enumerate().filter_map(order).collect();
    ranked.sort_unstable();
    let mut published: Vec<usize> = ranked.into_iter().take(publishes_max).map(|(_, index)| index).collect();
    published.sort_unstable();
    published
}
