//! A web server that breaks as it is told: ranges, keep-alive, cuts at any byte, errors, silence; it counts every byte.
//!
//! In: a folder, and for each request an [`Answer`] from the test. Out: [`Served`] lines. One thread a connection, on
//! the loopback, on a port that the system chooses.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that are sent at a time.
pub const PIECE_BYTES: usize = 8192;

/// A request for a file that exists.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The path, with its first `/`.
    pub path: String,
    /// Offset of the first byte that is asked for.
    pub start: u64,
    /// Bytes that an answer without a fault holds.
    pub bytes: u64,
}

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answers well.
    Whole,
    /// Sends so many bytes of the body, then closes the connection.
    Cut(u64),
    /// Answers with this status alone.
    Status(u16),
    /// Sends so many bytes of the body, then says nothing more until the server ends.
    Silence(u64),
}

/// What was sent.
#[derive(Clone, Debug)]
pub struct Served {
    /// The path, with its first `/`.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// Offset of the first byte.
    pub start: u64,
    /// Bytes of the body that were sent.
    pub sent: u64,
}

type Policy = Box<dyn FnMut(&Asked) -> Answer + Send>;

struct Shared {
    root: PathBuf,
    policy: Mutex<Policy>,
    served: Mutex<Vec<Served>>,
    ending: AtomicBool,
    ranges: AtomicBool,
    in_step: AtomicBool,
}

/// A running server; dropping it ends it.
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({}, {})", self.port, self.shared.root.display())
    }
}

impl Server {
    /// Serves a folder well.
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of the loopback");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            policy: Mutex::new(Box::new(|_| Answer::Whole)),
            served: Mutex::default(),
            ending: AtomicBool::new(false),
            ranges: AtomicBool::new(true),
            in_step: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.ending.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&accepting)) else { continue };
                thread::spawn(move || shared.talk(&stream));
            }
        });
        Self { port, shared }
    }

    /// Answers from now on as `policy` says. Missing files are 404 in any case.
    pub fn answer(&self, policy: impl FnMut(&Asked) -> Answer + Send + 'static) {
        *self.shared.policy.lock().expect("no test panics with the lock") = Box::new(policy);
    }

    /// Knows no ranges from now on, as some simple servers do.
    pub fn forget_ranges(&self) {
        self.shared.ranges.store(false, Ordering::Relaxed);
    }

    /// Sends from now on only when the other side has read everything before. What was sent to a process that was killed
    /// is then what it received, but for the last [`PIECE_BYTES`].
    pub fn wait_for_readers(&self) {
        self.shared.in_step.store(true, Ordering::Relaxed);
    }

    /// The address of a file.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Takes the lines so far.
    pub fn take_served(&self) -> Vec<Served> {
        std::mem::take(&mut *self.shared.served.lock().expect("no test panics with the lock"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn talk(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((path, range)) = read_request(&mut reader) {
            if self.ending.load(Ordering::Relaxed) || self.respond(stream, path, range).is_none() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Answers one request; `None` when the connection ends with it.
    fn respond(&self, mut stream: &TcpStream, path: String, range: Option<Range>) -> Option<()> {
        let file = self.root.join(path.trim_start_matches('/'));
        let length = fs::metadata(&file).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
        let range = range.filter(|_| self.ranges.load(Ordering::Relaxed));
        let start = range.map_or(0, |(start, _)| start);
        let end = range.and_then(|(_, last)| last).map_or(u64::MAX, |last| last + 1).min(length.unwrap_or(0));
        let bytes = end.saturating_sub(start);
        let status = match (length, range) {
            (None, _) => 404,
            (Some(length), Some(_)) if start >= length => 416,
            (Some(_), Some(_)) => 206,
            (Some(_), None) => 200,
        };
        let asked = Asked { path, start, bytes };
        let answer = if status < 300 { (self.policy.lock().ok()?)(&asked) } else { Answer::Status(status) };
        if let Answer::Status(status) = answer {
            self.note(&asked, status, 0);
            let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(head.as_bytes()).ok();
        }
        let mut head = format!("HTTP/1.1 {status} OK\r\nContent-Length: {bytes}\r\nAccept-Ranges: bytes\r\n");
        if status == 206 {
            head.push_str(&format!("Content-Range: bytes {start}-{}/{}\r\n", end - 1, length.unwrap_or(0)));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
        let most = match answer {
            Answer::Cut(most) | Answer::Silence(most) => most.min(bytes),
            _ => bytes,
        };
        let sent = self.send(stream, &file, start, most);
        self.note(&asked, status, sent);
        match answer {
            Answer::Silence(_) => {
                while !self.ending.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(20));
                }
                None
            }
            Answer::Cut(most) if most < bytes => None,
            _ if sent < most => None,
            _ => Some(()),
        }
    }

    fn note(&self, asked: &Asked, status: u16, sent: u64) {
        let served = Served { path: asked.path.clone(), status, start: asked.start, sent };
        self.served.lock().expect("no test panics with the lock").push(served);
    }

    /// Sends a part of a file; gives how many bytes went out.
    fn send(&self, mut stream: &TcpStream, file: &Path, start: u64, most: u64) -> u64 {
        let Ok(mut file) = fs::File::open(file) else { return 0 };
        if file.seek(SeekFrom::Start(start)).is_err() {
            return 0;
        }
        let (mut part, mut sent) = ([0; PIECE_BYTES], 0);
        while sent < most {
            let count = part.len().min((most - sent) as usize);
            if self.in_step.load(Ordering::Relaxed) && !has_read(stream) {
                break;
            }
            match file.read(&mut part[..count]) {
                Ok(count @ 1..) if stream.write_all(&part[..count]).is_ok() => sent += count as u64,
                _ => break,
            }
        }
        sent
    }
}

/// Waits until the other side of a connection has read all that was sent; false when it is gone. Under load bytes may
/// be between both sides for a moment, where neither counts as unread: they get the time to arrive, or to be
/// acknowledged, which the other side may put off for longer.
fn has_read(stream: &TcpStream) -> bool {
    let (Ok(here), Ok(there)) = (stream.local_addr(), stream.peer_addr()) else { return false };
    let sent = Instant::now();
    loop {
        let unacknowledged = queues(here.port(), there.port()).map(|(unacknowledged, _)| unacknowledged);
        let has_arrived = unacknowledged == Some(0) || sent.elapsed() >= ARRIVES_WITHIN;
        match queues(there.port(), here.port()) {
            None => return false,
            Some((_, 0)) if has_arrived => return true,
            Some(_) => thread::sleep(Duration::from_micros(50)),
        }
    }
}

/// What a loaded kernel takes to hand bytes from one end of a loopback connection to the other.
const ARRIVES_WITHIN: Duration = Duration::from_millis(2);

/// Bytes that the end at port `from` of an open connection has sent and that are not acknowledged, and those that it has
/// received and not read.
fn queues(from: u16, to: u16) -> Option<(u64, u64)> {
    // The kernel's table of connections, proc(5): addresses and queues in hexadecimal, 01 is an open connection.
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let (from, to) = (format!(":{from:04X}"), format!(":{to:04X}"));
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|fields| match fields[..] {
        [_, local, remote, "01", queues, ..] if local.ends_with(&from) && remote.ends_with(&to) => {
            let (sending, receiving) = queues.split_once(':')?;
            Some((u64::from_str_radix(sending, 16).ok()?, u64::from_str_radix(receiving, 16).ok()?))
        }
        _ => None,
    })
}

/// The first byte and the last one that are asked for.
type Range = (u64, Option<u64>);

/// The path and the range of the next request.
fn read_request(reader: &mut impl BufRead) -> Option<(String, Option<Range>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut range = None;
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let field = line.trim().to_ascii_lowercase();
        if field.is_empty() {
            return Some((path, range));
        }
        if let Some((start, last)) = field.strip_prefix("range: bytes=").and_then(|value| value.split_once('-')) {
            range = Some((start.parse().ok()?, last.parse().ok()));
        }
    }
}

/// Bytes of `path` that were sent, and how many of them had been sent before.
pub fn sent_twice(served: &[Served], path: &str) -> (u64, u64) {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    let (mut total, mut again) = (0, 0);
    for line in served.iter().filter(|line| line.path == path && line.sent > 0) {
        let (start, end) = (line.start, line.start + line.sent);
        total += line.sent;
        // `parts` never overlap each other.
        again += parts.iter().map(|part| end.min(part.1).saturating_sub(start.max(part.0))).sum::<u64>();
        parts.push((start, end));
        parts.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for part in parts.drain(..) {
            match merged.last_mut() {
                Some(last) if part.0 <= last.1 => last.1 = last.1.max(part.1),
                _ => merged.push(part),
            }
        }
        parts = merged;
    }
    (total, again)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counter that the campaign rests on is right.
    #[test]
    fn overlaps_are_counted() {
        let line = |start, sent| Served { path: "/x".into(), status: 206, start, sent };
        let check = |lines: &[Served], expected| assert_eq!(sent_twice(lines, "/x"), expected);
        check(&[line(0, 10), line(10, 10)], (20, 0));
        check(&[line(0, 10), line(5, 10), line(0, 15)], (35, 20));
        check(&[line(20, 10), line(0, 10), line(5, 20)], (40, 10));
        check(&[Served { path: "/y".into(), ..line(0, 9) }], (0, 0));
    }
}
