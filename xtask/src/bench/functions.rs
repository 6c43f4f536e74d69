//! `cargo xtask bench functions`: how many functions are found and paired rightly, and what that costs.
//!
//! In: pairs of executables of a corpus (`elf-*`, `pe-*`), and a program compiled twice for each processor that a compiler
//! is there for. Where files have symbols, stripped copies are analysed and the symbols are the truth. Out: one table, with
//! the peers that are installed. It calls programs as a person would and shares no code with the product.

mod compiled;
mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::arguments::Arguments;
use crate::json::Json;
use crate::leash::Leash;
use crate::measure::{self, Act, Usage};
use crate::{command, images, workspace};

const PAGE: &str = "docs/benchmarks/functions.md";
/// What a pair may take; the largest takes seconds.
const LONGEST: Duration = Duration::from_secs(600);

/// Two builds of an executable.
struct Pair {
    name: String,
    base: PathBuf,
    target: PathBuf,
}

/// Measures all pairs and prints the table.
pub(super) fn run(mut arguments: Arguments) -> Result<()> {
    let corpus = arguments.value("--corpus")?.map_or_else(|| workspace::target().join("bench-corpus"), PathBuf::from);
    let writes = arguments.flag("--write");
    arguments.finish()?;
    let build = ["build", "--locked", "--release", "--package", "stella", "--package", "tests-bench"];
    command::show(workspace::cargo().args(build))?;
    let programs = workspace::target().join("release");
    let work = workspace::target().join(format!("bench.{}", std::process::id()));
    images::remove_tree(&work)?;
    fs::create_dir_all(&work)?;
    let leash = Leash::new()?;
    let measured = table(&corpus, &programs, &work, &leash);
    images::remove_tree(&work)?;
    let table = measured?;
    print!("{table}");
    if writes {
        let page = workspace::root().join(PAGE);
        fs::write(&page, format!("{}{table}", preface())).with_context(|| page.display().to_string())?;
        eprintln!("written: {PAGE}");
    }
    Ok(())
}

fn table(corpus: &Path, programs: &Path, work: &Path, leash: &Leash) -> Result<String> {
    let (compiled, missing) = compiled::pairs(work)?;
    let mut text = String::from(
        "| pair | functions | recall | precision | pairs: precision | recall | proved: right / wrong | CPU s | MiB |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for pair in of_corpus(corpus)?.iter().chain(&compiled) {
        eprintln!("{}", pair.name);
        match row(pair, programs, work, leash) {
            Ok(row) => text += &row,
            Err(error) => text += &format!("| {} | failed: {error:#} | | | | | | | |\n", pair.name),
        }
    }
    for compiler in missing {
        text += &format!("\nNot measured, since it is not installed: {compiler}.\n");
    }
    text += &peers::text(compiled.first(), leash)?;
    Ok(text)
}

/// Pairs of a corpus, in order of their names.
fn of_corpus(corpus: &Path) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let folders = |path: &Path| -> Result<Vec<PathBuf>> {
        let mut all = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        all.retain(|path| path.is_dir());
        all.sort();
        Ok(all)
    };
    // A corpus as `bench delta` has it has its pairs below the folder of a set.
    let sets = if corpus.join("open").is_dir() { vec![corpus.join("open")] } else { vec![corpus.to_owned()] };
    for category in sets.iter().filter(|set| set.is_dir()).map(|set| folders(set)).collect::<Result<Vec<_>>>()?.concat()
    {
        let name = category.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("elf-") && !name.starts_with("pe-") {
            continue;
        }
        for folder in folders(&category)? {
            let (base, target) = (folder.join("old"), folder.join("new"));
            if base.is_file() && target.is_file() {
                let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                pairs.push(Pair { name: format!("{name}/{id}"), base, target });
            }
        }
    }
    Ok(pairs)
}

/// One line of the table.
fn row(pair: &Pair, programs: &Path, work: &Path, leash: &Leash) -> Result<String> {
    let [base, target] = [(&pair.base, "stripped-base"), (&pair.target, "stripped-target")].map(|(from, name)| {
        let to = work.join(name);
        let strip =
            Command::new("llvm-strip").arg("-o").arg(&to).arg(from).stderr(std::process::Stdio::null()).status();
        // What cannot be stripped has no symbols, or they count neither way.
        if strip.is_ok_and(|status| status.success()) { to } else { from.clone() }
    });
    let mut measuring = Command::new(programs.join("tests-bench"));
    measuring.arg("--json").arg(&pair.base).arg(&base).arg(&pair.target).arg(&target);
    let counts = ended(&mut measuring, leash)?.0;
    let counts = Json::parse(counts.lines().last().unwrap_or_default())?;
    let mut diff = Command::new(programs.join("stella"));
    diff.args(["functions", "diff", "--json"]).arg(&base).arg(&target).env("RAYON_NUM_THREADS", "1");
    let (_, Usage { cpu, peak_bytes, .. }) = ended(&mut diff, leash)?;
    let number = |name| counts.number(name);
    let share = |part: u64, all: u64| match all {
        0 => "-".to_owned(),
        all => format!("{:.2} %", part as f64 * 100.0 / all as f64),
    };
    let proved = match number("pairs_possible") {
        0 => "-".to_owned(),
        _ => format!("{} / {}", number("proved_right"), number("proved_wrong")),
    };
    Ok(format!(
        "| {}, {} {} | {} | {} | {} | {} | {} | {proved} | {:.2} | {} |\n",
        pair.name,
        counts.text("format").to_uppercase(),
        counts.text("machine"),
        number("functions"),
        share(number("right"), number("named")),
        share(number("right"), number("counted")),
        share(number("pairs_right"), number("pairs_right") + number("pairs_wrong")),
        share(number("pairs_right"), number("pairs_possible")),
        cpu.as_secs_f64(),
        peak_bytes >> 20
    ))
}

/// Output and cost of a program that has to succeed.
fn ended(program: &mut Command, leash: &Leash) -> Result<(String, Usage)> {
    let ended = measure::run(program, leash, LONGEST, |_| Ok(Act::GoOn))?;
    match ended.status.success() {
        true => Ok((ended.out, ended.usage)),
        false => {
            Err(anyhow::anyhow!("{}", ended.err.lines().last().unwrap_or("it failed and said nothing").to_owned()))
        }
    }
}

/// What stands above the table on the page.
fn preface() -> String {
    "# Functions found and paired\n\n\
     Written by `cargo xtask bench functions --write`; do not edit. Files with symbols are analysed without them (`llvm-strip`), and the\n\
     symbols are the truth: recall and precision of the base's functions, then of pairs of base and target by demangled names; *proved*\n\
     are the pairs of the first three stages. `-` stands where a file has no symbols; Go's own table of functions names them in stripped\n\
     files too, so there it is its own truth. CPU and memory are those of `stella functions diff --json` with one thread, memory with\n\
     both files read into it. `compiled` pairs are a generated program of C, built twice with changes when this runs.\n\n\
     ```\n\
     cargo xtask bench functions --corpus DIR        # DIR/CATEGORY/ID/{old,new}, as `bench delta` has them; else what it downloaded\n\
     ```\n\n"
        .to_owned()
}
