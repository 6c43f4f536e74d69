//! A pair with everything that was measured on it, and what follows.
//!
//! In: rows. Out: the best peer, ratios, geometric means, and the rules that a delta breaks. Pure.

use super::corpus::Pair;
use super::goals::{ABSOLUTES, OVER_FULL_BYTES_MAX};
use super::row::Row;

/// The peer that sends the target as it is.
const FULL: &str = "full-zstd19";

/// A pair and its rows.
pub(crate) struct Compared {
    pub(crate) pair: Pair,
    pub(crate) ours: Row,
    pub(crate) device_memory_bytes: u64,
    pub(crate) peers: Vec<Row>,
}

impl Compared {
    /// Peers whose delta gives the target back, smallest first. What sends the whole target, and references that no
    /// device could apply (in parentheses), are no peers.
    pub(crate) fn ranked(&self) -> Vec<(&Row, u64)> {
        let is_peer = |row: &&Row| !row.program.starts_with('(') && !row.program.starts_with("full-");
        let good = |row| Some((row, Row::good_bytes(row)?));
        let mut ranked: Vec<_> = self.peers.iter().filter(is_peer).filter_map(good).collect();
        ranked.sort_by_key(|(row, bytes)| (*bytes, row.program.clone()));
        ranked
    }

    /// Our bytes over the best peer's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (_, best) = *self.ranked().first()?;
        Some(self.ours.good_bytes()? as f64 / best as f64)
    }

    /// The row of a peer.
    pub(crate) fn peer(&self, program: &str) -> Option<&Row> {
        self.peers.iter().find(|row| row.program == program)
    }

    /// A peer's processor time to apply over ours: 2 means that ours takes half as long.
    pub(crate) fn apply_faster_than(&self, program: &str) -> Option<f64> {
        let theirs = self.peer(program).filter(|row| row.good_bytes().is_some())?.apply?.cpu_seconds;
        // The kernel counts in steps of 10 ms.
        Some(theirs.max(0.01) / self.ours.apply?.cpu_seconds.max(0.01))
    }

    /// Rules that hold for each pair by itself, and what breaks them here.
    pub(crate) fn broken(&self) -> Vec<String> {
        let name = self.pair.name();
        let Some(ours) = self.ours.good_bytes() else {
            return vec![format!("{name}: no delta: {}", self.ours.note)];
        };
        let mut broken = Vec::new();
        if let (Some(ratio), Some((best, bytes))) = (self.ratio(), self.ranked().first())
            && ratio > 1.0
        {
            broken.push(format!("{name}: {} bytes, {} has {}", grouped(ours), best.program, grouped(*bytes)));
        }
        if let Some(full) = self.peer(FULL).and_then(Row::good_bytes)
            && ours > full + OVER_FULL_BYTES_MAX
        {
            broken.push(format!("{name}: {} bytes, `zstd -19` of the target alone {}", grouped(ours), grouped(full)));
        }
        for rule in ABSOLUTES.iter().filter(|rule| rule.pair == name && ours > rule.delta_bytes_max) {
            let (ours, max) = (grouped(ours), grouped(rule.delta_bytes_max));
            broken.push(format!("{name}: {ours} bytes, at most {max} are wanted ({})", rule.others));
        }
        broken
    }
}

/// The geometric mean; none of nothing.
pub(crate) fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    (!ratios.is_empty()).then(|| (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp())
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A pair of which ours has `ours` bytes and each peer its own.
    pub(crate) fn compared(category: &str, id: &str, ours: u64, peers: &[(&str, u64)]) -> Compared {
        let pair = Pair {
            category: category.into(),
            id: id.into(),
            base: "old".into(),
            target: "new".into(),
            base_bytes: 1000,
            target_bytes: 1000,
            base_sha256: "00".into(),
            target_sha256: "11".into(),
        };
        let row =
            |program: &str, bytes| Row { delta_bytes: Some(bytes), correct: Some(true), ..Row::of(&pair, program) };
        let peers = peers.iter().map(|(program, bytes)| row(program, *bytes)).collect();
        Compared { ours: row("stella", ours), device_memory_bytes: 0, peers, pair }
    }

    /// Neither a wrong delta nor a reference is the best peer, and the rules of single pairs are seen to be broken.
    #[test]
    fn finds_the_best_peer_and_broken_rules() {
        let mut one = compared("elf-x64", "x", 50, &[("bsdiff", 100), ("zstd", 80), ("(both unpacked)", 1)]);
        assert_eq!(one.ratio(), Some(50.0 / 80.0));
        one.peers[1].correct = Some(false);
        assert_eq!(one.ratio(), Some(0.5));
        assert!(one.broken().is_empty());
        let two = compared("elf-x64", "x", 165, &[("bsdiff", 100), (FULL, 100)]);
        assert_eq!(two.broken().len(), 2);
        assert_eq!(compared("ext4", "debian-updates", 1_300_001, &[]).broken().len(), 1);
        one.ours.correct = Some(false);
        assert_eq!((one.ratio(), one.broken().len()), (None, 1));
    }

    #[test]
    fn means_and_numbers() {
        assert!((geometric_mean(&[0.5, 2.0]).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)].join(" "), "0 999 1,234,567");
    }
}
