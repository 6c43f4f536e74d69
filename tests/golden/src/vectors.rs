//! The vectors of well-formed files, as pairs of name and bytes.

use crate::build::{self, add, copy, facts, step, varint};
use crate::images;
use crate::parts::Parts;
use crate::site::{OPERATOR, RELEASE, SECOND, Site, TIME, key, name, trust_text};
use agent_machine::{Applying, BundleRef, Facts, Goal, Idle, Kind as GoalKind, Line, Preparing, Record, Slot, State};
use delta_attest::{SignedStatement, file, proof};
use delta_bundle::{PublishedBundle, blake3_parts, index_body};
use delta_format::capsule::Capsule;
use delta_format::container::{Kind, PREFIX_BYTES};
use delta_format::header::{BundleHeader, ImageId};
use delta_format::journal::{self, BODY_BYTES_MAX};
use delta_format::limits::CAPSULE_BYTES_MAX;
use delta_format::ops::{Diagonal, Watermark};
use delta_format::rollback::{ROLLBACK_FORMAT, Release, RollbackAttestation};
use delta_format::statement;
use std::fmt::Write;

/// Name and bytes of one vector.
pub type Vector = (String, Vec<u8>);

/// Every vector.
pub fn all() -> Vec<Vector> {
    let mut all = bundles();
    all.extend(rollbacks());
    all.extend(channels());
    all.extend(journals());
    all.extend(payloads());
    all.push(("trust-root/golden.txt".into(), trust_text().into_bytes()));
    all
}

/// Three bundles, and what is derived from them: capsules, statements, log entry, proof, manifest.
fn bundles() -> Vec<Vector> {
    let site = Site::default();
    let (small, manifest) =
        build::bundle(&images::base(), &images::small_target(), &facts(), &[RELEASE, SECOND], &site);
    let parts = Parts::of(Kind::Bundle, &small);
    let header = BundleHeader::decode(&parts.body).expect("a header");
    let signed = SignedStatement::of_bundle(&header, &[&key(RELEASE), &key(SECOND)]).expect("signed");
    let entry = signed.envelope_json();
    let checkpoint = site.checkpoint();
    let tlog_proof = proof::to_text(&checkpoint, &site.prove(&entry));
    let (full, patch) = (build::full(), build::patch());
    vec![
        ("bundle/small.txt".into(), describe(&small).into_bytes()),
        ("bundle/patch.txt".into(), describe(&patch).into_bytes()),
        ("bundle/full.txt".into(), describe(&full).into_bytes()),
        ("bundle/small.bin".into(), small),
        ("bundle/patch.bin".into(), patch),
        ("bundle/full.bin".into(), full),
        ("capsule/bundle.bin".into(), parts.capsule),
        ("statement/bundle.json".into(), signed.statement().to_vec()),
        ("statement/bundle-entry.json".into(), entry),
        ("log/checkpoint.txt".into(), checkpoint.to_note().into_bytes()),
        ("log/bundle.tlog-proof".into(), tlog_proof.into_bytes()),
        ("manifest/small.json".into(), manifest),
    ]
}

/// The parts of a bundle, one a line: offset, length, name, and the first bytes.
fn describe(bundle: &[u8]) -> String {
    let parts = Parts::of(Kind::Bundle, bundle);
    let mut text = String::new();
    let mut at = 0;
    let names = ["group index", "payload", "base map", "manifest"];
    let head = [("prefix", PREFIX_BYTES), ("header", parts.body.len()), ("capsule", parts.capsule.len())];
    for (name, bytes) in head.into_iter().chain(names.into_iter().zip(parts.rest.iter().map(Vec::len))) {
        let shown = &bundle[at..at + bytes.min(16)];
        writeln!(text, "{at:>7} {bytes:>7}  {name:<12} {}", hex(shown)).expect("a String takes any text");
        at += bytes;
    }
    text
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn image(bytes: &[u8]) -> ImageId {
    delta_ingest::digest(bytes, |_| ())
}

/// From the base of the vectors (2.0) back to the full image (1.9), floor 1.9.
pub fn attestation() -> RollbackAttestation {
    let release =
        |version: &str, bytes: &[u8]| Release { version: version.parse().expect("a version"), image: image(bytes) };
    RollbackAttestation {
        format: ROLLBACK_FORMAT,
        product: name("gateway"),
        from: release("2.0", &images::base()),
        to: release("1.9", &images::full_target()),
        floor: "1.9".parse().expect("a version"),
        reason: "the \"modem\" does not come up after 2\\3 of all starts".parse().expect("a text"),
        who: "Zo\u{eb} in operations".parse().expect("a text"),
        expires: Some(TIME + 30 * 86_400),
    }
}

/// An attestation, signed by `seeds` and logged.
pub fn rollback(attestation: &RollbackAttestation, seeds: &[u8]) -> (SignedStatement, Vec<u8>) {
    let keys: Vec<_> = seeds.iter().map(|&seed| key(seed)).collect();
    let signed = SignedStatement::of_rollback(attestation, &keys.iter().collect::<Vec<_>>()).expect("signed");
    let capsule = Site::default().capsule(&signed);
    (signed, file::rollback_file(attestation, &capsule).expect("a file"))
}

fn rollbacks() -> Vec<Vector> {
    let (signed, bytes) = rollback(&attestation(), &[OPERATOR]);
    vec![("rollback/back-to-1.9.bin".into(), bytes), ("statement/rollback.json".into(), signed.statement().to_vec())]
}

/// The body of an index of the channel `channel`, by the product's own writer, over the bundle `full` and one around a
/// payload that does not depend on what the encoder finds.
pub fn channel_body(channel: &str, number: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let from_base = build::around_payload(1000, build::only_segment(&[1, copy(1000), step(0)], &[]), |_| ());
    let files = [("gateway-2.1-full.stella", build::full()), ("gateway-2.1-from-2.0.stella", from_base)];
    let bundles = files.map(|(file, bytes)| {
        let path = folder.path().join(file);
        std::fs::write(&path, bytes).expect("written");
        PublishedBundle::read(&path).expect("a bundle")
    });
    index_body(&name(channel), number, &bundles).expect("an index")
}

/// A signed index over any body that is an index.
pub fn channel(body: &[u8], seeds: &[u8]) -> (SignedStatement, Vec<u8>) {
    let keys: Vec<_> = seeds.iter().map(|&seed| key(seed)).collect();
    let signed = SignedStatement::of_channel(body, &keys.iter().collect::<Vec<_>>()).expect("signed");
    let file = file::channel_file(body, &signed).expect("a file");
    (signed, file)
}

fn channels() -> Vec<Vector> {
    let (signed, bytes) = channel(&channel_body("stable", 4), &[RELEASE]);
    let capsule: Capsule = signed.capsule(None);
    let mut buffer = [0; CAPSULE_BYTES_MAX];
    vec![
        ("channel/stable-4.bin".into(), bytes),
        ("capsule/channel.bin".into(), capsule.encode(&mut buffer).expect("fits").to_vec()),
        ("statement/channel.json".into(), signed.statement().to_vec()),
    ]
}

/// One copy of a journal, with a record in it.
pub fn journal_copy(sequence: u64, record: &Record) -> Vec<u8> {
    let mut body = [0; BODY_BYTES_MAX];
    let body = record.encode(&mut body).expect("fits");
    journal::seal(sequence, body, blake3_parts).expect("fits").to_vec()
}

/// A device that is half through writing slot B.
pub fn applying() -> Record {
    let release = Release { version: "2.1".parse().expect("a version"), image: image(&images::small_target()) };
    let bundle = BundleRef {
        head: [0x42; 32].into(),
        origin: Line::cut("https://updates.example/stable/gateway-2.1-from-2.0.stella"),
    };
    let goal = Goal { kind: GoalKind::Install { bundle }, slot: Slot::B, release, attested_floor: None };
    let watermark = Watermark { segment: 3, payload_offset: 65_700 };
    let work = Preparing { goal, watermark, attempts: 1, rewrites: 0 };
    let facts = Facts { version_floor: "2.0".parse().expect("a version"), time_floor: TIME, ..Facts::default() };
    Record { facts, state: State::Applying(Applying { work }), ..Record::default() }
}

fn journals() -> Vec<Vector> {
    let idle = Record { state: State::Idle(Idle {}), ..Record::default() };
    vec![
        ("journal/idle.bin".into(), journal_copy(1, &idle)),
        ("journal/applying.bin".into(), journal_copy(258, &applying())),
    ]
}

/// Varints, record tags, diagonals, and one whole payload, as text with hexadecimal.
fn payloads() -> Vec<Vector> {
    let mut text = String::from("# value  varint\n");
    for value in [0, 1, 127, 128, 300, 16_384, 1 << 32, 1 << 48, u64::MAX] {
        writeln!(text, "{value} {}", hex(&varint(value))).expect("a String takes any text");
    }
    let varints = text;

    // COPY 100 from 50, ADD 20, COPY 30 from 170, COPY 10 from 0 at target offset 65536: base offset, length, sent.
    let mut text = String::from("# target_offset kind base_offset length sent varint\n");
    let (mut diagonal, mut at) = (Diagonal::new(65_536), 65_536);
    for op in [Some((65_586, 100)), None, Some((65_706, 30)), Some((0, 10))] {
        match op {
            Some((base_offset, length)) => {
                let sent = diagonal.encode(base_offset, length);
                writeln!(text, "{at} COPY {base_offset} {length} {sent} {}", hex(&varint(sent)))
                    .expect("a String takes any text");
                at += length;
            }
            None => {
                diagonal.add(20);
                writeln!(text, "{at} ADD - 20 - -").expect("a String takes any text");
                at += 20;
            }
        }
    }
    let diagonals = text;

    // The payload of one segment: 1,000 bytes of the base from 0, of which 10 in the middle are literals.
    let base = images::base();
    let fields = [3, copy(400), add(10), copy(590), step(0), step(0)];
    let payload = build::only_segment(&fields, &base[400..410]);
    let plain: Vec<u8> = fields.iter().flat_map(|&field| varint(field)).chain(base[400..410].iter().copied()).collect();
    let segment = format!(
        "# the first 1,000 bytes of the base, of which bytes 400 to 409 are sent\nplain {}\npayload {}\n",
        hex(&plain),
        hex(&payload)
    );
    vec![
        ("payload/varints.txt".into(), varints.into_bytes()),
        ("payload/diagonals.txt".into(), diagonals.into_bytes()),
        ("payload/one-segment.txt".into(), segment.into_bytes()),
        ("payload/streams.txt".into(), crate::streams::vector()),
    ]
}

/// The statement of a header, for tests of its canonical form.
pub fn statement_of(header: &BundleHeader) -> Vec<u8> {
    statement::of_bundle(header).expect("a statement").to_vec()
}
