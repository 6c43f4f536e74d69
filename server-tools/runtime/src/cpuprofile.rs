//! `.cpuprofile` of V8: the type Profile of the domain Profiler of the Chrome DevTools protocol. Nodes are call sites in a
//! tree; a sample names the node that was on top.

use crate::collector::Collector;
use crate::error::ImportError;
use crate::facts::FunctionRef;
use crate::limits::STACK_FRAMES_MAX;
use serde::Deserialize;
use std::collections::BTreeMap;

const NAME: &str = ".cpuprofile";

#[derive(Deserialize)]
struct Profile {
    nodes: Vec<Node>,
    samples: Option<Vec<u64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    call_frame: CallFrame,
    #[serde(default)]
    hit_count: u64,
    #[serde(default)]
    children: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    url: String,
    line_number: i64,
}

pub(crate) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), ImportError> {
    let profile: Profile = serde_json::from_slice(bytes).map_err(|error| ImportError::malformed(NAME, error))?;
    let (mut functions, mut parents) = (BTreeMap::new(), BTreeMap::new());
    let mut hits: BTreeMap<u64, u64> = BTreeMap::new();
    for node in &profile.nodes {
        let CallFrame { function_name, url, line_number } = &node.call_frame;
        // Not functions: the root of the tree, and what the engine does.
        let is_engine = matches!(function_name.as_str(), "(root)" | "(program)" | "(idle)" | "(garbage collector)");
        // A function without a name is told from others by its place.
        let name = match function_name.as_str() {
            "" => format!("(anonymous):{}", line_number.saturating_add(1)),
            name => name.to_owned(),
        };
        let function = FunctionRef { address: None, name, object: url.clone() };
        functions.insert(node.id, if is_engine { None } else { collector.function(function)? });
        parents.extend(node.children.iter().map(|child| (*child, node.id)));
        if profile.samples.is_none() {
            hits.insert(node.id, node.hit_count);
        }
    }
    for sample in profile.samples.iter().flatten() {
        *hits.entry(*sample).or_default() += 1;
    }
    for (top, hits) in hits {
        let (mut frames, mut at) = (Vec::new(), Some(top));
        while let Some(node) = at.filter(|_| frames.len() <= STACK_FRAMES_MAX) {
            frames.push(functions.get(&node).copied().flatten());
            at = parents.get(&node).copied();
        }
        // The engine's own frames are no gaps in what is known.
        let frames: Vec<Option<u32>> = frames.into_iter().filter(Option::is_some).collect();
        collector.stack(&frames, hits)?;
    }
    if profile.nodes.is_empty() { Err(ImportError::malformed(NAME, "there are no nodes")) } else { Ok(()) }
}
