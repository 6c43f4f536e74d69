//! Damaged and forged files: whatever happens to a bundle on its way, a device refuses it for the right reason and its
//! slots stay as they are.
//!
//! Every case runs the agent's own `verify` and `install` in this process, because thousands of processes would take
//! minutes; each 16th (with `STELLA_CAMPAIGN`: each) also runs through the program, to see that nothing gets lost on the
//! way to the exit code, and that the program neither panics nor hangs.

use delta_verify::blake3_of_parts;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use stella_agent::config::{self, Settings};
use stella_agent::socket::Request;
use stella_agent::stop::Stop;
use stella_agent::verbs;
use tests_cli::world::Making;
use tests_cli::{Chance, Device, World, images, is_long};

/// Bytes before the body of a signed file (docs/formats/bundle.md, "Container").
const PREFIX_BYTES: usize = 48;
/// Threads that test cases.
const THREADS: usize = 3;

/// One broken file.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// Words that are the right reason.
    reasons: &'static [&'static str],
}

/// A device with its own place for the broken file.
struct Bench<'a> {
    device: Device,
    settings: Settings,
    file: PathBuf,
    before: [Vec<u8>; 3],
    base: &'a [u8],
}

const UNTOUCHED: [&str; 3] = ["a.img", "b.img", "boot/record"];

impl<'a> Bench<'a> {
    fn new(world: &World, number: usize, base: &'a [u8]) -> Self {
        let device = Device::new(world, &format!("device-{number}"), base);
        let settings = config::load(Some(device.folder())).expect("the configuration is right");
        let file = world.path(&format!("broken-{number}.stella"));
        let before = UNTOUCHED.map(|name| device.read(name));
        Self { device, settings, file, before, base }
    }

    /// Tests one case; gives the reason.
    fn check(&self, case: &Case, through_the_program: bool) -> String {
        std::fs::write(&self.file, &case.bytes).expect("a file");
        let path = self.file.to_str().expect("a plain path").to_owned();
        let verified = verbs::verify(&path, &self.settings, &Stop::default(), &mut ());
        let install = Request::Install { bundle: Some(path), from: None, force: false };
        let installed = verbs::perform(&install, &self.settings, &Stop::default(), &mut ());
        for report in [&verified, &installed] {
            let said = format!("{}: {} {}", case.name, report.code, report.text);
            assert!(matches!(report.exit as u8, 5 | 7 | 2), "exit code {}, {said}", report.exit as u8);
            assert!(case.reasons.contains(&report.code.as_str()), "{said}");
        }
        if through_the_program {
            let run = self.device.agent(&[OsStr::new("verify"), self.file.as_os_str()]).expect(verified.exit as i32);
            assert_eq!(run.word(), verified.code, "{}", case.name);
            let run = self.device.install(&self.file).expect(installed.exit as i32);
            assert_eq!(run.word(), installed.code, "{}", case.name);
        }
        for (name, before) in UNTOUCHED.iter().zip(&self.before) {
            assert!(self.device.read(name) == *before, "{}: {name} was written", case.name);
        }
        installed.code
    }
}

/// Runs all cases on some devices, then installs the good file on each; prints how often each reason was given.
fn check_all(world: &World, base: &[u8], cases: &[Case], good: &str) {
    let (next, reasons, processes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()), AtomicUsize::new(0));
    let each = if is_long() { 1 } else { 16 };
    thread::scope(|scope| {
        for number in 0..THREADS {
            let bench = Bench::new(world, number, base);
            let (next, reasons, processes) = (&next, &reasons, &processes);
            scope.spawn(move || {
                while let Some((index, case)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|index| cases.get(index).map(|case| (index, case)))
                {
                    let through_the_program = index.is_multiple_of(each);
                    processes.fetch_add(2 * usize::from(through_the_program), Ordering::Relaxed);
                    let reason = bench.check(case, through_the_program);
                    *reasons.lock().expect("no holder panics").entry(reason).or_insert(0) += 1;
                }
                let _ = bench.device.install(&world.path(good)).expect(4);
                assert!(bench.device.holds("a", bench.base));
            });
        }
    });
    let reasons = reasons.into_inner().expect("no holder panics");
    assert_eq!(reasons.values().sum::<i32>() as usize, cases.len());
    println!("{} cases refused, {} runs of the program: {reasons:?}", cases.len(), processes.into_inner());
}

fn small_world() -> (World, Vec<u8>, Vec<u8>) {
    let world = World::new();
    let base = images::image(3, 96);
    world.write("v1.img", &base);
    let mut target = base.clone();
    target[5000..7400].copy_from_slice(&Chance::new(4).bytes(2400));
    target[70_000..70_012].copy_from_slice(b"release two!");
    world.write("v2.img", &target);
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    let bundle = world.read("v2.stella");
    assert!((3000..6000).contains(&bundle.len()), "the bundle has {} bytes", bundle.len());
    (world, base, bundle)
}

/// Each byte of a bundle changed (one bit and all bits), and each truncation, and each appended rest, is refused as
/// damage before a slot is touched.
#[test]
fn every_damaged_byte_and_every_truncation_is_refused() {
    let (world, base, bundle) = small_world();
    let mut cases = Vec::new();
    let reasons = &["damaged", "malformed"];
    for at in 0..bundle.len() {
        for flip in [1 << (at % 8), 0xff] {
            let mut bytes = bundle.clone();
            bytes[at] ^= flip;
            cases.push(Case { name: format!("byte {at} ^ {flip:#x}"), bytes, reasons });
        }
        cases.push(Case { name: format!("the first {at} bytes"), bytes: bundle[..at].to_vec(), reasons });
    }
    for rest in [1, 4096] {
        let bytes = [&bundle[..], &vec![0; rest]].concat();
        cases.push(Case { name: format!("{rest} bytes more"), bytes, reasons });
    }
    println!("a bundle of {} bytes", bundle.len());
    check_all(&world, &base, &cases, "v2.stella");
}

/// Each byte of header and proofs changed by somebody who also repairs the checksum is refused by what it breaks: a
/// signature, the log proof, a checkpoint, a witness.
#[test]
fn every_forged_byte_of_the_head_is_refused() {
    let (world, base, bundle) = small_world();
    let length = |at: usize| u32::from_le_bytes(bundle[at..at + 4].try_into().expect("four bytes")) as usize;
    let head_bytes = PREFIX_BYTES + length(8) + length(12);
    let forged = &[
        "damaged",
        "malformed",
        "wrong-key",
        "signature-invalid",
        "threshold-not-met",
        "not-logged",
        "unknown-log",
        "not-in-log",
        "checkpoint-invalid",
        "cosignature-invalid",
        "witness-quorum",
    ];
    let cases: Vec<Case> = (PREFIX_BYTES..head_bytes)
        .flat_map(|at| [(at, 1 << (at % 8)), (at, 0xff)])
        .map(|(at, flip)| {
            let mut bytes = bundle.clone();
            bytes[at] ^= flip;
            let checksum = blake3_of_parts(&[&bytes[..16], &bytes[PREFIX_BYTES..head_bytes]]);
            bytes[16..PREFIX_BYTES].copy_from_slice(checksum.as_bytes());
            Case { name: format!("byte {at} ^ {flip:#x}, with the right checksum"), bytes, reasons: forged }
        })
        .collect();
    check_all(&world, &base, &cases, "v2.stella");
}

/// The host's `delta verify` and `delta apply` refuse what the device refuses; a sample of the bytes, by processes.
#[test]
fn the_host_refuses_damage_too() {
    let (world, _, bundle) = small_world();
    let each = if is_long() { 5 } else { 97 };
    let mut count = 0;
    for at in (0..bundle.len()).step_by(each) {
        let mut flipped = bundle.clone();
        flipped[at] ^= 0x10;
        for bytes in [&flipped[..], &bundle[..at]] {
            world.write("broken.stella", bytes);
            let run = world.stella(&["delta", "verify", "--trust", "fleet.trust", "broken.stella"]);
            assert!(matches!(run.code, Some(5 | 7 | 2)), "byte {at}: {run}");
            let apply = ["delta", "apply", "--trust", "fleet.trust", "--base", "v1.img", "--target", "out.img"];
            let run = world.stella(&[&apply[..], &["broken.stella"]].concat());
            assert!(matches!(run.code, Some(5 | 7 | 2)), "byte {at}: {run}");
            assert!(!world.path("out.img").exists(), "byte {at}: a target was left");
            count += 2;
        }
    }
    let left: Vec<_> = std::fs::read_dir(world.folder()).expect("a folder").flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".tmp")), "{left:?}");
    println!("{count} runs of the host's program refused");
}
