//! One connection to a server: bytes in and out, each wait bounded.
//!
//! In: an address, timeouts, a flag to stop. Out: a buffered [`Connection`]. It knows nothing of HTTP, and it never
//! waits longer than a tick without looking at the flag, so that `cancel` works on a silent server too.

use super::HttpSettings;
use super::error::HttpError;
use super::url::{Scheme, Url};
use crate::stop::Stop;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How often a waiting read looks at the flag to stop.
const TICK: Duration = Duration::from_millis(200);
/// Bytes that are read from the system at once; one TCP window of a slow link.
const BUFFER_BYTES: usize = 16 * 1024;
/// Bytes that must arrive within each read timeout, so that a server which sends one byte a minute counts as silent.
const SLOW_BYTES_MIN: u64 = 1024;

enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "net-tls")]
    Tls(Box<super::tls::TlsStream>),
}

/// One open connection.
pub(super) struct Connection {
    stream: Stream,
    origin: (Scheme, String, u16),
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    stop: Stop,
    read_timeout: Duration,
    window: Instant,
    window_bytes: u64,
}

impl Connection {
    /// Connects to the host of `url`, trying its addresses in the order of the resolver.
    pub(super) fn open(url: &Url, settings: &HttpSettings, stop: &Stop) -> Result<Self, HttpError> {
        let host = url.authority();
        let addresses = (url.host.as_str(), url.port)
            .to_socket_addrs()
            .map_err(|error| HttpError::Resolve(url.host.clone(), error))?;
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in addresses {
            if stop.is_set() {
                return Err(HttpError::Stopped);
            }
            match TcpStream::connect_timeout(&address, settings.connect_timeout) {
                Ok(tcp) => return Self::over(tcp, url, settings, stop),
                Err(error) => last = error,
            }
        }
        Err(HttpError::Connect(host, last))
    }

    fn over(tcp: TcpStream, url: &Url, settings: &HttpSettings, stop: &Stop) -> Result<Self, HttpError> {
        let set_up = || {
            tcp.set_nodelay(true)?;
            tcp.set_read_timeout(Some(TICK))?;
            tcp.set_write_timeout(Some(settings.read_timeout))
        };
        set_up().map_err(|error| HttpError::Connect(url.authority(), error))?;
        let stream = match url.scheme {
            Scheme::Plain => Stream::Plain(tcp),
            #[cfg(feature = "net-tls")]
            Scheme::Tls => Stream::Tls(Box::new(super::tls::connect(tcp, &url.host, settings)?)),
            #[cfg(not(feature = "net-tls"))]
            Scheme::Tls => return Err(HttpError::NoTls),
        };
        Ok(Self {
            stream,
            origin: (url.scheme, url.host.clone(), url.port),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            stop: stop.clone(),
            read_timeout: settings.read_timeout,
            window: Instant::now(),
            window_bytes: 0,
        })
    }

    /// Whether this connection leads to the server of `url`, with nothing left unread on it.
    pub(super) fn serves(&self, url: &Url) -> bool {
        self.start == self.end && self.origin == (url.scheme, url.host.clone(), url.port)
    }

    /// Sends one request.
    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), HttpError> {
        self.window = Instant::now();
        self.window_bytes = 0;
        let sent = match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(request),
            #[cfg(feature = "net-tls")]
            Stream::Tls(tls) => super::tls::send(tls, request, self.read_timeout),
        };
        sent.map_err(tls_or_cut)
    }

    /// What has arrived and was not consumed.
    pub(super) fn arrived(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Marks the first `count` arrived bytes as read.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.end, "more bytes consumed than arrived");
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Waits until more bytes are there.
    ///
    /// Returns `false` when the server has closed the connection. A full buffer is an error of the caller's grammar.
    pub(super) fn wait_for_more(&mut self) -> Result<bool, HttpError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            return Err(HttpError::Protocol("a header or line is too long"));
        }
        loop {
            if self.stop.is_set() {
                return Err(HttpError::Stopped);
            }
            if self.window.elapsed() > self.read_timeout {
                if self.window_bytes < SLOW_BYTES_MIN {
                    return Err(HttpError::Stalled);
                }
                self.window = Instant::now();
                self.window_bytes = 0;
            }
            let free = &mut self.buffer[self.end..];
            let read = match &mut self.stream {
                Stream::Plain(tcp) => tcp.read(free),
                #[cfg(feature = "net-tls")]
                Stream::Tls(tls) => tls.read(free),
            };
            match read {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.end += count;
                    self.window_bytes += count as u64;
                    return Ok(true);
                }
                Err(error) if is_tick(&error) => {}
                Err(error) => return Err(tls_or_cut(error)),
            }
        }
    }

    /// The time between the end of the head and the first body byte does not count against the server twice, and a
    /// caller that works between two reads must not make the server look slow.
    pub(super) fn restart_clock(&mut self) {
        if self.window.elapsed() > self.read_timeout / 2 {
            self.window = Instant::now();
            self.window_bytes = 0;
        }
    }
}

/// Whether a read only ran into its tick or a signal.
pub(super) fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The TLS library reports a refused certificate as an I/O error of kind `InvalidData`.
fn tls_or_cut(error: io::Error) -> HttpError {
    match error.kind() {
        ErrorKind::InvalidData => HttpError::Tls(error.to_string()),
        _ => HttpError::Cut(Some(error)),
    }
}
