//! The daemon's side of the socket: a thread for each connection, a bound on their number.
//!
//! In: connections. Out: calls to a [`Service`]. It decides nothing about updates; a connection that breaks the
//! protocol is closed, and nothing else happens.

use super::request::NotARequest;
use super::{DESCRIPTION, INTERFACE, Request, frame, path};
use crate::exit::Report;
use crate::json::{Value, object};
use crate::progress::Event;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Connections at a time: an operator, a monitor, a management agent, and room.
const CONNECTIONS_MAX: usize = 8;
/// A peer that does not take its answer for so long is let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Who may call: the owner and the group of the file.
const MODE: u32 = 0o660;

/// Does what is asked.
pub trait Service: Send + Sync + 'static {
    /// Does a request and shows events on the way; `show` is false when the peer is gone.
    fn serve(&self, request: Request, show: &mut dyn FnMut(&Event) -> bool) -> Report;
    /// Shows events until `show` is false or the daemon stops. `None` only asks whether the peer is still there.
    fn monitor(&self, show: &mut dyn FnMut(Option<&Event>) -> bool) -> Report;
}

/// Opens the socket in the run directory. One that is left over from a daemon that died is replaced: the caller holds
/// the lock, so nobody listens on it.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(run_dir: &Path) -> io::Result<UnixListener> {
    let path = path(run_dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(MODE))?;
    Ok(listener)
}

/// Accepts connections for ever. Runs on a thread of its own, which ends with the process.
pub fn accept(listener: &UnixListener, service: &Arc<impl Service>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                log::warn!("a connection to the socket failed: {error}");
                // Out of descriptors, most likely: do not spin.
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (service, open_here) = (Arc::clone(service), Arc::clone(&open));
        let started = thread::Builder::new().name("connection".to_owned()).spawn(move || {
            if let Err(error) = talk(stream, &*service) {
                log::debug!("a connection to the socket ended: {error}");
            }
            open_here.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = started {
            open.fetch_sub(1, Ordering::Relaxed);
            log::warn!("no thread for a connection: {error}");
        }
    }
}

/// Serves one connection until the peer closes it.
fn talk(stream: UnixStream, service: &impl Service) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(call) = frame::read(&mut reader)? {
        answer(&call, service, &mut writer, &mut reader)?;
    }
    Ok(())
}

fn answer(
    call: &Value,
    service: &impl Service,
    writer: &mut UnixStream,
    reader: &mut BufReader<UnixStream>,
) -> io::Result<()> {
    let (more, oneway) = (call.is_set("more"), call.is_set("oneway"));
    let nothing = Value::Null;
    let parameters = call.get("parameters").unwrap_or(&nothing);
    let method = call.text_of("method").unwrap_or_default();
    let Some((interface, name)) = method.rsplit_once('.') else {
        return Err(io::Error::new(ErrorKind::InvalidData, "a call without a method"));
    };
    let mut gone = None;
    let mut show = |event: &Event| {
        if more && !oneway && gone.is_none() {
            let parameters = object([("event", event.to_json())]);
            let message = object([("parameters", parameters), ("continues", true.into())]);
            gone = frame::write(writer, &message).err();
        }
        gone.is_none()
    };
    let reply = match (interface, name) {
        ("org.varlink.service", _) => about(name, parameters),
        (INTERFACE, "Monitor") if !more => refuse("org.varlink.service.ExpectedMore", object([])),
        (INTERFACE, "Monitor") => {
            let mut follow = |event: Option<&Event>| match event {
                Some(event) => show(event),
                None => is_there(reader),
            };
            of_report(&service.monitor(&mut follow), "monitor")
        }
        (INTERFACE, _) => match Request::of_call(name, parameters) {
            Ok(request) => {
                let verb = request.verb();
                of_report(&service.serve(request, &mut show), verb)
            }
            Err(NotARequest::Method) => {
                refuse("org.varlink.service.MethodNotFound", object([("method", method.into())]))
            }
            Err(NotARequest::Parameter(name)) => {
                refuse("org.varlink.service.InvalidParameter", object([("parameter", name.into())]))
            }
        },
        _ => refuse("org.varlink.service.InterfaceNotFound", object([("interface", interface.into())])),
    };
    match gone {
        Some(error) => Err(error),
        None if oneway => Ok(()),
        None => frame::write(writer, &reply),
    }
}

/// Whether the peer still has its end open. It says nothing while it listens.
fn is_there(reader: &mut BufReader<UnixStream>) -> bool {
    let wait = |reader: &BufReader<UnixStream>, time| reader.get_ref().set_read_timeout(time);
    if wait(reader, Some(Duration::from_millis(1))).is_err() {
        return false;
    }
    let there = match reader.fill_buf() {
        Ok(bytes) => !bytes.is_empty(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    };
    there && wait(reader, None).is_ok()
}

fn of_report(report: &Report, verb: &str) -> Value {
    if report.exit.is_failure() {
        refuse(&format!("{INTERFACE}.Failed"), report.to_json(verb))
    } else {
        object([("parameters", object([("report", report.to_json(verb))]))])
    }
}

fn refuse(error: &str, parameters: Value) -> Value {
    object([("error", error.into()), ("parameters", parameters)])
}

/// The interface that every varlink service has.
fn about(name: &str, parameters: &Value) -> Value {
    let found = |parameters| object([("parameters", parameters)]);
    match (name, parameters.text_of("interface")) {
        ("GetInfo", _) => found(object([
            ("vendor", "Stella Delta".into()),
            ("product", "stella-agent".into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("url", "https://stella.ops".into()),
            ("interfaces", vec!["org.varlink.service".into(), INTERFACE.into()].into()),
        ])),
        ("GetInterfaceDescription", Some(INTERFACE)) => found(object([("description", DESCRIPTION.into())])),
        ("GetInterfaceDescription", Some("org.varlink.service")) => {
            found(object([("description", include_str!("org.varlink.service.varlink").into())]))
        }
        ("GetInterfaceDescription", Some(other)) => {
            refuse("org.varlink.service.InterfaceNotFound", object([("interface", other.into())]))
        }
        ("GetInterfaceDescription", None) => {
            refuse("org.varlink.service.InvalidParameter", object([("parameter", "interface".into())]))
        }
        _ => {
            let method = format!("org.varlink.service.{name}");
            refuse("org.varlink.service.MethodNotFound", object([("method", method.into())]))
        }
    }
}
