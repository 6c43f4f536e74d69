//! How a verb ends: a number for scripts, a report for people and programs.

use crate::json::{Value, object};

/// Exit codes, the same for every verb. They are an interface: numbers are never given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed for a reason that has no number of its own.
    Failed = 1,
    /// The command or the configuration is wrong.
    Usage = 2,
    /// There is nothing to do.
    Nothing = 3,
    /// Done, and the device has to restart.
    Reboot = 4,
    /// Signatures, proofs or bytes are not what they must be.
    Verification = 5,
    /// Genuine, but not for this device or not now.
    Policy = 6,
    /// The running slot is not the base of the update.
    Base = 7,
    /// No space, or more memory needed than allowed.
    Room = 8,
    /// The network or the server failed.
    Network = 9,
    /// Another agent is at work.
    Busy = 10,
}

impl Exit {
    /// All, with what the help says of them.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Ok, "ok"),
        (Self::Failed, "failed"),
        (Self::Usage, "wrong usage or configuration"),
        (Self::Nothing, "nothing to do"),
        (Self::Reboot, "done, a reboot is required"),
        (Self::Verification, "verification refused"),
        (Self::Policy, "policy refused"),
        (Self::Base, "the running slot is not the base of the update"),
        (Self::Room, "no space or memory"),
        (Self::Network, "network"),
        (Self::Busy, "another agent is at work"),
    ];

    /// The exit code of this number; numbers that nobody uses mean that something failed.
    pub fn of_code(code: i64) -> Self {
        let found = Self::ALL.iter().find(|(exit, _)| i64::from(*exit as u8) == code);
        found.map_or(Self::Failed, |(exit, _)| *exit)
    }

    /// Whether this is an end that a person has to look at.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Nothing | Self::Reboot)
    }
}

/// What a verb found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The exit code.
    pub exit: Exit,
    /// A stable word for the reason, in kebab-case: `ok`, `version-below-floor`, `busy`.
    pub code: String,
    /// Sentences for people. A failure ends with the next command to run.
    pub text: String,
    /// For programs, by verb; `docs/operate/json.md`.
    pub data: Value,
}

impl Report {
    /// A success with nothing more to say to programs.
    pub fn ok(text: impl Into<String>) -> Self {
        Self::new(Exit::Ok, "ok", text)
    }

    /// A report without data.
    pub fn new(exit: Exit, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { exit, code: code.into(), text: text.into(), data: object([]) }
    }

    /// The same with data for programs.
    #[must_use]
    pub fn with(mut self, data: Value) -> Self {
        self.data = data;
        self
    }

    /// The object that `--json` prints and the socket sends.
    pub fn to_json(&self, verb: &str) -> Value {
        object([
            ("format", 1u64.into()),
            ("verb", verb.into()),
            ("exit_code", i32::from(self.exit as u8).into()),
            ("code", self.code.as_str().into()),
            ("text", self.text.as_str().into()),
            ("data", self.data.clone()),
        ])
    }

    /// Reads back what [`Self::to_json`] made, from an agent that may be newer.
    pub fn of_json(value: &Value) -> Self {
        Self {
            exit: Exit::of_code(value.number_of("exit_code").unwrap_or(1)),
            code: value.text_of("code").unwrap_or("unknown").to_owned(),
            text: value.text_of("text").unwrap_or_default().to_owned(),
            data: value.get("data").cloned().unwrap_or(Value::Null),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive_the_socket() {
        let report = Report::new(Exit::Policy, "expired", "It expired.").with(object([("a", 1u64.into())]));
        let sent = report.to_json("install").to_string();
        assert_eq!(Report::of_json(&crate::json::parse(&sent).unwrap()), report);
        for (number, (exit, _)) in Exit::ALL.iter().enumerate() {
            assert_eq!((*exit as usize, Exit::of_code(number as i64)), (number, *exit));
        }
    }
}
