//! What `stella graph` prints.

use crate::output::{bytes, counted, one_line};
use delta_graph::RichGraph;
use delta_graph::build::label;
use delta_graph::bundle::{BundleReason, EdgeBundle};
use delta_graph::diff::GraphDiff;
use delta_graph::kind::Kind;
use delta_graph::proof::{Claim, Proven};
use delta_graph::statement::{GraphPredicate, Statement};
use delta_graph::verify::{Quarantine, Signature, VerifiedBundle, VerifiedGraph};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Functions that are listed when edges are left out.
const LOST_SHOWN: usize = 20;

/// A graph that was built.
pub(crate) struct Built<'a> {
    pub(crate) graph: &'a RichGraph,
    pub(crate) name: &'a str,
    pub(crate) statement: &'a Statement<GraphPredicate>,
    pub(crate) json_bytes: usize,
    pub(crate) bundles: &'a [EdgeBundle],
    pub(crate) logged: &'a [usize],
    pub(crate) is_signed: bool,
    pub(crate) store: &'a Path,
    /// What units start and is no executable of the image.
    pub(crate) others: &'a [String],
    /// Files that open others while they run, unless somebody named those.
    pub(crate) opening: &'a [String],
}

impl Built<'_> {
    pub(crate) fn object(&self) -> Value {
        let mut object = counts(self.graph, self.statement);
        let bundle = |(index, bundle): (usize, &EdgeBundle)| {
            json!({
                "bundle_id": bundle.bundle_id, "bundle_reason": bundle.bundle_reason.name(),
                "edge_count": bundle.edge_count, "logged": self.logged.contains(&index),
            })
        };
        object["graph"] = format!("blake3:{}", self.name).into();
        object["json_bytes"] = self.json_bytes.into();
        object["signed"] = self.is_signed.into();
        object["opening_files"] = self.opening.into();
        object["not_analysed"] = self.others.into();
        object["edge_bundles"] = self.bundles.iter().enumerate().map(bundle).collect();
        object
    }

    pub(crate) fn text(&self) -> String {
        let mut text = described(self.graph, self.statement);
        if !self.opening.is_empty() {
            let _ = writeln!(
                text,
                "open files while they run: {}; every export counts as reachable: name the plug-ins with --plugins-named",
                names(self.opening)
            );
        }
        if !self.others.is_empty() {
            let _ = writeln!(text, "started by units and not analysed (scripts, missing): {}", names(self.others));
        }
        for reason in BundleReason::ALL {
            let of: Vec<&EdgeBundle> = self.bundles.iter().filter(|bundle| bundle.bundle_reason == reason).collect();
            if !of.is_empty() {
                let edges: u64 = of.iter().map(|bundle| bundle.edge_count).sum();
                let many = counted(of.len(), "bundle", "bundles");
                let _ = writeln!(text, "edge bundles: {} with {edges} edges in {many}", reason.name());
            }
        }
        if self.is_signed {
            let _ = writeln!(text, "signed and logged, with {} of the bundles", self.logged.len());
        } else {
            text.push_str("nobody signed it; add --key, --log and --log-key\n");
        }
        let _ = write!(
            text,
            "wrote graph {} ({})\nnext: stella graph verify --store {} --graph {}",
            self.name,
            bytes(self.json_bytes as u64),
            self.store.display(),
            self.name
        );
        text
    }
}

fn counts(graph: &RichGraph, statement: &Statement<GraphPredicate>) -> Value {
    let commitment = &statement.predicate.graph;
    let binary = |binary: &delta_graph::model::Binary| {
        json!({
            "name": binary.name, "build_id": binary.build_id, "sha256": binary.sha256.to_string(),
            "purl": binary.purl, "degraded": binary.degraded,
        })
    };
    json!({
        "binaries": graph.binaries.iter().map(binary).collect::<Vec<_>>(),
        "missing": graph.missing,
        "assumptions": graph.assumptions,
        "nodes": commitment.node_count,
        "edges": commitment.edge_count,
        "roots": commitment.root_count,
        "reachable": commitment.reach_count,
        "unresolved_call_sites": commitment.unresolved_call_sites,
        "edge_root": commitment.edge_root,
        "reach_root": commitment.reach_root,
        "graph_hash": {"blake3": commitment.graph_hash.blake3, "sha256": commitment.graph_hash.sha256},
    })
}

fn described(graph: &RichGraph, statement: &Statement<GraphPredicate>) -> String {
    let commitment = &statement.predicate.graph;
    let mut text = format!(
        "{}: {} nodes, {} edges, {} roots\n{} nodes can be reached, {} not; {} calls lead where only the running program knows\n",
        counted(graph.binaries.len(), "file", "files"),
        commitment.node_count,
        commitment.edge_count,
        commitment.root_count,
        commitment.reach_count,
        commitment.node_count - commitment.reach_count,
        commitment.unresolved_call_sites
    );
    for binary in graph.binaries.iter().filter(|binary| !binary.degraded.is_empty()) {
        let _ = writeln!(text, "less sure: {}: {}", one_line(&binary.name), binary.degraded.join(", "));
    }
    if !graph.assumptions.is_empty() {
        let _ = writeln!(text, "assumed by whoever built it: {}", graph.assumptions.join(", "));
    }
    if !graph.missing.is_empty() {
        let missing = names(&graph.missing);
        let _ = writeln!(text, "not found: {missing}; name their folder with --library-path");
    }
    text
}

/// A graph that was verified.
pub(crate) struct Verified<'a> {
    pub(crate) verified: &'a VerifiedGraph,
    pub(crate) bundles: Option<&'a [VerifiedBundle]>,
    pub(crate) quarantine: Option<&'a Quarantine>,
}

impl Verified<'_> {
    pub(crate) fn object(&self, is_trusted: bool) -> Value {
        let VerifiedGraph { graph, statement, signature, .. } = self.verified;
        let mut object = counts(graph, statement);
        object["signatures_checked"] = is_trusted.into();
        object["signature"] = signature_object(signature);
        let bundle = |verified: &VerifiedBundle| {
            json!({
                "bundle_id": verified.bundle.bundle_id, "bundle_reason": verified.bundle.bundle_reason.name(),
                "edge_count": verified.bundle.edge_count, "bytes": verified.bytes,
                "signature": signature_object(&verified.signature),
            })
        };
        object["edge_bundles"] = self.bundles.map(|bundles| bundles.iter().map(bundle).collect::<Vec<_>>()).into();
        object["quarantine"] = self
            .quarantine
            .map(|quarantine| {
                let edge = |(from, to, kind): &(u32, u32, Kind)| {
                    json!({"from": graph.id(*from), "to": graph.id(*to), "kind": kind.name()})
                };
                let node = |node: &u32| json!({"id": graph.id(*node), "name": label(graph, *node)});
                json!({
                    "edges": quarantine.edges.iter().map(edge).collect::<Vec<_>>(),
                    "reachable": quarantine.reached,
                    "no_longer_reachable": quarantine.lost.iter().map(node).collect::<Vec<_>>(),
                    "contested": quarantine.raised.iter().map(node).collect::<Vec<_>>(),
                })
            })
            .into();
        object
    }

    pub(crate) fn text(&self, is_trusted: bool) -> String {
        let VerifiedGraph { graph, statement, signature, .. } = self.verified;
        let mut text = described(graph, statement);
        let _ = writeln!(text, "graph: {}", signed(signature, is_trusted));
        if let Some(bundles) = self.bundles {
            let edges: u64 = bundles.iter().map(|verified| verified.bundle.edge_count).sum();
            let total: u64 = bundles.iter().map(|verified| verified.bytes).sum();
            let many = counted(bundles.len(), "edge bundle", "edge bundles");
            let _ = writeln!(text, "{many} with {edges} edges, {}", bytes(total));
        }
        if let Some(quarantine) = self.quarantine.filter(|quarantine| !quarantine.edges.is_empty()) {
            let revoked = counted(quarantine.edges.len(), "edge is", "edges are");
            let _ = writeln!(
                text,
                "{revoked} revoked and left out: {} nodes can be reached, {} no longer",
                quarantine.reached,
                quarantine.lost.len()
            );
            for (from, to, kind) in quarantine.edges.iter().take(LOST_SHOWN) {
                let (from, to) = (label(graph, *from), label(graph, *to));
                let _ = writeln!(text, "  left out: {from} -> {to} ({})", kind.name());
            }
            for node in quarantine.lost.iter().take(LOST_SHOWN) {
                let _ = writeln!(text, "  no longer reachable: {}", label(graph, *node));
            }
        }
        if let Some(quarantine) = self.quarantine.filter(|quarantine| !quarantine.raised.is_empty()) {
            let raised = counted(quarantine.raised.len(), "node", "nodes");
            let _ = writeln!(text, "{raised} ran although the graph calls them unreachable: treat them like reachable");
            for node in quarantine.raised.iter().take(LOST_SHOWN) {
                let _ = writeln!(text, "  contested: {}", label(graph, *node));
            }
        }
        text.push_str("verified");
        text
    }
}

fn signature_object(signature: &Signature) -> Value {
    let logged = signature.logged.as_ref();
    json!({
        "signers": signature.signers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "log": logged.map(|(log, index, witnesses)| json!({"origin": log, "leaf_index": index, "witnesses": witnesses})),
    })
}

fn signed(signature: &Signature, is_trusted: bool) -> String {
    if !is_trusted {
        return "signatures were not checked; add --trust".to_owned();
    }
    let signers = counted(signature.signers.len(), "trusted signer", "trusted signers");
    match &signature.logged {
        Some((log, index, witnesses)) => {
            format!(
                "{signers}; entry {index} of the log {log}, seen by {}",
                counted(*witnesses, "witness", "witnesses")
            )
        }
        None => format!("{signers}; no log proof"),
    }
}

pub(crate) fn diff_object(diff: &GraphDiff) -> Value {
    let edges = |edges: &[(String, String, &str)]| -> Vec<Value> {
        edges.iter().map(|(from, to, kind)| json!({"from": from, "to": to, "kind": kind})).collect()
    };
    let roots = |roots: &[(String, String)]| -> Vec<Value> {
        roots.iter().map(|(node, source)| json!({"node": node, "source": source})).collect()
    };
    json!({
        "nodes_added": diff.nodes_added, "nodes_removed": diff.nodes_removed,
        "edges_added": edges(&diff.edges_added), "edges_removed": edges(&diff.edges_removed),
        "roots_added": roots(&diff.roots_added), "roots_removed": roots(&diff.roots_removed),
        "became_reachable": diff.became_reachable, "became_unreachable": diff.became_unreachable,
        "unresolved_change": diff.unresolved_change,
    })
}

pub(crate) fn diff(diff: &GraphDiff, top: usize) -> String {
    let mut text = String::new();
    let edge = |(from, to, kind): &(String, String, &str)| format!("{from} -> {to} ({kind})");
    let root = |(node, source): &(String, String)| format!("{node} ({source})");
    let lists: [(&str, Vec<String>); 8] = [
        ("functions added", diff.nodes_added.clone()),
        ("functions removed", diff.nodes_removed.clone()),
        ("became reachable", diff.became_reachable.clone()),
        ("became unreachable", diff.became_unreachable.clone()),
        ("edges added between functions of both", diff.edges_added.iter().map(edge).collect()),
        ("edges removed between functions of both", diff.edges_removed.iter().map(edge).collect()),
        ("roots added", diff.roots_added.iter().map(root).collect()),
        ("roots removed", diff.roots_removed.iter().map(root).collect()),
    ];
    for (what, lines) in lists {
        let _ = writeln!(text, "{what}: {}", lines.len());
        for line in lines.iter().take(top) {
            let _ = writeln!(text, "  {line}");
        }
    }
    let _ = write!(text, "calls that only the running program knows: {:+}", diff.unresolved_change);
    text
}

pub(crate) fn proven_object(proven: &Proven, is_trusted: bool) -> Value {
    let commitment = &proven.predicate.graph;
    json!({
        "proves": serde_json::to_value(&proven.claim).unwrap_or_default(),
        "graph": format!("blake3:{}", commitment.graph_hash.blake3),
        "unresolved_call_sites": commitment.unresolved_call_sites,
        "assumptions": proven.predicate.assumptions,
        "signatures_checked": is_trusted,
        "signers": proven.signers.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

pub(crate) fn proven(proven: &Proven, is_trusted: bool) -> String {
    let commitment = &proven.predicate.graph;
    let claim = match &proven.claim {
        Claim::Edge { from, kind, to } => format!("{from} -> {to} ({}) is an edge", kind.name()),
        Claim::NoEdge { from, kind, to } => format!("{from} -> {to} ({}) is no edge", kind.name()),
        Claim::Reachable { id } => format!("{id} can be reached"),
        Claim::Unreachable { id } => format!("{id} cannot be reached, or is not in the graph"),
    };
    let signature = Signature { signers: proven.signers.clone(), logged: None };
    let signed = if is_trusted {
        counted(signature.signers.len(), "trusted signer", "trusted signers")
    } else {
        signed(&signature, false)
    };
    let mut text = format!(
        "proven: {claim}\nof the graph {} ({} edges, {} reachable nodes, {} unresolved calls)\n{signed}",
        commitment.graph_hash.blake3, commitment.edge_count, commitment.reach_count, commitment.unresolved_call_sites
    );
    if !proven.predicate.assumptions.is_empty() {
        let _ = write!(text, "\nassumed by whoever built it: {}", proven.predicate.assumptions.join(", "));
    }
    text
}

/// A proof that was made.
pub(crate) struct Made<'a> {
    pub(crate) graph: &'a RichGraph,
    pub(crate) proven: &'a Proven,
    pub(crate) way: Option<&'a [usize]>,
    pub(crate) bytes: usize,
    pub(crate) file: &'a Path,
}

impl Made<'_> {
    pub(crate) fn object(&self) -> Value {
        let mut object = proven_object(self.proven, false);
        let edge = |number: &usize| {
            let edge = &self.graph.edges[*number];
            json!({
                "from": self.graph.id(edge.from), "to": self.graph.id(edge.to), "kind": edge.kind.name(),
                "from_name": label(self.graph, edge.from), "to_name": label(self.graph, edge.to),
            })
        };
        object["way"] = self.way.map(|way| way.iter().map(edge).collect::<Vec<_>>()).into();
        object["proof_bytes"] = self.bytes.into();
        object["file"] = self.file.display().to_string().into();
        object
    }

    pub(crate) fn text(&self) -> String {
        let mut text = proven(self.proven, false);
        text.push('\n');
        for number in self.way.unwrap_or_default() {
            let edge = &self.graph.edges[*number];
            let (from, to) = (label(self.graph, edge.from), label(self.graph, edge.to));
            let _ = writeln!(text, "  {from} -> {to} ({})", edge.kind.name());
        }
        let _ = write!(
            text,
            "wrote {} ({})\nnext: stella graph verify --proof {} --trust FILE",
            self.file.display(),
            bytes(self.bytes as u64),
            self.file.display()
        );
        text
    }
}

/// Names that files say, in one line.
fn names(names: &[String]) -> String {
    one_line(&names.join(", "))
}
