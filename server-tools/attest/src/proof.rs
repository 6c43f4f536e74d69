//! Proofs of logging: built out of tiles for capsules, and to and from the C2SP tlog-proof text for other tools.
//!
//! A proof leaves here only after delta-verify's own functions have accepted it.

use crate::checkpoint::SignedCheckpoint;
use crate::error::Problem;
use crate::keys::base64_text;
use delta_format::Sha256;
use delta_format::capsule::{ConsistencyProof, LogProof, Proof};
use delta_format::limits::{CONSISTENCY_PROOFS_MAX, LOG_ENTRIES_MAX};
use delta_verify::base64;
use delta_verify::merkle::{verify_consistency, verify_inclusion};
use delta_verify::note::NoteKey;
use delta_verify::tile::{TileNodes, TileReader, consistency_proof, inclusion_proof, tree_root};
use std::fmt::Write;

/// The first line of a tlog-proof.
pub const TLOG_PROOF_FORMAT: &str = "c2sp.org/tlog-proof@v1";

/// Builds the proof that `leaf` is entry `index` under `checkpoint`, which continues the trees of the first
/// [`CONSISTENCY_PROOFS_MAX`] of the `older` sizes.
///
/// # Errors
/// [`Problem::Tile`] when hashes are missing, [`Problem::Proof`] when they are wrong.
pub fn build(
    tiles: &mut dyn TileReader,
    checkpoint: &SignedCheckpoint,
    leaf: &Sha256,
    index: u64,
    older: &[u64],
) -> Result<LogProof, Problem> {
    let (size, root) = (checkpoint.tree_size(), checkpoint.root());
    let inclusion = inclusion_proof(&mut TileNodes::new(tiles, size), index, size)?;
    verify_inclusion(leaf, index, size, &inclusion, &root)?;
    let mut consistency = heapless::Vec::new();
    for &old_size in older.iter().take(CONSISTENCY_PROOFS_MAX) {
        let hashes = consistency_proof(&mut TileNodes::new(tiles, size), old_size, size)?;
        let old_root = tree_root(&mut TileNodes::new(tiles, size), old_size)?;
        verify_consistency(old_size, size, &hashes, &old_root, &root)?;
        let proof = ConsistencyProof { old_size, hashes };
        consistency.push(proof).expect("as many as the list holds");
    }
    Ok(LogProof { leaf_index: index, inclusion, checkpoint: checkpoint.to_capsule(), consistency })
}

/// Writes a tlog-proof: index, inclusion hashes, checkpoint with cosignatures. It has no place for consistency proofs.
pub fn to_text(checkpoint: &SignedCheckpoint, proof: &LogProof) -> String {
    let mut text = format!("{TLOG_PROOF_FORMAT}\nindex {}\n", proof.leaf_index);
    for hash in &proof.inclusion {
        writeln!(text, "{}", base64_text(hash.as_bytes())).expect("a String takes any text");
    }
    text.push('\n');
    text.push_str(&checkpoint.to_note());
    text
}

/// Reads a tlog-proof. Its checkpoint is verified, and that `leaf` is in it. Extra data is skipped, as it is not
/// authenticated.
///
/// # Errors
/// [`Problem::NotTlogProof`], [`Problem::Proof`], and those of [`SignedCheckpoint::read`].
pub fn from_text(
    text: &str,
    leaf: &Sha256,
    log: &NoteKey,
    witnesses: &[NoteKey],
) -> Result<(SignedCheckpoint, LogProof), Problem> {
    let (index, inclusion, note) = split(text).ok_or(Problem::NotTlogProof)?;
    let checkpoint = SignedCheckpoint::read(note, log, witnesses)?;
    verify_inclusion(leaf, index, checkpoint.tree_size(), &inclusion, &checkpoint.root())?;
    let proof = LogProof {
        leaf_index: index,
        inclusion,
        checkpoint: checkpoint.to_capsule(),
        consistency: heapless::Vec::new(),
    };
    Ok((checkpoint, proof))
}

fn split(text: &str) -> Option<(u64, Proof, &str)> {
    let text = text.strip_prefix(TLOG_PROOF_FORMAT)?.strip_prefix('\n')?;
    let text = match text.strip_prefix("extra ") {
        Some(rest) => rest.split_once('\n')?.1,
        None => text,
    };
    let (index, text) = text.strip_prefix("index ")?.split_once('\n')?;
    let plain = index == "0" || (!index.starts_with('0') && index.bytes().all(|b| b.is_ascii_digit()));
    let index = index.parse().ok().filter(|&index| plain && index < LOG_ENTRIES_MAX)?;
    let mut inclusion = Proof::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        if line.is_empty() {
            return Some((index, inclusion, rest));
        }
        inclusion.push(Sha256::new(base64::decode(line.as_bytes())?)).ok()?;
    }
}
