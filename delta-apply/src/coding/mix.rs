//! Logistic mixing: the estimates of several models become one.
//!
//! Estimates are added in the logistic domain with weights that learn which model to believe (Mahoney, "Adaptive
//! Weighing of Context Models for Lossless Data Compression", 2005). All in integers, with tables made at compile time.

/// Logistic values lie between -LIMIT and LIMIT.
const LIMIT: i32 = 2047;

/// 1 / (1 + e^(-x/256)) in 1/65536, for x from 0 to LIMIT. What is below 0 follows from symmetry.
static SQUASH: [u16; LIMIT as usize + 1] = {
    // e^(-1/256) in 2^-62: 1 - 1/256 + 1/(2 * 256^2) - 1/(6 * 256^3) + ...
    let one = 1u128 << 62;
    let (mut ratio, mut term, mut n) = (0u128, one, 0u128);
    let mut negative = false;
    while term > 0 {
        ratio = if negative { ratio - term } else { ratio + term };
        n += 1;
        term = term / (256 * n);
        negative = !negative;
    }
    let mut table = [0; LIMIT as usize + 1];
    let (mut power, mut x) = (one, 0);
    while x < table.len() {
        // power = e^(-x/256)
        let value = ((65536 * one) / (one + power)) as u32;
        table[x] = if value > 65535 - 16 { 65535 - 16 } else { value as u16 };
        power = (power * ratio) >> 62;
        x += 1;
    }
    table
};

/// The inverse of [`SQUASH`], for probabilities in 1/4096.
static STRETCH: [i16; 4096] = {
    let (mut table, mut p, mut x) = ([0; 4096], 2048, 0);
    while p < 4096 {
        while x < LIMIT && (SQUASH[x as usize] as usize) < p * 16 + 8 {
            x += 1;
        }
        table[p] = x as i16;
        table[4095 - p] = -x as i16;
        p += 1;
    }
    table
};

/// The probability of a logistic value, in 1/65536.
#[inline]
pub(super) fn squash(x: i32) -> u16 {
    let one = SQUASH[x.unsigned_abs().min(LIMIT as u32) as usize];
    if x < 0 { one.wrapping_neg() } else { one }
}

/// The logistic value of a probability in 1/65536, in 1/256.
#[inline]
pub(super) fn stretch(one: u16) -> i16 {
    STRETCH[usize::from(one >> 4)]
}

/// The weight of 1.
const WEIGHT_ONE: i32 = 1 << 13;

/// Inputs of a mix at most; where there are fewer, the others are 0.
pub(super) const INPUTS: usize = 8;

/// Logistic values on their way into a mix.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(16))]
pub(super) struct Inputs(pub(super) [i16; INPUTS]);

/// One set of weights, of 16 bits as the inputs are.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(super) struct Weights(pub(super) [i16; INPUTS]);

impl Weights {
    /// Equal weights for the first `inputs`, which sum up to a little more than 1: models that agree are right more often
    /// than each says.
    pub(super) const fn new(inputs: usize) -> Self {
        Self([(WEIGHT_ONE * 13 / 10 / inputs as i32) as i16; INPUTS])
    }
}

/// What inputs times weights sum up to, as an estimate in the logistic domain.
#[inline]
pub(super) fn bound(sum: i32) -> i32 {
    (sum >> 13).clamp(-LIMIT, LIMIT)
}

/// Moves sets of weights towards the inputs that were right. `ones` is what each set came to, as a probability; `rate` is
/// at most 15. Stands on its own, so that processors take eight weights at a time.
#[inline(never)]
pub(super) fn learn<const SETS: usize>(
    sets: [&mut Weights; SETS],
    inputs: &Inputs,
    ones: [u16; SETS],
    bit: bool,
    rate: i32,
) {
    for (Weights(weights), one) in sets.into_iter().zip(ones) {
        let error = ((((if bit { 65535 } else { 0 }) - i32::from(one)) * rate) >> 5) as i16;
        for (weight, &input) in weights.iter_mut().zip(&inputs.0) {
            let twice = ((i32::from(input.wrapping_mul(2)) * i32::from(error)) >> 16) as i16;
            *weight = weight.saturating_add(twice.wrapping_add(1) >> 1);
        }
    }
}

/// A last correction of an estimate by a small context: interpolates between 33 points of the logistic domain
/// (adaptive probability map).
#[derive(Clone, Debug)]
pub(super) struct Correction<const CONTEXTS: usize> {
    points: [[u16; 33]; CONTEXTS],
    at: (usize, usize),
}

impl<const CONTEXTS: usize> Correction<CONTEXTS> {
    /// Changes nothing at first.
    pub(super) fn new() -> Self {
        let mut row = [0; 33];
        row.iter_mut().enumerate().for_each(|(point, value)| *value = squash((point as i32 - 16) * 128));
        Self { points: [row; CONTEXTS], at: (0, 0) }
    }

    /// The corrected probability of the logistic value `x`.
    #[inline]
    pub(super) fn refine(&mut self, x: i32, context: usize) -> u16 {
        let place = (x.clamp(-LIMIT, LIMIT) + 2048) as usize;
        let (point, part) = (place >> 7, (place & 127) as u32);
        self.at = (context, if part < 64 { point } else { point + 1 });
        let row = &self.points[context];
        ((u32::from(row[point]) * (128 - part) + u32::from(row[point + 1]) * part) >> 7) as u16
    }

    /// Learns the bit that was refined last.
    #[inline]
    pub(super) fn learn(&mut self, bit: bool) {
        let value = &mut self.points[self.at.0][self.at.1];
        if bit {
            *value += (65535 - *value) >> 6;
        } else {
            *value -= *value >> 6;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables are the function and its inverse.
    #[test]
    fn tables_are_right() {
        for x in -2047..=2047 {
            let exact = 65536.0 / (1.0 + (-f64::from(x) / 256.0).exp());
            assert!((f64::from(squash(x)) - exact).abs() < 18.0, "{x}: {} for {exact}", squash(x));
        }
        assert!((0..4096u32).all(|p| i32::from(stretch((p * 16) as u16)).abs() <= LIMIT));
        for one in (400u16..65000).step_by(97) {
            assert!(squash(stretch(one).into()).abs_diff(one) < 80, "{one}");
        }
    }
}
