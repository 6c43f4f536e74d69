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

#[cfg(test)]
mod tests {
    use super::*;
    use delta_apply::parse::{Part, survey};

    /// A frame of two blocks: bytes as they are, and a run of `run` bytes.
    fn frame(raw: &[u8], run: u32, checksum: &[u8]) -> Vec<u8> {
        let block = |last: u32, kind: u32, bytes: u32| (last | kind << 1 | bytes << 3).to_le_bytes()[..3].to_vec();
        let header = [&MAGIC[..], &[if checksum.is_empty() { 0 } else { 4 }, 0x38]].concat();
        [header, block(0, 0, raw.len() as u32), raw.to_vec(), block(1, 1, run), vec![7], checksum.to_vec()].concat()
    }

    /// Frames are found wherever they are, together with those that follow, with their checksums, and with what is
    /// skipped between them; what is skipped behind the last one is not.
    #[test]
    fn frames_are_found() {
        let skipped = [&0x184D_2A53u32.to_le_bytes()[..], &5u32.to_le_bytes(), b"12345"].concat();
        let empty = [&MAGIC[..], &[0, 0x38, 1, 0, 0]].concat();
        let (one, two) = (frame(&[1; 300], 900, b"abcd"), frame(&[2; 50], 7000, b""));
        let file = [&one[..], &skipped, &empty, &two, &skipped].concat();
        let bytes = [b"before", &MAGIC[..], &file, b"between", &one].concat();
        let found = frames(&bytes);
        let [first, second] = &found[..] else { panic!("{found:?}") };
        let start = 6 + MAGIC.len();
        assert_eq!(first.range, start..start + file.len() - skipped.len());
        assert_eq!(second.range, bytes.len() - one.len()..bytes.len());
        let Codec::Group(layout, parts) = &first.codec else { panic!("a group") };
        let between = (4 + skipped.len() + empty.len()) as u64;
        let frame = |frame: &[u8], checksum: u64| Part::Stream { packed_bytes: frame.len() as u64 - checksum };
        assert_eq!(parts[..], [frame(&one, 4), Part::Raw { bytes: between }, frame(&two, 0)]);
        assert_eq!(first.plain_bytes as u64, 1200 + between + 7050);
        for container in &found {
            let Codec::Group(_, parts) = &container.codec else { panic!("a group") };
            let packed = &bytes[container.range.clone()];
            let (plain, _) = survey(*layout, parts, packed, container.plain_bytes as u64).expect("it is made again");
            assert_eq!(plain.len(), container.plain_bytes);
        }
    }

    /// Frames that are cut or need a dictionary are none.
    #[test]
    fn others_are_not_found() {
        let whole = frame(&[1; 300], 900, b"abcd");
        assert!((0..whole.len()).all(|end| frames(&whole[..end]).is_empty()));
        let mut foreign = whole;
        foreign[4] |= 1;
        assert!(frames(&foreign).is_empty());
    }
}
