//! What files hold, found without any code of the product.
//!
//! In: two files. Out: whether they are the same, how many bytes of 4 KiB blocks differ, and the SHA-256 that
//! `sha256sum` of coreutils computes.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::command;

const BLOCK_BYTES: usize = 4096;
const PIECE_BYTES: usize = 256 * BLOCK_BYTES;

/// Bytes of the 4 KiB blocks in which two files differ; what only the longer one has counts as different.
pub(crate) fn differing_bytes(a: &Path, b: &Path) -> Result<u64> {
    let open = |path: &Path| File::open(path).with_context(|| path.display().to_string());
    let (mut a, mut b) = (open(a)?, open(b)?);
    let (mut left, mut right) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut differing = 0;
    loop {
        let (ours, theirs) = (fill(&mut a, &mut left)?, fill(&mut b, &mut right)?);
        if ours == 0 && theirs == 0 {
            return Ok(differing);
        }
        if left[..ours] != right[..theirs] {
            let blocks = left[..ours].chunks(BLOCK_BYTES).zip(right[..theirs].chunks(BLOCK_BYTES));
            differing += (blocks.filter(|(a, b)| a != b).count() * BLOCK_BYTES) as u64;
            differing += ours.abs_diff(theirs) as u64;
        }
    }
}

/// Whether two files are the same to the last byte.
pub(crate) fn same(a: &Path, b: &Path) -> Result<bool> {
    Ok(differing_bytes(a, b)? == 0)
}

fn fill(file: &mut File, out: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match file.read(&mut out[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let line = command::output(Command::new("sha256sum").arg("--").arg(path))?;
    // A backslash stands in front when the name had to be escaped.
    let digest = line.split_whitespace().next().unwrap_or_default().trim_start_matches('\\').to_owned();
    ensure!(digest.len() == 64, "sha256sum printed: {line}");
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn counts_blocks_that_differ() {
        let folder = std::env::temp_dir().join(format!("stella-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            fs::write(folder.join(name), bytes).unwrap();
            folder.join(name)
        };
        let mut bytes = vec![7; 3 * PIECE_BYTES];
        let a = file("a", &bytes);
        for at in [0, 1, 4096, PIECE_BYTES + 5, 3 * PIECE_BYTES - 1] {
            bytes[at] = 8;
        }
        let b = file("b", &bytes);
        assert_eq!(differing_bytes(&a, &b).unwrap(), 4 * 4096);
        assert!(same(&a, &a).unwrap() && !same(&a, &b).unwrap());
        assert!(!same(&a, &file("short", &[7; 100])).unwrap());
        assert_eq!(sha256(&file("abc", b"abc")).unwrap()[..16], *"ba7816bf8f01cfea");
        fs::remove_dir_all(folder).unwrap();
    }
}
