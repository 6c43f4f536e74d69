//! Every limit on untrusted input, with where the number comes from. The format pages repeat these numbers and
//! `tests/tidy` compares them.

/// Largest image, base or target: 2^48 bytes (256 TiB). Keeps every rendered integer below 2^53, which RFC 8785
/// (section 3.2.2.3) needs for an exact number, and leaves room for sums in u64.
pub const IMAGE_BYTES_MAX: u64 = 1 << 48;

/// Payload bytes in one group that is verified before any of it is decoded: 64 KiB, the size that a dropped
/// connection costs at most.
pub const GROUP_BYTES: u64 = 1 << 16;

/// Groups in one payload: 2^20 (64 GiB of payload, a 32 MiB index).
pub const GROUPS_MAX: u64 = 1 << 20;

/// Smallest and largest segment of the target: 64 KiB and 64 MiB. Decoder state is reset at each segment, so this
/// is the grain of resuming.
pub const SEGMENT_LOG2_MIN: u8 = 16;
/// See [`SEGMENT_LOG2_MIN`].
pub const SEGMENT_LOG2_MAX: u8 = 26;

/// Operations in one frame or section: 2^20. A device holds 12 or 28 bytes for each; its own memory limit refuses the
/// most of them first.
pub const OPS_MAX: u32 = 1 << 20;

/// Largest window that the segment coding may ask of a device: 2^23 (8 MiB), the limit that RFC 8878 section 3.1.1.1.2
/// recommends every decoder to support.
pub const WINDOW_LOG2_MAX: u8 = 23;
/// Smallest window: 2^10, the smallest that RFC 8878 knows.
pub const WINDOW_LOG2_MIN: u8 = 10;

/// Smallest and largest table of an adaptive stream: 64 KiB, for the smallest devices, and 16 MiB, beyond which nothing
/// was gained.
pub const TABLE_LOG2_MIN: u8 = 16;
/// See [`TABLE_LOG2_MIN`].
pub const TABLE_LOG2_MAX: u8 = 24;

/// Smallest and largest block of a base map: 64 KiB, and what 2^48 bytes in 512 blocks need.
pub const BASE_BLOCK_LOG2_MIN: u8 = 16;
/// See [`BASE_BLOCK_LOG2_MIN`].
pub const BASE_BLOCK_LOG2_MAX: u8 = 40;

/// Bytes of a base map: 512 blocks, so that naming a damaged block costs a bundle at most 16 KiB.
pub const BASE_MAP_BYTES_MAX: u64 = 512 * 32;

/// Bytes of a name (product, hardware, channel).
pub const NAME_BYTES_MAX: usize = 64;

/// Hardware names in one header.
pub const HARDWARE_NAMES_MAX: usize = 8;

/// Bytes of a free text for people (reason of a rollback).
pub const TEXT_BYTES_MAX: usize = 256;

/// Bytes of a file name inside a channel.
pub const FILE_NAME_BYTES_MAX: usize = 128;

/// Bytes of a serialized bundle header. Eight hardware names of 64 bytes and every digest fit in half of it.
pub const HEADER_BYTES_MAX: usize = 2048;

/// Bytes of a rendered in-toto statement.
pub const STATEMENT_BYTES_MAX: usize = 4096;

/// Bytes of a serialized capsule: 8 signatures, 16 cosignatures and five proofs of 40 hashes need about 9 KiB.
pub const CAPSULE_BYTES_MAX: usize = 16 * 1024;

/// Signatures in one envelope.
pub const SIGNATURES_MAX: usize = 8;

/// Cosignatures under one checkpoint; C2SP tlog-cosignature asks verifiers to accept 16.
pub const COSIGNATURES_MAX: usize = 16;

/// Hashes in one Merkle proof: a consistency proof in a tree of 2^39 entries may need one more than its height.
pub const PROOF_HASHES_MAX: usize = 40;

/// Entries of one log; follows from [`PROOF_HASHES_MAX`].
pub const LOG_ENTRIES_MAX: u64 = 1 << 39;

/// Consistency proofs in one capsule. Devices whose head is older take the proof from the log's tiles.
pub const CONSISTENCY_PROOFS_MAX: usize = 4;

/// Bytes of the stored (compressed) manifest, which no device needs: 256 MiB.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 28;

/// Entries of one channel index.
pub const CHANNEL_ENTRIES_MAX: u32 = 4096;

/// Bytes of one channel index file body.
pub const CHANNEL_BYTES_MAX: usize = 4 << 20;

/// Bytes of one journal copy: one page, the unit that flash and page cache write together.
pub const JOURNAL_RECORD_BYTES: usize = 4096;
