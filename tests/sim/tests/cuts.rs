//! Power cuts, killed processes, failed calls and broken links, everywhere, in every scenario: no rule is broken and
//! the device always gets where it was going. `STELLA_SIM=long` walks further.

use tests_sim::explore::{Effort, Found, cuts, errors, networks, replay};
use tests_sim::scenario::{Promise, SCENARIOS, Scenario, run};

fn is_long() -> bool {
    std::env::var("STELLA_SIM").is_ok_and(|value| value == "long")
}

fn walk(scenario: Scenario) {
    let mut found = cuts(scenario, Effort::from_environment(scenario), None);
    let failed = errors(scenario, if is_long() { 6 } else { 0 }, None);
    found.errors = failed.errors;
    found.failures.extend(failed.failures);
    found.report(scenario);
}

/// Without a fault each scenario ends well.
#[test]
fn no_faults() {
    for scenario in SCENARIOS {
        let (world, snapshots) = run(scenario.world(), scenario, Promise::Strict, true);
        println!("sim {scenario}: {} operations, {} calls, {} boots", snapshots.len(), world.calls, world.boots);
        assert_eq!(world.violation, None, "{scenario}");
    }
}

#[test]
fn install() {
    walk(Scenario::Install);
}

#[test]
fn local() {
    walk(Scenario::Local);
}

#[test]
fn stream() {
    walk(Scenario::Stream);
}

#[test]
fn boot_file() {
    walk(Scenario::BootFile);
}

#[test]
fn unhealthy() {
    walk(Scenario::Unhealthy);
}

#[test]
fn dead() {
    walk(Scenario::Dead);
}

#[test]
fn rollback() {
    walk(Scenario::Rollback);
}

#[test]
fn downgrade() {
    walk(Scenario::Downgrade);
}

#[test]
fn cancel() {
    walk(Scenario::Cancel);
}

/// The link breaks at a byte: after resuming, at most one group was fetched twice.
#[test]
fn network() {
    let step = if is_long() { 61 } else { 977 };
    for scenario in [Scenario::Install, Scenario::Stream] {
        let found: Found = networks(scenario, step);
        found.report(scenario);
    }
}

/// Replays the case of `STELLA_SIM_REPLAY`.
#[test]
fn replay_line() {
    if let Ok(line) = std::env::var("STELLA_SIM_REPLAY") {
        let violation = replay(&line).expect("a replay line");
        assert_eq!(violation, None, "{line}");
    }
}
