//! Which slot this system was started from.
//!
//! In: the kernel command line, or a file, or the configuration. Out: the slot, or the error that it cannot be told; it
//! is never guessed, because a wrong answer would make the agent write the slot that runs.
//!
//! The kernel command line answers by `stella.slot=a` if the boot loader passes it, else by `root=`: a device path,
//! `PARTLABEL=`, `PARTUUID=`, `UUID=` or `LABEL=`, compared with both slots after all links are resolved.

use crate::boot::file::slot_of;
use crate::config::RunningBy;
use crate::platform::{BootId, IoError, Slot};
use delta_format::bytes::Bytes;
use std::fs;
use std::path::{Path, PathBuf};

/// ENODEV: no slot could be found.
const UNKNOWN: IoError = IoError(19);

/// The running slot.
///
/// # Errors
/// ENODEV when nothing names it, or what reading the file gives.
pub fn running(by: &RunningBy, paths: &[PathBuf; 2]) -> Result<Slot, IoError> {
    match by {
        RunningBy::Fixed(slot) => Ok(*slot),
        RunningBy::File(path) => {
            let text = fs::read_to_string(path)?;
            text.lines().next().and_then(|line| slot_of(line.trim())).ok_or(UNKNOWN)
        }
        RunningBy::KernelCommandLine => {
            let text = fs::read_to_string("/proc/cmdline")?;
            by_command_line(&text, paths).ok_or(UNKNOWN)
        }
    }
}

fn by_command_line(text: &str, paths: &[PathBuf; 2]) -> Option<Slot> {
    // The last one counts, as for the kernel.
    let value = |name: &str| text.split_whitespace().rev().find_map(|word| word.strip_prefix(name));
    if let Some(word) = value("stella.slot=") {
        return slot_of(word);
    }
    let root = value("root=")?;
    let by = |folder: &str, name: &str| Path::new("/dev/disk").join(folder).join(name.trim_matches('"'));
    let root = match root.split_once('=') {
        Some(("PARTLABEL", name)) => by("by-partlabel", name),
        Some(("PARTUUID", name)) => by("by-partuuid", &name.to_ascii_lowercase()),
        Some(("UUID", name)) => by("by-uuid", name),
        Some(("LABEL", name)) => by("by-label", name),
        _ => PathBuf::from(root),
    };
    let root = root.canonicalize().ok()?;
    let is_root = |slot: &Slot| paths[slot.index()].canonicalize().is_ok_and(|path| path == root);
    let [a, b] = Slot::BOTH.map(|slot| is_root(&slot));
    match (a, b) {
        (true, false) => Some(Slot::A),
        (false, true) => Some(Slot::B),
        _ => None,
    }
}

/// Names this boot. With a running file that has a second line, that line does (32 hexadecimal digits): containers and
/// tests start again without a new kernel. Else the kernel does.
///
/// # Errors
/// What reading gives; ENODEV when there are no 32 digits.
pub fn boot_id(by: &RunningBy) -> Result<BootId, IoError> {
    if let RunningBy::File(path) = by
        && let Some(line) = fs::read_to_string(path)?.lines().nth(1)
    {
        return digits(line);
    }
    digits(&fs::read_to_string("/proc/sys/kernel/random/boot_id")?)
}

fn digits(line: &str) -> Result<BootId, IoError> {
    let digits = line.trim().replace('-', "");
    digits.parse::<Bytes<16>>().map(BootId).map_err(|_| UNKNOWN)
}

/// Writes the file that [`RunningBy::File`] reads, as a boot loader would on the kernel command line: the slot, and a
/// new name for this boot.
///
/// # Errors
/// What reading and writing gives.
pub fn announce(path: &Path, slot: Slot) -> Result<(), IoError> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', "");
    let fresh = path.with_extension("new");
    fs::write(&fresh, format!("{}\n{id}\n", slot.to_string().to_ascii_lowercase()))?;
    Ok(fs::rename(fresh, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_command_line_names_the_slot() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| {
            let real = folder.path().join(format!("real-{name}"));
            fs::write(&real, "").unwrap();
            symlink(&real, folder.path().join(name)).unwrap();
            folder.path().join(name)
        });
        let check = |text: &str, expected| assert_eq!(by_command_line(text, &paths), expected, "{text}");
        check("quiet stella.slot=b ro", Some(Slot::B));
        check("stella.slot=a stella.slot=B", Some(Slot::B));
        check("stella.slot=c", None);
        check(&format!("ro root={} quiet", folder.path().join("real-b").display()), Some(Slot::B));
        check(&format!("root={}", paths[0].display()), Some(Slot::A));
        check("root=/nonexistent", None);
        check("root=PARTLABEL=stella-no-such-label", None);
        check("", None);
    }

    /// Two slots that lead to the same device name no slot.
    #[test]
    fn the_same_device_twice_is_not_guessed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        assert_eq!(by_command_line(&format!("root={}", path.display()), &[path.clone(), path.clone()]), None);
    }

    #[test]
    fn files_name_the_slot_and_the_boot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("running");
        let by = RunningBy::File(path.clone());
        let paths = [PathBuf::new(), PathBuf::new()];
        assert_eq!(running(&by, &paths), Err(IoError(2)));
        announce(&path, Slot::B).unwrap();
        assert_eq!(running(&by, &paths), Ok(Slot::B));
        let first = boot_id(&by).unwrap();
        assert_eq!(boot_id(&by), Ok(first));
        announce(&path, Slot::B).unwrap();
        assert_ne!(boot_id(&by).unwrap(), first);
        fs::write(&path, "x\n").unwrap();
        assert_eq!(running(&by, &paths), Err(UNKNOWN));
        assert!(boot_id(&RunningBy::KernelCommandLine).is_ok());
    }
}
