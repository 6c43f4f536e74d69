//! `stella graph`: what of a program can be reached, kept in a folder, verified and proven offline.

use super::{graph_import, graph_text as text};
use crate::cli::{GraphBuild, GraphCommand};
use crate::commands::trust;
use crate::failure::Failure;
use crate::output::Output;
use crate::signing::Signers;
use delta_attest::SignedStatement;
use delta_graph::bundle::{EdgeBundle, Selection, bundles, published};
use delta_graph::cas::{Cas, Part};
use delta_graph::closure::{Closure, Places, Plugins};
use delta_graph::commitment::{Commitment, Trees};
use delta_graph::json::GraphHash;
use delta_graph::kind::Kind;
use delta_graph::limits::PROOF_BYTES_MAX;
use delta_graph::proof::{Proof, Signed};
use delta_graph::services::services;
use delta_graph::statement::Statement;
use delta_graph::verify::{self, VerifiedGraph};
use delta_graph::{RichGraph, diff};
use delta_verify::TrustRoot;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) fn run(command: GraphCommand, output: &Output) -> Result<(), Failure> {
    match command {
        GraphCommand::Build(options) => build(&options, output),
        GraphCommand::Import { source, file } => graph_import::run(source, &file, output),
        GraphCommand::Verify { proof: Some(file), trust, .. } => verify_proof(&file, trust.as_deref(), output),
        GraphCommand::Verify { store: Some(store), graph: Some(graph), edge_bundles, trust, .. } => {
            verify_graph(&Cas::new(store), &graph, edge_bundles, trust.as_deref(), output)
        }
        GraphCommand::Verify { .. } => Err(Failure::usage("name a graph (--store, --graph) or a proof (--proof)")),
        GraphCommand::Diff { store, before, after, top } => {
            let cas = Cas::new(store);
            let [before, after] = [before, after].map(|name| verify::graph(&cas, hash(&name), None));
            let found = diff::diff(&before?.graph, &after?.graph);
            output.result(&text::diff_object(&found), &text::diff(&found, top));
            Ok(())
        }
        GraphCommand::Prove { store, graph, function, from, to, kind, proof } => {
            let question = match (function, from.zip(to).zip(kind)) {
                (Some(function), _) => Question::Node(function),
                (None, Some(((from, to), kind))) => Question::Edge { from, to, kind },
                (None, None) => {
                    return Err(Failure::usage("ask for a --function, or for an edge: --from, --to, --kind"));
                }
            };
            prove(&Cas::new(store), &graph, &question, &proof, output)
        }
    }
}

/// The name of a graph, with or without the algorithm in front of it.
fn hash(name: &str) -> &str {
    name.strip_prefix("blake3:").unwrap_or(name)
}

fn build(options: &GraphBuild, output: &Output) -> Result<(), Failure> {
    // Keys first: a missing one must not cost the analysis.
    let signers = if options.signing.keys.is_empty() { None } else { Some(Signers::load(&options.signing)?) };
    let mut purls = BTreeMap::new();
    for pair in &options.purls {
        let (name, purl) = pair.split_once('=').ok_or_else(|| Failure::usage("--purl takes NAME=PURL"))?;
        purls.insert(name.to_owned(), purl.to_owned());
    }
    let selection = Selection {
        third_party: options.third_party.iter().cloned().collect(),
        disputed: ids(options.disputed.as_deref())?,
        revoked: ids(options.revoked.as_deref())?,
    };
    let policy = options.policy.as_ref().map(|path| std::fs::read(path).map_err(|error| Failure::io(path, &error)));
    let policy_hash = policy.transpose()?.map(|bytes| delta_verify::blake3_of_parts(&[&bytes]).to_string());
    let places = Places { root: options.root.clone(), folders: options.folders.clone() };
    let mut files = options.files.clone();
    let mut others = Vec::new();
    if options.services {
        let found = services(&options.root)?;
        files.extend(found.programs);
        others = found.others;
    }
    if files.is_empty() {
        let message = format!("no systemd unit below {} starts an executable; name programs", options.root.display());
        return Err(Failure::new(Failure::FAILED, "no-services", message));
    }
    let closure = Closure::read(&files, &places, !options.no_libraries)?;
    let plugins = if options.plugins_named { Plugins::Named } else { Plugins::Any };
    let opening = closure.objects.iter().filter(|object| object.opens_files && !options.plugins_named);
    let opening: Vec<String> = opening.map(|object| object.name.clone()).collect();
    let graph = RichGraph::build(closure, &purls, plugins);
    for name in purls.keys().chain(&selection.third_party) {
        if !graph.binaries.iter().any(|binary| binary.name == *name) {
            return Err(Failure::usage(format!("no file of the graph is called '{name}' (--purl, --third-party)")));
        }
    }
    let json = graph.to_json();
    graph.fits(json.len() as u64)?;
    let hash = GraphHash::of(&json);
    let bundles = bundles(&graph, &hash, &selection);
    listed(&selection, &bundles)?;
    let name = hash.blake3.to_string();
    let cas = Cas::new(&options.store);
    Cas::write(&cas.graph(&name, Part::Body), &json)?;
    let json_bytes = json.len();
    drop(json);
    let trees = Trees::new(&graph, &graph.reachable(|_| false));
    let statement = Statement::of_graph(&graph, Commitment::new(&graph, hash, &trees), policy_hash);
    let part = |part| cas.graph(&name, part);
    sign(signers.as_ref(), &statement.to_json(), true, &part)?;
    let logged = published(&bundles, options.max_rekor_publishes);
    for (index, bundle) in bundles.iter().enumerate() {
        let part = |part| cas.bundle(&name, &bundle.bundle_id, part);
        Cas::write(&part(Part::Body), &bundle.to_json())?;
        if signers.is_some() {
            sign(signers.as_ref(), &bundle.statement().to_json(), logged.contains(&index), &part)?;
        }
    }
    let built = text::Built {
        graph: &graph,
        name: &name,
        statement: &statement,
        json_bytes,
        bundles: &bundles,
        logged: if signers.is_some() { &logged } else { &[] },
        is_signed: signers.is_some(),
        store: &options.store,
        others: &others,
        opening: &opening,
    };
    output.result(&built.object(), &built.text());
    Ok(())
}

/// Edge ids of a file, one a line.
fn ids(path: Option<&Path>) -> Result<BTreeSet<String>, Failure> {
    let Some(path) = path else { return Ok(BTreeSet::new()) };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::io(path, &error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.starts_with("edge:") {
            true => Ok(line.to_owned()),
            false => Err(Failure::usage(format!("{}: '{line}' is no edge id (edge:...)", path.display()))),
        })
        .collect()
}

/// Refuses ids of lists that no edge has: what somebody believes to be left out must be.
fn listed(selection: &Selection, bundles: &[EdgeBundle]) -> Result<(), Failure> {
    let edges = bundles.iter().flat_map(|bundle| &bundle.edges);
    let known: BTreeSet<&str> = edges.map(|edge| edge.edge_id.as_str()).collect();
    let mut unknown = selection.revoked.union(&selection.disputed).filter(|id| !known.contains(id.as_str()));
    match unknown.next() {
        None => Ok(()),
        Some(id) => Err(Failure::usage(format!(
            "no edge of this graph has the id {id}; ids change with the build: take it from the edge bundles of this one"
        ))),
    }
}

/// Writes the statement, and where there are keys its envelope and place in the log.
fn sign(
    signers: Option<&Signers>,
    statement: &[u8],
    is_logged: bool,
    part: &dyn Fn(Part) -> PathBuf,
) -> Result<(), Failure> {
    let Some(signers) = signers else { return Ok(Cas::write(&part(Part::Statement), statement)?) };
    let signed = SignedStatement::of_evidence(statement, &signers.keys())?;
    let envelope = signed.envelope_json();
    let tlog_proof = part(Part::TlogProof);
    if is_logged {
        let proven = signers.prove(&signed)?;
        Cas::write(&tlog_proof, proven.tlog_proof.as_bytes())?;
    } else if tlog_proof.exists() && std::fs::read(part(Part::Envelope)).ok().as_ref() != Some(&envelope) {
        // It proves an envelope of other keys.
        std::fs::remove_file(&tlog_proof).map_err(|error| Failure::io(&tlog_proof, &error))?;
    }
    Ok(Cas::write(&part(Part::Envelope), &envelope)?)
}

fn trusted(path: Option<&Path>) -> Result<Option<TrustRoot>, Failure> {
    path.map(trust::load).transpose()
}

fn verify_graph(
    cas: &Cas,
    name: &str,
    edge_bundles: bool,
    trust: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let trust = trusted(trust)?;
    let verified = verify::graph(cas, hash(name), trust.as_ref())?;
    let bundles = match edge_bundles {
        true => Some(verify::bundles(cas, &verified, trust.as_ref())?),
        false => None,
    };
    let quarantine = bundles.as_ref().map(|bundles| verify::quarantine(&verified.graph, bundles));
    let report = text::Verified { verified: &verified, bundles: bundles.as_deref(), quarantine: quarantine.as_ref() };
    output.result(&report.object(trust.is_some()), &report.text(trust.is_some()));
    Ok(())
}

fn verify_proof(file: &Path, trust: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let trust = trusted(trust)?;
    let json = Cas::read(file, PROOF_BYTES_MAX as u64)?;
    let at = |refused: delta_graph::Refused| refused.at(file);
    let proven = Proof::from_json(&json).map_err(at)?.verify(trust.as_ref()).map_err(at)?;
    output.result(&text::proven_object(&proven, trust.is_some()), &text::proven(&proven, trust.is_some()));
    Ok(())
}

/// What is to be proven.
enum Question {
    Node(String),
    Edge { from: String, to: String, kind: String },
}

fn prove(cas: &Cas, name: &str, question: &Question, file: &Path, output: &Output) -> Result<(), Failure> {
    let verified = verify::graph(cas, hash(name), None)?;
    let VerifiedGraph { graph, trees, statement, .. } = &verified;
    let envelope = Cas::read_if_there(&cas.graph(hash(name), Part::Envelope), PROOF_BYTES_MAX as u64)?;
    let statement = statement.to_json();
    let signed = envelope.as_deref().map_or(Signed::Nobody(&statement), Signed::Envelope);
    let proof = match question {
        Question::Node(node) => Proof::of_node(graph, trees, graph.id(one(graph, node)?), signed),
        Question::Edge { from, to, kind } => {
            let known = || Kind::all().map(Kind::name).collect::<Vec<_>>().join(", ");
            let kind =
                Kind::named(kind).ok_or_else(|| Failure::usage(format!("there is no kind '{kind}': {}", known())))?;
            let (from, to) = (graph.id(one(graph, from)?), graph.id(one(graph, to)?));
            Proof::of_edge(graph, trees, from, to, kind, signed)
        }
    };
    let proof = proof.map_err(|refused| refused.at(file))?;
    let json = proof.to_json();
    Cas::write(file, &json)?;
    let proven = proof.verify(None).map_err(|refused| refused.at(file))?;
    let way = match question {
        Question::Node(node) => graph.way(one(graph, node)?),
        Question::Edge { .. } => None,
    };
    let report = text::Made { graph, proven: &proven, way: way.as_deref(), bytes: json.len(), file };
    output.result(&report.object(), &report.text());
    Ok(())
}

/// The one node that a text means.
fn one(graph: &RichGraph, text: &str) -> Result<u32, Failure> {
    match graph.named(text).as_slice() {
        [node] => Ok(*node),
        [] => {
            let message =
                format!("no function of the graph is called '{text}'; `stella functions list FILE` lists them");
            Err(Failure::new(Failure::FAILED, "no-function", message))
        }
        many => {
            let ids: Vec<&str> = many.iter().take(8).map(|node| graph.id(*node)).collect();
            let message = format!("'{text}' means several functions; name one by its id: {}", ids.join(", "));
            Err(Failure::new(Failure::FAILED, "no-function", message))
        }
    }
}
