//! Strict base64 (RFC 4648 section 4): padding is required and unused bits are zero, so a text has one meaning and
//! bytes have one text. Encoding stands in [`delta_format::statement::base64`].

/// Decodes a text of exactly `N` bytes. `None` for any other text.
pub fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let decoded = decode_into(text, &mut out)?;
    (decoded == N).then_some(out)
}

/// Decodes to the front of `out` and gives the number of bytes. `None` when the text is not strict base64 or longer
/// than `out`.
pub fn decode_into(text: &[u8], out: &mut [u8]) -> Option<usize> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut at = 0;
    let quads = text.len() / 4;
    for (index, quad) in text.chunks_exact(4).enumerate() {
        let last = index + 1 == quads;
        let pads = match quad {
            [_, _, b'=', b'='] if last => 2,
            [_, _, _, b'='] if last => 1,
            _ => 0,
        };
        let mut bits = 0;
        for &digit in &quad[..4 - pads] {
            bits = (bits << 6) | value(digit)?;
        }
        bits <<= 6 * pads;
        let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
        let (bytes, unused) = bytes.split_at(3 - pads);
        if unused.iter().any(|&byte| byte != 0) {
            return None;
        }
        out.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        at += bytes.len();
    }
    Some(at)
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10, and that no second spelling of the same bytes is accepted.
    #[test]
    fn one_text_one_meaning() {
        assert_eq!(decode(b"Zm9vYmFy"), Some(*b"foobar"));
        assert_eq!(decode(b"Zm9vYmE="), Some(*b"fooba"));
        assert_eq!(decode(b"Zm9vYg=="), Some(*b"foob"));
        assert_eq!(decode(b""), Some([]));
        for wrong in
            ["Zm9vYh==", "Zm9vYmF=", "Zm9vYg", "Zm9vYg=", "Zm9v=g==", "Zg==Zg==", "Zm9-", "Zm9 ", "====", "Z==="]
        {
            assert_eq!(decode_into(wrong.as_bytes(), &mut [0; 16]), None, "{wrong}");
        }
        assert_eq!(decode::<5>(b"Zm9vYmFy"), None, "longer than asked for");
        assert_eq!(decode::<7>(b"Zm9vYmFy"), None, "shorter than asked for");
    }
}
