//! The simulation notices what it is there for: each wrong device is found, and a right one is not accused. The mutants
//! are planted in the simulated platform only; the agent is always the real one.

use tests_sim::explore::{Effort, Pairs, cuts, errors};
use tests_sim::scenario::Scenario;
use tests_sim::world::{MUTANTS, Mutant};

/// Where a mutant shows: in cuts alone, or only when a call fails and power is cut later.
fn check(mutant: Mutant) -> usize {
    let effort = Effort { samples: 4, subsets: true, pairs: Pairs::None, triples_in: 0 };
    let scenario = match mutant {
        Mutant::HealthAlwaysGood => Scenario::Unhealthy,
        Mutant::BootFileNotSynced | Mutant::BootRenameNotSynced => Scenario::BootFile,
        _ => Scenario::Install,
    };
    let found = match mutant {
        Mutant::StaleSlotCache => errors(scenario, 0, Some(mutant)),
        Mutant::StaleJournalCache => errors(scenario, 12, Some(mutant)),
        _ => cuts(scenario, effort, Some(mutant)),
    };
    println!(
        "sim: {mutant:?} found {} times in {} cases, first: {:?}",
        found.failures.len(),
        found.cases(),
        found.failures.first()
    );
    found.failures.len()
}

#[test]
fn every_mutant_is_found() {
    let missed: Vec<_> = MUTANTS.into_iter().filter(|mutant| check(*mutant) == 0).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
