//! C2SP tlog-cosignature, `cosignature/v1`: a witness says when it saw a head that continues all it saw before.

use crate::checkpoint::{BODY_BYTES_MAX, Body};
use crate::note::{NoteKey, NoteKeyKind};
use core::fmt::Write;
use delta_format::Signature;

/// The largest time that a cosignature may carry (tlog-cosignature, section Format).
pub const TIMESTAMP_MAX: u64 = i64::MAX as u64;

/// Bytes of a cosigned message: `cosignature/v1`, `time`, 20 digits, newlines and the body.
pub const MESSAGE_BYTES_MAX: usize = 15 + 5 + 20 + 1 + BODY_BYTES_MAX;

/// The text that a witness signs.
pub type Message = heapless::String<MESSAGE_BYTES_MAX>;

/// Writes the text that a witness signs: the time in Unix seconds and the body of the checkpoint.
pub fn message(timestamp: u64, body: &Body) -> Message {
    let mut message = Message::new();
    write!(message, "cosignature/v1\ntime {timestamp}\n{body}").expect("the buffer holds the longest message");
    message
}

/// Whether `signature` is the witness's cosignature of `body` at `timestamp`. A time of 0 states no time and is not
/// accepted: the time floor is built on it.
#[must_use]
pub fn is_cosigned(body: &Body, witness: &NoteKey, timestamp: u64, signature: &Signature) -> bool {
    (1..=TIMESTAMP_MAX).contains(&timestamp)
        && witness.kind() == NoteKeyKind::Witness
        && witness.key().verifies(message(timestamp, body).as_bytes(), signature)
}
