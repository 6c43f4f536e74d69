//! Bytes for the tests: reproducible, of several kinds, and edited in the ways images change.

use delta_scanner::{
    Cancelled, Control, MatchOptions, Op, Options, Scan, Stats, matches, operations, scan, verify_ops,
};

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// `length` bytes without pattern.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(length).collect()
    }

    /// `length` bytes in the manner of machine code: short instructions from a small set, addresses among them.
    pub(crate) fn code(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            let number = self.next();
            let opcode = [0x48, 0x8b, 0x89, 0xe8, 0x0f, 0x85, 0xc3, 0x90][(number & 7) as usize];
            bytes.push(opcode);
            if opcode == 0xe8 {
                bytes.extend(((number >> 8) as u32 & 0x3f_ffff).to_le_bytes());
            } else {
                bytes.push((number >> 8) as u8 & 0x1f);
            }
        }
        bytes.truncate(length);
        bytes
    }

    /// `image` after `count` edits: bytes changed, inserted, removed, moved, repeated, or zeroed.
    pub(crate) fn edit(&mut self, image: &[u8], count: usize) -> Vec<u8> {
        let mut edited = image.to_vec();
        for _ in 0..count {
            if edited.is_empty() {
                edited = self.bytes(100);
            }
            let at = self.below(edited.len());
            let length_limit = [2, 40, 3000][self.below(3)];
            let length = 1 + self.below(length_limit).min(edited.len() - at - 1);
            let piece = edited[at..at + length].to_vec();
            let elsewhere = self.below(edited.len());
            match self.below(6) {
                0 => edited[at] ^= 1 + self.below(255) as u8,
                1 => drop(edited.splice(at..at, self.bytes(length))),
                2 => drop(edited.drain(at..at + length)),
                3 => {
                    edited.drain(at..at + length);
                    let elsewhere = elsewhere.min(edited.len());
                    drop(edited.splice(elsewhere..elsewhere, piece));
                }
                4 => drop(edited.splice(elsewhere..elsewhere, piece)),
                _ => edited[at..at + length].fill(0),
            }
        }
        edited
    }
}

/// Everything that there is to find, in the order in which a bundle asks for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) scan: Scan,
    pub(crate) ops: Vec<Op>,
    pub(crate) stats: Stats,
}

pub(crate) fn found(base: &[u8], target: &[u8], options: Options, control: Control<'_>) -> Result<Found, Cancelled> {
    let scan = scan(base, target, control)?;
    let found = matches(&base.into(), &target.into(), &scan.equal, &MatchOptions::default(), control)?;
    let ops = operations(base, target, &found, options, control)?;
    Ok(Found { scan, stats: Stats::of(&ops), ops })
}

/// Everything at its default, and operations that are checked once more from outside.
pub(crate) fn scanned(base: &[u8], target: &[u8]) -> Found {
    let found = found(base, target, Options::default(), Control::silent()).expect("nobody cancels");
    assert_eq!(verify_ops(base, target, &found.ops), Ok(()));
    found
}

/// Makes the target from the operations: the simplest applier there is.
pub(crate) fn applied(base: &[u8], target: &[u8], ops: &[Op]) -> Vec<u8> {
    let mut made = Vec::new();
    for op in ops {
        match *op {
            Op::Copy { base_offset, length } => made.extend(&base[base_offset as usize..][..length as usize]),
            Op::Add { length } => made.extend(&target[made.len()..][..length as usize]),
        }
    }
    made
}
