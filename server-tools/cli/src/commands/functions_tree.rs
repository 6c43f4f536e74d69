//! `stella functions` over trees: every executable of a directory, package, archive or image, and its older self.
//!
//! One pair of files is analysed at a time, so memory is that of the largest pair and of the functions that are shown.

use super::functions::{HEADING, classes, has_magic, line, record, sum};
use crate::failure::Failure;
use crate::output::{Output, bytes, counted, one_line};
use delta_functions::{Change, Counts, Diff, Executable, Identity, Member, Pairing, Report};
use delta_ingest::tree::Tree;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::fmt::Write;
use std::path::Path;

/// The executables of a tree.
struct Executables {
    tree: Tree,
    /// How the tree names each.
    names: Vec<String>,
    bytes: Vec<u64>,
    members: Vec<Member>,
    /// Files that start as executables and are for other processors, or of no use.
    others: usize,
}

impl Executables {
    fn open(path: &Path) -> Result<Self, Failure> {
        let tree = Tree::open(path)?;
        let mut all = Self { names: Vec::new(), bytes: Vec::new(), members: Vec::new(), others: 0, tree };
        for name in all.tree.paths() {
            let content = all.tree.read(name)?;
            if !has_magic(&content) {
                continue;
            }
            let Some(identity) = Identity::read(&content) else {
                all.others += 1;
                continue;
            };
            all.members.push(Member { path: all.tree.kind().has_paths().then(|| name.to_owned()), identity });
            all.names.push(name.to_owned());
            all.bytes.push(content.len() as u64);
        }
        if all.members.is_empty() {
            let message = format!(
                "{}: no ELF or PE executable for x86-64, i386, aarch64, ARM or RISC-V with 64 bits inside; unpack it \
                 and name the folder, if it has some",
                path.display()
            );
            return Err(Failure::new(Failure::FAILED, "not-an-executable", message));
        }
        Ok(all)
    }

    fn object(&self) -> Value {
        json!({
            "path": self.tree.root().display().to_string(),
            "kind": self.tree.kind().name(),
            "executables": self.members.len(),
            "other_executables": self.others,
        })
    }

    /// What headers say of one.
    fn identity(&self, index: usize) -> Value {
        let Identity { format, machine, soname, build_id } = &self.members[index].identity;
        let build_id = build_id.as_ref().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        json!({
            "path": self.names[index], "format": format!("{format:?}").to_lowercase(), "machine": machine.name(),
            "soname": soname, "build_id": build_id, "bytes": self.bytes[index],
        })
    }
}

/// What was compared so far.
#[derive(Default)]
struct Compared {
    counts: Counts,
    pairs: Vec<Value>,
    lines: String,
    /// Executables whose bytes are the same.
    same: usize,
    /// The most used changed functions, with the executable of each; as many as are shown.
    top: Vec<(String, Change)>,
    changes: usize,
}

impl Compared {
    fn pair(&mut self, names: [&str; 2], by: &str, base: &[u8], target: &[u8], top: usize) {
        if base == target {
            self.same += 1;
            return;
        }
        let mut object = json!({"base_path": names[0], "target_path": names[1], "paired_by": by});
        let name = one_line(names[1]);
        let analysed = analysed(base, target);
        let report = analysed.as_ref().and_then(|(base, target)| {
            let diff = Diff::new(base, target)?;
            object["machine"] = target.machine().name().into();
            let degraded =
                |file: &Executable<'_>| file.degraded().iter().map(|reason| reason.name()).collect::<Vec<_>>();
            object["degraded"] = json!({"base": degraded(base), "target": degraded(target)});
            Some(Report::new(base, target, &diff))
        });
        // Headers were readable, so this is a file that has them and no more.
        let Some(report) = report else {
            object["functions_changed"] = Value::Null;
            self.pairs.push(object);
            let _ = writeln!(self.lines, "{name}: cannot be analysed");
            return;
        };
        object["functions_changed"] = classes(report.counts);
        object["in_groups"] = report.counts.in_groups.into();
        object["rebuilt"] = report.is_rebuilt.into();
        self.pairs.push(object);
        let rebuilt = if report.is_rebuilt { " (rebuilt with another compiler or other options)" } else { "" };
        let _ = writeln!(self.lines, "{name}: {}{rebuilt}", sum(report.counts));
        add(&mut self.counts, report.counts);
        self.changes += report.changes.len();
        self.top.extend(report.changes.into_iter().take(top).map(|change| (names[1].to_owned(), change)));
        // Stable: within one executable the order of its report stays.
        self.top.sort_by(|(a_name, a), (b_name, b)| {
            (a.class, Reverse(a.fan.fan_in), a_name).cmp(&(b.class, Reverse(b.fan.fan_in), b_name))
        });
        self.top.truncate(top);
    }
}

/// Both files analysed.
fn analysed<'a>(base: &'a [u8], target: &'a [u8]) -> Option<(Executable<'a>, Executable<'a>)> {
    Some((Executable::read(base)?, Executable::read(target)?))
}

fn add(all: &mut Counts, one: Counts) {
    let Counts { identical, moved, retargeted, modified, added, removed, in_groups } = one;
    all.identical += identical;
    all.moved += moved;
    all.retargeted += retargeted;
    all.modified += modified;
    all.added += added;
    all.removed += removed;
    all.in_groups += in_groups;
}

pub(crate) fn diff(base_path: &Path, target_path: &Path, top: usize, output: &Output) -> Result<(), Failure> {
    let (base, target) = (Executables::open(base_path)?, Executables::open(target_path)?);
    let pairing = Pairing::new(&base.members, &target.members);
    let mut compared = Compared::default();
    for (before, after, by) in &pairing.pairs {
        let names = [base.names[*before].as_str(), target.names[*after].as_str()];
        let (before, after) = (base.tree.read(names[0])?, target.tree.read(names[1])?);
        compared.pair(names, by.name(), &before, &after, top);
    }
    let top_record = |(name, change): &(String, Change)| {
        let mut record = record(change);
        record["executable"] = name.as_str().into();
        record
    };
    let left_out = compared.changes - compared.top.len();
    let object = json!({
        "base": base.object(),
        "target": target.object(),
        "executables": {
            "same": compared.same, "changed": compared.pairs.len(),
            "added": pairing.added.len(), "removed": pairing.removed.len(),
        },
        "functions_changed": classes(compared.counts),
        "in_groups": compared.counts.in_groups,
        "pairs": compared.pairs,
        "executables_added": pairing.added.iter().map(|index| target.identity(*index)).collect::<Vec<_>>(),
        "executables_removed": pairing.removed.iter().map(|index| base.identity(*index)).collect::<Vec<_>>(),
        "top": compared.top.iter().map(top_record).collect::<Vec<_>>(),
        "left_out": left_out,
    });
    let mut text = format!(
        "executables: same {}, changed {}, added {}, removed {}\nfunctions of changed ones: {}\n\n",
        compared.same,
        compared.pairs.len(),
        pairing.added.len(),
        pairing.removed.len(),
        sum(compared.counts)
    );
    text.push_str(&compared.lines);
    let alone = |text: &mut String, word: &str, list: &[usize], side: &Executables| {
        for index in list {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{word} {}, {}", one_line(&side.names[*index]), bytes(side.bytes[*index]));
        }
    };
    alone(&mut text, "added", &pairing.added, &target);
    alone(&mut text, "removed", &pairing.removed, &base);
    if !compared.top.is_empty() {
        text.push_str(HEADING);
    }
    for (name, change) in &compared.top {
        let _ = writeln!(text, "{}  in {}", line(change), one_line(name));
    }
    if left_out > 0 {
        let _ = writeln!(text, "and {}; --top {} lists all", counted(left_out, "other", "others"), compared.changes);
    }
    output.result(&object, &text);
    Ok(())
}

pub(crate) fn list(path: &Path, output: &Output) -> Result<(), Failure> {
    let all = Executables::open(path)?;
    let (mut records, mut text) = (Vec::new(), String::from("functions        bytes  machine  path\n"));
    for (index, name) in all.names.iter().enumerate() {
        let content = all.tree.read(name)?;
        let executable = Executable::read(&content);
        let functions = executable.as_ref().map(Executable::len);
        let mut record = all.identity(index);
        record["functions"] = functions.into();
        let degraded = executable.as_ref().map_or(&[][..], Executable::degraded);
        record["degraded"] = degraded.iter().map(|reason| reason.name()).collect();
        records.push(record);
        let machine = all.members[index].identity.machine.name();
        let _ =
            writeln!(text, "{:9}  {:11}  {machine:7}  {}", functions.unwrap_or(0), all.bytes[index], one_line(name));
    }
    let _ = write!(text, "{}", counted(all.names.len(), "executable", "executables"));
    let mut object = all.object();
    object["list"] = records.into();
    output.result(&object, &text);
    Ok(())
}
