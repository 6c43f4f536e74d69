//! `stella delta prove`: the newest log proof for a file that was signed before.
//!
//! Signatures stay as they are; only the log part of the capsule is replaced, and with it the head of the file.

use crate::failure::Failure;
use crate::output::Output;
use crate::signing::{load_vkeys, open_log};
use delta_attest::{file, keys};
use delta_bundle::{BundleFile, blake3_parts};
use delta_format::capsule::Capsule;
use delta_format::container::{Kind, PREFIX_BYTES, Prefix};
use delta_format::rollback::RollbackAttestation;
use delta_format::{FormatError, Sha256, Signature, statement};
use delta_verify::envelope::key_hint;
use delta_verify::merkle::leaf_hash;
use serde_json::json;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub(crate) fn run(
    log: &Path,
    log_vkey: &Path,
    witnesses: &[PathBuf],
    signers: &[PathBuf],
    path: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let malformed = |error: FormatError| Failure::format(path, error);
    let mut source = File::open(path).map_err(|error| Failure::io(path, &error))?;
    let mut magic = [0; 8];
    io::Read::read_exact(&mut source, &mut magic).map_err(|error| Failure::io(path, &error))?;
    let signed = if magic == Kind::Rollback.magic() { read_rollback(path)? } else { read_bundle(path)? };

    let ids = signers.iter().map(|path| Ok(keys::load_public(path)?.id())).collect::<Result<Vec<_>, Failure>>()?;
    let envelope = envelope(&signed, &ids)?;
    let log = open_log(log, keys::load_note_key(log_vkey)?, load_vkeys(witnesses)?)?;
    let proof = log.prove(&leaf_hash(&envelope))?;
    let capsule = Capsule { log: Some(proof.clone()), ..signed.capsule };
    let head = match &signed.body {
        Body::Bundle(header) => file::bundle_head(header, &capsule)?,
        Body::Rollback(attestation) => file::rollback_file(attestation, &capsule)?,
    };
    Prefix::decode(&head, if matches!(signed.body, Body::Bundle(_)) { Kind::Bundle } else { Kind::Rollback })
        .map_err(malformed)?;

    source.seek(SeekFrom::Start(signed.head_bytes)).map_err(|error| Failure::io(path, &error))?;
    replace(path, &head, &mut source).map_err(|error| Failure::io(path, &error))?;
    let object = json!({
        "file": path,
        "leaf_index": proof.leaf_index,
        "tree_size": proof.checkpoint.tree_size,
        "cosignatures": proof.checkpoint.cosignatures.len(),
    });
    let text = format!(
        "{}: entry {} of {}, {} cosignatures",
        path.display(),
        proof.leaf_index,
        proof.checkpoint.tree_size,
        proof.checkpoint.cosignatures.len()
    );
    output.result(&object, &text);
    Ok(())
}

/// A signed file, taken apart.
struct Signed {
    body: Body,
    statement: Vec<u8>,
    capsule: Capsule,
    head_bytes: u64,
}

enum Body {
    Bundle(Box<delta_format::header::BundleHeader>),
    Rollback(Box<RollbackAttestation>),
}

fn read_bundle(path: &Path) -> Result<Signed, Failure> {
    let bundle = BundleFile::open(path).map_err(|error| Failure::bundle(path, error))?;
    let statement = statement::of_bundle(&bundle.header).map_err(|error| Failure::format(path, error))?;
    Ok(Signed {
        statement: statement.to_vec(),
        capsule: bundle.capsule,
        head_bytes: bundle.layout.index_at,
        body: Body::Bundle(Box::new(bundle.header)),
    })
}

fn read_rollback(path: &Path) -> Result<Signed, Failure> {
    let malformed = |error: FormatError| Failure::format(path, error);
    let bytes = std::fs::read(path).map_err(|error| Failure::io(path, &error))?;
    let prefix = Prefix::decode(&bytes, Kind::Rollback).map_err(malformed)?;
    let (body, capsule) = prefix.split(&bytes, blake3_parts).map_err(malformed)?;
    debug_assert_eq!(body.as_ptr() as usize - bytes.as_ptr() as usize, PREFIX_BYTES);
    let attestation = RollbackAttestation::decode(body).map_err(malformed)?;
    let statement = statement::of_rollback(&attestation).map_err(malformed)?;
    Ok(Signed {
        statement: statement.to_vec(),
        capsule: Capsule::decode(capsule).map_err(malformed)?,
        head_bytes: bytes.len() as u64,
        body: Body::Rollback(Box::new(attestation)),
    })
}

/// The log entry of a signed file: the capsule names keys by a hint, the entry by their whole id.
fn envelope(signed: &Signed, ids: &[Sha256]) -> Result<Vec<u8>, Failure> {
    let mut pairs: Vec<(&Sha256, &Signature)> = Vec::new();
    for signature in &signed.capsule.signatures {
        let id = ids.iter().find(|id| key_hint(id) == signature.key).ok_or_else(|| {
            Failure::usage(format!("the key with the id {}... signed this; name its --signer", signature.key))
        })?;
        pairs.push((id, &signature.signature));
    }
    let mut entry = Vec::new();
    statement::log_entry(&signed.statement, pairs.into_iter(), |part| entry.extend_from_slice(part));
    Ok(entry)
}

/// Replaces a file by `head` and the rest of `source`, in one step.
fn replace(path: &Path, head: &[u8], source: &mut File) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut out = tempfile::NamedTempFile::new_in(folder)?;
    out.write_all(head)?;
    io::copy(source, out.as_file_mut())?;
    out.as_file().set_permissions(source.metadata()?.permissions())?;
    out.as_file().sync_all()?;
    out.persist(path)?;
    Ok(())
}
