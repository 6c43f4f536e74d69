//! In-toto statements about graphs and edge bundles, in canonical JSON (RFC 8785).
//!
//! A statement names the body by its digests and repeats what proofs need, so that it stays within what an envelope
//! holds (4 KiB); the body lies beside it. Types of predicates stand here and nowhere else.

use crate::commitment::{Commitment, HashPair};
use crate::error::Refused;
use crate::json::ANALYZER;
use crate::model::RichGraph;
use delta_format::statement::STATEMENT_TYPE;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Predicate type of a graph.
pub const GRAPH_PREDICATE: &str = "https://stella.ops/predicates/richgraph-graph/v1";
/// Predicate type of an edge bundle.
pub const EDGES_PREDICATE: &str = "https://stella.ops/predicates/edge-bundle/v1";
/// How bodies are made the same bytes.
pub const CANONICALIZATION: &str = "rfc8785+sorted";

/// A statement about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<P> {
    /// In-toto Statement v1.
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What is said.
    pub predicate: P,
    /// In which form.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// About what.
    pub subject: Vec<Subject>,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its digests.
    pub digest: Digests,
    /// Its name.
    pub name: String,
}

/// Digests of a subject, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// BLAKE3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// SHA-256.
    pub sha256: String,
}

/// What is said of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphPredicate {
    /// Who made it.
    pub analyzer: Analyzer,
    /// What somebody says that analysis cannot know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<String>,
    /// Files that were analysed; their identities stand in the graph.
    pub binary_count: u64,
    /// [`CANONICALIZATION`].
    pub canonicalization: String,
    /// Numbers and roots.
    pub graph: Commitment,
    /// BLAKE3 of the policy under which the graph is used, if it is bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_hash: Option<String>,
}

/// Who made a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analyzer {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What is said of an edge bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgesPredicate {
    /// Its id.
    pub bundle_id: String,
    /// Why its edges are told apart.
    pub bundle_reason: String,
    /// [`CANONICALIZATION`].
    pub canonicalization: String,
    /// How many edges it holds.
    pub edge_count: u64,
    /// BLAKE3 of the graph, hexadecimal.
    pub graph_hash: String,
    /// How many of its edges are revoked.
    pub revoked_count: u64,
}

impl<P: Serialize + DeserializeOwned> Statement<P> {
    pub(crate) fn new(predicate_type: &str, predicate: P, subject: Vec<Subject>) -> Self {
        Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            predicate,
            predicate_type: predicate_type.to_owned(),
            subject,
        }
    }

    /// Writes it.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a statement has nothing that JSON cannot say")
    }

    /// Reads one of the given type.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn from_json(json: &[u8], predicate_type: &str) -> Result<Self, Refused> {
        let statement: Self = serde_json::from_slice(json).map_err(|error| Refused::Syntax(error.to_string()))?;
        if statement.statement_type != STATEMENT_TYPE || statement.predicate_type != predicate_type {
            return Err(Refused::Field("predicateType"));
        }
        if statement.to_json() != json {
            return Err(Refused::NotCanonical);
        }
        Ok(statement)
    }
}

impl Statement<GraphPredicate> {
    /// The statement about a graph: its subjects are the graph and the program.
    pub fn of_graph(graph: &RichGraph, commitment: Commitment, policy_hash: Option<String>) -> Self {
        let HashPair { blake3, sha256 } = commitment.graph_hash.clone();
        let body = Subject { digest: Digests { blake3: Some(blake3), sha256 }, name: "richgraph-v1".to_owned() };
        let program = graph.binaries.first().map(|binary| Subject {
            digest: Digests { blake3: None, sha256: binary.sha256.to_string() },
            name: binary.name.clone(),
        });
        let predicate = GraphPredicate {
            analyzer: Analyzer { name: ANALYZER.to_owned(), version: graph.analyzer_version.clone() },
            assumptions: graph.assumptions.clone(),
            binary_count: graph.binaries.len() as u64,
            canonicalization: CANONICALIZATION.to_owned(),
            graph: commitment,
            policy_hash,
        };
        Self::new(GRAPH_PREDICATE, predicate, [body].into_iter().chain(program).collect())
    }
}
