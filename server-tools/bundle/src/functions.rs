//! What an update changed in the functions of the executables in an image, for the manifest.
//!
//! In: pairs of executables, as the search for matches found them, and those that have no older self. Out:
//! [`FunctionsChanged`]: counts of all, and the functions that most others use. An executable that both images have byte
//! for byte is in neither. Nothing is judged, and nothing of it is needed to apply the delta.

use crate::plan::{self, TargetPlan};
use delta_functions::{Change, ChangeClass, Counts, Diff, Executable, Report};
use delta_scanner::{Cancelled, Control, Rope};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Functions that a manifest lists.
const TOP_MAX: usize = 100;
/// Executables that a manifest lists; root file systems of devices have a few hundred.
const EXECUTABLES_MAX: usize = 4_096;
/// Imports that are listed of one function.
const IMPORTS_MAX: usize = 16;

/// Functions of all executables that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionsChanged {
    /// How many functions are of each class.
    pub counts: ClassCounts,
    /// The executables that differ, in the order of the target.
    pub executables: Vec<ExecutableChanged>,
    /// Changed functions, and executables, that are not listed.
    pub left_out: u64,
    /// Changed functions: by class, then the most used ones first.
    pub top: Vec<FunctionChanged>,
}

/// Functions by what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCounts {
    /// Only the target has them.
    pub added: u64,
    /// The same bytes and references.
    pub identical: u64,
    /// Other instructions.
    pub modified: u64,
    /// The same but for where they and what they refer to are.
    pub moved: u64,
    /// Only the base has them.
    pub removed: u64,
    /// The same instructions, other references.
    pub retargeted: u64,
}

/// An executable that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutableChanged {
    /// The identity that the linker gave the target's, hexadecimal.
    pub build_id: Option<String>,
    /// Why less is known of it than could be, sorted words.
    pub degraded: Vec<String>,
    /// Functions of the target's.
    pub functions: u64,
    /// The processor; nothing when it could not be analysed.
    pub machine: Option<String>,
    /// The name under which others load it.
    pub soname: Option<String>,
    /// `compared`, `rebuilt` (with another compiler or other options), `new` (without an older self) or `not_analysed`.
    pub state: String,
}

/// A function that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionChanged {
    /// `modified`, `added`, `removed` or `retargeted`.
    pub class: String,
    /// Its executable: an index of `executables`.
    pub executable: u64,
    /// Functions that refer to it.
    pub fan_in: u64,
    /// Functions and imports that it refers to.
    pub fan_out: u64,
    /// Imports that it uses now and did not before.
    pub imports_gained: Vec<String>,
    /// Imports that it used before and does not now.
    pub imports_lost: Vec<String>,
    /// Its name, or `sub_` with its address.
    pub name: String,
    /// Whether services reach it: `unknown` until a call graph says so.
    pub reachability: String,
    /// Its section.
    pub section: String,
    /// Bytes that it grew by.
    pub size_delta: i64,
}

/// What a risk score takes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionImpact {
    /// Functions modified, added or removed, of all, in basis points rounded up.
    pub changed_share_bp: u64,
    /// The most functions that refer to one changed function.
    pub fan_in_max: u64,
    /// Imports that changed functions use now and did not before.
    pub imports_gained: u64,
}

/// Both, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct Functions {
    pub changed: FunctionsChanged,
    /// Or why it is not known.
    pub impact: Result<FunctionImpact, String>,
}

/// What was found in one executable.
struct One {
    executable: ExecutableChanged,
    counts: Counts,
    changes: Vec<Change>,
}

/// Compares the executables of a plan.
pub(crate) fn compare(
    base: &Rope<'_>,
    target: &Rope<'_>,
    plan: &TargetPlan,
    control: Control<'_>,
) -> Result<Functions, Cancelled> {
    let mut pairs: Vec<_> = plan.new.iter().map(|range| (range.clone(), None)).collect();
    pairs.extend(plan.pairs.iter().map(|(older, range)| (range.clone(), Some(older.clone()))));
    pairs.sort_by_key(|(range, _)| range.start);
    let more = pairs.split_off(pairs.len().min(EXECUTABLES_MAX)).len();
    let all: Vec<One> = (pairs.into_par_iter())
        .map(|(range, older)| {
            control.check()?;
            Ok(one(older.map(|older| plan::bytes(base, &older)), plan::bytes(target, &range)))
        })
        .collect::<Result<_, Cancelled>>()?;
    Ok(summed(all, more as u64))
}

/// Compares one executable with its older self.
fn one(old: Option<&[u8]>, new: &[u8]) -> One {
    let not_analysed = One {
        executable: ExecutableChanged {
            build_id: None,
            degraded: Vec::new(),
            functions: 0,
            machine: None,
            soname: None,
            state: "not_analysed".to_owned(),
        },
        counts: Counts::default(),
        changes: Vec::new(),
    };
    let Some(target) = Executable::read(new) else { return not_analysed };
    let of = |state: &str, more: &[delta_functions::Degraded]| {
        let reasons: BTreeSet<_> = target.degraded().iter().chain(more).copied().collect();
        let hexadecimal = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect();
        ExecutableChanged {
            build_id: target.build_id().map(hexadecimal),
            degraded: reasons.into_iter().map(|reason| reason.name().to_owned()).collect(),
            functions: target.len() as u64,
            machine: Some(target.machine().name().to_owned()),
            soname: target.soname(),
            state: state.to_owned(),
        }
    };
    let Some(old) = old else {
        let counts = Counts { added: target.len(), ..Counts::default() };
        return One { executable: of("new", &[]), counts, changes: Vec::new() };
    };
    let compared = Executable::read(old).and_then(|base| Diff::new(&base, &target).map(|diff| (base, diff)));
    let Some((base, diff)) = compared else { return not_analysed };
    let report = Report::new(&base, &target, &diff);
    let state = if report.is_rebuilt { "rebuilt" } else { "compared" };
    One { executable: of(state, base.degraded()), counts: report.counts, changes: report.changes }
}

fn summed(all: Vec<One>, executables_left_out: u64) -> Functions {
    let mut counts = ClassCounts::default();
    let (mut executables, mut changes) = (Vec::new(), Vec::new());
    for (index, one) in (0..).zip(all) {
        let of = one.counts;
        counts.added += of.added as u64;
        counts.identical += of.identical as u64;
        counts.modified += of.modified as u64;
        counts.moved += of.moved as u64;
        counts.removed += of.removed as u64;
        counts.retargeted += of.retargeted as u64;
        executables.push(one.executable);
        changes.extend(one.changes.into_iter().map(|change| (index, change)));
    }
    let impact = impact(&counts, &executables, &changes, executables_left_out);
    // Those of one executable are in order; a stable sort leaves what is equal in the order of executables.
    changes.sort_by_key(|(_, change): &(u64, Change)| (change.class, Reverse(change.fan.fan_in)));
    let left_out = changes.len().saturating_sub(TOP_MAX) as u64 + executables_left_out;
    let top = changes.into_iter().take(TOP_MAX).map(|(index, change)| record(index, change)).collect();
    Functions { changed: FunctionsChanged { counts, executables, left_out, top }, impact }
}

fn impact(
    counts: &ClassCounts,
    executables: &[ExecutableChanged],
    changes: &[(u64, Change)],
    left_out: u64,
) -> Result<FunctionImpact, String> {
    let is_hidden = |one: &&ExecutableChanged| {
        one.state == "not_analysed" || one.degraded.iter().any(|reason| reason == "no-functions")
    };
    let hidden = executables.iter().filter(is_hidden).count() as u64 + left_out;
    if hidden > 0 {
        let all = executables.len() as u64 + left_out;
        return Err(format!("{hidden} of {all} executables that differ could not be analysed"));
    }
    let changed = counts.modified + counts.added + counts.removed;
    let all = changed + counts.identical + counts.moved + counts.retargeted;
    // What was retargeted runs the same instructions.
    let weighed = || changes.iter().filter(|(_, change)| change.class != ChangeClass::Retargeted);
    let gained: BTreeSet<(u64, &str)> = weighed()
        .flat_map(|(index, change)| change.imports_gained.iter().map(|name| (*index, name.as_str())))
        .collect();
    Ok(FunctionImpact {
        changed_share_bp: (changed * 10_000).div_ceil(all.max(1)),
        fan_in_max: weighed().map(|(_, change)| u64::from(change.fan.fan_in)).max().unwrap_or(0),
        imports_gained: gained.len() as u64,
    })
}

fn record(executable: u64, change: Change) -> FunctionChanged {
    let size_delta = change.size_delta();
    let section = change.after.or(change.before).map_or_else(String::new, |info| info.section);
    let cut = |mut names: Vec<String>| {
        names.truncate(IMPORTS_MAX);
        names
    };
    FunctionChanged {
        class: change.class.name().to_owned(),
        executable,
        fan_in: change.fan.fan_in.into(),
        fan_out: change.fan.fan_out.into(),
        imports_gained: cut(change.imports_gained),
        imports_lost: cut(change.imports_lost),
        name: change.label,
        reachability: "unknown".to_owned(),
        section,
        size_delta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpacked;
    use std::sync::atomic::AtomicBool;

    fn of(base: &[u8], target: &[u8]) -> Functions {
        let cancel = AtomicBool::new(false);
        let control = Control::new(&|_, _, _| (), &cancel);
        let (of_base, of_target) = unpacked::open(base, target);
        let plan = plan::plan(&of_base, &of_target, &[], control).expect("not cancelled");
        compare(&of_base.bytes, &of_target.bytes, &plan, control).expect("not cancelled")
    }

    /// The program that runs this test in an image that differs in one instruction, that is the same, and
    /// that is new.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn executables_in_images_are_compared() {
        let mut program = std::env::current_exe().and_then(std::fs::read).expect("a test can read itself");
        let executable = Executable::read(&program).expect("an executable");
        let functions = executable.len() as u64;
        let image = |program: &[u8]| [&[7; 4096][..], program, &[9; 777]].concat();
        let base = image(&program);
        let same = of(&base, &base).changed;
        assert_eq!((same.executables.len(), same.counts), (0, ClassCounts::default()));
        assert_eq!(of(&base, &base).impact.map(|impact| impact.changed_share_bp), Ok(0));
        // `xor eax, eax; ret` becomes `xor ecx, ecx; ret`, wherever it is.
        let at = program.windows(3).position(|window| window == [0x31, 0xc0, 0xc3]).expect("a function that gives 0");
        program[at + 1] = 0xc9;
        let other = of(&base, &image(&program));
        let counts = other.changed.counts;
        assert_eq!(other.changed.executables.len(), 1);
        assert_eq!(other.changed.executables[0].state, "compared");
        assert_eq!(counts.modified, 1, "{counts:?}");
        assert_eq!(counts.identical + counts.moved + counts.retargeted + 1, functions);
        assert_eq!(other.changed.top[0].class, "modified");
        // A new one: all of its functions are added.
        let new = of(&base[..4096], &base);
        assert_eq!((new.changed.counts.added, new.changed.executables[0].state.as_str()), (functions, "new"));
    }
}
