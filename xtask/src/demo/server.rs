//! A static file server for the channel, with a line that can be slow and break.
//!
//! In: a folder, and for one of its files a speed and offsets at which the line breaks or stalls. Out: HTTP/1.1 on the
//! loopback address (GET and HEAD, single ranges, kept connections), and a count of every body byte that was sent. It
//! serves the demo's own agent; nothing here is hardened against strangers.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Pieces that a slow line sends each second.
const PIECES_PER_SECOND: u64 = 50;
const PIECE_BYTES: u64 = 64 * 1024;
/// Header lines of one request; the agent sends six.
const HEADERS_MAX: usize = 100;

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

struct Request {
    method: String,
    file: String,
    /// First and last byte that are asked for.
    range: Option<(u64, Option<u64>)>,
}

struct Connection<'a> {
    folder: &'a Path,
    state: &'a Mutex<State>,
    era: u32,
}

impl Connection<'_> {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = read_request(&mut reader)? {
            if !self.answer(&request, &stream)? {
                return stream.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    /// False when the connection has to end.
    fn answer(&self, request: &Request, mut stream: &TcpStream) -> std::io::Result<bool> {
        let path = self.folder.join(&request.file);
        let inside = request.file.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        let (mut file, length) = match File::open(&path).and_then(|file| Ok((file.metadata()?, file))) {
            Ok((about, file)) if inside && about.is_file() => (file, about.len()),
            _ => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
                return Ok(true);
            }
        };
        let (first, end) = match request.range {
            Some((first, last)) => (first, last.map_or(length, |last| last.saturating_add(1).min(length))),
            None => (0, length),
        };
        if first > end || (first == end && request.range.is_some()) {
            let head = format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{length}\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            return Ok(true);
        }
        let bytes = end - first;
        let head = match request.range {
            Some(_) => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{}/{length}\r\nContent-Length: {bytes}\r\n\r\n",
                end - 1
            ),
            None => format!("HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: {bytes}\r\n\r\n"),
        };
        stream.write_all(head.as_bytes())?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        file.seek(SeekFrom::Start(first))?;
        let index = {
            let mut state = lock(self.state);
            state.sent.push(Sent { file: request.file.clone(), first, bytes: 0 });
            state.sent.len() - 1
        };
        self.body(request, &mut file, (first, end), stream, index)
    }

    fn body(
        &self,
        request: &Request,
        file: &mut File,
        (mut at, end): (u64, u64),
        mut stream: &TcpStream,
        index: usize,
    ) -> std::io::Result<bool> {
        let mut piece = vec![0; PIECE_BYTES as usize];
        while at < end {
            let line = {
                let mut state = lock(self.state);
                if state.era != self.era {
                    return Ok(false);
                }
                let ours = state.line.file == request.file;
                if ours && state.line.break_at == Some(at) {
                    state.line.break_at = None;
                    return Ok(false);
                }
                ours.then(|| state.line.clone())
            };
            let mut most = PIECE_BYTES.min(end - at);
            if let Some(line) = line {
                most = most.min((line.bytes_per_second / PIECES_PER_SECOND).max(1));
                for edge in [line.break_at, line.stall_at].into_iter().flatten().filter(|edge| *edge >= at) {
                    most = most.min(edge - at);
                }
                thread::sleep(Duration::from_millis(1000 / PIECES_PER_SECOND));
            }
            // Nothing to send: the line stalls here.
            let piece = &mut piece[..most as usize];
            file.read_exact(piece)?;
            stream.write_all(piece)?;
            at += most;
            lock(self.state).sent[index].bytes += most;
        }
        Ok(true)
    }
}

fn read_request(reader: &mut impl std::io::BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let file = target.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
    let mut range = None;
    for _ in 0..HEADERS_MAX {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(Request { method, file, range }));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            let span = value.trim().strip_prefix("bytes=").and_then(|span| span.split_once('-'));
            range = span.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

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
