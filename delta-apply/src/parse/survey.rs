//! What the encoder of a delta finds out about a group: its plaintext, what each part makes of it, and its tokens.

#[cfg(any(feature = "encode", test))]
use super::x86;
#[cfg(any(feature = "encode", test))]
use super::{Format, Layout, Plaintext, UnpackError, Unpacked, lz4, unpack};
use super::{Part, Token, lzma, zstd};
use alloc::vec::Vec;

/// What the encoder knows of a group; a decoder's is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Its parts, and the bytes of plaintext of each.
    pub parts: Vec<(Part, u64)>,
    /// The tokens of all streams, one after the other.
    pub tokens: Vec<Token>,
    /// What else there is to say about LZMA streams.
    pub shapes: Vec<lzma::Shape>,
    /// What else there is to say about Zstandard frames.
    pub frames: Vec<zstd::Shape>,
}

#[cfg(any(feature = "encode", test))]
impl Survey {
    /// The track that a device makes of it.
    pub fn track(&self) -> Vec<u8> {
        use super::track::{BLOCK, FIRST};
        let mut frames = self.frames.iter();
        let (mut track, mut tokens) = (Vec::new(), self.tokens.iter());
        let mut start = Part::envelope_bytes(self.parts.iter().map(|(part, _)| part));
        let mut entry = |start: u64, distance: u32| {
            track.extend_from_slice(&(start as u32).to_le_bytes());
            track.extend_from_slice(&distance.to_le_bytes());
        };
        for (part, plain_bytes) in &self.parts {
            let end = start + plain_bytes;
            let (first, mut at) = (start, start);
            match part {
                Part::Envelope { .. } => continue,
                Part::Raw { .. } => entry(start, FIRST),
                Part::Stream { .. } => {
                    let mut ends = frames.next().into_iter().flat_map(zstd::Shape::block_ends).peekable();
                    let mut block = if ends.peek().is_some() { BLOCK } else { 0 };
                    while at < end {
                        let Some(token) = tokens.next() else { break };
                        while ends.next_if(|end| first + end <= at).is_some() {
                            block = BLOCK;
                        }
                        let is_first = at == first && token.distance == 0;
                        let distance = if is_first { FIRST } else { token.distance };
                        entry(at, distance | core::mem::take(&mut block));
                        at += u64::from(token.length);
                    }
                }
            }
            start = end;
        }
        track
    }
}

/// Opens a group of `plain_bytes` at most: its plaintext, and how it is made again. `None` when it cannot be made again
/// bit for bit.
#[cfg(any(feature = "encode", test))]
pub fn survey(layout: Layout, parts: &[Part], packed: &[u8], plain_bytes: u64) -> Option<(Vec<u8>, Survey)> {
    let mut all = Collected { plain_bytes, ..Collected::default() };
    let mut survey = Survey::default();
    let (mut at, mut again, mut envelope) = (0usize, Vec::new(), 0);
    let envelopes = Part::envelope_bytes(parts);
    if envelopes > plain_bytes.min(packed.len() as u64) {
        return None;
    }
    all.plain.resize(envelopes as usize, 0);
    for part in parts {
        if let Part::Envelope { bytes } = *part {
            let bytes = packed.get(at..)?.get(..usize::try_from(bytes).ok()?)?;
            all.plain[envelope..envelope + bytes.len()].copy_from_slice(bytes);
            again.extend_from_slice(bytes);
            survey.parts.push((*part, 0));
            (at, envelope) = (at + bytes.len(), envelope + bytes.len());
            continue;
        }
        if let (Format::Zstd, Part::Stream { packed_bytes }) = (layout.format, *part) {
            let frame = packed.get(at..)?.get(..usize::try_from(packed_bytes).ok()?)?;
            let one = zstd::survey(frame, (plain_bytes - all.plain.len() as u64) as usize)?;
            survey.parts.push((*part, one.plain.len() as u64));
            survey.frames.push(one.shape);
            all.plain.extend_from_slice(&one.plain);
            all.tokens.extend_from_slice(&one.tokens);
            again.extend_from_slice(frame);
            at += frame.len();
            continue;
        }
        if let (Format::Lzma, Part::Stream { packed_bytes }) = (layout.format, *part) {
            let stream = packed.get(at..)?.get(..usize::try_from(packed_bytes).ok()?)?;
            let one = lzma::survey(stream, (plain_bytes - all.plain.len() as u64) as usize)?;
            survey.parts.push((*part, one.plain.len() as u64));
            survey.shapes.push(one.shape);
            let mut plain = one.plain;
            if layout.is_filtered {
                let filtered = plain.clone();
                x86::Filter::new(false).convert(&mut plain);
                let mut again = plain.clone();
                x86::Filter::new(true).convert(&mut again);
                if again != filtered {
                    return None;
                }
            }
            all.plain.extend_from_slice(&plain);
            all.tokens.extend_from_slice(&one.tokens);
            again.extend_from_slice(stream);
            at += stream.len();
            continue;
        }
        let (from, tokens) = (all.plain.len(), all.tokens.len());
        let input = |place: u64| Slice(packed.get(at.saturating_add(place as usize)..).unwrap_or(&[]));
        unpack(layout, core::slice::from_ref(part), input, &mut all).ok()?;
        all.end_run();
        let plain_bytes = (all.plain.len() - from) as u64;
        survey.parts.push((*part, plain_bytes));
        match *part {
            Part::Raw { bytes } | Part::Envelope { bytes } => {
                all.tokens.truncate(tokens);
                at += usize::try_from(bytes).ok()?;
                again.extend_from_slice(&all.plain[from..]);
            }
            Part::Stream { packed_bytes } => {
                let zeros = usize::try_from(layout.zeros(packed_bytes)).ok()?;
                at += zeros + usize::try_from(packed_bytes).ok()?;
                again.resize(again.len() + zeros, 0);
                write(&all.tokens[tokens..], from as u64, &all.plain, packed_bytes, &mut again)?;
            }
        }
    }
    survey.tokens = all.tokens;
    (packed.get(..at) == Some(&again[..])).then_some((all.plain, survey))
}

/// Packs one stream as a device does, from `at` of the plaintext on.
#[cfg(any(feature = "encode", test))]
fn write(tokens: &[Token], mut at: u64, plain: &[u8], packed_bytes: u64, out: &mut Vec<u8>) -> Option<()> {
    let out = &mut Packed(out);
    let (mut writer, mut plain, start) = (lz4::Writer::default(), Slice(plain), at);
    let end = start + tokens.iter().map(|token| u64::from(token.length)).sum::<u64>();
    let (body, last) = match tokens.split_last() {
        Some((last, body)) if last.distance == 0 => (body, last.length),
        _ => (tokens, 0),
    };
    for token in body {
        if u64::from(token.distance) > at - start {
            return None;
        }
        writer.token(*token, at, &mut plain, out).ok()?;
        at += u64::from(token.length);
    }
    if writer.last_run(packed_bytes) != last {
        return None;
    }
    writer.last(last);
    writer.finish(end, &mut plain, out).ok()
}

/// A group in memory.
#[cfg(any(feature = "encode", test))]
#[derive(Default)]
struct Collected {
    plain: Vec<u8>,
    tokens: Vec<Token>,
    plain_bytes: u64,
    stream: usize,
    run: u32,
}

#[cfg(any(feature = "encode", test))]
impl Collected {
    fn end_run(&mut self) {
        let length = core::mem::take(&mut self.run);
        if length > 0 {
            self.tokens.push(Token { length, distance: 0 });
        }
    }
}

#[cfg(any(feature = "encode", test))]
impl Unpacked for Collected {
    fn begin(&mut self) -> Result<(), UnpackError> {
        self.end_run();
        self.stream = self.plain.len();
        Ok(())
    }

    fn cut(&mut self) -> Result<(), UnpackError> {
        self.end_run();
        Ok(())
    }

    fn literal(&mut self, byte: u8) -> Result<(), UnpackError> {
        if self.left() == 0 {
            return Err(UnpackError::Invalid);
        }
        self.run += 1;
        self.plain.push(byte);
        Ok(())
    }

    fn repeat(&mut self, token: Token) -> Result<(), UnpackError> {
        let from = self.plain.len().checked_sub(token.distance as usize).filter(|from| *from >= self.stream);
        let from = from.ok_or(UnpackError::Invalid)?;
        if token.distance == 0 || u64::from(token.length) > self.left() {
            return Err(UnpackError::Invalid);
        }
        self.end_run();
        self.tokens.push(token);
        (from..from + token.length as usize).for_each(|at| self.plain.push(self.plain[at]));
        Ok(())
    }

    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError> {
        let at = self.plain.len().checked_sub(distance as usize).filter(|at| *at >= self.stream);
        at.and_then(|at| self.plain.get(at).copied()).ok_or(UnpackError::Invalid)
    }

    fn envelope(&mut self, _byte: u8) -> Result<(), UnpackError> {
        Err(UnpackError::Invalid)
    }

    fn unfilter(&mut self, start: u64) -> Result<(), UnpackError> {
        x86::Filter::new(false).convert(&mut self.plain[start as usize..]);
        Ok(())
    }

    fn made(&self) -> u64 {
        self.plain.len() as u64
    }

    fn left(&self) -> u64 {
        self.plain_bytes - self.plain.len() as u64
    }
}

/// Takes a stream.
#[cfg(any(feature = "encode", test))]
struct Packed<'a>(&'a mut Vec<u8>);

/// Bytes in memory.
#[cfg(any(feature = "encode", test))]
struct Slice<'a>(&'a [u8]);

#[cfg(any(feature = "encode", test))]
impl crate::deflate::Input for Slice<'_> {
    type Error = crate::io::IoError;

    fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        let (now, later) = self.0.split_at(self.0.len().min(out.len()));
        out[..now.len()].copy_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}

#[cfg(any(feature = "encode", test))]
impl Plaintext for Slice<'_> {
    fn byte(&mut self, at: u64) -> Result<u8, UnpackError> {
        usize::try_from(at).ok().and_then(|at| self.0.get(at).copied()).ok_or(UnpackError::Invalid)
    }
}

#[cfg(any(feature = "encode", test))]
impl crate::deflate::Sink for Packed<'_> {
    type Error = UnpackError;

    fn push(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::track::{Recorder, Store};
    use super::*;
    use crate::io::IoError;
    use proptest::prelude::*;

    struct Memory<'a>(&'a mut Vec<u8>);

    impl Store for Memory<'_> {
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), IoError> {
            let end = at as usize + bytes.len();
            if self.0.len() < end {
                self.0.resize(end, 0);
            }
            self.0[at as usize..end].copy_from_slice(bytes);
            Ok(())
        }

        fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), IoError> {
            out.copy_from_slice(&self.0[at as usize..at as usize + out.len()]);
            Ok(())
        }
    }

    /// A block of any tokens: runs of literals, each but the last followed by a match.
    fn block(plain: &mut Vec<u8>, tokens: &[(Vec<u8>, u32, u32)], last: &[u8]) -> Vec<u8> {
        let (mut writer, mut bytes, start) = (lz4::Writer::default(), Vec::new(), plain.len());
        let mut out = Packed(&mut bytes);
        for (literals, length, back) in tokens {
            plain.extend_from_slice(literals);
            let room = (plain.len() - start).min(65535) as u32;
            if room == 0 {
                continue;
            }
            let token = Token { length: *length, distance: back % room + 1 };
            let run = Token { length: literals.len() as u32, distance: 0 };
            writer.token(run, 0, &mut Slice(plain), &mut out).expect("a run");
            writer.token(token, plain.len() as u64, &mut Slice(plain), &mut out).expect("a match");
            let from = plain.len() - token.distance as usize;
            (from..from + *length as usize).for_each(|at| plain.push(plain[at]));
        }
        plain.extend_from_slice(last);
        writer.last(last.len() as u32);
        writer.finish(plain.len() as u64, &mut Slice(plain), &mut out).expect("an end");
        bytes
    }

    proptest! {
        /// Blocks of any tokens are surveyed, made again, and leave the track that the survey says.
        #[test]
        fn groups_round_trip(
            blocks in proptest::collection::vec(
                (
                    proptest::collection::vec((proptest::collection::vec(1u8.., 0..40), 4u32..600, any::<u32>()), 0..40),
                    proptest::collection::vec(any::<u8>(), 1..300),
                ),
                1..4,
            ),
            align_log2 in 0u8..6,
        ) {
            let layout = Layout { format: Format::Lz4, align_log2, is_filtered: false };
            // Envelopes come first in the plaintext.
            let mut plain = b"<>".repeat(blocks.len());
            let (mut packed, mut parts) = (Vec::new(), Vec::new());
            for (tokens, last) in &blocks {
                packed.extend_from_slice(b"<>");
                parts.push(Part::Envelope { bytes: 2 });
                plain.extend_from_slice(b"raw");
                packed.extend_from_slice(b"raw");
                parts.push(Part::Raw { bytes: 3 });
                let block = block(&mut plain, tokens, last);
                packed.resize(packed.len() + layout.zeros(block.len() as u64) as usize, 0);
                packed.extend_from_slice(&block);
                parts.push(Part::Stream { packed_bytes: block.len() as u64 });
            }
            let (opened, survey) = survey(layout, &parts, &packed, plain.len() as u64).expect("it is made again");
            prop_assert_eq!(&opened, &plain);
            let track = survey.track();
            let mut stored = Vec::new();
            let mut out = Recorder::new(Memory(&mut stored), plain.len() as u64, 2 * blocks.len() as u64, track.len() as u64 / 8);
            let input = |at: u64| Slice(&packed[at as usize..]);
            unpack(layout, &parts, input, &mut out).expect("it is one");
            out.finish().expect("as announced");
            prop_assert_eq!(stored, [plain, track].concat());
        }

        /// So are Zstandard frames, behind each other and with bytes between them.
        #[test]
        fn frames_leave_their_track(
            plains in proptest::collection::vec((0usize..300_000, 1usize..500, -3i32..20), 1..4),
        ) {
            let layout = Layout { format: Format::Zstd, align_log2: 0, is_filtered: false };
            let (mut plain, mut packed, mut parts) = (Vec::new(), Vec::new(), Vec::new());
            for (bytes, step, level) in plains {
                plain.extend_from_slice(b"raw");
                packed.extend_from_slice(b"raw");
                parts.push(Part::Raw { bytes: 3 });
                let piece: Vec<u8> = (0..=bytes).map(|at| (at / step * at % 251) as u8).collect();
                let frame = ::zstd::bulk::compress(&piece, level).expect("memory is enough");
                parts.push(Part::Stream { packed_bytes: frame.len() as u64 });
                packed.extend_from_slice(&frame);
                plain.extend_from_slice(&piece);
            }
            let (opened, survey) = survey(layout, &parts, &packed, plain.len() as u64).expect("it is made again");
            prop_assert_eq!(&opened, &plain);
            let track = survey.track();
            let mut stored = Vec::new();
            let mut out = Recorder::new(Memory(&mut stored), plain.len() as u64, 0, track.len() as u64 / 8);
            unpack(layout, &parts, |at: u64| Slice(&packed[at as usize..]), &mut out).expect("it is one");
            out.finish().expect("as announced");
            prop_assert!(stored == [plain, track].concat());
        }

        /// Any bytes as a block: plaintext, or an error.
        #[test]
        fn noise_is_refused_or_unpacked(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let layout = Layout { format: Format::Lz4, align_log2: 0, is_filtered: false };
            let parts = [Part::Stream { packed_bytes: noise.len() as u64 }];
            if let Some((plain, survey)) = survey(layout, &parts, &noise, 5000) {
                prop_assert!(plain.len() <= 5000 && survey.parts.len() == 1);
            }
        }
    }
}
