//! Verifies a graph of a folder offline, and its edge bundles: bytes, statement, signatures, place in the log.
//!
//! In: the folder, the name of the graph, and whom to trust. Out: the graph, with what was proven; revoked edges are told,
//! and what can no longer be reached without them.

use crate::bundle::{BundleEdge, EdgeBundle};
use crate::cas::{Cas, Part};
use crate::commitment::{Commitment, Trees};
use crate::envelope::{ENVELOPE_BYTES_MAX, Envelope};
use crate::error::{Error, Refused};
use crate::json::GraphHash;
use crate::kind::Kind;
use crate::limits::{BUNDLE_BYTES_MAX, GRAPH_BYTES_MAX};
use crate::model::{Edge, LOADER, RichGraph};
use crate::statement::{GRAPH_PREDICATE, GraphPredicate, Statement};
use delta_attest::proof;
use delta_format::Sha256;
use delta_verify::TrustRoot;
use delta_verify::merkle::leaf_hash;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who signed something, and where it is logged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// Ids of the signers that counted; empty where no trust root was given.
    pub signers: Vec<Sha256>,
    /// The log, the place in it, and how many known witnesses saw that; nothing where it is not logged.
    pub logged: Option<(String, u64, usize)>,
}

/// A graph that was verified.
#[derive(Debug, Clone)]
pub struct VerifiedGraph {
    /// The graph.
    pub graph: RichGraph,
    /// Its digests.
    pub hash: GraphHash,
    /// Its trees.
    pub trees: Trees,
    /// What was said of it.
    pub statement: Statement<GraphPredicate>,
    /// Who said so.
    pub signature: Signature,
}

/// A bundle that was verified.
#[derive(Debug, Clone)]
pub struct VerifiedBundle {
    /// The bundle.
    pub bundle: EdgeBundle,
    /// Bytes of body and envelope.
    pub bytes: u64,
    /// Who signed it.
    pub signature: Signature,
}

/// Verifies a graph. With a trust root its envelope must be signed by enough of its signers.
///
/// # Errors
/// [`Error::Io`], [`Error::In`].
pub fn graph(cas: &Cas, name: &str, trust: Option<&TrustRoot>) -> Result<VerifiedGraph, Error> {
    let path = cas.graph(name, Part::Body);
    let json = Cas::read(&path, GRAPH_BYTES_MAX)?;
    let hash = GraphHash::of(&json);
    if hash.blake3.to_string() != name {
        return Err(Refused::Digest("name").at(&path));
    }
    let graph = RichGraph::from_json(&json).map_err(|refused| refused.at(&path))?;
    drop(json);
    let trees = Trees::new(&graph, &graph.reachable(|_| false));
    let files = Files {
        statement: cas.graph(name, Part::Statement),
        envelope: cas.graph(name, Part::Envelope),
        tlog_proof: cas.graph(name, Part::TlogProof),
    };
    let (statement, signature) = files.statement(trust)?;
    let of = |refused: Refused| refused.at(&files.statement);
    let statement = Statement::<GraphPredicate>::from_json(&statement, GRAPH_PREDICATE).map_err(of)?;
    let commitment = Commitment::new(&graph, hash, &trees);
    let expected = Statement::of_graph(&graph, commitment, statement.predicate.policy_hash.clone());
    if statement != expected {
        return Err(of(Refused::Digest("statement")));
    }
    Ok(VerifiedGraph { graph, hash, trees, statement, signature })
}

/// Verifies every bundle of a graph: its edges must be edges of the graph, or lead between its nodes if they were seen to
/// run.
///
/// # Errors
/// [`Error::Io`], [`Error::In`].
pub fn bundles(cas: &Cas, of: &VerifiedGraph, trust: Option<&TrustRoot>) -> Result<Vec<VerifiedBundle>, Error> {
    let graph_name = of.hash.blake3.to_string();
    let verify = |name: &String| bundle(cas, of, &graph_name, name, trust);
    let mut bundles = cas.bundles(&graph_name)?.iter().map(verify).collect::<Result<Vec<_>, _>>()?;
    let key = |verified: &VerifiedBundle| (verified.bundle.bundle_reason, verified.bundle.edges[0].edge_id.clone());
    bundles.sort_by_key(key);
    Ok(bundles)
}

fn bundle(
    cas: &Cas,
    of: &VerifiedGraph,
    graph_name: &str,
    name: &str,
    trust: Option<&TrustRoot>,
) -> Result<VerifiedBundle, Error> {
    let path = cas.bundle(graph_name, name, Part::Body);
    let refused = |refused: Refused| refused.at(&path);
    let json = Cas::read(&path, BUNDLE_BYTES_MAX)?;
    let bundle = EdgeBundle::from_json(&json).map_err(refused)?;
    if bundle.bundle_id != name || bundle.graph_hash != graph_name {
        return Err(refused(Refused::Digest("name")));
    }
    for edge in &bundle.edges {
        let is_there = match edge.source.as_str() {
            "runtime" => of.graph.find(&edge.from).is_some() && of.graph.find(&edge.to).is_some(),
            _ => of.graph.find_edge(&edge.from, &edge.to, edge.kind).is_some(),
        };
        if !is_there {
            return Err(refused(Refused::Proof("it holds an edge that the graph does not have")));
        }
    }
    let files = Files {
        // The statement of a bundle follows from the bundle.
        statement: path.clone(),
        envelope: cas.bundle(graph_name, name, Part::Envelope),
        tlog_proof: cas.bundle(graph_name, name, Part::TlogProof),
    };
    let expected = bundle.statement().to_json();
    let mut signature = Signature::default();
    let mut bytes = json.len() as u64;
    if let Some(envelope) = files.envelope(trust)? {
        bytes += envelope.to_json().len() as u64;
        if envelope.statement() != expected {
            return Err(Refused::Digest("statement").at(&files.envelope));
        }
        signature = files.signature(&envelope, trust)?;
    }
    Ok(VerifiedBundle { bundle, bytes, signature })
}

/// Where the statement, the envelope and the log proof of a body are.
struct Files {
    statement: PathBuf,
    envelope: PathBuf,
    tlog_proof: PathBuf,
}

impl Files {
    /// The signed statement, or where nobody asks for signatures the one that lies there.
    fn statement(&self, trust: Option<&TrustRoot>) -> Result<(Vec<u8>, Signature), Error> {
        match self.envelope(trust)? {
            Some(envelope) => {
                let signature = self.signature(&envelope, trust)?;
                Ok((envelope.statement().to_vec(), signature))
            }
            None => Ok((Cas::read(&self.statement, ENVELOPE_BYTES_MAX as u64)?, Signature::default())),
        }
    }

    fn envelope(&self, trust: Option<&TrustRoot>) -> Result<Option<Envelope>, Error> {
        let json = Cas::read_if_there(&self.envelope, ENVELOPE_BYTES_MAX as u64)?;
        match json {
            Some(json) => Ok(Some(Envelope::read(&json).map_err(|refused| refused.at(&self.envelope))?)),
            None if trust.is_some() => {
                Err(Refused::Signature("nobody signed it; build it with --key".to_owned()).at(&self.envelope))
            }
            None => Ok(None),
        }
    }

    fn signature(&self, envelope: &Envelope, trust: Option<&TrustRoot>) -> Result<Signature, Error> {
        let Some(trust) = trust else { return Ok(Signature::default()) };
        let signers = envelope.verify(trust).map_err(|refused| refused.at(&self.envelope))?;
        let text = Cas::read_if_there(&self.tlog_proof, ENVELOPE_BYTES_MAX as u64)?;
        let logged = match text {
            Some(text) => Some(logged(&text, envelope, trust).map_err(|refused| refused.at(&self.tlog_proof))?),
            None => None,
        };
        Ok(Signature { signers, logged })
    }
}

/// Verifies that an envelope is in a log of the trust root.
fn logged(text: &[u8], envelope: &Envelope, trust: &TrustRoot) -> Result<(String, u64, usize), Refused> {
    let text = std::str::from_utf8(text).map_err(|_| Refused::Field("tlog-proof"))?;
    let leaf = leaf_hash(&envelope.to_json());
    let mut problem = Refused::Signature("no log of the trust root has signed its checkpoint".to_owned());
    for log in trust.logs() {
        match proof::from_text(text, &leaf, log, trust.witnesses()) {
            Ok((checkpoint, proof)) => {
                return Ok((log.name().to_string(), proof.leaf_index, checkpoint.cosignatures().count()));
            }
            Err(error) => problem = Refused::Signature(error.to_string()),
        }
    }
    Err(problem)
}

/// What bundles change: edges that they revoke, and observed ones that the graph does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Edges that are left out: from, to, kind.
    pub edges: Vec<(u32, u32, Kind)>,
    /// Nodes that can be reached with them and not without.
    pub lost: Vec<u32>,
    /// Nodes that the graph calls unreachable and that were seen to run, or are reached from there: contested, and to be
    /// treated like reachable.
    pub raised: Vec<u32>,
    /// How many can be reached in the end.
    pub reached: usize,
}

/// Leaves out the edges that bundles revoke, adds those that they saw run, and looks again what can be reached.
pub fn quarantine(graph: &RichGraph, bundles: &[VerifiedBundle]) -> Quarantine {
    let told = bundles.iter().flat_map(|verified| &verified.bundle.edges);
    let ends = |edge: &BundleEdge| Some((graph.find(&edge.from)?, graph.find(&edge.to)?, edge.kind.name()));
    let revoked: BTreeSet<_> = told.clone().filter(|edge| edge.revoked).filter_map(ends).collect();
    let observed = told.filter(|edge| edge.kind == Kind::Runtime).filter_map(ends);
    let mut merged = graph.clone();
    for (from, to, _) in observed.clone().filter(|edge| !revoked.contains(edge)) {
        // Who was seen to call ran, whatever led there.
        merged.edges.extend(graph.find(LOADER).map(|loader| Edge::seen(loader, from)));
        merged.edges.push(Edge::seen(from, to));
    }
    merged.edges.extend(observed.map(|(from, to, _)| Edge::seen(from, to)));
    merged.sort_edges();
    let is_revoked = |number: usize| {
        let edge = merged.edges.get(number);
        edge.is_some_and(|edge| revoked.contains(&(edge.from, edge.to, edge.kind.name())))
    };
    let (own, before) = (graph.reachable(|_| false), merged.reachable(|_| false));
    let after = merged.reachable(is_revoked);
    let nodes = || 0..graph.nodes.len() as u32;
    let edges = (0..merged.edges.len()).filter(|number| is_revoked(*number)).map(|number| &merged.edges[number]);
    Quarantine {
        edges: edges.map(|edge| (edge.from, edge.to, edge.kind)).collect(),
        lost: nodes().filter(|node| before.has(*node) && !after.has(*node)).collect(),
        raised: nodes().filter(|node| !own.has(*node) && after.has(*node)).collect(),
        reached: after.count(),
    }
}

impl Edge {
    /// An edge of a bundle, whose evidence stays there.
    fn seen(from: u32, to: u32) -> Self {
        Self { from, to, kind: Kind::Runtime, evidence: Vec::new() }
    }
}

impl Refused {
    /// Names the file that is refused.
    pub fn at(self, path: &Path) -> Error {
        Error::In { path: path.to_owned(), refused: self }
    }
}
