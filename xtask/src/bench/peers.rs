//! The other programs: how each is called, and one of them on a pair.
//!
//! In: programs in PATH, or named by an environment variable where no archive carries them. Out: rows. A program that is
//! not there is left out; none is fetched or built here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Result, bail};

use super::corpus::Pair;
use super::row::{Cost, Row};
use crate::leash::Leash;
use crate::measure::{self, Act};
use crate::{command, files};

/// A peer that takes longer for one step is not waited for.
const LONGEST: Duration = Duration::from_secs(1800);

/// A way to make and apply deltas. Steps are command lines; words in braces are replaced: a name in capitals by the
/// program of that environment variable or, in small letters, in PATH; `old`, `new`, `delta`, `result` by files,
/// `packed-old` and `packed-new` by the same with the ending of their container, `power` by the power of two that holds
/// the old file, `container` by zip or gzip.
struct Peer {
    name: &'static str,
    create: &'static [&'static str],
    /// What has been made.
    made: &'static str,
    apply: &'static [&'static str],
    takes: Takes,
    /// Larger targets need more memory or hours than the figure is worth.
    target_mib_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Anything,
    Zip,
    ZipOrGzip,
}

const XZ: &str = "{XZ} -9e -T1 -k -f {delta}.raw";
const XZ_BACK: &str = "{XZ} -dkf {delta}.raw.xz";
const ZUCCHINI: &str = "{ZUCCHINI} gen {old} {new} {delta}.raw";
const ZUCCHINI_BACK: &str = "{ZUCCHINI} apply {old} {delta}.raw {result}";
const HPATCHZ: &str = "{HPATCHZ} -f {old} {delta} {result}";
const ARCHIVE_PATCHER: &str = "{JAVA} -cp {ARCHIVE_PATCHER_JAR} com.google.archivepatcher.tools.FileByFileTool";

const PEERS: &[Peer] = &[
    peer("bsdiff", &["{BSDIFF} {old} {new} {delta}"], &["{BSPATCH} {old} {result} {delta}"], 64),
    peer(
        "hdiffz-m-lzma2",
        &["{HDIFFZ} -f -p-1 -m-1 -block-0 -SD-256k -c-lzma2-9-64m {old} {new} {delta}"],
        &[HPATCHZ],
        512,
    ),
    peer(
        "hdiffz-mblk-lzma2",
        &["{HDIFFZ} -f -p-1 -m-1 -block-1k -SD-256k -c-lzma2-9-64m {old} {new} {delta}"],
        &[HPATCHZ],
        2048,
    ),
    peer(
        "xdelta3-9-lzma",
        &["{XDELTA3} -e -D -9 -S lzma -I 0 -W 16777216 -B {power} -f -s {old} {new} {delta}"],
        &["{XDELTA3} -d -D -R -B {power} -f -s {old} {delta} {result}"],
        2048,
    ),
    peer(
        "zstd19-patch",
        &["{ZSTD} -q -f -T1 -19 --long=31 --patch-from={old} {new} -o {delta}"],
        &["{ZSTD} -q -f -d --long=31 --patch-from={old} {delta} -o {result}"],
        512,
    ),
    peer(
        "full-zstd19",
        &["{ZSTD} -q -f -T1 -19 --long=27 {new} -o {delta}"],
        &["{ZSTD} -q -f -d --long=27 {delta} -o {result}"],
        512,
    ),
    Peer { made: "{delta}.raw.xz", ..peer("zucchini+xz", &[ZUCCHINI, XZ], &[XZ_BACK, ZUCCHINI_BACK], 512) },
    Peer {
        made: "{delta}.raw.br",
        ..peer(
            "zucchini+brotli",
            &[ZUCCHINI, "{BROTLI} -q 11 -w 24 -f -o {delta}.raw.br {delta}.raw"],
            &["{BROTLI} -d -f -o {delta}.raw {delta}.raw.br", ZUCCHINI_BACK],
            512,
        )
    },
    peer(
        "aosp-bsdiff-brotli",
        &["{AOSP_BSDIFF} --format=bsdf2 --type=brotli {old} {new} {delta}"],
        &["{AOSP_BSPATCH} {old} {result} {delta}"],
        64,
    ),
    Peer {
        takes: Takes::ZipOrGzip,
        ..peer(
            "puffin",
            &["{PUFFIN} --operation=puffdiff --src_file={packed-old} --dst_file={packed-new} --patch_file={delta} \
               --src_file_type={container} --dst_file_type={container}"],
            &["{PUFFIN} --operation=puffpatch --src_file={packed-old} --dst_file={result} --patch_file={delta}"],
            128,
        )
    },
    Peer {
        takes: Takes::Zip,
        made: "{delta}.raw.xz",
        ..peer(
            "archive-patcher+xz",
            &["ARCHIVE_PATCHER --generate --old {old} --new {new} --patch {delta}.raw", XZ],
            &[XZ_BACK, "ARCHIVE_PATCHER --apply --old {old} --patch {delta}.raw --new {result}"],
            128,
        )
    },
];

const fn peer(
    name: &'static str,
    create: &'static [&'static str],
    apply: &'static [&'static str],
    target_mib_max: u64,
) -> Peer {
    Peer { name, create, made: "{delta}", apply, takes: Takes::Anything, target_mib_max }
}

/// A peer whose programs are all here.
pub(crate) struct Installed {
    peer: &'static Peer,
    programs: BTreeMap<String, PathBuf>,
}

/// The peers that can be run on this machine.
pub(crate) fn installed() -> Vec<Installed> {
    let found = |peer: &'static Peer| {
        let steps = peer.create.iter().chain(peer.apply);
        let names: Vec<_> = steps.flat_map(|step| words(step)).filter_map(|word| program(&word)).collect();
        let programs = names.into_iter().map(|name| program_path(&name).map(|path| (name, path)));
        Some(Installed { peer, programs: programs.collect::<Option<_>>()? })
    };
    PEERS.iter().filter_map(found).collect()
}

fn words(step: &str) -> Vec<String> {
    step.replace("ARCHIVE_PATCHER ", &format!("{ARCHIVE_PATCHER} ")).split_whitespace().map(str::to_owned).collect()
}

/// The name in a word that stands for a program.
fn program(word: &str) -> Option<String> {
    let name = word.strip_prefix('{')?.strip_suffix('}')?;
    name.starts_with(|first: char| first.is_ascii_uppercase()).then(|| name.to_owned())
}

fn program_path(name: &str) -> Option<PathBuf> {
    match env::var_os(name) {
        Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
        None => command::find(&name.to_lowercase()),
    }
}

impl Installed {
    /// The name in tables.
    pub(crate) fn name(&self) -> &'static str {
        self.peer.name
    }

    /// Measures a pair; nothing when the peer has no use for it.
    pub(crate) fn measure(&self, pair: &Pair, work: &Path, leash: &Leash) -> Result<Option<Row>> {
        let container = match pair.category.as_str() {
            "zip" | "whl" | "jar" | "apk" => Some("zip"),
            "tgz" | "tar.gz" => Some("gzip"),
            _ => None,
        };
        let takes = match self.peer.takes {
            Takes::Anything => true,
            Takes::Zip => container == Some("zip"),
            Takes::ZipOrGzip => container.is_some(),
        };
        if !takes || pair.target_bytes > self.peer.target_mib_max << 20 {
            return Ok(None);
        }
        let place = Place { programs: &self.programs, pair, work, container };
        place.link()?;
        let mut row = Row::of(pair, self.name());
        match place.run(self.peer.create, leash) {
            Ok(cost) => row.create = Some(cost),
            Err(reason) => return Ok(Some(Row { note: format!("{reason:#}"), ..row })),
        }
        row.delta_bytes = Some(fs::metadata(place.fill(self.peer.made))?.len());
        match place.run(self.peer.apply, leash) {
            Ok(cost) => row.apply = Some(cost),
            Err(reason) => row.note = format!("{reason:#}"),
        }
        row.correct = Some(row.apply.is_some() && files::same(&work.join("result"), &pair.target)?);
        Ok(Some(row))
    }
}

/// A peer at work on a pair.
struct Place<'a> {
    programs: &'a BTreeMap<String, PathBuf>,
    pair: &'a Pair,
    work: &'a Path,
    container: Option<&'static str>,
}

impl Place<'_> {
    fn packed(&self, name: &str) -> PathBuf {
        self.work.join(name).with_extension(if self.container == Some("zip") { "zip" } else { "gz" })
    }

    fn link(&self) -> Result<()> {
        for (name, file) in [("old", &self.pair.base), ("new", &self.pair.target)] {
            let link = self.packed(name);
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(fs::canonicalize(file)?, link)?;
        }
        Ok(())
    }

    fn fill(&self, word: &str) -> String {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut filled = word
            .replace("{old}", &path(&self.pair.base))
            .replace("{new}", &path(&self.pair.target))
            .replace("{packed-old}", &path(&self.packed("old")))
            .replace("{packed-new}", &path(&self.packed("new")))
            .replace("{delta}", &path(&self.work.join("delta")))
            .replace("{result}", &path(&self.work.join("result")))
            .replace("{power}", &self.pair.base_bytes.next_power_of_two().max(1 << 20).to_string())
            .replace("{container}", self.container.unwrap_or("zip"));
        for (name, program) in self.programs {
            filled = filled.replace(&format!("{{{name}}}"), &path(program));
        }
        filled
    }

    fn run(&self, steps: &[&str], leash: &Leash) -> Result<Cost> {
        let mut all = Cost { cpu_seconds: 0.0, peak_bytes: 0 };
        for step in steps {
            let words: Vec<_> = words(step).iter().map(|word| self.fill(word)).collect();
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).current_dir(self.work);
            let ended = measure::run(&mut command, leash, LONGEST, |_| Ok(Act::GoOn))?;
            if !ended.status.success() {
                let said = ended.err.lines().chain(ended.out.lines()).last().unwrap_or_default();
                bail!("{}: {} {said}", words[0], ended.status);
            }
            let cost = Cost::from(ended.usage);
            all.cpu_seconds += cost.cpu_seconds;
            all.peak_bytes = all.peak_bytes.max(cost.peak_bytes);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every word in braces of the table is a program or is filled in.
    #[test]
    fn leaves_no_braces() {
        let pair = Pair {
            category: "zip".into(),
            id: "x".into(),
            base: "old".into(),
            target: "new".into(),
            base_bytes: (1 << 20) + 1,
            target_bytes: 1,
            base_sha256: String::new(),
            target_sha256: String::new(),
        };
        for peer in PEERS {
            let steps: Vec<_> = peer.create.iter().chain(peer.apply).flat_map(|step| words(step)).collect();
            let programs = steps.iter().filter_map(|word| program(word)).map(|name| (name, "p".into())).collect();
            let place = Place { programs: &programs, pair: &pair, work: Path::new("work"), container: Some("zip") };
            for word in steps.iter().map(String::as_str).chain([peer.made]) {
                let filled = place.fill(word);
                assert!(!filled.contains(['{', '}']), "{}: {word} -> {filled}", peer.name);
            }
        }
        let xdelta3 = words(PEERS.iter().find(|peer| peer.name == "xdelta3-9-lzma").unwrap().create[0]);
        assert!(xdelta3.contains(&"{power}".to_owned()));
    }
}
