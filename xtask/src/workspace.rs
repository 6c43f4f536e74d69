//! Where the repository and its build folder are, and the cargo to build it with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    // The manifest's folder is fixed when xtask is compiled, and `cargo xtask` compiles it from the tree it stands in.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the repository's root").to_owned()
}

/// The build folder (`target`, or what the environment says).
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs this chore, at the root of the tree.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // `cargo run` describes xtask in these. Build scripts that watch them would run again, and with them half the
    // tree, at every change between `cargo xtask test` and a plain `cargo test`.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"].iter().any(|kind| name.starts_with(kind)) {
            command.env_remove(&*name);
        }
    }
    command
}
