//! Why a transfer failed, and whether trying again can help.

use super::url::UrlError;
use std::fmt;
use std::io;
use std::time::Duration;

/// A failed request or a broken transfer.
#[derive(Debug)]
pub enum HttpError {
    /// The address of a redirect is not one that this program follows.
    Location(UrlError),
    /// A redirect from https to http.
    Downgrade,
    /// More redirects in a row than allowed.
    Redirects,
    /// The host name has no address.
    Resolve(String, io::Error),
    /// No connection to any address of the host.
    Connect(String, io::Error),
    /// TLS could not be set up: the certificate, the CA file, the protocol.
    Tls(String),
    /// This program was built without TLS.
    NoTls,
    /// The server is silent or too slow.
    Stalled,
    /// The connection ended too early.
    Cut(Option<io::Error>),
    /// The answer breaks the rules of HTTP/1.1; the rule is named.
    Protocol(&'static str),
    /// The server answered with this status; with the time it asked to wait.
    Status(u16, Option<Duration>),
    /// The caller asked to stop.
    Stopped,
}

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: the same request gives the same answer.
    Final,
    /// Another try, not before the time that the server asked for.
    After(Option<Duration>),
}

impl HttpError {
    /// Whether another try can help. Every answer of the class 4xx is final, except 408 (the server lost patience) and
    /// 429 (it is busy); a loop that asks for a missing file for ever is what users of other agents suffered from.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Status(408 | 429, after) => Retry::After(*after),
            Self::Status(status, after) if *status >= 500 => Retry::After(*after),
            Self::Resolve(..) | Self::Connect(..) | Self::Stalled | Self::Cut(_) => Retry::After(None),
            // A proxy that garbles one answer may not garble the next.
            Self::Protocol(_) => Retry::After(None),
            Self::Location(_) | Self::Downgrade | Self::Redirects | Self::Tls(_) | Self::NoTls | Self::Status(..) => {
                Retry::Final
            }
            Self::Stopped => Retry::Final,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(error) => write!(f, "the server redirects to an address that cannot be used: {error}"),
            Self::Downgrade => f.write_str("the server redirects from https to http, which is refused"),
            Self::Redirects => f.write_str("the server redirects more than 5 times"),
            Self::Resolve(host, error) => write!(f, "the host name '{host}' cannot be resolved: {error}"),
            Self::Connect(host, error) => write!(f, "no connection to {host}: {error}"),
            Self::Tls(reason) => write!(f, "TLS failed: {reason}"),
            Self::NoTls => f.write_str("this agent was built without TLS and cannot read https addresses"),
            Self::Stalled => f.write_str("the server is silent or too slow"),
            Self::Cut(Some(error)) => write!(f, "the connection broke: {error}"),
            Self::Cut(None) => f.write_str("the connection ended too early"),
            Self::Protocol(rule) => write!(f, "the server's answer is not valid HTTP: {rule}"),
            Self::Status(404, _) => f.write_str("the server does not have this file (404)"),
            Self::Status(416, _) => f.write_str("the file on the server is shorter than expected (416)"),
            Self::Status(status, _) => write!(f, "the server answered with status {status}"),
            Self::Stopped => f.write_str("the transfer was cancelled"),
        }
    }
}

impl std::error::Error for HttpError {}
