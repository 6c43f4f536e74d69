//! What reaches the agent from the network, its socket and its configuration.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;
use stella_agent::boot::file::FileBoot;
use stella_agent::config::{fragments::Fragment, inputs::Inputs, settings::Settings, toml};
use stella_agent::json;
use stella_agent::socket::{frame, request::Request};
use stella_agent::source::http::{Client, HttpSettings, url::Url};
use stella_agent::stop::Stop;

/// Any text as JSON: what is accepted is written as JSON that others read, and reads back.
pub fn json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(value) = json::parse(text) else { return };
    let written = value.to_string();
    serde_json::from_str::<serde_json::Value>(&written).expect("JSON");
    assert_eq!(json::parse(&written).map(|value| value.to_string()).ok(), Some(written));
}

/// Any bytes on the socket; and any text as the parameters of each method.
pub fn socket(bytes: &[u8]) {
    let mut stream = BufReader::new(bytes);
    for _ in 0..=bytes.len() {
        match frame::read(&mut stream) {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    let Some(value) = std::str::from_utf8(bytes).ok().and_then(|text| json::parse(text).ok()) else { return };
    for method in ["Status", "Check", "Install", "Resume", "Cancel", "Commit", "MarkBad", "Rollback", "GetInfo"] {
        if let Ok(request) = Request::of_call(method, &value) {
            assert!(!request.verb().is_empty());
        }
    }
}

/// Any text as a configuration file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let with_keys = format!("product = \"p\"\nhardware = \"h\"\n[slots]\na = \"/a\"\nb = \"/b\"\n{text}\n");
    for text in [text, &with_keys] {
        if let Ok(entries) = toml::parse(text) {
            let fragment = Fragment { path: "/etc/config.toml".into(), entries };
            let _ = Inputs::merge(vec![fragment]).and_then(|inputs| Settings::new(&inputs));
        }
    }
}

/// Any text as an address, and as the place that a server redirects to.
pub fn url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let from = Url::parse("http://updates.example/stable/index").expect("an address");
    for text in text.split(['"', ' ', '\n']).chain([&*format!("http://{text}")]) {
        for url in [Url::parse(text), from.redirect(text)].into_iter().flatten() {
            let clean = |part: &str| !part.contains(['\r', '\n', ' ', '\0']);
            assert!(clean(&url.authority()) && clean(&url.path), "a request line of two lines: {url:?}");
        }
    }
}

/// A server that answers each connection with the bytes that it is given, and closes it.
fn server() -> &'static (Url, Mutex<mpsc::Sender<Vec<u8>>>) {
    static SERVER: OnceLock<(Url, Mutex<mpsc::Sender<Vec<u8>>>)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, answers) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || {
            let mut answer = Vec::new();
            while let Ok((mut stream, _)) = listener.accept() {
                // A redirect brings the client back without a new answer: it gets the last one again.
                while let Ok(next) = answers.try_recv() {
                    answer = next;
                }
                let mut request = [0; 2048];
                let _ = stream.read(&mut request).and_then(|_| stream.write_all(&answer));
            }
        });
        (Url::parse(&format!("http://127.0.0.1:{port}/file")).expect("an address"), Mutex::new(sender))
    })
}

/// Any bytes as the answer of a server: alone, behind a good head, and as chunks. A body is never longer than what came.
pub fn http(bytes: &[u8]) {
    const SECOND: Duration = Duration::from_secs(1);
    let settings = HttpSettings { connect_timeout: SECOND, read_timeout: SECOND, ca_file: None, time_floor: 0 };
    let (url, answers) = server();
    let heads: [&[u8]; 3] = [b"", b"HTTP/1.1 206 x\r\n", b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"];
    for head in heads {
        // One answer at a time: others must not take it.
        let answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.send([head, bytes].concat()).expect("the server runs");
        let mut client = Client::new(settings.clone(), Stop::default());
        if let Ok(mut download) = client.get(url, 5, None) {
            let (mut out, mut body) = ([0; 512], 0);
            while let Ok(read @ 1..) = download.read(&mut out) {
                body += read;
                assert!(body <= bytes.len(), "more than was sent");
            }
        }
    }
}

/// Any bytes as the boot loader's record: what is accepted is written and reads back.
pub fn boot_record(bytes: &[u8]) {
    static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("stella-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a scratch folder");
        folder
    });
    let path = folder.join(format!("boot-{:?}", std::thread::current().id()));
    let whole = [b"stella-boot v1\ndefault a\n", bytes, b"\nend\n"].concat();
    for bytes in [bytes, &whole] {
        std::fs::write(&path, bytes).expect("written");
        let boot = FileBoot::new(&path);
        if let Ok(state) = boot.load() {
            boot.store(&state).expect("stored");
            assert_eq!(boot.load().expect("it was stored"), state);
        }
    }
    let _ = std::fs::remove_file(&path);
}
