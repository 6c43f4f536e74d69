//! The one table of commands: names, arguments, help with examples. Completions and man pages are generated from it.

mod graph;
mod score;

use clap::{Args, Parser, Subcommand, ValueEnum};
use delta_format::{Name, Text, Version};
use delta_verify::note::KeyName;
pub(crate) use graph::{GraphBuild, GraphCommand, TraceSource};
pub(crate) use score::{ReplayCommand, ScoreCommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 5 verification refused, 6 policy refused, \
7 base mismatch, 8 no space, 10 busy.";

/// Makes, proves and publishes the smallest safe update of a device.
#[derive(Debug, Parser)]
#[command(name = "stella", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Stella {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make signing keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write and read the trust root that devices pin.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Keep a transparency log as static files.
    #[command(subcommand)]
    Log(LogCommand),
    /// Make, inspect, verify and apply deltas.
    #[command(subcommand)]
    Delta(DeltaCommand),
    /// Look into executables: which functions they have, and what an update changed in them.
    #[command(subcommand)]
    Functions(FunctionsCommand),
    /// Say what of a program and its libraries can be reached, sign that, and prove parts of it offline.
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Say how risky a delta is, and why: integers that anybody can compute again.
    #[command(subcommand)]
    Score(ScoreCommand),
    /// Freeze all that an analysis was made from, and make it again, bit for bit.
    #[command(subcommand)]
    Replay(ReplayCommand),
    /// Put bundles, their index and the log into a folder that any web server or USB stick serves.
    #[command(after_help = "Example:\n  stella publish site/ --channel stable --key release.key --log log/ \
v2.stella")]
    Publish(Publish),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  stella completions bash > /etc/bash_completion.d/stella")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages, one for each command.
    #[command(after_help = "Example:\n  stella man /usr/local/share/man/man1")]
    Man {
        /// The folder to write to.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an Ed25519 key: FILE (secret, PKCS#8 PEM) and its public half beside it.
    #[command(after_help = "Examples:\n  stella key generate release.key\n  \
stella key generate --kind log --name example.com/fleet log.key\n  \
stella key generate --kind witness --name witness-a witness-a.key")]
    Generate {
        /// What the key signs.
        #[arg(long, value_enum, default_value_t = KeyKind::Signer)]
        kind: KeyKind,
        /// The origin of a log, or the name of a witness.
        #[arg(long, required_if_eq_any([("kind", "log"), ("kind", "witness")]))]
        name: Option<KeyName>,
        /// Where the secret key goes. The public key goes to FILE with the extension .pub (signer) or .vkey.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyKind {
    /// Statements: bundles, rollbacks, channel indexes.
    Signer,
    /// Checkpoints of a log.
    Log,
    /// Cosignatures of checkpoints.
    Witness,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Write a trust root from public keys.
    #[command(after_help = "Example:\n  stella trust init --name acme --signer release.pub --rollback operator.pub \
--log log.vkey --witness witness-a.vkey --witness witness-b.vkey --quorum 2 fleet.trust")]
    Init(TrustInit),
    /// Read a trust root and say what it trusts.
    #[command(after_help = "Example:\n  stella trust show fleet.trust")]
    Show {
        /// The trust root.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustInit {
    /// The name of the trust root.
    #[arg(long)]
    pub(crate) name: Name,
    /// Public keys (.pub) that sign bundles and channel indexes.
    #[arg(long = "signer", value_name = "FILE", required = true)]
    pub(crate) signers: Vec<PathBuf>,
    /// How many of them must sign.
    #[arg(long, default_value_t = 1)]
    pub(crate) threshold: u8,
    /// Public keys (.pub) that sign rollbacks.
    #[arg(long = "rollback", value_name = "FILE")]
    pub(crate) rollback: Vec<PathBuf>,
    /// How many of them must sign.
    #[arg(long, default_value_t = 1)]
    pub(crate) rollback_threshold: u8,
    /// Verifier keys (.vkey) of logs.
    #[arg(long = "log", value_name = "FILE", required = true)]
    pub(crate) logs: Vec<PathBuf>,
    /// Verifier keys (.vkey) of witnesses.
    #[arg(long = "witness", value_name = "FILE", required = true)]
    pub(crate) witnesses: Vec<PathBuf>,
    /// How many witnesses must have cosigned.
    #[arg(long, default_value_t = 1)]
    pub(crate) quorum: u8,
    /// Counts up with each change of the trust root.
    #[arg(long, default_value_t = 1)]
    pub(crate) root_version: u64,
    /// Where the trust root goes.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Start an empty log in a folder.
    #[command(after_help = "Example:\n  stella log init log/ --log-key log.key")]
    Init {
        /// The log's folder.
        folder: PathBuf,
        /// The log's secret key, with its .vkey beside it.
        #[arg(long, value_name = "FILE")]
        log_key: PathBuf,
    },
    /// Append DSSE envelopes; entries that are in the log already stay where they are.
    #[command(after_help = "Example:\n  stella log append log/ --log-key log.key provenance.dsse.json")]
    Append {
        /// The log's folder.
        folder: PathBuf,
        /// The log's secret key, with its .vkey beside it.
        #[arg(long, value_name = "FILE")]
        log_key: PathBuf,
        /// The files to append, each one entry.
        #[arg(required = true)]
        entries: Vec<PathBuf>,
    },
    /// Print the newest checkpoint.
    #[command(after_help = "Example:\n  stella log checkpoint log/ --log-vkey log.vkey")]
    Checkpoint {
        /// The log's folder.
        folder: PathBuf,
        /// The log's verifier key.
        #[arg(long, value_name = "FILE")]
        log_vkey: PathBuf,
        /// Verifier keys of witnesses, to verify and show their cosignatures.
        #[arg(long = "witness", value_name = "FILE")]
        witnesses: Vec<PathBuf>,
    },
    /// Print the C2SP tlog-proof of an entry.
    #[command(after_help = "Example:\n  stella log prove log/ --log-vkey log.vkey provenance.dsse.json")]
    Prove {
        /// The log's folder.
        folder: PathBuf,
        /// The log's verifier key.
        #[arg(long, value_name = "FILE")]
        log_vkey: PathBuf,
        /// Verifier keys of witnesses whose cosignatures go into the proof.
        #[arg(long = "witness", value_name = "FILE")]
        witnesses: Vec<PathBuf>,
        /// The entry, as it was appended.
        entry: PathBuf,
    },
    /// Cosign the newest checkpoint as a witness, after checking that it continues the last one seen.
    #[command(after_help = "Example:\n  stella log witness log/ --log-vkey log.vkey --witness-key witness-a.key")]
    Witness {
        /// The log's folder.
        folder: PathBuf,
        /// The log's verifier key.
        #[arg(long, value_name = "FILE")]
        log_vkey: PathBuf,
        /// The witness's secret key, with its .vkey beside it.
        #[arg(long, value_name = "FILE")]
        witness_key: PathBuf,
        /// Where the witness keeps what it has seen; by default the key's file with the extension .seen.
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
        /// Unix seconds to state instead of this machine's clock.
        #[arg(long, value_name = "SECONDS")]
        time: Option<u64>,
    },
}

/// Who signs, where it is logged, who witnesses.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub(crate) struct Signing {
    /// Secret keys that sign.
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// The log's folder.
    #[arg(long, value_name = "FOLDER", requires = "log_key")]
    pub(crate) log: Option<PathBuf>,
    /// The log's secret key, with its .vkey beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) log_key: Option<PathBuf>,
    /// Secret keys of witnesses that are at hand; others cosign later with `stella log witness`.
    #[arg(long = "witness-key", value_name = "FILE")]
    pub(crate) witness_keys: Vec<PathBuf>,
    /// Unix seconds for cosignatures instead of this machine's clock.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeltaCommand {
    /// Make a bundle that turns BASE into TARGET. Without a base: a full image.
    #[command(after_help = "Examples:\n  stella delta create --base v1.img --target v2.img --product gateway \
--hardware board-a --version 2.0 --key release.key --log log/ --log-key log.key --witness-key witness-a.key v2.stella\n  \
stella delta create --target v2.img --unsigned --product x --hardware x --version 2 measure.stella")]
    Create(Box<Create>),
    /// Say what a bundle holds, without judging it.
    #[command(after_help = "Examples:\n  stella delta inspect v2.stella\n  stella delta inspect --manifest v2.stella")]
    Inspect {
        /// Print the reviewer's manifest (canonical JSON) instead.
        #[arg(long)]
        manifest: bool,
        /// Print the signed in-toto statement (canonical JSON) instead.
        #[arg(long, conflicts_with = "manifest")]
        statement: bool,
        /// The bundle.
        bundle: PathBuf,
    },
    /// Verify signatures, log proof, witnesses and every byte, as a device does.
    #[command(after_help = "Example:\n  stella delta verify --trust fleet.trust v2.stella")]
    Verify {
        /// The trust root.
        #[arg(long, value_name = "FILE")]
        trust: PathBuf,
        /// A bundle or a rollback attestation.
        file: PathBuf,
    },
    /// Make the target on this machine, with the device's own engine.
    #[command(
        after_help = "Example:\n  stella delta apply --trust fleet.trust --base v1.img --target v2.img v2.stella"
    )]
    Apply {
        /// The trust root.
        #[arg(long, value_name = "FILE", required_unless_present = "unverified")]
        trust: Option<PathBuf>,
        /// Skip signatures and log proof; the digests in the header are still checked.
        #[arg(long, conflicts_with = "trust")]
        unverified: bool,
        /// The base image; not needed for a full image.
        #[arg(long, value_name = "FILE")]
        base: Option<PathBuf>,
        /// Where the target goes; replaced in one step when all of it is right.
        #[arg(long, value_name = "FILE")]
        target: PathBuf,
        /// The bundle.
        bundle: PathBuf,
    },
    /// Put the newest log proof into a bundle or rollback attestation, once witnesses have cosigned.
    #[command(after_help = "Example:\n  stella delta prove --log log/ --log-vkey log.vkey --witness witness-a.vkey \
v2.stella")]
    Prove {
        /// The log's folder.
        #[arg(long, value_name = "FOLDER")]
        log: PathBuf,
        /// The log's verifier key.
        #[arg(long, value_name = "FILE")]
        log_vkey: PathBuf,
        /// Verifier keys of witnesses whose cosignatures go into the proof.
        #[arg(long = "witness", value_name = "FILE")]
        witnesses: Vec<PathBuf>,
        /// Public keys (.pub) of the signers, whose ids stand in the log entry.
        #[arg(long = "signer", value_name = "FILE", required = true)]
        signers: Vec<PathBuf>,
        /// The file to complete.
        file: PathBuf,
    },
    /// Permit one step back: sign and log a rollback attestation, and on request make the delta for it.
    #[command(after_help = "Example:\n  stella delta rollback --product gateway --from v2.img --from-version 2.0 \
--to v1.img --to-version 1.0 --reason 'modem drops' --who 'ops on call' --key operator.key --log log/ --log-key log.key \
--witness-key witness-a.key back.stella-rollback")]
    Rollback(Box<Rollback>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionsCommand {
    /// Say which functions differ between two builds of an executable: identical, moved, retargeted, modified, added,
    /// removed. Or between all executables of two trees: directories, packages, archives, images.
    #[command(after_help = "Examples:\n  stella functions diff old/agent new/agent\n  \
stella functions diff --json --top 1000 libfoo.so.1.0 libfoo.so.1.1\n  \
stella functions diff agent_1.0_amd64.deb agent_1.1_amd64.deb\n  stella functions diff rootfs-1.tar.gz rootfs-2.tar.gz")]
    Diff {
        /// Before the update: an executable (ELF or PE, stripped or not); or a directory, a .deb, a tar (packed by gzip, xz
        /// or zstd), an OCI image layout, an image of a file system.
        base: PathBuf,
        /// After the update, of the same kind.
        target: PathBuf,
        /// How many changed functions to list, the most used ones first.
        #[arg(long, value_name = "N", default_value_t = 20)]
        top: usize,
    },
    /// List the functions of an executable, each with what says that it is one; or the executables of a tree.
    #[command(after_help = "Examples:\n  stella functions list /usr/bin/agent\n  stella functions list rootfs/")]
    List {
        /// The executable (ELF or PE, stripped or not), or a tree: see `functions diff`.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The image that devices run now.
    #[arg(long, value_name = "FILE")]
    pub(crate) base: Option<PathBuf>,
    /// The image that they shall run.
    #[arg(long, value_name = "FILE")]
    pub(crate) target: PathBuf,
    #[command(flatten)]
    pub(crate) facts: Facts,
    /// Leave out signatures and log: for measuring; every device refuses the bundle.
    #[arg(long, conflicts_with_all = ["keys", "log"])]
    pub(crate) unsigned: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// Where the bundle goes.
    pub(crate) bundle: PathBuf,
}

/// What is said about a target.
#[derive(Debug, Args)]
pub(crate) struct Facts {
    /// The product line.
    #[arg(long)]
    pub(crate) product: Name,
    /// Hardware that may run the target; repeat for more.
    #[arg(long = "hardware", value_name = "NAME", required = true)]
    pub(crate) hardware: Vec<Name>,
    /// The version of the target: one to four numbers between dots.
    #[arg(long = "version", id = "target-version", value_name = "VERSION")]
    pub(crate) version: Version,
    /// Unix seconds after which the bundle must not be installed.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) expires: Option<u64>,
    /// Log2 of the bytes of one segment of the target: 16 to 26.
    #[arg(long, value_name = "LOG2", default_value_t = delta_bundle::SEGMENT_LOG2_DEFAULT)]
    pub(crate) segment: u8,
    /// For how much memory of a device it is made: default (4 MiB) or tiny (1 MiB).
    #[arg(long, value_name = "NAME", default_value_t = delta_bundle::Profile::Default)]
    pub(crate) profile: delta_bundle::Profile,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The product line.
    #[arg(long)]
    pub(crate) product: Name,
    /// The image that devices run now.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// Its version.
    #[arg(long, value_name = "VERSION")]
    pub(crate) from_version: Version,
    /// The image to go back to.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Its version.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to_version: Version,
    /// The version floor after the step; by default the version that is gone back to.
    #[arg(long, value_name = "VERSION")]
    pub(crate) floor: Option<Version>,
    /// Why.
    #[arg(long)]
    pub(crate) reason: Text,
    /// Who decided.
    #[arg(long)]
    pub(crate) who: Text,
    /// Unix seconds after which the permission is void.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) expires: Option<u64>,
    /// Also make the delta from FROM to TO, for devices whose other slot no longer holds TO.
    #[arg(long, value_name = "FILE", requires = "hardware")]
    pub(crate) bundle: Option<PathBuf>,
    /// Hardware that may run TO; for --bundle.
    #[arg(long = "hardware", value_name = "NAME")]
    pub(crate) hardware: Vec<Name>,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// Where the attestation goes.
    pub(crate) attestation: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The channel's folder; made when it is not there.
    pub(crate) folder: PathBuf,
    /// The channel's name.
    #[arg(long)]
    pub(crate) channel: Name,
    /// Secret keys that sign the index.
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,
    /// The log's folder; its tiles are copied into the channel so that devices can check the log against older heads.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) log: Option<PathBuf>,
    /// Bundles to add; those that are in the folder already stay.
    pub(crate) bundles: Vec<PathBuf>,
}
