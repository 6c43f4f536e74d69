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
    /// A file is larger than what is analysed: nothing could be called unreachable.
    #[error("{}: more functions or pointers than are analysed, so that nothing could be called unreachable; leave it out, or split it", .0.display())]
    TooLarge(PathBuf),
    /// An input is larger than any that makes sense.
    #[error("more than {limit} {what}; make the input smaller: fewer programs, or --no-libraries")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// A file is refused.
    #[error("{}: refused: {refused}; get the file again from whoever made it, or build it with 'stella graph build'", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// Why.
        refused: Refused,
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

/// Why a file of this crate is refused. The words are for people; nothing of the file stands in them but its own keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is no JSON of this form.
    #[error("not JSON of this format: {0}")]
    Syntax(String),
    /// A field has a value that it cannot have.
    #[error("the field '{0}' has a value that it cannot have")]
    Field(&'static str),
    /// A list is not in its order, or holds something twice.
    #[error("the list '{0}' is not in its order")]
    Order(&'static str),
    /// The bytes are not the canonical ones of what they say.
    #[error("the JSON is not canonical (RFC 8785), or says what does not follow from it")]
    NotCanonical,
    /// A limit is exceeded.
    #[error("larger than the limit {0}")]
    Limit(&'static str),
    /// The content is not what its name or statement says.
    #[error("the content is not what its {0} says")]
    Digest(&'static str),
    /// A proof does not lead to the root.
    #[error("the proof does not hold: {0}")]
    Proof(&'static str),
    /// The signatures do not suffice.
    #[error("{0}")]
    Signature(String),
}
