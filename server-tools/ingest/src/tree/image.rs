//! Executables in the image of a file system, or in any other file: where they lie whole, and in what it holds packed.
//!
//! File systems are not parsed; what looks like an executable is one. So there are no paths: a file is named by where it
//! starts, `@` and the place in hexadecimal digits, of a packed one behind the place of what it is packed in. A file that
//! is stored in pieces is not found, or found in part.

use super::Place;
use super::unpacked::finished;
use crate::{Artifact, container, executable};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

/// Executables of one image; a complete desktop has ten thousand.
const EXECUTABLES_MAX: usize = 1 << 16;

/// Executables in `bytes`, which start at `offset` of the first store; what was packed is in the store that is given too.
pub(super) fn files(
    bytes: &[u8],
    offset: usize,
    room: &mut u64,
) -> io::Result<(BTreeMap<String, Place>, Option<Artifact>)> {
    let mut files = BTreeMap::new();
    for found in executable::find(bytes) {
        let range = found.range.start as usize..found.range.end as usize;
        files.insert(format!("@{:010x}", range.start), Place::Stored(0, range.start + offset..range.end + offset));
    }
    let (mut out, mut written) = (None, 0usize);
    for outer in container::find(bytes) {
        let Some(plain) = outer.unpack(bytes) else { continue };
        for found in executable::find(&plain) {
            let code = &plain[found.range.start as usize..found.range.end as usize];
            let Some(left) = room.checked_sub(code.len() as u64) else { break };
            if files.len() == EXECUTABLES_MAX {
                break;
            }
            *room = left;
            let out = match &mut out {
                Some(out) => out,
                None => out.insert(BufWriter::new(tempfile::tempfile()?)),
            };
            out.write_all(code)?;
            let name = format!("@{:010x}+{:x}", outer.range.start, found.range.start);
            files.insert(name, Place::Stored(1, written..written + code.len()));
            written += code.len();
        }
    }
    Ok((files, out.map(finished).transpose()?))
}
