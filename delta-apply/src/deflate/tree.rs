//! The header of a dynamic block, and how zlib makes it from the frequencies of a block's symbols.
//!
//! Huffman codes of one cost are many: which one comes out depends on how ties are broken and on how codes that became
//! too long are shortened. This follows the rules of zlib's trees.c, so that its headers need not be sent.

use super::format::{
    BITS_MAX, DISTANCE_EXTRA, DISTANCES, LENGTH_EXTRA, LITERALS, RUN_BITS_MAX, RUN_EXTRA, RUN_ORDER, RUN_SYMBOLS,
    fixed_lengths,
};

/// Code lengths of a block at most.
const LENGTHS: usize = LITERALS + DISTANCES;

/// A symbol of the coded code lengths, with its extra bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) symbol: u8,
    pub(super) extra: u8,
}

impl Run {
    /// Code lengths that it stands for.
    pub(super) fn count(self) -> usize {
        match self.symbol.checked_sub(16) {
            None => 1,
            Some(long) => usize::from(RUN_EXTRA[usize::from(long.min(2))].1 + self.extra),
        }
    }
}

/// Everything that a dynamic block says before its tokens.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Code lengths of literals that are sent, and of distances.
    literals: usize,
    distances: usize,
    /// All of them in one row, as far as they are known.
    row: [u8; LENGTHS],
    known: usize,
    /// How they are written.
    runs: [Run; LENGTHS],
    run_count: usize,
    /// Code lengths of the run symbols, and how many of them are sent.
    pub(super) run_lengths: [u8; RUN_SYMBOLS],
    pub(super) run_lengths_sent: usize,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            literals: 0,
            distances: 0,
            row: [0; LENGTHS],
            known: 0,
            runs: [Run::default(); LENGTHS],
            run_count: 0,
            run_lengths: [0; RUN_SYMBOLS],
            run_lengths_sent: 0,
        }
    }
}

impl Header {
    /// Starts over with the numbers of code lengths, which must be 286 and 30 at most.
    pub(super) fn clear(&mut self, literals: usize, distances: usize) {
        *self = Self { literals: literals.min(LITERALS), distances: distances.min(DISTANCES), ..Self::default() };
    }

    /// Whether all code lengths are known.
    pub(super) fn is_complete(&self) -> bool {
        self.known == self.literals + self.distances
    }

    /// Appends a run and the code lengths it stands for; None when it does not fit.
    pub(super) fn push_run(&mut self, run: Run) -> Option<()> {
        let value = match run.symbol {
            length @ 0..16 => length,
            16 => *self.row.get(self.known.checked_sub(1)?)?,
            _ => 0,
        };
        let end = self.known + run.count();
        if end > self.literals + self.distances {
            return None;
        }
        self.row[self.known..end].fill(value);
        self.known = end;
        *self.runs.get_mut(self.run_count)? = run;
        self.run_count += 1;
        Some(())
    }

    /// Code lengths of the literals and of the distances.
    pub(super) fn lengths(&self) -> (&[u8], &[u8]) {
        self.row[..self.literals + self.distances].split_at(self.literals)
    }

    /// The code lengths in one row, zeros behind them.
    pub(super) fn row(&self) -> [u8; LENGTHS] {
        self.row
    }

    /// The code lengths as they are written.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs[..self.run_count]
    }

    /// Takes over the code lengths of another header, not the way they are written.
    pub(super) fn set_lengths(&mut self, literals: &[u8], distances: &[u8]) {
        self.clear(literals.len(), distances.len());
        self.row[..literals.len()].copy_from_slice(literals);
        self.row[literals.len()..literals.len() + distances.len()].copy_from_slice(distances);
        self.known = literals.len() + distances.len();
    }

    /// Forgets how the code lengths are written, and which they are.
    pub(super) fn clear_runs(&mut self) {
        (self.run_count, self.known) = (0, 0);
    }

    /// The code lengths that are written first when runs are chosen as `style` does.
    pub(super) fn predict_runs(&mut self, style: RunStyle) {
        let row = self.row;
        let all = self.literals + self.distances;
        self.clear_runs();
        match style {
            RunStyle::Apart => {
                self.scan(&row[..self.literals]);
                self.scan(&row[self.literals..all]);
            }
            RunStyle::Joined => self.scan(&row[..all]),
        }
    }

    /// Writes code lengths the way zlib does: a run of six at most, of zeros 138 at most.
    fn scan(&mut self, lengths: &[u8]) {
        let mut at = 0;
        let mut before = None;
        while at < lengths.len() {
            let value = lengths[at];
            let same = lengths[at..].iter().take_while(|length| **length == value).count();
            // A value that differs from the one before is sent itself, and then repeated up to six times.
            let (longest, lead) = match (value, before == Some(value)) {
                (0, _) => (138, 0),
                (_, true) => (6, 0),
                (_, false) => (7, 1),
            };
            let count = same.min(longest);
            if count < 3 + lead {
                (0..count).for_each(|_| self.single(value));
            } else {
                (0..lead).for_each(|_| self.single(value));
                let (symbol, base) = match (value, count) {
                    (0, 11..) => (18, 11),
                    (0, _) => (17, 3),
                    _ => (16, 3 + lead),
                };
                let fits = self.push_run(Run { symbol, extra: (count - base) as u8 });
                debug_assert!(fits.is_some(), "a run stays within the row");
            }
            before = Some(value);
            at += count;
        }
    }

    fn single(&mut self, value: u8) {
        let fits = self.push_run(Run { symbol: value, extra: 0 });
        debug_assert!(fits.is_some(), "one length stays within the row");
    }

    /// Code lengths of the run symbols as zlib makes them.
    pub(super) fn predict_run_lengths(&mut self, style: TreeStyle) {
        let mut frequencies = [0; RUN_SYMBOLS];
        self.runs().iter().for_each(|run| frequencies[usize::from(run.symbol)] += 1);
        self.run_lengths = [0; RUN_SYMBOLS];
        style.lengths(&frequencies, RUN_BITS_MAX, &mut self.run_lengths);
        let last = RUN_ORDER.iter().rposition(|symbol| self.run_lengths[usize::from(*symbol)] > 0);
        self.run_lengths_sent = last.map_or(0, |last| last + 1).max(4);
    }

    /// Bits that the header takes.
    fn bits(&self) -> u64 {
        let runs = self.runs().iter().map(|run| {
            let extra = run.symbol.checked_sub(16).map_or(0, |long| RUN_EXTRA[usize::from(long.min(2))].0);
            u64::from(self.run_lengths[usize::from(run.symbol)] + extra)
        });
        14 + 3 * self.run_lengths_sent as u64 + runs.sum::<u64>()
    }
}

/// How runs of code lengths are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunStyle {
    /// Literals and distances each on their own.
    Apart,
    /// In one row: a run may begin in the literals and end in the distances.
    Joined,
}

/// How often the symbols of a block occur.
#[derive(Clone, Debug)]
pub(super) struct Frequencies {
    pub(super) literals: [u32; LITERALS],
    pub(super) distances: [u32; DISTANCES],
}

impl Frequencies {
    /// Those of an empty block: its end occurs once.
    pub(super) fn new() -> Self {
        let mut literals = [0; LITERALS];
        literals[super::format::END] = 1;
        Self { literals, distances: [0; DISTANCES] }
    }

    /// Bits of the block with these code lengths, extra bits included.
    fn bits(&self, literals: &[u8], distances: &[u8]) -> u64 {
        let sum = |frequencies: &[u32], lengths: &[u8], extra: &dyn Fn(usize) -> u8| -> u64 {
            let each = frequencies.iter().zip(lengths).enumerate();
            each.map(|(symbol, (&count, &length))| u64::from(count) * u64::from(length + extra(symbol))).sum()
        };
        let length_extra = |symbol: usize| symbol.checked_sub(257).map_or(0, |index| LENGTH_EXTRA[index]);
        sum(&self.literals, literals, &length_extra) + sum(&self.distances, distances, &|symbol| DISTANCE_EXTRA[symbol])
    }
}

/// Which of the block types is smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Smallest {
    Stored,
    Fixed,
    Dynamic,
}

/// Puts the code of zlib for these frequencies into `header`; says which type zlib gives the block of `plain` bytes.
pub(super) fn predict(frequencies: &Frequencies, plain: u64, style: TreeStyle, header: &mut Header) -> Smallest {
    let (mut literals, mut distances) = ([0; LITERALS], [0; DISTANCES]);
    let literals_sent = style.lengths(&frequencies.literals, BITS_MAX, &mut literals) + 1;
    let distances_sent = style.lengths(&frequencies.distances, BITS_MAX, &mut distances) + 1;
    header.set_lengths(&literals[..literals_sent.max(257)], &distances[..distances_sent]);
    header.predict_runs(style.runs());
    header.predict_run_lengths(style);
    // Lengths in bytes, the three bits of the block type included.
    let dynamic = (header.bits() + frequencies.bits(&literals, &distances) + 3 + 7) >> 3;
    let (fixed_literals, fixed_distances) = fixed_lengths();
    let fixed = (frequencies.bits(&fixed_literals, &fixed_distances) + 3 + 7) >> 3;
    match style {
        TreeStyle::Sorted if plain < 48 => Smallest::Fixed,
        TreeStyle::Sorted => Smallest::Dynamic,
        TreeStyle::Zlib if plain + 4 <= dynamic.min(fixed) => Smallest::Stored,
        TreeStyle::Zlib if fixed <= dynamic => Smallest::Fixed,
        TreeStyle::Zlib => Smallest::Dynamic,
    }
}

/// Who makes the Huffman codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TreeStyle {
    /// zlib, gzip, pigz, zlib-ng: a heap whose ties go to the flatter tree, two codes at least.
    Zlib,
    /// miniz: symbols are sorted, ties go to single symbols; the fixed code for the smallest blocks only.
    Sorted,
}

impl TreeStyle {
    pub(super) fn runs(self) -> RunStyle {
        match self {
            Self::Zlib => RunStyle::Apart,
            Self::Sorted => RunStyle::Joined,
        }
    }

    /// Code lengths for `frequencies`; gives the last symbol with a code.
    fn lengths(self, frequencies: &[u32], bits_max: usize, lengths: &mut [u8]) -> usize {
        match self {
            Self::Zlib => zlib_lengths(frequencies, bits_max, lengths),
            Self::Sorted => sorted_lengths(frequencies, bits_max, lengths),
        }
    }
}

/// Code lengths as miniz makes them: the two lightest nodes are joined, a single symbol before a joined one of equal
/// weight; rare symbols get the long codes, in order.
fn sorted_lengths(frequencies: &[u32], bits_max: usize, lengths: &mut [u8]) -> usize {
    let mut sorted = [(0u32, 0u16); LITERALS];
    let mut count = 0;
    for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency > 0) {
        sorted[count] = (frequency, symbol as u16);
        count += 1;
    }
    let sorted = &mut sorted[..count];
    let last = sorted.last().map_or(0, |(_, symbol)| usize::from(*symbol));
    sorted.sort_unstable();
    let mut counts = [0u32; LITERALS + 1];
    if let [(_, only)] = sorted {
        lengths[usize::from(*only)] = 1;
        return last;
    }
    // Joined nodes come out in the order of their weights: two rows are enough. A node's parent is known after it.
    let mut joined = [(0u32, 0usize); LITERALS];
    let (mut leaf, mut root) = (0, 0);
    let mut parents = [0usize; LITERALS];
    for node in 0..count.saturating_sub(1) {
        for _ in 0..2 {
            let weight = if leaf >= count || root < node && joined[root].0 < sorted[leaf].0 {
                parents[root] = node;
                root += 1;
                joined[root - 1].0
            } else {
                joined[node].1 += 1;
                leaf += 1;
                sorted[leaf - 1].0
            };
            joined[node].0 += weight;
        }
    }
    let mut depths = [0usize; LITERALS];
    for node in (0..count.saturating_sub(1)).rev() {
        if node + 2 < count {
            depths[node] = depths[parents[node]] + 1;
        }
        counts[depths[node] + 1] += joined[node].1 as u32;
    }
    let too_long: u32 = counts[bits_max + 1..].iter().sum();
    counts[bits_max] += too_long;
    let space =
        |counts: &[u32]| -> u64 { (1..=bits_max).map(|bits| u64::from(counts[bits]) << (bits_max - bits)).sum() };
    for _ in (1u64 << bits_max)..space(&counts) {
        counts[bits_max] = counts[bits_max].saturating_sub(1);
        if let Some(bits) = (1..bits_max).rev().find(|bits| counts[*bits] > 0) {
            counts[bits] -= 1;
            counts[bits + 1] += 2;
        }
    }
    let shortest_first = (1..=bits_max).flat_map(|bits| core::iter::repeat_n(bits as u8, counts[bits] as usize));
    sorted.iter().rev().zip(shortest_first).for_each(|((_, symbol), bits)| lengths[usize::from(*symbol)] = bits);
    last
}

/// Nodes of a tree over the most symbols.
const NODES: usize = 2 * LITERALS + 1;

/// The heap from which zlib builds a tree. Slot 0 is not used.
struct Heap<'f> {
    slots: [u16; NODES],
    len: usize,
    frequencies: &'f mut [u32; NODES],
    depths: [u8; NODES],
}

impl Heap<'_> {
    fn is_smaller(&self, a: u16, b: u16) -> bool {
        let key = |node: u16| (self.frequencies[usize::from(node)], self.depths[usize::from(node)]);
        key(a) <= key(b)
    }

    /// Lets the node in slot `at` sink to its place.
    fn sink(&mut self, mut at: usize) {
        let node = self.slots[at];
        while 2 * at <= self.len {
            let mut child = 2 * at;
            if child < self.len && self.is_smaller(self.slots[child + 1], self.slots[child]) {
                child += 1;
            }
            if self.is_smaller(node, self.slots[child]) {
                break;
            }
            self.slots[at] = self.slots[child];
            at = child;
        }
        self.slots[at] = node;
    }
}

/// Code lengths as zlib's build_tree and gen_bitlen make them; gives the last symbol with a code.
fn zlib_lengths(frequencies: &[u32], bits_max: usize, lengths: &mut [u8]) -> usize {
    let symbols = frequencies.len();
    let mut counts = [0; NODES];
    counts[..symbols].copy_from_slice(frequencies);
    let mut heap = Heap { slots: [0; NODES], len: 0, frequencies: &mut counts, depths: [0; NODES] };
    let mut last = None;
    for symbol in (0..symbols).filter(|symbol| frequencies[*symbol] > 0) {
        heap.len += 1;
        heap.slots[heap.len] = symbol as u16;
        last = Some(symbol);
    }
    // Two codes at least: some decoders want no less.
    while heap.len < 2 {
        let symbol = match last {
            None => 0,
            Some(few @ 0..2) => few + 1,
            Some(_) => 0,
        };
        last = last.max(Some(symbol));
        heap.len += 1;
        heap.slots[heap.len] = symbol as u16;
        heap.frequencies[symbol] = 1;
    }
    (1..=heap.len / 2).rev().for_each(|slot| heap.sink(slot));
    let (mut parents, mut order) = ([0u16; NODES], [0u16; NODES]);
    let mut taken = 0;
    let mut node = symbols;
    while heap.len >= 2 {
        let first = heap.slots[1];
        heap.slots[1] = heap.slots[heap.len];
        heap.len -= 1;
        heap.sink(1);
        let second = heap.slots[1];
        order[taken] = first;
        order[taken + 1] = second;
        taken += 2;
        let (a, b) = (usize::from(first), usize::from(second));
        heap.frequencies[node] = heap.frequencies[a] + heap.frequencies[b];
        heap.depths[node] = heap.depths[a].max(heap.depths[b]) + 1;
        (parents[a], parents[b]) = (node as u16, node as u16);
        heap.slots[1] = node as u16;
        node += 1;
        heap.sink(1);
    }
    limit(&order[..taken], &parents, symbols, node - 1, bits_max, lengths);
    last.unwrap_or(0)
}

/// Depths of the leaves, none deeper than `bits_max`. `order` has all nodes but the root, the lightest first.
fn limit(order: &[u16], parents: &[u16], symbols: usize, root: usize, bits_max: usize, lengths: &mut [u8]) {
    let mut depths = [0u8; NODES];
    let mut counts = [0u32; BITS_MAX + 1];
    let mut too_deep = 0i32;
    depths[root] = 0;
    for node in order.iter().rev().map(|node| usize::from(*node)) {
        let mut depth = usize::from(depths[usize::from(parents[node])]) + 1;
        if depth > bits_max {
            depth = bits_max;
            too_deep += 1;
        }
        depths[node] = depth as u8;
        if node < symbols {
            counts[depth] += 1;
        }
    }
    let leaves = order.iter().map(|node| usize::from(*node)).filter(|node| *node < symbols);
    if too_deep == 0 {
        leaves.for_each(|leaf| lengths[leaf] = depths[leaf]);
        return;
    }
    while too_deep > 0 {
        let bits = (1..bits_max).rev().find(|bits| counts[*bits] > 0).unwrap_or(1);
        counts[bits] = counts[bits].saturating_sub(1);
        counts[bits + 1] += 2;
        counts[bits_max] = counts[bits_max].saturating_sub(1);
        too_deep -= 2;
    }
    let longest_first = (1..=bits_max).rev().flat_map(|bits| core::iter::repeat_n(bits as u8, counts[bits] as usize));
    leaves.zip(longest_first).for_each(|(leaf, bits)| lengths[leaf] = bits);
}
