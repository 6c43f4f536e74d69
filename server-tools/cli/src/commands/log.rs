//! `stella log`: a transparency log of one's own, and its witnesses.

use crate::cli::LogCommand;
use crate::failure::Failure;
use crate::output::Output;
use crate::signing::{load_log_signer, load_vkeys, load_witness, now, open_log};
use delta_attest::{Log, SignedCheckpoint, keys, proof};
use delta_verify::merkle::leaf_hash;
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn run(command: LogCommand, output: &Output) -> Result<(), Failure> {
    match command {
        LogCommand::Init { folder, log_key } => init(&folder, &log_key, output),
        LogCommand::Append { folder, log_key, entries } => append(&folder, &log_key, &entries, output),
        LogCommand::Checkpoint { folder, log_vkey, witnesses } => {
            let log = open_log(&folder, keys::load_note_key(&log_vkey)?, load_vkeys(&witnesses)?)?;
            let checkpoint = log.checkpoint()?;
            output.result(&describe(&checkpoint), &checkpoint.to_note());
            Ok(())
        }
        LogCommand::Prove { folder, log_vkey, witnesses, entry } => {
            let log = open_log(&folder, keys::load_note_key(&log_vkey)?, load_vkeys(&witnesses)?)?;
            let bytes = std::fs::read(&entry).map_err(|error| Failure::io(&entry, &error))?;
            let proven = log.prove(&leaf_hash(&bytes))?;
            let text = proof::to_text(&log.checkpoint()?, &proven);
            output.result(&json!({"leaf_index": proven.leaf_index, "tlog_proof": text}), &text);
            Ok(())
        }
        LogCommand::Witness { folder, log_vkey, witness_key, state, time } => {
            let witness = load_witness(&witness_key, state.as_deref())?;
            let known = vec![witness.signer().key().clone()];
            let log = open_log(&folder, keys::load_note_key(&log_vkey)?, known)?;
            let mut checkpoint = log.checkpoint()?;
            let cosignature = witness.cosign(&checkpoint, &mut log.tiles(), time.unwrap_or_else(now))?;
            checkpoint.add(witness.signer().key(), cosignature)?;
            log.publish(&checkpoint)?;
            let text = format!(
                "{} cosigned the log {} at {} entries",
                witness.signer().key().name(),
                log.key().name(),
                checkpoint.tree_size()
            );
            output.result(&describe(&checkpoint), &text);
            Ok(())
        }
    }
}

fn init(folder: &Path, log_key: &Path, output: &Output) -> Result<(), Failure> {
    let signer = load_log_signer(log_key)?;
    std::fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    Log::init(folder, &signer)?;
    let object = json!({"folder": folder, "origin": signer.key().name().to_string()});
    output.result(&object, &format!("started the log {} in {}", signer.key().name(), folder.display()));
    Ok(())
}

fn append(folder: &Path, log_key: &Path, entries: &[PathBuf], output: &Output) -> Result<(), Failure> {
    let signer = load_log_signer(log_key)?;
    let log = open_log(folder, signer.key().clone(), Vec::new())?;
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| Failure::io(path, &error));
    let bytes = entries.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let appended = log.append(&signer, &bytes)?;
    let tree_size = appended.checkpoint.tree_size();
    let object = json!({"indices": appended.indices, "added": appended.added, "tree_size": tree_size});
    let text = format!("{} of {} entries were new; the log has {tree_size} entries", appended.added, entries.len());
    output.result(&object, &text);
    Ok(())
}

fn describe(checkpoint: &SignedCheckpoint) -> serde_json::Value {
    let cosignatures: Vec<_> = checkpoint
        .cosignatures()
        .map(|(key, cosignature)| json!({"witness": key.name().to_string(), "timestamp": cosignature.timestamp}))
        .collect();
    json!({
        "origin": checkpoint.log().name().to_string(),
        "tree_size": checkpoint.tree_size(),
        "root": checkpoint.root().to_string(),
        "cosignatures": cosignatures,
        "note": checkpoint.to_note(),
    })
}
