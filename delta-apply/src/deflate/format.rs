//! The numbers of RFC 1951: what the symbols of a deflate stream stand for.

/// Symbols of literals, the end of a block and lengths that a block may use.
pub(super) const LITERALS: usize = 286;
/// Symbols of distances that a block may use.
pub(super) const DISTANCES: usize = 30;
/// Symbols that code lengths are written with.
pub(super) const RUN_SYMBOLS: usize = 19;
/// The symbol that ends a block.
pub(super) const END: usize = 256;
/// The longest code, and the longest code of the symbols that code lengths are written with.
pub(super) const BITS_MAX: usize = 15;
pub(super) const RUN_BITS_MAX: usize = 7;
/// The longest and the shortest match.
pub(super) const MATCH_MAX: usize = 258;
pub(super) const MATCH_MIN: usize = 3;
/// The furthest a match may reach back.
pub(super) const DISTANCE_MAX: usize = 32768;
/// The longest stored block.
pub(super) const STORED_MAX: usize = 65535;

/// The order in which the code lengths of [`RUN_SYMBOLS`] are written.
pub(super) const RUN_ORDER: [u8; RUN_SYMBOLS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Extra bits and fewest repetitions of the run symbols 16, 17 and 18.
pub(super) const RUN_EXTRA: [(u8, u8); 3] = [(2, 3), (3, 3), (7, 11)];

/// Extra bits of length symbol 257 + index.
pub(super) const LENGTH_EXTRA: [u8; 29] = {
    let mut extra = [0; 29];
    let mut symbol = 8;
    while symbol < 28 {
        extra[symbol] = (symbol / 4 - 1) as u8;
        symbol += 1;
    }
    extra
};

/// The first length of length symbol 257 + index.
pub(super) const LENGTH_BASE: [u16; 29] = {
    let mut base = [258; 29];
    let (mut symbol, mut length) = (0, 3);
    while symbol < 28 {
        base[symbol] = length;
        length += 1 << LENGTH_EXTRA[symbol];
        symbol += 1;
    }
    base
};

/// Extra bits of a distance symbol.
pub(super) const DISTANCE_EXTRA: [u8; DISTANCES] = {
    let mut extra = [0; DISTANCES];
    let mut symbol = 4;
    while symbol < DISTANCES {
        extra[symbol] = (symbol / 2 - 1) as u8;
        symbol += 1;
    }
    extra
};

/// The first distance of a distance symbol.
pub(super) const DISTANCE_BASE: [u16; DISTANCES] = {
    let mut base = [0; DISTANCES];
    let (mut symbol, mut distance) = (0, 1u32);
    while symbol < DISTANCES {
        base[symbol] = distance as u16;
        distance += 1 << DISTANCE_EXTRA[symbol];
        symbol += 1;
    }
    base
};

/// The symbol of each length - 3, counted from 257. Length 258 has a symbol of its own.
const LENGTH_SYMBOL: [u8; 256] = {
    let mut symbols = [28; 256];
    let mut symbol = 0;
    while symbol < 28 {
        let mut at = 0;
        while at < 1 << LENGTH_EXTRA[symbol] {
            symbols[LENGTH_BASE[symbol] as usize - MATCH_MIN + at] = symbol as u8;
            at += 1;
        }
        symbol += 1;
    }
    symbols[255] = 28;
    symbols
};

/// The symbol of a match length (3 to 258), counted from 257.
#[inline]
pub(super) fn length_symbol(length: usize) -> usize {
    LENGTH_SYMBOL[(length - MATCH_MIN) & 255].into()
}

/// The symbol of a distance (1 to 32768).
#[inline]
pub(super) fn distance_symbol(distance: usize) -> usize {
    let above = distance - 1;
    if above < 4 {
        return above;
    }
    let log = above.ilog2() as usize;
    2 * log + (above >> (log - 1) & 1)
}

/// Code lengths of the fixed code.
pub(super) fn fixed_lengths() -> ([u8; 288], [u8; 32]) {
    let mut literals = [8; 288];
    literals[144..256].fill(9);
    literals[256..280].fill(7);
    (literals, [5; 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length and distance lies in the range of its symbol.
    #[test]
    fn symbols_cover_all_lengths_and_distances() {
        for length in MATCH_MIN..=MATCH_MAX {
            let symbol = length_symbol(length);
            let above = length - usize::from(LENGTH_BASE[symbol]);
            assert!(above < 1 << LENGTH_EXTRA[symbol], "length {length}");
            assert!(length < MATCH_MAX || symbol == 28);
        }
        for distance in 1..=DISTANCE_MAX {
            let symbol = distance_symbol(distance);
            let above = distance - usize::from(DISTANCE_BASE[symbol]);
            assert!(above < 1 << DISTANCE_EXTRA[symbol], "distance {distance}");
        }
    }
}
