//! The texts that other tools read, from fixed seeds. They are only ever added to: this test fails when a new build
//! writes other bytes, and writes only files that do not exist, when asked to by STELLA_WRITE_VECTORS=1.

use crate::common::*;
use delta_attest::*;
use delta_verify::merkle::leaf_hash;
use delta_verify::tile::TILE_READS_MAX;
use std::path::Path;

fn check_file(name: &str, text: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    if !path.exists() && std::env::var_os("STELLA_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let stored = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(stored == text, "{name} is no longer what this build writes; formats do not change silently");
}

#[test]
fn the_same_seeds_give_the_stored_texts() {
    let host = Host::new();
    let signed = SignedStatement::of_bundle(&header(), &[&secret(1), &secret(2)]).unwrap();
    host.append(&entries(0, 300));
    let checkpoint = host.append(&[signed.envelope_json()]);
    let proof = host.log.prove(&leaf_hash(&signed.envelope_json())).unwrap();
    check_file("trust-root.txt", draft().to_text().unwrap().as_bytes());
    check_file("envelope.json", &signed.envelope_json());
    check_file("checkpoint.txt", checkpoint.to_note().as_bytes());
    check_file("entry.tlog-proof", proof::to_text(&checkpoint, &proof).as_bytes());
    check_file("witness0.state", host.witnesses[0].state().unwrap().to_text().as_bytes());
    check_file("release.pub", keys::public_to_pem(&secret(1).public()).as_bytes());
    const { assert!(TILE_READS_MAX == 64, "docs/formats/log.md says so") };
}
