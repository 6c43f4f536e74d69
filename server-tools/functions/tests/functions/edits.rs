//! Edits of made programs are found where they were made, and nowhere else.

use crate::support::{Made, elf, starts};
use delta_functions::{ChangeClass, Class, Diff, Executable, Report};
use proptest::prelude::*;

/// A program whose first function calls all others, directly or not.
fn program() -> Vec<Made> {
    let made = |number, calls: &[usize]| Made { number, calls: calls.to_vec() };
    vec![made(10, &[1, 2]), made(20, &[3]), made(30, &[3, 4]), made(40, &[]), made(50, &[5]), made(60, &[])]
}

/// Pairs with their class, removed functions, added functions.
type Found = (Vec<(u32, u32, Class)>, Vec<u32>, Vec<u32>);

fn classes(base: &[Made], target: &[Made]) -> Found {
    let (base, target) = (elf(base), elf(target));
    let base = Executable::read(&base).expect("a base");
    let target = Executable::read(&target).expect("a target");
    let diff = Diff::new(&base, &target).expect("the same processor");
    (diff.pairs.iter().map(|pair| (pair.base, pair.target, pair.class)).collect(), diff.removed, diff.added)
}

#[test]
fn functions_are_found_from_the_entry_on() {
    let functions = program();
    let file = elf(&functions);
    let file = Executable::read(&file).expect("an executable");
    let found: Vec<u64> = (0..file.len() as u32).filter_map(|i| file.function(i)).map(|info| info.address).collect();
    assert_eq!(found, starts(&functions));
    let sources: Vec<String> =
        (0..3).filter_map(|index| file.function(index)).map(|info| info.sources.to_string()).collect();
    assert_eq!(sources, ["entry", "call", "call"]);
}

/// A function in front moves all behind it, and is the only change besides its caller.
#[test]
fn an_added_function_moves_the_others() {
    let base = program();
    let mut target: Vec<Made> = base.clone();
    for function in &mut target {
        function.calls.iter_mut().filter(|callee| **callee >= 2).for_each(|callee| *callee += 1);
    }
    target.insert(2, Made { number: 70, calls: Vec::new() });
    target[0].calls.push(2);
    let (pairs, removed, added) = classes(&base, &target);
    let expected = [
        (0, 0, Class::Modified),
        (1, 1, Class::Moved),
        (2, 3, Class::Identical),
        (3, 4, Class::Identical),
        (4, 5, Class::Identical),
        (5, 6, Class::Identical),
    ];
    assert_eq!((pairs, removed, added), (expected.to_vec(), vec![], vec![2]));
}

/// A call that leads to another function of the same shape is no move.
#[test]
fn another_callee_is_a_retargeted_function() {
    let base = program();
    let mut target = base.clone();
    target[1].calls = vec![5];
    let (pairs, removed, added) = classes(&base, &target);
    let changed: Vec<_> = pairs.iter().filter(|(.., class)| *class != Class::Identical).collect();
    assert_eq!(changed, [&(1, 1, Class::Retargeted)]);
    assert!(removed.is_empty() && added.is_empty());
}

#[test]
fn a_report_lists_what_changed_and_nothing_else() {
    let base = program();
    let mut target = base.clone();
    target[4].calls.push(3);
    let (base, target) = (elf(&base), elf(&target));
    let (base, target) = (Executable::read(&base).expect("a base"), Executable::read(&target).expect("a target"));
    let diff = Diff::new(&base, &target).expect("the same processor");
    let report = Report::new(&base, &target, &diff);
    let changes: Vec<_> =
        report.changes.iter().map(|c| (c.class, c.size_delta(), c.fan.fan_in, c.fan.fan_out)).collect();
    assert_eq!(changes, [(ChangeClass::Modified, 5, 1, 2)]);
}

proptest! {
    /// Whatever functions there are and whoever calls whom: a program against itself is identical, and in another order
    /// of its functions everything is found again.
    #[test]
    fn order_does_not_matter(
        numbers in prop::collection::btree_set(1_000_u32..1_000_000, 2..30),
        order in prop::collection::vec(any::<u16>(), 30),
    ) {
        let count = numbers.len();
        let base: Vec<Made> = (0..).zip(&numbers).map(|(index, number)| {
            // Each is called by the one before, so that all are found.
            Made { number: *number, calls: (index + 1 < count).then_some(index + 1).into_iter().collect() }
        }).collect();
        let mut places: Vec<usize> = (1..count).collect();
        places.sort_by_key(|place| order[*place]);
        places.insert(0, 0);
        let place_of = |old: usize| places.iter().position(|place| *place == old).expect("a permutation");
        let target: Vec<Made> = places.iter().map(|old| Made {
            number: base[*old].number,
            calls: base[*old].calls.iter().map(|callee| place_of(*callee)).collect(),
        }).collect();
        let (pairs, removed, added) = classes(&base, &base);
        prop_assert!(pairs.iter().all(|(x, y, class)| x == y && *class == Class::Identical));
        prop_assert!(removed.is_empty() && added.is_empty() && pairs.len() == count);
        let (pairs, removed, added) = classes(&base, &target);
        prop_assert!(removed.is_empty() && added.is_empty());
        for (x, y, class) in pairs {
            prop_assert_eq!(y as usize, place_of(x as usize));
            prop_assert!(class <= Class::Moved);
        }
    }
}
