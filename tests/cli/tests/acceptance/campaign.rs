//! Many installs, each killed at random moments while every connection is cut at a random byte.

use std::collections::BTreeMap;
use std::time::Duration;
use tests_cli::run::start;
use tests_cli::server::{Answer, PIECE_BYTES, Server, sent_twice};
use tests_cli::world::Making;
use tests_cli::{Chance, Device, World, images, rounds};

const GROUP_BYTES: u64 = 64 * 1024;
/// What a kill costs beside the group that was being fetched: the start of the next group in the agent's read buffer
/// (16 KiB), the piece that the server had sent and nobody read, and the head, which an `install` reads anew.
const ON_THE_WAY_BYTES_MAX: u64 = 16 * 1024 + PIECE_BYTES as u64 + 4 * 1024;
/// More than any install needs; a device that does not get on fails instead of running for ever.
const TRIES_MAX: u32 = 40;

/// What all rounds together cost.
#[derive(Debug, Default)]
struct Totals {
    cuts: u64,
    kills: u64,
    sent: u64,
    again_by_cuts: u64,
    again_by_kills: u64,
    most_again: u64,
    resumes: u64,
}

/// Whatever is cut or killed, at any moment, the install ends in the target after resuming, and of the bundle at most
/// one group of 64 KiB is fetched again per interruption.
///
/// A cut costs nothing but what was on the wire, because the agent asks for the very next byte.
#[test]
fn installs_survive_kills_and_cuts_at_random_moments() {
    let world = World::new();
    let base = images::image(11, 1024);
    let target = images::update(&base, 12, 400);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    world.publish(&["v2.stella"]);
    let server = Server::start(&world.path("site"));
    let url = server.url("stable/v2.stella");
    server.wait_for_readers();
    let device = Device::new(&world, "device", &base);
    // How long an install takes here decides when it is killed; it follows the load of the machine.
    let mut typical = device.agent(&["install", &url]).expect(4).took;

    let rounds = rounds(24);
    let bundle_bytes = world.read("v2.stella").len() as u64;
    let (mut totals, mut by_kills) = (Totals::default(), BTreeMap::new());
    let (mut round, mut attempt) = (0, 0);
    while round < rounds {
        attempt += 1;
        assert!(attempt <= rounds * 8, "installs end before they can be killed");
        let seed = 0x57e1_1a00 + u64::from(attempt);
        let mut chance = Chance::new(seed);
        device.reset(&base);
        // Payloads are either fetched first or applied while they arrive; both ways are walked.
        device.configure(if round.is_multiple_of(2) { "" } else { "spool_bytes = 0\n" });
        let mut cut = Chance::new(seed ^ 0xc07);
        server.answer(move |asked| Answer::Cut(cut.up_to(asked.bytes).max(1)));
        server.take_served();
        let (kills, mut killed, mut tries, mut resumes) = (1 + chance.up_to(2), 0, 0, 0);
        let (mut served, mut again_by_cuts) = (Vec::new(), 0);
        let last = loop {
            tries += 1;
            assert!(tries <= TRIES_MAX, "seed {seed:#x}: no end after {tries} runs");
            let verb = if tries > 1 && chance.up_to(1) == 0 { vec!["resume"] } else { vec!["install", &url] };
            resumes += u64::from(verb.len() == 1);
            let running = start(&mut device.command(&verb));
            let (run, was_killed) = match killed < kills {
                true => running.kill_after(typical.mul_f64(chance.up_to(1000) as f64 / 1000.0)),
                false => (running.end(), false),
            };
            // The server may still be sending into the socket of a process that is gone.
            std::thread::sleep(Duration::from_millis(if was_killed { 5 } else { 0 }));
            let lines = server.take_served();
            again_by_cuts += sent_twice(&lines, "/stable/v2.stella").1;
            served.extend(lines);
            if was_killed {
                killed += 1;
                continue;
            }
            let run = run.sane();
            match run.code {
                Some(4) => break run,
                // Nothing to resume: the kill came before the journal knew of the install.
                Some(3) if verb.len() == 1 => {}
                _ => panic!("seed {seed:#x}: {run}"),
            }
        };
        if tries == 1 {
            typical = (typical + last.took) / 2;
        }
        assert!(device.holds("b", &target) && device.holds("a", &base), "seed {seed:#x}: {last}");
        assert!(device.boot_record().contains("trial b 3"), "seed {seed:#x}");
        let (sent, again) = sent_twice(&served, "/stable/v2.stella");
        let cuts = served.iter().filter(|line| line.sent > 0 && line.start + line.sent < bundle_bytes).count() as u64;
        assert!(
            again_by_cuts <= cuts * GROUP_BYTES,
            "seed {seed:#x}: {again_by_cuts} bytes again by {cuts} cuts alone"
        );
        let again_by_kills = again - again_by_cuts;
        let most = killed * (GROUP_BYTES + ON_THE_WAY_BYTES_MAX);
        assert!(again_by_kills <= most, "seed {seed:#x}: {again_by_kills} bytes again by {killed} kills");
        if killed == 0 {
            // It was done before its moment came: not one of the rounds.
            continue;
        }
        round += 1;
        *by_kills.entry(killed).or_insert(0u32) += 1;
        totals.resumes += resumes;
        totals.cuts += cuts;
        totals.kills += killed;
        totals.sent += sent;
        totals.again_by_cuts += again_by_cuts;
        totals.again_by_kills += again_by_kills;
        totals.most_again = totals.most_again.max(again_by_kills / killed);
    }
    println!(
        "{rounds} installs of about {typical:?}, each killed and all ended in the target: {} kills ({by_kills:?} by number), \
         {} connections cut, {} resumes; {} bytes of the bundle sent, {} again after a cut, {} again after a kill ({} a kill \
         on average, at most {} a kill in one round)",
        totals.kills,
        totals.cuts,
        totals.resumes,
        totals.sent,
        totals.again_by_cuts,
        totals.again_by_kills,
        totals.again_by_kills / totals.kills,
        totals.most_again,
    );
}

/// Errors of a server are told apart: those that pass are waited for, those that stay end the install with 9 at once.
#[test]
fn errors_of_the_server() {
    let world = World::new();
    let base = images::image(13, 600);
    let target = images::update(&base, 14, 100);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    let server = Server::start(world.folder());
    let url = server.url("v2.stella");
    let device = Device::new(&world, "device", &base);

    for status in [403, 404, 410] {
        server.answer(move |_| Answer::Status(status));
        server.take_served();
        let run = device.agent(&["install", &url]).expect(9);
        assert_eq!(server.take_served().len(), 1, "{status} is final: {run}");
        let run = run.says(&status.to_string());
        assert_eq!(run.word(), if status == 403 { "source-denied" } else { "source-missing" }, "{run}");
    }
    device.configure("[network]\nretries = 3\nretry_first_seconds = 0\nretry_longest_seconds = 0\n");
    for status in [500, 503, 429] {
        server.answer(move |_| Answer::Status(status));
        server.take_served();
        let run = device.agent(&["install", &url]).expect(9);
        assert_eq!(run.word(), "network", "{run}");
        assert_eq!(server.take_served().len(), 4, "{status} is tried again: {run}");
    }
    assert!(device.read("b.img").iter().all(|byte| *byte == 0xa5), "nothing is written");
    // Two refusals, then bytes.
    let mut number = 0;
    server.answer(move |_| {
        number += 1;
        if number <= 2 { Answer::Status(503) } else { Answer::Whole }
    });
    let _ = device.agent(&["install", &url]).expect(4);
    assert!(device.holds("b", &target));
    // A server without ranges works too.
    device.reset(&base);
    server.forget_ranges();
    let _ = device.agent(&["install", &url]).expect(4);
    assert!(device.holds("b", &target));
}
