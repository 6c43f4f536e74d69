//! Walks through the faults: every operation, every way to die there, every second death after it; every call that can
//! fail; every byte at which a network can break. Prints how many cases there were, and one line that replays a failure.

use crate::crash::{Crash, crash, crashes_at};
use crate::scenario::{Promise, Scenario, run};
use crate::world::{CallError, Mutant, Snapshot, World};
use delta_apply::IoError;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How thorough a walk is.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Random crashes at each operation of the first run.
    pub samples: u64,
    /// Whether all subsets of up to 8 pending changes are tried.
    pub subsets: bool,
    /// Second crashes: none, one way at each operation, or all ways.
    pub pairs: Pairs,
    /// Third crashes: one in this many pairs is followed by one; 0 for none.
    pub triples_in: usize,
}

/// How many second crashes follow a first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// None.
    None,
    /// After one way to die at each first operation, one way to die, which depends on both, at one in this many second
    /// operations.
    OneWay(u64),
    /// At every operation, after every way to die first, the given number of ways to die.
    EveryWay(usize),
}

impl Effort {
    /// For `cargo test`.
    pub const SHORT: Self = Self { samples: 2, subsets: true, pairs: Pairs::OneWay(1), triples_in: 0 };
    /// For `cargo xtask sim`.
    pub const LONG: Self = Self { samples: 8, subsets: true, pairs: Pairs::EveryWay(4), triples_in: 40 };

    /// [`Effort::LONG`] when `STELLA_SIM=long` is set. The short walk does all pairs of the short scenarios and some of
    /// the long ones, which repeat them.
    pub fn from_environment(scenario: Scenario) -> Self {
        if std::env::var("STELLA_SIM").is_ok_and(|value| value == "long") {
            return Self::LONG;
        }
        let one_in = match scenario {
            Scenario::Install | Scenario::Local | Scenario::Stream => 1,
            Scenario::BootFile => 2,
            Scenario::Rollback | Scenario::Downgrade => 4,
            Scenario::Unhealthy | Scenario::Dead | Scenario::Cancel => 6,
        };
        Self { pairs: Pairs::OneWay(one_in), ..Self::SHORT }
    }
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// Operations of the run without faults.
    pub operations: usize,
    /// Runs with one crash.
    pub singles: u64,
    /// Runs with two.
    pub pairs: u64,
    /// Runs with three.
    pub triples: u64,
    /// Runs with a failed call, with or without a crash after it.
    pub errors: u64,
    /// Runs with a broken network.
    pub networks: u64,
    /// Replay lines with the rule that was broken.
    pub failures: Vec<String>,
}

impl Found {
    /// All runs.
    pub fn cases(&self) -> u64 {
        1 + self.singles + self.pairs + self.triples + self.errors + self.networks
    }

    /// Prints the counts; fails with the replay lines.
    ///
    /// # Panics
    /// When a rule was broken.
    pub fn report(&self, scenario: Scenario) {
        println!(
            "sim {scenario}: {} operations; {} single cuts, {} pairs, {} triples, {} failed calls, {} network cuts; {} cases",
            self.operations,
            self.singles,
            self.pairs,
            self.triples,
            self.errors,
            self.networks,
            self.cases()
        );
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

/// One death in a replay line: `OPERATION/CRASH`.
type Death = (u64, Crash);

fn replay_line(scenario: Scenario, error: Option<CallError>, deaths: &[Death], mutant: Option<Mutant>) -> String {
    let mut line = format!("STELLA_SIM_REPLAY='{scenario}:");
    if let Some(error) = error {
        let _ = write!(line, "call-{}-{},", error.call, error.error.0);
    }
    let deaths: Vec<_> = deaths.iter().map(|(op, crash)| format!("{op}/{crash}")).collect();
    let _ = write!(line, "{}' cargo test -p tests-sim replay", deaths.join(","));
    if let Some(mutant) = mutant {
        let _ = write!(line, "  (with {mutant:?} planted)");
    }
    line
}

struct Walk {
    scenario: Scenario,
    mutant: Option<Mutant>,
    singles: AtomicU64,
    pairs: AtomicU64,
    triples: AtomicU64,
    errors: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Walk {
    fn new(scenario: Scenario, mutant: Option<Mutant>) -> Self {
        Self {
            scenario,
            mutant,
            singles: AtomicU64::new(0),
            pairs: AtomicU64::new(0),
            triples: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            failures: Mutex::new(Vec::new()),
        }
    }

    fn note(&self, world: &World, error: Option<CallError>, deaths: &[Death]) {
        if let Some(violation) = &world.violation {
            let line = replay_line(self.scenario, error, deaths, self.mutant);
            self.failures.lock().expect("no panic").push(format!("{violation}: {line}"));
        }
    }

    fn enough(&self) -> bool {
        self.failures.lock().expect("no panic").len() >= 5
    }

    fn world(&self) -> World {
        World { mutant: self.mutant, ..self.scenario.world() }
    }

    /// Everything that follows one first crash.
    fn after(&self, snapshot: &Snapshot, first: Crash, effort: Effort) {
        let deaths = [(snapshot.number, first)];
        let seconds = match effort.pairs {
            Pairs::None => false,
            // One of the ways to die at each operation, another one from operation to operation.
            Pairs::OneWay(_) => {
                let crashes = crashes_at(snapshot, 1, false);
                crashes[(snapshot.number as usize + 1) % crashes.len()] == first
            }
            Pairs::EveryWay(_) => !matches!(first, Crash::Subset(_)),
        };
        let (world, snapshots) = run(crash(snapshot, first), self.scenario, Promise::Strict, seconds);
        self.singles.fetch_add(1, Ordering::Relaxed);
        self.note(&world, None, &deaths);
        for second in &snapshots {
            if self.enough() {
                return;
            }
            if let Pairs::OneWay(one_in) = effort.pairs
                && !(snapshot.number + second.number).is_multiple_of(one_in)
            {
                continue;
            }
            let crashes = crashes_at(second, 1, false);
            let start = (snapshot.number + second.number) as usize % crashes.len();
            let count = match effort.pairs {
                Pairs::EveryWay(count) => count,
                _ => 1,
            };
            for way in 0..count.min(crashes.len()) {
                let way = crashes[(start + way) % crashes.len()];
                let deaths = [deaths[0], (second.number, way)];
                let number = self.pairs.fetch_add(1, Ordering::Relaxed);
                let thirds = effort.triples_in > 0 && number.is_multiple_of(effort.triples_in as u64);
                let (world, snapshots) = run(crash(second, way), self.scenario, Promise::Strict, thirds);
                self.note(&world, None, &deaths);
                self.third(&snapshots, deaths, number);
            }
        }
    }

    /// One third crash; a trial's three tries may be used up then, so a good release may be given up once.
    fn third(&self, snapshots: &[Snapshot], deaths: [Death; 2], number: u64) {
        let Some(third) = snapshots.get(number as usize % snapshots.len().max(1)) else {
            return;
        };
        let crashes = crashes_at(third, 1, false);
        let way = crashes[number as usize % crashes.len()];
        let (world, _) = run(crash(third, way), self.scenario, Promise::Settles, false);
        self.triples.fetch_add(1, Ordering::Relaxed);
        self.note(&world, None, &[deaths[0], deaths[1], (third.number, way)]);
    }
}

/// Runs `work` for each of `0..count` on two threads.
fn in_parallel(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    work(index);
                }
            });
        }
    });
}

/// All cuts of a scenario, and their pairs.
pub fn cuts(scenario: Scenario, effort: Effort, mutant: Option<Mutant>) -> Found {
    let walk = Walk::new(scenario, mutant);
    let (world, snapshots) = run(walk.world(), scenario, Promise::Strict, true);
    walk.note(&world, None, &[]);
    in_parallel(snapshots.len(), |index| {
        let snapshot = &snapshots[index];
        for first in crashes_at(snapshot, effort.samples, effort.subsets) {
            if walk.enough() {
                return;
            }
            walk.after(snapshot, first, effort);
        }
    });
    Found {
        operations: snapshots.len(),
        singles: walk.singles.into_inner(),
        pairs: walk.pairs.into_inner(),
        triples: walk.triples.into_inner(),
        failures: walk.failures.into_inner().expect("no panic"),
        ..Found::default()
    }
}

/// Error numbers that a call can give: EIO, ENOSPC, EROFS.
const ERRORS: [IoError; 3] = [IoError::EIO, IoError::ENOSPC, IoError(30)];

/// An error from every call; after each, when `crashes` says so, a crash at one of the operations that follow.
pub fn errors(scenario: Scenario, crashes: usize, mutant: Option<Mutant>) -> Found {
    let walk = Walk::new(scenario, mutant);
    let (world, snapshots) = run(walk.world(), scenario, Promise::Strict, false);
    walk.note(&world, None, &[]);
    let calls = world.calls as usize;
    in_parallel(calls * ERRORS.len(), |index| {
        if walk.enough() {
            return;
        }
        let error = CallError { call: (index / ERRORS.len()) as u64, error: ERRORS[index % ERRORS.len()] };
        let world = World { error: Some(error), ..walk.world() };
        let (world, snapshots) = run(world, scenario, Promise::Settles, crashes > 0);
        walk.errors.fetch_add(1, Ordering::Relaxed);
        walk.note(&world, Some(error), &[]);
        let after: Vec<_> = snapshots.iter().filter(|snapshot| snapshot.world.error_hit).collect();
        for which in 0..crashes.min(after.len()) {
            let snapshot = after[(index + which * after.len() / crashes) % after.len()];
            let ways = crashes_at(snapshot, 1, false);
            let way = ways[(index + which) % ways.len()];
            let mut crashed = crash(snapshot, way);
            // It has happened already.
            crashed.error = crashed.error.map(|error| CallError { call: u64::MAX, ..error });
            let (world, _) = run(crashed, scenario, Promise::Settles, false);
            walk.errors.fetch_add(1, Ordering::Relaxed);
            walk.note(&world, Some(error), &[(snapshot.number, way)]);
        }
    });
    Found {
        operations: snapshots.len(),
        errors: walk.errors.into_inner(),
        failures: walk.failures.into_inner().expect("no panic"),
        ..Found::default()
    }
}

/// The network breaks after `step`, `2 * step`, ... bytes, and after each break once more `step` bytes later.
pub fn networks(scenario: Scenario, step: u64) -> Found {
    let walk = Walk::new(scenario, None);
    let bytes = crate::bundles::releases().bundles[1].len() as u64;
    let count = AtomicU64::new(0);
    in_parallel((bytes / step) as usize, |index| {
        let mut world = walk.world();
        world.network_cut_after = Some(index as u64 * step);
        let (world, _) = run(world, scenario, Promise::Strict, false);
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(violation) = &world.violation {
            let failure = format!("{violation}: network cut after {} bytes", index as u64 * step);
            walk.failures.lock().expect("no panic").push(failure);
        }
    });
    Found { networks: count.into_inner(), failures: walk.failures.into_inner().expect("no panic"), ..Found::default() }
}

/// Runs the one case that a replay line names; gives the rule that it breaks.
///
/// # Errors
/// When the line cannot be read or does not fit the scenario.
pub fn replay(line: &str) -> Result<Option<String>, String> {
    let (scenario, rest) = line.split_once(':').ok_or("no scenario")?;
    let scenario: Scenario = scenario.parse()?;
    let mut world = scenario.world();
    world.trace = true;
    let mut promise = Promise::Strict;
    let mut deaths = Vec::new();
    for part in rest.split(',').filter(|part| !part.is_empty()) {
        if let Some(error) = part.strip_prefix("call-") {
            let (call, errno) = error.split_once('-').ok_or("no error number")?;
            world.error = Some(CallError {
                call: call.parse().map_err(|_| "no call number")?,
                error: IoError(errno.parse().map_err(|_| "no error number")?),
            });
            promise = Promise::Settles;
        } else {
            let (op, way) = part.split_once('/').ok_or("no operation")?;
            let op: u64 = op.parse().map_err(|_| "no operation number")?;
            deaths.push((op, way.parse::<Crash>()?));
        }
    }
    let count = deaths.len();
    for (number, (op, way)) in deaths.into_iter().enumerate() {
        let (_, snapshots) = run(world, scenario, promise, true);
        let snapshot = snapshots.get(op as usize).ok_or("there is no such operation")?;
        println!("{way} before operation {op}");
        world = crash(snapshot, way);
        if let Some(error) = &mut world.error {
            error.call = u64::MAX;
        }
        if number + 1 == count && count > 2 {
            promise = Promise::Settles;
        }
    }
    println!("to the end:");
    let (world, _) = run(world, scenario, promise, false);
    Ok(world.violation)
}
