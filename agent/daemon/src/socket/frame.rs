//! One message on the wire: JSON text and a zero byte.

use crate::json::{self, Value};
use std::io::{self, BufRead, ErrorKind, Read, Write};

/// Reads the next message; `None` when the peer has closed the connection between two messages.
///
/// # Errors
/// `InvalidData` for a message that is too long, is cut, or is no JSON; else what reading gives.
pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Value>> {
    let mut message = Vec::new();
    stream.take(json::BYTES_MAX as u64 + 1).read_until(0, &mut message)?;
    if message.is_empty() {
        return Ok(None);
    }
    if message.pop() != Some(0) {
        return Err(io::Error::new(ErrorKind::InvalidData, "a message is cut or longer than 64 KiB"));
    }
    let text =
        String::from_utf8(message).map_err(|_| io::Error::new(ErrorKind::InvalidData, "a message is not UTF-8"))?;
    json::parse(&text).map(Some).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Writes a message.
///
/// # Errors
/// What writing gives.
pub fn write(stream: &mut impl Write, message: &Value) -> io::Result<()> {
    let mut bytes = message.to_string().into_bytes();
    bytes.push(0);
    stream.write_all(&bytes)?;
    stream.flush()
}
