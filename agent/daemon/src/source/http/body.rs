//! The bytes of an answer, whatever framing carries them.
//!
//! In: a connection behind the head of an answer. Out: body bytes, and the certainty that the body was complete:
//! a connection that closes before the announced end is an error, never a short file.

use super::connection::Connection;
use super::error::HttpError;
use super::head::Framing;

/// Bytes of the line before a chunk, with its extensions that nobody uses.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Lines after the last chunk.
const TRAILERS_MAX: usize = 32;

/// What is left of one body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// So many bytes of the chunk that is being read.
    Chunk(u64),
    /// The line before a chunk comes next.
    ChunkLine,
    /// Until the connection closes.
    UntilClose,
    /// Nothing; the connection stands behind the body.
    Done,
    /// Nothing; the connection is closed.
    Closed,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Done,
            Framing::Length(bytes) => Self::Length(bytes),
            Framing::Chunked => Self::ChunkLine,
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Reads some bytes to the front of `out`; 0 at the end of the body.
    pub(super) fn read(&mut self, connection: &mut Connection, out: &mut [u8]) -> Result<usize, HttpError> {
        if out.is_empty() {
            return Ok(0);
        }
        connection.restart_clock();
        loop {
            match *self {
                Self::Done | Self::Closed => return Ok(0),
                Self::ChunkLine => *self = next_chunk(connection)?,
                Self::UntilClose => {
                    let count = take(connection, out)?;
                    if count == 0 {
                        *self = Self::Closed;
                    }
                    return Ok(count);
                }
                Self::Length(left) | Self::Chunk(left) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
                    let count = take(connection, &mut out[..most])?;
                    if count == 0 {
                        return Err(HttpError::Cut(None));
                    }
                    let left = left - count as u64;
                    let chunked = matches!(self, Self::Chunk(_));
                    *self = match (chunked, left) {
                        (false, 0) => Self::Done,
                        (false, left) => Self::Length(left),
                        (true, 0) => {
                            if !line(connection)?.is_empty() {
                                return Err(HttpError::Protocol("a chunk does not end where it should"));
                            }
                            Self::ChunkLine
                        }
                        (true, left) => Self::Chunk(left),
                    };
                    return Ok(count);
                }
            }
        }
    }
}

/// Copies arrived bytes, waiting for some if there are none; 0 when the connection is closed.
fn take(connection: &mut Connection, out: &mut [u8]) -> Result<usize, HttpError> {
    if connection.arrived().is_empty() && !connection.wait_for_more()? {
        return Ok(0);
    }
    let count = connection.arrived().len().min(out.len());
    out[..count].copy_from_slice(&connection.arrived()[..count]);
    connection.consume(count);
    Ok(count)
}

/// One line without its end.
fn line(connection: &mut Connection) -> Result<Vec<u8>, HttpError> {
    loop {
        let arrived = connection.arrived();
        let searched = &arrived[..arrived.len().min(CHUNK_LINE_BYTES_MAX)];
        if let Some(end) = searched.windows(2).position(|pair| pair == b"\r\n") {
            let line = searched[..end].to_vec();
            connection.consume(end + 2);
            return Ok(line);
        }
        if searched.len() == CHUNK_LINE_BYTES_MAX {
            return Err(HttpError::Protocol("the line before a chunk is too long"));
        }
        if !connection.wait_for_more()? {
            return Err(HttpError::Cut(None));
        }
    }
}

fn next_chunk(connection: &mut Connection) -> Result<Body, HttpError> {
    let wrong = HttpError::Protocol("the length of a chunk is not a number");
    let line = line(connection)?;
    let digits = line.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    // 15 digits are 2^60 bytes, beyond any file and below any overflow.
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(wrong);
    }
    let digits = str::from_utf8(digits).map_err(|_| HttpError::Protocol("the length of a chunk is not a number"))?;
    match u64::from_str_radix(digits, 16) {
        Ok(0) => {
            for _ in 0..TRAILERS_MAX {
                if self::line(connection)?.is_empty() {
                    return Ok(Body::Done);
                }
            }
            Err(HttpError::Protocol("too many lines after the last chunk"))
        }
        Ok(bytes) => Ok(Body::Chunk(bytes)),
        Err(_) => Err(wrong),
    }
}
