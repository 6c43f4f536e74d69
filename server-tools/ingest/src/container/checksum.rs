//! The checksums of gzip, zip and zlib, to tell streams from chance.

/// CRC-32 of gzip and zip (polynomial 0x04c11db7, reflected), eight bytes at a time.
#[derive(Clone, Debug)]
pub(super) struct Crc32(u32);

const TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 255) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
};

impl Crc32 {
    pub(super) fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            let value = u64::from_le_bytes(*eight) ^ u64::from(self.0);
            let at = |byte: usize| TABLES[7 - byte][(value >> (8 * byte) & 255) as usize];
            self.0 = (0..8).fold(0, |crc, byte| crc ^ at(byte));
        }
        self.0 = rest.iter().fold(self.0, |crc, byte| crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)]);
    }

    pub(super) fn value(&self) -> u32 {
        !self.0
    }
}

/// Adler-32 of zlib.
pub(super) fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    // 5552 bytes are the most that cannot overflow the sums.
    for piece in bytes.chunks(5552) {
        for &byte in piece {
            a += u32::from(byte);
            b += a;
        }
        (a, b) = (a % 65521, b % 65521);
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values that the standards' users agree on.
    #[test]
    fn known_values() {
        let crc = |bytes: &[u8]| {
            let mut crc = Crc32::new();
            crc.update(bytes);
            crc.value()
        };
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc(b""), 0);
        assert_eq!(crc(&[b'a'; 37]), {
            let mut crc = Crc32::new();
            [b'a'; 37].chunks(5).for_each(|piece| crc.update(piece));
            crc.value()
        });
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(b""), 1);
    }
}
