//! The one hash of this crate: fixed constants, so that the same bytes give the same value everywhere. It tells
//! features apart; nothing is proven by it.

/// Mixes a value into a hash. An odd multiplier and a shift by half: every bit of the input reaches the top half.
#[inline]
pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    let product = (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 29)
}

/// Mixes bytes and their number into a hash.
pub(crate) fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut hash = mix(hash, bytes.len() as u64);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        hash = mix(hash, u64::from_le_bytes(word.try_into().unwrap_or_default()));
    }
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(words.remainder()) {
        *place = *byte;
    }
    mix(hash, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_order_count() {
        let values = [&b""[..], b"\0", b"\0\0", b"a", b"ab", b"ba", b"12345678", b"12345678\0", b"123456789"];
        let mut hashes: Vec<u64> = values.iter().map(|bytes| mix_bytes(1, bytes)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), values.len());
    }
}
