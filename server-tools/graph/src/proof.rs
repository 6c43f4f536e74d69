//! Small proofs about one edge or one function, verified offline without the graph. `docs/formats/graph.md`.
//!
//! In: a graph with its trees, and a question. Out: a file of at most 8 KiB with the signed envelope of the graph in it.
//! Whoever verifies it needs that file and a trust root: roots and sizes of the trees come from the envelope.

use crate::commitment::{Trees, edge_entry, reach_entry};
use crate::envelope::Envelope;
use crate::error::Refused;
use crate::kind::Kind;
use crate::limits::{PROOF_BYTES_MAX, TREE_HASHES_MAX};
use crate::merkle::{Included, Tree, verify_absent};
use crate::model::{Edge, RichGraph};
use crate::statement::{GRAPH_PREDICATE, GraphPredicate, Statement};
use delta_format::Sha256;
use delta_verify::{TrustRoot, base64};
use serde::{Deserialize, Serialize};

/// The format that is written and read.
pub const PROOF_FORMAT: &str = "stella-graph-proof/1";

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "claim", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Claim {
    /// The graph has this edge.
    Edge {
        /// From which node.
        from: String,
        /// How it is known.
        kind: Kind,
        /// To which node.
        to: String,
    },
    /// The graph has no such edge.
    NoEdge {
        /// From which node.
        from: String,
        /// How it would be known.
        kind: Kind,
        /// To which node.
        to: String,
    },
    /// The node can be reached.
    Reachable {
        /// Which node.
        id: String,
    },
    /// The node cannot be reached, or does not exist.
    Unreachable {
        /// Which node.
        id: String,
    },
}

impl Claim {
    fn entry(&self) -> Vec<u8> {
        match self {
            Self::Edge { from, kind, to } | Self::NoEdge { from, kind, to } => edge_entry(from, to, kind.name()),
            Self::Reachable { id } | Self::Unreachable { id } => reach_entry(id),
        }
    }

    /// Whether an id has bytes that part the lines of an entry.
    fn has_controls(&self) -> bool {
        let (first, second) = match self {
            Self::Edge { from, to, .. } | Self::NoEdge { from, to, .. } => (from, to),
            Self::Reachable { id } | Self::Unreachable { id } => (id, id),
        };
        [first, second].into_iter().any(|id| id.bytes().any(|byte| byte < 0x20))
    }

    fn is_of_edges(&self) -> bool {
        matches!(self, Self::Edge { .. } | Self::NoEdge { .. })
    }

    fn is_absence(&self) -> bool {
        matches!(self, Self::NoEdge { .. } | Self::Unreachable { .. })
    }
}

/// A proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The signed envelope of the graph; empty of a graph that nobody signed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub envelope: String,
    /// [`PROOF_FORMAT`].
    pub format: String,
    /// What it proves it with: the entry itself, or its neighbours.
    pub included: Vec<WireIncluded>,
    /// What is claimed.
    pub proves: Claim,
    /// The statement of the graph, where there is no envelope.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub statement: String,
}

/// An entry and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireIncluded {
    /// The entry.
    pub entry: String,
    /// The hashes on the way to the root, base64.
    pub hashes: Vec<String>,
    /// Its number.
    pub index: u64,
}

/// What a proof proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The claim.
    pub claim: Claim,
    /// What is said of the graph.
    pub predicate: GraphPredicate,
    /// Who signed that; empty where no signature was asked for.
    pub signers: Vec<Sha256>,
}

impl Proof {
    /// Proves that an edge is there, or that it is not.
    ///
    /// # Errors
    /// [`Refused::Limit`] for a proof beyond the limit, which many signatures make.
    pub fn of_edge(graph: &RichGraph, trees: &Trees, from: &str, to: &str, kind: Kind, signed: Signed<'_>) -> Made {
        let entry = |number: u64| {
            let edge = &graph.edges[number as usize];
            edge_entry(graph.id(edge.from), graph.id(edge.to), edge.kind.name())
        };
        let (from_text, to_text) = (from.to_owned(), to.to_owned());
        match graph.find_edge(from, to, kind) {
            Some(number) => {
                let claim = Claim::Edge { from: from_text, kind, to: to_text };
                Self::new(claim, &trees.edges, &[number as u64], &entry, signed)
            }
            None => {
                let own = edge_entry(from, to, kind.name());
                let claim = Claim::NoEdge { from: from_text, kind, to: to_text };
                let is_before =
                    |edge: &Edge| edge_entry(graph.id(edge.from), graph.id(edge.to), edge.kind.name()) < own;
                let behind = graph.edges.partition_point(is_before);
                Self::new(claim, &trees.edges, &neighbours(behind as u64, trees.edges.len()), &entry, signed)
            }
        }
    }

    /// Proves that a node can be reached, or that it cannot.
    ///
    /// # Errors
    /// As [`Self::of_edge`].
    pub fn of_node(graph: &RichGraph, trees: &Trees, id: &str, signed: Signed<'_>) -> Made {
        let entry = |number: u64| reach_entry(graph.id(trees.reached[number as usize]));
        let place = trees.reached.binary_search_by(|node| graph.id(*node).cmp(id));
        let id = id.to_owned();
        match place {
            Ok(place) => Self::new(Claim::Reachable { id }, &trees.reach, &[place as u64], &entry, signed),
            Err(behind) => {
                let numbers = neighbours(behind as u64, trees.reach.len());
                Self::new(Claim::Unreachable { id }, &trees.reach, &numbers, &entry, signed)
            }
        }
    }

    fn new(claim: Claim, tree: &Tree, numbers: &[u64], entry: &dyn Fn(u64) -> Vec<u8>, signed: Signed<'_>) -> Made {
        let hash = |hash: Sha256| {
            let mut text = String::new();
            delta_format::statement::base64(hash.as_bytes(), |quad| text.push_str(&String::from_utf8_lossy(quad)));
            text
        };
        let included = |number: &u64| WireIncluded {
            entry: String::from_utf8_lossy(&entry(*number)).into_owned(),
            hashes: tree.inclusion(*number).into_iter().map(hash).collect(),
            index: *number,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (envelope, statement) = match signed {
            Signed::Envelope(envelope) => (text(envelope), String::new()),
            Signed::Nobody(statement) => (String::new(), text(statement)),
        };
        let included = numbers.iter().map(included).collect();
        let proof = Self { envelope, format: PROOF_FORMAT.to_owned(), included, proves: claim, statement };
        if proof.to_json().len() > PROOF_BYTES_MAX {
            return Err(Refused::Limit("PROOF_BYTES_MAX"));
        }
        Ok(proof)
    }

    /// Writes canonical JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a proof has nothing that JSON cannot say")
    }

    /// Reads canonical JSON.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn from_json(json: &[u8]) -> Made {
        if json.len() > PROOF_BYTES_MAX {
            return Err(Refused::Limit("PROOF_BYTES_MAX"));
        }
        let proof: Self = serde_json::from_slice(json).map_err(|error| Refused::Syntax(error.to_string()))?;
        if proof.format != PROOF_FORMAT {
            return Err(Refused::Field("format"));
        }
        if proof.to_json() != json {
            return Err(Refused::NotCanonical);
        }
        Ok(proof)
    }

    /// Verifies it. With a trust root the envelope must be signed by enough of its signers.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn verify(&self, trust: Option<&TrustRoot>) -> Result<Proven, Refused> {
        let (statement, signers) = match trust {
            Some(trust) => {
                let envelope = Envelope::read(self.envelope.as_bytes())?;
                let signers = envelope.verify(trust)?;
                (envelope.statement().to_vec(), signers)
            }
            None if self.envelope.is_empty() => (self.statement.as_bytes().to_vec(), Vec::new()),
            None => (Envelope::read(self.envelope.as_bytes())?.statement().to_vec(), Vec::new()),
        };
        if self.proves.has_controls() {
            return Err(Refused::Field("proves"));
        }
        let statement = Statement::<GraphPredicate>::from_json(&statement, GRAPH_PREDICATE)?;
        let commitment = &statement.predicate.graph;
        let (size, root) = match self.proves.is_of_edges() {
            true => (commitment.edge_count, commitment.edge_root()),
            false => (commitment.reach_count, commitment.reach_root()),
        };
        let included = self.included.iter().map(WireIncluded::read).collect::<Result<Vec<_>, _>>()?;
        let entry = self.proves.entry();
        match (self.proves.is_absence(), included.as_slice()) {
            (false, [one]) if one.entry == entry => one.verify(size, &root)?,
            (false, _) => return Err(Refused::Proof("it is about another entry than it claims")),
            (true, []) => verify_absent(&entry, None, None, size, &root)?,
            (true, [one]) if one.entry < entry => verify_absent(&entry, Some(one), None, size, &root)?,
            (true, [one]) => verify_absent(&entry, None, Some(one), size, &root)?,
            (true, [before, behind]) => verify_absent(&entry, Some(before), Some(behind), size, &root)?,
            (true, _) => return Err(Refused::Proof("it has more than two neighbours")),
        }
        Ok(Proven { claim: self.proves.clone(), predicate: statement.predicate, signers })
    }
}

/// A proof, or why there is none.
pub type Made = Result<Proof, Refused>;

/// What says which graph a proof is of.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    /// The envelope.
    Envelope(&'a [u8]),
    /// The statement, which nobody signed.
    Nobody(&'a [u8]),
}

/// The numbers of the entries around a gap.
fn neighbours(behind: u64, size: u64) -> Vec<u64> {
    behind.checked_sub(1).into_iter().chain((behind < size).then_some(behind)).collect()
}

impl WireIncluded {
    fn read(&self) -> Result<Included, Refused> {
        if self.hashes.len() > TREE_HASHES_MAX {
            return Err(Refused::Limit("TREE_HASHES_MAX"));
        }
        let hash =
            |text: &String| base64::decode::<32>(text.as_bytes()).map(Sha256::new).ok_or(Refused::Field("hashes"));
        let hashes = self.hashes.iter().map(hash).collect::<Result<_, _>>()?;
        Ok(Included { index: self.index, entry: self.entry.clone().into_bytes(), hashes })
    }
}
