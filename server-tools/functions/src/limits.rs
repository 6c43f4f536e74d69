//! What untrusted files may cost. A file that asks for more is analysed in part, and says so
//! ([`Degraded`](crate::Degraded)).

/// Sections or segments of one file that are looked at; linkers write a few dozen.
pub const SECTIONS_MAX: usize = 4_096;
/// Functions of one file; the largest browser engines have about a million.
pub const FUNCTIONS_MAX: usize = 2_000_000;
/// Relocated pointers of one file: a pointer in each 8 bytes of 256 MiB.
pub const POINTERS_MAX: usize = 32_000_000;
/// Names of imports, exports and symbols that are kept of one file.
pub const NAMES_MAX: usize = 4_000_000;
/// Bytes of one name, before it is demangled.
pub const NAME_BYTES_MAX: u64 = 4_096;
/// Bytes of one name that is shown.
pub const LABEL_BYTES_MAX: usize = 512;
/// Bytes of code that are decoded in one function. The largest met in practice, tables made by a generator, have 4 MiB.
pub const FUNCTION_BYTES_MAX: u64 = 1 << 24;
/// Rounds in which call targets lead to new functions; real files need two to five.
pub const DISCOVERY_ROUNDS_MAX: usize = 24;
/// How often a byte of code may be decoded on average; real files need one to four times.
pub const DECODED_TIMES_MAX: u64 = 32;
/// Segments that are loaded of one file; linkers write up to a dozen.
pub const LOADS_MAX: usize = 64;
/// Rounds in which matched neighbours lead to new matches; real pairs need 10 to 30.
pub const MATCH_ROUNDS_MAX: usize = 64;
/// Bytes of a constant that tell it from others.
pub const LITERAL_BYTES_MAX: u64 = 64;
/// Candidates that are compared for one function in the fuzzy stages.
pub const CANDIDATES_MAX: usize = 64;
/// Comparisons in one gap between two matched neighbours.
pub const GAP_COMPARISONS_MAX: usize = 4_096;
/// Triples of operations that are compared in the fuzzy stages of one pair of files; the largest pair met needs 2^27.
pub const TRIPLES_COMPARED_MAX: u64 = 1 << 31;
/// Bytes of one constant that are compared where it is not the partner of the other one.
pub const TWIN_BYTES_MAX: u64 = 4_096;
/// Bytes of one constant that are compared.
pub const CONSTANT_BYTES_MAX: u64 = 1 << 16;
/// Pointers of one table that are compared.
pub const TABLE_POINTERS_MAX: usize = 1_024;
/// Entries of tables that are looked at for the calls of one function; the largest met refers to tables of 2,000.
pub const FUNCTION_TABLE_ENTRIES_MAX: u32 = 1 << 14;
/// Entries of tables that are looked at for the calls of one file; the largest met needs 2^20.
pub const TABLE_ENTRIES_MAX: u64 = 1 << 26;
/// Functions whose calls are looked up at a time, before the budget of the file is compared.
pub const FUNCTIONS_AT_A_TIME: u32 = 512;
/// Entries of a table of jumps that may lead elsewhere before one leads to the function that refers to it.
pub const FOREIGN_JUMPS_MAX: u64 = 16;
/// Functions that one name of an import leads to: versions and choices for processors come to 40. A name with more is
/// called like a pointer.
pub const DEFINITIONS_MAX: usize = 128;
/// Functions that a resolver may choose from; the C library has 12 of one function.
pub const CHOICES_MAX: usize = 64;
/// Names of one function that are kept; the C library has 12 of one.
pub const SYMBOLS_MAX: usize = 64;
