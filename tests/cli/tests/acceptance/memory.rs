//! The memory of an install, as the kernel counts it.

use std::fs;
use tests_cli::server::Server;
use tests_cli::world::Making;
use tests_cli::{Chance, Device, World, is_long};

const MIB: usize = 1 << 20;
/// What the project promises for a device.
const PEAK_BYTES_MAX: u64 = 16 << 20;

/// An image with the edits of one security update: most of it the same, some files new, a stretch moved.
fn pair(mib: usize) -> (Vec<u8>, Vec<u8>) {
    let mut chance = Chance::new(91);
    let mut base = Vec::with_capacity(mib * MIB);
    while base.len() < mib * MIB {
        // A third of a root file system image is free space.
        match chance.up_to(2) {
            0 => base.resize(base.len() + 256 * 1024, 0),
            _ => base.extend(chance.bytes(512 * 1024)),
        }
    }
    base.truncate(mib * MIB);
    let mut target = base.clone();
    target.copy_within(8 * MIB..11 * MIB, 8 * MIB + 4096);
    for _ in 0..60 {
        let count = 4096 + chance.up_to(96 * 1024) as usize;
        let at = chance.up_to((target.len() - count) as u64) as usize;
        target[at..at + count].copy_from_slice(&chance.bytes(count));
    }
    (base, target)
}

/// An install of a large image, from a file, over the network, and applied while it is fetched, stays below 16 MiB of
/// resident memory, mapped parts of the base included; blocks that did not change are not written.
#[test]
fn an_install_stays_below_16_mib() {
    let mib = if is_long() { 256 } else { 48 };
    let world = World::new();
    let (base, target) = pair(mib);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    let usual = Making { more: &["--segment", "22"], ..Making::delta("v1.img", "v2.img", "2.0") };
    let made = world.make("v2.stella", &usual);
    let bundle_bytes = fs::metadata(world.path("v2.stella")).expect("the bundle").len();
    println!("an image of {mib} MiB, a bundle of {bundle_bytes} bytes, made in {:.1} s", made.took.as_secs_f32());
    let server = Server::start(world.folder());
    let device = Device::new(&world, "device", &base);
    let file = world.path("v2.stella").display().to_string();
    let url = server.url("v2.stella");
    for (way, place, settings) in [
        ("from a file", &file, ""),
        ("over HTTP", &url, ""),
        ("over HTTP, applied while fetched", &url, "spool_bytes = 0\n"),
    ] {
        device.configure(settings);
        device.reset(&base);
        // The inactive slot holds the release before, as on a device in the field.
        let mut slot = device.read("b.img");
        slot[..base.len()].copy_from_slice(&base);
        device.write("b.img", slot);
        let run = device.agent(&["install", place]).expect(4);
        let data = &run.json()["data"];
        println!(
            "{way}: at most {:.1} MiB resident, {:.2} s of processor time (this profile), {} bytes written, {} were there",
            run.peak_bytes as f64 / MIB as f64,
            run.ticks as f64 / 100.0,
            data["written_bytes"],
            data["unchanged_bytes"]
        );
        assert!(run.peak_bytes > 0, "the kernel tells the memory of a process");
        assert!(run.peak_bytes <= PEAK_BYTES_MAX, "{way}: {} bytes", run.peak_bytes);
        assert!(device.holds("b", &target));
        let written = data["written_bytes"].as_u64().expect("a number");
        assert!(written < target.len() as u64 / 3, "{written} bytes written");
    }
}
