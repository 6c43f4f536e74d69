//! A running slot that is not the base any more.

use std::fs;
use tests_cli::world::Making;
use tests_cli::{Device, World, images};

/// One changed block in the base: refused by name of its range with exit code 7, before anything is written.
#[test]
fn a_changed_block_is_named_and_nothing_is_written() {
    let world = World::new();
    let base = images::image(51, 1536);
    world.write("v1.img", &base);
    world.write("v2.img", images::update(&base, 52, 64));
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    let device = Device::new(&world, "device", &base);
    const PLACE: usize = 700_000;
    let mut changed = base.clone();
    changed[PLACE] ^= 1;
    device.write("a.img", &changed);
    world.write("changed.img", &changed);
    let slot =
        || (device.read("b.img"), fs::metadata(device.path("b.img")).expect("the slot").modified().expect("a time"));
    let before = (slot(), device.read("a.img"), device.boot_record());
    let run = device.install(&world.path("v2.stella")).expect(7);
    assert_eq!(run.word(), "base-mismatch");
    let text = run.json()["text"].as_str().expect("a text").to_owned();
    // The range that holds the byte, in numbers that people can use with dd.
    let numbers: Vec<usize> = text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let holds = |from: usize, to: usize| from <= PLACE && PLACE <= to && to - from <= 1 << 20;
    assert!(numbers.windows(2).any(|pair| holds(pair[0], pair[1])), "no range around {PLACE} in: {text}");
    assert!(text.contains("Nothing was written"), "{text}");
    assert!(before == (slot(), device.read("a.img"), device.boot_record()), "something was written");
    println!("{text}");
    let apply =
        ["delta", "apply", "--trust", "fleet.trust", "--base", "changed.img", "--target", "out.img", "v2.stella"];
    let host = world.stella(&apply).expect(7);
    assert!(host.err.contains("differs in"), "{host}");
    assert!(!world.path("out.img").exists());
    // A repaired base installs.
    device.write("a.img", &base);
    let _ = device.install(&world.path("v2.stella")).expect(4);
}

/// A bundle for another image altogether: the same exit code, and a way out is named.
#[test]
fn another_image_is_refused() {
    let world = World::new();
    let base = images::image(53, 256);
    world.write("v1.img", &base);
    world.write("v2.img", images::update(&base, 54, 16));
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    world.make("full.stella", &Making::full("v2.img", "2.0"));
    let device = Device::new(&world, "device", &images::image(55, 256));
    let run = device.install(&world.path("v2.stella")).expect(7).says("full image");
    assert_eq!(run.word(), "base-mismatch");
    let _ = device.install(&world.path("full.stella")).expect(4);
    assert!(device.holds("b", &world.read("v2.img")));
}
