//! The file back end: a boot loader's record as a small text file, for tests, containers and boot loaders that read
//! such a file. It counts tries exactly as a boot loader does.
//!
//! ```text
//! stella-boot v1
//! default a
//! trial b 3
//! bad a
//! end
//! ```
//! `trial` (slot, tries left) and `bad` lines are there only when they apply. A change writes a new file, syncs it,
//! renames it over the old one and syncs the folder, so that after a power cut the record is the old or the new one. A
//! record that is missing or damaged is an error, never replaced by a guess.

use crate::executor::witness::{Healthy, Proven};
use crate::platform::{BootLoader, BootState, IoError, Slot, TrialBoot};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "stella-boot v1";
const LAST_LINE: &str = "end";
/// Bytes of a record: five short lines.
const BYTES_MAX: u64 = 512;
/// EBADMSG: the record is there and makes no sense.
const DAMAGED: IoError = IoError(74);

/// The record of a boot loader in a file.
#[derive(Debug)]
pub struct FileBoot {
    path: PathBuf,
}

impl FileBoot {
    /// The record at `path`; nothing is read yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads the record.
    ///
    /// # Errors
    /// ENOENT when there is none, EBADMSG when it is damaged.
    pub fn load(&self) -> Result<BootState, IoError> {
        let mut text = String::new();
        let file = File::open(&self.path)?;
        file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => DAMAGED,
            _ => error.into(),
        })?;
        parse(&text).ok_or(DAMAGED)
    }

    /// Writes the record, durable when it returns.
    ///
    /// # Errors
    /// [`IoError`]; the old record is still there then.
    pub fn store(&self, state: &BootState) -> Result<(), IoError> {
        let text = render(state);
        assert!(parse(&text).as_ref() == Some(state), "a record reads back as what was written");
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.sync_folder()
    }

    /// Makes the name durable.
    fn sync_folder(&self) -> Result<(), IoError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(File::open(folder)?.sync_all()?)
    }

    /// What a boot loader does at power on: spends a try of the trial, durably, before that slot runs; else takes the
    /// default. Gives the slot that starts.
    ///
    /// # Errors
    /// [`IoError`]; a boot loader that cannot write its record must not start a trial.
    pub fn power_on(&self) -> Result<Slot, IoError> {
        let mut state = self.load()?;
        match &mut state.trial {
            Some(trial) if trial.tries_left > 0 && !state.bad[trial.slot.index()] => {
                trial.tries_left -= 1;
                let slot = trial.slot;
                self.store(&state)?;
                Ok(slot)
            }
            _ => Ok(state.default),
        }
    }

    fn change(&self, change: impl FnOnce(&mut BootState)) -> Result<(), IoError> {
        let mut state = self.load()?;
        change(&mut state);
        self.store(&state)
    }
}

impl BootLoader for FileBoot {
    fn read(&mut self) -> Result<BootState, IoError> {
        // A process that was killed after its rename leaves a record that a power cut would take back.
        self.sync_folder()?;
        self.load()
    }

    fn arm(&mut self, proven: &Proven, tries: u8) -> Result<(), IoError> {
        let slot = proven.slot();
        self.change(|state| {
            state.trial = Some(TrialBoot { slot, tries_left: tries });
            state.bad[slot.index()] = false;
        })
    }

    fn disarm(&mut self, slot: Slot) -> Result<(), IoError> {
        self.change(|state| state.trial = state.trial.filter(|trial| trial.slot != slot))
    }

    fn commit(&mut self, healthy: &Healthy) -> Result<(), IoError> {
        let slot = healthy.slot();
        self.change(|state| {
            state.default = slot;
            state.trial = state.trial.filter(|trial| trial.slot != slot);
            state.bad[slot.index()] = false;
        })
    }

    fn mark_bad(&mut self, slot: Slot) -> Result<(), IoError> {
        self.change(|state| {
            assert!(slot != state.default, "the default slot is never marked bad");
            state.trial = state.trial.filter(|trial| trial.slot != slot);
            state.bad[slot.index()] = true;
        })
    }
}

fn word(slot: Slot) -> &'static str {
    match slot {
        Slot::A => "a",
        Slot::B => "b",
    }
}

/// Reads `a` or `b`, in either case.
pub fn slot_of(word: &str) -> Option<Slot> {
    match word {
        "a" | "A" => Some(Slot::A),
        "b" | "B" => Some(Slot::B),
        _ => None,
    }
}

fn render(state: &BootState) -> String {
    let mut text = format!("{FIRST_LINE}\ndefault {}\n", word(state.default));
    if let Some(trial) = state.trial {
        let _ = writeln!(text, "trial {} {}", word(trial.slot), trial.tries_left);
    }
    for slot in Slot::BOTH {
        if state.bad[slot.index()] {
            let _ = writeln!(text, "bad {}", word(slot));
        }
    }
    text + LAST_LINE + "\n"
}

fn parse(text: &str) -> Option<BootState> {
    let lines = text.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?.strip_suffix("end\n")?;
    let (mut default, mut trial, mut bad) = (None, None, [false; 2]);
    for line in lines.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["default", slot] if default.is_none() => default = Some(slot_of(slot)?),
            ["trial", slot, tries] if trial.is_none() => {
                trial = Some(TrialBoot { slot: slot_of(slot)?, tries_left: tries.parse().ok()? });
            }
            ["bad", slot] => bad[slot_of(slot)?.index()] = true,
            _ => return None,
        }
    }
    let default = default.filter(|slot| !bad[slot.index()])?;
    Some(BootState { default, trial, bad })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(text: &str) -> (tempfile::TempDir, FileBoot) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boot");
        fs::write(&path, text).unwrap();
        (folder, FileBoot::new(&path))
    }

    /// A trial gets exactly its tries, then the default starts; the spent trial stays on record.
    #[test]
    fn tries_are_counted_exactly() {
        let (_folder, boot) = boot("stella-boot v1\ndefault a\ntrial b 2\nend\n");
        let starts: Vec<_> = (0..4).map(|_| boot.power_on().unwrap()).collect();
        assert_eq!(starts, [Slot::B, Slot::B, Slot::A, Slot::A]);
        assert_eq!(boot.load().unwrap().trial, Some(TrialBoot { slot: Slot::B, tries_left: 0 }));
    }

    #[test]
    fn a_bad_slot_is_never_started() {
        let (_folder, boot) = boot("stella-boot v1\ndefault a\ntrial b 2\nbad b\nend\n");
        assert_eq!(boot.power_on(), Ok(Slot::A));
        assert_eq!(boot.load().unwrap().trial.unwrap().tries_left, 2);
    }

    /// Whatever is not a whole record is an error; in particular every truncation is.
    #[test]
    fn damaged_records_are_refused() {
        let whole = "stella-boot v1\ndefault a\ntrial b 2\nend\n";
        for end in 0..whole.len() {
            assert_eq!(boot(&whole[..end]).1.load(), Err(DAMAGED), "{end}");
        }
        for text in [
            "stella-boot v2\ndefault a\nend\n",
            "stella-boot v1\nend\n",
            "stella-boot v1\ndefault a\ndefault b\nend\n",
            "stella-boot v1\ndefault a\ntrial b 256\nend\n",
            "stella-boot v1\ndefault a\nbad a\nend\n",
            "stella-boot v1\ndefault c\nend\n",
            "stella-boot v1\ndefault a\nend\nend\n",
        ] {
            assert_eq!(boot(text).1.load(), Err(DAMAGED), "{text}");
        }
        assert_eq!(FileBoot::new(Path::new("/nonexistent/boot")).load(), Err(IoError(2)));
    }

    /// What an interrupted change leaves behind (a new file that was never renamed, whole or torn) changes nothing.
    #[test]
    fn an_interrupted_change_leaves_the_old_record() {
        let (folder, boot) = boot("stella-boot v1\ndefault a\nend\n");
        for leftover in ["", "stella-boot v1\nde", "stella-boot v1\ndefault b\nend\n"] {
            fs::write(folder.path().join("boot.new"), leftover).unwrap();
            assert_eq!(boot.power_on(), Ok(Slot::A));
            boot.change(|state| state.bad = [false, true]).unwrap();
            assert_eq!(boot.load(), Ok(BootState { default: Slot::A, trial: None, bad: [false, true] }));
        }
    }

    /// A change that cannot be written is an error and leaves the record as it was.
    #[test]
    fn a_failed_change_leaves_the_old_record() {
        let (folder, boot) = boot("stella-boot v1\ndefault a\ntrial b 1\nend\n");
        fs::create_dir(folder.path().join("boot.new")).unwrap();
        assert!(boot.power_on().is_err());
        assert_eq!(boot.load().unwrap().trial.unwrap().tries_left, 1);
    }
}
