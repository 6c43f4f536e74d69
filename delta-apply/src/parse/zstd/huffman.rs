//! The Huffman code of literals (RFC 8878, 4.2): how it is described, and what libzstd would take.

use super::bits::{Backward, Written};
use super::fse::{Counts, Reading, SYMBOLS, Writing, optimal_log};

/// Bits of the longest code.
pub(super) const LENGTH_MAX: u32 = 11;
/// Log2 of the states of the table that describes weights.
const WEIGHTS_LOG_MAX: u32 = 6;
/// A first byte from here on says how many weights follow, four bits each.
const DIRECT: u8 = 128;

/// Bits of the code of each byte; 0 for those that have none.
pub(super) type Lengths = [u8; 256];

/// The weights of a code, but for the last one: the longest code has weight 1.
fn weights(lengths: &Lengths) -> ([u8; 256], usize) {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let last = lengths.iter().rposition(|length| *length > 0).unwrap_or(0);
    (lengths.map(|length| if length == 0 { 0 } else { longest + 1 - length }), last)
}

/// The lengths that weights say; `None` where they make no code.
fn lengths(weights: &[u8]) -> Option<Lengths> {
    let sum: u32 =
        weights.iter().filter(|weight| **weight > 0).map(|weight| 1 << (u32::from(*weight).min(16) - 1)).sum();
    let longest = sum.checked_ilog2()? + 1;
    let missing = (1u32 << longest) - sum;
    if longest > LENGTH_MAX || !missing.is_power_of_two() || weights.len() > 255 {
        return None;
    }
    let mut made = [0; 256];
    let last = missing.ilog2() as u8 + 1;
    for (length, weight) in made.iter_mut().zip(weights.iter().chain([&last])) {
        if *weight > 0 {
            *length = (longest as u8 + 1).checked_sub(*weight).filter(|length| *length > 0)?;
        }
    }
    Some(made)
}

/// Reads a description: lengths, the table of weights if there is one, and the bytes that it takes.
pub(super) fn read(bytes: &[u8]) -> Option<(Lengths, Option<Counts>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let mut made = [0; 255];
    if first >= DIRECT {
        let count = usize::from(first - DIRECT) + 1;
        let packed = rest.get(..count.div_ceil(2))?;
        for (at, weight) in made[..count].iter_mut().enumerate() {
            *weight = if at % 2 == 0 { packed[at / 2] >> 4 } else { packed[at / 2] & 15 };
        }
        return Some((lengths(&made[..count])?, None, 1 + packed.len()));
    }
    let packed = rest.get(..usize::from(first))?;
    let (counts, used) = Counts::read(packed, WEIGHTS_LOG_MAX, LENGTH_MAX as usize + 2)?;
    let mut table = Reading::EMPTY;
    table.make(&counts);
    let mut from = Backward::new(packed, used..packed.len())?;
    // Two states in turn, until one would need more bits than there are.
    let mut states = [table.start(packed, &mut from), table.start(packed, &mut from)];
    if from.left() < 0 {
        return None;
    }
    let mut count = 0;
    loop {
        let state = &mut states[count % 2];
        *made.get_mut(count)? = table.symbol(*state);
        count += 1;
        if i64::from(table.width(*state)) > from.left() {
            *made.get_mut(count)? = table.symbol(states[count % 2]);
            count += 1;
            break;
        }
        *state = table.next(*state, packed, &mut from);
    }
    Some((lengths(&made[..count])?, Some(counts), 1 + packed.len()))
}

/// The table that libzstd would describe the weights with; `None` where it would not.
pub(super) fn table(lengths: &Lengths) -> Option<Counts> {
    let (weights, last) = weights(lengths);
    let mut seen = [0; SYMBOLS];
    weights[..last].iter().for_each(|weight| seen[usize::from(*weight) % SYMBOLS] += 1);
    let most = seen.iter().copied().max().unwrap_or(0);
    if last < 2 || most as usize == last || most == 1 {
        return None;
    }
    let highest = seen.iter().rposition(|count| *count > 0).unwrap_or(0) as u32;
    let log = optimal_log(WEIGHTS_LOG_MAX, last as u32, highest, 2).clamp(5, WEIGHTS_LOG_MAX);
    Some(Counts::scaled(&seen, log, 1))
}

/// Writes a description, with a table or without; gives its bytes, or `None` where it cannot be.
pub(super) fn write(lengths: &Lengths, table: Option<&Counts>, out: &mut Written) -> Option<usize> {
    let (weights, last) = weights(lengths);
    let weights = &weights[..last];
    let start = out.bytes.len();
    let Some(counts) = table else {
        let first = u8::try_from(last).ok()?.checked_add(DIRECT - 1).filter(|_| last > 0)?;
        out.extend(&[first]);
        for two in weights.chunks(2) {
            out.extend(&[two[0] << 4 | two.get(1).unwrap_or(&0)]);
        }
        return Some(out.bytes.len() - start);
    };
    out.extend(&[0]);
    counts.write(out);
    let mut table = Writing::EMPTY;
    table.make(counts);
    let (mut states, mut left) = ([0; 2], last);
    for symbol in weights.iter().rev() {
        left -= 1;
        let state = &mut states[left % 2];
        *state = match last - left {
            1 | 2 => table.start(*symbol)?,
            _ => table.step(*symbol, *state, out)?,
        };
    }
    table.end(states[1], out);
    table.end(states[0], out);
    out.end();
    let bytes = out.bytes.len() - start;
    *out.bytes.get_mut(start)? = u8::try_from(bytes - 1).ok().filter(|bytes| *bytes < DIRECT)?;
    Some(bytes)
}

/// The code of each byte: canonical, the longest codes from 0 on.
pub(super) fn codes(lengths: &Lengths) -> [u16; 256] {
    let mut next = [0u16; LENGTH_MAX as usize + 2];
    for length in (1..=LENGTH_MAX as usize).rev() {
        let count = lengths.iter().filter(|known| usize::from(**known) == length + 1).count() as u16;
        next[length] = next[length + 1].wrapping_add(count) >> 1;
    }
    let mut codes = [0; 256];
    for (code, length) in codes.iter_mut().zip(lengths).filter(|(_, length)| **length > 0) {
        let next = &mut next[usize::from(*length).min(LENGTH_MAX as usize)];
        *code = *next;
        *next = next.wrapping_add(1);
    }
    codes
}

/// What [`LENGTH_MAX`] bits start with: a byte, and the bits of its code.
#[derive(Debug)]
pub(super) struct Decoding([(u8, u8); 1 << LENGTH_MAX]);

impl Decoding {
    pub(super) const EMPTY: Self = Self([(0, 0); 1 << LENGTH_MAX]);

    pub(super) fn make(&mut self, lengths: &Lengths) {
        let codes = codes(lengths);
        for (byte, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let span = LENGTH_MAX.saturating_sub(u32::from(*length));
            let from = usize::from(codes[byte]) << span;
            if let Some(entries) = self.0.get_mut(from..from + (1 << span)) {
                entries.fill((byte as u8, *length));
            }
        }
    }

    #[inline]
    pub(super) fn next(&self, bytes: &[u8], from: &mut Backward) -> u8 {
        // A code that is shorter than the longest leaves bits below it: they are not looked at.
        let (byte, length) = self.0[from.peek(bytes, LENGTH_MAX) as usize % (1 << LENGTH_MAX)];
        from.skip(length.into());
        byte
    }
}

/// The most bits of a code that libzstd takes for so many literals.
pub(super) fn usual_limit(seen: &[u32; 256]) -> u32 {
    let last = seen.iter().rposition(|count| *count > 0).unwrap_or(0) as u32;
    optimal_log(LENGTH_MAX, seen.iter().sum(), last, 1).clamp(5, LENGTH_MAX)
}

/// The lengths that libzstd takes for literals that come so often, none longer than `limit`. All zero where there is
/// only one.
pub(super) fn expected(seen: &[u32; 256], limit: u32) -> Lengths {
    // Leaves by how often they come, the most often first, and bytes in order among the same.
    let (mut leaves, mut count) = ([0u8; 256], 0);
    for byte in 0..=255u8 {
        let often = seen[usize::from(byte)];
        if often > 0 {
            let place = leaves[..count].partition_point(|leaf| seen[usize::from(*leaf)] >= often);
            leaves.copy_within(place..count, place + 1);
            leaves[place] = byte;
            count += 1;
        }
    }
    let mut lengths = [0; 256];
    if count < 2 {
        return lengths;
    }
    let often = |leaf: usize| seen[usize::from(leaves[leaf])];
    // Two of the rarest become one, a node before a leaf that comes as often.
    let (mut nodes, mut parents, mut above) = ([0u32; 256], [0u8; 256], [0u8; 256]);
    let (mut leaves_left, mut node) = (count, 0);
    for made in 0..count - 1 {
        for _ in 0..2 {
            let takes_leaf = leaves_left > 0 && (node == made || often(leaves_left - 1) < nodes[node]);
            if takes_leaf {
                leaves_left -= 1;
                nodes[made] = nodes[made].saturating_add(often(leaves_left));
                above[leaves_left] = made as u8;
            } else {
                nodes[made] = nodes[made].saturating_add(nodes[node]);
                parents[node] = made as u8;
                node += 1;
            }
        }
    }
    let mut depths = [0u8; 256];
    for node in (0..count - 2).rev() {
        depths[node] = depths[usize::from(parents[node])].saturating_add(1);
    }
    let mut bits = [0u8; 256];
    for leaf in 0..count {
        bits[leaf] = depths[usize::from(above[leaf])].saturating_add(1);
    }
    shorten(&mut bits[..count], often, limit as u8);
    leaves[..count].iter().zip(bits).for_each(|(leaf, bits)| lengths[usize::from(*leaf)] = bits.min(LENGTH_MAX as u8));
    lengths
}

/// Makes codes shorter that are longer than `limit`, and others longer for it: of those that are `n` bits shorter than
/// the limit, the last may grow by one bit, which pays for `1 << (n - 1)` of the longest codes.
fn shorten(bits: &mut [u8], often: impl Fn(usize) -> u32, limit: u8) {
    let longest = bits.last().copied().unwrap_or(0);
    if longest <= limit || longest > 40 {
        return;
    }
    // What is owed, first in codes of the longest, then in those of the limit.
    let (mut owed, mut first) = (0i64, bits.len());
    while first > 0 && bits[first - 1] > limit {
        first -= 1;
        owed += (1i64 << (longest - limit)) - (1i64 << (longest - bits[first]));
        bits[first] = limit;
    }
    owed >>= longest - limit;
    while first > 0 && bits[first - 1] == limit {
        first -= 1;
    }
    // The last leaf of each length below the limit.
    let mut lasts = [None; LENGTH_MAX as usize + 3];
    let mut length = limit;
    for (leaf, bits) in bits[..first].iter().enumerate().rev() {
        if *bits < length {
            length = *bits;
            if let Some(last) = lasts.get_mut(usize::from(limit - length)) {
                *last = Some(leaf);
            }
        }
    }
    while owed > 0 {
        let mut step = (owed.ilog2() as usize + 1).min(lasts.len() - 1);
        while step > 1 {
            match (lasts[step], lasts[step - 1]) {
                (Some(_), None) => break,
                // Rather one that comes seldom than two that are half as long.
                (Some(high), Some(low)) if u64::from(often(high)) <= 2 * u64::from(often(low)) => break,
                _ => step -= 1,
            }
        }
        while step < lasts.len() - 1 && lasts[step].is_none() {
            step += 1;
        }
        let Some(leaf) = lasts[step] else { return };
        owed -= 1 << (step - 1);
        bits[leaf] += 1;
        if step > 1 && lasts[step - 1].is_none() {
            lasts[step - 1] = Some(leaf);
        }
        lasts[step] = leaf.checked_sub(1).filter(|leaf| usize::from(limit - bits[*leaf]) == step);
    }
    // Too much was paid: the first of the longest get it back.
    while owed < 0 {
        let leaf = match lasts[1] {
            Some(last) => last + 1,
            None => {
                while first > 0 && bits[first - 1] == limit {
                    first -= 1;
                }
                first
            }
        };
        let Some(bits) = bits.get_mut(leaf) else { return };
        *bits -= 1;
        lasts[1] = Some(leaf);
        owed += 1;
    }
}
