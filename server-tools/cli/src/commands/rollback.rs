//! `stella delta rollback`: the permission to go back, and on request the delta for it.

use super::create;
use crate::cli::Rollback;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::signing::Signers;
use delta_attest::{SignedStatement, file, fs};
use delta_bundle::{Facts, Profile, SEGMENT_LOG2_DEFAULT};
use delta_format::rollback::{ROLLBACK_FORMAT, Release, RollbackAttestation};
use delta_format::{Text, Version};
use delta_ingest::Artifact;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) fn run(options: &Rollback, output: &Output) -> Result<(), Failure> {
    let signers = Signers::load(&options.signing)?;
    let blank = |text: &Text| text.as_str().trim().is_empty();
    if blank(&options.reason) || blank(&options.who) {
        return Err(Failure::usage("a rollback needs a --reason and a --who that people can read later"));
    }
    let attestation = RollbackAttestation {
        format: ROLLBACK_FORMAT,
        product: options.product.clone(),
        from: release(&options.from, options.from_version, output)?,
        to: release(&options.to, options.to_version, output)?,
        floor: options.floor.unwrap_or(options.to_version),
        reason: options.reason.clone(),
        who: options.who.clone(),
        expires: options.expires,
    };
    let signed = SignedStatement::of_rollback(&attestation, &signers.keys())?;
    let proven = signers.prove(&signed)?;
    fs::write_atomic(&options.attestation, &file::rollback_file(&attestation, &proven.capsule)?)?;

    let mut object = json!({
        "attestation": options.attestation,
        "from": {"version": attestation.from.version.to_string(), "sha256": attestation.from.image.sha256.to_string()},
        "to": {"version": attestation.to.version.to_string(), "sha256": attestation.to.image.sha256.to_string()},
        "floor": attestation.floor.to_string(),
        "cosignatures": proven.cosignatures,
    });
    let mut text = format!(
        "wrote {}: {} may go back from {} to {}\nversion floor after it: {}\n{}",
        options.attestation.display(),
        attestation.product,
        attestation.from.version,
        attestation.to.version,
        attestation.floor,
        proven.describe(&options.attestation)
    );
    if let Some(bundle) = &options.bundle {
        let facts = Facts {
            product: options.product.clone(),
            hardware: options.hardware.clone(),
            version: options.to_version,
            expires: options.expires,
            segment_log2: SEGMENT_LOG2_DEFAULT,
            profile: Profile::Default,
        };
        let (made, said) = create::make(Some(&options.from), &options.to, &facts, Some(&signers), bundle, output)?;
        object["bundle"] = made;
        text = format!("{text}\n{said}");
    }
    output.result(&object, &text);
    Ok(())
}

fn release(path: &Path, version: Version, output: &Output) -> Result<Release, Failure> {
    let artifact = Artifact::open(path).map_err(|error| Failure::io(path, &error))?;
    if artifact.bytes().is_empty() {
        return Err(Failure::usage(format!("{}: an empty file is no image", path.display())));
    }
    let (progress, done, total) = (Progress::new(output), AtomicU64::new(0), artifact.bytes().len() as u64);
    let image =
        artifact.digest(|bytes| progress.set("hashing", done.fetch_add(bytes, Ordering::Relaxed) + bytes, total));
    Ok(Release { version, image })
}
