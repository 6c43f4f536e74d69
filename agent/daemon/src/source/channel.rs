//! Which bundle of a channel to take: pure, facts in, decision out.
//!
//! In: the entries of a verified index, what this device is, a way to ask whether the running slot holds an image.
//! Out: a [`Choice`] that says why. The bundle itself is verified again when it is read; an index can lead a device to
//! a bundle, never make it accept one.

use crate::config::Fallback;
use delta_format::channel::{ChannelEntry, ImageDigest};
use delta_format::{Name, Version};
use std::cmp::Ordering;

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The product line of this device.
    pub product: &'a Name,
    /// Its hardware.
    pub hardware: &'a Name,
    /// No version at or below it is taken.
    pub version_floor: Version,
    /// Whether a full image may be taken when no delta fits.
    pub fallback: Fallback,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Take this bundle.
    Take(Box<ChannelEntry>),
    /// Nothing in the channel is newer than what this device has.
    Current,
    /// There is something newer, but no delta starts at the running image, and full images are not allowed.
    NoDelta {
        /// The newest version.
        newest: Version,
        /// Bytes of its full image, if the channel has one.
        full_bytes: Option<u64>,
    },
    /// Nothing in the channel is for this product and hardware.
    Foreign,
}

/// Chooses among entries. `holds` tells whether the running slot holds an image; it may be costly and is asked as
/// rarely as possible.
///
/// The newest version that a delta reaches wins, then the fewest bytes to fetch, then the order of the index. A full
/// image is taken only when no delta fits at all.
pub fn choose(
    entries: impl Iterator<Item = ChannelEntry>,
    facts: &Facts<'_>,
    mut holds: impl FnMut(&ImageDigest) -> bool,
) -> Choice {
    let ours = |entry: &ChannelEntry| entry.product == *facts.product && entry.hardware.contains(facts.hardware);
    let mut ours: Vec<ChannelEntry> = entries.filter(ours).collect();
    if ours.is_empty() {
        return Choice::Foreign;
    }
    ours.retain(|entry| entry.version > facts.version_floor);
    let Some(newest) = ours.iter().map(|entry| entry.version).max() else {
        return Choice::Current;
    };
    // Of several of the same version and size the first in the index wins: the comparison is strict.
    let better = |a: &ChannelEntry, b: &ChannelEntry| match a.version.cmp(&b.version) {
        Ordering::Equal => a.fetch_bytes < b.fetch_bytes,
        order => order == Ordering::Greater,
    };
    let best = |fits: &mut dyn FnMut(&ChannelEntry) -> bool| {
        ours.iter().fold(None, |best: Option<&ChannelEntry>, entry| match best {
            Some(best) if !better(entry, best) => Some(best),
            _ if fits(entry) => Some(entry),
            best => best,
        })
    };
    let mut asked: Vec<(ImageDigest, bool)> = Vec::new();
    let mut holds = |image: &ImageDigest| match asked.iter().find(|(known, _)| known == image) {
        Some((_, answer)) => *answer,
        None => {
            asked.push((*image, holds(image)));
            asked[asked.len() - 1].1
        }
    };
    if ours.iter().any(|entry| entry.version == newest && holds(&entry.target)) {
        return Choice::Current;
    }
    if let Some(delta) = best(&mut |entry| entry.base.length > 0 && holds(&entry.base)) {
        return Choice::Take(Box::new(delta.clone()));
    }
    match best(&mut |entry| entry.base.length == 0) {
        Some(full) if facts.fallback == Fallback::Full => Choice::Take(Box::new(full.clone())),
        full => Choice::NoDelta { newest, full_bytes: full.map(|full| full.fetch_bytes) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delta_format::{Blake3, Sha256};

    fn image(id: u8) -> ImageDigest {
        ImageDigest { length: u64::from(id) * 100, blake3: Blake3::new([id; 32]) }
    }

    fn entry(file: &str, version: &str, base: u8, fetch_bytes: u64) -> ChannelEntry {
        let name = |text: &str| text.parse().unwrap();
        let [major, ..] = version.as_bytes() else { panic!("versions are not empty") };
        ChannelEntry {
            file: file.parse().unwrap(),
            product: name("router"),
            hardware: [name("board-1"), name("board-2")].into_iter().collect(),
            version: version.parse().unwrap(),
            base: image(base),
            target: image(major - b'0'),
            bundle_sha256: Sha256::new([0; 32]),
            bundle_bytes: fetch_bytes + 10,
            fetch_bytes,
        }
    }

    fn run(entries: &[ChannelEntry], hardware: &str, floor: &str, running: u8, fallback: Fallback) -> Choice {
        let (product, hardware) = ("router".parse().unwrap(), hardware.parse().unwrap());
        let version_floor = floor.parse().unwrap();
        let facts = Facts { product: &product, hardware: &hardware, version_floor, fallback };
        choose(entries.iter().cloned(), &facts, |asked| *asked == image(running))
    }

    /// The channel: versions 2 to 4, deltas from 1 and 2, full images.
    fn channel() -> Vec<ChannelEntry> {
        vec![
            entry("full-2", "2.0", 0, 900),
            entry("1-to-2", "2.0", 1, 30),
            entry("full-3", "3.0", 0, 1000),
            entry("1-to-3", "3.0", 1, 80),
            entry("1-to-3-small", "3.0", 1, 70),
            entry("2-to-4", "4.0", 2, 50),
            entry("full-4", "4.0", 0, 1100),
        ]
    }

    #[test]
    fn takes_the_newest_that_a_delta_reaches() {
        let check =
            |floor, running, fallback, expected: &str| match run(&channel(), "board-2", floor, running, fallback) {
                Choice::Take(entry) => assert_eq!(entry.file.as_str(), expected),
                other => panic!("{other:?}"),
            };
        check("1", 1, Fallback::Never, "1-to-3-small");
        check("1", 1, Fallback::Full, "1-to-3-small");
        check("2", 2, Fallback::Never, "2-to-4");
        check("3", 3, Fallback::Full, "full-4");
    }

    #[test]
    fn says_why_it_takes_nothing() {
        let check = |hardware, floor, running, expected| {
            assert_eq!(run(&channel(), hardware, floor, running, Fallback::Never), expected);
        };
        check("board-9", "1", 1, Choice::Foreign);
        check("board-1", "4", 4, Choice::Current);
        check("board-1", "1", 4, Choice::Current);
        let newest = "4.0".parse().unwrap();
        check("board-1", "3", 3, Choice::NoDelta { newest, full_bytes: Some(1100) });
    }

    /// Hashing a slot is costly: each image is asked for once.
    #[test]
    fn asks_for_each_image_once() {
        let mut asked = Vec::new();
        let (product, hardware) = ("router".parse().unwrap(), "board-1".parse().unwrap());
        let facts =
            Facts { product: &product, hardware: &hardware, version_floor: Version::ZERO, fallback: Fallback::Never };
        choose(channel().into_iter(), &facts, |image| {
            asked.push(*image);
            false
        });
        let all = asked.len();
        asked.sort_by_key(|image| image.blake3);
        asked.dedup();
        assert_eq!(all, asked.len());
    }
}
