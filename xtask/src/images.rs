//! Two versions of a real root file system image: what the demo and the measurements update between.
//!
//! In: the machine's own Debian package sources, or without them (no network, not root) its own files. Out: `v1.img`
//! and `v2.img`, ext4 of 256 MiB, kept under `target/demo-cache` so that only the first run makes them. The same
//! sources give the same bytes on every run and machine. It does not boot the images.

mod clean;
mod compare;
mod debian;
mod ext4;
mod host_files;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::arguments::Arguments;
use crate::{command, system, workspace};
pub(crate) use compare::Figures;

/// Raised with every change of what the images hold, so that old cached pairs are not used.
const DEBIAN_RECIPE: u32 = 1;
const HOST_FILES_RECIPE: u32 = 2;

/// Where the content comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Debian packages, before and after the distribution's updates.
    Debian,
    /// Files of this machine, before and after edits made here.
    HostFiles,
}

impl Origin {
    fn folder(self) -> PathBuf {
        let name = match self {
            Self::Debian => format!("debian-{DEBIAN_RECIPE}"),
            Self::HostFiles => format!("host-files-{HOST_FILES_RECIPE}"),
        };
        workspace::target().join("demo-cache").join(name)
    }
}

/// A finished pair.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) v1: PathBuf,
    pub(crate) v2: PathBuf,
    /// What it is and how the versions differ, for people.
    pub(crate) figures: Figures,
}

impl Pair {
    fn in_folder(folder: &Path) -> Option<Self> {
        let figures = Figures::read(&folder.join("figures.txt")).ok()?;
        let [v1, v2] = ["v1.img", "v2.img"].map(|name| folder.join(name));
        let whole = |image: &Path| fs::metadata(image).is_ok_and(|about| about.len() == ext4::IMAGE_BYTES);
        (whole(&v1) && whole(&v2)).then_some(Self { v1, v2, figures })
    }
}

/// Where a pair is being made.
struct Place<'a> {
    folder: &'a Path,
    log: &'a Path,
}

/// Two trees on their way to become images.
struct Trees {
    v1: PathBuf,
    v2: PathBuf,
    /// One sentence: what the trees hold.
    story: String,
}

/// `cargo xtask images`.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let offline = arguments.flag("--offline");
    let rebuild = arguments.flag("--rebuild");
    let to = arguments.value("--to")?;
    arguments.finish()?;
    if rebuild {
        for origin in [Origin::Debian, Origin::HostFiles] {
            remove_tree(&origin.folder())?;
        }
    }
    let started = Instant::now();
    let pair = pair(offline)?;
    print!("{}", pair.figures);
    println!("{}\n{}", pair.v1.display(), pair.v2.display());
    if let Some(folder) = to {
        fs::create_dir_all(&folder)?;
        for image in [&pair.v1, &pair.v2] {
            let copy = Path::new(&folder).join(image.file_name().expect("an image has a name"));
            // cp keeps the holes; std's copy may fill them.
            command::output(std::process::Command::new("cp").arg("--sparse=always").arg(image).arg(&copy))?;
            println!("copied to {}", copy.display());
        }
    }
    println!("ready after {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The pair: from the cache, else from Debian packages, else from the machine's own files.
pub(crate) fn pair(offline: bool) -> Result<Pair> {
    if offline {
        return match Pair::in_folder(&Origin::HostFiles.folder()) {
            Some(pair) => Ok(pair),
            None => make(Origin::HostFiles),
        };
    }
    if let Some(pair) = Pair::in_folder(&Origin::Debian.folder()) {
        return Ok(pair);
    }
    match make(Origin::Debian) {
        Ok(pair) => Ok(pair),
        Err(reason) => {
            eprintln!("Debian packages are out of reach: {reason:#}");
            eprintln!("taking files of this machine instead; run again with a network and as root for the real pair");
            pair(true).with_context(|| format!("neither packages ({reason:#}) nor this machine's files make a pair"))
        }
    }
}

fn make(origin: Origin) -> Result<Pair> {
    let started = Instant::now();
    let folder = origin.folder();
    let work = folder.with_extension(format!("{}.new", std::process::id()));
    remove_tree(&work)?;
    fs::create_dir_all(&work)?;
    // Beside the folder, not in it: the log of a failed build is what explains it.
    let log = folder.with_extension("log");
    fs::write(&log, "")?;
    let made = make_in(origin, &Place { folder: &work, log: &log }, started);
    if made.is_ok() {
        remove_tree(&folder)?;
        fs::rename(&work, &folder)?;
    }
    remove_tree(&work)?;
    made?;
    Pair::in_folder(&folder).context("the pair that was just made cannot be read back")
}

fn make_in(origin: Origin, place: &Place<'_>, started: Instant) -> Result<()> {
    system::need(&[ext4::TOOL])?;
    // Whole seconds: that is what a file system without sub-second times would keep.
    let build_began = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
    let say = |what: &str| eprintln!("  {:5.1} s  {what}", started.elapsed().as_secs_f64());
    let trees = match origin {
        Origin::Debian => debian::trees(place, &say)?,
        Origin::HostFiles => host_files::trees(place.folder, &say)?,
    };
    say("comparing the trees and writing the two file systems");
    let mut figures = Figures::of_trees(trees.story, &trees.v1, &trees.v2)?;
    let [v1, v2] = ["v1.img", "v2.img"].map(|name| place.folder.join(name));
    ext4::write_image(&trees.v1, &v1, build_began, place.log)?;
    ext4::write_image(&trees.v2, &v2, build_began, place.log)?;
    figures.add_images(&v1, &v2)?;
    figures.write(&place.folder.join("figures.txt"))?;
    remove_tree(&trees.v1)?;
    remove_tree(&trees.v2)
}

/// Removes a folder with everything in it.
pub(crate) fn remove_tree(folder: &Path) -> Result<()> {
    remove_trees(&[folder.to_owned()])
}

/// Removes folders and files. Never across a mount: a tree being built may have the machine's `/dev` bound into it.
fn remove_trees(paths: &[PathBuf]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    command::output(std::process::Command::new("rm").args(["-rf", "--one-file-system", "--"]).args(paths)).map(drop)
}
