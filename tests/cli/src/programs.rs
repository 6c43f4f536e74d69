//! Finds the two programs: built once by cargo from the tree at hand, in the profile and target folder of the test that
//! runs, so that no stale program is ever tested.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const NAMES: [&str; 2] = ["stella", "stella-agent"];

/// The host's program.
pub fn stella() -> &'static Path {
    &both()[0]
}

/// The device's program.
pub fn agent() -> &'static Path {
    &both()[1]
}

fn both() -> &'static [PathBuf; 2] {
    static BOTH: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BOTH.get_or_init(|| match std::env::var_os("STELLA_PROGRAMS") {
        Some(folder) => NAMES.map(|name| Path::new(&folder).join(name)),
        None => build(),
    })
}

fn build() -> [PathBuf; 2] {
    // target/debug/deps/acceptance-0123456789abcdef
    let test = std::env::current_exe().expect("a test knows its own file");
    let profile_folder = test.parent().and_then(Path::parent).expect("cargo puts tests into PROFILE/deps");
    let target_folder = profile_folder.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--message-format=json", "--profile", profile]);
    command.args(NAMES.iter().flat_map(|name| ["-p", name]));
    if let Some(folder) = target_folder {
        command.arg("--target-dir").arg(folder);
    }
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "the programs do not build");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    NAMES.map(|name| {
        let made = messages.iter().find_map(|message| {
            message["executable"].as_str().filter(|_| message["target"]["name"] == name).map(PathBuf::from)
        });
        made.unwrap_or_else(|| panic!("cargo names no program {name}"))
    })
}
