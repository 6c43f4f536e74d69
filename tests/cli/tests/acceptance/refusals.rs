//! Genuine and foreign files that a device must not install: each has its own reason and exit code.

use std::fs;
use tests_cli::run::Run;
use tests_cli::world::Making;
use tests_cli::{Device, World, images};

struct Fleet {
    world: World,
    device: Device,
    base: Vec<u8>,
    target: Vec<u8>,
}

/// A world with three images and a device that runs the first.
fn fleet() -> Fleet {
    let world = World::new();
    let base = images::image(31, 128);
    let target = images::update(&base, 32, 16);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    world.write("v3.img", images::update(&target, 33, 16));
    let device = Device::new(&world, "device", &base);
    Fleet { world, device, base, target }
}

/// `verify` and `install` give this exit code and reason, say a sentence with the next command, and write no slot.
fn refused(device: &Device, world: &World, file: &str, code: i32, word: &str) -> Run {
    let before = (device.read("a.img"), device.read("b.img"), device.boot_record());
    let path = world.path(file);
    let verified = device.agent(&["verify", &path.display().to_string()]).expect(code);
    assert_eq!(verified.word(), word, "{verified}");
    let installed = device.install(&path).expect(code);
    assert_eq!(installed.word(), word, "{installed}");
    let said = installed.json()["text"].as_str().expect("a text").to_owned();
    assert!(said.contains("stella-agent "), "no next command in: {said}");
    assert!(
        (device.read("a.img"), device.read("b.img"), device.boot_record()) == before,
        "{file}: something was written"
    );
    installed
}

/// A file that is signed by a stranger, witnessed by too few, logged nowhere or not signed at all: exit code 5.
#[test]
fn proofs_that_are_not_enough() {
    let Fleet { world, device, .. } = fleet();
    let delta = Making::delta("v1.img", "v2.img", "2.0");
    let check = |file: &str, making: &Making<'_>, word: &str| {
        world.make(file, making);
        refused(&device, &world, file, 5, word);
        let host = world.stella(&["--json", "delta", "verify", "--trust", "fleet.trust", file]).expect(5);
        assert_eq!(host.json()["error"]["code"], word, "host and device agree: {host}");
    };
    check("stranger.stella", &Making { key: "stranger.key", ..delta.clone() }, "wrong-key");
    check("rollback-key.stella", &Making { key: "operator.key", ..delta.clone() }, "threshold-not-met");
    check("one-witness.stella", &Making { witnesses: &["witness-c"], ..delta.clone() }, "witness-quorum");
    world.do_stella(&["key", "generate", "--kind", "log", "--name", "example.com/other", "other-log.key"]);
    world.do_stella(&["log", "init", "other-log", "--log-key", "other-log.key"]);
    let unsigned = ["delta", "create", "--unsigned", "--base", "v1.img", "--target", "v2.img", "--product", "gateway"];
    world.do_stella(&[&unsigned[..], &["--hardware", "board-a", "--version", "2.0", "unsigned.stella"]].concat());
    refused(&device, &world, "unsigned.stella", 5, "threshold-not-met");
    let _ = device.install(&world.path("fleet.trust")).expect(5);
    assert!(device.status()["time_floor"] == 0, "refused files teach a device nothing");
}

/// A witness that comes late completes a bundle: `log witness`, `delta prove`, and the device takes it.
#[test]
fn a_late_witness_completes_a_bundle() {
    let Fleet { world, device, target, .. } = fleet();
    world.make("v2.stella", &Making { witnesses: &["witness-a"], ..Making::delta("v1.img", "v2.img", "2.0") });
    refused(&device, &world, "v2.stella", 5, "witness-quorum");
    world.do_stella(&["log", "witness", "log", "--log-vkey", "log.vkey", "--witness-key", "witness-c.key"]);
    let prove = "delta prove --log log --log-vkey log.vkey --witness witness-a.vkey --witness witness-c.vkey --signer release.pub v2.stella";
    world.do_stella(&prove.split(' ').collect::<Vec<_>>());
    let _ = device.install(&world.path("v2.stella")).expect(4);
    assert!(device.holds("b", &target));
}

/// A log that shows this device another history than before is found out, also when all its signatures are right.
#[test]
fn a_forked_log_is_found_out() {
    let Fleet { world, device, .. } = fleet();
    // A witness of two logs with one name and key cannot be honest; these keep no memory of what they cosigned.
    let forget = || {
        for name in tests_cli::world::WITNESSES {
            let _ = fs::remove_file(world.path(&format!("{name}.seen")));
        }
    };
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    device.take(&world.path("v2.stella"));
    assert_eq!(device.status()["log_heads"][0]["tree_size"], 1);
    world.do_stella(&["log", "init", "fork", "--log-key", "log.key"]);
    forget();
    let fork = Making { log: "fork", ..Making::delta("v2.img", "v3.img", "3.0") };
    world.make("fork.stella", &fork);
    refused(&device, &world, "fork.stella", 5, "log-forked");
    // A longer fork, whose tiles lie beside the bundle: the device computes that they do not continue what it knows.
    world.make("longer.stella", &Making { target: "v1.img", version: "4.0", ..fork });
    world.publish(&["longer.stella"]);
    fs::remove_dir_all(world.path("site/stable/log")).expect("the published log");
    let copied =
        std::process::Command::new("cp").args(["-r", "fork", "site/stable/log"]).current_dir(world.folder()).status();
    assert!(copied.expect("cp runs").success());
    refused(&device, &world, "site/stable/longer.stella", 5, "log-forked");
    // Without tiles nothing shows that the log goes on; that is not taken on trust either.
    refused(&device, &world, "longer.stella", 5, "log-consistency-unproven");
    // The honest log goes on.
    forget();
    world.make("v3.stella", &Making::delta("v2.img", "v3.img", "3.0"));
    world.publish(&["v3.stella"]);
    fs::remove_dir_all(world.path("site/stable/log")).expect("the published log");
    world.publish(&["v3.stella"]);
    let _ = device.install(&world.path("site/stable/v3.stella")).expect(4);
}

/// Genuine files that are not for this device, or not any more: exit code 6.
#[test]
fn files_that_policy_refuses() {
    let Fleet { world, device, base, .. } = fleet();
    let delta = Making::delta("v1.img", "v2.img", "2.0");
    let check = |file: &str, making: &Making<'_>, word: &str| {
        world.make(file, making);
        refused(&device, &world, file, 6, word)
    };
    check("hardware.stella", &Making { more: &["--hardware", "board-b"], ..delta.clone() }, "other-hardware");
    check("product.stella", &Making { more: &["--product", "router"], ..delta.clone() }, "other-product");
    // The witnesses state a time after the end: it expired before it was even seen.
    let late = ["--time", "1700000000", "--expires", "1699999999"];
    check("expired.stella", &Making { more: &late, ..delta.clone() }, "expired");
    device.configure("memory_bytes_max = 65536\n");
    check("memory.stella", &delta, "needs-too-much-memory");
    device.configure("");
    // The time that was proven once stays: an older proof does not make an expired bundle good again.
    world.make("later.stella", &Making { more: &["--time", "1800000000"], ..delta.clone() });
    device.reset(&base);
    device.take(&world.path("later.stella"));
    let old = ["--time", "1790000000", "--expires", "1799999999"];
    check(
        "old.stella",
        &Making { base: Some("v2.img"), target: "v3.img", version: "3.0", more: &old, ..delta.clone() },
        "expired",
    );
    let back = Making { base: Some("v2.img"), target: "v1.img", ..delta };
    check("older.stella", &Making { version: "1.9", ..back.clone() }, "version-below-floor");
    check("same.stella", &Making { version: "2.0.0", ..back }, "version-not-newer");
}
