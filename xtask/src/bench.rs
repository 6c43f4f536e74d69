//! `cargo xtask bench delta`: our deltas of real update pairs against everybody else's.
//!
//! In: a corpus, made by `--collect` or given; peers installed on this machine, or what they reached elsewhere (rows
//! measured on the same bytes). Out: tables of bytes, ratio to the best peer, processor time and memory of create and
//! apply; exit code 1 when a delta does not give its target back. It calls programs as a person would and shares no code
//! with the product.

mod collect;
mod compared;
mod corpus;
mod functions;
mod goals;
mod ours;
mod peers;
mod report;
mod row;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::arguments::{Arguments, Misused};
use crate::leash::Leash;
use crate::{images, workspace};
use compared::{Compared, grouped};
use corpus::Pair;
use row::Row;

const USAGE: &str = "\
cargo xtask bench delta [OPTION...]
  --collect         download a small corpus into target/bench-corpus first (apt-get, pip, npm as far as they are there)
  --corpus DIR      measure the pairs of DIR/pairs.json (default: target/bench-corpus)
  --only NAME,..    only these categories, or pairs as CATEGORY/ID
  --peers HOW       recorded: compare with recorded rows (default); run: run the installed peers, recorded rows for the
                    others; none
  --recorded FILE   recorded rows, one JSON object a line (default: docs/benchmarks/delta-peers.jsonl)
  --stella PROGRAM  measure this program instead of building one
  --json            print the rows of this run as JSON lines instead of tables
  --write           write docs/benchmarks/delta.md

cargo xtask bench functions [OPTION...]
  --corpus DIR      measure the executables of DIR (default: target/bench-corpus), and those compiled for the purpose
  --write           write docs/benchmarks/functions.md
";

/// What other programs reached on the corpus of the page.
const RECORDED: &str = "docs/benchmarks/delta-peers.jsonl";
const PAGE: &str = "docs/benchmarks/delta.md";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peers {
    Recorded,
    Run,
    None,
}

struct Options {
    corpus: PathBuf,
    only: Vec<String>,
    peers: Peers,
    recorded: PathBuf,
    stella: Option<PathBuf>,
    json: bool,
    write: bool,
}

/// Runs the benchmark that the first word names.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    match arguments.first().as_deref() {
        Some("delta") => delta(arguments),
        Some("functions") => functions::run(arguments),
        Some("help") => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Misused::new(format!("which benchmark?\n{USAGE}")).into()),
    }
}

fn delta(mut arguments: Arguments) -> Result<()> {
    let collect = arguments.flag("--collect");
    let options = options(arguments)?;
    if collect {
        collect::collect(&options.corpus)?;
    }
    ensure!(
        options.corpus.join("pairs.json").is_file(),
        "no corpus at {}: `cargo xtask bench delta --collect` downloads a small one, --corpus DIR takes your own",
        options.corpus.display()
    );
    let pairs = corpus::read(&options.corpus, &options.only)?;
    let recorded = match options.peers {
        Peers::None => Vec::new(),
        _ => row::read(&options.recorded)?,
    };
    let compared = measure(&options, pairs, &recorded)?;
    let tables = report::tables(&compared);
    match options.json {
        true => {
            for one in &compared {
                let fresh = one.peers.iter().filter(|row| !recorded.contains(row));
                std::iter::once(&one.ours).chain(fresh).for_each(|row| println!("{}", row.line()));
            }
        }
        false => print!("{tables}"),
    }
    if options.write {
        let page = workspace::root().join(PAGE);
        fs::create_dir_all(page.parent().expect("the page is in a folder"))?;
        fs::write(&page, format!("{}{tables}", preface(options.peers))).with_context(|| page.display().to_string())?;
        eprintln!("written: {PAGE}");
    }
    let failed = compared.iter().filter(|one| one.ours.good_bytes().is_none()).count();
    ensure!(failed == 0, "{failed} of {} pairs have no delta that gives the target back", compared.len());
    Ok(())
}

fn options(mut arguments: Arguments) -> Result<Options> {
    let folder = |value: Option<String>, default: PathBuf| value.map_or(default, PathBuf::from);
    let options = Options {
        corpus: folder(arguments.value("--corpus")?, workspace::target().join("bench-corpus")),
        only: arguments.value("--only")?.map(|only| only.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        peers: match arguments.value("--peers")?.as_deref() {
            None | Some("recorded") => Peers::Recorded,
            Some("run") => Peers::Run,
            Some("none") => Peers::None,
            Some(other) => {
                return Err(Misused::new(format!("--peers takes recorded, run or none, not '{other}'")).into());
            }
        },
        recorded: folder(arguments.value("--recorded")?, workspace::root().join(RECORDED)),
        stella: arguments.value("--stella")?.map(PathBuf::from),
        json: arguments.flag("--json"),
        write: arguments.flag("--write"),
    };
    arguments.finish()?;
    Ok(options)
}

fn measure(options: &Options, pairs: Vec<Pair>, recorded: &[Row]) -> Result<Vec<Compared>> {
    let installed = match options.peers {
        Peers::Run => peers::installed(),
        _ => Vec::new(),
    };
    if options.peers == Peers::Run {
        let names: Vec<_> = installed.iter().map(peers::Installed::name).collect();
        eprintln!("peers on this machine: {}", names.join(" "));
    }
    let built = match &options.stella {
        Some(program) => fs::canonicalize(program).with_context(|| program.display().to_string())?,
        None => ours::build()?,
    };
    let work = workspace::target().join(format!("bench.{}", std::process::id()));
    images::remove_tree(&work)?;
    fs::create_dir_all(&work)?;
    // A build of something else must not change the program while it is measured.
    let stella = work.join("stella");
    fs::copy(&built, &stella).with_context(|| built.display().to_string())?;
    let leash = Leash::new()?;
    let measured = pairs.into_iter().map(|pair| one(pair, &stella, recorded, &installed, &work, &leash)).collect();
    images::remove_tree(&work)?;
    measured
}

fn one(
    pair: Pair,
    stella: &Path,
    recorded: &[Row],
    installed: &[peers::Installed],
    work: &Path,
    leash: &Leash,
) -> Result<Compared> {
    let ours::Measured { row: ours, device_memory_bytes } = ours::measure(stella, &pair, work, leash)?;
    let mut rows = Vec::new();
    for peer in installed {
        eprintln!("  {}: {}", pair.name(), peer.name());
        rows.extend(peer.measure(&pair, work, leash)?);
    }
    for row in recorded.iter().filter(|row| row.is_of(&pair) && row.program != ours::NAME) {
        if !rows.iter().any(|fresh| fresh.program == row.program) {
            rows.push(row.clone());
        }
    }
    let compared = Compared { pair, ours, device_memory_bytes, peers: rows };
    let best = match compared.ranked().first() {
        Some((row, bytes)) => format!("{} {}", row.program, grouped(*bytes)),
        None => "no peer".into(),
    };
    let ours = compared.ours.good_bytes().map_or_else(|| compared.ours.note.clone(), grouped);
    let ratio = compared.ratio().map_or("-".into(), |ratio| format!("{ratio:.3}"));
    eprintln!("{}: {ours} against {best}: {ratio}", compared.pair.name());
    Ok(compared)
}

/// What stands above the tables on the page.
fn preface(peers: Peers) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    let how = match peers {
        Peers::Run => "Peers that are installed were run on this machine, the others' rows are recorded ones.",
        Peers::Recorded => "The peers' rows are recorded ones: sizes are exact, times are another machine's.",
        Peers::None => "No peers were asked.",
    };
    format!(
        "# Deltas against everybody else's\n\n\
         Written by `cargo xtask bench delta --write`; do not edit. Bytes are `payload_bytes` of `stella delta inspect --json`: all that a\n\
         device needs, apart from signatures, proofs and the reviewer's manifest. Every delta here was applied and gave its target back to\n\
         the last byte. CPU is processor time of all threads, MiB the highest resident memory with mapped files.\n\
         Measured on: {cpu}. {how}\n\n\
         ```\n\
         cargo xtask bench delta --collect               # download a small corpus, measure it\n\
         cargo xtask bench delta --corpus DIR            # measure a corpus of your own: DIR/pairs.json, DIR/SET/CATEGORY/ID/{{old,new}}\n\
         cargo xtask bench delta --peers run             # run the peers that are installed as well\n\
         ```\n\n\
         A peer that no package archive carries is used where an environment variable names its program: `HDIFFZ` and `HPATCHZ`, `ZUCCHINI`,\n\
         `AOSP_BSDIFF` and `AOSP_BSPATCH`, `PUFFIN`, `ARCHIVE_PATCHER_JAR`. What peers reached on the corpus of this page stands in\n\
         [delta-peers.jsonl](delta-peers.jsonl), each row with the digests of the bytes it was\n\
         measured on; ~ marks rows of an image built another time, which differs in a few bytes.\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_options() {
        let words =
            |text: &str| Arguments::new(text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter());
        let options = options(words("--corpus c --only elf-x64,jar/x --peers none --json")).unwrap();
        assert_eq!((options.only.len(), options.peers, options.json, options.write), (2, Peers::None, true, false));
        for wrong in ["--peers some", "--corpus", "more"] {
            assert!(super::options(words(wrong)).is_err(), "{wrong}");
        }
        assert!(run(words("")).is_err() && run(words("elta")).is_err());
    }
}
