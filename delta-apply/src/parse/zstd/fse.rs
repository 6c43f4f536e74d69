//! Finite state entropy (RFC 8878, 4.1): counts of symbols, how they are described, and the states that they make.

use super::bits::{Backward, Written, bits};

/// Symbols of a table, at most.
pub(super) const SYMBOLS: usize = 64;
/// Log2 of the states of a table.
const LOG_MIN: u32 = 5;
pub(super) const LOG_MAX: u32 = 9;
const STATES: usize = 1 << LOG_MAX;

/// How often each symbol comes among `1 << log` states; -1 for less than once. A table of one symbol has log 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) log: u32,
    pub(super) counts: [i16; SYMBOLS],
}

impl Counts {
    pub(super) const NONE: Self = Self { log: 0, counts: [0; SYMBOLS] };

    /// Of a table that a specification gives.
    pub(super) const fn of(log: u32, given: &[i16]) -> Self {
        let (mut counts, mut at) = ([0; SYMBOLS], 0);
        while at < given.len() {
            counts[at] = given[at];
            at += 1;
        }
        Self { log, counts }
    }

    /// Of one symbol.
    pub(super) fn only(symbol: u8) -> Option<Self> {
        let mut only = Self::NONE;
        *only.counts.get_mut(usize::from(symbol))? = 1;
        Some(only)
    }

    /// Whether there are as many states as there should be.
    pub(super) fn is_sound(&self) -> bool {
        let sum: u32 = self.counts.iter().map(|count| u32::from(count.unsigned_abs())).sum();
        self.log <= LOG_MAX && sum == 1 << self.log && self.counts.iter().all(|count| *count >= -1)
    }

    /// Reads a description; gives the bytes that it takes too.
    pub(super) fn read(bytes: &[u8], log_max: u32, symbols: usize) -> Option<(Self, usize)> {
        let log = bits(bytes, 0, 4) + LOG_MIN;
        if log > log_max {
            return None;
        }
        let mut read = Self { log, ..Self::NONE };
        let (mut at, mut symbol, mut width) = (4, 0, log);
        // What is left to give away, plus one.
        let mut left = (1i32 << log) + 1;
        while left > 1 {
            let short = (2i32 << width) - 1 - left;
            let low = bits(bytes, at, width) as i32;
            at += width as usize;
            let mut value = low;
            if low >= short {
                let high = bits(bytes, at, 1) as i32;
                at += 1;
                value = if high > 0 { low + (1 << width) - short } else { low };
            }
            let count = value - 1;
            left -= count.abs();
            *read.counts.get_mut(symbol).filter(|_| symbol < symbols)? = count as i16;
            symbol += 1;
            let mut zeros = if count == 0 { 3 } else { 0 };
            while zeros == 3 && symbol < symbols {
                zeros = bits(bytes, at, 2) as usize;
                at += 2;
                symbol += zeros;
            }
            while left < 1 << width && width > 0 {
                width -= 1;
            }
        }
        let used = at.div_ceil(8);
        (left == 1 && used <= bytes.len()).then_some((read, used))
    }

    /// Writes the description.
    pub(super) fn write(&self, out: &mut Written) {
        out.push(self.log.saturating_sub(LOG_MIN), 4);
        let (mut symbol, mut width) = (0, self.log);
        let mut left = (1i32 << self.log) + 1;
        while left > 1 && symbol < SYMBOLS {
            let count = i32::from(self.counts[symbol]);
            symbol += 1;
            let short = (2i32 << width) - 1 - left;
            left -= count.abs();
            let value = count + 1;
            let is_high = value >= 1 << width;
            let value = if is_high { value + short } else { value };
            out.push(value.max(0) as u32, if value < short { width } else { width + 1 });
            if count == 0 {
                let mut zeros = self.counts[symbol..].iter().take_while(|count| **count == 0).count();
                symbol += zeros;
                while zeros >= 3 {
                    out.push(3, 2);
                    zeros -= 3;
                }
                out.push(zeros as u32, 2);
            }
            while left < 1 << width && width > 0 {
                width -= 1;
            }
        }
        out.align();
    }

    /// How many states a symbol has.
    fn states(&self, symbol: usize) -> u32 {
        self.counts.get(symbol).map_or(0, |count| u32::from(count.unsigned_abs()))
    }

    /// The symbol of each state.
    fn spread(&self) -> [u8; STATES] {
        let mut symbols = [0; STATES];
        let size = 1usize << self.log.min(LOG_MAX);
        let mut high = size;
        for (symbol, count) in self.counts.iter().enumerate() {
            if *count == -1 && high > 0 {
                high -= 1;
                symbols[high] = symbol as u8;
            }
        }
        let (step, mut at) = ((size >> 1) + (size >> 3) + 3, 0);
        for (symbol, count) in self.counts.iter().enumerate() {
            for _ in 0..(*count).clamp(0, STATES as i16) {
                symbols[at] = symbol as u8;
                // At least one place is low, or all are taken at the end.
                for _ in 0..size {
                    at = (at + step) & (size - 1);
                    if at < high {
                        break;
                    }
                }
            }
        }
        symbols
    }

    /// What libzstd makes of how often symbols come; `log_max` is that of the table.
    pub(super) fn normalised(seen: &[u32; SYMBOLS], log_max: u32) -> Self {
        let total: u32 = seen.iter().sum();
        let last = seen.iter().rposition(|count| *count > 0).unwrap_or(0) as u32;
        let log = optimal_log(log_max, total, last, 2).clamp(LOG_MIN, LOG_MAX);
        Self::scaled(seen, log, if total >= LOW_TOTAL { -1 } else { 1 })
    }

    /// The same for a table of `1 << log` states, where `low` is the count of what comes less than once.
    pub(super) fn scaled(seen: &[u32; SYMBOLS], log: u32, low: i16) -> Self {
        /// From which part on a share below 8 is rounded up, in 1/2^20.
        const ROUNDED: [u64; 8] = [0, 473_195, 504_333, 520_860, 550_000, 700_000, 750_000, 830_000];
        let total: u32 = seen.iter().sum();
        let mut made = Self { log, ..Self::NONE };
        if total == 0 {
            return made;
        }
        let scale = 62 - log;
        let step = (1u64 << 62) / u64::from(total);
        let (mut left, mut largest, mut largest_share) = (1i32 << log, 0, 0);
        for (symbol, count) in seen.iter().enumerate() {
            let share = match *count {
                0 => 0,
                count if count <= total >> log => low,
                count => {
                    let exact = u64::from(count) * step;
                    let whole = exact >> scale;
                    let part = exact & ((1 << scale) - 1);
                    let rounded = ROUNDED.get(whole as usize).is_some_and(|from| part > from << (scale - 20));
                    let share = whole as i16 + i16::from(rounded);
                    if share > largest_share {
                        (largest, largest_share) = (symbol, share);
                    }
                    share
                }
            };
            made.counts[symbol] = share;
            left -= i32::from(share.unsigned_abs());
        }
        made.counts[largest] = made.counts[largest].saturating_add(left as i16);
        made
    }
}

/// Symbols from which on some may come less than once.
const LOW_TOTAL: u32 = 2048;

/// The log2 of a table that libzstd takes for `total` symbols up to `last`.
pub(super) fn optimal_log(log_max: u32, total: u32, last: u32, less: u32) -> u32 {
    let log2 = |value: u32| value.checked_ilog2().unwrap_or(0);
    let enough = log2(total.saturating_sub(1)).saturating_sub(less);
    let least = (log2(total) + 1).min(log2(last) + 2);
    log_max.min(enough).max(least)
}

/// States as a decoder walks through them: symbol, bits to read, and the state that they are added to.
#[derive(Debug)]
pub(super) struct Reading {
    states: [(u8, u8, u16); STATES],
    log: u32,
}

impl Reading {
    pub(super) const EMPTY: Self = Self { states: [(0, 0, 0); STATES], log: 0 };

    pub(super) fn make(&mut self, counts: &Counts) {
        let symbols = counts.spread();
        let mut next = [0u32; SYMBOLS];
        next.iter_mut().enumerate().for_each(|(symbol, next)| *next = counts.states(symbol));
        self.log = counts.log.min(LOG_MAX);
        let size = 1 << self.log;
        for (state, symbol) in self.states.iter_mut().zip(symbols).take(size) {
            let number = next[usize::from(symbol) % SYMBOLS].max(1);
            next[usize::from(symbol) % SYMBOLS] = number + 1;
            let width = self.log - number.ilog2().min(self.log);
            *state = (symbol, width as u8, ((number << width) as usize).wrapping_sub(size) as u16);
        }
    }

    pub(super) fn start(&self, bytes: &[u8], from: &mut Backward) -> usize {
        from.read(bytes, self.log) as usize
    }

    #[inline]
    pub(super) fn symbol(&self, state: usize) -> u8 {
        self.states[state % STATES].0
    }

    /// Bits that the step behind a state takes.
    pub(super) fn width(&self, state: usize) -> u32 {
        self.states[state % STATES].1.into()
    }

    #[inline]
    pub(super) fn next(&self, state: usize, bytes: &[u8], from: &mut Backward) -> usize {
        let (_, width, base) = self.states[state % STATES];
        usize::from(base) + from.read(bytes, width.into()) as usize
    }
}

/// States as an encoder walks through them, from the last symbol to the first.
#[derive(Debug)]
pub(super) struct Writing {
    /// The states of each symbol, one symbol behind the other, and where each starts.
    states: [u16; STATES],
    starts: [u16; SYMBOLS],
    counts: [u16; SYMBOLS],
    log: u32,
}

impl Writing {
    pub(super) const EMPTY: Self = Self { states: [0; STATES], starts: [0; SYMBOLS], counts: [0; SYMBOLS], log: 0 };

    pub(super) fn make(&mut self, counts: &Counts) {
        let symbols = counts.spread();
        self.log = counts.log.min(LOG_MAX);
        let mut start = 0;
        for symbol in 0..SYMBOLS {
            self.counts[symbol] = counts.states(symbol) as u16;
            self.starts[symbol] = start;
            start += self.counts[symbol];
        }
        let mut next = self.starts;
        for (state, symbol) in symbols.iter().enumerate().take(1 << self.log) {
            let next = &mut next[usize::from(*symbol) % SYMBOLS];
            self.states[usize::from(*next) % STATES] = state as u16;
            *next += 1;
        }
    }

    /// The state that ends with a symbol; `None` where the table does not have it.
    pub(super) fn start(&self, symbol: u8) -> Option<usize> {
        let symbol = usize::from(symbol) % SYMBOLS;
        (self.counts[symbol] > 0).then(|| self.states[usize::from(self.starts[symbol]) % STATES].into())
    }

    /// The state of a symbol in front of `state`; writes how to come from one to the other.
    #[inline]
    pub(super) fn step(&self, symbol: u8, state: usize, out: &mut Written) -> Option<usize> {
        let symbol = usize::from(symbol) % SYMBOLS;
        let count = u32::from(self.counts[symbol]);
        let whole = state as u32 + (1 << self.log);
        let mut width = self.log - count.checked_ilog2()?;
        if whole >> width < count {
            width = width.saturating_sub(1);
        }
        out.push(whole & ((1 << width) - 1), width);
        let nth = (whole >> width).saturating_sub(count);
        Some(self.states[(usize::from(self.starts[symbol]) + nth as usize) % STATES].into())
    }

    /// Writes the state that a decoder starts with.
    pub(super) fn end(&self, state: usize, out: &mut Written) {
        out.push(state as u32 & ((1 << self.log) - 1), self.log);
    }
}
