//! First step: the files of a configuration, each read by itself.
//!
//! In: the folders that hold a configuration. Out: its fragments in the order in which later ones win: the vendor's
//! `config.toml`, the operator's `config.toml`, the operator's `conf.d/*.toml` by name. A missing file is no error.

use super::ConfigError;
use super::toml::{self, Entry};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the vendor of the image ships defaults.
pub const VENDOR_DIR: &str = "/usr/lib/stella-agent";
/// Where the operator of the device configures.
pub const OPERATOR_DIR: &str = "/etc/stella-agent";
/// Files in `conf.d`; more is a loop that writes files, not a configuration.
const FRAGMENTS_MAX: usize = 100;

/// One file.
#[derive(Debug)]
pub struct Fragment {
    /// Its path.
    pub path: PathBuf,
    /// Its entries in order.
    pub entries: Vec<Entry>,
}

/// Reads the fragments of the system, or those of one folder alone when it is given.
///
/// # Errors
/// [`ConfigError`] names the file, and the line if it is one line.
pub fn read(only: Option<&Path>) -> Result<Vec<Fragment>, ConfigError> {
    let mut paths = Vec::new();
    let operator = only.unwrap_or(Path::new(OPERATOR_DIR));
    if only.is_none() {
        paths.push(Path::new(VENDOR_DIR).join("config.toml"));
    }
    paths.push(operator.join("config.toml"));
    paths.extend(drop_ins(&operator.join("conf.d"))?);
    paths.into_iter().filter_map(|path| read_one(path).transpose()).collect()
}

fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let fail = |error| ConfigError::unreadable(folder, error);
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut paths = Vec::new();
    for entry in listing {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            // Sorted as they come: there are few, and a sort would be 4 KB of code.
            let place = paths.partition_point(|known| *known < path);
            paths.insert(place, path);
        }
        if paths.len() > FRAGMENTS_MAX {
            return Err(ConfigError::whole(folder, "holds more than 100 files"));
        }
    }
    Ok(paths)
}

fn read_one(path: PathBuf) -> Result<Option<Fragment>, ConfigError> {
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| ConfigError::whole(&path, "is not UTF-8 text"))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::unreadable(&path, error)),
    };
    let entries = toml::parse(&text).map_err(|error| ConfigError::line(&path, error.line, error.reason))?;
    Ok(Some(Fragment { path, entries }))
}
