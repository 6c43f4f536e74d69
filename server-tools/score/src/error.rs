//! Why there is no score. Whose fault it is stands in the kind: the document's, since nothing else is read.

/// A document that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// It is too long to be read.
    #[error("it has {bytes} bytes, more than {} of any such document", crate::limits::SCORE_BYTES_MAX)]
    TooLong {
        /// Bytes of the document.
        bytes: usize,
    },
    /// It is not JSON of this form.
    #[error("it is not a {document}: {reason}")]
    Malformed {
        /// What it should be.
        document: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// It is another format, or another version of it.
    #[error("its format is \"{found}\", this program reads {expected}")]
    Format {
        /// What was expected.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// An entry of it breaks a rule of the format.
    #[error("{key}: {rule}")]
    Rule {
        /// Which entry.
        key: String,
        /// Which rule.
        rule: &'static str,
    },
    /// It is JSON of this form, but not the canonical bytes of it.
    #[error("it is not written canonically: sort the keys, leave out white space (RFC 8785)")]
    NotCanonical,
}

impl ScoreError {
    pub(crate) fn rule(key: impl Into<String>, rule: &'static str) -> Self {
        Self::Rule { key: key.into(), rule }
    }
}
