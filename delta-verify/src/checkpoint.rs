//! C2SP tlog-checkpoint: the text of a log head, and the log's signature under it.
//!
//! The capsule carries size, root and signature; the text is written again from them, so device and log sign and verify
//! the same bytes. Extension lines are not supported: no auditor reads them.

use crate::base64;
use crate::note::{KEY_NAME_BYTES_MAX, KeyName, NoteError, NoteKey, NoteKeyKind, write_base64};
use core::fmt::Write;
use delta_format::{Sha256, Signature};

/// Bytes of a checkpoint body: origin, 20 digits, 44 characters of base64 and three newlines.
pub const BODY_BYTES_MAX: usize = KEY_NAME_BYTES_MAX + 20 + 44 + 3;

/// The signed text of a checkpoint.
pub type Body = heapless::String<BODY_BYTES_MAX>;

/// Writes the text of a head.
pub fn body(origin: &KeyName, tree_size: u64, root: &Sha256) -> Body {
    let mut body = Body::new();
    write!(body, "{origin}\n{tree_size}\n")
        .and_then(|()| write_base64(&mut body, root.as_bytes()))
        .and_then(|()| body.write_str("\n"))
        .expect("the buffer holds the longest body");
    body
}

/// Reads the text of a head: origin, tree size, root.
///
/// # Errors
/// [`NoteError::Checkpoint`] for any text that [`body`] would not write.
pub fn parse_body(text: &str) -> Result<(KeyName, u64, Sha256), NoteError> {
    let parse = || {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin: KeyName = lines.next()?.parse().ok()?;
        let size = lines.next()?;
        let root = base64::decode(lines.next()?.as_bytes())?;
        let plain = size == "0" || (!size.starts_with('0') && size.bytes().all(|b| b.is_ascii_digit()));
        let size = size.parse().ok().filter(|_| plain && lines.next().is_none())?;
        Some((origin, size, Sha256::new(root)))
    };
    parse().ok_or(NoteError::Checkpoint)
}

/// Whether `signature` is the log's own under `body`.
#[must_use]
pub fn is_signed(body: &Body, log: &NoteKey, signature: &Signature) -> bool {
    log.kind() == NoteKeyKind::Log && log.key().verifies(body.as_bytes(), signature)
}
