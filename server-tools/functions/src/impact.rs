//! What a reviewer reads first: the functions that changed, the most used ones on top.
//!
//! In: two executables and their [`Diff`]. Out: a [`Report`], counts of all classes and a [`Change`] for each function that
//! is not identical and not only moved, in a fixed order: class, then how many functions refer to it, then section, name
//! and address. It does not say whether a change is dangerous.

use crate::classify::{Class, Diff, Pair};
use crate::executable::{Executable, Fan, FunctionInfo};
use crate::matching::Stage;
use std::cmp::Reverse;
use std::fmt;

/// What an update did to a function, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeClass {
    /// Other instructions.
    Modified,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// The same instructions, but a reference leads to something else.
    Retargeted,
}

impl ChangeClass {
    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Retargeted => "retargeted",
        }
    }
}

impl fmt::Display for ChangeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A function that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub class: ChangeClass,
    /// Its name, or `sub_` with its address where nothing names it.
    pub label: String,
    /// What is known of it before.
    pub before: Option<FunctionInfo>,
    /// What is known of it after.
    pub after: Option<FunctionInfo>,
    /// Its callers and callees after the update; before it, when it is gone.
    pub fan: Fan,
    /// How it was recognised, and how sure that is in basis points.
    pub found: Option<(Stage, u16)>,
    /// Imports that it refers to now and did not before.
    pub imports_gained: Vec<String>,
    /// Imports that it referred to before and does not now.
    pub imports_lost: Vec<String>,
}

impl Change {
    /// Bytes that it grew by.
    pub fn size_delta(&self) -> i64 {
        let bytes = |info: &Option<FunctionInfo>| info.as_ref().map_or(0, |info| info.bytes as i64);
        bytes(&self.after) - bytes(&self.before)
    }

    /// Where it is now, or was.
    fn place(&self) -> (&str, u64) {
        self.after.as_ref().or(self.before.as_ref()).map_or(("", 0), |info| (&info.section, info.address))
    }
}

/// How many functions are of each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The same bytes and references.
    pub identical: usize,
    /// The same but for where they and what they refer to are.
    pub moved: usize,
    /// The same instructions with other references.
    pub retargeted: usize,
    /// Other instructions.
    pub modified: usize,
    /// New ones.
    pub added: usize,
    /// Gone ones.
    pub removed: usize,
    /// Functions of both files that cannot be told from others like them.
    pub in_groups: usize,
}

/// What changed, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Counts of all functions.
    pub counts: Counts,
    /// Whether it looks like another compiler or other options.
    pub is_rebuilt: bool,
    /// Those that changed, in order of their weight.
    pub changes: Vec<Change>,
}

impl Report {
    /// Reads a diff of two executables.
    pub fn new(base: &Executable<'_>, target: &Executable<'_>, diff: &Diff) -> Self {
        let counts = Counts {
            identical: diff.count(Class::Identical),
            moved: diff.count(Class::Moved),
            retargeted: diff.count(Class::Retargeted),
            modified: diff.count(Class::Modified),
            added: diff.added.len(),
            removed: diff.removed.len(),
            in_groups: diff.pairs.iter().filter(|pair| pair.group.is_some()).count(),
        };
        let (before, after) = rayon::join(|| base.fans(), || target.fans());
        let fan = |fans: &[Fan], index: u32| fans.get(index as usize).copied().unwrap_or_default();
        let of_pair = |pair: &Pair| {
            let class = match pair.class {
                Class::Identical | Class::Moved => return None,
                Class::Retargeted => ChangeClass::Retargeted,
                Class::Modified => ChangeClass::Modified,
            };
            Some(Change {
                class,
                label: label(target, pair.target).or_else(|| label(base, pair.base)).unwrap_or_default(),
                before: base.function(pair.base),
                after: target.function(pair.target),
                fan: fan(&after, pair.target),
                found: Some((pair.stage, pair.confidence)),
                imports_gained: pair.imports_gained.clone(),
                imports_lost: pair.imports_lost.clone(),
            })
        };
        let alone = |file: &Executable<'_>, fans: &[Fan], index: u32, class| Change {
            class,
            label: label(file, index).unwrap_or_default(),
            before: file.function(index).filter(|_| class == ChangeClass::Removed),
            after: file.function(index).filter(|_| class == ChangeClass::Added),
            fan: fan(fans, index),
            found: None,
            imports_gained: Vec::new(),
            imports_lost: Vec::new(),
        };
        let mut changes: Vec<Change> = diff.pairs.iter().filter_map(of_pair).collect();
        changes.extend(diff.added.iter().map(|index| alone(target, &after, *index, ChangeClass::Added)));
        changes.extend(diff.removed.iter().map(|index| alone(base, &before, *index, ChangeClass::Removed)));
        for change in changes.iter_mut().filter(|change| change.label.is_empty()) {
            change.label = format!("sub_{:x}", change.place().1);
        }
        changes.sort_by(|a, b| {
            let key = |change: &Change| (change.class, Reverse(change.fan.fan_in));
            let place = |change: &Change| (change.place().0.to_owned(), change.label.clone(), change.place().1);
            key(a).cmp(&key(b)).then_with(|| place(a).cmp(&place(b)))
        });
        Self { counts, is_rebuilt: diff.is_rebuilt, changes }
    }
}

fn label(file: &Executable<'_>, index: u32) -> Option<String> {
    file.labels(index).into_iter().next()
}
