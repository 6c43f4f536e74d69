//! Texts and proofs: trust root, notes, tlog-proofs, witness state, manifest, names, keys.

use delta_attest::keys::{public_from_pem, public_to_pem};
use delta_attest::{SecretKey, SignedCheckpoint, WitnessState, proof};
use delta_bundle::DeltaManifest;
use delta_format::text::FileName;
use delta_format::{Name, Sha256, Text, Version};
use delta_verify::merkle::{verify_consistency, verify_inclusion};
use delta_verify::note::{Note, NoteKey};
use delta_verify::tile::{TileError, TileReader, verify_continuity};
use delta_verify::{TrustRoot, checkpoint as checkpoint_text};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::OnceLock;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Any text as a trust root: what is accepted can be met.
pub fn trust_root(bytes: &[u8]) {
    let Some(Ok(root)) = text(bytes).map(TrustRoot::parse) else { return };
    assert!(usize::from(root.quorum()) <= root.witnesses().len() && root.quorum() > 0 && !root.logs().is_empty());
}

/// Any text as a note, as a checkpoint, and as a verifier key.
pub fn checkpoint(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(note) = Note::parse(text) {
        assert!(text.starts_with(note.text) && note.signatures().count() > 0);
        if let Ok((origin, size, root)) = checkpoint_text::parse_body(note.text) {
            assert_eq!(checkpoint_text::body(&origin, size, &root), note.text);
        }
    }
    if let Ok(signed) = SignedCheckpoint::read(text, &trust().logs()[0], trust().witnesses()) {
        let again = SignedCheckpoint::read(&signed.to_note(), &trust().logs()[0], trust().witnesses());
        assert_eq!(again.expect("it was written from a checkpoint").head(), signed.head());
    }
    text.lines().for_each(same_again::<NoteKey>);
}

fn trust() -> &'static TrustRoot {
    static TRUST: OnceLock<TrustRoot> = OnceLock::new();
    TRUST.get_or_init(tests_golden::site::trust)
}

/// Any text as a tlog-proof: none but the stored one proves the stored entry at its place.
pub fn tlog_proof(bytes: &[u8]) {
    static LEAF: OnceLock<Sha256> = OnceLock::new();
    let leaf =
        LEAF.get_or_init(|| delta_verify::merkle::leaf_hash(&tests_golden::store::read("statement/bundle-entry.json")));
    let Some(text) = text(bytes) else { return };
    if let Ok((checkpoint, proof)) = proof::from_text(text, leaf, &trust().logs()[0], trust().witnesses()) {
        assert_eq!((proof.leaf_index, checkpoint.tree_size()), (tests_golden::site::ENTRIES_BEFORE, 6));
    }
}

/// Tiles of any bytes.
struct Tiles<'a>(&'a [u8], u32);

impl TileReader for Tiles<'_> {
    fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, TileError> {
        self.1 += 1;
        assert!(self.1 <= 1000 && path.starts_with("tile/"), "{path}");
        let from = path.len() * 7 % (self.0.len() + 1);
        let bytes = &self.0[from..];
        let length = bytes.len().min(out.len());
        out[..length].copy_from_slice(&bytes[..length]);
        if length == 0 { Err(TileError::Absent) } else { Ok(length) }
    }
}

/// Any numbers and hashes as Merkle proofs and tiles: answered, never followed for long.
pub fn merkle(bytes: &[u8]) {
    let (Some(numbers), Some(rest)) = (bytes.first_chunk::<24>(), bytes.get(24..)) else { return };
    let number =
        |at: usize| u64::from_le_bytes(numbers[at..at + 8].try_into().expect("eight bytes")) >> (numbers[at] % 64);
    let (index, small, large) = (number(0), number(8), number(16));
    let hashes: Vec<Sha256> = rest.as_chunks::<32>().0.iter().map(|hash| Sha256::new(*hash)).collect();
    let one = Sha256::new([1; 32]);
    let included = verify_inclusion(&one, index, large, &hashes, &one).is_ok();
    assert!(!included || (index, large) == (0, 1), "an inclusion of nothing");
    let consistent = verify_consistency(small, large, &hashes, &one, &Sha256::new([2; 32]));
    assert!(consistent.is_err() || small == 0);
    if small <= large {
        let continued = verify_continuity((small, &one), (large, &Sha256::new([2; 32])), &mut Tiles(rest, 0));
        assert!(continued.is_err() || small == 0);
    }
}

/// Any text as the state of a witness.
pub fn witness_state(bytes: &[u8]) {
    let with_line = |bytes: &[u8]| [b"stella-witness v1\n", bytes].concat();
    for bytes in [bytes.to_vec(), with_line(bytes)] {
        let Some(Ok(state)) = text(&bytes).map(WitnessState::parse) else { continue };
        assert_eq!(WitnessState::parse(&state.to_text()).expect("it was written from a state"), state);
    }
}

/// Any JSON as a manifest: what is accepted is written canonically, and reads back.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<DeltaManifest>(bytes) else { return };
    let written = manifest.to_canonical_json();
    assert!(serde_json::from_slice::<DeltaManifest>(&written).expect("it was written from a manifest") == manifest);
}

fn same_again<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

/// Any text as names, versions, digests: what is accepted is written the same.
pub fn names(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    for word in text.split(['"', ':', ',', ' ']) {
        same_again::<Name>(word);
        same_again::<FileName>(word);
        same_again::<Text>(word);
        same_again::<Version>(word);
        same_again::<Sha256>(word);
        let mut out = [0; 64];
        if let Some(length) = delta_verify::base64::decode_into(word.as_bytes(), &mut out) {
            let mut again = String::new();
            delta_verify::note::write_base64(&mut again, &out[..length]).expect("a String takes any text");
            assert_eq!(again, word, "one spelling");
        }
    }
}

/// Any text inside a key file.
pub fn pem(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    for label in ["PRIVATE KEY", "PUBLIC KEY"] {
        let file = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        if let Ok(key) = SecretKey::from_pem(&file) {
            assert_eq!(SecretKey::from_pem(&key.to_pem()).expect("it was written").id(), key.id());
        }
        if let Ok(key) = public_from_pem(&file) {
            assert_eq!(public_from_pem(&public_to_pem(&key)).expect("it was written"), key);
        }
    }
}

/// Any bytes as an artifact.
pub fn artifact(bytes: &[u8]) {
    let magics: [&[u8]; 7] = [b"", b"\x7fELF", b"MZ", b"PK\x03\x04", b"!<arch>\n", b"\x1f\x8b", b"hsqs"];
    for magic in magics {
        delta_ingest::artifact_type(&[magic, bytes].concat());
    }
}
