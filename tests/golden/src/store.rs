//! The stored files. A vector is written once, when it does not exist and `STELLA_GOLDEN_WRITE=1` asks for it, and is
//! never edited: a format that changes gets new vectors beside the old ones.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folder of this crate, where each format has its own.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path of a vector.
pub fn path(name: &str) -> PathBuf {
    folder().join(name)
}

/// Compares `bytes` with the stored vector `name`.
///
/// # Panics
/// When they differ, or when there is none and it was not asked to be written.
pub fn check(name: &str, bytes: &[u8]) {
    let path = path(name);
    if !path.exists() && std::env::var_os("STELLA_GOLDEN_WRITE").is_some() {
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("made");
        // By rename, because other tests of the same run read it.
        let mut file = tempfile::NamedTempFile::new_in(folder).expect("made");
        file.write_all(bytes).expect("written");
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).expect("readable");
        file.persist(&path).expect("written");
    }
    let stored = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}\nnew vectors are written by: STELLA_GOLDEN_WRITE=1 cargo test -p tests-golden",
            path.display()
        )
    });
    if stored != bytes {
        let at = stored.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        panic!(
            "{name}: this build writes other bytes than the stored vector, from byte {at} on ({} against {}). A format \
             does not change silently: give it a new version and a new vector",
            bytes.len(),
            stored.len()
        );
    }
}

/// The bytes of a stored vector.
///
/// # Panics
/// When there is none.
pub fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
