//! The frame around a device's record: two copies, written in turn. `docs/formats/journal.md`.
//!
//! ```text
//! 0    8  magic
//! 8    8  sequence, little endian; the higher valid one counts
//! 16   4  body bytes, little endian
//! 20   4  zero
//! 24  32  BLAKE3 of bytes 0..24 and the body
//! 56      body, then zeros up to 4096
//! ```
//! A write touches one copy only, so a torn write leaves the other one: after any cut the record is old or new.

use crate::limits::JOURNAL_RECORD_BYTES;
use crate::{Blake3, FormatError};

/// Bytes before the body.
pub const FRAME_BYTES: usize = 56;
/// The largest body.
pub const BODY_BYTES_MAX: usize = JOURNAL_RECORD_BYTES - FRAME_BYTES;
/// First bytes of a copy.
pub const MAGIC: [u8; 8] = *b"STELJ1\n\x9a";

/// One copy, ready to be written in one piece.
pub type Record = [u8; JOURNAL_RECORD_BYTES];

/// Frames `body` as record number `sequence`.
///
/// # Errors
/// [`FormatError::LimitExceeded`] when the body is longer than [`BODY_BYTES_MAX`].
pub fn seal(sequence: u64, body: &[u8], blake3: impl Fn(&[&[u8]]) -> Blake3) -> Result<Record, FormatError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(FormatError::LimitExceeded("journal record"));
    }
    let mut record = [0; JOURNAL_RECORD_BYTES];
    record[..8].copy_from_slice(&MAGIC);
    record[8..16].copy_from_slice(&sequence.to_le_bytes());
    record[16..20].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record[FRAME_BYTES..FRAME_BYTES + body.len()].copy_from_slice(body);
    let checksum = blake3(&[&record[..24], body]);
    record[24..FRAME_BYTES].copy_from_slice(checksum.as_bytes());
    Ok(record)
}

/// Opens one copy: its sequence number and its body.
///
/// # Errors
/// [`FormatError`] when the copy is torn, damaged or was never written.
pub fn open(record: &[u8], blake3: impl Fn(&[&[u8]]) -> Blake3) -> Result<(u64, &[u8]), FormatError> {
    let record: &Record = record.try_into().map_err(|_| FormatError::Truncated)?;
    if record[..8] != MAGIC {
        return Err(FormatError::BadMagic);
    }
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&record[8..16]);
    let body_bytes = u32::from_le_bytes([record[16], record[17], record[18], record[19]]) as usize;
    let end = FRAME_BYTES.checked_add(body_bytes).filter(|&end| end <= JOURNAL_RECORD_BYTES);
    let body = &record[FRAME_BYTES..end.ok_or(FormatError::LimitExceeded("journal record"))?];
    if blake3(&[&record[..24], body]).as_bytes()[..] != record[24..FRAME_BYTES] {
        return Err(FormatError::BadChecksum);
    }
    Ok((u64::from_le_bytes(sequence), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blake3(parts: &[&[u8]]) -> Blake3 {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Blake3::new(*hasher.finalize().as_bytes())
    }

    /// A record comes back; any flipped byte of it, or a torn tail, does not pass.
    #[test]
    fn damage_is_found() {
        let body = [7; 300];
        let record = seal(42, &body, blake3).expect("it fits");
        assert_eq!(open(&record, blake3), Ok((42, &body[..])));
        for at in 0..FRAME_BYTES + body.len() {
            let mut damaged = record;
            damaged[at] ^= 1;
            assert!(open(&damaged, blake3).is_err(), "byte {at}");
        }
        let mut torn = record;
        torn[100..].fill(0);
        assert_eq!(open(&torn, blake3), Err(FormatError::BadChecksum));
        assert_eq!(open(&record[..100], blake3), Err(FormatError::Truncated));
        assert_eq!(open(&[0; JOURNAL_RECORD_BYTES], blake3), Err(FormatError::BadMagic));
        assert!(seal(1, &[0; BODY_BYTES_MAX + 1], blake3).is_err());
    }
}
