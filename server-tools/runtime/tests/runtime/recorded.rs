//! Traces that the installed tools record of small programs. A tool that is missing fails its test with what to install.

use delta_runtime::{Facts, Kind, Source, import};
use std::path::{Path, PathBuf};
use std::process::Command;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtime").join(name)
}

/// Runs a tool in `folder`; what it prints.
fn run(folder: &Path, package: &str, line: &[&str]) -> Vec<u8> {
    let output = Command::new(line[0]).args(&line[1..]).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; install it: apt-get install {package}", line[0]));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", line.join(" "));
    output.stdout
}

fn compiled(folder: &Path, options: &[&str]) {
    let source = source("work.c").display().to_string();
    run(folder, "gcc libc6-dev", &[&["cc", "-g", "-O1", "-o", "work", &source][..], options].concat());
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch folder")
}

/// Imports twice, to the same bytes.
fn imported(source: Source, bytes: &[u8]) -> Facts {
    let facts = import(source, bytes).unwrap_or_else(|error| panic!("{}: {error}", source.name()));
    assert_eq!(import(source, bytes).map(|again| again.to_ndjson()), Ok(facts.to_ndjson()));
    facts
}

/// How often the edge was seen between functions whose names end like this.
fn edge(facts: &Facts, caller: &str, callee: &str) -> u64 {
    facts.edges().filter(|(a, b, _)| a.name.ends_with(caller) && b.name.ends_with(callee)).map(|(.., hits)| hits).sum()
}

fn never_ran(facts: &Facts) {
    let names = facts.observed.iter().map(|one| one.callee.name.as_str());
    assert!(!names.into_iter().any(|name| name.contains("never")), "a function that did not run was seen");
}

/// Every call, counted, through a pointer too.
#[test]
fn callgrind() {
    let folder = scratch();
    compiled(folder.path(), &[]);
    for more in [&[][..], &["--dump-instr=yes", "--compress-strings=no"]] {
        let line = ["valgrind", "--tool=callgrind", "--callgrind-out-file=out"];
        run(folder.path(), "valgrind", &[&line[..], more, &["./work", "1000"]].concat());
        let trace = std::fs::read(folder.path().join("out")).expect("the trace");
        assert_eq!(Source::detect(&trace), Some(Source::Callgrind));
        let facts = imported(Source::Callgrind, &trace);
        assert_eq!((edge(&facts, "main", "outer"), edge(&facts, "outer", "inner")), (3, 3), "{more:?}");
        let outer = facts.observed.iter().find(|one| one.callee.name == "outer" && one.kind == Kind::Call);
        assert!(outer.expect("an edge").callee.object.ends_with("work"), "{outer:?}");
        never_ran(&facts);
    }
}

/// Stacks of samples. Without a frame of its own a leaf would hide who called it.
#[test]
fn perf() {
    let folder = scratch();
    compiled(folder.path(), &["-O0", "-fno-omit-frame-pointer"]);
    let record = ["perf", "record", "-q", "-e", "cpu-clock:u", "-F", "999", "-g", "-o", "data", "./work", "60000000"];
    run(folder.path(), "linux-perf", &record);
    let facts = imported(Source::Perf, &run(folder.path(), "linux-perf", &["perf", "script", "-i", "data"]));
    assert!(edge(&facts, "outer", "inner") > 10 && edge(&facts, "main", "outer") > 10, "{:?}", facts.observed);
    never_ran(&facts);
    // Without stacks: the functions alone.
    let record = ["perf", "record", "-q", "-e", "cpu-clock:u", "-o", "flat", "./work", "60000000"];
    run(folder.path(), "linux-perf", &record);
    let facts = imported(Source::Perf, &run(folder.path(), "linux-perf", &["perf", "script", "-i", "flat"]));
    assert!(facts.observed.iter().any(|one| one.kind == Kind::Hit && one.callee.name == "inner"));
}

/// Folded stacks of traced functions; the counts are times there.
#[test]
fn uftrace() {
    let folder = scratch();
    compiled(folder.path(), &["-pg"]);
    run(folder.path(), "uftrace", &["uftrace", "record", "-d", "data", "./work", "1000"]);
    let facts =
        imported(Source::Uftrace, &run(folder.path(), "uftrace", &["uftrace", "dump", "--flame-graph", "-d", "data"]));
    assert!(edge(&facts, "outer", "inner") > 0 && edge(&facts, "main", "outer") > 0, "{:?}", facts.observed);
    never_ran(&facts);
}

/// A profile of V8.
#[test]
fn cpuprofile() {
    let folder = scratch();
    let script = source("work.js").display().to_string();
    run(folder.path(), "nodejs", &["node", "--cpu-prof", "--cpu-prof-name=out.cpuprofile", &script]);
    let trace = std::fs::read(folder.path().join("out.cpuprofile")).expect("the trace");
    assert_eq!(Source::detect(&trace), Some(Source::CpuProfile));
    let facts = imported(Source::CpuProfile, &trace);
    assert!(edge(&facts, "outer", "inner") > 10, "{:?}", facts.observed);
    never_ran(&facts);
}

/// A recording of the JDK, and what its own tool says of it.
#[test]
fn jfr() {
    let folder = scratch();
    let program = source("Work.java").display().to_string();
    run(folder.path(), "default-jdk-headless", &["javac", "-d", ".", &program]);
    let record = "-XX:StartFlightRecording=filename=out.jfr,settings=profile";
    run(folder.path(), "default-jdk-headless", &["java", record, "-cp", ".", "Work"]);
    let trace = std::fs::read(folder.path().join("out.jfr")).expect("the trace");
    assert_eq!(Source::detect(&trace), Some(Source::Jfr));
    let facts = imported(Source::Jfr, &trace);
    let printed = run(folder.path(), "default-jdk-headless", &["jfr", "summary", "out.jfr"]);
    let printed = String::from_utf8_lossy(&printed);
    let line = printed.lines().find(|line| line.trim().starts_with("jdk.ExecutionSample")).expect("a count");
    let samples: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    let hits = |name: &str| -> u64 {
        let is_it = |one: &&delta_runtime::Observed| one.kind == Kind::Hit && one.callee.name == name;
        facts.observed.iter().filter(is_it).map(|one| one.hits).sum()
    };
    let main = hits("Work.main([Ljava/lang/String;)V");
    assert!(main > 10 && main <= samples, "{main} of {samples} samples");
    assert!(edge(&facts, "Work.outer(J)V", "Work.inner(J)V") > 10, "{:?}", facts.observed);
    never_ran(&facts);
}
