//! Why a trace gave nothing: always the trace's fault.

/// A trace that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is not in the format that was named.
    #[error("it is no {expected}: {reason}")]
    Malformed {
        /// The format.
        expected: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// It asks for more than any real trace.
    #[error("it has more than {most} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        most: u64,
    },
    /// It is in its format, and nothing in it ran.
    #[error("it has no function that ran; record again, for longer or with call stacks")]
    Empty,
}

impl ImportError {
    pub(crate) fn malformed(expected: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { expected, reason: reason.to_string() }
    }
}
