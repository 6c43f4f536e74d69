//! The configuration, in three steps: fragments (files) -> inputs (one value a key) -> settings (typed).
//!
//! Every error names the file, the line and the key. `docs/operate/configuration.md` lists the keys of
//! [`inputs::KEYS`].

pub mod fragments;
pub mod inputs;
pub mod settings;
pub mod toml;

pub use settings::{Fallback, PollAction, RebootWhen, RunningBy, Settings};

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a configuration, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: Option<PathBuf>,
    line: Option<usize>,
    reason: String,
}

impl ConfigError {
    fn line(path: &Path, line: usize, reason: impl Into<String>) -> Self {
        Self { path: Some(path.to_owned()), line: Some(line), reason: reason.into() }
    }

    fn whole(path: &Path, reason: &str) -> Self {
        Self { path: Some(path.to_owned()), line: None, reason: format!("the file {reason}") }
    }

    fn unreadable(path: &Path, error: io::Error) -> Self {
        Self { path: Some(path.to_owned()), line: None, reason: format!("it cannot be read: {error}") }
    }

    fn absent(key: &str, reason: &str) -> Self {
        Self { path: None, line: None, reason: format!("the key '{key}' {reason} in every configuration file") }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.line) {
            (Some(path), Some(line)) => write!(f, "{}, line {line}: {}", path.display(), self.reason),
            (Some(path), None) => write!(f, "{}: {}", path.display(), self.reason),
            _ => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Reads the configuration of the system, or that of one folder alone when it is given.
///
/// # Errors
/// [`ConfigError`].
pub fn load(only: Option<&Path>) -> Result<Settings, ConfigError> {
    Settings::new(&inputs::Inputs::merge(fragments::read(only)?)?)
}

#[cfg(test)]
mod tests;
