//! A host for tests: keys from fixed seeds, a log in a temporary folder, three witnesses, and a body to sign.

use delta_attest::*;
use delta_format::header::*;
use delta_format::{Name, Sha256};
use delta_verify::TrustRoot;
use delta_verify::note::NoteKey;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const TIME: u64 = 1_800_000_000;
pub const ORIGIN: &str = "log.example/updates";

pub fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn log_signer() -> NoteSigner {
    NoteSigner::log(secret(10), ORIGIN.parse().unwrap())
}

pub fn witness_signer(number: u8) -> NoteSigner {
    NoteSigner::witness(secret(20 + number), format!("witness{number}.example").parse().unwrap())
}

pub fn witness_keys() -> Vec<NoteKey> {
    (0..3).map(|number| witness_signer(number).key().clone()).collect()
}

pub fn draft() -> TrustDraft {
    TrustDraft {
        name: name("test-fleet"),
        version: 1,
        signers: vec![(name("alice"), secret(1).public()), (name("bob"), secret(2).public())],
        signer_threshold: 2,
        rollback: vec![(name("bob"), secret(2).public())],
        rollback_threshold: 1,
        logs: vec![log_signer().key().clone()],
        witnesses: witness_keys(),
        quorum: 2,
    }
}

pub fn trust() -> TrustRoot {
    TrustRoot::parse(&draft().to_text().unwrap()).unwrap()
}

pub fn image(tag: u8) -> ImageId {
    ImageId { length: 1000, blake3: [tag; 32].into(), sha256: [tag; 32].into() }
}

pub fn header() -> BundleHeader {
    BundleHeader {
        format: HEADER_FORMAT,
        product: name("gate"),
        hardware: [name("board-a")].into_iter().collect(),
        version: "2.1".parse().unwrap(),
        artifact_type: ArtifactType::Ext4,
        base: image(1),
        target: image(2),
        payload: PayloadId { length: 70_000, root: [7; 32].into(), coding: Coding::CopyAdd },
        manifest: ManifestId { length: 900, sha256: [8; 32].into(), stored_length: 400, stored_sha256: [9; 32].into() },
        limits: DeviceLimits {
            memory_bytes: 3 << 20,
            segment_log2: 22,
            ops_max: 1000,
            window_log2: 20,
            table_log2: 19,
            scratch_bytes: 70_000,
        },
        base_block_log2: 16,
        expires: None,
    }
}

/// A log and its witnesses in a folder that goes away.
pub struct Host {
    pub folder: TempDir,
    pub log: Log,
    pub witnesses: Vec<Witness>,
}

impl Host {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("log");
        Log::init(&path, &log_signer()).unwrap();
        let log = Log::open(&path, log_signer().key().clone(), witness_keys()).unwrap();
        let state = |number| folder.path().join(format!("witness{number}.state"));
        let witnesses = (0..3).map(|number| Witness::new(witness_signer(number), &state(number))).collect();
        Self { folder, log, witnesses }
    }

    pub fn log_folder(&self) -> PathBuf {
        self.log.folder().to_owned()
    }

    /// Appends entries and has the new head cosigned by everybody, 10 seconds apart.
    pub fn append(&self, entries: &[Vec<u8>]) -> SignedCheckpoint {
        let mut checkpoint = self.log.append(&log_signer(), entries).unwrap().checkpoint;
        for (number, witness) in (0..).zip(&self.witnesses) {
            let time = TIME + 10 * number;
            let cosignature = witness.cosign(&checkpoint, &mut self.log.tiles(), time).unwrap();
            checkpoint.add(witness.signer().key(), cosignature).unwrap();
        }
        self.log.publish(&checkpoint).unwrap()
    }
}

/// Entries `from..to` of a made-up log.
pub fn entries(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(|number| format!("entry {number}").into_bytes()).collect()
}

pub fn leaves(entries: &[Vec<u8>]) -> Vec<Sha256> {
    entries.iter().map(|entry| delta_verify::merkle::leaf_hash(entry)).collect()
}

/// The root by the recursive definition of RFC 6962.
pub fn naive_root(leaves: &[Sha256]) -> Sha256 {
    match leaves {
        [] => delta_verify::merkle::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            delta_verify::merkle::node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// Every file below a folder with its bytes, sorted by path.
pub fn snapshot(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

pub fn restore(folder: &Path, files: &std::collections::BTreeMap<PathBuf, Vec<u8>>) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The problem inside an error, whichever file it names.
pub fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> Problem {
    match result.unwrap_err() {
        Error::In { problem, .. } | Error::Input(problem) => problem,
        other => panic!("{other}"),
    }
}
