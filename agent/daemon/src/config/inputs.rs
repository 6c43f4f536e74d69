//! Second step: one value for each key, the last fragment wins, and where it was said.
//!
//! In: fragments. Out: [`Inputs`], of known keys and right types. What the values mean is the third step's business.

use super::ConfigError;
use super::fragments::Fragment;
use super::toml::TomlValue;
use std::path::{Path, PathBuf};

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number, 0 or more.
    Number,
    /// A list of texts.
    List,
}

/// One key of the configuration, as data: reading, the manual and the example file follow this table.
#[derive(Debug)]
pub struct Key {
    /// With its table.
    pub name: &'static str,
    /// What kind of value.
    pub kind: Kind,
    /// Its value when nobody sets it, as it would be written; empty: there is none.
    pub default: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

/// All keys.
pub const KEYS: &[Key] = &[
    key("product", Kind::Text, "", "the product line; updates for others are refused"),
    key("hardware", Kind::Text, "", "the hardware of this device; an update must name it"),
    key("channel", Kind::Text, "", "the channel to follow; needed with source"),
    key("source", Kind::Text, "", "where the channel is: an http(s) address or a folder"),
    key("fallback", Kind::Text, "never", "when no delta fits the base: never, or full for a full image"),
    key("state_dir", Kind::Text, "/var/lib/stella-agent", "journal, partial bundle and history; shared by both slots"),
    key("run_dir", Kind::Text, "/run/stella-agent", "socket and lock"),
    key("trust_dir", Kind::Text, "/etc/stella-agent/trust.d", "the pinned trust root, one *.trust file"),
    key("spool_bytes", Kind::Number, "67108864", "larger payloads are applied while they are fetched"),
    key("memory_bytes_max", Kind::Number, "12582912", "updates that declare more memory are refused"),
    key("poll.interval_seconds", Kind::Number, "3600", "time between two looks at the source; 0 for never"),
    key("poll.jitter_seconds", Kind::Number, "600", "each wait is longer by a random time up to this"),
    key("poll.action", Kind::Text, "check", "what a look does with news: check or install"),
    key("slots.a", Kind::Text, "", "block device or image file of slot A"),
    key("slots.b", Kind::Text, "", "block device or image file of slot B"),
    key(
        "slots.running",
        Kind::Text,
        "kernel-command-line",
        "how the running slot is told: kernel-command-line, file, a or b",
    ),
    key("slots.running_file", Kind::Text, "", "with running = \"file\": a file that says a or b"),
    key("boot.kind", Kind::Text, "file", "the boot back end: file"),
    key("boot.path", Kind::Text, "", "the boot back end's record"),
    key("boot.tries", Kind::Number, "3", "starts that a new slot gets to prove itself"),
    key("health.commands", Kind::List, "[]", "run after the first start of a new slot; all must succeed"),
    key("health.timeout_seconds", Kind::Number, "120", "time that each health command gets"),
    key("reboot.command", Kind::Text, "systemctl reboot", "how to restart the device"),
    key("reboot.when", Kind::Text, "manual", "manual, or automatic for a restart right after an install"),
    key("network.connect_timeout_seconds", Kind::Number, "20", "longest wait for a connection"),
    key(
        "network.read_timeout_seconds",
        Kind::Number,
        "30",
        "longest silence of a server; at least 1 KiB must arrive in it",
    ),
    key("network.retries", Kind::Number, "8", "failures in a row without a new byte before giving up"),
    key("network.retry_first_seconds", Kind::Number, "2", "wait before the first retry; doubles each time"),
    key("network.retry_longest_seconds", Kind::Number, "300", "longest wait between two tries"),
    key("network.ca_file", Kind::Text, "", "authorities that TLS trusts; the system's when absent"),
];

/// A value and the place where it was set.
#[derive(Debug)]
struct Input {
    key: &'static str,
    value: TomlValue,
    path: PathBuf,
    line: usize,
}

/// The values that somebody set.
#[derive(Debug)]
pub struct Inputs(Vec<Input>);

impl Inputs {
    /// Merges fragments.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and line of a key that is unknown or has a value of the wrong type.
    pub fn merge(fragments: Vec<Fragment>) -> Result<Self, ConfigError> {
        let mut inputs: Vec<Input> = Vec::new();
        for Fragment { path, entries } in fragments {
            for entry in entries {
                let Some(key) = KEYS.iter().find(|key| key.name == entry.key) else {
                    let reason = format!("the key '{}' is not known", entry.key);
                    return Err(ConfigError::line(&path, entry.line, reason));
                };
                let fits = match (&entry.value, key.kind) {
                    (TomlValue::Text(_), Kind::Text) | (TomlValue::List(_), Kind::List) => true,
                    (TomlValue::Number(number), Kind::Number) => *number >= 0,
                    _ => false,
                };
                if !fits {
                    let wanted = match key.kind {
                        Kind::Text => "a text in quotes",
                        Kind::Number => "a whole number, 0 or more",
                        Kind::List => "a list of texts in brackets",
                    };
                    let reason = format!("the key '{}' takes {wanted}", key.name);
                    return Err(ConfigError::line(&path, entry.line, reason));
                }
                inputs.retain(|input| input.key != key.name);
                inputs.push(Input { key: key.name, value: entry.value, path: path.clone(), line: entry.line });
            }
        }
        Ok(Self(inputs))
    }

    fn find(&self, name: &str) -> (&'static Key, Option<&Input>) {
        let key = KEYS.iter().find(|key| key.name == name);
        let key = key.expect("settings read keys of the table only");
        (key, self.0.iter().find(|input| input.key == name))
    }

    /// The text of a key: set, default or none.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.find(name) {
            (_, Some(Input { value: TomlValue::Text(text), .. })) => Some(text),
            (key, _) => Some(key.default).filter(|default| !default.is_empty()),
        }
    }

    /// The number of a key: set or default.
    pub fn number(&self, name: &str) -> u64 {
        match self.find(name) {
            (_, Some(Input { value: TomlValue::Number(number), .. })) => number.unsigned_abs(),
            (key, _) => key.default.parse().expect("defaults of the table are numbers"),
        }
    }

    /// The texts of a key, none by default.
    pub fn list(&self, name: &str) -> &[String] {
        match self.find(name) {
            (_, Some(Input { value: TomlValue::List(texts), .. })) => texts,
            _ => &[],
        }
    }

    /// The path of a key. A relative one counts from the folder of the file that sets it.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.text(name)?;
        let folder = self.find(name).1.and_then(|input| input.path.parent()).unwrap_or(Path::new("/"));
        Some(folder.join(text))
    }

    /// An error at the place where the key was set, or about its absence.
    pub fn wrong(&self, name: &str, reason: &str) -> ConfigError {
        match self.find(name).1 {
            Some(input) => ConfigError::line(&input.path, input.line, format!("the key '{name}' {reason}")),
            None => ConfigError::absent(name, reason),
        }
    }
}
