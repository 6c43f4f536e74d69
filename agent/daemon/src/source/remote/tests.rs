//! A file of a megabyte over a server that cuts, lies and stalls; every byte must arrive once and right.

use super::*;
use crate::source::http::HttpSettings;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const FILE_BYTES: usize = 1 << 20;

fn file_byte(index: usize) -> u8 {
    (index.wrapping_mul(2_654_435_761) >> 13) as u8
}

/// What the server does with request number `n`.
#[derive(Clone, Copy)]
enum Act {
    /// Serves the range, or only so many bytes of it before it hangs up.
    Serve { cut_after: Option<usize> },
    /// Serves the whole file whatever is asked.
    NoRanges { cut_after: Option<usize> },
    /// Answers with a status and no body.
    Status(u16),
}

struct Server {
    url: Url,
    /// First and last byte of each range that was asked for, and bytes that were sent for it.
    served: Arc<Mutex<Vec<(usize, usize, usize)>>>,
}

/// Serves in the background for as long as the test runs; `act` decides by the number of the request.
fn serve(act: impl Fn(usize) -> Act + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/x.stella", listener.local_addr().unwrap())).unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&served);
    thread::spawn(move || {
        for (number, peer) in listener.incoming().enumerate() {
            answer(peer.unwrap(), act(number), &record);
        }
    });
    Server { url, served }
}

fn answer(mut peer: TcpStream, act: Act, record: &Mutex<Vec<(usize, usize, usize)>>) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && peer.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let range = request.lines().find_map(|line| line.strip_prefix("Range: bytes="));
    let (first, last) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let first: usize = first.parse().unwrap();
    let last = last.parse::<usize>().unwrap_or(FILE_BYTES - 1).min(FILE_BYTES - 1);
    let (head, span, cut_after) = match act {
        Act::Status(status) => {
            let _ = write!(peer, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        Act::Serve { cut_after } if range.is_none() => ("HTTP/1.1 200 OK\r\n".to_owned(), 0..FILE_BYTES, cut_after),
        Act::Serve { cut_after } => {
            let span = format!("Content-Range: bytes {first}-{last}/{FILE_BYTES}\r\n");
            (format!("HTTP/1.1 206 P\r\n{span}"), first..last + 1, cut_after)
        }
        Act::NoRanges { cut_after } => ("HTTP/1.1 200 OK\r\n".to_owned(), 0..FILE_BYTES, cut_after),
    };
    let bytes: Vec<u8> = span.clone().map(file_byte).collect();
    let _ = write!(peer, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
    let sent = cut_after.unwrap_or(bytes.len()).min(bytes.len());
    record.lock().unwrap().push((first, last, sent));
    let _ = peer.write_all(&bytes[..sent]);
}

fn settings() -> Settings {
    let mut settings = crate::tests_support::settings(std::path::Path::new("/nonexistent"));
    settings.http = HttpSettings {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(2),
        ca_file: None,
        time_floor: 0,
    };
    settings.backoff = Backoff { retries_max: 4, first: Duration::from_millis(1), longest: Duration::from_millis(4) };
    settings
}

fn remote(url: &Url) -> Remote {
    Remote::new(url.clone(), &settings(), &Stop::default())
}

fn read_all(file: &mut Remote, from: usize) -> Result<(), SourceError> {
    let mut out = vec![0; 65_536];
    let mut offset = from;
    while offset < FILE_BYTES {
        let count = out.len().min(FILE_BYTES - offset);
        file.read_at(offset as u64, &mut out[..count])?;
        assert!((0..count).all(|i| out[i] == file_byte(offset + i)), "wrong bytes near {offset}");
        offset += count;
    }
    Ok(())
}

/// Cuts at many places: all bytes arrive, and none is sent twice.
#[test]
fn cuts_cost_nothing_twice() {
    let server = serve(|number| Act::Serve { cut_after: (number < 60).then_some(number * 613 % 40_000 + 1) });
    let mut file = remote(&server.url);
    file.announce(FILE_BYTES as u64);
    read_all(&mut file, 0).unwrap();
    assert_eq!(file.received(), FILE_BYTES as u64);
    let served = server.served.lock().unwrap();
    assert!(served.len() > 30, "{} requests", served.len());
    for pair in served.windows(2) {
        assert_eq!(pair[1].0, pair[0].0 + pair[0].2, "each request starts where the last one was cut");
    }
}

/// Without an announcement the head costs one bounded request, not the whole file.
#[test]
fn a_probe_is_bounded() {
    let server = serve(|_| Act::Serve { cut_after: None });
    let mut file = remote(&server.url);
    file.read_at(0, &mut [0; 48]).unwrap();
    file.read_at(48, &mut [0; 3000]).unwrap();
    assert_eq!(*server.served.lock().unwrap(), [(0, 65_535, 65_536)]);
    assert_eq!(file.length(), Some(FILE_BYTES as u64));
    file.announce(300_000);
    file.read_at(200_000, &mut [0; 1000]).unwrap();
    assert_eq!(server.served.lock().unwrap()[1], (200_000, 299_999, 100_000));
}

/// When the index says how much is needed, one request brings it, however small the announced pieces are.
#[test]
fn what_is_expected_comes_in_one_request() {
    let server = serve(|_| Act::Serve { cut_after: None });
    let mut file = remote(&server.url);
    file.expect(250_000);
    for (start, end) in [(0, 48), (48, 900), (900, 250_000)] {
        file.announce(end);
        file.read_at(start, &mut vec![0; (end - start) as usize]).unwrap();
    }
    assert_eq!(*server.served.lock().unwrap(), [(0, 249_999, 250_000)]);
    file.announce(260_000);
    file.read_at(250_000, &mut [0; 10_000]).unwrap();
    assert_eq!(server.served.lock().unwrap()[1], (250_000, 259_999, 10_000));
}

/// A server without ranges costs bytes, but works, also after a cut.
#[test]
fn servers_without_ranges_work() {
    let server = serve(|number| Act::NoRanges { cut_after: (number == 0).then_some(500_000) });
    let mut file = remote(&server.url);
    file.announce(FILE_BYTES as u64);
    read_all(&mut file, 300_000).unwrap();
    assert_eq!(server.served.lock().unwrap().len(), 2);
}

/// 503 and 429 are tried again; 404 is final at the first answer; giving up takes exactly the configured tries.
#[test]
fn tries_are_bounded() {
    let server =
        serve(|number| if number < 3 { Act::Status([503, 429, 408][number]) } else { Act::Serve { cut_after: None } });
    read_all(&mut remote(&server.url), 0).unwrap();

    let check = |status, expected, requests| {
        let count = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&count);
        let server = serve(move |_| {
            *counter.lock().unwrap() += 1;
            Act::Status(status)
        });
        assert_eq!(remote(&server.url).read_at(0, &mut [0; 8]).unwrap_err().kind, expected, "{status}");
        assert_eq!(*count.lock().unwrap(), requests, "{status}");
    };
    check(404, SourceErrorKind::Missing, 1);
    check(403, SourceErrorKind::Denied, 1);
    check(416, SourceErrorKind::End, 1);
    check(500, SourceErrorKind::Network, 5);
}

/// A read past the end says that the file is short; a small file has a limit.
#[test]
fn ends_and_limits() {
    let server = serve(|_| Act::Serve { cut_after: None });
    let mut file = remote(&server.url);
    let error = file.read_at(FILE_BYTES as u64 - 10, &mut [0; 11]).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::End);
    assert_eq!(remote(&server.url).read_small(FILE_BYTES - 1).unwrap_err().kind, SourceErrorKind::Denied);
    assert_eq!(remote(&server.url).read_small(FILE_BYTES).unwrap().len(), FILE_BYTES);
}

/// A cancelled transfer ends at once, also while it waits for the next try.
#[test]
fn waiting_can_be_cancelled() {
    let server = serve(|_| Act::Status(503));
    let mut settings = settings();
    settings.backoff.first = Duration::from_secs(600);
    settings.backoff.longest = Duration::from_secs(600);
    let stop = Stop::default();
    let mut file = Remote::new(server.url.clone(), &settings, &stop);
    let asker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        stop.set();
    });
    assert_eq!(file.read_at(0, &mut [0; 8]).unwrap_err().kind, SourceErrorKind::Cancelled);
    asker.join().unwrap();
}
