//! Sums up what importers see, within limits.

use crate::error::ImportError;
use crate::facts::{Facts, FunctionRef, Kind, Observed, Source};
use crate::limits::*;
use delta_format::Sha256;
use std::collections::BTreeMap;

/// Integers that JSON readers of other languages keep.
const HITS_MAX: u64 = (1 << 53) - 1;

#[derive(Debug, Default)]
pub(crate) struct Collector {
    numbers: BTreeMap<FunctionRef, u32>,
    functions: Vec<FunctionRef>,
    hits: BTreeMap<u32, u64>,
    edges: BTreeMap<(u32, u32), u64>,
    dropped: u64,
}

impl Collector {
    /// The number of a function; nothing if it has no name that says anything.
    pub(crate) fn function(&mut self, function: FunctionRef) -> Result<Option<u32>, ImportError> {
        let FunctionRef { address, name, object } = function;
        if address.is_none() && matches!(name.as_str(), "" | "???" | "[unknown]" | "(unknown)") {
            return Ok(None);
        }
        let address = address.filter(|address| *address <= HITS_MAX);
        let function = FunctionRef { address, name: cut(name), object: cut(object) };
        if let Some(number) = self.numbers.get(&function) {
            return Ok(Some(*number));
        }
        let number = self.functions.len();
        if number == FUNCTIONS_MAX {
            return Err(ImportError::Limit { what: "functions", most: FUNCTIONS_MAX as u64 });
        }
        self.numbers.insert(function.clone(), number as u32);
        self.functions.push(function);
        Ok(Some(number as u32))
    }

    /// A function ran, who knows how often.
    pub(crate) fn ran(&mut self, function: u32) {
        self.hits.entry(function).or_default();
    }

    /// A function ran that often; what ran 0 times was not seen.
    pub(crate) fn hit(&mut self, function: u32, hits: u64) {
        if hits == 0 {
            return;
        }
        let sum = self.hits.entry(function).or_default();
        *sum = sum.saturating_add(hits).min(HITS_MAX);
    }

    /// A function called another that often; what was called 0 times was not seen.
    pub(crate) fn edge(&mut self, caller: u32, callee: u32, hits: u64) -> Result<(), ImportError> {
        if hits == 0 {
            return Ok(());
        }
        if self.edges.len() == EDGES_MAX && !self.edges.contains_key(&(caller, callee)) {
            return Err(ImportError::Limit { what: "edges", most: EDGES_MAX as u64 });
        }
        let sum = self.edges.entry((caller, callee)).or_default();
        *sum = sum.saturating_add(hits).min(HITS_MAX);
        Ok(())
    }

    /// Something that names no function.
    pub(crate) fn drop_one(&mut self) {
        self.dropped += 1;
    }

    /// A stack was seen, the innermost frame first; frames that name nothing are gaps, over which there is no edge.
    pub(crate) fn stack(&mut self, frames: &[Option<u32>], hits: u64) -> Result<(), ImportError> {
        if hits == 0 {
            return Ok(());
        }
        let kept = frames.get(..STACK_FRAMES_MAX).unwrap_or(frames);
        self.dropped += (frames.len() - kept.len()) as u64;
        let mut seen: Vec<u32> = kept.iter().copied().flatten().collect();
        self.dropped += (kept.len() - seen.len()) as u64;
        for two in kept.windows(2) {
            if let [Some(callee), Some(caller)] = *two {
                self.edge(caller, callee, hits)?;
            }
        }
        // A function that recursed ran once in this sample.
        seen.sort_unstable();
        seen.dedup();
        seen.into_iter().for_each(|function| self.hit(function, hits));
        Ok(())
    }

    pub(crate) fn finish(self, source: Source, evidence: Sha256) -> Facts {
        let Self { functions, hits, edges, dropped, .. } = self;
        let named = |number: u32| functions.get(number as usize).cloned().unwrap_or_default();
        let record = |caller: Option<u32>, callee: u32, hits: u64, kind| Observed {
            callee: named(callee),
            caller: caller.map(named),
            evidence: format!("sha256:{evidence}"),
            hits,
            kind,
            source: source.name(),
        };
        let mut observed: Vec<Observed> = edges
            .into_iter()
            .map(|((caller, callee), hits)| record(Some(caller), callee, hits, source.edge_kind()))
            .chain(hits.into_iter().map(|(function, hits)| record(None, function, hits.max(1), Kind::Hit)))
            .collect();
        // Numbers are given as functions are met; the order of the result is that of their names.
        observed.sort_by(|a, b| (a.kind, &a.caller, &a.callee).cmp(&(b.kind, &b.caller, &b.callee)));
        Facts { source, evidence, observed, dropped }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > NAME_BYTES_MAX {
        let end = (0..=NAME_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
