//! The simulated boot loader: a record in two copies on a small disk, try counts that go down before a slot runs.

use crate::device::SECTOR_BYTES;
use crate::image::Image;
use crate::world::{Mutant, Place, World};
use agent_machine::{BootState, Slot, TrialBoot};

/// Magic, sequence, default, trial slot, tries, two bad marks, checksum.
const RECORD_BYTES: usize = 32;

/// One copy of the record.
fn encode(sequence: u64, state: &BootState) -> [u8; RECORD_BYTES] {
    let mut out = [0; RECORD_BYTES];
    out[..4].copy_from_slice(b"BOOT");
    out[4..12].copy_from_slice(&sequence.to_le_bytes());
    out[12] = state.default.index() as u8;
    out[13] = state.trial.map_or(0xff, |trial| trial.slot.index() as u8);
    out[14] = state.trial.map_or(0, |trial| trial.tries_left);
    out[15] = u8::from(state.bad[0]) | u8::from(state.bad[1]) << 1;
    let checksum = delta_verify::blake3_of_parts(&[&out[..16]]);
    out[16..].copy_from_slice(&checksum.as_bytes()[..16]);
    out
}

fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<(u64, BootState)> {
    let checksum = delta_verify::blake3_of_parts(&[&bytes[..16]]);
    if bytes[16..] != checksum.as_bytes()[..16] || bytes[..4] != *b"BOOT" {
        return None;
    }
    let slot = |index: u8| Slot::BOTH.into_iter().find(|slot| slot.index() == usize::from(index));
    let sequence = u64::from_le_bytes(bytes[4..12].try_into().ok()?);
    let state = BootState {
        default: slot(bytes[12])?,
        trial: slot(bytes[13]).map(|slot| TrialBoot { slot, tries_left: bytes[14] }),
        bad: [bytes[15] & 1 != 0, bytes[15] & 2 != 0],
    };
    Some((sequence, state))
}

/// The file of a boot loader that keeps its record in one.
pub const FILE: &str = "boot";
/// What replaces it.
pub const NEW_FILE: &str = "boot.new";

/// The record, with its sequence number; what reads see, or what the medium holds.
pub fn read(world: &World, medium: bool) -> Option<(u64, BootState)> {
    let record = |image: &Image, offset| {
        let mut bytes = [0; RECORD_BYTES];
        image.read(offset, &mut bytes);
        decode(&bytes)
    };
    if world.behaviour.boot_file {
        let names = if medium { &world.fs.medium } else { &world.fs.view };
        let file = &world.fs.files[*names.get(FILE)?];
        return record(if medium { &file.medium } else { &file.view }, 0);
    }
    let disk = &world.devices[2];
    let image = if medium { &disk.medium } else { &disk.view };
    let copies = [record(image, 0), record(image, SECTOR_BYTES)];
    copies.into_iter().flatten().max_by_key(|(sequence, _)| *sequence)
}

/// Where the next record goes, and its bytes: the copy that does not hold the newest.
pub fn next_write(world: &World, state: &BootState) -> (usize, Vec<u8>) {
    let sequence = read(world, false).map_or(0, |(sequence, _)| sequence) + 1;
    let copy = match world.mutant {
        Some(Mutant::BootRecordInOneCopy) => 0,
        _ => (sequence % 2) as usize,
    };
    (copy * SECTOR_BYTES, encode(sequence, state).to_vec())
}

/// The factory's record.
pub fn format(world: &mut World) {
    let state = BootState { default: Slot::A, trial: None, bad: [false; 2] };
    if world.behaviour.boot_file {
        let file = world.fs.create(FILE);
        world.fs.files[file].write(0, &encode(1, &state));
        world.fs.files[file].sync();
        world.fs.sync();
    }
    for _ in 0..2 {
        let (offset, bytes) = next_write(world, &state);
        let disk = world.device(Place::Boot);
        disk.write(offset, &bytes);
        disk.sync();
    }
}

/// What the boot loader decides at power on.
pub fn decide(state: &mut BootState) -> (Slot, bool) {
    if let Some(trial) = &mut state.trial
        && trial.tries_left > 0
        && !state.bad[trial.slot.index()]
    {
        trial.tries_left -= 1;
        return (trial.slot, true);
    }
    (state.default, false)
}
