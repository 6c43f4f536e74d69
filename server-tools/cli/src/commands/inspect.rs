//! `stella delta inspect`: what a bundle holds, in numbers. It judges nothing.

use super::create::payload_bytes;
use crate::failure::Failure;
use crate::output::{Output, bytes, counted};
use delta_bundle::{BundleFile, Computed, OpRecord, SpentRecord};
use delta_format::header::ImageId;
use delta_format::statement;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(path: &Path, manifest: bool, statement: bool, output: &Output) -> Result<(), Failure> {
    let bundle = BundleFile::open(path).map_err(|error| Failure::bundle(path, error))?;
    if manifest {
        output.raw(&bundle.manifest_json().map_err(|error| Failure::bundle(path, error))?);
        return Ok(());
    }
    let (header, layout) = (&bundle.header, &bundle.layout);
    if statement {
        output.raw(&statement::of_bundle(header).map_err(|error| Failure::format(path, error))?);
        return Ok(());
    }
    let facts = bundle.manifest().map_err(|error| Failure::bundle(path, error))?;
    let spent = &facts.payload.spent;
    let (mut copies, mut copied, mut additions, mut added) = (0, 0, 0, 0);
    for op in &facts.ops {
        match op {
            OpRecord::Copy(_, _, length) => (copies, copied) = (copies + 1, copied + length),
            OpRecord::Add(_, length) => (additions, added) = (additions + 1, added + length),
        }
    }
    let image =
        |id: &ImageId| json!({"length": id.length, "blake3": id.blake3.to_string(), "sha256": id.sha256.to_string()});
    let object = json!({
        "product": header.product.as_str(),
        "hardware": header.hardware.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "version": header.version.to_string(),
        "artifact_type": header.artifact_type.name(),
        "expires": header.expires,
        "base": image(&header.base),
        "target": image(&header.target),
        "coding": header.payload.coding.name(),
        "payload_bytes": payload_bytes(header, layout),
        "sections": {
            "head": layout.index_at,
            "capsule": bundle.head.len() as u64 - delta_format::container::PREFIX_BYTES as u64 - header_bytes(&bundle),
            "group_index": layout.payload_at - layout.index_at,
            "payload": layout.base_map_at - layout.payload_at,
            "base_map": layout.manifest_at - layout.base_map_at,
            "manifest": layout.file_bytes - layout.manifest_at,
        },
        "fetch_bytes": layout.base_map_at,
        "bundle_bytes": layout.file_bytes,
        "ops": {
            "copies": copies, "copied_bytes": copied,
            "additions": additions, "added_bytes": added,
        },
        "spent": {"kinds": pairs(&spent.kinds), "sections": pairs(&spent.sections)},
        "hints": hints(spent),
        "changed_chunks": facts.changed_chunks.len(),
        "limits": {
            "memory_bytes": header.limits.memory_bytes,
            "segment_bytes": header.limits.segment_bytes(),
            "ops_max": header.limits.ops_max,
            "window_bytes": size(header.limits.window_log2),
            "table_bytes": size(header.limits.table_log2),
            "scratch_bytes": header.limits.scratch_bytes,
        },
        "signatures": bundle.capsule.signatures.len(),
        "log": bundle.capsule.log.as_ref().map(|log| json!({
            "leaf_index": log.leaf_index,
            "tree_size": log.checkpoint.tree_size,
            "cosignatures": log.checkpoint.cosignatures.len(),
        })),
    });
    let text_of = |entries: &[(String, u64)]| {
        let shown = entries.iter().take(SHOWN).map(|(name, spent)| format!("{name} {}", bytes(*spent)));
        let text = shown.collect::<Vec<_>>().join(", ");
        if text.is_empty() { "nothing".to_owned() } else { text }
    };
    let base = if header.base.is_empty() { "nothing (a full image)".to_owned() } else { describe(&header.base) };
    let entropy = match &facts.score_inputs.entropy {
        Computed::Value(entropy) => {
            format!("{:.2} bits a byte", entropy.millibits_per_added_byte as f64 / 1e3)
        }
        Computed::NotComputed(reason) => reason.clone(),
    };
    let text = format!(
        "{} {} for {}, {}\n\
         base     {base}\n\
         target   {}\n\
         device   fetches {}, needs {} of memory\n\
         file     {}: head {}, group index {}, payload {}, base map {}, manifest {}\n\
         made of  {} copies ({}), {} additions ({}; entropy {entropy})\n\
         spent on {}\n\
         for      {}\n\
         changed  {} of {} chunks\n\
         proof    {}; {}",
        header.product,
        header.version,
        header.hardware.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        header.artifact_type.name(),
        describe(&header.target),
        bytes(layout.base_map_at),
        bytes(header.limits.memory_bytes.into()),
        bytes(layout.file_bytes),
        layout.index_at,
        layout.payload_at - layout.index_at,
        layout.base_map_at - layout.payload_at,
        layout.manifest_at - layout.base_map_at,
        layout.file_bytes - layout.manifest_at,
        copies,
        bytes(copied),
        additions,
        bytes(added),
        text_of(&spent.kinds),
        text_of(&spent.sections),
        facts.changed_chunks.len(),
        facts.chunking.target_chunks,
        counted(bundle.capsule.signatures.len(), "signature", "signatures"),
        bundle.capsule.log.as_ref().map_or("not logged".to_owned(), |log| format!(
            "entry {} of {}, {} cosignatures",
            log.leaf_index,
            log.checkpoint.tree_size,
            log.checkpoint.cosignatures.len()
        )),
    );
    let hints = hints(spent).into_iter().map(|hint| format!("\nhint     {hint}")).collect::<String>();
    output.result(&object, &(text + &hints));
    Ok(())
}

/// Entries of a list that are shown to people.
const SHOWN: usize = 6;

/// Names and bytes, in order.
fn pairs(entries: &[(String, u64)]) -> Vec<serde_json::Value> {
    entries.iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect()
}

/// What would make the delta smaller.
fn hints(spent: &SpentRecord) -> Vec<String> {
    let is_stripped_away = |name: &str| {
        matches!(name, ".symtab" | ".strtab" | ".comment" | ".gdb_index")
            || name.starts_with(".debug")
            || name.starts_with(".zdebug")
    };
    let symbols: u64 = spent.sections.iter().filter(|(name, _)| is_stripped_away(name)).map(|(_, bytes)| bytes).sum();
    let hint =
        format!("strip the executables to save {} of payload: symbols and debugging information", bytes(symbols));
    if symbols >= WORTH_A_HINT { vec![hint] } else { Vec::new() }
}

/// Bytes that are worth a hint.
const WORTH_A_HINT: u64 = 256;

fn header_bytes(bundle: &BundleFile) -> u64 {
    let mut buffer = [0; delta_format::limits::HEADER_BYTES_MAX];
    bundle.header.encode(&mut buffer).map_or(0, <[u8]>::len) as u64
}

fn describe(id: &ImageId) -> String {
    format!("{}, sha256 {}", bytes(id.length), id.sha256)
}

/// The bytes of a binary logarithm; 0 stands for nothing.
fn size(log2: u8) -> u64 {
    if log2 == 0 { 0 } else { 1 << log2 }
}
