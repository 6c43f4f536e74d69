//! The machine on paper: which states take which events, where each state exits, what a restart makes of it, and that
//! the largest record fits the journal. Order under faults is proven by `tests/sim`, with the real executor.

use agent_machine::*;
use delta_format::bytes::Bytes;
use delta_format::capsule::LogHead;
use delta_format::header::ImageId;
use delta_format::journal::BODY_BYTES_MAX;
use delta_format::ops::Watermark;
use delta_format::rollback::Release;
use delta_format::{Blake3, NoteKeyId, Sha256, Version};

fn image(byte: u8) -> ImageId {
    ImageId { length: u64::MAX >> 16, blake3: Blake3::new([byte; 32]), sha256: Sha256::new([byte; 32]) }
}

fn version(text: &str) -> Version {
    text.parse().expect("a version")
}

fn release(byte: u8, text: &str) -> Release {
    Release { version: version(text), image: image(byte) }
}

fn install(byte: u8, text: &str) -> Goal {
    Goal {
        kind: Kind::Install {
            bundle: BundleRef {
                head: Blake3::new([byte; 32]),
                origin: Origin::cut("https://example.org/bundle.stella"),
            },
        },
        slot: Slot::B,
        release: release(byte, text),
        attested_floor: None,
    }
}

fn rollback() -> Goal {
    Goal {
        kind: Kind::Rollback { from: release(2, "2.0") },
        slot: Slot::B,
        release: release(1, "1.0"),
        attested_floor: Some(version("0.9")),
    }
}

fn boot(number: u8, running: Slot, default: Slot, trial: Option<(Slot, u8)>) -> BootFacts {
    BootFacts {
        boot: BootId(Bytes([number; 16])),
        running,
        loader: BootState {
            default,
            trial: trial.map(|(slot, tries_left)| TrialBoot { slot, tries_left }),
            bad: [false; 2],
        },
    }
}

/// In slot A, nothing on trial.
fn at_home() -> BootFacts {
    boot(1, Slot::A, Slot::A, None)
}

fn work(goal: Goal) -> Preparing {
    Preparing { goal, watermark: Watermark::default(), attempts: 0, rewrites: 0 }
}

/// One of each state, for an install.
fn states() -> Vec<State> {
    let goal = || install(2, "2.0");
    let boot = BootId(Bytes([1; 16]));
    vec![
        State::Idle(Idle {}),
        State::Preparing(work(goal())),
        State::Releasing(Releasing { work: work(goal()), prepared: true }),
        State::Applying(Applying { work: work(goal()) }),
        State::ReadingBack(ReadingBack { work: work(goal()) }),
        State::CheckingPrevious(CheckingPrevious { goal: rollback(), attempts: 0 }),
        State::Arming(Arming { goal: goal(), attempts: 0 }),
        State::AwaitingReboot(AwaitingReboot { goal: goal(), armed_in: boot }),
        State::Trial(Trial { goal: goal(), boot, checks: 0 }),
        State::Committing(Committing { goal: goal() }),
        State::FallingBack(FallingBack { goal: goal(), attempts: 0 }),
        State::Returning(Returning { goal: goal(), marked_in: boot, attempts: 0 }),
        State::Disarming(Disarming { goal: goal() }),
    ]
}

fn failure(class: Class) -> Failure {
    Failure::new(Stage::Apply, class, "test")
}

/// One of each event.
fn events() -> Vec<Event> {
    vec![
        Event::Learn(Learned::default()),
        Event::Install { goal: install(3, "3.0"), lift: false, learned: Learned::default() },
        Event::RollBack { goal: rollback() },
        Event::Cancel,
        Event::Condemn(failure(Class::Operator)),
        Event::Lift { image: Blake3::new([9; 32]) },
        Event::Stored,
        Event::Prepared { base: Some(image(1)) },
        Event::Released,
        Event::Applied { watermark: Watermark { segment: 1, payload_offset: 1 } },
        Event::AppliedAll,
        Event::ReadBack { matches: true },
        Event::Armed,
        Event::ChecksBegin,
        Event::ChecksStopped,
        Event::Healthy,
        Event::Committed,
        Event::MarkedBad,
        Event::Disarmed,
        Event::Failed { failure: failure(Class::Network), progressed: false },
    ]
}

/// A machine whose record is stored.
fn machine(state: State, boot: BootFacts) -> Machine {
    let record = Record { state, ..Record::default() };
    let machine = Machine::start(Some(record), boot);
    match machine.effect() {
        Effect::Store => machine.step(Event::Stored).expect("stored").0,
        _ => machine,
    }
}

/// Hands in events, storing in between; gives the names of the states.
fn walk(mut machine: Machine, events: Vec<Event>) -> (Machine, Vec<&'static str>) {
    let mut names = Vec::new();
    for event in events {
        machine = machine.step(event).expect("expected").0;
        if machine.effect() == Effect::Store {
            machine = machine.step(Event::Stored).expect("stored").0;
        }
        names.push(machine.state().name());
    }
    (machine, names)
}

/// Which completion events each state takes; commands have their own tests. Everything else is refused as a bug of the
/// executor, and the record stays.
#[test]
fn a_state_takes_the_event_it_waits_for() {
    let expected = [
        ("idle", ""),
        ("preparing", "prepared failed"),
        ("releasing", "released failed"),
        ("applying", "applied applied-all failed"),
        ("reading-back", "read-back failed"),
        ("checking-previous", "read-back failed"),
        ("arming", "armed failed"),
        ("awaiting-reboot", ""),
        ("trial", "checks-begin checks-stopped healthy failed"),
        ("committing", "committed failed"),
        ("falling-back", "marked-bad failed"),
        ("returning", ""),
        ("disarming", "disarmed failed"),
    ];
    // The states as they are in the run that made them: reached by events, not by a restart that would map them.
    let goal = || install(2, "2.0");
    let prepared = Event::Prepared { base: Some(image(1)) };
    let to_trial = State::Trial(Trial { goal: goal(), boot: BootId(Bytes([1; 16])), checks: 0 });
    let in_b = boot(1, Slot::B, Slot::A, Some((Slot::B, 2)));
    let begin = Event::Install { goal: goal(), lift: false, learned: Learned::default() };
    let fresh = || machine(State::Idle(Idle {}), at_home());
    let after = |events: Vec<Event>| walk(fresh(), events).0;
    let on_trial = || machine(to_trial.clone(), in_b);
    let unhealthy = Event::Failed { failure: failure(Class::Unhealthy), progressed: false };
    let read = Event::ReadBack { matches: true };
    let written = vec![begin.clone(), prepared.clone(), Event::Released, Event::AppliedAll];
    let with = |more: &[Event]| [written.clone(), more.to_vec()].concat();
    let machines = [
        fresh(),
        after(vec![begin.clone()]),
        after(written[..2].to_vec()),
        after(written[..3].to_vec()),
        after(written.clone()),
        after(vec![Event::RollBack { goal: rollback() }]),
        after(with(std::slice::from_ref(&read))),
        after(with(&[read.clone(), Event::Armed])),
        on_trial(),
        walk(on_trial(), vec![Event::Healthy]).0,
        walk(on_trial(), vec![unhealthy.clone()]).0,
        walk(on_trial(), vec![unhealthy, Event::MarkedBad]).0,
        after(with(&[read, Event::Armed, Event::Cancel])),
    ];
    for (machine, (name, takes)) in machines.into_iter().zip(expected) {
        assert_eq!(machine.state().name(), name);
        let commands = ["learn", "install", "roll-back", "cancel", "condemn", "lift"];
        for event in events() {
            let event_name = event.name();
            if commands.contains(&event_name) {
                continue;
            }
            let taken = machine.clone().step(event).is_ok();
            assert_eq!(taken, takes.split(' ').any(|name| name == event_name), "{name} {event_name}");
        }
    }
}

/// Nothing happens between a change of the record and its storing.
#[test]
fn store_comes_before_everything() {
    let (machine, effect) = machine(State::Idle(Idle {}), at_home())
        .step(Event::Install { goal: install(2, "2.0"), lift: false, learned: Learned::default() })
        .expect("accepted");
    assert_eq!(effect, Effect::Store);
    for event in events().into_iter().filter(|event| *event != Event::Stored) {
        assert!(matches!(machine.clone().step(event), Err(Rejected::Unexpected { .. })));
    }
    let (_, effect) = machine.step(Event::Stored).expect("stored");
    assert_eq!(effect, Effect::Prepare);
}

/// The straight way, and what the record says at its end.
#[test]
fn install_and_commit() {
    let events = vec![
        Event::Install { goal: install(2, "2.0"), lift: false, learned: Learned::default() },
        Event::Prepared { base: Some(image(1)) },
        Event::Released,
        Event::AppliedAll,
        Event::ReadBack { matches: true },
        Event::Armed,
    ];
    let (armed, names) = walk(machine(State::Idle(Idle {}), at_home()), events);
    let expected = ["preparing", "releasing", "applying", "reading-back", "arming", "awaiting-reboot"];
    assert_eq!(names, expected);
    assert_eq!(armed.facts().version_floor, Version::ZERO, "the floor waits for the commit");
    let second = boot(2, Slot::B, Slot::A, Some((Slot::B, 2)));
    let trial = Machine::start(Some(armed.record().clone()), second);
    let trial = trial.step(Event::Stored).expect("a trial is stored").0;
    let (done, names) = walk(trial, vec![Event::ChecksBegin, Event::Healthy, Event::Committed]);
    assert_eq!(names, ["trial", "committing", "idle"]);
    assert_eq!(done.facts().version_floor, version("2.0"));
    assert_eq!(*done.facts().slot(Slot::B), Content::from(release(2, "2.0")));
    assert_eq!(done.facts().last.as_ref().map(|last| &last.ended), Some(&Ended::Committed));
}

/// A rollback sets the floor that its attestation names, and what was left is not installed again by itself.
#[test]
fn rollback_lowers_the_floor_and_lists_what_it_left() {
    let mut record = Record::default();
    record.facts.version_floor = version("2.0");
    let machine = Machine::start(Some(record), at_home());
    let events = vec![Event::RollBack { goal: rollback() }, Event::ReadBack { matches: true }, Event::Armed];
    let (armed, _) = walk(machine, events);
    let second = boot(2, Slot::B, Slot::A, Some((Slot::B, 2)));
    let trial = Machine::start(Some(armed.record().clone()), second);
    let trial = trial.step(Event::Stored).expect("stored").0;
    let (done, _) = walk(trial, vec![Event::ChecksBegin, Event::Healthy, Event::Committed]);
    assert_eq!(done.facts().version_floor, version("0.9"));
    assert!(done.facts().failed(&image(2).blake3).is_some());
    let again = Goal { slot: Slot::A, ..install(2, "2.0") };
    let home = boot(2, Slot::B, Slot::B, None);
    let done = Machine::start(Some(done.record().clone()), home);
    let again = Event::Install { goal: again, lift: false, learned: Learned::default() };
    assert_eq!(done.step(again).err(), Some(Rejected::FailedHere));
}

/// What a restart makes of each state, by slot that runs: the same boot, back in the old slot, in the new slot.
#[test]
fn restarts() {
    let same = boot(1, Slot::A, Slot::A, None);
    let old = boot(2, Slot::A, Slot::A, Some((Slot::B, 0)));
    let new = boot(2, Slot::B, Slot::A, Some((Slot::B, 2)));
    let expected = [
        ("idle", "idle", "idle", "idle"),
        ("preparing", "preparing", "preparing", "idle"),
        ("releasing", "releasing", "releasing", "idle"),
        ("applying", "preparing", "preparing", "idle"),
        ("reading-back", "reading-back", "reading-back", "trial"),
        ("checking-previous", "checking-previous", "checking-previous", "trial"),
        ("arming", "reading-back", "falling-back", "trial"),
        ("awaiting-reboot", "awaiting-reboot", "falling-back", "trial"),
        ("trial", "falling-back", "falling-back", "trial"),
        ("committing", "falling-back", "falling-back", "trial"),
        ("falling-back", "falling-back", "falling-back", "falling-back"),
        ("returning", "returning", "falling-back", "falling-back"),
        ("disarming", "disarming", "disarming", "falling-back"),
    ];
    for (state, (name, in_same, in_old, in_new)) in states().into_iter().zip(expected) {
        assert_eq!(state.name(), name);
        let resumed = |boot| machine(state.clone(), boot).state().name();
        assert_eq!((resumed(same), resumed(old), resumed(new)), (in_same, in_old, in_new), "{name}");
    }
}

/// A commit that the boot loader took is finished from its record alone.
#[test]
fn a_taken_commit_is_finished() {
    let committing = states().remove(9);
    let taken = boot(2, Slot::B, Slot::B, None);
    let machine = machine(committing, taken);
    assert_eq!(machine.state().name(), "idle");
    assert_eq!(machine.facts().version_floor, version("2.0"));
}

/// However an effect keeps failing, no state is for ever: each ends by giving up, or by a reboot that the boot loader
/// decides. The states that only wait for the boot loader's disk stay until it works again.
#[test]
fn repeated_failures_end() {
    let waits_for_the_boot_loader = ["committing", "disarming", "falling-back"];
    for state in states() {
        let name = state.name();
        let mut machine = machine(state, at_home());
        for _ in 0..200 {
            machine = match machine.effect() {
                Effect::Rest | Effect::Reboot => break,
                Effect::Store => machine.step(Event::Stored).expect("stored").0,
                _ => {
                    let failed = Event::Failed { failure: failure(Class::Device), progressed: false };
                    machine.step(failed).expect("a failure is always taken").0
                }
            };
        }
        let end = machine.state().name();
        let rests = matches!(machine.effect(), Effect::Rest | Effect::Reboot);
        assert!(rests || waits_for_the_boot_loader.contains(&end), "{name} ends in {end}");
    }
}

/// The running slot and the default slot are never a goal.
#[test]
fn slots_that_are_needed_are_refused() {
    let goal =
        |slot| Event::Install { goal: Goal { slot, ..install(2, "2.0") }, lift: false, learned: Learned::default() };
    let idle = |boot| machine(State::Idle(Idle {}), boot);
    assert_eq!(idle(at_home()).step(goal(Slot::A)).err(), Some(Rejected::SlotRunning));
    let by_hand = boot(1, Slot::A, Slot::B, None);
    assert_eq!(idle(by_hand).step(goal(Slot::B)).err(), Some(Rejected::NotDefault));
}

/// A release on trial is decided on before another one is looked at, whatever slot that would go to.
#[test]
fn a_trial_comes_first() {
    let trial = states().remove(8);
    let on_trial = machine(trial, boot(1, Slot::B, Slot::A, Some((Slot::B, 2))));
    let goal = Goal { slot: Slot::A, ..install(3, "3.0") };
    let event = Event::Install { goal, lift: false, learned: Learned::default() };
    assert_eq!(on_trial.step(event).err(), Some(Rejected::TrialFirst));
}

/// An agent that keeps dying in its checks is not healthy; one that is stopped in good order is only late.
#[test]
fn checks_are_counted() {
    let on_trial = || machine(states().remove(8), boot(1, Slot::B, Slot::A, Some((Slot::B, 2))));
    let (dying, _) = walk(on_trial(), vec![Event::ChecksBegin; 4]);
    assert_eq!(dying.state().name(), "falling-back");
    let (late, _) = walk(on_trial(), (0..10).flat_map(|_| [Event::ChecksBegin, Event::ChecksStopped]).collect());
    assert_eq!(late.state().name(), "trial");
}

/// Floors rise only.
#[test]
fn learning_never_lowers() {
    let head = |size| LogHead { log: NoteKeyId::new([1; 4]), tree_size: size, root: Sha256::new([size as u8; 32]) };
    let learn = |size, time| Event::Learn(Learned { heads: [head(size)].into_iter().collect(), time, channel: None });
    let (machine, _) = walk(machine(State::Idle(Idle {}), at_home()), vec![learn(7, 100), learn(5, 50)]);
    assert_eq!(machine.facts().heads[..], [head(7)]);
    assert_eq!(machine.facts().time_floor, 100);
}

/// The largest record that can exist fits one copy of the journal, and comes back the same.
#[test]
fn the_largest_record_fits() {
    let long = |bytes: usize| "x".repeat(bytes);
    let worst = Failure::new(Stage::State, Class::Operator, &long(300)).errno(i32::MIN).detail(&long(2000));
    let big = release(0xff, "4294967295.4294967295.4294967295.4294967295");
    let facts = Facts {
        version_floor: big.version,
        time_floor: u64::MAX,
        heads: (0..HEADS_MAX as u8)
            .map(|log| LogHead { log: NoteKeyId::new([log; 4]), tree_size: u64::MAX, root: Sha256::new([0xff; 32]) })
            .collect(),
        slots: [big.into(); 2],
        failed_here: (0..FAILED_HERE_MAX as u8)
            .map(|image| FailedHere {
                image: Blake3::new([image; 32]),
                version: big.version,
                stage: Stage::State,
                class: Class::Operator,
            })
            .collect(),
        last: Some(LastResult { release: big, rollback: true, ended: Ended::Failed(worst) }),
        channel: Some(ChannelSeen { channel: long(64).parse().expect("a name"), number: u64::MAX }),
    };
    let goal = Goal {
        kind: Kind::Install { bundle: BundleRef { head: Blake3::new([0xff; 32]), origin: Origin::cut(&long(300)) } },
        slot: Slot::B,
        release: big,
        attested_floor: Some(big.version),
    };
    let watermark = Watermark { segment: u64::MAX, payload_offset: u64::MAX };
    let record = Record {
        format: RECORD_FORMAT,
        facts,
        state: State::Releasing(Releasing {
            work: Preparing { goal, watermark, attempts: u8::MAX, rewrites: u8::MAX },
            prepared: true,
        }),
    };
    let mut out = [0; BODY_BYTES_MAX];
    let body = record.encode(&mut out).expect("it fits");
    println!("largest record: {} of {BODY_BYTES_MAX} bytes", body.len());
    assert_eq!(Record::decode(body), Ok(record));
}
