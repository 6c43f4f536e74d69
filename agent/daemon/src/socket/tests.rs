//! Calls over a real socket: the client of the command line, and a raw one that breaks the rules.

use super::server::{Service, accept, listen};
use super::*;
use crate::exit::{Exit, Report};
use crate::json::{Value, object};
use crate::progress::Event;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

/// Answers each request with what it was asked.
struct Echo;

impl Service for Echo {
    fn serve(&self, request: Request, show: &mut dyn FnMut(&Event) -> bool) -> Report {
        show(&Event::Note("on the way".into()));
        let exit = if request == Request::Commit { Exit::Policy } else { Exit::Ok };
        Report::new(exit, "echo", format!("{request:?}")).with(object([("n", 7u64.into())]))
    }

    fn monitor(&self, show: &mut dyn FnMut(Option<&Event>) -> bool) -> Report {
        while show(Some(&Event::Note("tick".into()))) && show(None) {}
        Report::ok("")
    }
}

fn start() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let listener = listen(folder.path()).unwrap();
    thread::spawn(move || accept(&listener, &Arc::new(Echo)));
    folder
}

#[test]
fn the_client_gets_events_and_reports() {
    let folder = start();
    let mut events = Vec::new();
    let request = Request::Install { bundle: Some("/x".into()), from: None, force: true };
    let report = client::call(&path(folder.path()), &request, &mut |event| events.push(event)).unwrap();
    assert_eq!((report.exit, report.text.as_str()), (Exit::Ok, format!("{request:?}").as_str()));
    assert_eq!((report.data.number_of("n"), events), (Some(7), vec![Event::Note("on the way".into())]));
    let report = client::call(&path(folder.path()), &Request::Commit, &mut |_| {}).unwrap();
    assert_eq!((report.exit, report.code.as_str()), (Exit::Policy, "echo"));
}

#[test]
fn nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let error = client::call(&path(folder.path()), &Request::Status, &mut |_| {}).unwrap_err();
    assert!(matches!(error, client::ClientError::NoDaemon));
    // A socket whose daemon died is replaced, with the right mode.
    drop(listen(folder.path()).unwrap());
    let error = client::call(&path(folder.path()), &Request::Status, &mut |_| {}).unwrap_err();
    assert!(matches!(error, client::ClientError::NoDaemon));
    let _listener = listen(folder.path()).unwrap();
    assert_eq!(std::fs::metadata(path(folder.path())).unwrap().permissions().mode() & 0o777, 0o660);
}

/// What `varlinkctl info`, `introspect` and `call` send, and what they must get.
#[test]
fn varlink_clients_are_understood() {
    let folder = start();
    let mut stream = BufReader::new(UnixStream::connect(path(folder.path())).unwrap());
    let mut ask = |call: &str| {
        stream.get_mut().write_all(call.as_bytes()).unwrap();
        stream.get_mut().write_all(&[0]).unwrap();
        frame::read(&mut stream).unwrap().unwrap()
    };
    let info = ask(r#"{"method":"org.varlink.service.GetInfo"}"#);
    let interfaces = info.get("parameters").and_then(|parameters| parameters.get("interfaces")).unwrap();
    assert_eq!(interfaces.to_string(), r#"["org.varlink.service","ops.stella.Agent"]"#);
    let description = ask(
        r#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"ops.stella.Agent"}}"#,
    );
    assert_eq!(description.get("parameters").unwrap().text_of("description"), Some(DESCRIPTION));
    let reply = ask(r#"{"method":"ops.stella.Agent.Status","parameters":{}}"#);
    assert!(!reply.is_set("continues") && reply.get("parameters").unwrap().get("report").is_some());
    let mut error = |call: &str| ask(call).text_of("error").unwrap_or_default().to_owned();
    assert_eq!(error(r#"{"method":"ops.stella.Agent.Explode"}"#), "org.varlink.service.MethodNotFound");
    assert_eq!(error(r#"{"method":"com.example.X"}"#), "org.varlink.service.InterfaceNotFound");
    assert_eq!(error(r#"{"method":"ops.stella.Agent.Monitor"}"#), "org.varlink.service.ExpectedMore");
    assert_eq!(error(r#"{"method":"ops.stella.Agent.Commit"}"#), "ops.stella.Agent.Failed");
    let wrong = r#"{"method":"ops.stella.Agent.Check","parameters":{"form":"x"}}"#;
    assert_eq!(error(wrong), "org.varlink.service.InvalidParameter");
}

/// The description names each method and parameter that is understood.
#[test]
fn the_description_matches_the_code() {
    for line in DESCRIPTION.lines().filter_map(|line| line.strip_prefix("method ")) {
        let (name, rest) = line.split_once('(').unwrap();
        if name == "Monitor" {
            continue;
        }
        let parameters = rest.split_once(')').unwrap().0.split(", ").filter(|part| !part.is_empty());
        let members = parameters.map(|part| (part.split(':').next().unwrap().to_owned(), Value::Null)).collect();
        assert!(Request::of_call(name, &Value::Object(members)).is_ok(), "{line}");
    }
}

/// A peer that breaks the rules loses its connection; the others go on.
#[test]
fn broken_peers_are_let_go() {
    let folder = start();
    for bytes in [&b"{]\0"[..], b"\xff\0", b"[]\0", b"{\"method\":\"x\"}\0", &[b' '; 70_000]] {
        let mut stream = UnixStream::connect(path(folder.path())).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }
    // A monitor that leaves frees its place.
    for _ in 0..20 {
        let mut stream = UnixStream::connect(path(folder.path())).unwrap();
        stream.write_all(b"{\"method\":\"ops.stella.Agent.Monitor\",\"more\":true}\0").unwrap();
        let mut some = [0; 10];
        if stream.read_exact(&mut some).is_err() {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    thread::sleep(std::time::Duration::from_millis(100));
    assert!(client::call(&path(folder.path()), &Request::Status, &mut |_| {}).is_ok());
}
