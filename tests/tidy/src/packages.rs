//! The dependency graph, as `cargo metadata` and `cargo tree` tell it for x86-64 Linux.

use crate::tree;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The target that is counted; what other systems need is not built.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A crate of the workspace.
#[derive(Debug)]
pub struct Member {
    /// Its folder, relative to the root.
    pub folder: String,
    /// What it imports from the workspace, apart from tests.
    pub ours: BTreeSet<String>,
    /// What it imports from others, apart from tests.
    pub others: BTreeSet<String>,
}

/// The whole graph.
#[derive(Debug)]
pub struct Graph {
    /// The crates of the workspace by name.
    pub members: BTreeMap<String, Member>,
    /// For each package, which packages import it directly, apart from tests.
    pub parents: BTreeMap<String, BTreeSet<String>>,
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // What is parsed is asked for without colours, whatever the caller of the tests set.
    let mut command = Command::new(cargo);
    command.args(arguments).env("CARGO_TERM_COLOR", "never").current_dir(tree::root());
    let output = command.output().expect("cargo runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {complaint}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// Asks cargo for the graph, with all features.
///
/// # Panics
/// When cargo does not answer.
pub fn graph() -> Graph {
    let json = cargo(&["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", TARGET]);
    let json: Value = serde_json::from_str(&json).expect("cargo metadata is JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let ids: BTreeSet<String> = list(&json["workspace_members"]).iter().map(text).collect();
    let names: BTreeMap<String, String> =
        list(&json["packages"]).iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let ours: BTreeSet<&String> = ids.iter().map(|id| &names[id]).collect();
    let root = text(&json["workspace_root"]);
    let mut members = BTreeMap::new();
    for package in list(&json["packages"]).iter().filter(|package| ids.contains(&text(&package["id"]))) {
        let manifest = text(&package["manifest_path"]);
        let folder = manifest.strip_prefix(&root).and_then(|path| path.strip_suffix("/Cargo.toml"));
        let imports: BTreeSet<String> = list(&package["dependencies"])
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| text(&dependency["name"]))
            .collect();
        let (ours, others) = imports.into_iter().partition(|name| ours.contains(name));
        let folder = folder.expect("below the root").trim_start_matches('/').to_owned();
        members.insert(text(&package["name"]), Member { folder, ours, others });
    }
    let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in list(&json["resolve"]["nodes"]) {
        for dependency in list(&node["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev") {
                let parent = names[&text(&node["id"])].clone();
                parents.entry(names[&text(&dependency["pkg"])].clone()).or_default().insert(parent);
            }
        }
    }
    Graph { members, parents }
}

/// The packages of others that a build of `arguments` compiles into the program, as name and version, with the settings
/// that devices are built with.
pub fn shipped(arguments: &[&str]) -> BTreeSet<String> {
    let fixed = ["--config", "cross/device.toml", "tree", "--locked", "-e", "normal", "--target", TARGET];
    let shape = ["--prefix", "none", "--format", "{p}"];
    let tree = cargo(&[&fixed[..], &shape, arguments].concat());
    tree.lines().filter(|line| !line.is_empty() && !line.contains(" (/")).map(|line| line.replace(" (*)", "")).collect()
}

/// Name and version of every package in the lock file.
pub fn locked() -> Vec<(String, String)> {
    let text = tree::read("Cargo.lock");
    let mut lines = text.lines();
    let mut locked = Vec::new();
    while let Some(line) = lines.next() {
        let quoted = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
        if let Some(name) = quoted(line, "name = ") {
            let version = lines.next().and_then(|line| quoted(line, "version = "));
            locked.push((name, version.expect("a version follows the name")));
        }
    }
    locked
}
