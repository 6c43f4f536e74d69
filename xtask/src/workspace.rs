//! Where the repository and its build folder are.

use std::path::{Path, PathBuf};

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    // The manifest's folder is fixed when xtask is compiled, and `cargo xtask` compiles it from the tree it stands in.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the repository's root")
        .to_owned()
}

/// The build folder (`target`, or what the environment says).
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}
