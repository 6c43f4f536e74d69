//! Sign, log, have it witnessed, prove: the same four steps for bundles and rollback attestations.

use crate::cli::Signing;
use crate::failure::Failure;
use delta_attest::{Log, NoteSigner, SecretKey, SignedStatement, Witness, keys, proof};
use delta_format::capsule::Capsule;
use delta_verify::merkle::leaf_hash;
use delta_verify::note::NoteKey;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The extension of a verifier key beside its secret key.
pub(crate) const VKEY: &str = "vkey";

/// The secret keys of one run, loaded before any long work: a missing key must not cost a minute.
pub(crate) struct Signers {
    keys: Vec<SecretKey>,
    log: Option<(PathBuf, NoteSigner)>,
    witnesses: Vec<Witness>,
    time: Option<u64>,
}

/// What is to be said about a proof.
pub(crate) struct Proven {
    pub(crate) capsule: Capsule,
    pub(crate) leaf_index: u64,
    pub(crate) tree_size: u64,
    pub(crate) cosignatures: usize,
    /// The same proof for other tools.
    pub(crate) tlog_proof: String,
}

impl Signers {
    /// Loads every key that is named.
    pub(crate) fn load(options: &Signing) -> Result<Self, Failure> {
        if options.keys.is_empty() {
            return Err(Failure::usage(
                "no key signs this; add --key FILE (made by `stella key generate`), or --unsigned for measuring",
            ));
        }
        let (Some(folder), Some(log_key)) = (&options.log, &options.log_key) else {
            return Err(Failure::usage(
                "devices want a log proof; add --log FOLDER --log-key FILE (made by `stella log init`)",
            ));
        };
        let keys = load_keys(&options.keys)?;
        let log = Some((folder.clone(), load_log_signer(log_key)?));
        let witness = |path: &PathBuf| load_witness(path, None);
        let witnesses = options.witness_keys.iter().map(witness).collect::<Result<_, Failure>>()?;
        Ok(Self { keys, log, witnesses, time: options.time })
    }

    /// The keys, for signing a statement.
    pub(crate) fn keys(&self) -> Vec<&SecretKey> {
        self.keys.iter().collect()
    }

    /// Logs the envelope, collects the cosignatures of the witnesses at hand, and gives the capsule.
    pub(crate) fn prove(&self, signed: &SignedStatement) -> Result<Proven, Failure> {
        let (folder, signer) = self.log.as_ref().expect("load asked for a log");
        let known = self.witnesses.iter().map(|witness| witness.signer().key().clone()).collect();
        let log = open_log(folder, signer.key().clone(), known)?;
        let envelope = signed.envelope_json();
        let mut checkpoint = log.append(signer, &[&envelope])?.checkpoint;
        for witness in &self.witnesses {
            let cosignature = witness.cosign(&checkpoint, &mut log.tiles(), self.time.unwrap_or_else(now))?;
            checkpoint.add(witness.signer().key(), cosignature)?;
        }
        if !self.witnesses.is_empty() {
            checkpoint = log.publish(&checkpoint)?;
        }
        let proof = log.prove(&leaf_hash(&envelope))?;
        Ok(Proven {
            leaf_index: proof.leaf_index,
            tree_size: proof.checkpoint.tree_size,
            cosignatures: proof.checkpoint.cosignatures.len(),
            tlog_proof: proof::to_text(&checkpoint, &proof),
            capsule: signed.capsule(Some(proof)),
        })
    }
}

impl Proven {
    /// The line about log and witnesses that follows what was written.
    pub(crate) fn describe(&self, file: &Path) -> String {
        let mut text = format!(
            "logged as entry {} of {}, cosigned by {} witness{}",
            self.leaf_index,
            self.tree_size,
            self.cosignatures,
            if self.cosignatures == 1 { "" } else { "es" }
        );
        if self.cosignatures == 0 {
            text.push_str(&format!(
                "\nwhen witnesses have cosigned (`stella log witness`), run `stella delta prove {}`",
                file.display()
            ));
        }
        text
    }
}

pub(crate) fn load_keys(paths: &[PathBuf]) -> Result<Vec<SecretKey>, Failure> {
    paths.iter().map(|path| Ok(SecretKey::load(path)?)).collect()
}

pub(crate) fn load_log_signer(path: &Path) -> Result<NoteSigner, Failure> {
    let vkey = keys::load_note_key(&path.with_extension(VKEY))?;
    same_key(path, &vkey, NoteSigner::log(SecretKey::load(path)?, vkey.name().clone()))
}

pub(crate) fn load_witness(path: &Path, state: Option<&Path>) -> Result<Witness, Failure> {
    let vkey = keys::load_note_key(&path.with_extension(VKEY))?;
    let signer = same_key(path, &vkey, NoteSigner::witness(SecretKey::load(path)?, vkey.name().clone()))?;
    let seen = path.with_extension("seen");
    Ok(Witness::new(signer, state.unwrap_or(&seen)))
}

/// A secret key and the verifier key beside it belong together, or something was copied wrongly.
fn same_key(path: &Path, vkey: &NoteKey, signer: NoteSigner) -> Result<NoteSigner, Failure> {
    if signer.key() == vkey {
        return Ok(signer);
    }
    let message = format!(
        "{} and {} are not two halves of one key; put the right .vkey beside the secret key",
        path.display(),
        path.with_extension(VKEY).display()
    );
    Err(Failure::new(Failure::FAILED, "key-mismatch", message))
}

pub(crate) fn load_vkeys(paths: &[PathBuf]) -> Result<Vec<NoteKey>, Failure> {
    paths.iter().map(|path| Ok(keys::load_note_key(path)?)).collect()
}

pub(crate) fn open_log(folder: &Path, key: NoteKey, witnesses: Vec<NoteKey>) -> Result<Log, Failure> {
    if !folder.join(delta_attest::log::CHECKPOINT_FILE).exists() {
        let message = format!("{} holds no log; start one with `stella log init`", folder.display());
        return Err(Failure::new(Failure::FAILED, "no-log", message));
    }
    Ok(Log::open(folder, key, witnesses)?)
}

/// Unix seconds of this machine's clock: only ever stated by witnesses, never used to verify.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
