//! What untrusted traces may cost.

/// Bytes of one trace; a JFR file of a day has a few hundred million.
pub const TRACE_BYTES_MAX: usize = 1 << 30;
/// Bytes that a packed profile may have when unpacked.
pub const PLAIN_BYTES_MAX: u64 = 1 << 30;
/// Functions of one trace.
pub const FUNCTIONS_MAX: usize = 1 << 21;
/// Edges of one trace.
pub const EDGES_MAX: usize = 1 << 22;
/// Bytes of one name or path; longer ones are cut.
pub const NAME_BYTES_MAX: usize = 4_096;
/// Frames of one stack; what is deeper is dropped.
pub const STACK_FRAMES_MAX: usize = 4_096;
/// Nested values of one JFR event, and elements in its metadata.
pub const JFR_DEPTH_MAX: usize = 64;
/// Values of all constant pools and stacks of one JFR chunk.
pub const JFR_VALUES_MAX: usize = 1 << 24;
