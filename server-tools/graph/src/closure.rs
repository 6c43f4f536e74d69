//! A program with the libraries and the loader that it is loaded with, found below a folder.
//!
//! In: files named by the caller, and the root of a file system. Out: the graph of each, in the order in which the loader
//! loads them. A library is looked for among the named files, in the folders that the file itself names, in those of the
//! caller, and in the usual ones. What is not found is told; calls into it stay unresolved.

use crate::error::Error;
use crate::root::inside;
use delta_format::{Blake3, Sha256};
use delta_functions::callgraph::ObjectGraph;
use delta_functions::{Degraded, Executable, Machine};
use delta_verify::sha256_of_parts;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files of one closure; the largest met in practice, a desktop program, has 300.
pub const FILES_MAX: usize = 1_024;
/// Bytes of one file; the largest browser engines have 300 MB.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Folders below a root in which loaders look.
const FOLDERS: [&str; 6] = ["lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "lib32"];

/// Where files are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The root of the file system; `/` of this machine when empty.
    pub root: PathBuf,
    /// Further folders with libraries, first.
    pub folders: Vec<PathBuf>,
}

/// What is known of files that programs open while they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plugins {
    /// They may be any, and may call every function that others may call by name.
    #[default]
    Any,
    /// Somebody says that all of them are among the named files.
    Named,
}

/// A file of a closure.
#[derive(Debug, Clone)]
pub struct ClosureFile {
    /// Where it was read.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// BLAKE3 of the bytes of each function, in their order.
    pub code: Vec<Blake3>,
}

/// The files of a program.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    /// What is known of each file.
    pub files: Vec<ClosureFile>,
    /// The graph of each file, in the same order.
    pub objects: Vec<ObjectGraph>,
    /// How many of the first files were named; the others were needed by them.
    pub named: usize,
    /// Libraries that were not found, sorted.
    pub missing: Vec<String>,
}

impl Closure {
    /// Reads `named` and, where `follows`, what they need. The first one is the program.
    ///
    /// # Errors
    /// [`Error::Io`] for a named file that cannot be read, [`Error::NotExecutable`] for one that is no executable,
    /// [`Error::TooLarge`] for one that is only analysed in part, [`Error::Limit`].
    pub fn read(named: &[PathBuf], places: &Places, follows: bool) -> Result<Self, Error> {
        let mut closure = Self::default();
        let root = places.root()?;
        let mut seen = BTreeSet::new();
        let mut missing = BTreeSet::new();
        for path in named {
            closure.add(path, &mut seen)?;
        }
        closure.named = closure.files.len();
        let mut next = 0;
        while let Some(object) = closure.objects.get(next).filter(|_| follows) {
            let wanted: Vec<String> = object.needed.iter().chain(&object.interpreter).cloned().collect();
            let machine = object.machine;
            let folders = places.folders_of(&root, object, &closure.files[next].path);
            for name in wanted {
                let file = name.rsplit('/').next().unwrap_or(&name);
                if closure.objects.iter().any(|object| object.machine == machine && object.answers_to(file)) {
                    continue;
                }
                let named = name.starts_with('/').then(|| root.join(name.trim_start_matches('/')));
                let candidates = named.into_iter().chain(folders.iter().map(|folder| folder.join(file)));
                let mut is_found = false;
                for path in candidates.filter_map(|path| below(&root, path)).filter(|path| path.is_file()) {
                    is_found = closure.add_library(&path, machine, &mut seen)?;
                    if is_found {
                        break;
                    }
                }
                if !is_found {
                    missing.insert(name);
                }
            }
            next += 1;
        }
        closure.missing = missing.into_iter().collect();
        Ok(closure)
    }

    /// Of how many of the first files every export may be called: of those that were named, or of all where a library is
    /// missing or, unless all plug-ins are among the named files, where a file opens others while it runs.
    pub fn exporting(&self, plugins: Plugins) -> usize {
        let opens = plugins == Plugins::Any && self.objects.iter().any(|object| object.opens_files);
        if opens || !self.missing.is_empty() { self.objects.len() } else { self.named }
    }

    /// Adds a file if it is an executable for that processor. Gives whether it is.
    fn add_library(&mut self, path: &Path, machine: Machine, seen: &mut BTreeSet<PathBuf>) -> Result<bool, Error> {
        let real = path.canonicalize().map_err(Error::io(path, "find"))?;
        if let Some(at) = self.files.iter().position(|file| file.path == real) {
            return Ok(self.objects[at].machine == machine);
        }
        match self.add(path, seen) {
            Err(Error::Io { .. } | Error::NotExecutable(_)) => Ok(false),
            Err(error) => Err(error),
            Ok(()) if self.objects.last().is_some_and(|object| object.machine == machine) => Ok(true),
            Ok(()) => {
                self.objects.pop();
                self.files.pop();
                seen.remove(&real);
                Ok(false)
            }
        }
    }

    fn add(&mut self, path: &Path, seen: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
        let real = path.canonicalize().map_err(Error::io(path, "find"))?;
        if !seen.insert(real.clone()) {
            return Ok(());
        }
        if self.files.len() >= FILES_MAX {
            return Err(Error::Limit { what: "files of one program", limit: FILES_MAX as u64 });
        }
        let length = std::fs::metadata(&real).map_err(Error::io(path, "read"))?.len();
        if length > FILE_BYTES_MAX {
            return Err(Error::Limit { what: "bytes of one executable", limit: FILE_BYTES_MAX });
        }
        let bytes = std::fs::read(&real).map_err(Error::io(path, "read"))?;
        let executable = Executable::read(&bytes).ok_or_else(|| Error::NotExecutable(path.to_owned()))?;
        // Who calls what in the part that was left out is not known; nothing could be called unreachable.
        if executable.degraded().contains(&Degraded::Truncated) {
            return Err(Error::TooLarge(path.to_owned()));
        }
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let object = ObjectGraph::new(&executable, &name);
        let code = executable.code().map(|code| delta_verify::blake3_of_parts(&[code])).collect();
        self.files.push(ClosureFile { path: real, sha256: sha256_of_parts(&[&bytes]), code });
        self.objects.push(object);
        Ok(())
    }
}

impl Places {
    /// The root, without links in its own path.
    fn root(&self) -> Result<PathBuf, Error> {
        let root = if self.root.as_os_str().is_empty() { Path::new("/") } else { &self.root };
        root.canonicalize().map_err(Error::io(root, "find"))
    }

    /// Where the loader looks for what a file needs.
    fn folders_of(&self, root: &Path, object: &ObjectGraph, path: &Path) -> Vec<PathBuf> {
        let origin = path.parent().unwrap_or(Path::new("/")).display().to_string();
        let own = object.runpath.iter().flat_map(|list| list.split(':'));
        let own = own.filter(|folder| !folder.is_empty()).map(|folder| {
            match folder.replace("${ORIGIN}", "$ORIGIN").split_once("$ORIGIN") {
                Some((_, rest)) => PathBuf::from(format!("{origin}{rest}")),
                None => root.join(folder.trim_start_matches('/')),
            }
        });
        let mut folders: Vec<PathBuf> = self.folders.clone();
        folders.extend(own);
        for folder in FOLDERS {
            let folder = root.join(folder);
            let triplets = ["x86_64", "i386", "aarch64", "arm", "riscv64"].map(|name| format!("{name}-linux-gnu"));
            folders.extend(triplets.iter().chain(&["arm-linux-gnueabihf".to_owned()]).map(|name| folder.join(name)));
            folders.push(folder);
        }
        folders
    }
}

/// A path below the root with its links followed there; folders that the user named elsewhere are as they are.
fn below(root: &Path, path: PathBuf) -> Option<PathBuf> {
    if path.starts_with(root) { inside(root, &path) } else { Some(path) }
}
