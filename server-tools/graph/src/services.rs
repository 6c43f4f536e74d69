//! The programs that an image starts by itself: what systemd units name.
//!
//! In: the root of a file system. Out: the executables of all `Exec*=` lines of its service units (systemd.service(5)),
//! sorted, and the commands whose program is none. A unit that is installed counts whether or not it is enabled: somebody
//! may start it.

use crate::error::Error;
use crate::root::inside;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders with units, below a root (systemd.unit(5)).
const FOLDERS: [&str; 4] =
    ["etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/// Where a program without a folder is looked for (systemd.exec(5), `ExecSearchPath=`).
const SEARCHED: [&str; 6] = ["usr/local/bin", "usr/local/sbin", "usr/bin", "usr/sbin", "bin", "sbin"];
/// Units of one image; distributions ship a few hundred.
const UNITS_MAX: usize = 16_384;
/// Bytes of one unit.
const UNIT_BYTES_MAX: u64 = 1 << 20;

/// What an image starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// ELF files that units start, with their symbolic links followed below the root.
    pub programs: Vec<PathBuf>,
    /// Programs that units name and that are scripts or missing.
    pub others: Vec<String>,
}

/// Reads the units below a root.
///
/// # Errors
/// [`Error::Io`], [`Error::Limit`].
pub fn services(root: &Path) -> Result<Services, Error> {
    let (mut programs, mut others) = (BTreeSet::new(), BTreeSet::new());
    for folder in FOLDERS.iter().filter_map(|folder| inside(root, &root.join(folder))).filter(|path| path.is_dir()) {
        let entries = std::fs::read_dir(&folder).map_err(Error::io(&folder, "read"))?;
        let mut units = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::io(&folder, "read"))?.path();
            units.extend(path.extension().is_some_and(|name| name == "service").then_some(path));
            if units.len() > UNITS_MAX {
                return Err(Error::Limit { what: "units of one image", limit: UNITS_MAX as u64 });
            }
        }
        for unit in units {
            // A link to nothing, or to /dev/null, is how a unit is masked.
            let Some(unit) = inside(root, &unit).filter(|unit| unit.is_file()) else { continue };
            let text = crate::cas::Cas::read(&unit, UNIT_BYTES_MAX)?;
            for program in started(&String::from_utf8_lossy(&text)) {
                let candidates: Vec<PathBuf> = match program.strip_prefix('/') {
                    Some(path) => vec![root.join(path.trim_start_matches('/'))],
                    None => SEARCHED.iter().map(|folder| root.join(folder).join(&program)).collect(),
                };
                match candidates
                    .iter()
                    .find_map(|path| inside(root, path))
                    .filter(|path| path.is_file() && is_elf(path))
                {
                    Some(path) => drop(programs.insert(path)),
                    None => drop(others.insert(program)),
                }
            }
        }
    }
    Ok(Services { programs: programs.into_iter().collect(), others: others.into_iter().collect() })
}

/// The programs of the `Exec*=` lines of a unit.
fn started(unit: &str) -> Vec<String> {
    let is_start = |key: &str| {
        let kinds = ["Start", "StartPre", "StartPost", "Condition", "Reload", "ReloadPost", "Stop", "StopPost"];
        key.strip_prefix("Exec").is_some_and(|kind| kinds.contains(&kind))
    };
    let joined = unit.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.split_once('='));
    let commands = lines.filter(|(key, _)| is_start(key.trim())).map(|(_, command)| command);
    let program = |command: &str| {
        let word = command.split_whitespace().next()?.trim_start_matches(['@', '-', ':', '+', '!', '|']);
        let word = word.trim_matches(['"', '\'']);
        (!word.is_empty()).then(|| word.to_owned())
    };
    commands.filter_map(program).collect()
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Links are followed below the root and never out of it; masked units start nothing.
    #[test]
    fn units_of_an_image() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |name: &str, bytes: &[u8]| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write("usr/bin/agent", b"\x7fELF....");
        write("usr/bin/tool", b"\x7fELF....");
        write("usr/bin/script", b"#!/bin/sh\n");
        symlink("/usr/bin", root.join("bin")).unwrap();
        symlink("../../../../../etc/passwd", root.join("usr/bin/out")).unwrap();
        write("usr/lib/systemd/system/a.service", b"[Service]\nExecStart=/bin/agent\nExecStop=tool --stop\n");
        write("etc/systemd/system/b.service", b"ExecStart=/usr/bin/script\nExecStartPre=/usr/bin/out\n");
        symlink("/dev/null", root.join("etc/systemd/system/c.service")).unwrap();
        let found = services(root).unwrap();
        assert_eq!(found.programs, [root.join("usr/bin/agent"), root.join("usr/bin/tool")]);
        assert_eq!(found.others, ["/usr/bin/out", "/usr/bin/script"]);
        assert_eq!(services(&root.join("etc")).unwrap(), Services::default());
    }

    #[test]
    fn commands_of_units() {
        let check = |unit: &str, expected: &[&str]| assert_eq!(started(unit), expected, "{unit}");
        check("[Service]\nExecStart=/usr/bin/a --b=c\nExecStop = -/bin/kill $MAINPID\n", &["/usr/bin/a", "/bin/kill"]);
        check("ExecStartPre=@!/sbin/x y \\\n  z\nExecReload=\n#ExecStart=/no\nExecSearchPath=/opt\n", &["/sbin/x"]);
        check("ExecStart=\"/usr/lib/w\" s\nExecStart=sh -c true", &["/usr/lib/w", "sh"]);
    }
}
