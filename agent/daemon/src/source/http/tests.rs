//! The client against a real server on the loopback interface that misbehaves on purpose.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

/// Serves one scripted answer per accepted connection; gives the address and the requests that came.
fn serve(answers: Vec<Vec<u8>>) -> (Url, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/file", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut peer, _) = listener.accept().unwrap();
            requests.push(read_request(&mut peer));
            let _ = peer.write_all(&answer);
        }
        requests
    });
    (url, server)
}

fn read_request(peer: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && peer.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

fn client() -> Client {
    let settings = HttpSettings {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(600),
        ca_file: None,
        time_floor: 0,
    };
    Client::new(settings, Stop::default())
}

fn fetch(answer: &str, first: u64, last: Option<u64>) -> Result<Vec<u8>, HttpError> {
    let (url, server) = serve(vec![answer.as_bytes().to_vec()]);
    let mut client = client();
    let result = client.get(&url, first, last).and_then(|mut download| {
        let mut all = Vec::new();
        let mut part = [0; 7];
        loop {
            match download.read(&mut part)? {
                0 => break Ok(all),
                count => all.extend_from_slice(&part[..count]),
            }
        }
    });
    server.join().unwrap();
    result
}

/// Each framing gives the same bytes.
#[test]
fn every_framing_gives_the_same_bytes() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n012\r\n7;x=y\r\n3456789\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n0123456789",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-14/99\r\nContent-Length: 10\r\n\r\n0123456789",
    ] {
        assert_eq!(fetch(answer, 5, Some(14)).unwrap(), b"0123456789", "{answer}");
    }
}

/// A body that is shorter than announced is an error, never a short file.
#[test]
fn cut_bodies_are_errors() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012345678",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n012\r\n7\r\n34567",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n012\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "",
    ] {
        assert!(matches!(fetch(answer, 0, None), Err(HttpError::Cut(_))), "{answer}");
    }
}

#[test]
fn wrong_ranges_and_lengths_are_refused() {
    for answer in [
        "HTTP/1.1 206 P\r\nContent-Range: bytes 4-14/99\r\nContent-Length: 11\r\n\r\n0123456789a",
        "HTTP/1.1 206 P\r\nContent-Range: bytes 5-15/99\r\nContent-Length: 11\r\n\r\n0123456789a",
        "HTTP/1.1 206 P\r\nContent-Range: bytes 5-14/99\r\nContent-Length: 9\r\n\r\n012345678",
        "HTTP/1.1 206 P\r\nContent-Length: 10\r\n\r\n0123456789",
        "HTTP/1.1 206 P\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 10\r\n\r\n0123456789",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n0123\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ] {
        assert!(matches!(fetch(answer, 5, Some(14)), Err(HttpError::Protocol(_))), "{answer}");
    }
}

/// 4xx is final except 408 and 429; 5xx is not; the server's wish to wait is heard.
#[test]
fn statuses_are_final_or_not() {
    let check = |status: u16, lines: &str, expected| {
        let answer = format!("HTTP/1.1 {status} X\r\n{lines}Content-Length: 2\r\n\r\nno");
        let error = fetch(&answer, 0, None).unwrap_err();
        assert!(matches!(error, HttpError::Status(found, _) if found == status), "{error}");
        assert_eq!(error.retry(), expected, "{status}");
    };
    check(400, "", Retry::Final);
    check(404, "", Retry::Final);
    check(410, "", Retry::Final);
    check(416, "", Retry::Final);
    check(408, "", Retry::After(None));
    check(429, "Retry-After: 17\r\n", Retry::After(Some(Duration::from_secs(17))));
    check(429, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", Retry::After(None));
    check(500, "", Retry::After(None));
    check(503, "Retry-After: 3\r\n", Retry::After(Some(Duration::from_secs(3))));
    check(304, "", Retry::Final);
}

#[test]
fn redirects_are_followed_up_to_a_bound() {
    let (url, server) = serve(vec![
        b"HTTP/1.1 302 Found\r\nLocation: /other?x=1\r\nConnection: close\r\n\r\n".to_vec(),
        b"HTTP/1.1 307 Temporary\r\nLocation: third\r\nConnection: close\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    ]);
    let mut body = [0; 2];
    assert_eq!(client().get(&url, 3, None).unwrap().read(&mut body).unwrap(), 2);
    let requests = server.join().unwrap();
    assert!(requests[1].starts_with("GET /other?x=1 HTTP/1.1\r\n") && requests[2].starts_with("GET /third HTTP"));
    assert!(requests.iter().all(|request| request.contains("\r\nRange: bytes=3-\r\n")), "{requests:?}");

    let again = b"HTTP/1.1 301 Moved\r\nLocation: /file\r\nConnection: close\r\n\r\n".to_vec();
    let (url, server) = serve(vec![again; 6]);
    assert!(matches!(client().get(&url, 0, None), Err(HttpError::Redirects)));
    server.join().unwrap();
    let answer = "HTTP/1.1 302 Found\r\nLocation: file:///etc/shadow\r\n\r\n";
    assert!(matches!(fetch(answer, 0, None), Err(HttpError::Location(_))));
}

/// A server that sends one byte now and then is silent in the end: it holds a device for one read timeout, not for ever.
#[test]
fn slow_servers_do_not_hold_the_device() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        read_request(&mut peer);
        while peer.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let start = Instant::now();
    let error = client().get(&url, 0, None).unwrap_err();
    assert!(matches!(error, HttpError::Stalled | HttpError::Protocol(_)), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3));
    server.join().unwrap();
}

#[test]
fn a_silent_server_can_be_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let mut client = client();
    client.settings.read_timeout = Duration::from_secs(600);
    let stop = client.stop.clone();
    let asker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        stop.set();
    });
    assert!(matches!(client.get(&url, 0, None), Err(HttpError::Stopped)));
    asker.join().unwrap();
}

/// One connection serves several requests; when the server has closed it in between, a new one is made at once.
#[test]
fn kept_connections_are_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        for requests in [2, 1] {
            let (mut peer, _) = listener.accept().unwrap();
            for _ in 0..requests {
                read_request(&mut peer);
                peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            }
        }
    });
    let mut client = client();
    for round in 0..3 {
        let mut body = [0; 2];
        let mut download = client.get(&url, 0, None).unwrap();
        assert_eq!(download.read(&mut body).unwrap(), 2);
        client.finish(download);
        assert!(client.idle.is_some());
        thread::sleep(Duration::from_millis(if round == 1 { 100 } else { 0 }));
    }
    server.join().unwrap();
}

#[test]
fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("http://{free}/")).unwrap();
    let error = client().get(&url, 0, None).unwrap_err();
    assert!(matches!(error, HttpError::Connect(..)) && error.retry() == Retry::After(None));
    #[cfg(not(feature = "net-tls"))]
    assert!(client().get(&Url::parse("https://127.0.0.1:1/").unwrap(), 0, None).is_err());
}
