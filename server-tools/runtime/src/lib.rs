//! Reads what other tools saw running, and says which functions ran and which called which.
//!
//! In: the bytes of one trace: callgrind, `perf script`, Go pprof, JFR, V8 `.cpuprofile`, folded stacks of uftrace, or
//! runtime-facts NDJSON. Out: [`Facts`], observed functions and edges with how often each was seen, sorted, with the SHA-256
//! of the trace. Any bytes are taken: what is not understood is an error, never a panic, and memory is bounded by
//! [`limits`]. Absence says nothing: a trace only ever adds what was seen.
//! It reads no files, and it does not know the call graph that the facts are joined with.

#![forbid(unsafe_code)]

mod callgrind;
mod collector;
mod cpuprofile;
mod error;
mod facts;
mod folded;
mod jfr;
pub mod limits;
mod perf;
mod pprof;
mod records;
mod wire;

pub use error::ImportError;
pub use facts::{Facts, FunctionRef, Kind, Observed, Source};

/// Reads a trace of a known source.
///
/// # Errors
/// [`ImportError`], which says where it stopped.
pub fn import(source: Source, bytes: &[u8]) -> Result<Facts, ImportError> {
    if bytes.len() > limits::TRACE_BYTES_MAX {
        return Err(ImportError::Limit { what: "bytes of a trace", most: limits::TRACE_BYTES_MAX as u64 });
    }
    let mut collector = collector::Collector::default();
    match source {
        Source::Callgrind => callgrind::read(bytes, &mut collector)?,
        Source::Perf => perf::read(bytes, &mut collector)?,
        Source::Pprof => pprof::read(bytes, &mut collector)?,
        Source::Jfr => jfr::read(bytes, &mut collector)?,
        Source::CpuProfile => cpuprofile::read(bytes, &mut collector)?,
        Source::Uftrace => folded::read(bytes, &mut collector)?,
        Source::RuntimeFacts => records::read(bytes, &mut collector)?,
    }
    use sha2::Digest;
    let evidence = delta_format::Sha256::new(sha2::Sha256::digest(bytes).into());
    Ok(collector.finish(source, evidence))
}
