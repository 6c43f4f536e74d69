//! What untrusted documents may cost.

/// Basis points of the whole: the largest risk, and the sum of what all dimensions may add.
pub const RISK_MAX: u64 = 10_000;
/// The largest integer in any of the documents: JSON readers of other languages keep 53 bits.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Bytes of a document that is read; the longest met has a few thousand.
pub const SCORE_BYTES_MAX: usize = 65_536;
/// Bytes of a reason, a version or a word.
pub const SCORE_TEXT_BYTES_MAX: usize = 512;
/// Points of one curve.
pub const CURVE_POINTS_MAX: usize = 32;
/// Floors of one weights document.
pub const FLOORS_MAX: usize = 32;
/// Words of one weights document.
pub const WORDS_MAX: usize = 16;
