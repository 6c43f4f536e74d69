//! What a power cut, or the end of a process, does to a world.

use crate::device::{Device, Tear, Write};
use crate::rng::Rng;
use crate::world::{Op, Snapshot, World};
use agent_machine::Record;
use delta_format::journal;
use delta_format::limits::JOURNAL_RECORD_BYTES;
use delta_verify::blake3_of_parts;
use std::fmt;
use std::str::FromStr;
use stella_agent::journal::FILES;

/// A way to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process ends; the system and its cache live on.
    Kill,
    /// Power is cut; every write before reached the medium.
    Keep,
    /// Power is cut; no write since the last sync reached the medium.
    Drop,
    /// Power is cut; these pending writes reached the medium, one bit each, oldest first.
    Subset(u8),
    /// Power is cut during the operation; what was before reached the medium, the operation itself in part.
    Torn(Tear, u64),
    /// Power is cut; each pending write, and the one under way, is kept, lost or torn by chance.
    Random(u64),
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("kill"),
            Self::Keep => f.write_str("keep"),
            Self::Drop => f.write_str("drop"),
            Self::Subset(mask) => write!(f, "subset-{mask}"),
            Self::Torn(Tear::Prefix, seed) => write!(f, "prefix-{seed}"),
            Self::Torn(Tear::Suffix, seed) => write!(f, "suffix-{seed}"),
            Self::Torn(Tear::Garbage, seed) => write!(f, "garbage-{seed}"),
            Self::Random(seed) => write!(f, "random-{seed}"),
        }
    }
}

impl FromStr for Crash {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (word, number) = text.split_once('-').unwrap_or((text, "0"));
        let number: u64 = number.parse().map_err(|_| format!("no number in '{text}'"))?;
        Ok(match word {
            "kill" => Self::Kill,
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            "subset" => Self::Subset(number as u8),
            "prefix" => Self::Torn(Tear::Prefix, number),
            "suffix" => Self::Torn(Tear::Suffix, number),
            "garbage" => Self::Torn(Tear::Garbage, number),
            "random" => Self::Random(number),
            _ => return Err(format!("no such crash: '{text}'")),
        })
    }
}

/// Which ways to die are worth trying before an operation. `samples` random ones are added; subsets are exhaustive up to
/// 8 pending changes.
pub fn crashes_at(snapshot: &Snapshot, samples: u64, exhaustive_subsets: bool) -> Vec<Crash> {
    let mut crashes = vec![Crash::Keep];
    // Before the system runs there is no process to kill.
    if snapshot.world.running.is_some() {
        crashes.push(Crash::Kill);
    }
    let pending = pending(&snapshot.world);
    match pending {
        0 => {}
        1 => crashes.push(Crash::Drop),
        2..=8 if exhaustive_subsets => crashes.extend((0..(1u16 << pending) - 1).map(|mask| Crash::Subset(mask as u8))),
        _ => crashes.push(Crash::Drop),
    }
    if matches!(snapshot.op, Op::Write { .. }) {
        crashes.extend([Tear::Prefix, Tear::Suffix, Tear::Garbage].map(|tear| Crash::Torn(tear, samples)));
    }
    if pending > 1 {
        crashes.extend((0..samples).map(Crash::Random));
    }
    crashes
}

/// Changes that are not durable yet.
fn pending(world: &World) -> usize {
    let disks = world.devices.iter().chain(&world.fs.files);
    disks.map(|disk| disk.pending.len()).sum::<usize>() + world.fs.pending.len()
}

/// Crashes a world before an operation.
pub fn crash(snapshot: &Snapshot, crash: Crash) -> World {
    let mut world = snapshot.world.clone();
    world.interruptions += 1;
    world.journal_may_be = vec![journal_in(&world, true), journal_in(&world, false), under_way(snapshot)];
    let seed = match crash {
        Crash::Kill => {
            world.killed = true;
            return world;
        }
        Crash::Torn(_, seed) | Crash::Random(seed) => seed,
        Crash::Keep | Crash::Drop | Crash::Subset(_) => 0,
    };
    let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ snapshot.number);
    let mut number = 0;
    // What becomes of the next pending change.
    let mut fate = |rng: &mut Rng| {
        let fate = match crash {
            Crash::Drop => Fate::Lost,
            Crash::Subset(mask) if mask >> number & 1 == 0 => Fate::Lost,
            Crash::Random(_) => match rng.below(8) {
                0..=2 => Fate::Lost,
                3 => Fate::Torn(Tear::Prefix),
                4 => Fate::Torn(Tear::Suffix),
                5 => Fate::Torn(Tear::Garbage),
                _ => Fate::Kept,
            },
            _ => Fate::Kept,
        };
        number += 1;
        fate
    };
    for device in &mut world.devices {
        settle(device, &mut fate, &mut rng);
    }
    for file in &mut world.fs.files {
        settle(file, &mut fate, &mut rng);
    }
    for change in std::mem::take(&mut world.fs.pending) {
        if !matches!(fate(&mut rng), Fate::Lost) {
            world.fs.settle(&change);
        }
    }
    if let Op::Write { place, offset, bytes } = &snapshot.op {
        let write = Write { offset: *offset, bytes: bytes.clone() };
        let tear = match crash {
            Crash::Torn(tear, _) => Some(tear),
            Crash::Random(_) if rng.chance(2) => Some(Tear::Garbage),
            _ => None,
        };
        if let Some(tear) = tear {
            world.device(*place).settle_torn(&write, tear, &mut rng);
        }
    }
    world.restart();
    world
}

/// The record that the operation would store; torn at its zeros, it is whole.
fn under_way(snapshot: &Snapshot) -> Option<Record> {
    let Op::Write { bytes, .. } = &snapshot.op else {
        return journal_in(&snapshot.world, false);
    };
    let record = journal::open(bytes, blake3_of_parts).ok();
    match record.and_then(|(_, body)| Record::decode(body).ok()) {
        Some(record) => Some(record),
        None => journal_in(&snapshot.world, false),
    }
}

enum Fate {
    Kept,
    Lost,
    Torn(Tear),
}

fn settle(device: &mut Device, fate: &mut impl FnMut(&mut Rng) -> Fate, rng: &mut Rng) {
    for write in std::mem::take(&mut device.pending) {
        match fate(rng) {
            Fate::Kept => device.settle(&write),
            Fate::Lost => {}
            Fate::Torn(tear) => device.settle_torn(&write, tear, rng),
        }
    }
}

/// The newest whole record in the journal files, as programs see them or as the medium has them.
pub fn journal_in(world: &World, medium: bool) -> Option<Record> {
    let names = if medium { &world.fs.medium } else { &world.fs.view };
    let newest = FILES.iter().filter_map(|name| {
        let file = &world.fs.files[*names.get(*name)?];
        let mut framed = [0; JOURNAL_RECORD_BYTES];
        let image = if medium { &file.medium } else { &file.view };
        // A copy that is cut short is no copy, even if only zeros are missing.
        if image.read(0, &mut framed) < framed.len() {
            return None;
        }
        let (sequence, body) = journal::open(&framed, blake3_of_parts).ok()?;
        Some((sequence, Record::decode(body).ok()?))
    });
    newest.max_by_key(|(sequence, _)| *sequence).map(|(_, record)| record)
}
