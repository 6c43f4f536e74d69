//! What the deltas have to reach, category by category, and what they shall reach.
//!
//! Figures are geometric means of our bytes over the best peer's, pair by pair. A category may appear twice: executables
//! of projects that were rebuilt with much new code are judged apart from point releases.

use super::corpus::Pair;

/// One line of the agreement.
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    /// Corpus categories.
    categories: &'static [&'static str],
    churn: Churn,
    pub(crate) must: f64,
    pub(crate) goal: f64,
}

/// Which executables of a category count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Churn {
    /// All.
    Any,
    /// Those where most of the code was there before.
    Without,
    /// Big Rust programs rebuilt with other dependencies or much new code.
    Only,
}

/// Programs whose releases are rebuilds with churn.
const CHURNING: &[&str] = &["ruff", "ast-grep", "uv"];

const EXECUTABLES: &[&str] = &["elf-x64", "elf-arm64", "elf-arm32", "pe-x64"];

/// The table.
pub(crate) const GOALS: &[Goal] = &[
    goal("ELF x86-64", &["elf-x64"], Churn::Without, 0.40, 0.30),
    goal("ELF aarch64", &["elf-arm64"], Churn::Without, 0.32, 0.22),
    goal("ELF ARM32", &["elf-arm32"], Churn::Without, 0.65, 0.45),
    goal("PE x86-64", &["pe-x64"], Churn::Without, 0.55, 0.40),
    goal("big Rust executables rebuilt with churn", EXECUTABLES, Churn::Only, 0.90, 0.75),
    goal("zip, whl, jar, tgz", &["zip", "whl", "jar", "apk", "tgz"], Churn::Any, 0.75, 0.50),
    goal("tar.gz layers", &["tar.gz"], Churn::Any, 0.45, 0.25),
    goal(
        ".deb, squashfs, compressed kernels",
        &["deb", "rpm", "kernel", "squashfs-xz", "squashfs-zstd", "squashfs-gzip"],
        Churn::Any,
        0.30,
        0.12,
    ),
    goal("erofs", &["erofs"], Churn::Any, 0.50, 0.30),
    goal("ext4 and tar root file systems", &["ext4", "tar"], Churn::Any, 0.50, 0.35),
    goal("plain data", &["data", "big-edit"], Churn::Any, 0.98, 0.95),
];

const fn goal(name: &'static str, categories: &'static [&'static str], churn: Churn, must: f64, goal: f64) -> Goal {
    Goal { name, categories, churn, must, goal }
}

impl Goal {
    /// Whether the corpus category belongs here, as a whole or in part.
    pub(crate) fn names(&self, category: &str) -> bool {
        self.categories.contains(&category)
    }

    /// Whether the pair counts here.
    pub(crate) fn holds(&self, pair: &Pair) -> bool {
        let churns = CHURNING.contains(&pair.id.as_str());
        self.names(&pair.category)
            && match self.churn {
                Churn::Any => true,
                Churn::Without => !churns,
                Churn::Only => churns,
            }
    }
}

/// What the bytes of a delta may have over `zstd -19` of the target alone, whatever the pair.
pub(crate) const OVER_FULL_BYTES_MAX: u64 = 64;

/// A delta that has a figure of its own.
pub(crate) struct Absolute {
    pub(crate) pair: &'static str,
    pub(crate) delta_bytes_max: u64,
    /// What others need for it.
    pub(crate) others: &'static str,
}

/// Pairs with a figure of their own.
pub(crate) const ABSOLUTES: &[Absolute] = &[Absolute {
    pair: "ext4/debian-updates",
    delta_bytes_max: 1_300_000,
    others: "OSTree's static delta 2.1 MB, xdelta3 3.3 MB",
}];
