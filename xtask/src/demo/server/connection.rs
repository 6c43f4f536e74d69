//! One connection of the server: requests in, files and parts of files out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::{Sent, State, lock};

/// Pieces that a slow line sends each second.
const PIECES_PER_SECOND: u64 = 50;
const PIECE_BYTES: u64 = 64 * 1024;
/// Header lines of one request; the agent sends six.
const HEADERS_MAX: usize = 100;

struct Request {
    method: String,
    file: String,
    /// First and last byte that are asked for.
    range: Option<(u64, Option<u64>)>,
}

/// A connection and what it serves from.
pub(super) struct Connection<'a> {
    pub(super) folder: &'a Path,
    pub(super) state: &'a Mutex<State>,
    /// The era in which it was opened; it ends with it.
    pub(super) era: u32,
}

impl Connection<'_> {
    /// Answers until the other side, the line or the era ends.
    pub(super) fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
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

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
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
