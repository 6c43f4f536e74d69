//! `stella functions`: what is in executables, and what an update changed in them. It judges nothing.

use super::functions_tree;
use crate::failure::Failure;
use crate::output::{Output, bytes, counted};
use delta_functions::{Change, Counts, Degraded, Diff, Executable, FunctionInfo, Report};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that tell an executable from other files.
const MAGIC_BYTES: u64 = 4;
/// Letters of a name in a table.
const LABEL_SHOWN: usize = 60;

pub(crate) fn diff(base_path: &Path, target_path: &Path, top: usize, output: &Output) -> Result<(), Failure> {
    if !is_executable(base_path)? || !is_executable(target_path)? {
        return functions_tree::diff(base_path, target_path, top, output);
    }
    let (base_bytes, target_bytes) = (read(base_path)?, read(target_path)?);
    let (base, target) = (analysed(base_path, &base_bytes)?, analysed(target_path, &target_bytes)?);
    let Some(diff) = Diff::new(&base, &target) else {
        let message = format!(
            "{} is for {} and {} for {}: compare two builds for the same processor",
            base_path.display(),
            base.machine().name(),
            target_path.display(),
            target.machine().name()
        );
        return Err(Failure::usage(message));
    };
    let report = Report::new(&base, &target, &diff);
    let counts = report.counts;
    let shown: Vec<&Change> = report.changes.iter().take(top).collect();
    let object = json!({
        "base": file(base_path, &base),
        "target": file(target_path, &target),
        "functions_changed": classes(counts),
        "in_groups": counts.in_groups,
        "rebuilt": report.is_rebuilt,
        "top": shown.iter().map(|change| record(change)).collect::<Vec<_>>(),
        "left_out": report.changes.len() - shown.len(),
    });
    output.result(&object, &text(&report, &shown, base.degraded(), target.degraded()));
    Ok(())
}

pub(crate) fn list(path: &Path, output: &Output) -> Result<(), Failure> {
    if !is_executable(path)? {
        return functions_tree::list(path, output);
    }
    let content = read(path)?;
    let executable = analysed(path, &content)?;
    let functions: Vec<(FunctionInfo, Vec<String>)> = (0..executable.len() as u32)
        .filter_map(|index| Some((executable.function(index)?, executable.labels(index))))
        .collect();
    let record = |(info, labels): &(FunctionInfo, Vec<String>)| {
        let sources: Vec<&str> = info.sources.names().collect();
        json!({
            "address": info.address, "bytes": info.bytes, "instructions": info.instructions,
            "section": info.section, "sources": sources, "thumb": info.is_thumb, "exported": info.is_exported,
            "names": labels,
        })
    };
    let mut object = file(path, &executable);
    object["list"] = functions.iter().map(record).collect();
    let mut text = String::from("     address    bytes  found by              name\n");
    for (info, labels) in &functions {
        let name = labels.first().map_or("", String::as_str);
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:12x} {:8}  {:20}  {name}", info.address, info.bytes, info.sources.to_string());
    }
    let _ = write!(
        text,
        "{} in {} of {} of code",
        counted(functions.len(), "function", "functions"),
        bytes(executable.function_bytes()),
        bytes(executable.code_bytes())
    );
    text.push_str(&degraded("the file", executable.degraded()));
    output.result(&object, &text);
    Ok(())
}

/// Whether a file is an executable by its first bytes; anything else may be a tree.
fn is_executable(path: &Path) -> Result<bool, Failure> {
    if path.metadata().map_err(|error| Failure::io(path, &error))?.is_dir() {
        return Ok(false);
    }
    let mut start = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(MAGIC_BYTES).read_to_end(&mut start));
    opened.map_err(|error| Failure::io(path, &error))?;
    Ok(has_magic(&start))
}

/// Whether bytes start like an ELF or PE file.
pub(super) fn has_magic(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"MZ")
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::io(path, &error))
}

fn analysed<'a>(path: &Path, content: &'a [u8]) -> Result<Executable<'a>, Failure> {
    Executable::read(content).ok_or_else(|| {
        let message = format!(
            "{}: not an ELF or PE executable for x86-64, i386, aarch64, ARM or RISC-V with 64 bits",
            path.display()
        );
        Failure::new(Failure::FAILED, "not-an-executable", message)
    })
}

/// Counts by class, as programs read them.
pub(super) fn classes(counts: Counts) -> Value {
    json!({
        "identical": counts.identical, "moved": counts.moved, "retargeted": counts.retargeted,
        "modified": counts.modified, "added": counts.added, "removed": counts.removed,
    })
}

/// Counts by class, as people read them.
pub(super) fn sum(counts: Counts) -> String {
    format!(
        "identical {}, moved {}, retargeted {}, modified {}, added {}, removed {}",
        counts.identical, counts.moved, counts.retargeted, counts.modified, counts.added, counts.removed
    )
}

fn file(path: &Path, executable: &Executable<'_>) -> Value {
    let build_id = executable.build_id().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    json!({
        "path": path.display().to_string(),
        "format": format!("{:?}", executable.format()).to_lowercase(),
        "machine": executable.machine().name(),
        "soname": executable.soname(),
        "build_id": build_id,
        "functions": executable.len(),
        "function_bytes": executable.function_bytes(),
        "code_bytes": executable.code_bytes(),
        "degraded": executable.degraded().iter().map(|reason| reason.name()).collect::<Vec<_>>(),
    })
}

pub(super) fn record(change: &Change) -> Value {
    let address = |info: &Option<FunctionInfo>| info.as_ref().map(|info| info.address);
    let size = |info: &Option<FunctionInfo>| info.as_ref().map(|info| info.bytes);
    let place = change.after.as_ref().or(change.before.as_ref());
    json!({
        "class": change.class.name(),
        "name": change.label,
        "section": place.map(|info| info.section.as_str()),
        "exported": place.is_some_and(|info| info.is_exported),
        "sources": place.map(|info| info.sources.names().collect::<Vec<_>>()),
        "base_address": address(&change.before),
        "target_address": address(&change.after),
        "base_bytes": size(&change.before),
        "target_bytes": size(&change.after),
        "size_delta": change.size_delta(),
        "fan_in": change.fan.fan_in,
        "fan_out": change.fan.fan_out,
        "stage": change.found.map(|(stage, _)| stage.name()),
        "confidence": change.found.map(|(_, confidence)| confidence),
        "imports_gained": change.imports_gained,
        "imports_lost": change.imports_lost,
    })
}

fn text(report: &Report, shown: &[&Change], base: &[Degraded], target: &[Degraded]) -> String {
    let mut text = sum(report.counts) + "\n";
    if report.is_rebuilt {
        text.push_str("rebuilt with another compiler or other options: most changes are the compiler's\n");
    }
    if !shown.is_empty() {
        text.push_str(HEADING);
    }
    for change in shown {
        let _ = writeln!(text, "{}", line(change));
    }
    let left = report.changes.len() - shown.len();
    if left > 0 {
        let _ = writeln!(text, "and {}; --top {} lists all", counted(left, "other", "others"), report.changes.len());
    }
    text.push_str(&degraded("base", base));
    text.push_str(&degraded("target", target));
    text
}

/// What stands above lines of changed functions.
pub(super) const HEADING: &str = "\nclass       callers  callees    bytes  name\n";

/// A changed function in a table.
pub(super) fn line(change: &Change) -> String {
    let name: String = change.label.chars().take(LABEL_SHOWN).collect();
    format!(
        "{:10}  {:7}  {:7}  {:+7}  {name}{}{}",
        change.class.name(),
        change.fan.fan_in,
        change.fan.fan_out,
        change.size_delta(),
        listed("  now uses ", &change.imports_gained),
        listed("  no longer uses ", &change.imports_lost),
    )
}

fn listed(before: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{before}{}", names.join(", ")) }
}

/// What is less sure, in words.
fn degraded(which: &str, reasons: &[Degraded]) -> String {
    let words = |reason: &Degraded| match reason {
        Degraded::NoSections => "it has no section headers",
        Degraded::NoUnwindTable => "no table lists its functions, they were found by calls and pointers",
        Degraded::NoFunctions => "hardly any of its code is in functions: packed or encrypted",
        Degraded::Truncated => "it reached a limit, the rest was left out",
    };
    reasons.iter().map(|reason| format!("\nless sure: {which}: {}", words(reason))).collect()
}
