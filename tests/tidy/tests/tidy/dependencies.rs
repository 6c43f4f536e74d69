//! Who may import what, how many packages a device carries, and why each is there.

use std::collections::{BTreeMap, BTreeSet};
use tests_tidy::packages::{graph, locked, shipped};
use tests_tidy::tree;

/// Packages in the lock file at most, tools for tests included.
const LOCKED_MAX: usize = 400;

/// Crate, what it may import of ours, what it may import of others. Build scripts count, tests do not.
const IMPORTS: &[(&str, &str, &str)] = &[
    ("delta-format", "", "heapless postcard serde"),
    ("delta-verify", "delta-format", "blake3 ed25519-dalek heapless sha2"),
    ("delta-apply", "delta-format", "blake3 memmap2 nix ruzstd"),
    ("agent-machine", "delta-format", "heapless postcard serde"),
    (
        "stella-agent",
        "agent-machine delta-apply delta-format delta-verify",
        "blake3 heapless httparse lexopt log nix rustls sha2 signal-hook",
    ),
    ("delta-ingest", "delta-apply delta-format", "blake3 memmap2 rayon serde_json sha2 tempfile"),
    ("delta-scanner", "delta-format", "fastcdc libsais rayon sha2"),
    ("delta-functions", "", "cpp_demangle gimli iced-x86 msvc-demangler rayon rustc-demangle"),
    ("delta-attest", "delta-format delta-verify", "ed25519-dalek getrandom heapless nix thiserror"),
    ("delta-graph", "delta-attest delta-format delta-functions delta-verify", "serde serde_json thiserror"),
    ("delta-score", "delta-format", "serde serde_json sha2 thiserror"),
    // Profiles come in gzip, which the engine inflates.
    ("delta-runtime", "delta-apply delta-format", "serde serde_json sha2 thiserror"),
    // The engine is here because a bundle is decoded and compared before it is reported as made.
    (
        "delta-bundle",
        "delta-apply delta-format delta-functions delta-ingest delta-scanner",
        "blake3 heapless rayon serde serde_json sha2 tempfile thiserror zstd",
    ),
    (
        "stella",
        "delta-apply delta-attest delta-bundle delta-format delta-functions delta-graph delta-ingest delta-runtime delta-score \
          delta-verify",
        "clap clap_complete clap_mangen indicatif serde_json signal-hook tempfile",
    ),
    ("xtask", "", "anyhow"),
];

/// What never runs on a device, at any depth.
const NEVER_ON_A_DEVICE: &str =
    "anyhow clap hyper libz-sys openssl-sys rayon regex reqwest serde_json tokio toml tracing zstd zstd-sys";

/// One generation of each: two would mean two implementations of the same primitive in one program.
const ONE_VERSION: &str = "block-buffer blake3 crypto-common curve25519-dalek digest ed25519 ed25519-dalek heapless \
                           memmap2 nix postcard ring ruzstd rustls sha2 signature";

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn crates_import_what_the_table_allows() {
    let graph = graph();
    let mut wrong = Vec::new();
    for (name, member) in graph.members.iter().filter(|(_, member)| !member.folder.starts_with("tests/")) {
        match IMPORTS.iter().find(|(known, ..)| known == name) {
            None => wrong.push(format!("{name} is not in the table of tests/tidy: add it with what it may import")),
            Some((_, ours, others)) => {
                for import in member.ours.difference(&words(ours)).chain(member.others.difference(&words(others))) {
                    wrong.push(format!("{name} must not import {import}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing but tests imports tests, and no host crate reaches a device by way of another crate.
#[test]
fn device_and_host_stay_apart() {
    let graph = graph();
    for (name, member) in &graph.members {
        let is_test = member.folder.starts_with("tests/");
        let imports_test = member.ours.iter().find(|import| graph.members[*import].folder.starts_with("tests/"));
        assert!(is_test || imports_test.is_none(), "{name} imports {imports_test:?}");
        let imports_agent = member.ours.contains("stella-agent") || member.ours.contains("agent-machine");
        let is_agent = member.folder.starts_with("agent/");
        assert!(is_test || is_agent || !imports_agent, "{name} imports the agent");
        let host = member.ours.iter().find(|import| graph.members[*import].folder.starts_with("server-tools/"));
        let is_host = member.folder.starts_with("server-tools/");
        assert!(is_test || is_host || host.is_none(), "{name} imports the host crate {host:?}");
    }
}

/// The builds that devices run, and their ceilings in `cross/budget.toml`.
const BUILDS: [(&str, &[&str]); 4] = [
    (
        "no-std",
        &[
            "-p",
            "delta-format",
            "-p",
            "delta-verify",
            "-p",
            "delta-apply",
            "-p",
            "agent-machine",
            "--no-default-features",
        ],
    ),
    ("media-only", &["-p", "stella-agent", "--no-default-features"]),
    ("net", &["-p", "stella-agent"]),
    ("net-tls", &["-p", "stella-agent", "--features", "net-tls"]),
];

#[test]
fn devices_carry_few_packages() {
    let budget = tree::read("cross/budget.toml");
    let packages = budget.split("[packages]").nth(1).expect("a table of packages");
    let never = words(NEVER_ON_A_DEVICE);
    for (build, arguments) in BUILDS {
        let line = packages.lines().find_map(|line| line.strip_prefix(build)?.trim().strip_prefix('='));
        let ceiling = line.and_then(|line| line.split('#').next()?.trim().parse::<usize>().ok()).expect("a ceiling");
        let shipped = shipped(arguments);
        println!("{build}: {} packages of others, at most {ceiling}", shipped.len());
        assert!(shipped.len() <= ceiling, "{build}: {} packages, {ceiling} allowed: {shipped:?}", shipped.len());
        for package in &shipped {
            let name = package.split(' ').next().unwrap_or_default();
            assert!(!never.contains(name), "{build} carries {package}");
        }
    }
}

#[test]
fn the_lock_file_stays_small_and_has_one_generation_of_each_primitive() {
    let locked = locked();
    println!("{} packages are locked, at most {LOCKED_MAX}", locked.len());
    assert!(locked.len() <= LOCKED_MAX);
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    locked.iter().for_each(|(name, version)| versions.entry(name).or_default().push(version));
    for name in words(ONE_VERSION) {
        let found = versions.get(name.as_str()).map_or(0, Vec::len);
        assert_eq!(found, 1, "{name}: {:?}", versions.get(name.as_str()));
    }
}

/// One line of `deny.toml`: crate, who may import it, why it is there.
fn reasons() -> BTreeMap<String, (BTreeSet<String>, String)> {
    let text = tree::read("deny.toml");
    let between = |line: &str, from: &str, to: &str| {
        let rest = line.split_once(from)?.1;
        Some(rest.split_once(to)?.0.to_owned())
    };
    let mut reasons = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("wrappers = [")) {
        let name = between(line, "crate = \"", "\"").unwrap_or_else(|| panic!("no crate: {line}"));
        let wrappers = between(line, "wrappers = [", "]").unwrap_or_default();
        let reason = between(line, "reason = \"", "\"").unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(reason.len() > 20, "a reason is a sentence: {line}");
        let wrappers = wrappers.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect();
        reasons.insert(name, (wrappers, reason));
    }
    reasons
}

/// Each package that a device crate imports has a line in `deny.toml` that says why, and the line names everybody who
/// imports it: so a new importer is a decision, with or without cargo-deny at hand.
#[test]
fn device_dependencies_have_reasons() {
    let (graph, reasons) = (graph(), reasons());
    for device in ["delta-format", "delta-verify", "delta-apply", "agent-machine", "stella-agent"] {
        for import in &graph.members[device].others {
            assert!(reasons.contains_key(import), "deny.toml has no line for {import}, which {device} imports");
        }
    }
    for (name, (wrappers, _)) in &reasons {
        let none = BTreeSet::new();
        let parents: BTreeSet<String> = (graph.parents.get(name).unwrap_or(&none).iter())
            .filter(|parent| !graph.members.get(*parent).is_some_and(|member| member.folder.starts_with("tests/")))
            .cloned()
            .collect();
        let wrappers: BTreeSet<String> = wrappers.iter().filter(|name| !name.starts_with("tests-")).cloned().collect();
        assert_eq!(parents, wrappers, "who imports {name}: the graph (left), deny.toml (right)");
    }
}
