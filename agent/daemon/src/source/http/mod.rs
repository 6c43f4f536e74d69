//! HTTP/1.1 by hand over `httparse`: GET with ranges, kept connections, bounded redirects, bounded waits.
//!
//! In: an address, a range, timeouts. Out: a [`Download`] that yields body bytes. It does not retry (see
//! [`super::remote`]), trusts nothing that it fetches (see `delta-verify`), sends no cookies, no credentials and no
//! facts about the device.

mod body;
mod connection;
mod error;
mod head;
pub mod retry;
#[cfg(feature = "net-tls")]
mod tls;
pub mod url;

pub use error::{HttpError, Retry};

use crate::stop::Stop;
use body::Body;
use connection::Connection;
use head::{Framing, Head};
use std::path::PathBuf;
use std::time::Duration;
use url::{Scheme, Url};

/// Redirects in a row; browsers allow 20, a file server needs two.
const REDIRECTS_MAX: usize = 5;
/// Bytes of an error page that are read to keep the connection, instead of closing it.
const ERROR_BODY_BYTES_MAX: u64 = 16 * 1024;

/// Timeouts and trust of the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Longest wait for a connection, for each address of the host.
    pub connect_timeout: Duration,
    /// Longest silence of a server; in each such time at least 1 KiB must arrive.
    pub read_timeout: Duration,
    /// PEM file of the authorities that TLS trusts; the system's list when absent.
    pub ca_file: Option<PathBuf>,
    /// Unix seconds that are proven to have passed. TLS takes the later of this and the clock, so that a device that
    /// wakes up in 1970 can still connect.
    pub time_floor: u64,
}

/// A client that keeps its last connection for the next request to the same server.
pub struct Client {
    settings: HttpSettings,
    stop: Stop,
    idle: Option<Connection>,
}

/// An answer whose body is being read.
pub struct Download {
    connection: Connection,
    body: Body,
    keep_alive: bool,
    first: u64,
    total: Option<u64>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Download {
    /// The place of the first body byte in the file. A server without ranges starts at 0 whatever was asked for.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Bytes of the whole file, when the server says so.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Reads some bytes to the front of `out`; 0 at the end.
    ///
    /// # Errors
    /// [`HttpError`]; a body that ends before its announced length is one.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, HttpError> {
        self.body.read(&mut self.connection, out)
    }
}

impl Client {
    /// A client without a connection.
    pub fn new(settings: HttpSettings, stop: Stop) -> Self {
        Self { settings, stop, idle: None }
    }

    /// Asks for the bytes `first..=last` of a file (to its end without `last`), following redirects.
    ///
    /// # Errors
    /// [`HttpError`]; every status but 200 and 206 is one.
    pub fn get(&mut self, url: &Url, first: u64, last: Option<u64>) -> Result<Download, HttpError> {
        let range = (first > 0 || last.is_some()).then_some((first, last));
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let (head, mut connection) = self.ask(&url, range)?;
            let mut body = Body::new(head.framing);
            match head.status {
                200 | 206 => return accept(head, body, connection, range),
                301 | 302 | 303 | 307 | 308 => {
                    let location = head.location.as_deref().unwrap_or("");
                    let next = url.redirect(location).map_err(HttpError::Location)?;
                    if url.scheme == Scheme::Tls && next.scheme == Scheme::Plain {
                        return Err(HttpError::Downgrade);
                    }
                    url = next;
                }
                _ => {}
            }
            if head.keep_alive && drain(&mut body, &mut connection) {
                self.idle = Some(connection);
            }
            if !(300..400).contains(&head.status) || head.location.is_none() {
                return Err(HttpError::Status(head.status, head.retry_after));
            }
        }
        Err(HttpError::Redirects)
    }

    /// Takes the connection of a download back, for the next request, when its body was read to the end.
    pub fn finish(&mut self, mut download: Download) {
        // A chunked body ends one line behind its last byte.
        let mut nothing = [0];
        let at_end = match download.body {
            Body::Done => true,
            Body::ChunkLine => matches!(download.read(&mut nothing), Ok(0)),
            _ => false,
        };
        if at_end && download.keep_alive {
            self.idle = Some(download.connection);
        }
    }

    /// Sends one request and reads the head of the answer. A kept connection that the server has closed in the
    /// meantime is replaced once; that is not a failure of the server.
    fn ask(&mut self, url: &Url, range: Option<(u64, Option<u64>)>) -> Result<(Head, Connection), HttpError> {
        let request = head::request(url, range);
        if let Some(mut kept) = self.idle.take().filter(|kept| kept.serves(url)) {
            match read_head(&mut kept, request.as_bytes()) {
                Ok(head) => return Ok((head, kept)),
                Err(HttpError::Cut(_)) if kept.arrived().is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        let mut connection = Connection::open(url, &self.settings, &self.stop)?;
        let head = read_head(&mut connection, request.as_bytes())?;
        Ok((head, connection))
    }
}

fn read_head(connection: &mut Connection, request: &[u8]) -> Result<Head, HttpError> {
    connection.send(request)?;
    loop {
        if let Some((head, used)) = head::parse(connection.arrived())? {
            connection.consume(used);
            // 1xx are announcements; the answer follows (RFC 9110 section 15.2).
            if !(100..200).contains(&head.status) {
                return Ok(head);
            }
        } else if !connection.wait_for_more()? {
            return Err(HttpError::Cut(None));
        }
    }
}

/// Checks that the answer is what was asked for.
fn accept(
    head: Head,
    body: Body,
    connection: Connection,
    range: Option<(u64, Option<u64>)>,
) -> Result<Download, HttpError> {
    let (first, total) = match (head.status, head.span, range) {
        (206, Some(span), Some((first, last))) => {
            let bytes = span.last - span.first + 1;
            if span.first != first || last.is_some_and(|last| span.last > last) {
                return Err(HttpError::Protocol("the server sends another range than asked for"));
            }
            if matches!(head.framing, Framing::Length(length) if length != bytes) {
                return Err(HttpError::Protocol("Content-Range and Content-Length disagree"));
            }
            (span.first, span.total)
        }
        (206, _, _) => return Err(HttpError::Protocol("a partial answer without its range")),
        _ => match head.framing {
            Framing::Length(bytes) => (0, Some(bytes)),
            _ => (0, None),
        },
    };
    Ok(Download { connection, body, keep_alive: head.keep_alive, first, total })
}

/// Reads the rest of a small body that nobody wants. Returns whether the connection can be used again.
fn drain(body: &mut Body, connection: &mut Connection) -> bool {
    let mut scratch = [0; 1024];
    let mut left = ERROR_BODY_BYTES_MAX;
    loop {
        match body.read(connection, &mut scratch) {
            Ok(0) => return *body == Body::Done,
            Ok(count) if (count as u64) < left => left -= count as u64,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
