//! Packed files, unpacked into a file without a name that is mapped: memory that the system may take back.

use crate::Artifact;
use crate::container::whole;
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// Bytes that are written at a time.
const STEP_BYTES: usize = 1 << 18;

/// The plaintext of `bytes`; nothing if they are not packed. `room` is what is left of the limit of a tree.
pub(super) fn unpacked(bytes: &[u8], room: &mut u64) -> io::Result<Option<Artifact>> {
    let Some(packing) = whole::packing(bytes) else { return Ok(None) };
    let mut out = BufWriter::with_capacity(STEP_BYTES, tempfile::tempfile()?);
    *room -= whole::unpack(bytes, packing, *room, &mut out)?;
    finished(out).map(Some)
}

/// The plaintext of `bytes`, or what they are.
pub(super) fn copied(bytes: &[u8], room: &mut u64) -> io::Result<Artifact> {
    if let Some(unpacked) = unpacked(bytes, room)? {
        return Ok(unpacked);
    }
    let left = room.checked_sub(bytes.len() as u64);
    *room = left.ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it holds more than is opened"))?;
    let mut out = BufWriter::with_capacity(STEP_BYTES, tempfile::tempfile()?);
    out.write_all(bytes)?;
    finished(out)
}

/// What was written, mapped.
pub(super) fn finished(out: BufWriter<File>) -> io::Result<Artifact> {
    Artifact::of_file(&out.into_inner().map_err(io::IntoInnerError::into_error)?)
}
