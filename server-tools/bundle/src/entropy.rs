//! How random the new bytes of a delta are: order-0 Shannon entropy, in integers, so that every machine agrees.

/// Counts bytes and gives their entropy.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: [u64; 256],
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; 256], total: 0 }
    }
}

impl Histogram {
    /// Adds bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.counts[usize::from(byte)] += 1);
        self.total += bytes.len() as u64;
    }

    /// Entropy in thousandths of a bit for each byte, 0 to 8000, rounded down; 0 for no bytes.
    pub(crate) fn millibits_per_byte(&self) -> u64 {
        if self.total == 0 {
            return 0;
        }
        // sum(count * (log2(total) - log2(count))) / total, in 2^-32 bits.
        let total_log2 = log2_fixed(self.total);
        let sum: u128 = (self.counts.iter().filter(|&&count| count > 0))
            .map(|&count| u128::from(count) * u128::from(total_log2 - log2_fixed(count)))
            .sum();
        u64::try_from((sum * 1000 / u128::from(self.total)) >> 32).unwrap_or(8000)
    }
}

/// log2 of a positive number in 2^-32 units, rounded down: the integer part by its highest bit, the fraction bit by bit
/// by squaring (Knuth, TAOCP 1, section 1.2.2, exercise 25 has the method).
fn log2_fixed(value: u64) -> u64 {
    let integer = value.ilog2();
    // The mantissa in [1, 2) with 63 fraction bits.
    let mut mantissa = u128::from(value) << (63 - integer);
    let mut result = u64::from(integer) << 32;
    for bit in (0..32).rev() {
        mantissa = (mantissa * mantissa) >> 63;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            result |= 1 << bit;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: u64) {
        let mut histogram = Histogram::default();
        histogram.add(bytes);
        assert_eq!(histogram.millibits_per_byte(), expected);
    }

    /// Known entropies: none, one symbol, two equal symbols, all symbols.
    #[test]
    fn known_values() {
        check(b"", 0);
        check(b"aaaa", 0);
        check(b"abab", 1000);
        check(&(0..=255).collect::<Vec<u8>>(), 8000);
        check(b"aab", 918);
    }
}
