//! A score can be computed again from its record, from the bundle, and from a pack of all that it was made from; whatever
//! is another is named.

use tests_cli::world::Making;
use tests_cli::{World, images};

/// Trust root and time, as a pipeline states them.
const VERIFIED: [&str; 4] = ["--trust", "fleet.trust", "--now", "4000000000"];

fn world() -> World {
    let world = World::new();
    let base = images::image(41, 128);
    world.write("v2.img", images::update(&base, 42, 16));
    world.write("v1.img", &base);
    let _ = world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0")).expect(0);
    world
}

/// Verifying lowers the risk and the unknown part, and the advice of the record comes true in the next one.
#[test]
fn records_are_computed_again() {
    let world = world();
    let unverified = world.do_stella(&["--json", "score", "compute", "v2.stella"]).json();
    let verified = world.do_stella(&[&["--json", "score", "compute"][..], &VERIFIED, &["v2.stella"]].concat());
    let record = verified.json();
    let number = |of: &serde_json::Value, name: &str| of[name].as_u64().expect("a number");
    assert!(number(&unverified, "delta_risk") > number(&record, "delta_risk"));
    assert!(number(&unverified, "unknown_bp") > number(&record, "unknown_bp"));
    assert_eq!(unverified["word"], "critical", "without valid signatures");
    world.write("record.json", &verified.out);
    let _ = world.do_stella(&["score", "replay", "record.json"]).says("every byte is the same");
    let of_bundle = [&["score", "replay", "--bundle", "v2.stella"][..], &VERIFIED, &["record.json"]].concat();
    let _ = world.do_stella(&of_bundle).says("every byte is the same");
    // Without the trust root the bundle gives other inputs.
    let other = world.stella(&["--json", "score", "replay", "--bundle", "v2.stella", "record.json"]).expect(5);
    assert_eq!(other.json()["error"]["code"], "not-reproduced", "{other}");
    // Inputs that a pipeline completes.
    let inputs = world.do_stella(&[&["score", "compute", "--inputs"][..], &VERIFIED, &["v2.stella"]].concat()).out;
    let lacking = r#""slsa_build_level":{"not_computed":"no provenance attestation came with the target"}"#;
    assert!(inputs.contains(lacking), "{inputs}");
    world.write("inputs.json", inputs.replace(lacking, r#""slsa_build_level":{"value":3}"#));
    let completed = world.do_stella(&["--json", "score", "compute", "inputs.json"]).json();
    let advice = record["counterfactuals"].as_array().expect("a list").iter();
    let advice = advice.clone().find(|one| one["metric"] == "slsa_build_level").expect("advice");
    assert_eq!(number(&completed, "delta_risk"), number(&record, "delta_risk") - number(advice, "lowers_by"));
    let _ = world.do_stella(&["score", "explain", "inputs.json"]).says("lowers the risk by");
}

/// A bundle that fails verification has no score.
#[test]
fn what_is_not_verified_has_no_score() {
    let world = world();
    let mut bytes = world.read("v2.stella");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    world.write("damaged.stella", bytes);
    let _ = world.stella(&["score", "compute", "--trust", "fleet.trust", "damaged.stella"]).expect(5);
    let _ = world.stella(&["score", "compute", "v1.img"]).expect(5).says("neither a bundle nor");
}

/// A pack runs anywhere; a part that is not what the pack says, and a result that is another, are told apart.
#[test]
fn packs_run_again() {
    let world = world();
    let images = ["--base", "v1.img", "--target", "v2.img"];
    let pack = [&["replay", "pack", "--bundle", "v2.stella"][..], &images, &VERIFIED, &["v2.replay"]].concat();
    let _ = world.do_stella(&pack);
    let _ = world.stella(&pack).expect(2).says("name a new folder");
    let _ = world.do_stella(&["replay", "run", "v2.replay"]).says("every byte is the same");
    let list = String::from_utf8(world.read("v2.replay/pack.json")).expect("text");
    // Another time gives another age.
    world.write("v2.replay/pack.json", list.replace("4000000000", "1000000000"));
    let other = world.stella(&["--json", "replay", "run", "v2.replay"]).expect(5);
    assert_eq!(other.json()["error"]["code"], "not-reproduced", "{other}");
    let _ = other.says("the score's contributions[");
    // A part that the list does not know, and a part that was changed.
    world.write("v2.replay/pack.json", list.replace("\"policy\"", "\"police\"").replace("\"trust\"", "\"trusty\""));
    let _ = world.stella(&["replay", "run", "v2.replay"]).expect(5).says("there is no such part");
    world.write("v2.replay/pack.json", &list);
    let parts: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let blob = format!("v2.replay/blobs/{}", parts["parts"]["base"]["sha256"].as_str().expect("a digest"));
    let mut bytes = world.read(&blob);
    bytes[77] ^= 1;
    world.write(&blob, bytes);
    let damaged = world.stella(&["--json", "replay", "run", "v2.replay"]).expect(5);
    assert_eq!(damaged.json()["error"]["code"], "damaged", "{damaged}");
}
