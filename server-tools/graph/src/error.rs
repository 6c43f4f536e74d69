//! What can go wrong, each with the file and what to do next.

use std::path::{Path, PathBuf};

/// Something went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as a verb.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A named file is no executable.
    #[error("{}: not an ELF or PE executable for x86-64, i386, aarch64, ARM or RISC-V with 64 bits; name the program, then its libraries", .0.display())]
    NotExecutable(PathBuf),
    /// An input is larger than any that makes sense.
    #[error("more than {limit} {what}; split the input, or leave libraries out with --no-libraries")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// Signing or file work of delta-attest failed.
    #[error(transparent)]
    Attest(#[from] delta_attest::Error),
}

impl Error {
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }
}
