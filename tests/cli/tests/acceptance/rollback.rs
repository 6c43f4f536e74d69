//! Going back: only by a signed and logged attestation that names exactly this step, and only to a slot that really
//! holds what it names.

use std::ffi::OsStr;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use tests_cli::run::Run;
use tests_cli::world::Making;
use tests_cli::{Device, World, images};

struct Fleet {
    world: World,
    device: Device,
    base: Vec<u8>,
    target: Vec<u8>,
}

/// A device that came from 1.0 to 2.0, so that its other slot still holds 1.0.
fn updated() -> Fleet {
    let world = World::new();
    let base = images::image(41, 256);
    let target = images::update(&base, 42, 24);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    world.make("v1.stella", &Making::full("v1.img", "1.0"));
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    world.publish(&["v1.stella", "v2.stella"]);
    let device = Device::new(&world, "device", &base);
    device.take(&world.path("site/stable/v2.stella"));
    assert_eq!(device.status()["version_floor"], "2.0");
    Fleet { world, device, base, target }
}

fn back(device: &Device, attestation: Option<&Path>) -> Run {
    let option = attestation.iter().flat_map(|path| [OsStr::new("--attestation"), path.as_os_str()]);
    device.agent(&[OsStr::new("rollback")].into_iter().chain(option).collect::<Vec<_>>())
}

/// No attestation, a foreign one, or one with a false signature: refused, and the device stays where it is.
#[test]
fn a_step_back_needs_its_own_attestation() {
    let Fleet { world, device, base, target } = updated();
    let (from, to) = (("v2.img", "2.0"), ("v1.img", "1.0"));
    world.write("v0.img", images::update(&base, 43, 8));
    world.attest("product.rb", from, to, &["--product", "router"]);
    world.attest("from.rb", ("v0.img", "2.0"), to, &[]);
    world.attest("to.rb", from, ("v0.img", "1.0"), &[]);
    world.attest("expired.rb", from, to, &["--time", "1700000000", "--expires", "1600000000"]);
    world.attest("release-key.rb", from, to, &["--key", "release.key"]);
    world.attest("stranger.rb", from, to, &["--key", "stranger.key"]);
    world.attest("good.rb", from, to, &[]);
    let mut damaged = world.read("good.rb");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    world.write("damaged.rb", damaged);
    world.publish(&[]);
    let check = |file: Option<&str>, code: i32, word: &str| {
        let before = (device.boot_record(), device.read("a.img"), device.read("b.img"));
        // Beside the published log, so that the device can check that the log goes on.
        let path = file.map(|file| {
            let beside = world.path("site/stable").join(file);
            std::fs::copy(world.path(file), &beside).expect("a copy");
            beside
        });
        let run = back(&device, path.as_deref()).expect(code);
        assert_eq!(run.word(), word, "{run}");
        assert!(before == (device.boot_record(), device.read("a.img"), device.read("b.img")), "{run}");
        assert_eq!(device.status()["version_floor"], "2.0", "{run}");
    };
    check(None, 6, "rollback-not-attested");
    check(Some("product.rb"), 6, "other-product");
    check(Some("from.rb"), 6, "rollback-foreign");
    check(Some("expired.rb"), 6, "expired");
    check(Some("release-key.rb"), 5, "threshold-not-met");
    check(Some("stranger.rb"), 5, "wrong-key");
    check(Some("damaged.rb"), 5, "damaged");
    // It permits a step, but the slot does not hold what it names.
    check(Some("to.rb"), 5, "read-back");
    // The bundle of the old version alone is no way around it.
    let run = device.install(&world.path("site/stable/v1.stella")).expect(6);
    assert_eq!(run.word(), "version-below-floor");
    assert!(device.holds("b", &target));
}

/// When one bit of the other slot changed since it ran, the step back is refused by its read-back; the bundle still
/// leads back.
#[test]
fn a_slot_that_changed_is_not_gone_back_to() {
    let Fleet { world, device, base, .. } = updated();
    // The attestation is an operator's to sign, the bundle a publisher's.
    let both = ["--key", "operator.key", "--key", "release.key", "--bundle", "back.stella", "--hardware", "board-a"];
    world.attest("site/stable/good.rb", ("v2.img", "2.0"), ("v1.img", "1.0"), &both);
    world.publish(&["back.stella"]);
    let mut slot = std::fs::OpenOptions::new().write(true).open(device.path("a.img")).expect("the slot");
    slot.seek(SeekFrom::Start(100_000)).expect("a place");
    slot.write_all(&[base[100_000] ^ 4]).expect("a byte");
    drop(slot);
    let record = device.boot_record();
    let attestation = world.path("site/stable/good.rb");
    let run = back(&device, Some(&attestation)).expect(5);
    assert_eq!(run.word(), "read-back", "{run}");
    assert_eq!((device.boot_record(), device.status()["version_floor"].clone()), (record, "2.0".into()));
    let bundle = world.path("site/stable/back.stella").display().to_string();
    let attested = attestation.display().to_string();
    let _ = device.agent(&["rollback", "--attestation", &attested, "--bundle", &bundle]).expect(4);
    assert!(device.holds("a", &base));
    assert_eq!(device.power_on(), "A");
    let _ = device.agent(&["commit"]).expect(0);
    assert_eq!(device.status()["version_floor"], "1.0");
}

/// The right attestation leads back; the version floor follows it at the commit; the way up stays open.
#[test]
fn the_right_attestation_leads_back_and_up_again() {
    let Fleet { world, device, base, .. } = updated();
    world.attest("site/stable/good.rb", ("v2.img", "2.0"), ("v1.img", "1.0"), &["--floor", "0.9"]);
    world.publish(&[]);
    let attestation = world.path("site/stable/good.rb");
    let run = back(&device, Some(&attestation)).expect(4);
    assert_eq!(run.word(), "reboot-required", "{run}");
    let status = device.status();
    assert_eq!(status["version_floor"], "2.0", "the floor waits for the commit: {status}");
    assert!(device.boot_record().contains("trial a 3"));
    assert_eq!(device.power_on(), "A");
    let _ = device.agent(&["commit"]).expect(0);
    let status = device.status();
    assert_eq!((&status["running"], &status["version_floor"]), (&"A".into(), &"0.9".into()), "{status}");
    assert_eq!(
        (&status["last"]["rollback"], &status["last"]["ended"]),
        (&true.into(), &"committed".into()),
        "{status}"
    );
    let history = device.agent(&["history"]).expect(0).json();
    assert_eq!(history["data"].as_array().map(Vec::len), Some(2), "{history}");
    // It allowed this one step: not a second one from here.
    assert_eq!(back(&device, Some(&attestation)).expect(6).word(), "rollback-foreign");
    // What was left is not installed again by itself; an operator can, and a newer release needs no word of his.
    let left = world.path("site/stable/v2.stella");
    assert_eq!(device.install(&left).expect(6).word(), "failed-here");
    let _ = device.agent(&["install", "--force", &left.display().to_string()]).expect(4);
    let _ = device.agent(&["cancel"]).expect(0);
    world.write("v3.img", images::update(&base, 44, 16));
    world.make("v3.stella", &Making::delta("v1.img", "v3.img", "3.0"));
    world.publish(&["v3.stella"]);
    device.take(&world.path("site/stable/v3.stella"));
    assert!(device.holds("b", &world.read("v3.img")) && device.holds("a", &base));
    assert_eq!(device.status()["version_floor"], "3.0");
}
