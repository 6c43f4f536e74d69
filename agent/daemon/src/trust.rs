//! Finds the pinned trust root: the one `*.trust` file of the trust directory.

use delta_verify::TrustRoot;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a trust root; 8 signers and 16 witnesses need about 4 KiB.
const BYTES_MAX: u64 = 64 * 1024;

/// Reads the trust root.
///
/// # Errors
/// A sentence that names the folder, or the file and its line.
pub fn load(folder: &Path) -> Result<TrustRoot, String> {
    let path = find(folder)?;
    let read = || {
        let metadata = fs::metadata(&path)?;
        if metadata.len() > BYTES_MAX {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        fs::read_to_string(&path)
    };
    let text = read().map_err(|error| format!("The trust root {} cannot be read: {error}.", path.display()))?;
    TrustRoot::parse(&text).map_err(|error| format!("The trust root {} is not valid: {error}.", path.display()))
}

fn find(folder: &Path) -> Result<PathBuf, String> {
    let listing = fs::read_dir(folder)
        .map_err(|error| format!("The trust directory {} cannot be read: {error}.", folder.display()))?;
    let is_trust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "trust");
    let mut files: Vec<_> = listing.flatten().map(|entry| entry.path()).filter(is_trust).collect();
    match files.len() {
        1 => Ok(files.remove(0)),
        0 => Err(format!("There is no trust root: put one *.trust file into {}.", folder.display())),
        // Two roots would mean that either is enough; whoever can add a file must not be able to add a signer.
        _ => Err(format!("There are several *.trust files in {}; keep one.", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_exactly_one() {
        let folder = tempfile::tempdir().unwrap();
        let check = |expected: &str| {
            let error = load(folder.path()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("no trust root");
        fs::write(folder.path().join("a.trust"), "nonsense\n").unwrap();
        check("is not valid");
        fs::write(folder.path().join("b.trust"), "nonsense\n").unwrap();
        check("several");
        assert!(load(&folder.path().join("none")).unwrap_err().contains("cannot be read"));
    }
}
