//! Runtime facts as NDJSON: one object a line with `symbolId`, `hitCount`, and what else is known of the function. Fields
//! that say nothing of it (process, container, time, place of the evidence) are not looked at.

use crate::collector::Collector;
use crate::error::ImportError;
use crate::facts::FunctionRef;
use serde::Deserialize;

const NAME: &str = "list of runtime facts";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fact {
    symbol_id: String,
    hit_count: u64,
    build_id: Option<String>,
    purl: Option<String>,
}

pub(crate) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), ImportError> {
    let mut has_fact = false;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let fact: Fact = serde_json::from_slice(line)
            .map_err(|error| ImportError::malformed(NAME, format!("line {number}: {error}")))?;
        let object = fact.build_id.or(fact.purl).unwrap_or_default();
        match collector.function(FunctionRef { address: None, name: fact.symbol_id, object })? {
            Some(function) => collector.hit(function, fact.hit_count),
            None => collector.drop_one(),
        }
        has_fact = true;
    }
    if has_fact { Ok(()) } else { Err(ImportError::malformed(NAME, "there is no fact")) }
}
