//! A small corpus from package archives, with their ordinary clients.
//!
//! In: pins of releases that archives carried when this was written. Out: pairs in a folder; what an archive has no
//! longer is said and left out, what is there already is not fetched again. The last pair is the demo's: a root file
//! system of 256 MiB before and after its distribution's updates.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, os};

use anyhow::{Context as _, Result, bail};

use super::corpus::{self, Pair};
use crate::{command, files, images};

/// A release pair of a package.
struct Source {
    category: &'static str,
    id: &'static str,
    archive: Archive,
    /// Package and version of the base and of the target.
    releases: [(&'static str, &'static str); 2],
    /// How the path of the file in the package ends; nothing for the package itself.
    member: Option<&'static str>,
}

enum Archive {
    /// The Debian architecture.
    Debian(&'static str),
    /// The wheel platforms, best first.
    Python(&'static [&'static str]),
    Npm,
}

const X64: &[&str] = &["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"];
const ARM64: &[&str] = &["manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"];
const ARM32: &[&str] = &["manylinux_2_31_armv7l", "manylinux_2_17_armv7l", "manylinux2014_armv7l"];
const WINDOWS: &[&str] = &["win_amd64"];

const SOURCES: &[Source] = &[
    debian("elf-x64", "libcrypto", "libssl3", ["3.0.20-1~deb12u2", "3.0.22-1~deb12u2"], Some("libcrypto.so.3")),
    debian("elf-x64", "postgres", POSTGRES, POSTGRES_RELEASES, Some("bin/postgres")),
    npm("elf-x64", "esbuild-go", "@esbuild/linux-x64", ["0.28.1", "0.28.2"], Some("bin/esbuild")),
    python("elf-x64", "cygrpc", "grpcio", X64, ["1.85.0", "1.85.1"], Some("x86_64-linux-gnu.so")),
    python("elf-x64", "ruff", "ruff", X64, ["0.17.5", "0.17.6"], Some("scripts/ruff")),
    python("elf-arm64", "pydantic-core", "pydantic-core", ARM64, ["2.50.3", "2.50.4"], Some(".so")),
    python("elf-arm64", "ast-grep", "ast-grep-cli", ARM64, ["0.51.0", "0.51.1"], Some("scripts/ast-grep")),
    python("elf-arm32", "cryptography", "cryptography", ARM32, ["50.0.1", "50.0.2"], Some("_rust.abi3.so")),
    python("elf-arm32", "ruff", "ruff", ARM32, ["0.17.5", "0.17.6"], Some("scripts/ruff")),
    python("pe-x64", "cryptography", "cryptography", WINDOWS, ["50.0.1", "50.0.2"], Some("_rust.pyd")),
    python("pe-x64", "ast-grep", "ast-grep-cli", WINDOWS, ["0.51.0", "0.51.1"], Some("scripts/ast-grep.exe")),
    python("whl", "numpy", "numpy", X64, ["2.4.5", "2.4.6"], None),
    npm(
        "jar",
        "closure-compiler",
        "google-closure-compiler-java",
        ["20261011.0.0", "20261015.0.0"],
        Some("compiler.jar"),
    ),
    npm("tgz", "typescript", "typescript", ["6.0.2", "6.0.3"], None),
    debian("deb", "postgresql-15", POSTGRES, POSTGRES_RELEASES, None),
    Source {
        category: "kernel",
        id: "vmlinuz-amd64",
        archive: Archive::Debian("amd64"),
        releases: [("linux-image-6.1.0-55-amd64", "6.1.192-1"), ("linux-image-6.1.0-56-amd64", "6.1.192-2")],
        member: Some("-amd64"),
    },
];

const POSTGRES: &str = "postgresql-15";
const POSTGRES_RELEASES: [&str; 2] = ["15.18-0+deb12u1", "15.20-0+deb12u1"];

const fn debian(
    category: &'static str,
    id: &'static str,
    package: &'static str,
    [base, target]: [&'static str; 2],
    member: Option<&'static str>,
) -> Source {
    let releases = [(package, base), (package, target)];
    Source { category, id, archive: Archive::Debian("amd64"), releases, member }
}

const fn npm(
    category: &'static str,
    id: &'static str,
    package: &'static str,
    [base, target]: [&'static str; 2],
    member: Option<&'static str>,
) -> Source {
    Source { category, id, archive: Archive::Npm, releases: [(package, base), (package, target)], member }
}

const fn python(
    category: &'static str,
    id: &'static str,
    package: &'static str,
    platforms: &'static [&'static str],
    [base, target]: [&'static str; 2],
    member: Option<&'static str>,
) -> Source {
    Source { category, id, archive: Archive::Python(platforms), releases: [(package, base), (package, target)], member }
}

/// Fetches every pair that can be had into the folder and lists them.
pub(super) fn collect(folder: &Path) -> Result<()> {
    let log = folder.join("collect.log");
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut pairs = Vec::new();
    for source in SOURCES {
        match collect_one(source, folder, &log) {
            Ok(pair) => pairs.push(pair),
            Err(reason) => eprintln!("left out: {}/{}: {reason:#}", source.category, source.id),
        }
    }
    match root_file_system(folder) {
        Ok(pair) => pairs.push(pair),
        Err(reason) => eprintln!("left out: ext4/debian-updates: {reason:#}"),
    }
    corpus::write(folder, &pairs)
}

fn collect_one(source: &Source, folder: &Path, log: &Path) -> Result<Pair> {
    let place = folder.join("open").join(source.category).join(source.id);
    fs::create_dir_all(&place)?;
    for (side, (package, version)) in ["old", "new"].iter().zip(&source.releases) {
        let file = place.join(side);
        if file.is_file() {
            continue;
        }
        eprintln!("fetching {package} {version} for {}/{}", source.category, source.id);
        let fetched = place.join("fetched");
        images::remove_tree(&fetched)?;
        fs::create_dir_all(&fetched)?;
        let archive = fetch(&source.archive, package, version, &fetched, log)?;
        match source.member {
            None => fs::rename(&archive, &file)?,
            Some(member) => {
                let tree = fetched.join("tree");
                fs::create_dir_all(&tree)?;
                unpack(&archive, &tree, log)?;
                let found = largest(&tree, member)?.with_context(|| format!("{package} has no file ..{member}"))?;
                fs::rename(found, &file)?;
            }
        }
        images::remove_tree(&fetched)?;
    }
    pair(source.category, source.id, &place)
}

/// Downloads a package into an empty folder; returns the only file there.
fn fetch(archive: &Archive, package: &str, version: &str, into: &Path, log: &Path) -> Result<PathBuf> {
    let mut client;
    match archive {
        Archive::Debian(architecture) => {
            client = Command::new("apt-get");
            client.args(["download", "-q", "-o", "APT::Sandbox::User=root"]);
            client.arg(format!("{package}:{architecture}={version}"));
        }
        Archive::Python(platforms) => {
            client = Command::new("python3");
            client.args("-m pip download -q --disable-pip-version-check --no-deps --only-binary=:all:".split(' '));
            client.args("--python-version 3.12 --implementation cp --abi cp312 --abi abi3 --abi none".split(' '));
            client.args(platforms.iter().flat_map(|platform| ["--platform", platform]));
            client.arg(format!("{package}=={version}"));
        }
        Archive::Npm => {
            client = Command::new("npm");
            client.args(["pack", "--silent", &format!("{package}@{version}")]);
        }
    }
    command::log(client.current_dir(into), log, |_| {})?;
    let mut found = fs::read_dir(into)?.collect::<Result<Vec<_>, _>>()?;
    match (found.pop(), found.pop()) {
        (Some(file), None) => Ok(file.path()),
        _ => bail!("{package} {version} did not arrive as one file"),
    }
}

fn unpack(archive: &Path, tree: &Path, log: &Path) -> Result<()> {
    let mut program;
    match archive.extension().and_then(|ending| ending.to_str()) {
        Some("deb") => {
            program = Command::new("dpkg-deb");
            program.arg("-x").arg(archive).arg(tree);
        }
        Some("whl") => {
            program = Command::new("python3");
            program.args(["-m", "zipfile", "-e"]).arg(archive).arg(tree);
        }
        _ => {
            program = Command::new("tar");
            program.arg("-xf").arg(archive).arg("-C").arg(tree);
        }
    }
    command::log(&mut program, log, |_| {})
}

/// The largest file below a folder whose path ends so.
fn largest(folder: &Path, ending: &str) -> Result<Option<PathBuf>> {
    let mut best: Option<(u64, PathBuf)> = None;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type()))?;
            let kind = kind?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.to_string_lossy().ends_with(ending) {
                best = best.max(Some((fs::metadata(&path)?.len(), path)));
            }
        }
    }
    Ok(best.map(|(_, path)| path))
}

/// The demo's images under the names that a corpus has.
fn root_file_system(folder: &Path) -> Result<Pair> {
    let (category, id) = ("ext4", "debian-updates");
    let place = folder.join("open").join(category).join(id);
    fs::create_dir_all(&place)?;
    let images = images::pair(false)?;
    for (side, image) in [("old", images.v1), ("new", images.v2)] {
        let link = place.join(side);
        let _ = fs::remove_file(&link);
        os::unix::fs::symlink(fs::canonicalize(image)?, link)?;
    }
    pair(category, id, &place)
}

fn pair(category: &str, id: &str, place: &Path) -> Result<Pair> {
    let [base, target] = ["old", "new"].map(|side| place.join(side));
    Ok(Pair {
        category: category.into(),
        id: id.into(),
        base_bytes: fs::metadata(&base)?.len(),
        target_bytes: fs::metadata(&target)?.len(),
        base_sha256: files::sha256(&base)?,
        target_sha256: files::sha256(&target)?,
        base,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pin has a category of the agreement, and no two write into one folder.
    #[test]
    fn pins_are_of_the_agreement() {
        let mut places = std::collections::BTreeSet::new();
        for source in SOURCES {
            assert!(places.insert((source.category, source.id)), "{} {}", source.category, source.id);
            let known = super::super::goals::GOALS.iter().any(|goal| goal.names(source.category));
            assert!(known, "{}", source.category);
        }
    }
}
