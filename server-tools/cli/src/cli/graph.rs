//! Arguments of `stella graph`.

use super::Signing;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum GraphCommand {
    /// Analyse a program with the libraries that it loads, and keep the graph in a folder.
    #[command(after_help = "Examples:\n  stella graph build --store graphs/ /usr/bin/openssl\n  \
stella graph build --store graphs/ --root image/ --third-party libcrypto.so.3 --purl libcrypto.so.3=pkg:deb/debian/libssl3 \
--key release.key --log log/ --log-key log.key image/usr/bin/agent\n  \
stella graph build --store graphs/ --root image/ --services")]
    Build(Box<GraphBuild>),
    /// Verify a graph of a folder offline: bytes, statement, signatures, place in the log. Or a proof about it.
    #[command(after_help = "Examples:\n  stella graph verify --store graphs/ --graph 5d0c... --edge-bundles \
--trust fleet.trust\n  stella graph verify --proof unreachable.json --trust fleet.trust")]
    Verify {
        /// The folder of graphs.
        #[arg(long, value_name = "FOLDER", required_unless_present = "proof")]
        store: Option<PathBuf>,
        /// The graph: its BLAKE3, as `graph build` prints it.
        #[arg(long, value_name = "HASH", required_unless_present = "proof")]
        graph: Option<String>,
        /// Verify its edge bundles too, leave out what they revoke, and say what that changes.
        #[arg(long, requires = "graph")]
        edge_bundles: bool,
        /// A proof made by `graph prove`, instead of a graph.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["store", "graph"])]
        proof: Option<PathBuf>,
        /// The trust root; without it no signature is checked, and the answer says so.
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
    },
    /// Say what differs between the graphs of two builds.
    #[command(after_help = "Example:\n  stella graph diff --store graphs/ 5d0c... 91aa...")]
    Diff {
        /// The folder of graphs.
        #[arg(long, value_name = "FOLDER")]
        store: PathBuf,
        /// The graph before the update.
        before: String,
        /// The graph after the update.
        after: String,
        /// How many lines of each list to print.
        #[arg(long, value_name = "N", default_value_t = 20)]
        top: usize,
    },
    /// Make a proof of a few kilobytes about one edge or one function; a device or reviewer needs no graph for it.
    #[command(after_help = "Examples:\n  stella graph prove --store graphs/ --graph 5d0c... --function \
libcrypto.so.3:EVP_DigestInit proof.json\n  stella graph prove --store graphs/ --graph 5d0c... --from openssl:main \
--to libssl.so.3:SSL_new --kind plt proof.json")]
    Prove {
        /// The folder of graphs.
        #[arg(long, value_name = "FOLDER")]
        store: PathBuf,
        /// The graph.
        #[arg(long, value_name = "HASH")]
        graph: String,
        /// The function that is reachable or not: an id of the graph, FILE:SYMBOL, or a symbol.
        #[arg(long, value_name = "FUNCTION", conflicts_with_all = ["from", "to", "kind"], required_unless_present = "from")]
        function: Option<String>,
        /// The function that an edge leads from.
        #[arg(long, value_name = "FUNCTION", requires = "to", requires = "kind")]
        from: Option<String>,
        /// The function that it leads to.
        #[arg(long, value_name = "FUNCTION", requires = "from")]
        to: Option<String>,
        /// How it is known: direct, tail, plt, got-import, ...
        #[arg(long, value_name = "KIND", requires = "from")]
        kind: Option<String>,
        /// Where the proof goes.
        proof: PathBuf,
    },
    /// Print what a trace of another tool saw running: functions and calls as canonical NDJSON.
    #[command(after_help = "Examples:\n  stella graph import callgrind.out.77 > ran.ndjson\n  \
perf script | stella graph import --source perf /dev/stdin > ran.ndjson\n  \
uftrace dump --flame-graph | stella graph import --source uftrace /dev/stdin > ran.ndjson")]
    Import {
        /// What recorded it; found out where the file says so itself.
        #[arg(long, value_enum, value_name = "TOOL")]
        source: Option<TraceSource>,
        /// The trace.
        file: PathBuf,
    },
}

/// What records a trace.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TraceSource {
    /// valgrind --tool=callgrind
    Callgrind,
    /// The text of perf script
    Perf,
    /// A pprof profile, as Go writes it
    Pprof,
    /// A recording of the Java Flight Recorder
    Jfr,
    /// A .cpuprofile of V8
    #[value(name = "cpuprofile")]
    CpuProfile,
    /// uftrace dump --flame-graph
    Uftrace,
    /// Runtime facts, one JSON object a line
    RuntimeFacts,
}

#[derive(Debug, Args)]
pub(crate) struct GraphBuild {
    /// The folder of graphs; made when it is not there.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: PathBuf,
    /// The root of the file system that libraries are looked for in.
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub(crate) root: PathBuf,
    /// Further folders with libraries.
    #[arg(long = "library-path", value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// Analyse only the files that are named.
    #[arg(long)]
    pub(crate) no_libraries: bool,
    /// Say that every plug-in which the programs open while they run is among FILES. Without it, where a program opens
    /// files, every function that others may call by name counts as reachable.
    #[arg(long)]
    pub(crate) plugins_named: bool,
    /// The package of a file, as NAME=PURL.
    #[arg(long = "purl", value_name = "NAME=PURL")]
    pub(crate) purls: Vec<String>,
    /// Files from somebody else: calls into them get edge bundles.
    #[arg(long = "third-party", value_name = "NAME")]
    pub(crate) third_party: Vec<String>,
    /// A list of edge ids that somebody disputes, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) disputed: Option<PathBuf>,
    /// A list of edge ids that are left out from now on, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) revoked: Option<PathBuf>,
    /// The policy that the graph is bound to.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// How many edge bundles are put into the log (reachability.edgeBundles.maxRekorPublishes); the graph always is.
    #[arg(long, value_name = "N", default_value_t = delta_graph::limits::BUNDLE_PUBLISHES_DEFAULT)]
    pub(crate) max_rekor_publishes: usize,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// Analyse every program that a systemd unit below --root starts, as one graph.
    #[arg(long)]
    pub(crate) services: bool,
    /// Programs, and libraries that they load without naming them.
    #[arg(required_unless_present = "services")]
    pub(crate) files: Vec<PathBuf>,
}
