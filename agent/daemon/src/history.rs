//! The updates that ended on this device, for people: a text file in the state directory, newest last.
//!
//! One line an end, fields between tabs: clock in Unix seconds, `install` or `rollback`, version, image, `committed`,
//! `cancelled` or `failed`, stage, class, message. The journal is the truth about the last one; this file is a
//! convenience, and losing a line of it to a power cut loses nothing else.

use crate::json::{Value, object, optional};
use agent_machine::{Ended, LastResult};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const FILE: &str = "history";
/// Bytes after which the older half is dropped: about a thousand updates.
const BYTES_MAX: u64 = 256 * 1024;
/// Fields of a line.
const FIELDS: usize = 8;

/// One update that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line([String; FIELDS]);

impl Line {
    /// The line for what the journal says of the last update.
    fn new(last: &LastResult, clock: u64) -> Self {
        let (ended, stage, class, message) = match &last.ended {
            Ended::Committed => ("committed", "", "", ""),
            Ended::Cancelled => ("cancelled", "", "", ""),
            Ended::Failed(failure) => ("failed", failure.stage.name(), failure.class.name(), failure.message.as_str()),
        };
        Self([
            clock.to_string(),
            if last.rollback { "rollback" } else { "install" }.to_owned(),
            last.release.version.to_string(),
            last.release.image.blake3.to_string(),
            ended.to_owned(),
            stage.to_owned(),
            class.to_owned(),
            message.replace(['\t', '\n', '\r'], " "),
        ])
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<String> = text.split('\t').map(str::to_owned).collect();
        fields.try_into().ok().map(Self)
    }

    /// The line for people.
    pub fn text(&self) -> String {
        let [clock, kind, version, _, ended, stage, _, message] = &self.0;
        let date = crate::doctor::ext4::date(clock.parse().unwrap_or(0));
        let tail = if stage.is_empty() { String::new() } else { format!(" in {stage}: {message}") };
        let joint = if kind == "rollback" { "to" } else { "of" };
        format!("{date}  {kind} {joint} {version} {ended}{tail}")
    }

    /// The line for programs.
    pub fn to_json(&self) -> Value {
        let [clock, kind, version, image, ended, stage, class, message] = &self.0;
        let some = |text: &String| optional(Some(text.as_str()).filter(|text| !text.is_empty()));
        object([
            ("time", clock.parse::<u64>().unwrap_or(0).into()),
            ("kind", kind.as_str().into()),
            ("version", version.as_str().into()),
            ("blake3", image.as_str().into()),
            ("ended", ended.as_str().into()),
            ("stage", some(stage)),
            ("class", some(class)),
            ("message", some(message)),
        ])
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// All lines, oldest first; none when there is no file. Lines that are torn are left out.
///
/// # Errors
/// When the file cannot be read.
pub fn read(state_dir: &Path) -> io::Result<Vec<Line>> {
    match fs::read_to_string(path(state_dir)) {
        Ok(text) => Ok(text.lines().filter_map(Line::parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Adds how the last update ended. Not being able to is worth a warning, not a failure.
pub fn add(state_dir: &Path, last: &LastResult) {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    if let Err(error) = write(state_dir, &Line::new(last, clock)) {
        log::warn!("the history in {} cannot be written: {error}", state_dir.display());
    }
}

fn write(state_dir: &Path, line: &Line) -> io::Result<()> {
    let path = path(state_dir);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > BYTES_MAX) {
        let text = fs::read_to_string(&path)?;
        let lines: Vec<_> = text.lines().collect();
        let fresh = path.with_extension("new");
        fs::write(&fresh, lines[lines.len() / 2..].join("\n") + "\n")?;
        fs::rename(fresh, &path)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    file.write_all(format!("{}\n", line.0.join("\t")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_machine::{Class, Failure, Stage};
    use delta_format::header::ImageId;
    use delta_format::rollback::Release;

    #[test]
    fn ends_are_kept_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        let release = Release { version: "2.1".parse().unwrap(), image: ImageId::EMPTY };
        let failure = Failure::new(Stage::Trial, Class::Unhealthy, "no\tmodem\n");
        for ended in [Ended::Failed(failure), Ended::Committed] {
            add(folder.path(), &LastResult { release, rollback: false, ended });
        }
        let lines = read(folder.path()).unwrap();
        assert!(lines[0].text().ends_with("install of 2.1 failed in trial: no modem "), "{}", lines[0].text());
        assert_eq!(lines[1].to_json().text_of("ended"), Some("committed"));
        assert_eq!(lines[1].to_json().get("stage"), Some(&Value::Null));
        fs::write(folder.path().join(FILE), "torn line\n".repeat(30_000)).unwrap();
        add(folder.path(), &LastResult { release, rollback: true, ended: Ended::Cancelled });
        assert_eq!(read(folder.path()).unwrap().len(), 1);
        assert!(fs::metadata(folder.path().join(FILE)).unwrap().len() < BYTES_MAX);
    }
}
