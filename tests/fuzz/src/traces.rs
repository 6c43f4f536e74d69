//! Traces of other tools.

use delta_runtime::{ImportError, Source, import};

/// Any bytes as a trace of each source: sorted observations, each there once, in canonical lines.
pub fn traces(bytes: &[u8]) {
    Source::detect(bytes);
    for source in Source::ALL {
        let facts = match import(source, bytes) {
            Ok(facts) => facts,
            Err(ImportError::Limit { what, .. }) => panic!("so few bytes reach no limit, but {what}"),
            Err(_) => continue,
        };
        let key = |one: &delta_runtime::Observed| (one.kind, one.caller.clone(), one.callee.clone());
        assert!(facts.observed.windows(2).all(|two| key(&two[0]) < key(&two[1])), "sorted, each once");
        for line in facts.to_ndjson().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let value: serde_json::Value = serde_json::from_slice(line).expect("JSON");
            assert_eq!(value.to_string().as_bytes(), line, "canonical");
            assert!(value["hits"].as_u64().is_some_and(|hits| (1..1 << 53).contains(&hits)));
        }
    }
}
