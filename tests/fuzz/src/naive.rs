//! The naive twin of the segment decoder, written from `docs/formats/payload.md` alone: everything in memory, in wide
//! numbers, one rule a line.

/// What the plain form of a segment makes out of `base` for a target of `target_bytes` bytes that is one segment; nothing
/// when it breaks a rule.
pub fn segment(plain: &[u8], base: &[u8], target_bytes: u64, ops_max: u64) -> Option<Vec<u8>> {
    let mut rest = plain;
    let count = varint(&mut rest)?;
    if count > u128::from(ops_max) {
        return None;
    }
    let mut lengths = Vec::new();
    for _ in 0..count {
        let tag = varint(&mut rest)?;
        lengths.push((tag >> 1, tag & 1 == 1));
    }
    let sum: u128 = lengths.iter().map(|(length, _)| length).sum();
    if lengths.iter().any(|(length, _)| *length == 0) || sum != u128::from(target_bytes) {
        return None;
    }
    let (mut at, mut diagonal) = (0i128, 0i128);
    let mut copies = Vec::new();
    for &(length, is_add) in &lengths {
        if !is_add {
            let sent = varint(&mut rest)? as i128;
            diagonal += if sent & 1 == 0 { sent >> 1 } else { -(sent >> 1) - 1 };
            let from = at + diagonal;
            if from < 0 || from + length as i128 > base.len() as i128 {
                return None;
            }
            copies.push(from as usize);
        }
        at += length as i128;
    }
    let (mut copies, mut target) = (copies.into_iter(), Vec::new());
    for (length, is_add) in lengths {
        let length = length as usize;
        if is_add {
            target.extend_from_slice(rest.get(..length)?);
            rest = &rest[length..];
        } else {
            let from = copies.next()?;
            target.extend_from_slice(&base[from..from + length]);
        }
    }
    rest.is_empty().then_some(target)
}

/// The bytes that the operations of a plain form make, right or not.
pub fn wanted(plain: &[u8]) -> Option<u64> {
    let mut rest = plain;
    let count = varint(&mut rest)?.min(1000);
    let lengths: Option<Vec<u128>> = (0..count).map(|_| Some(varint(&mut rest)? >> 1)).collect();
    u64::try_from(lengths?.iter().sum::<u128>()).ok()
}

/// A varint of at most 64 bits, without padding.
fn varint(rest: &mut &[u8]) -> Option<u128> {
    let length = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (bytes, after) = rest.split_at(length);
    if length > 10 || (length > 1 && bytes[length - 1] == 0) {
        return None;
    }
    let value = bytes.iter().rev().fold(0u128, |value, byte| value << 7 | u128::from(byte & 0x7f));
    *rest = after;
    u64::try_from(value).ok().map(u128::from)
}
