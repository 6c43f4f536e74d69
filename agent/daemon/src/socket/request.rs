//! What can be asked of an agent, by its command line or by its socket: one type for both.

use super::INTERFACE;
use crate::json::{Value, object, optional};

/// One request with its arguments. Places are absolute paths or addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// See `stella-agent status`.
    Status,
    /// See `stella-agent check`.
    Check {
        /// Another channel than the configured one.
        from: Option<String>,
    },
    /// See `stella-agent install`.
    Install {
        /// One bundle.
        bundle: Option<String>,
        /// Another channel than the configured one.
        from: Option<String>,
        /// Although it failed here before.
        force: bool,
    },
    /// See `stella-agent resume`.
    Resume {
        /// Another copy of the bundle.
        from: Option<String>,
    },
    /// See `stella-agent cancel`.
    Cancel,
    /// See `stella-agent commit`.
    Commit,
    /// See `stella-agent mark-bad`.
    MarkBad {
        /// For the record.
        reason: Option<String>,
    },
    /// See `stella-agent rollback`.
    Rollback {
        /// The attestation file.
        attestation: Option<String>,
        /// The bundle to go back by.
        bundle: Option<String>,
        /// Although it failed here before.
        force: bool,
    },
}

/// Why a call is not a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotARequest {
    /// The interface has no such method.
    Method,
    /// This parameter is unknown or of the wrong type.
    Parameter(String),
}

impl Request {
    /// The verb of the command line.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Check { .. } => "check",
            Self::Install { .. } => "install",
            Self::Resume { .. } => "resume",
            Self::Cancel => "cancel",
            Self::Commit => "commit",
            Self::MarkBad { .. } => "mark-bad",
            Self::Rollback { .. } => "rollback",
        }
    }

    /// The method's name, without its interface.
    fn method(&self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Check { .. } => "Check",
            Self::Install { .. } => "Install",
            Self::Resume { .. } => "Resume",
            Self::Cancel => "Cancel",
            Self::Commit => "Commit",
            Self::MarkBad { .. } => "MarkBad",
            Self::Rollback { .. } => "Rollback",
        }
    }

    /// The call of this request, with progress in between.
    pub fn to_call(&self) -> Value {
        let text = |value: &Option<String>| optional(value.as_deref());
        let parameters = match self {
            Self::Status | Self::Cancel | Self::Commit => object([]),
            Self::Check { from } | Self::Resume { from } => object([("from", text(from))]),
            Self::Install { bundle, from, force } => {
                object([("bundle", text(bundle)), ("from", text(from)), ("force", (*force).into())])
            }
            Self::MarkBad { reason } => object([("reason", text(reason))]),
            Self::Rollback { attestation, bundle, force } => {
                object([("attestation", text(attestation)), ("bundle", text(bundle)), ("force", (*force).into())])
            }
        };
        let method = format!("{INTERFACE}.{}", self.method());
        object([("method", method.into()), ("parameters", parameters), ("more", true.into())])
    }

    /// Reads a call; `method` is without its interface.
    ///
    /// # Errors
    /// [`NotARequest`].
    pub fn of_call(method: &str, parameters: &Value) -> Result<Self, NotARequest> {
        let known: &[&str] = match method {
            "Status" | "Cancel" | "Commit" => &[],
            "Check" | "Resume" => &["from"],
            "Install" => &["bundle", "from", "force"],
            "MarkBad" => &["reason"],
            "Rollback" => &["attestation", "bundle", "force"],
            _ => return Err(NotARequest::Method),
        };
        let members = match parameters {
            Value::Object(members) => &members[..],
            Value::Null => &[],
            _ => return Err(NotARequest::Parameter("parameters".to_owned())),
        };
        for (name, value) in members {
            let fits = match name.as_str() {
                "force" => matches!(value, Value::Bool(_) | Value::Null),
                _ => matches!(value, Value::Text(_) | Value::Null),
            };
            if !known.contains(&name.as_str()) || !fits {
                return Err(NotARequest::Parameter(name.clone()));
            }
        }
        let text = |name| parameters.text_of(name).map(str::to_owned);
        let force = parameters.is_set("force");
        Ok(match method {
            "Status" => Self::Status,
            "Check" => Self::Check { from: text("from") },
            "Install" => Self::Install { bundle: text("bundle"), from: text("from"), force },
            "Resume" => Self::Resume { from: text("from") },
            "Cancel" => Self::Cancel,
            "Commit" => Self::Commit,
            "MarkBad" => Self::MarkBad { reason: text("reason") },
            _ => Self::Rollback { attestation: text("attestation"), bundle: text("bundle"), force },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_socket() {
        let some = || Some("x".to_owned());
        for request in [
            Request::Status,
            Request::Check { from: some() },
            Request::Install { bundle: some(), from: None, force: true },
            Request::Resume { from: None },
            Request::Cancel,
            Request::Commit,
            Request::MarkBad { reason: some() },
            Request::Rollback { attestation: some(), bundle: some(), force: false },
        ] {
            let call = crate::json::parse(&request.to_call().to_string()).unwrap();
            let method = call.text_of("method").unwrap().strip_prefix("ops.stella.Agent.").unwrap();
            assert_eq!(Request::of_call(method, call.get("parameters").unwrap()), Ok(request));
        }
    }

    #[test]
    fn wrong_calls_are_named() {
        let check = |method: &str, parameters: Value, expected| {
            assert_eq!(Request::of_call(method, &parameters), Err(expected));
        };
        let parameter = |name: &str| NotARequest::Parameter(name.to_owned());
        check("Explode", object([]), NotARequest::Method);
        check("Cancel", object([("from", "x".into())]), parameter("from"));
        check("Install", object([("force", "yes".into())]), parameter("force"));
        check("Check", object([("from", 1u64.into())]), parameter("from"));
        check("Status", Value::List(vec![]), parameter("parameters"));
        assert_eq!(Request::of_call("Cancel", &Value::Null), Ok(Request::Cancel));
    }
}
