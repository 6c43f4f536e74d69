//! Mutations of seeds, the same in each run: a small generator of numbers and the changes that break parsers most.

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled").
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() >> 16) as usize % end.max(1)
    }
}

/// Bytes that sit at the edges of integers, lengths and texts.
const EDGES: [u8; 14] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff, b'\n', b' ', b'0', b'"', b'/', b'+'];

/// Changes `bytes` in one to six places.
pub fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len() + 1);
        let edge = EDGES[numbers.below(EDGES.len())];
        match (numbers.below(9), bytes.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << numbers.below(8),
            (1, Some(byte)) => *byte = edge,
            (2, Some(byte)) => *byte = byte.wrapping_add(1),
            (3, Some(byte)) => *byte = byte.wrapping_sub(1),
            (4, _) => bytes.insert(at, edge),
            (5, Some(_)) => drop(bytes.remove(at)),
            (6, _) => bytes.truncate(at),
            (7, _) => {
                let length = numbers.below(32).min(bytes.len() - at);
                let again = bytes[at..at + length].to_vec();
                let to = numbers.below(bytes.len() + 1);
                bytes.splice(to..to, again);
            }
            _ => bytes.extend((0..numbers.below(24)).map(|_| numbers.draw() as u8)),
        }
    }
}
