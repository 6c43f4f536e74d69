//! Measures discovery and matching: `tests-bench BASE STRIPPED-BASE [TARGET STRIPPED-TARGET]`.
//!
//! In: executables with symbols, and the same without. Functions are found and paired in the stripped ones; symbols of the
//! others are the truth. Out: for people, what differs (`--wrong` lists it); with `--json`, a last line of counts,
//! which `cargo xtask bench functions` reads. A file without symbols may stand for both: then counts are all there is.

use delta_functions::{Class, Diff, Executable, Sources, Stage, label};
use std::collections::{BTreeMap, BTreeSet};

/// A file as it is analysed, and the one whose names are the truth.
struct Subject<'a> {
    stripped: Executable<'a>,
    named: Executable<'a>,
}

fn main() {
    let (flags, paths): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    if !matches!(paths.len(), 2 | 4) {
        return eprintln!("tests-bench [--wrong] [--json] BASE STRIPPED-BASE [TARGET STRIPPED-TARGET]");
    }
    let bytes: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("a readable file")).collect();
    let read = |bytes| Executable::read(bytes).expect("an executable");
    let subjects: Vec<Subject<'_>> =
        bytes.chunks(2).map(|two| Subject { named: read(&two[0]), stripped: read(&two[1]) }).collect();
    let lists_wrong = has("--wrong");
    let found: Vec<[usize; 3]> = subjects.iter().map(|subject| discovery(subject, lists_wrong)).collect();
    let mut numbers = [0; 5];
    if let [base, target] = subjects.as_slice() {
        let diff = Diff::new(&base.stripped, &target.stripped).expect("the same processor");
        numbers = matching(base, target, &diff, lists_wrong);
    }
    if has("--json") {
        let [named, right, counted] = found[0];
        let [possible, right_pairs, wrong_pairs, proved_right, proved_wrong] = numbers;
        println!(
            "{{\"machine\":\"{}\",\"format\":\"{:?}\",\"functions\":{},\"named\":{named},\"right\":{right},\
             \"counted\":{counted},\"pairs_possible\":{possible},\"pairs_right\":{right_pairs},\
             \"pairs_wrong\":{wrong_pairs},\"proved_right\":{proved_right},\"proved_wrong\":{proved_wrong}}}",
            subjects[0].stripped.machine().name(),
            subjects[0].stripped.format(),
            subjects[0].stripped.len(),
        );
    }
}

fn percent(part: usize, all: usize) -> f64 {
    part as f64 * 100.0 / all.max(1) as f64
}

/// Addresses that symbols name.
fn truth<'a>(file: &Executable<'a>) -> BTreeMap<u64, Vec<&'a [u8]>> {
    let mut truth: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    let is_elf = file.format() == delta_functions::Format::Elf;
    for (address, name, bytes) in file.symbols() {
        if (bytes > 0 || !is_elf) && !name.starts_with(b".") && file.is_code(address) {
            truth.entry(address).or_default().push(name);
        }
    }
    truth
}

/// Functions that symbols name; of these found; found and neither named nor without a size.
fn discovery(subject: &Subject<'_>, lists_wrong: bool) -> [usize; 3] {
    let file = &subject.stripped;
    let functions: Vec<_> = (0..file.len() as u32).filter_map(|index| file.function(index)).collect();
    println!(
        "{} {:?}: {} functions, {} of {} bytes of code, {:?}",
        file.machine().name(),
        file.format(),
        functions.len(),
        file.function_bytes(),
        file.code_bytes(),
        file.degraded()
    );
    let mut by_source: BTreeMap<&str, usize> = BTreeMap::new();
    for function in &functions {
        *by_source.entry(function.sources.names().next().unwrap_or_default()).or_default() += 1;
    }
    println!("  surest source: {by_source:?}");
    let truth = truth(&subject.named);
    let named = truth.len();
    if named < 50 {
        return [0; 3];
    }
    // Hand-written starts of programs have names without a size: real, but neither asked for nor held against.
    let unsized_names: BTreeSet<u64> = subject.named.symbols().map(|(address, ..)| address).collect();
    let functions: Vec<_> = functions
        .into_iter()
        .filter(|function| truth.contains_key(&function.address) || !unsized_names.contains(&function.address))
        .collect();
    let right = functions.iter().filter(|function| truth.contains_key(&function.address)).count();
    println!(
        "  named {named}: recall {:.3} %, precision {:.3} %",
        percent(right, named),
        percent(right, functions.len())
    );
    for source in
        [Sources::UNWIND, Sources::POINTER, Sources::CALL, Sources::TAIL_JUMP, Sources::CODE_ADDRESS, Sources::PROLOGUE]
    {
        let first = source.names().next();
        let of: Vec<_> = functions.iter().filter(|function| function.sources.names().next() == first).collect();
        let right = of.iter().filter(|function| truth.contains_key(&function.address)).count();
        println!("    {source}: {right} right, {} wrong", of.len() - right);
    }
    if lists_wrong {
        let found: BTreeSet<u64> = functions.iter().map(|function| function.address).collect();
        for (address, names) in truth.iter().filter(|(address, _)| !found.contains(address)).take(40) {
            println!("  missing {address:x} {}", String::from_utf8_lossy(names[0]));
        }
        for function in functions.iter().filter(|function| !truth.contains_key(&function.address)).take(40) {
            let around = truth.range(..function.address).next_back().map(|(at, names)| (at, names[0]));
            let around = around.map(|(at, name)| format!("{}+{:x}", label::demangled(name), function.address - at));
            println!("  invented {:x} {} {} in {around:?}", function.address, function.sources, function.bytes);
        }
    }
    // Exports alone are no truth: functions that they do not name are real too.
    let is_whole = subject.named.symbols().count() > subject.stripped.symbols().count()
        || functions.iter().any(|function| function.sources.has(Sources::GO_TABLE));
    if is_whole { [named, right, functions.len()] } else { [0; 3] }
}

/// Names of each function that was found.
fn names(subject: &Subject<'_>) -> Vec<Vec<String>> {
    let mut named: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (address, name, _) in subject.named.symbols() {
        named.entry(address).or_default().push(label::demangled(name));
    }
    let functions = (0..subject.stripped.len() as u32).filter_map(|index| subject.stripped.function(index));
    functions.map(|function| named.get(&function.address).cloned().unwrap_or_default()).collect()
}

/// Pairs that names allow, right and wrong ones, right and wrong ones of the proved stages.
fn matching(base: &Subject<'_>, target: &Subject<'_>, diff: &Diff, lists_wrong: bool) -> [usize; 5] {
    let (mine, theirs) = (names(base), names(target));
    let (base, target) = (&base.stripped, &target.stripped);
    for class in Class::ALL {
        print!("{} {}, ", class.name(), diff.count(class));
    }
    println!("removed {}, added {}, rebuilt {}", diff.removed.len(), diff.added.len(), diff.is_rebuilt);
    let is_named = |names: &[Vec<String>]| names.iter().filter(|names| !names.is_empty()).count() > 50;
    if !is_named(&mine) || !is_named(&theirs) {
        return [0; 5];
    }
    let mut there: BTreeMap<&str, usize> = BTreeMap::new();
    theirs.iter().flatten().for_each(|name| *there.entry(name).or_default() += 1);
    // How many pairs names allow: each name as often as both sides have it.
    let mut here: BTreeMap<&str, usize> = BTreeMap::new();
    for name in mine.iter().filter_map(|names| names.iter().find(|name| there.contains_key(name.as_str()))) {
        *here.entry(name).or_default() += 1;
    }
    let possible: usize = here.iter().map(|(name, count)| (*count).min(there[*name])).sum();
    let mut of_group: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for pair in diff.pairs.iter() {
        if let Some(group) = pair.group {
            of_group.entry(group).or_default().extend(theirs[pair.target as usize].iter().map(String::as_str));
        }
    }
    let (mut right, mut wrong, mut in_group) = (0, 0, 0);
    let mut stages: BTreeMap<Stage, (usize, usize)> = BTreeMap::new();
    let mut classes: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
    let mut shown = 0;
    for pair in &diff.pairs {
        let (names, others) = (&mine[pair.base as usize], &theirs[pair.target as usize]);
        if names.is_empty() || others.is_empty() {
            continue;
        }
        let is_right = names.iter().any(|name| others.contains(name));
        let group = pair.group.and_then(|group| of_group.get(&group));
        let is_of_group =
            !is_right && group.is_some_and(|group| names.iter().any(|name| group.contains(name.as_str())));
        in_group += usize::from(is_of_group);
        let is_right = is_right || is_of_group;
        let add = |counts: &mut (usize, usize)| if is_right { counts.0 += 1 } else { counts.1 += 1 };
        add(stages.entry(pair.stage).or_default());
        add(classes.entry(pair.class).or_default());
        if is_right {
            right += 1
        } else {
            wrong += 1
        }
        if lists_wrong && !is_right && shown < 60 {
            shown += 1;
            let bytes = base.function(pair.base).map_or(0, |function| function.bytes);
            println!("  wrong {} {:?} {bytes} bytes: {} -> {}", pair.stage, pair.class, names[0], others[0]);
        }
    }
    println!(
        "  {possible} pairs by name: precision {:.3} %, recall {:.3} % ({right} right, {in_group} of them in a group, \
         {wrong} wrong)",
        percent(right, right + wrong),
        percent(right, possible)
    );
    if lists_wrong {
        let added: BTreeMap<&String, u32> = (diff.added.iter())
            .flat_map(|index| theirs[*index as usize].iter().map(move |name| (name, *index)))
            .collect();
        let missed = diff.removed.iter().filter_map(|index| {
            let name = mine[*index as usize].iter().find(|name| added.contains_key(name))?;
            Some((base.function(*index)?, target.function(added[name])?, name))
        });
        for (mine, theirs, name) in missed.take(60) {
            println!(
                "  missed {:x} {} bytes, {:x} {} bytes: {name}",
                mine.address, mine.bytes, theirs.address, theirs.bytes
            );
        }
    }
    let proved =
        [Stage::Exact, Stage::Code, Stage::Neighbours].map(|stage| stages.get(&stage).copied().unwrap_or_default());
    for (stage, (right, wrong)) in stages {
        println!("    {stage}: {right} right, {wrong} wrong");
    }
    for (class, (right, wrong)) in classes {
        println!("    {}: {right} right, {wrong} wrong", class.name());
    }
    let sum = |of: fn(&(usize, usize)) -> usize| proved.iter().map(of).sum();
    [possible, right, wrong, sum(|both| both.0), sum(|both| both.1)]
}
