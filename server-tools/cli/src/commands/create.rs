//! `stella delta create`: two images in, one bundle out.

use crate::cli::Create;
use crate::failure::Failure;
use crate::output::{Output, bytes};
use crate::progress::{Progress, cancel_flag};
use crate::signing::Signers;
use delta_attest::SignedStatement;
use delta_bundle::{Draft, Facts, Stage, draft};
use delta_format::capsule::{CAPSULE_FORMAT, Capsule};
use delta_format::container::BundleLayout;
use delta_format::header::BundleHeader;
use delta_ingest::Artifact;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(options: &Create, output: &Output) -> Result<(), Failure> {
    let signers = if options.unsigned { None } else { Some(Signers::load(&options.signing)?) };
    let facts = Facts {
        product: options.facts.product.clone(),
        hardware: options.facts.hardware.clone(),
        version: options.facts.version,
        expires: options.facts.expires,
        segment_log2: options.facts.segment,
        profile: options.facts.profile,
    };
    let base = options.base.as_deref();
    let (object, text) = make(base, &options.target, &facts, signers.as_ref(), &options.bundle, output)?;
    output.result(&object, &text);
    Ok(())
}

/// Makes, proves and writes one bundle; gives what there is to say about it.
pub(crate) fn make(
    base: Option<&Path>,
    target_path: &Path,
    facts: &Facts,
    signers: Option<&Signers>,
    bundle: &Path,
    output: &Output,
) -> Result<(serde_json::Value, String), Failure> {
    let open = |path: &Path| Artifact::open(path).map_err(|error| Failure::io(path, &error));
    let (base, target) = (base.map_or(Ok(Artifact::empty()), open)?, open(target_path)?);
    if target.bytes().is_empty() {
        return Err(Failure::usage(format!("{}: an empty file is no image", target_path.display())));
    }
    let scratch = bundle.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cancel = cancel_flag();
    let draft = {
        let progress = Progress::new(output);
        let report = |stage: Stage, done, total| progress.set(&stage_name(stage), done, total);
        draft(&base, &target, facts, scratch, &report, &cancel)?
    };
    let (capsule, proof) = match signers {
        None => {
            let capsule = Capsule { format: CAPSULE_FORMAT, signatures: Default::default(), log: None };
            (capsule, "not signed: every device refuses it".to_owned())
        }
        Some(signers) => {
            let signed = SignedStatement::of_bundle(&draft.header, &signers.keys())?;
            let proven = signers.prove(&signed)?;
            let text = proven.describe(bundle);
            (proven.capsule, text)
        }
    };
    let (header, stats) = (draft.header.clone(), draft.stats);
    let layout = Draft::write(draft, &capsule, bundle)?;
    let object = json!({
        "bundle": bundle,
        "version": header.version.to_string(),
        "target_bytes": header.target.length,
        "target_sha256": header.target.sha256.to_string(),
        "bundle_bytes": layout.file_bytes,
        "fetch_bytes": layout.base_map_at,
        "payload_bytes": payload_bytes(&header, &layout),
        "copies": stats.copies,
        "copied_bytes": stats.copy_bytes,
        "additions": stats.adds,
        "added_bytes": stats.add_bytes,
        "device_memory_bytes": header.limits.memory_bytes,
        "cosignatures": capsule.log.as_ref().map_or(0, |log| log.checkpoint.cosignatures.len()),
    });
    Ok((object, describe(&header, &layout, stats, bundle, &proof)))
}

fn describe(
    header: &BundleHeader,
    layout: &BundleLayout,
    stats: delta_bundle::ScanStats,
    bundle: &Path,
    proof: &str,
) -> String {
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    format!(
        "wrote {}: {} {} for {}\n\
         target  {}\n\
         fetched {} by a device ({:.2} % of the target), {} as a file\n\
         made of {} copies ({:.2} %) and {} additions ({})\n\
         decoded again and compared: every byte is right\n{proof}",
        bundle.display(),
        header.product,
        header.version,
        header.hardware.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        bytes(header.target.length),
        bytes(layout.base_map_at),
        share(layout.base_map_at, header.target.length),
        bytes(layout.file_bytes),
        stats.copies,
        share(stats.copy_bytes, header.target.length),
        stats.adds,
        bytes(stats.add_bytes),
    )
}

/// What a device needs of a bundle apart from proofs: header, group index and payload.
pub(crate) fn payload_bytes(header: &BundleHeader, layout: &BundleLayout) -> u64 {
    let mut buffer = [0; delta_format::limits::HEADER_BYTES_MAX];
    let header_bytes = header.encode(&mut buffer).map_or(0, <[u8]>::len) as u64;
    delta_format::container::PREFIX_BYTES as u64 + header_bytes + (layout.base_map_at - layout.index_at)
}

/// What people call a stage.
pub(super) fn stage_name(stage: Stage) -> String {
    match stage {
        Stage::Digest => "hashing".to_owned(),
        Stage::Scan(stage) => stage.to_string(),
        Stage::Encode => "coding".to_owned(),
        Stage::Check => "decoding".to_owned(),
    }
}
