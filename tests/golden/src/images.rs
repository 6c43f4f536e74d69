//! The images of the vectors, made so that anybody can make them again: `printf LABEL | b3sum --raw --length BYTES`.

/// Bytes of one segment and of one block of the base map in the vectors.
pub const SEGMENT: usize = 1 << 16;

/// `bytes` bytes of BLAKE3 output for a label.
pub fn noise(label: &str, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(label.as_bytes()).finalize_xof().fill(&mut out);
    out
}

/// The base: five segments and a bit.
pub fn base() -> Vec<u8> {
    noise("stella golden base", 5 * SEGMENT + 1000)
}

/// The target of `small`: a segment that stays, one that moved by 100 bytes, 135,000 new bytes (three payload groups),
/// and the end of the base.
pub fn small_target() -> Vec<u8> {
    let base = base();
    let moved = &base[2 * SEGMENT + 100..3 * SEGMENT + 100];
    [&base[..SEGMENT], moved, &noise("stella golden new", 135_000), &base[3 * SEGMENT..]].concat()
}

/// The target of `patch`: the base with 16 bytes inserted in the third segment and as many cut off at the end.
pub fn patch_target() -> Vec<u8> {
    let base = base();
    let at = 2 * SEGMENT + 5000;
    [&base[..at], b"sixteen new byte", &base[at..base.len() - 16]].concat()
}

/// The target of `full`: 3,000 bytes of text.
pub fn full_target() -> Vec<u8> {
    b"All of this image is new. ".iter().copied().cycle().take(3000).collect()
}
