//! `stella delta verify`: the device's own verifier, then every byte of the file.

use super::trust;
use crate::failure::Failure;
use crate::output::{Output, counted};
use delta_bundle::BundleFile;
use delta_format::container::Kind;
use delta_verify::{Evidence, Known, TrustRoot, verify_bundle, verify_rollback};
use serde_json::{Value, json};
use std::path::Path;

/// A host keeps no log head and no floor: what it proves holds for a device that was never updated.
const KNOWN: Known<'static> = Known { heads: &[], time_floor: 0 };

pub(crate) fn run(trust: &Path, file: &Path, output: &Output) -> Result<(), Failure> {
    let root = trust::load(trust)?;
    let bytes = read_start(file)?;
    if bytes.starts_with(&Kind::Rollback.magic()) {
        let verified =
            verify_rollback(&bytes, &root, &KNOWN, None).map_err(|refusal| Failure::refusal(file, refusal))?;
        let summary = format!("permits {} from {} to {}", verified.product, verified.from.version, verified.to.version);
        report(file, &summary, verified.evidence(), output);
        return Ok(());
    }
    let bundle = check_bundle(file, &root)?;
    let summary = format!("{} {}", bundle.header.product, bundle.header.version);
    report(file, &summary, &proven(file, &bundle, &root)?, output);
    Ok(())
}

/// Verifies a bundle as a whole: proofs first, then all parts.
pub(crate) fn check_bundle(file: &Path, root: &TrustRoot) -> Result<BundleFile, Failure> {
    let mut bundle = BundleFile::open(file).map_err(|error| Failure::bundle(file, error))?;
    verify_bundle(&bundle.head, root, &KNOWN, None).map_err(|refusal| Failure::refusal(file, refusal))?;
    bundle.check_parts().map_err(|error| Failure::bundle(file, error))?;
    Ok(bundle)
}

/// What the signatures and proofs of a bundle amount to.
pub(crate) fn proven(file: &Path, bundle: &BundleFile, root: &TrustRoot) -> Result<Evidence, Failure> {
    let verified = verify_bundle(&bundle.head, root, &KNOWN, None);
    Ok(verified.map_err(|refusal| Failure::refusal(file, refusal))?.evidence().clone())
}

/// Enough of a file for everything but a bundle's payload.
fn read_start(file: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| Failure::io(file, &error))?;
    opened.take(1 << 16).read_to_end(&mut bytes).map_err(|error| Failure::io(file, &error))?;
    Ok(bytes)
}

fn report(file: &Path, summary: &str, evidence: &Evidence, output: &Output) {
    let signers: Vec<String> = evidence.signers.iter().map(ToString::to_string).collect();
    let log = evidence.log.as_ref();
    let object = json!({
        "file": file,
        "verdict": "verified",
        "summary": summary,
        "statement_sha256": evidence.statement.to_string(),
        "signers": signers,
        "log": log.map_or(Value::Null, |log| json!({
            "leaf_index": log.leaf_index,
            "tree_size": log.checkpoint.tree_size,
            "root": log.checkpoint.root.to_string(),
            "witnesses": log.witnesses.len(),
            "proven_time": log.proven_time,
        })),
    });
    let mut text = format!("{}: verified: {summary}\nsigned by {}", file.display(), signers.join(", "));
    if let Some(log) = log {
        text.push_str(&format!(
            "\nentry {} of {} in the log, seen by {}, not before Unix time {}",
            log.leaf_index,
            log.checkpoint.tree_size,
            counted(log.witnesses.len(), "witness", "witnesses"),
            log.proven_time
        ));
    }
    output.result(&object, &text);
}
