//! A publisher in a scratch folder: keys, a log, three witnesses of which two must agree, a trust root, images, bundles.

use crate::programs;
use crate::run::{Run, run};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The product and hardware of everything that a test does not name otherwise.
pub const PRODUCT: &str = "gateway";
/// See [`PRODUCT`].
pub const HARDWARE: &str = "board-a";

/// The witnesses whose keys are at hand.
pub const WITNESSES: [&str; 3] = ["witness-a", "witness-b", "witness-c"];

/// A publisher.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
}

/// How a bundle is made; what most tests do not care for has its usual value.
#[derive(Clone, Debug)]
pub struct Making<'a> {
    /// File names of images; no base for a full image.
    pub base: Option<&'a str>,
    /// See `base`.
    pub target: &'a str,
    /// The version of the target.
    pub version: &'a str,
    /// The secret key that signs.
    pub key: &'a str,
    /// The log's folder.
    pub log: &'a str,
    /// Names of the witnesses that cosign.
    pub witnesses: &'a [&'a str],
    /// More arguments; those for product, hardware and segment are added unless they are here.
    pub more: &'a [&'a str],
}

impl<'a> Making<'a> {
    /// A delta.
    pub fn delta(base: &'a str, target: &'a str, version: &'a str) -> Self {
        Self { base: Some(base), ..Self::full(target, version) }
    }

    /// A full image.
    pub fn full(target: &'a str, version: &'a str) -> Self {
        let (key, log, witnesses) = ("release.key", "log", &WITNESSES[..2]);
        Self { base: None, target, version, key, log, witnesses, more: &[] }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Makes keys, log and trust root.
    pub fn new() -> Self {
        let world = Self { folder: tempfile::Builder::new().prefix("stella-").tempdir().expect("a scratch folder") };
        for key in ["release.key", "operator.key", "stranger.key"] {
            world.do_stella(&["key", "generate", key]);
        }
        world.do_stella(&["key", "generate", "--kind", "log", "--name", "example.com/fleet", "log.key"]);
        for name in WITNESSES {
            let file = format!("{name}.key");
            world.do_stella(&["key", "generate", "--kind", "witness", "--name", name, &file]);
        }
        let mut init = "trust init --name acme --signer release.pub --rollback operator.pub --log log.vkey".to_owned();
        for name in WITNESSES {
            init.push_str(&format!(" --witness {name}.vkey"));
        }
        init.push_str(" --quorum 2 fleet.trust");
        world.do_stella(&init.split(' ').collect::<Vec<_>>());
        world.do_stella(&["log", "init", "log", "--log-key", "log.key"]);
        world
    }

    /// A file of the scratch folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The scratch folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, in folders that are made.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The host's program in this folder.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(programs::stella());
        command.args(arguments).current_dir(self.folder.path()).env("COLUMNS", "100");
        command
    }

    /// Runs the host's program.
    pub fn stella<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        run(&mut self.command(arguments))
    }

    /// Runs the host's program, which must succeed.
    pub fn do_stella<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        self.stella(arguments).expect(0)
    }

    /// Makes a bundle or fails.
    pub fn make(&self, file: &str, making: &Making<'_>) -> Run {
        let (log_key, witnesses) = ("log.key", making.witnesses.iter().map(|name| format!("{name}.key")));
        let mut arguments = vec!["--json", "delta", "create", "--target", making.target, "--version", making.version];
        arguments.extend(["--key", making.key, "--log", making.log, "--log-key", log_key]);
        arguments.extend(making.base.iter().flat_map(|base| ["--base", base]));
        for (name, value) in [("--product", PRODUCT), ("--hardware", HARDWARE), ("--segment", "16")] {
            if !making.more.contains(&name) {
                arguments.extend([name, value]);
            }
        }
        let witnesses: Vec<String> = witnesses.collect();
        arguments.extend(witnesses.iter().flat_map(|key| ["--witness-key", key]));
        arguments.extend(making.more);
        arguments.push(file);
        self.do_stella(&arguments)
    }

    /// Makes a rollback attestation; `more` may override product, key and the rest.
    pub fn attest(&self, file: &str, from: (&str, &str), to: (&str, &str), more: &[&str]) -> Run {
        let mut arguments = vec!["--json", "delta", "rollback", "--from", from.0, "--from-version", from.1];
        arguments.extend(["--to", to.0, "--to-version", to.1, "--reason", "modem drops", "--who", "ops on call"]);
        arguments.extend(["--log", "log", "--log-key", "log.key"]);
        arguments.extend(["--witness-key", "witness-a.key", "--witness-key", "witness-b.key"]);
        for (name, value) in [("--product", PRODUCT), ("--key", "operator.key")] {
            if !more.contains(&name) {
                arguments.extend([name, value]);
            }
        }
        arguments.extend(more);
        arguments.push(file);
        self.do_stella(&arguments)
    }

    /// Puts bundles into the channel `site/stable`, with the log beside them.
    pub fn publish(&self, bundles: &[&str]) -> Run {
        let site = ["--json", "publish", "site/stable", "--channel", "stable", "--key", "release.key", "--log", "log"];
        self.do_stella(&[&site[..], bundles].concat())
    }
}
