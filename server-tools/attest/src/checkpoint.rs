//! A log head as a signed note: what the log signed, and what witnesses said of it.
//!
//! In: note texts. Out: checked parts for capsules, and note texts again. Signature lines of keys that are not known here
//! count for nothing and go into no capsule, but stay in the note: two witnesses that do not know each other may cosign
//! one after the other.

use crate::error::Problem;
use crate::keys::NoteSigner;
use delta_format::capsule::{self, Cosignature, LogHead};
use delta_format::limits::COSIGNATURES_MAX;
use delta_format::{NoteKeyId, Sha256, Signature};
use delta_verify::checkpoint::{Body, body, is_signed, parse_body};
use delta_verify::cosignature::{TIMESTAMP_MAX, is_cosigned, message};
use delta_verify::note::{NOTE_SIGNATURES_MAX, Note, NoteKey, NoteSignature, write_signature};

/// A checkpoint with the log's valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    log: NoteKey,
    tree_size: u64,
    root: Sha256,
    signature: Signature,
    cosignatures: Vec<(NoteKey, Cosignature)>,
    others: Vec<OtherLine>,
}

/// A signature line of a key that is not known here, as it stood in the note.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OtherLine {
    name: String,
    id: NoteKeyId,
    encoded: String,
}

impl OtherLine {
    fn new(line: NoteSignature<'_>) -> Option<Self> {
        let (name, encoded) = (line.name.to_owned(), line.encoded().to_owned());
        Some(Self { name, id: line.key_id()?, encoded })
    }

    fn is_of(&self, key: &NoteKey) -> bool {
        self.name == key.name().as_str() && self.id == key.id()
    }
}

/// Lines of unknown keys that are kept. With the log's own and the most cosignatures they stay below what a note may have.
const OTHER_LINES_MAX: usize = 8;

const _: () = assert!(1 + COSIGNATURES_MAX + OTHER_LINES_MAX <= NOTE_SIGNATURES_MAX);

impl SignedCheckpoint {
    /// Signs a head as the log.
    pub fn sign(log: &NoteSigner, tree_size: u64, root: Sha256) -> Self {
        let body = body(log.key().name(), tree_size, &root);
        Self {
            log: log.key().clone(),
            tree_size,
            root,
            signature: log.sign(body.as_bytes()),
            cosignatures: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Reads a note and verifies the signature of `log` and the cosignatures of the known `witnesses`.
    ///
    /// # Errors
    /// [`Problem::Note`], [`Problem::OtherLog`], [`Problem::NotSignedByLog`], [`Problem::BadCosignature`].
    pub fn read(text: &str, log: &NoteKey, witnesses: &[NoteKey]) -> Result<Self, Problem> {
        let note = Note::parse(text)?;
        let (origin, tree_size, root) = parse_body(note.text)?;
        if origin != *log.name() {
            return Err(Problem::OtherLog);
        }
        let body = body(&origin, tree_size, &root);
        let mut signature = None;
        for line in note.signatures_of(log) {
            let own = Signature::new(last(&line.bytes::<68>().ok_or(Problem::NotSignedByLog)?));
            if !is_signed(&body, log, &own) {
                return Err(Problem::NotSignedByLog);
            }
            signature = Some(own);
        }
        let signature = signature.ok_or(Problem::NotSignedByLog)?;
        let is_known = |line: &OtherLine| witnesses.iter().chain([log]).any(|key| line.is_of(key));
        let others = note.signatures().filter_map(OtherLine::new).filter(|line| !is_known(line));
        let mut checkpoint = Self {
            log: log.clone(),
            tree_size,
            root,
            signature,
            cosignatures: Vec::new(),
            others: others.take(OTHER_LINES_MAX).collect(),
        };
        for witness in witnesses {
            for line in note.signatures_of(witness) {
                let line = line.bytes::<76>().ok_or(Problem::BadCosignature)?;
                let cosignature = Cosignature {
                    witness: witness.id(),
                    timestamp: u64::from_be_bytes(last(&line[..12])),
                    signature: Signature::new(last(&line)),
                };
                checkpoint.add(witness, cosignature)?;
            }
        }
        Ok(checkpoint)
    }

    /// Makes the cosignature of a witness at `timestamp` (Unix seconds). It does not ask whether the witness should:
    /// that is [`crate::witness`].
    ///
    /// # Errors
    /// [`Problem::BadTime`].
    pub(crate) fn cosign(&self, witness: &NoteSigner, timestamp: u64) -> Result<Cosignature, Problem> {
        if !(1..=TIMESTAMP_MAX).contains(&timestamp) {
            return Err(Problem::BadTime);
        }
        Ok(Cosignature {
            witness: witness.key().id(),
            timestamp,
            signature: witness.sign(message(timestamp, &self.body()).as_bytes()),
        })
    }

    /// Adds a cosignature; one of the same witness is replaced when it is older.
    ///
    /// # Errors
    /// [`Problem::BadCosignature`], [`Problem::Cosignatures`] when there is no room.
    pub fn add(&mut self, witness: &NoteKey, cosignature: Cosignature) -> Result<(), Problem> {
        let Cosignature { timestamp, signature, .. } = cosignature;
        if cosignature.witness != witness.id() || !is_cosigned(&self.body(), witness, timestamp, &signature) {
            return Err(Problem::BadCosignature);
        }
        let full = self.cosignatures.len() == COSIGNATURES_MAX;
        match self.cosignatures.iter_mut().find(|(known, _)| known.id() == witness.id()) {
            Some((_, known)) if known.timestamp < timestamp => *known = cosignature,
            Some(_) => {}
            None if full => return Err(Problem::Cosignatures),
            None => self.cosignatures.push((witness.clone(), cosignature)),
        }
        // The witness is known now: what was kept of it as a stranger gives way to what was verified.
        self.others.retain(|line| !line.is_of(witness));
        self.cosignatures.sort_by_key(|(witness, _)| witness.id());
        Ok(())
    }

    /// The key of the log.
    pub fn log(&self) -> &NoteKey {
        &self.log
    }

    /// Entries.
    pub fn tree_size(&self) -> u64 {
        self.tree_size
    }

    /// The RFC 6962 root over them.
    pub fn root(&self) -> Sha256 {
        self.root
    }

    /// The verified cosignatures, sorted by key id.
    pub fn cosignatures(&self) -> impl Iterator<Item = (&NoteKey, &Cosignature)> {
        self.cosignatures.iter().map(|(witness, cosignature)| (witness, cosignature))
    }

    /// The head as devices keep it.
    pub fn head(&self) -> LogHead {
        LogHead { log: self.log.id(), tree_size: self.tree_size, root: self.root }
    }

    /// The checkpoint as capsules carry it.
    pub fn to_capsule(&self) -> capsule::Checkpoint {
        capsule::Checkpoint {
            log: self.log.id(),
            tree_size: self.tree_size,
            root: self.root,
            signature: self.signature,
            cosignatures: self.cosignatures.iter().map(|(_, cosignature)| *cosignature).collect(),
        }
    }

    /// The signed note.
    pub fn to_note(&self) -> String {
        let mut note = format!("{}\n", self.body());
        let id_and_signature = [&self.log.id().as_bytes()[..], self.signature.as_bytes()].concat();
        push_line(&mut note, &self.log, &id_and_signature);
        for (witness, cosignature) in &self.cosignatures {
            note.push_str(&cosignature_line(witness, cosignature));
        }
        for line in &self.others {
            note.push_str(&format!("\u{2014} {} {}\n", line.name, line.encoded));
        }
        note
    }

    fn body(&self) -> Body {
        body(self.log.name(), self.tree_size, &self.root)
    }
}

/// One signature line of a note, as witnesses answer with.
pub fn cosignature_line(witness: &NoteKey, cosignature: &Cosignature) -> String {
    let time = cosignature.timestamp.to_be_bytes();
    let parts = [&cosignature.witness.as_bytes()[..], &time, cosignature.signature.as_bytes()];
    let mut line = String::new();
    push_line(&mut line, witness, &parts.concat());
    line
}

fn push_line(note: &mut String, key: &NoteKey, id_and_signature: &[u8]) {
    write_signature(note, key.name().as_str(), id_and_signature).expect("a String takes any text");
}

/// The last `N` bytes of a slice that has at least as many.
fn last<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.last_chunk().expect("lengths were fixed when the line was decoded")
}
