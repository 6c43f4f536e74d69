//! Makes the streams of a group again: its plaintext and the base's tracks in, tokens in between, streams out.

use super::find::{DEEP, Finder, Found, History, Reading, SHALLOW};
use super::models::{Guess, Models, RECENT};
use super::origins::{InWorkspace, Origins, Places, around, led};
use super::track::{Known, Reader, Track};
use super::{Format, Layout, Part, Survey, Token, UnpackError, lz4, lzma, predict, x86, zstd};
use crate::coding::coder::{BitCoder, Purpose};
use crate::coding::{Trust, Workspace};
use crate::deflate::Sink;
use crate::io::ReadAt;
use alloc::boxed::Box;

/// Tokens of the base that a run of literals is followed through.
const RUN_TOKENS: usize = 4;

/// Makes groups. Keep it: its memory serves one after the other.
pub(crate) struct Packer {
    history: History,
    finder: Finder,
    reader: Reader,
    writer: lz4::Writer,
    /// For LZMA, once there is any.
    lzma: Option<Box<(lzma::Writer, predict::Predictor)>>,
    /// For Zstandard.
    zstd: Option<Box<(zstd::Writer, predict::Predictor)>>,
    /// Filters the stream at work, and how far it came.
    filter: x86::Filter,
    filtered: u64,
    /// A token of LZMA or Zstandard that is coded, but not written before all of its plaintext is there, and its place.
    waiting: Option<(Token, u64)>,
    layout: Layout,
    /// Where the plaintext at work is, and where it ends.
    at: u64,
    end: u64,
    /// Bytes of the envelopes in front of the plaintext, once they are known; where the next one is.
    envelopes: Option<u64>,
    envelope: u64,
    /// The part at work: raw bytes that are left and whether they are an envelope, or the stream's length.
    raw: u64,
    in_envelope: bool,
    packed_bytes: u64,
    last_packed_bytes: u64,
    in_stream: bool,
    /// The stream ends at the place at work.
    closes: bool,
    was_raw: bool,
    stream: u64,
    after_run: bool,
    recent: [u32; RECENT],
    /// What the encoder did: parts, tokens.
    part: usize,
    token: usize,
    streams: usize,
    stream_end: u64,
    /// The copy at work.
    copy: usize,
}

impl Packer {
    /// Bytes that it allocates at most: one format at a time has memory.
    pub(crate) const BYTES: u64 = {
        let writers = [
            Finder::BYTES,
            lzma::Writer::BYTES + predict::Predictor::BYTES,
            zstd::Writer::BYTES + predict::Predictor::BYTES,
        ];
        let (mut most, mut at) = (0, 0);
        while at < writers.len() {
            most = if writers[at] > most { writers[at] } else { most };
            at += 1;
        }
        (History::BYTES + Reader::BYTES + most + size_of::<Self>()) as u64
    };

    pub(crate) fn new() -> Self {
        Self {
            history: History::new(),
            finder: Finder::new(),
            reader: Reader::new(),
            writer: lz4::Writer::default(),
            lzma: None,
            zstd: None,
            filter: x86::Filter::new(true),
            filtered: 0,
            waiting: None,
            layout: Layout { format: Format::Lz4, align_log2: 0, is_filtered: false },
            at: 0,
            end: 0,
            envelopes: None,
            envelope: 0,
            raw: 0,
            in_envelope: false,
            packed_bytes: 0,
            last_packed_bytes: 0,
            in_stream: false,
            closes: false,
            was_raw: false,
            stream: 0,
            after_run: false,
            recent: [0; RECENT],
            part: 0,
            token: 0,
            streams: 0,
            stream_end: 0,
            copy: 0,
        }
    }

    /// Starts a group of `plain_bytes`, whose plaintext is in the virtual base from `start` on.
    pub(crate) fn begin(&mut self, layout: Layout, start: u64, plain_bytes: u64) {
        self.history.begin(start);
        (self.layout, self.at, self.end) = (layout, 0, plain_bytes);
        (self.raw, self.packed_bytes, self.last_packed_bytes) = (0, 0, 0);
        (self.envelopes, self.envelope) = (None, 0);
        (self.in_stream, self.closes, self.was_raw) = (false, false, false);
        (self.part, self.token, self.streams, self.recent) = (0, 0, 0, [0; RECENT]);
        self.waiting = None;
        if layout.format != Format::Lz4 {
            self.finder.release();
        }
        if layout.format != Format::Lzma {
            self.lzma = None;
        }
        if layout.format != Format::Zstd {
            self.zstd = None;
        }
        if layout.format == Format::Zstd {
            let new = || Box::new((zstd::Writer::new(), predict::Predictor::new()));
            self.zstd.get_or_insert_with(new).1.begin_group();
        }
        if layout.format == Format::Lzma {
            let new = || Box::new((lzma::Writer::default(), predict::Predictor::new()));
            self.lzma.get_or_insert_with(new).1.begin_group();
        }
    }

    /// Everything is made and nothing is open.
    pub(crate) fn is_done(&self) -> bool {
        self.at == self.end && !self.in_stream && self.raw == 0 && self.envelopes == Some(self.envelope)
    }

    /// Makes what starts in the plaintext before `there`, all of which is in the virtual base. `there` is the end of the
    /// section that `origins` are of.
    #[allow(clippy::too_many_arguments, reason = "what a stream is made of, one by one")]
    pub(crate) fn section<C: BitCoder, B: Workspace, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        (base, tracks): (&mut B, &[Track]),
        origins: Origins<'_>,
        there: u64,
        given: &Survey,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        coder.account(Purpose::Containers);
        self.copy = 0;
        if self.envelopes.is_none() {
            let parts = given.parts.iter().map(|(part, _)| part);
            let bytes = models.envelopes.code(coder, Part::envelope_bytes(parts));
            if bytes > self.end {
                return Err(UnpackError::Invalid.into());
            }
            (self.envelopes, self.at) = (Some(bytes), bytes);
        }
        loop {
            let there = self.filter(base, there)?;
            self.history.fill(base, self.at, there)?;
            if coder.failed() {
                return Err(UnpackError::Invalid.into());
            }
            if self.at <= there {
                self.write_waiting(coder, models, base, given, sink)?;
            }
            // At the end of the plaintext a stream ends, and the last envelope may come.
            let comes = self.in_stream || self.envelopes > Some(self.envelope);
            if self.at > there || (self.at == there && !self.closes && !(comes && self.at == self.end)) {
                return Ok(());
            }
            if self.in_stream && self.layout.format == Format::Zstd {
                self.step_zstd(coder, models, (&mut *base, tracks), origins, given, sink)?;
            } else if self.in_stream && self.layout.format == Format::Lzma {
                self.step_lzma(coder, models, (&mut *base, tracks), origins, given, sink)?;
            } else if self.closes {
                self.close(base, sink)?;
            } else if self.raw > 0 {
                self.copy_raw(base, there, sink)?;
            } else if self.in_stream {
                self.step(coder, models, (&mut *base, tracks), origins, given, sink)?;
            } else {
                self.open(coder, models, given, sink)?;
            }
        }
    }

    /// Filters the stream at work as far as `there`; gives up to where the plaintext is as it is packed.
    fn filter<B: Workspace>(&mut self, base: &mut B, there: u64) -> Result<u64, UnpackError> {
        if !self.layout.is_filtered || !self.in_stream || self.filtered == self.stream_end {
            return Ok(there);
        }
        let there = there.min(self.stream_end);
        let mut plain = InWorkspace { base, start: self.history.start() };
        self.filtered = self.filter.run(&mut plain, self.filtered, there)?;
        if there == self.stream_end {
            // The last bytes are no operand.
            self.filtered = there;
        }
        Ok(self.filtered)
    }

    /// Writes the token of LZMA or Zstandard that was coded last.
    fn write_waiting<C: BitCoder, B: ReadAt, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut B,
        given: &Survey,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let Some((token, at)) = self.waiting.take() else { return Ok(()) };
        let mut plain = Reading { history: &self.history, base };
        if let Some(zstd) = &mut self.zstd {
            let models = &mut models.zstd.get_or_insert_default().0;
            let shape = given.frames.get(self.streams.wrapping_sub(1)).unwrap_or(&zstd::UNKNOWN);
            return Ok(zstd.0.token(coder, models, shape, token, at, &mut plain)?);
        }
        let Some(lzma) = &mut self.lzma else { return Ok(()) };
        lzma.0.token(coder, &mut models.lzma.get_or_insert_default().0, token, at, &mut plain, sink)
    }

    /// Codes one token of an LZMA stream, or ends it.
    fn step_lzma<C: BitCoder, B: ReadAt, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        (base, tracks): (&mut B, &[Track]),
        origins: Origins<'_>,
        given: &Survey,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let left = self.stream_end - self.at;
        let origin = if left > 0 { self.known(base, tracks, origins)? } else { None };
        let Some(lzma) = &mut self.lzma else { return Err(UnpackError::Invalid.into()) };
        if left == 0 {
            self.in_stream = false;
            return lzma.0.finish(self.at, sink);
        }
        let token = given.tokens.get(self.token).copied().unwrap_or_default();
        let place = predict::Place {
            at: self.at,
            age: self.at - self.stream,
            left,
            least: lzma::LENGTH_MIN,
            most: left.min(lzma::LENGTH_MAX.into()),
            after_run: self.after_run,
        };
        let models = &mut models.lzma.get_or_insert_default().1;
        let (reader, at) = (&mut self.reader, self.at);
        let around = |base: &mut B| around(reader, base, tracks, origins, origin, at);
        let token = lzma.1.token(coder, models, (&self.history, base), place, origin, around, token)?;
        Ok(self.wait(token, place)?)
    }

    /// Takes a token that was coded.
    fn wait(&mut self, token: Token, place: predict::Place) -> Result<(), UnpackError> {
        let is_sound = token.length > 0
            && u64::from(token.length) <= place.left
            && u64::from(token.distance) <= place.age
            && (token.distance > 0 || !self.after_run);
        if !is_sound {
            return Err(UnpackError::Invalid);
        }
        self.token += 1;
        self.after_run = token.distance == 0;
        self.waiting = Some((token, self.at));
        self.at += u64::from(token.length);
        Ok(())
    }

    /// What the base's encoder did where the place at work comes from.
    fn known<B: ReadAt>(
        &mut self,
        base: &mut B,
        tracks: &[Track],
        origins: Origins<'_>,
    ) -> Result<Option<predict::Origin>, UnpackError> {
        let Some((place, _)) = self.origin(origins) else { return Ok(None) };
        let Some(known) = self.reader.at(base, tracks, place)? else { return Ok(None) };
        let led = led(origins, place, known.token.distance, self.at - origins.start);
        Ok(Some(predict::Origin { place, known, led }))
    }

    /// Codes one token of a Zstandard frame, or ends a block.
    fn step_zstd<C: BitCoder, B: ReadAt, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        (base, tracks): (&mut B, &[Track]),
        origins: Origins<'_>,
        given: &Survey,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let origin = if self.at < self.stream_end { self.known(base, tracks, origins)? } else { None };
        let Some(zstd) = &mut self.zstd else { return Err(UnpackError::Invalid.into()) };
        let models = models.zstd.get_or_insert_default();
        let shape = given.frames.get(self.streams.wrapping_sub(1)).unwrap_or(&zstd::UNKNOWN);
        let cuts = origin.map(|origin| origin.known.starts && origin.known.cuts);
        if zstd.0.ends(coder, &mut models.0, shape, self.at, cuts) {
            self.after_run = false;
            self.in_stream = !zstd.0.end_block(coder, &mut models.0, shape, self.at, sink)?;
            return Ok(());
        }
        let left = zstd.0.left(self.at);
        let place = predict::Place {
            at: self.at,
            age: self.at - self.stream,
            left,
            least: zstd::MATCH_MIN,
            most: left,
            after_run: self.after_run,
        };
        let token = given.tokens.get(self.token).copied().unwrap_or_default();
        let (reader, at) = (&mut self.reader, self.at);
        let around = |base: &mut B| around(reader, base, tracks, origins, origin, at);
        let token = zstd.1.token(coder, &mut models.1, (&self.history, base), place, origin, around, token)?;
        Ok(self.wait(token, place)?)
    }

    fn copy_raw<B: ReadAt, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        base: &mut B,
        there: u64,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        use super::Plaintext;
        let mut piece = [0; 256];
        let at = if self.in_envelope { &mut self.envelope } else { &mut self.at };
        let room = if self.in_envelope { self.raw } else { there - *at };
        let bytes = self.raw.min(room).min(piece.len() as u64);
        let mut plain = Reading { history: &self.history, base };
        for byte in &mut piece[..bytes as usize] {
            *byte = plain.byte(*at)?;
            *at += 1;
        }
        self.raw -= bytes;
        sink.push(&piece[..bytes as usize])
    }

    /// Codes what the next part is.
    fn open<C: BitCoder, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        given: &Survey,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let (part, plain_bytes) = given.parts.get(self.part).copied().unwrap_or((Part::Raw { bytes: 0 }, 0));
        self.part += 1;
        let is_raw = models.is_raw[usize::from(self.was_raw)].code(coder, !matches!(part, Part::Stream { .. }));
        self.was_raw = is_raw;
        if is_raw {
            let bytes = if let Part::Raw { bytes } | Part::Envelope { bytes } = part { bytes } else { 0 };
            self.in_envelope = models.is_envelope.code(coder, matches!(part, Part::Envelope { .. }));
            self.raw = models.raw_bytes[usize::from(self.in_envelope)].code(coder, bytes);
            let room = match self.in_envelope {
                true => self.envelopes.unwrap_or(0) - self.envelope,
                false => self.end - self.at,
            };
            if self.raw == 0 || self.raw > room {
                return Err(UnpackError::Invalid.into());
            }
            return Ok(());
        }
        if let Some(lzma) = self.lzma.as_mut().filter(|_| self.layout.format == Format::Lzma) {
            let models = &mut models.lzma.get_or_insert_default().0;
            let shape = given.shapes.get(self.streams).unwrap_or(&lzma::UNKNOWN);
            self.streams += 1;
            self.stream_end = lzma.0.start(coder, models, shape, self.at)?;
            if self.stream_end > self.end {
                return Err(UnpackError::Invalid.into());
            }
            lzma.1.begin(self.at, [1; 4]);
            (self.stream, self.in_stream, self.after_run) = (self.at, true, false);
            if self.layout.is_filtered {
                (self.filter, self.filtered) = (x86::Filter::new(true), self.at);
                self.history.rewind(self.at);
            }
            return Ok(());
        }
        if let Some(zstd) = &mut self.zstd {
            let models = &mut models.zstd.get_or_insert_default().0;
            let shape = given.frames.get(self.streams).unwrap_or(&zstd::UNKNOWN);
            self.streams += 1;
            self.stream_end = zstd.0.start(coder, models, shape, self.at, sink)?;
            if self.stream_end > self.end {
                return Err(UnpackError::Invalid.into());
            }
            zstd.1.begin(self.at, [1, 4, 8, 0]);
            (self.stream, self.in_stream, self.after_run) = (self.at, true, false);
            return Ok(());
        }
        let packed_bytes = if let Part::Stream { packed_bytes } = part { packed_bytes } else { 0 };
        self.packed_bytes = match models.full.code(coder, packed_bytes == self.last_packed_bytes) {
            true => self.last_packed_bytes,
            false => models.packed_bytes.code(coder, packed_bytes),
        };
        self.last_packed_bytes = self.packed_bytes;
        let mut zeros = self.layout.zeros(self.packed_bytes);
        while zeros > 0 {
            let bytes = zeros.min(256);
            sink.push(&[0; 256][..bytes as usize])?;
            zeros -= bytes;
        }
        self.writer.start();
        self.finder.begin(self.at);
        (self.stream, self.stream_end) = (self.at, self.at + plain_bytes);
        (self.in_stream, self.after_run) = (true, false);
        Ok(())
    }

    /// Codes and writes one token, or the end of the stream.
    fn step<C: BitCoder, B: ReadAt, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        (base, tracks): (&mut B, &[Track]),
        origins: Origins<'_>,
        given: &Survey,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let token = given.tokens.get(self.token).copied().unwrap_or_default();
        let guess = self.guess(base, tracks, origins)?;
        if !self.after_run {
            let run = self.writer.last_run(self.packed_bytes);
            let [next, _] = guess.tokens;
            let needed = if next.distance == 0 { next.length + 8 } else { 8 };
            let room = (i64::from(run) - i64::from(needed) + 64).clamp(0, 127) as usize;
            let ends = token.distance == 0 && self.at + u64::from(token.length) == self.stream_end;
            let is_last = ends || self.at == self.stream_end;
            if models.last[room].code(coder, is_last) {
                self.token += usize::from(is_last && self.at < self.stream_end);
                return self.last_run(run);
            }
        }
        let most = self.end - self.at;
        let recent = self.recent;
        let mut places =
            Places { finder: &mut self.finder, history: &self.history, base: &mut *base, at: self.at, most };
        let token = models.token(coder, &guess, &recent, token, &mut places)?.ok_or(UnpackError::Invalid)?;
        let sound = token.length > 0
            && u64::from(token.length) <= most
            && u64::from(token.distance) <= self.at - self.stream
            && (token.distance > 0 || !self.after_run);
        if !sound {
            return Err(UnpackError::Invalid.into());
        }
        self.token += 1;
        self.after_run = token.distance == 0;
        if !self.after_run {
            let place = self.recent.iter().position(|known| *known == token.distance).unwrap_or(RECENT - 1);
            self.recent[..=place].rotate_right(1);
            self.recent[0] = token.distance;
        }
        let mut plain = Reading { history: &self.history, base };
        self.writer.token(token, self.at, &mut plain, sink)?;
        self.at += u64::from(token.length);
        Ok(())
    }

    /// The stream ends with a run of literals, once there is plaintext up to there.
    fn last_run<E: From<UnpackError>>(&mut self, run: u32) -> Result<(), E> {
        if u64::from(run) > self.end - self.at {
            return Err(UnpackError::Invalid.into());
        }
        self.writer.last(run);
        self.at += u64::from(run);
        self.closes = true;
        Ok(())
    }

    /// Ends the stream.
    fn close<B: ReadAt, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        base: &mut B,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let mut plain = Reading { history: &self.history, base };
        self.writer.finish(self.at, &mut plain, sink)?;
        (self.in_stream, self.closes) = (false, false);
        match self.writer.is_exactly(self.packed_bytes) {
            true => Ok(()),
            false => Err(UnpackError::Invalid.into()),
        }
    }

    /// What is expected at the place at work.
    fn guess<B: ReadAt>(&mut self, base: &mut B, tracks: &[Track], origins: Origins<'_>) -> Result<Guess, UnpackError> {
        let (at, most) = (self.at, self.end - self.at);
        let age = (at - self.stream).min(u32::MAX.into()) as u32;
        let mut guess = Guess { age, after_run: self.after_run, ..Guess::default() };
        let mut token = Token::default();
        if let Some((place, copied)) = self.origin(origins)
            && let Some(known) = self.reader.at(base, tracks, place)?
        {
            (guess.known, guess.is_known) = (known, true);
            if known.token.distance > 0 {
                (token, guess.fit) = self.source(base, origins, (place, at), known.token)?;
            } else if !self.after_run {
                let length = self.run(base, tracks, origins, place, known.token.length.into(), copied.min(most))?;
                token = Token { length: length.min(u32::MAX.into()) as u32, distance: 0 };
                guess.fit = u32::from(length != u64::from(known.token.length));
            }
        }
        // Where the base's encoder had what is not there any more, this one took what is the longest now.
        let is_lost = token.length == 0 || (token.distance > 0 && guess.fit & 1 == 1);
        let tries = if is_lost { DEEP } else { SHALLOW };
        guess.found = self.finder.longest(&self.history, base, at, (most, tries))?;
        let found = Token { length: guess.found.length as u32, distance: guess.found.distance as u32 };
        guess.tokens = match is_lost && found.length > token.length {
            true => [found, token],
            false if token.length == 0 => [found, Token::default()],
            false => [token, found],
        };
        Ok(guess)
    }

    /// A repetition of the base at `place`, led on to `at`: as much of it as is one there, and how that differs.
    fn source<B: ReadAt>(
        &mut self,
        base: &mut B,
        origins: Origins<'_>,
        (place, at): (u64, u64),
        known: Token,
    ) -> Result<(Token, u32), UnpackError> {
        let age = at - self.stream;
        // Where the copies say that the repeated bytes are now; else as far back as in the base.
        let led = place.checked_sub(known.distance.into()).and_then(|from| {
            let (to, trust) = origins.map.target(origins.copies, from);
            let back = (at - origins.start).wrapping_sub(to);
            (trust == Trust::Inside && back > 0).then_some(back)
        });
        let wanted = u64::from(known.length).min(self.end - at);
        let (mut best, mut fit) = (Found::default(), 9);
        for (way, back) in [led, Some(known.distance.into())].into_iter().enumerate() {
            let Some(back) = back.filter(|back| *back <= age && *back != best.distance) else { continue };
            if best.length == wanted {
                break;
            }
            let same = self.history.common(base, at, back, wanted + 1)?;
            if same.min(wanted) > best.length {
                best = Found { length: same.min(wanted), distance: back };
                fit = u32::from(same < wanted) | u32::from(same > wanted) << 1 | (way as u32) << 2;
            }
        }
        match best.length >= 4 && best.distance <= u32::MAX.into() {
            true => Ok((Token { length: best.length as u32, distance: best.distance as u32 }, fit)),
            false => Ok((Token::default(), 9)),
        }
    }

    /// Literals from the place at work on, up to a repetition of the base that is still one; `most` at most.
    fn run<B: ReadAt>(
        &mut self,
        base: &mut B,
        tracks: &[Track],
        origins: Origins<'_>,
        place: u64,
        mut length: u64,
        most: u64,
    ) -> Result<u64, UnpackError> {
        for _ in 0..RUN_TOKENS {
            if length >= most {
                return Ok(most);
            }
            let Some(Known { token, .. }) = self.reader.at(base, tracks, place + length)? else { break };
            if token.distance > 0 {
                let (still, _) = self.source(base, origins, (place + length, self.at + length), token)?;
                if still.length > 0 {
                    break;
                }
            }
            length += u64::from(token.length);
        }
        Ok(length)
    }

    /// Where the place at work comes from in the virtual base, and for how many bytes.
    fn origin(&mut self, origins: Origins<'_>) -> Option<(u64, u64)> {
        let at = self.at.checked_sub(origins.start)?;
        while origins.copies.get(self.copy).is_some_and(|copy| copy.end() <= at) {
            self.copy += 1;
        }
        let copy = origins.copies.get(self.copy).filter(|copy| u64::from(copy.target) <= at)?;
        Some((copy.diagonal().wrapping_add(at as i64) as u64, copy.end() - at))
    }
}
