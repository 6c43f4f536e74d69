//! The command line's side of the socket.

use super::{INTERFACE, Request, frame};
use crate::exit::Report;
use crate::json::{Value, object};
use crate::progress::Event;
use std::io::{self, BufReader, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Why there is no report.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens: no daemon runs here.
    NoDaemon,
    /// This user may not connect.
    NotAllowed,
    /// The conversation failed.
    Io(io::Error),
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Self::NoDaemon,
            ErrorKind::PermissionDenied => Self::NotAllowed,
            _ => Self::Io(error),
        }
    }
}

/// Has the daemon do a request; `show` gets the events in between.
///
/// # Errors
/// [`ClientError`].
pub fn call(socket: &Path, request: &Request, show: &mut dyn FnMut(Event)) -> Result<Report, ClientError> {
    converse(socket, &request.to_call(), show)
}

/// Follows what the daemon does, until it ends.
///
/// # Errors
/// [`ClientError`].
pub fn monitor(socket: &Path, show: &mut dyn FnMut(Event)) -> Result<Report, ClientError> {
    let call = object([("method", format!("{INTERFACE}.Monitor").into()), ("more", true.into())]);
    match converse(socket, &call, show) {
        Err(ClientError::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => {
            Ok(Report::ok("The daemon stopped."))
        }
        other => other,
    }
}

fn converse(socket: &Path, call: &Value, show: &mut dyn FnMut(Event)) -> Result<Report, ClientError> {
    let mut stream = BufReader::new(UnixStream::connect(socket)?);
    frame::write(stream.get_mut(), call)?;
    loop {
        let Some(reply) = frame::read(&mut stream)? else {
            return Err(ClientError::Io(ErrorKind::UnexpectedEof.into()));
        };
        let nothing = Value::Null;
        let parameters = reply.get("parameters").unwrap_or(&nothing);
        if let Some(event) = parameters.get("event").and_then(Event::of_json) {
            show(event);
        } else if let Some(error) = reply.text_of("error") {
            let mut report = Report::of_json(parameters);
            if report.text.is_empty() {
                report.text =
                    format!("The daemon does not understand this call ({error}); restart it after an upgrade.");
            }
            return Ok(report);
        } else if !reply.is_set("continues") {
            return Ok(Report::of_json(parameters.get("report").unwrap_or(&nothing)));
        }
    }
}
