//! `stella graph import`: what a trace of another tool saw running. It joins nothing with a call graph.

use crate::cli::TraceSource;
use crate::failure::Failure;
use crate::output::{Output, counted};
use delta_runtime::{Source, import, limits};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

pub(crate) fn run(source: Option<TraceSource>, file: &Path, output: &Output) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| Failure::io(file, &error))?;
    // One byte more than allowed, so that the importer sees that it is too long.
    let read = opened.take(limits::TRACE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::io(file, &error))?;
    let source = source.map(named).or_else(|| Source::detect(&bytes)).ok_or_else(|| {
        let names = Source::ALL.map(Source::name).join(", ");
        Failure::usage(format!("{}: it does not say what recorded it; give --source: {names}", file.display()))
    })?;
    let facts = import(source, &bytes).map_err(|error| {
        let message = format!("{}: {error}; see `stella graph import --help`", file.display());
        Failure::new(Failure::FAILED, "no-trace", message)
    })?;
    let lines = facts.to_ndjson();
    let edges = facts.edges().count();
    let object = json!({
        "file": file,
        "source": source.name(),
        "evidence": format!("sha256:{}", facts.evidence),
        "edges": edges,
        "functions": facts.observed.len() - edges,
        "dropped": facts.dropped,
        "observed": serde_json::Deserializer::from_slice(&lines).into_iter().filter_map(Result::ok).collect::<Vec<Value>>(),
    });
    output.note(&format!(
        "{}: {}, {}, {} that name none",
        file.display(),
        counted(edges, "edge", "edges"),
        counted(facts.observed.len() - edges, "function", "functions"),
        counted(usize::try_from(facts.dropped).unwrap_or(usize::MAX), "frame", "frames"),
    ));
    output.result(&object, &String::from_utf8_lossy(&lines));
    Ok(())
}

fn named(source: TraceSource) -> Source {
    match source {
        TraceSource::Callgrind => Source::Callgrind,
        TraceSource::Perf => Source::Perf,
        TraceSource::Pprof => Source::Pprof,
        TraceSource::Jfr => Source::Jfr,
        TraceSource::CpuProfile => Source::CpuProfile,
        TraceSource::Uftrace => Source::Uftrace,
        TraceSource::RuntimeFacts => Source::RuntimeFacts,
    }
}
