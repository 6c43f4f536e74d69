//! Third step: settings that cannot be wrong.
//!
//! In: [`Inputs`]. Out: [`Settings`], each value parsed into the type that its users need, or the file, line and key
//! that is wrong. No file is opened here: whether a slot exists is found out when it is used.

use super::ConfigError;
use super::inputs::Inputs;
use crate::source::Place;
#[cfg(feature = "net")]
use crate::source::http::{HttpSettings, retry::Backoff};
use delta_format::Name;
use std::path::PathBuf;
use std::time::Duration;

/// What to do when no delta fits the active slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing; the operator decides.
    Never,
    /// Fetch a full image.
    Full,
}

/// How the running slot is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunningBy {
    /// `stella.slot=` or `root=` of the kernel command line.
    KernelCommandLine,
    /// The first line of a file.
    File(PathBuf),
    /// By the configuration itself, for slots that are never booted.
    Fixed(agent_machine::Slot),
}

/// What a poll does with news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollAction {
    /// Tell.
    Check,
    /// Tell and install.
    Install,
}

/// Who restarts the device after an install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebootWhen {
    /// An operator.
    Manual,
    /// The daemon, at once.
    Automatic,
}

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The product line.
    pub product: Name,
    /// The hardware of this device.
    pub hardware: Name,
    /// The channel to follow.
    pub channel: Option<Name>,
    /// Where the channel is.
    pub source: Option<Place>,
    /// When no delta fits.
    pub fallback: Fallback,
    /// Journal, partial bundle, history.
    pub state_dir: PathBuf,
    /// Socket and lock.
    pub run_dir: PathBuf,
    /// Trust roots.
    pub trust_dir: PathBuf,
    /// Payloads up to this many bytes are fetched completely before the first write.
    pub spool_bytes: u64,
    /// Declared memory of an update at most.
    pub memory_bytes_max: u32,
    /// Time between two polls; `None` for never.
    pub poll_interval: Option<Duration>,
    /// Random addition to it.
    pub poll_jitter: Duration,
    /// What a poll does with news.
    pub poll_action: PollAction,
    /// The paths of slots A and B.
    pub slots: [PathBuf; 2],
    /// How the running slot is told.
    pub running_by: RunningBy,
    /// The file back end's record.
    pub boot_path: PathBuf,
    /// Starts that a new slot gets.
    pub boot_tries: u8,
    /// Shell commands that must succeed.
    pub health_commands: Vec<String>,
    /// Time for each of them.
    pub health_timeout: Duration,
    /// Shell command that restarts the device.
    pub reboot_command: String,
    /// Who runs it.
    pub reboot_when: RebootWhen,
    /// Timeouts and trust of the transport.
    #[cfg(feature = "net")]
    pub http: HttpSettings,
    /// When to try again.
    #[cfg(feature = "net")]
    pub backoff: Backoff,
}

impl Settings {
    /// Reads the settings out of merged inputs.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and where it was set.
    pub fn new(inputs: &Inputs) -> Result<Self, ConfigError> {
        let seconds = |name| Duration::from_secs(inputs.number(name));
        let path = |name| inputs.path(name).ok_or_else(|| inputs.wrong(name, "is missing"));
        let source = inputs.text("source").map(|_| place(inputs)).transpose()?;
        let channel = match (inputs.text("channel"), &source) {
            (None, None) => None,
            _ => Some(name(inputs, "channel")?),
        };
        let interval = seconds("poll.interval_seconds");
        let settings = Self {
            product: name(inputs, "product")?,
            hardware: name(inputs, "hardware")?,
            channel,
            source,
            fallback: choice(inputs, "fallback", &[("never", Fallback::Never), ("full", Fallback::Full)])?,
            state_dir: path("state_dir")?,
            run_dir: path("run_dir")?,
            trust_dir: path("trust_dir")?,
            spool_bytes: inputs.number("spool_bytes"),
            memory_bytes_max: bounded(inputs, "memory_bytes_max", 64 << 10, u32::MAX.into())? as u32,
            poll_interval: (!interval.is_zero()).then_some(interval),
            poll_jitter: seconds("poll.jitter_seconds"),
            poll_action: choice(
                inputs,
                "poll.action",
                &[("check", PollAction::Check), ("install", PollAction::Install)],
            )?,
            slots: [path("slots.a")?, path("slots.b")?],
            running_by: running_by(inputs)?,
            boot_path: path("boot.path")?,
            boot_tries: bounded(inputs, "boot.tries", 1, 10)? as u8,
            health_commands: inputs.list("health.commands").to_vec(),
            health_timeout: Duration::from_secs(bounded(inputs, "health.timeout_seconds", 1, 3600)?),
            reboot_command: inputs.text("reboot.command").unwrap_or_default().to_owned(),
            reboot_when: choice(
                inputs,
                "reboot.when",
                &[("manual", RebootWhen::Manual), ("automatic", RebootWhen::Automatic)],
            )?,
            #[cfg(feature = "net")]
            http: HttpSettings {
                connect_timeout: Duration::from_secs(bounded(inputs, "network.connect_timeout_seconds", 1, 3600)?),
                read_timeout: Duration::from_secs(bounded(inputs, "network.read_timeout_seconds", 1, 3600)?),
                ca_file: inputs.path("network.ca_file"),
                time_floor: 0,
            },
            #[cfg(feature = "net")]
            backoff: Backoff {
                retries_max: bounded(inputs, "network.retries", 0, 1_000_000)? as u32,
                first: seconds("network.retry_first_seconds"),
                longest: seconds("network.retry_longest_seconds"),
            },
        };
        choice(inputs, "boot.kind", &[("file", ())])?;
        if settings.slots[0] == settings.slots[1] {
            return Err(inputs.wrong("slots.b", "names the same slot as 'slots.a'"));
        }
        Ok(settings)
    }
}

fn name(inputs: &Inputs, key: &str) -> Result<Name, ConfigError> {
    let text = inputs.text(key).ok_or_else(|| inputs.wrong(key, "is missing"))?;
    text.parse()
        .map_err(|_| inputs.wrong(key, "takes 1 to 64 characters of A-Z a-z 0-9 . _ + -, not starting with . or -"))
}

fn place(inputs: &Inputs) -> Result<Place, ConfigError> {
    let text = inputs.text("source").unwrap_or_default();
    if !text.contains("://") {
        let path = inputs.path("source").unwrap_or_default();
        return Ok(Place::Path(path));
    }
    Place::parse(text)
        .map_err(|reason| inputs.wrong("source", &format!("is not an address that can be used: {reason}")))
}

fn running_by(inputs: &Inputs) -> Result<RunningBy, ConfigError> {
    use agent_machine::Slot;
    let words = [
        ("kernel-command-line", RunningBy::KernelCommandLine),
        ("file", RunningBy::File(inputs.path("slots.running_file").unwrap_or_default())),
        ("a", RunningBy::Fixed(Slot::A)),
        ("b", RunningBy::Fixed(Slot::B)),
    ];
    let by = choice(inputs, "slots.running", &words)?;
    if matches!(&by, RunningBy::File(path) if path.as_os_str().is_empty()) {
        return Err(inputs.wrong("slots.running_file", "is missing"));
    }
    Ok(by)
}

fn choice<T: Clone>(inputs: &Inputs, key: &str, words: &[(&str, T)]) -> Result<T, ConfigError> {
    let text = inputs.text(key).unwrap_or_default();
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| value.clone()).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        inputs.wrong(key, &format!("takes one of: {}", known.join(", ")))
    })
}

fn bounded(inputs: &Inputs, key: &str, least: u64, most: u64) -> Result<u64, ConfigError> {
    let number = inputs.number(key);
    match (least..=most).contains(&number) {
        true => Ok(number),
        false => Err(inputs.wrong(key, &format!("takes a number from {least} to {most}"))),
    }
}
