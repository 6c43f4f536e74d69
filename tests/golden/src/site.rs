//! Who signs, logs and witnesses in the vectors: keys from one-byte seeds, times from a constant.

use delta_attest::{Log, NoteSigner, SecretKey, SignedStatement, TrustDraft, Witness};
use delta_format::Name;
use delta_format::capsule::{Capsule, LogHead, LogProof};
use delta_verify::TrustRoot;
use delta_verify::merkle::leaf_hash;
use delta_verify::note::NoteKey;
use tempfile::TempDir;

/// Signs releases.
pub const RELEASE: u8 = 1;
/// Signs releases too; one of the two is enough.
pub const SECOND: u8 = 2;
/// Signs rollbacks.
pub const OPERATOR: u8 = 3;
/// Is in no trust root.
pub const STRANGER: u8 = 9;

const LOG: u8 = 10;
const OTHER_LOG: u8 = 11;
const WITNESSES: [u8; 3] = [20, 21, 22];

/// Unix seconds of the first cosignature; the second follows 10 seconds later.
pub const TIME: u64 = 1_800_000_000;

/// Entries of the log before a vector's own.
pub const ENTRIES_BEFORE: u64 = 5;

/// The key of a seed: 32 times the same byte.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// A name, of which these are all well formed.
pub fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn log_signer(seed: u8) -> NoteSigner {
    NoteSigner::log(key(seed), format!("log{seed}.example/golden").parse().expect("a key name"))
}

fn witness_signer(seed: u8) -> NoteSigner {
    NoteSigner::witness(key(seed), format!("witness{seed}.example").parse().expect("a key name"))
}

/// The text of the trust root: one of two release keys, one operator key, two of three witnesses.
pub fn trust_text() -> String {
    let public = |seed| key(seed).public();
    let draft = TrustDraft {
        name: name("golden"),
        version: 1,
        signers: vec![(name("release"), public(RELEASE)), (name("second"), public(SECOND))],
        signer_threshold: 1,
        rollback: vec![(name("operator"), public(OPERATOR))],
        rollback_threshold: 1,
        logs: vec![log_signer(LOG).key().clone()],
        witnesses: WITNESSES.map(|seed| witness_signer(seed).key().clone()).to_vec(),
        quorum: 2,
    };
    draft.to_text().expect("a trust root")
}

/// The trust root.
pub fn trust() -> TrustRoot {
    TrustRoot::parse(&trust_text()).expect("a trust root")
}

/// A log in a scratch folder, with a cosigned head of [`ENTRIES_BEFORE`] other entries.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    signer: NoteSigner,
    log: Log,
    witnesses: Vec<Witness>,
}

impl Default for Site {
    fn default() -> Self {
        Self::new(LOG)
    }
}

impl Site {
    /// The same with a log that the trust root does not know.
    pub fn of_other_log() -> Self {
        Self::new(OTHER_LOG)
    }

    fn new(log: u8) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (signer, path) = (log_signer(log), folder.path().join("log"));
        let witnesses: Vec<Witness> = (WITNESSES.into_iter().take(2))
            .map(|seed| Witness::new(witness_signer(seed), &folder.path().join(format!("seen{seed}"))))
            .collect();
        Log::init(&path, &signer).expect("a new log");
        let keys = witnesses.iter().map(|witness| witness.signer().key().clone()).collect();
        let log = Log::open(&path, signer.key().clone(), keys).expect("the new log");
        let site = Self { folder, signer, log, witnesses };
        let others: Vec<String> = (0..ENTRIES_BEFORE).map(|number| format!("entry {number} of others")).collect();
        site.append(&others);
        site
    }

    /// Appends entries, has the head cosigned and publishes it.
    fn append(&self, entries: &[impl AsRef<[u8]>]) -> LogHead {
        let mut checkpoint = self.log.append(&self.signer, entries).expect("appended").checkpoint;
        for (time, witness) in (TIME..).step_by(10).zip(&self.witnesses) {
            let cosignature = witness.cosign(&checkpoint, &mut self.log.tiles(), time).expect("a continued log");
            checkpoint.add(witness.signer().key(), cosignature).expect("a new witness");
        }
        self.log.publish(&checkpoint).expect("published").head()
    }

    /// Logs an envelope and gives its capsule.
    pub fn capsule(&self, signed: &SignedStatement) -> Capsule {
        let entry = signed.envelope_json();
        self.append(&[&entry]);
        signed.capsule(Some(self.prove(&entry)))
    }

    /// The proof of an entry.
    pub fn prove(&self, entry: &[u8]) -> LogProof {
        self.log.prove(&leaf_hash(entry)).expect("the entry is in the log")
    }

    /// The newest checkpoint as a signed note.
    pub fn checkpoint(&self) -> delta_attest::SignedCheckpoint {
        self.log.checkpoint().expect("a checkpoint")
    }

    /// The witnesses' keys.
    pub fn witness_keys(&self) -> Vec<NoteKey> {
        self.witnesses.iter().map(|witness| witness.signer().key().clone()).collect()
    }

    /// The log's key.
    pub fn log_key(&self) -> &NoteKey {
        self.log.key()
    }

    /// A scratch folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}
