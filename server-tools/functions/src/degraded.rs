//! Why an analysis says less than it could.

use std::fmt;

/// A reason, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degraded {
    /// Sections are unknown; segments are used instead, and constants cannot be told from code.
    NoSections,
    /// No table lists the functions; bounds come from calls and pointers alone.
    NoUnwindTable,
    /// The code fills less than a hundredth of its section with instructions of functions: packed or encrypted.
    NoFunctions,
    /// A limit was reached; the rest of the file was left out.
    Truncated,
}

impl Degraded {
    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSections => "no-section-headers",
            Self::NoUnwindTable => "no-unwind-table",
            Self::NoFunctions => "no-functions",
            Self::Truncated => "truncated",
        }
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
