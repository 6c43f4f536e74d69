//! Every format: this build writes the stored bytes from the same seeds, and reads the stored bytes as a stranger would.

use tests_golden::site::trust;
use tests_golden::store::{check, read};
use tests_golden::vectors;
use tests_golden::verdict::{ACCEPTED, verdict};

/// The order matters when vectors are written for the first time: attacks start from these.
#[test]
fn the_same_seeds_give_the_stored_bytes() {
    for (name, bytes) in vectors::all() {
        check(&name, &bytes);
    }
}

/// Nothing but the stored files and the product's own readers: all are accepted, and all bundles make their target.
#[test]
fn the_stored_files_are_accepted() {
    let files = [
        ("bundle", "bundle/small.bin"),
        ("bundle", "bundle/patch.bin"),
        ("bundle", "bundle/full.bin"),
        ("rollback", "rollback/back-to-1.9.bin"),
        ("channel", "channel/stable-4.bin"),
        ("journal", "journal/idle.bin"),
        ("journal", "journal/applying.bin"),
        ("trust-root", "trust-root/golden.txt"),
    ];
    for (kind, name) in files {
        assert_eq!(verdict(kind, &read(name), &[], &trust()), ACCEPTED, "{name}");
    }
}

/// The small bundle has what its page says: several groups, a base map, and every kind of record.
#[test]
fn the_small_bundle_has_every_part() {
    use delta_format::container::Kind;
    use delta_format::header::BundleHeader;
    let parts = tests_golden::parts::Parts::of(Kind::Bundle, &read("bundle/small.bin"));
    let header = BundleHeader::decode(&parts.body).expect("a header");
    assert!(parts.rest.iter().all(|part| !part.is_empty()), "group index, payload, base map and manifest");
    assert_eq!((header.payload.groups(), header.segments()), (3, 7));
    let manifest = read("manifest/small.json");
    let manifest: delta_bundle::DeltaManifest = serde_json::from_slice(&manifest).expect("a manifest");
    let copies = manifest.ops.iter().filter(|op| matches!(op, delta_bundle::OpRecord::Copy(..))).count();
    assert!(copies > 1 && copies < manifest.ops.len(), "both COPY and ADD");
}

/// A frame and a stream that are right are accepted: nothing else of an attack on payloads is.
#[test]
fn payloads_that_attacks_start_from_are_accepted() {
    use tests_golden::{attacks, build};
    let frame = build::around_payload(1000, build::only_segment(&[1, build::copy(1000), 0], &[]), |_| ());
    assert_eq!(verdict("bundle", &frame, &[], &trust()), ACCEPTED);
    assert_eq!(verdict("bundle", &attacks::stream::good(), &[], &trust()), ACCEPTED);
}

/// The stored streams, read as a stranger would: the decoder makes the target that stands beside each.
#[test]
fn the_stored_streams_make_their_targets() {
    use tests_golden::streams::{Told, decode};
    let text = String::from_utf8(read("payload/streams.txt")).expect("text");
    let mut names = Vec::new();
    for case in text.split("\n\n").skip(1) {
        let field = |name: &str| {
            let value = case.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.unwrap_or_else(|| panic!("no {name} in {case}"))
        };
        let bytes = |name: &str| -> Vec<u8> {
            let digits = field(name);
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
            (0..digits.len()).step_by(2).map(byte).collect()
        };
        let number = |name: &str| field(name).parse().expect("a number");
        let (base, target) = (bytes("base"), bytes("target"));
        let told = Told {
            base_bytes: base.len() as u64,
            scratch_bytes: number("scratch_bytes"),
            ops_max: number("ops_max"),
            target_bytes: target.len() as u64,
        };
        let made = decode(&base, &bytes("stream"), told).unwrap_or_else(|error| panic!("{error:?}"));
        assert!(made == target, "{}", field("name"));
        names.push(field("name"));
    }
    assert_eq!(names, ["section", "executable", "container"]);
}

/// The log's texts are read by the host's own readers, and prove what the capsule proves.
#[test]
fn the_log_texts_prove_the_bundle() {
    use delta_attest::{SignedCheckpoint, proof};
    let text = |name| String::from_utf8(read(name)).expect("text");
    let trust = trust();
    let log = &trust.logs()[0];
    let checkpoint = SignedCheckpoint::read(&text("log/checkpoint.txt"), log, trust.witnesses()).expect("a checkpoint");
    let leaf = delta_verify::merkle::leaf_hash(&read("statement/bundle-entry.json"));
    let (again, proof) =
        proof::from_text(&text("log/bundle.tlog-proof"), &leaf, log, trust.witnesses()).expect("a proof");
    assert_eq!((again.head(), proof.leaf_index), (checkpoint.head(), tests_golden::site::ENTRIES_BEFORE));
    let capsule = delta_format::capsule::Capsule::decode(&read("capsule/bundle.bin")).expect("a capsule");
    assert_eq!(capsule.log.expect("logged").inclusion, proof.inclusion);
}
