//! Real bundles, made by the host's own crates: scanned, coded, signed, logged, witnessed. Built once a process.

use crate::rng::Rng;
use delta_attest::keys::SecretKey;
use delta_attest::log::Log;
use delta_attest::sign::SignedStatement;
use delta_attest::trust::TrustDraft;
use delta_attest::witness::Witness;
use delta_attest::{file, keys::NoteSigner};
use delta_bundle::{Facts, draft};
use delta_format::header::{BundleHeader, ImageId};
use delta_format::limits::SEGMENT_LOG2_MIN;
use delta_format::rollback::{ROLLBACK_FORMAT, Release, RollbackAttestation};
use delta_format::{Name, Version};
use delta_ingest::Artifact;
use delta_verify::TrustRoot;
use delta_verify::merkle::leaf_hash;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

/// The images that a slot can hold, by number: 0 is the factory's.
pub const IMAGES: usize = 3;

/// Everything that is made on a host.
#[derive(Debug)]
pub struct Releases {
    /// The images.
    pub images: [Vec<u8>; IMAGES],
    /// Their identities.
    pub ids: [ImageId; IMAGES],
    /// The bundles that make each image: 1 and 2 out of 0, and 0 out of 1.
    pub bundles: [Vec<u8>; IMAGES],
    /// Bytes of each bundle before its payload.
    pub payload_at: [u64; IMAGES],
    /// Bytes of each payload.
    pub payload_bytes: [u64; IMAGES],
    /// The permission to go from image 1 back to image 0.
    pub attestation: Vec<u8>,
    /// The device's trust root.
    pub trust: TrustRoot,
}

/// The product and hardware of the simulated device.
pub fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// The version of an image.
pub fn version(image: usize) -> Version {
    format!("{}.0", image + 1).parse().expect("a version")
}

/// The floor that the attestation sets.
pub fn attested_floor() -> Version {
    "0.5".parse().expect("a version")
}

/// The releases, made at the first call.
pub fn releases() -> &'static Releases {
    static RELEASES: OnceLock<Releases> = OnceLock::new();
    RELEASES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        make(folder.path())
    })
}

/// 4 segments of 64 KiB and a shorter one: equal, new, edited, new, edited at its end.
fn images() -> [Vec<u8>; IMAGES] {
    const SEGMENT: usize = 1 << SEGMENT_LOG2_MIN;
    let mut rng = Rng::new(7);
    let base = rng.bytes(4 * SEGMENT + 12 * 1024);
    let mut derived = |edits: usize| {
        let mut image = base.clone();
        let fresh = rng.bytes(2 * SEGMENT);
        image[SEGMENT..2 * SEGMENT].copy_from_slice(&fresh[..SEGMENT]);
        image[3 * SEGMENT..4 * SEGMENT].copy_from_slice(&fresh[SEGMENT..]);
        for edit in 0..edits {
            let at = 2 * SEGMENT + edit * 9000;
            image[at..at + 16].copy_from_slice(&fresh[edit * 16..edit * 16 + 16]);
        }
        let end = image.len();
        image[end - 100..].copy_from_slice(&fresh[..100]);
        image.extend_from_slice(&fresh[..edits * 512]);
        image
    };
    let (first, second) = (derived(3), derived(5));
    [base, first, second]
}

/// A host: keys, a log, a witness.
struct Host {
    signer: SecretKey,
    log: Log,
    log_signer: NoteSigner,
    witness: Witness,
    time: u64,
}

impl Host {
    /// Logs a statement and gives the capsule that proves it.
    fn capsule(&mut self, signed: &SignedStatement) -> delta_format::capsule::Capsule {
        let entry = signed.envelope_json();
        let mut checkpoint = self.log.append(&self.log_signer, &[&entry]).expect("logged").checkpoint;
        self.time += 100;
        let cosignature = self.witness.cosign(&checkpoint, &mut self.log.tiles(), self.time).expect("witnessed");
        checkpoint.add(self.witness.signer().key(), cosignature).expect("the witness signed this head");
        self.log.publish(&checkpoint).expect("published");
        let proof = self.log.prove(&leaf_hash(&entry)).expect("in the log");
        signed.capsule(Some(proof))
    }
}

fn make(folder: &Path) -> Releases {
    let signer = SecretKey::from_seed([1; 32]);
    let log_signer = NoteSigner::log(SecretKey::from_seed([2; 32]), "sim.example/log".parse().expect("a name"));
    let witness_signer =
        NoteSigner::witness(SecretKey::from_seed([3; 32]), "sim.example/witness".parse().expect("a name"));
    let trust = TrustDraft {
        name: name("sim"),
        version: 1,
        signers: vec![(name("maker"), signer.public())],
        signer_threshold: 1,
        rollback: vec![(name("maker"), signer.public())],
        rollback_threshold: 1,
        logs: vec![log_signer.key().clone()],
        witnesses: vec![witness_signer.key().clone()],
        quorum: 1,
    };
    let trust = TrustRoot::parse(&trust.to_text().expect("a trust root")).expect("our own trust root");
    let log_folder = folder.join("log");
    Log::init(&log_folder, &log_signer).expect("a log");
    let log = Log::open(&log_folder, log_signer.key().clone(), vec![witness_signer.key().clone()]).expect("our log");
    let witness = Witness::new(witness_signer, &folder.join("witness"));
    let mut host = Host { signer, log, log_signer, witness, time: 1_700_000_000 };

    let images = images();
    for (number, image) in images.iter().enumerate() {
        fs::write(folder.join(format!("image{number}")), image).expect("written");
    }
    let ids = [0, 1, 2].map(|number: usize| delta_ingest::digest(&images[number], |_| {}));
    let mut bundles = [const { Vec::new() }; IMAGES];
    let (mut payload_at, mut payload_bytes) = ([0; IMAGES], [0; IMAGES]);
    // In the order in which a device meets them: a bundle logged before what the device knows needs the log's tiles.
    for target in [1, 2, 0] {
        let header: BundleHeader;
        (header, payload_at[target], bundles[target]) = bundle(folder, target, &mut host);
        payload_bytes[target] = header.payload.length;
    }
    let attestation = RollbackAttestation {
        format: ROLLBACK_FORMAT,
        product: name("sim"),
        from: release(1, &ids),
        to: release(0, &ids),
        floor: attested_floor(),
        reason: "simulated".parse().expect("a text"),
        who: "the simulator".parse().expect("a text"),
        expires: None,
    };
    let signed = SignedStatement::of_rollback(&attestation, &[&host.signer]).expect("signed");
    let attestation = file::rollback_file(&attestation, &host.capsule(&signed)).expect("a file");
    Releases { images, ids, bundles, payload_at, payload_bytes, attestation, trust }
}

fn release(image: usize, ids: &[ImageId; IMAGES]) -> Release {
    Release { version: version(image), image: ids[image] }
}

fn bundle(folder: &Path, target: usize, host: &mut Host) -> (BundleHeader, u64, Vec<u8>) {
    let open = |number| Artifact::open(&folder.join(format!("image{number}"))).expect("an image");
    let facts = Facts {
        product: name("sim"),
        hardware: vec![name("board")],
        version: version(target),
        expires: None,
        segment_log2: SEGMENT_LOG2_MIN,
        profile: delta_bundle::Profile::Default,
    };
    let base = if target == 0 { 1 } else { 0 };
    let cancel = AtomicBool::new(false);
    let draft = draft(&open(base), &open(target), &facts, folder, &|_, _, _| {}, &cancel).expect("a delta");
    let header = draft.header.clone();
    let signed = SignedStatement::of_bundle(&header, &[&host.signer]).expect("signed");
    let path = folder.join(format!("{target}.stella"));
    let layout = draft.write(&host.capsule(&signed), &path).expect("written");
    (header, layout.payload_at, fs::read(path).expect("read"))
}
