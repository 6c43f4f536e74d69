//! Where Zstandard frames are: in files of their own, packages, layers of containers, kernels.
//!
//! Frames that follow each other are one container, with the skippable frames between them: a file may have any number.
//! What counts is that a frame unpacks to its end; its checksum is bytes like others here. Frames that need a dictionary
//! are not looked into.

use super::{Codec, Container, PLAIN_BYTES_MAX, PLAIN_BYTES_MIN};
use delta_apply::coding::PARTS_MAX;
use delta_apply::parse::{Format, Layout, Part, zstd};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A skippable frame starts with one of sixteen numbers, and says its length.
const SKIPPABLE: u32 = 0x184D_2A50;
const SKIPPABLE_HEADER: usize = 8;

/// All frames that stand in `bytes`, in order.
pub(super) fn frames(bytes: &[u8]) -> Vec<Container> {
    let mut found: Vec<Container> = Vec::new();
    let mut at = 0;
    while let Some(step) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == MAGIC[0])) {
        at += step;
        match bytes[at..].starts_with(&MAGIC).then(|| chain(bytes, at)).flatten() {
            Some(container) => {
                at = container.range.end;
                found.push(container);
            }
            None => at += 1,
        }
    }
    found
}

/// The frames from `start` on, as many as a group may have.
fn chain(bytes: &[u8], start: usize) -> Option<Container> {
    let (mut parts, mut plain_bytes, mut at) = (Vec::new(), 0u64, start);
    // Bytes since the last frame, and how many of them are its checksum.
    let (mut raw, mut checksum) = (0u64, 0);
    while parts.len() + 3 <= PARTS_MAX {
        let rest = bytes.get(at..)?;
        if let Some(bytes) = skippable(rest).filter(|_| at > start) {
            (raw, at) = (raw + bytes as u64, at + bytes);
            continue;
        }
        let room = PLAIN_BYTES_MAX.saturating_sub(plain_bytes + raw);
        let Some(frame) = zstd::extent(rest, usize::try_from(room).ok()?) else { break };
        let length = frame.packed_bytes + frame.checksum_bytes;
        if length > rest.len() as u64 {
            break;
        }
        at += length as usize;
        if frame.plain_bytes == 0 {
            raw += length;
            continue;
        }
        if raw > 0 {
            parts.push(Part::Raw { bytes: raw });
        }
        parts.push(Part::Stream { packed_bytes: frame.packed_bytes });
        plain_bytes += raw + frame.plain_bytes;
        (raw, checksum) = (frame.checksum_bytes, frame.checksum_bytes);
    }
    // What follows the last frame that has plaintext is none of it, but for its checksum.
    let end = at - usize::try_from(raw - checksum).ok()?;
    if checksum > 0 {
        parts.push(Part::Raw { bytes: checksum });
    }
    let plain_bytes = usize::try_from(plain_bytes + checksum).ok().filter(|plain| *plain >= PLAIN_BYTES_MIN)?;
    let layout = Layout { format: Format::Zstd, align_log2: 0, is_filtered: false };
    Some(Container { range: start..end, codec: Codec::Group(layout, parts), plain_bytes, children: Vec::new() })
}

/// Bytes of the skippable frame that `bytes` start with.
fn skippable(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    (number(0)? & !15 == SKIPPABLE).then_some(())?;
    let length = SKIPPABLE_HEADER.checked_add(usize::try_from(number(4)?).ok()?)?;
    (length <= bytes.len()).then_some(length)
}
