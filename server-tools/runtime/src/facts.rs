//! What was observed, in one form for all sources.

use delta_format::Sha256;
use serde::Serialize;

/// Who recorded a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `valgrind --tool=callgrind`, the file as it is.
    Callgrind,
    /// `perf script`, its text.
    Perf,
    /// A pprof profile, as it is or in gzip (profile.proto of github.com/google/pprof).
    Pprof,
    /// A recording of the Java Flight Recorder, version 2.
    Jfr,
    /// A `.cpuprofile` of V8: node, Chromium.
    CpuProfile,
    /// `uftrace dump --flame-graph`: stacks on lines, `a;b;c 7`.
    Uftrace,
    /// Runtime facts as NDJSON: one object with `symbolId` and `hitCount` a line.
    RuntimeFacts,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Callgrind, Self::Perf, Self::Pprof, Self::Jfr, Self::CpuProfile, Self::Uftrace, Self::RuntimeFacts];

    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Callgrind => "callgrind",
            Self::Perf => "perf",
            Self::Pprof => "pprof",
            Self::Jfr => "jfr",
            Self::CpuProfile => "cpuprofile",
            Self::Uftrace => "uftrace",
            Self::RuntimeFacts => "runtime-facts",
        }
    }

    /// What an edge of it is worth.
    pub(crate) fn edge_kind(self) -> Kind {
        match self {
            Self::Callgrind | Self::Uftrace => Kind::Call,
            _ => Kind::Stack,
        }
    }

    /// What the bytes look like; text in doubt is not guessed.
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        let start = &bytes[..bytes.len().min(4_096)];
        let holds = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
        if start.starts_with(b"FLR\0") {
            Some(Self::Jfr)
        } else if start.starts_with(b"\x1f\x8b") {
            Some(Self::Pprof)
        } else if start.starts_with(b"# callgrind format") || (holds(b"events: ") && holds(b"fn=(")) {
            Some(Self::Callgrind)
        } else if start.starts_with(b"{") && holds(b"\"symbolId\"") {
            Some(Self::RuntimeFacts)
        } else if start.starts_with(b"{") && holds(b"\"nodes\"") {
            Some(Self::CpuProfile)
        } else {
            None
        }
    }
}

/// How an observation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call that was traced.
    Call,
    /// Two neighbours in a sampled stack: functions that were inlined between them are not seen.
    Stack,
    /// A function that ran, whoever called it.
    Hit,
}

/// A function, as far as a trace names it. Fields in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FunctionRef {
    /// Its address, where the trace has it: in the process, or in the file when it was loaded at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
    /// Its name, as the trace has it.
    pub name: String,
    /// The file, class path or build that it is in; may be empty.
    pub object: String,
}

/// One observation. Fields in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// What ran.
    pub callee: FunctionRef,
    /// What called it; nothing for a hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<FunctionRef>,
    /// The trace: `sha256:` and its digest.
    pub evidence: String,
    /// How often it was seen: calls, samples, or weights, as the source counts.
    pub hits: u64,
    /// How.
    pub kind: Kind,
    /// Who recorded it.
    pub source: &'static str,
}

/// All that a trace says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Who recorded it.
    pub source: Source,
    /// SHA-256 of the trace.
    pub evidence: Sha256,
    /// Edges by caller and callee, then functions; each is there once.
    pub observed: Vec<Observed>,
    /// Frames and records that name no function.
    pub dropped: u64,
}

impl Facts {
    /// Canonical JSON (RFC 8785), one observation a line.
    pub fn to_ndjson(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for observed in &self.observed {
            serde_json::to_writer(&mut out, observed).expect("a Vec takes any text");
            out.push(b'\n');
        }
        out
    }

    /// Edges among the observations.
    pub fn edges(&self) -> impl Iterator<Item = (&FunctionRef, &FunctionRef, u64)> {
        self.observed.iter().filter_map(|one| Some((one.caller.as_ref()?, &one.callee, one.hits)))
    }
}
