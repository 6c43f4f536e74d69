//! Arguments of `stella score` and `stella replay`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ScoreCommand {
    /// Compute the risk of a bundle or of a document of inputs: 0 to 10,000, higher is riskier.
    #[command(after_help = "Examples:\n  stella score compute --trust fleet.trust v2.stella\n  \
stella --json score compute --trust fleet.trust --now 1790000000 v2.stella > v2.score.json\n  \
stella score compute --inputs v2.stella > v2.inputs.json")]
    Compute {
        /// Print what would be scored instead (canonical JSON), to complete what is not known and to score that.
        #[arg(long)]
        inputs: bool,
        #[command(flatten)]
        with: ScoreWith,
        /// A bundle (NAME.stella) or a document of inputs.
        file: PathBuf,
    },
    /// Say what a score is made of, what is not known, and what would lower it.
    #[command(after_help = "Example:\n  stella score explain --trust fleet.trust v2.stella")]
    Explain {
        #[command(flatten)]
        with: ScoreWith,
        /// A bundle (NAME.stella), a document of inputs, or a record.
        file: PathBuf,
    },
    /// Compute a record again and compare every byte.
    #[command(after_help = "Example:\n  stella score replay --bundle v2.stella --trust fleet.trust v2.score.json")]
    Replay {
        /// The bundle, to measure its inputs again too; else those of the record are taken.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        #[command(flatten)]
        with: ScoreWith,
        /// The record, as `stella --json score compute` prints it.
        record: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReplayCommand {
    /// Put a bundle, both images, weights and score into a folder, each part under its digest.
    #[command(after_help = "Example:\n  stella replay pack --bundle v2.stella --base v1.img --target v2.img \
--trust fleet.trust v2.replay")]
    Pack(Box<ReplayPack>),
    /// Make the delta, the diff of functions and the score of a pack again, and compare every byte.
    #[command(after_help = "Example:\n  stella replay run v2.replay")]
    Run {
        /// The pack's folder.
        pack: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReplayPack {
    /// The bundle.
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    /// The image that it was made from; not needed for a full image.
    #[arg(long, value_name = "FILE")]
    pub(crate) base: Option<PathBuf>,
    /// The image that it makes.
    #[arg(long, value_name = "FILE")]
    pub(crate) target: PathBuf,
    /// Verify the bundle with this trust root first, now and in each run.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// The policy under which it was judged; kept, not evaluated.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Weights (canonical JSON) instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Unix seconds to count the age of cosignatures to.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) now: Option<u64>,
    /// The profile that the bundle was made for.
    #[arg(long, value_name = "NAME", default_value_t = delta_bundle::Profile::Default)]
    pub(crate) profile: delta_bundle::Profile,
    /// The pack's folder, which is made.
    pub(crate) pack: PathBuf,
}

/// What a score is computed with.
#[derive(Debug, Args)]
pub(crate) struct ScoreWith {
    /// Verify the bundle with this trust root first: what fails that has no score.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Unix seconds to count the age of cosignatures to.
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// Weights (canonical JSON) instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl ScoreWith {
    pub(crate) fn as_with(&self) -> crate::commands::ScoreWith<'_> {
        crate::commands::ScoreWith { trust: self.trust.as_deref(), now: self.now, weights: self.weights.as_deref() }
    }
}
