//! What happens on real devices: the disk is full, the state cannot be written, the stick is pulled, the server goes
//! away, somebody else is at work. The error is clear, nothing is half-written, and the next run goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tests_cli::mounts::Mount;
use tests_cli::run::{Run, start};
use tests_cli::server::{Answer, Server};
use tests_cli::world::Making;
use tests_cli::{Device, World, images, is_root};

struct Fleet {
    world: World,
    device: Device,
    base: Vec<u8>,
    target: Vec<u8>,
    bundle: PathBuf,
}

/// An update with about 400 KiB of new content.
fn fleet() -> Fleet {
    let world = World::new();
    let base = images::image(61, 1024);
    let target = images::update(&base, 62, 400);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    world.publish(&["v2.stella"]);
    let device = Device::new(&world, "device", &base);
    let bundle = world.path("site/stable/v2.stella");
    Fleet { world, device, base, target, bundle }
}

/// The end of an obstacle: the way out is named, the running slot is as it was, nothing is armed.
fn stopped(device: &Device, base: &[u8], run: Run, code: i32, word: &str) -> String {
    let run = run.expect(code);
    assert_eq!(run.word(), word, "{run}");
    let text = run.json()["text"].as_str().expect("a text").to_owned();
    assert!(text.contains("stella-agent ") || text.contains("pgrep"), "no next command in: {text}");
    assert!(device.holds("a", base) && !device.boot_record().contains("trial"), "{run}");
    println!("exit code {code}, {word}: {text}");
    text
}

/// The state directory has no room for the payload: 8 before anything is written; with room, `install` goes through.
#[test]
fn the_state_directory_is_full() {
    if !is_root() {
        return println!("skipped: needs root for a small file system");
    }
    let Fleet { world, device, base, target, bundle } = fleet();
    let server = Server::start(&world.path("site"));
    let mount = Mount::small(&device.path("state"), 96);
    let url = server.url("stable/v2.stella");
    stopped(&device, &base, device.agent(&["install", &url]), 8, "no-room");
    assert!(device.read("b.img").iter().all(|byte| *byte == 0xa5), "nothing is written");
    mount.resize(4096);
    let _ = device.agent(&["install", &url]).expect(4);
    assert!(device.holds("b", &target));
    drop(mount);

    // A file that fills up between the check and the writing: by hand, to the last block.
    device.reset(&base);
    let mount = Mount::small(&device.path("state"), 1024);
    device.write("state/other-peoples-file", vec![1; 1024 * 1024 - 12 * 1024]);
    let run = device.install(&bundle);
    if run.code != Some(4) {
        stopped(&device, &base, run, 8, "no-room");
    }
    fs::remove_file(device.path("state/other-peoples-file")).expect("the file");
    let _ = device.install(&bundle).expect(4);
    assert!(device.holds("b", &target));
    drop(mount);
}

/// The inactive slot runs out of room while it is written, and is too small from the start: 8; with room it goes on.
#[test]
fn the_slot_is_full() {
    let Fleet { world: _world, device, base, target, bundle } = fleet();
    let slot = fs::OpenOptions::new().write(true).open(device.path("b.img")).expect("the slot");
    slot.set_len(target.len() as u64 - 1).expect("a length");
    stopped(&device, &base, device.install(&bundle), 8, "no-room");
    slot.set_len(target.len() as u64).expect("a length");
    let _ = device.install(&bundle).expect(4);
    assert!(device.holds("b", &target));
    if !is_root() {
        return println!("skipped the second half: needs root for a small file system");
    }
    device.reset(&base);
    let mount = Mount::small(&device.path("disk"), 512);
    // A sparse file that promises more than its disk has.
    fs::File::create(device.path("disk/b.img")).and_then(|file| file.set_len(target.len() as u64)).expect("a slot");
    device.configure("[slots]\nb = \"../disk/b.img\"\n");
    stopped(&device, &base, device.install(&bundle), 8, "no-room");
    assert_ne!(device.status()["state"], "awaiting-reboot");
    mount.resize(4096);
    let _ = device.agent(&["resume"]).expect(4);
    assert!(device.read("disk/b.img").starts_with(&target));
    drop(mount);
}

/// A state directory that cannot be written: 1, by its name, and no slot is written; `status` still answers.
#[test]
fn the_state_directory_is_read_only() {
    let Fleet { world: _world, device, base, target, bundle } = fleet();
    fs::create_dir_all(device.path("state")).expect("a folder");
    let read_only = |mode| fs::set_permissions(device.path("state"), fs::Permissions::from_mode(mode)).expect("a mode");
    let mount = is_root().then(|| Mount::read_only(&device.path("state")));
    read_only_unless(mount.is_some(), || read_only(0o500));
    let text = stopped(&device, &base, device.install(&bundle), 1, "state-unwritable");
    assert!(text.contains("Read-only") || text.contains("ermission"), "{text}");
    assert!(device.read("b.img").iter().all(|byte| *byte == 0xa5), "nothing is written");
    assert_eq!(device.status()["running"], "A");
    let _ = device.agent(&["doctor"]).expect(1);
    drop(mount);
    read_only(0o700);
    let _ = device.install(&bundle).expect(4);
    assert!(device.holds("b", &target));
}

fn read_only_unless(mounted: bool, change: impl FnOnce()) {
    if !mounted {
        change();
    }
}

/// The stick is pulled while its bundle is applied (the process dies with it): `resume` says 9 until the stick is
/// back, then goes on.
#[test]
fn the_stick_is_pulled() {
    let Fleet { world, device, base, target, bundle } = fleet();
    let state = |device: &Device| device.status()["state"].as_str().expect("a word").to_owned();
    let mut wait = Duration::from_millis(2);
    for attempt in 0.. {
        assert!(attempt < 400, "the install was never caught at work");
        device.reset(&base);
        let (_, killed) = start(&mut device.command(&["install", &bundle.display().to_string()])).kill_after(wait);
        if killed && matches!(state(&device).as_str(), "preparing" | "releasing" | "applying") {
            break;
        }
        // Over before the kill: begin with short waits again; the load of the machine changes.
        wait = if killed { wait + Duration::from_micros(500) } else { Duration::from_millis(2) };
    }
    println!("caught in state {} after {wait:?}", state(&device));
    fs::rename(world.path("site/stable"), world.path("pulled")).expect("the stick");
    stopped(&device, &base, device.agent(&["resume"]), 9, "source-missing");
    assert!(!device.boot_record().contains("trial"));
    // Another install is not begun over it unseen, the same one goes on.
    fs::rename(world.path("pulled"), world.path("site/stable")).expect("the stick");
    let _ = device.agent(&["resume"]).expect(4);
    assert!(device.holds("b", &target));
}

/// The server goes away in the middle and does not come back: 9 after the tries; another copy of the bundle completes it
/// without fetching again what is here.
#[test]
fn the_server_goes_away() {
    let Fleet { world, device, base, target, bundle } = fleet();
    device.configure("[network]\nretries = 2\nretry_first_seconds = 0\nretry_longest_seconds = 0\n");
    let server = Server::start(&world.path("site"));
    let mut went_away = false;
    server.answer(move |asked| match asked.bytes {
        _ if went_away => Answer::Cut(0),
        // The head alone.
        ..100_000 => Answer::Whole,
        _ => {
            went_away = true;
            Answer::Cut(200_000)
        }
    });
    let run = device.agent(&["install", &server.url("stable/v2.stella")]);
    stopped(&device, &base, run.clone(), 9, "network");
    let served = server.take_served();
    drop(server);
    assert_ne!(device.status()["state"], "idle", "the install waits: {run} {served:?}");
    let run = device.agent(&["resume"]);
    stopped(&device, &base, run, 9, "network");
    let other = Server::start(&world.path("site"));
    let resumed = device.agent(&["resume", "--from", &other.url("stable/v2.stella")]).expect(4);
    assert!(device.holds("b", &target));
    let served = other.take_served();
    let sent: u64 = served.iter().filter(|line| line.path.ends_with(".stella")).map(|line| line.sent).sum();
    let whole = fs::metadata(&bundle).expect("the bundle").len();
    assert!(sent < whole - 100_000, "{sent} of {whole} bytes fetched again: {served:?} {resumed}");
}

/// While one agent works, the second is told so with 10 and changes nothing; after the first died, the next goes on.
#[test]
fn somebody_else_is_at_work() {
    let Fleet { world, device, base, target, .. } = fleet();
    let server = Server::start(&world.path("site"));
    server.answer(|_| Answer::Silence(150_000));
    let url = server.url("stable/v2.stella");
    let first = start(&mut device.command(&["install", &url]));
    let patience = Instant::now();
    while server.take_served().is_empty() {
        assert!(patience.elapsed() < Duration::from_secs(30), "the first agent asks for nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    for verb in [vec!["install", &url], vec!["resume"], vec!["cancel"], vec!["daemon"]] {
        stopped(&device, &base, device.agent(&verb), 10, "busy");
    }
    assert_eq!(device.status()["running"], "A");
    let (_, killed) = first.kill_after(Duration::ZERO);
    assert!(killed);
    server.answer(|_| Answer::Whole);
    let _ = device.agent(&["install", &url]).expect(4);
    assert!(device.holds("b", &target));
}

/// Ctrl-C stops an install in good order; `cancel` calls it off; then another one can begin.
#[test]
fn stopping_and_calling_off() {
    let Fleet { world, device, base, target, bundle } = fleet();
    let server = Server::start(&world.path("site"));
    // Silent in the middle of the payload, when the journal knows of the install.
    server.answer(|asked| if asked.bytes < 100_000 { Answer::Whole } else { Answer::Silence(50_000) });
    let url = server.url("stable/v2.stella");
    let running = start(&mut device.command(&["install", &url]));
    while !server.take_served().iter().any(|line| line.sent == 50_000) {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal("INT");
    stopped(&device, &base, running.end().sane(), 1, "stopped");
    let _ = device.agent(&["cancel"]).expect(0);
    assert_eq!(device.status()["state"], "idle");
    let _ = device.agent(&["resume"]).expect(3);
    let _ = device.install(&bundle).expect(4);
    assert!(device.holds("b", &target));
    // A slot that waits for its first start can be called off too.
    let _ = device.agent(&["cancel"]).expect(0);
    assert_eq!(device.boot_record(), "stella-boot v1\ndefault a\nend\n");
    assert_eq!(device.power_on(), "A");
}
