//! A static file server for the channel, with a line that can be slow and break.
//!
//! In: a folder, and for one of its files a speed and offsets at which the line breaks or stalls. Out: HTTP/1.1 on the
//! loopback address (GET and HEAD, single ranges, kept connections), and a count of every body byte that was sent. It
//! serves the demo's own agent; nothing here is hardened against strangers.

mod connection;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};

use connection::Connection;

/// How the line behaves for one file; every other file comes at full speed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) file: String,
    pub(crate) bytes_per_second: u64,
    /// The connection breaks here, once.
    pub(crate) break_at: Option<u64>,
    /// Nothing from here on is sent until [`Server::power_cut`].
    pub(crate) stall_at: Option<u64>,
}

/// One answer: a part of a file, as far as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) file: String,
    pub(crate) first: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    line: Line,
    sent: Vec<Sent>,
    /// Raised to end every connection.
    era: u32,
}

/// A running server. Its threads end with the program.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Serves the folder on a free port of the loopback address.
    pub(crate) fn start(folder: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port of 127.0.0.1 can be opened")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, state) = (folder.clone(), Arc::clone(&shared));
                thread::spawn(move || {
                    let era = lock(&state).era;
                    // A connection that ends early is the reader's business, and often what the demo wants.
                    let _ = Connection { folder: &folder, state: &state, era }.serve(stream);
                });
            }
        });
        Ok(Self { address, state })
    }

    /// The address of the folder.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_line(&self, line: Line) {
        lock(&self.state).line = line;
    }

    /// Ends every connection and lifts the stall: after a power cut nobody is at the other end any more.
    pub(crate) fn power_cut(&self) {
        let mut state = lock(&self.state);
        state.era += 1;
        state.line.stall_at = None;
        state.line.break_at = None;
    }

    /// What was sent of a file so far, request by request.
    pub(crate) fn sent(&self, file: &str) -> Vec<Sent> {
        lock(&self.state).sent.iter().filter(|sent| sent.file == file).cloned().collect()
    }
}

/// Body bytes of all requests, and how many of them were sent before.
pub(crate) fn total_and_again(requests: &[Sent]) -> (u64, u64) {
    let mut spans: Vec<_> = requests.iter().map(|sent| (sent.first, sent.first + sent.bytes)).collect();
    spans.sort_unstable();
    let (mut covered, mut end) = (0, 0);
    for (first, last) in spans {
        covered += last.saturating_sub(first.max(end));
        end = end.max(last);
    }
    let total = requests.iter().map(|sent| sent.bytes).sum();
    (total, total - covered)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpStream};

    fn get(address: SocketAddr, file: &str, range: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /{file} HTTP/1.1\r\nHost: x\r\n{range}\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let body = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8_lossy(&answer[..body]).into_owned(), answer[body..].to_vec())
    }

    /// Whole files, ranges, missing files; a line that breaks once, and the count of what was sent twice.
    #[test]
    fn serves_and_breaks() {
        let folder = std::env::temp_dir().join(format!("stella-server-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
        std::fs::write(folder.join("x"), &bytes).unwrap();
        let server = Server::start(folder.clone()).unwrap();
        let check = |file: &str, range: &str, status: &str, expected: &[u8]| {
            let (head, body) = get(server.address, file, range);
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{range}: {head}");
            assert!(body == expected, "{range}: {} bytes", body.len());
        };
        check("x", "", "200", &bytes);
        check("x", "Range: bytes=10-19\r\n", "206", &bytes[10..20]);
        check("x", "Range: bytes=199990-\r\n", "206", &bytes[199_990..]);
        check("x", "Range: bytes=200000-\r\n", "416", &[]);
        check("../x", "", "404", &[]);
        check("nothing", "", "404", &[]);
        let line = Line { file: "x".into(), bytes_per_second: 10_000_000, break_at: Some(70_000), stall_at: None };
        server.set_line(line);
        check("x", "", "200", &bytes[..70_000]);
        check("x", "Range: bytes=69990-\r\n", "206", &bytes[69_990..]);
        let sent = server.sent("x");
        assert_eq!(total_and_again(&sent[3..]), (200_010, 10));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
