//! The track: what an encoder decided, token by token, behind the plaintext that it belongs to.
//!
//! An entry is where a token starts in the group's plaintext and its distance, eight bytes in all. A token ends where the
//! next one starts. The highest bit of a distance says that a block starts with it.

use super::{Token, UnpackError, Unpacked, x86};
use crate::io::{IoError, ReadAt};
use alloc::boxed::Box;
use alloc::vec;

/// Bytes of an entry.
pub const ENTRY_BYTES: u64 = 8;
/// Stands for the distance of literals that a stream or a raw part starts with.
pub(super) const FIRST: u32 = u32::MAX;
/// Is set where a block starts.
pub(super) const BLOCK: u32 = 1 << 31;
/// Entries that are read or written at once.
const ENTRIES: usize = 128;
/// Plaintext that is kept in memory, and written at once.
const WINDOW: usize = 1 << 16;
const PIECE: usize = 1 << 12;

/// The track of one group in the virtual base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Where its plaintext starts; the entries are behind it.
    pub start: u64,
    /// Bytes of its plaintext.
    pub plain_bytes: u32,
    /// Entries.
    pub entries: u32,
}

/// Where plaintext and track are written: places count from the start of the plaintext.
pub trait Store {
    /// Writes `bytes` at `at`.
    ///
    /// # Errors
    /// [`IoError`].
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), IoError>;

    /// Reads what was written.
    ///
    /// # Errors
    /// [`IoError`].
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), IoError>;
}

/// Writes plaintext and track of a group.
#[derive(Debug)]
pub struct Recorder<S> {
    store: S,
    plain_bytes: u64,
    entries: u64,
    window: Box<[u8; WINDOW]>,
    track: Box<[u8; ENTRIES * ENTRY_BYTES as usize]>,
    /// Bytes made, and how many of them are written; tokens made.
    made: u64,
    written: u64,
    tokens: u64,
    /// Where the next byte of an envelope goes, and where the plaintext of streams starts.
    envelope: u64,
    envelopes: u64,
    /// Where the stream starts, and the literals at the end.
    stream: u64,
    run: u64,
    /// Whether a block starts with the next token.
    block: u32,
}

impl<S: Store> Recorder<S> {
    /// For a group of so many bytes, so many of them in envelopes, and so many tokens.
    pub fn new(store: S, plain_bytes: u64, envelopes: u64, entries: u64) -> Self {
        let track = vec![0; ENTRIES * ENTRY_BYTES as usize].into_boxed_slice();
        let window = vec![0; WINDOW].into_boxed_slice();
        Self {
            store,
            plain_bytes,
            entries,
            window: window.try_into().unwrap_or_else(|_| Box::new([0; WINDOW])),
            track: track.try_into().unwrap_or_else(|_| Box::new([0; ENTRIES * ENTRY_BYTES as usize])),
            made: envelopes,
            written: envelopes,
            tokens: 0,
            envelope: 0,
            envelopes,
            stream: envelopes,
            run: 0,
            block: 0,
        }
    }

    /// Everything is made.
    ///
    /// # Errors
    /// [`UnpackError::Invalid`] when it is not as much as was announced; that of the store.
    pub fn finish(mut self) -> Result<(), UnpackError> {
        self.end_run()?;
        let whole = self.tokens - self.tokens % ENTRIES as u64;
        self.write_track(whole, (self.tokens - whole) as usize)?;
        self.flush()?;
        if self.envelope == self.envelopes && self.made == self.plain_bytes && self.tokens == self.entries {
            Ok(())
        } else {
            Err(UnpackError::Invalid)
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), UnpackError> {
        self.window[self.made as usize % WINDOW] = byte;
        self.made += 1;
        if self.made.is_multiple_of(PIECE as u64) { self.flush() } else { Ok(()) }
    }

    /// Writes the plaintext that is not written yet: less than a piece, or one.
    fn flush(&mut self) -> Result<(), UnpackError> {
        let bytes = (self.made - self.written) as usize;
        let from = self.written as usize % WINDOW;
        // Pieces do not wrap: they start at multiples of their length.
        let piece = self.window.get(from..from + bytes).ok_or(UnpackError::Invalid)?;
        self.store.write(self.written, piece)?;
        self.written = self.made;
        Ok(())
    }

    fn entry(&mut self, start: u64, distance: u32) -> Result<(), UnpackError> {
        if self.tokens == self.entries {
            return Err(UnpackError::Invalid);
        }
        let at = (self.tokens % ENTRIES as u64 * ENTRY_BYTES) as usize;
        self.track[at..at + 4].copy_from_slice(&(start as u32).to_le_bytes());
        let distance = distance | core::mem::take(&mut self.block);
        self.track[at + 4..at + 8].copy_from_slice(&distance.to_le_bytes());
        self.tokens += 1;
        if self.tokens.is_multiple_of(ENTRIES as u64) {
            self.write_track(self.tokens - ENTRIES as u64, ENTRIES)?;
        }
        Ok(())
    }

    fn write_track(&mut self, first: u64, entries: usize) -> Result<(), UnpackError> {
        let at = self.plain_bytes + first * ENTRY_BYTES;
        Ok(self.store.write(at, &self.track[..entries * ENTRY_BYTES as usize])?)
    }

    fn end_run(&mut self) -> Result<(), UnpackError> {
        let run = core::mem::take(&mut self.run);
        if run > 0 {
            let start = self.made - run;
            self.entry(start, if start == self.stream { FIRST } else { 0 })?;
        }
        Ok(())
    }
}

impl<S: Store> Unpacked for Recorder<S> {
    fn begin(&mut self) -> Result<(), UnpackError> {
        self.end_run()?;
        (self.stream, self.block) = (self.made, 0);
        Ok(())
    }

    fn cut(&mut self) -> Result<(), UnpackError> {
        self.end_run()?;
        self.block = BLOCK;
        Ok(())
    }

    fn literal(&mut self, byte: u8) -> Result<(), UnpackError> {
        if self.left() == 0 {
            return Err(UnpackError::Invalid);
        }
        self.run += 1;
        self.push(byte)
    }

    fn repeat(&mut self, token: Token) -> Result<(), UnpackError> {
        let distance = u64::from(token.distance);
        if distance == 0 || distance > self.made - self.stream || u64::from(token.length) > self.left() {
            return Err(UnpackError::Invalid);
        }
        self.end_run()?;
        self.entry(self.made, token.distance)?;
        let mut left = u64::from(token.length);
        while left > 0 && distance >= WINDOW as u64 {
            let mut piece = [0; 64];
            // What is that far back is written: less than a piece is not.
            let bytes = left.min(piece.len() as u64) as usize;
            self.store.read(self.made - distance, &mut piece[..bytes])?;
            piece[..bytes].iter().try_for_each(|byte| self.push(*byte))?;
            left -= bytes as u64;
        }
        for _ in 0..left {
            let byte = self.window[(self.made - distance) as usize % WINDOW];
            self.push(byte)?;
        }
        Ok(())
    }

    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError> {
        let distance = u64::from(distance);
        if distance == 0 || distance > self.made - self.stream {
            return Err(UnpackError::Invalid);
        }
        if distance <= WINDOW as u64 {
            return Ok(self.window[(self.made - distance) as usize % WINDOW]);
        }
        let mut byte = [0];
        self.store.read(self.made - distance, &mut byte)?;
        Ok(byte[0])
    }

    fn envelope(&mut self, byte: u8) -> Result<(), UnpackError> {
        if self.envelope == self.envelopes {
            return Err(UnpackError::Invalid);
        }
        self.store.write(self.envelope, &[byte])?;
        self.envelope += 1;
        Ok(())
    }

    fn unfilter(&mut self, start: u64) -> Result<(), UnpackError> {
        self.flush()?;
        x86::Filter::new(false).run(&mut self.store, start, self.made)?;
        Ok(())
    }

    fn made(&self) -> u64 {
        self.made
    }

    fn left(&self) -> u64 {
        self.plain_bytes.saturating_sub(self.made)
    }
}

/// What the base's encoder did at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The token there, from the place on.
    pub(super) token: Token,
    /// Whether the token starts at the place, and how many bytes before it did.
    pub(super) starts: bool,
    pub(super) into: u64,
    /// Whether a block starts with the token.
    pub(super) cuts: bool,
    /// Bytes from the start of its stream, as far as that was seen.
    pub(super) age: u32,
}

/// Reads the tracks of a virtual base, best from left to right.
#[derive(Debug)]
pub(super) struct Reader {
    track: Track,
    /// The entry at work, from its start to its end, and where its stream starts.
    entry: u32,
    start: u32,
    end: u32,
    distance: u32,
    cuts: bool,
    stream: u32,
    /// Entries that are read already, from this one on.
    buffer: Box<[u8]>,
    first: u32,
    held: u32,
}

impl Reader {
    pub(super) const BYTES: usize = ENTRIES * ENTRY_BYTES as usize;

    pub(super) fn new() -> Self {
        let track = Track { start: 0, plain_bytes: 0, entries: 0 };
        let buffer = vec![0; Self::BYTES].into_boxed_slice();
        Self { track, entry: 0, start: 0, end: 0, distance: 0, cuts: false, stream: 0, buffer, first: 0, held: 0 }
    }

    /// What was decided at `at`, a place of the virtual base. `tracks` are in order.
    pub(super) fn at(&mut self, base: &mut impl ReadAt, tracks: &[Track], at: u64) -> Result<Option<Known>, IoError> {
        let within = |track: &Track| at.checked_sub(track.start).filter(|place| *place < track.plain_bytes.into());
        let place = match within(&self.track) {
            Some(place) => place as u32,
            None => {
                let next = tracks.partition_point(|track| track.start <= at);
                let Some(track) = next.checked_sub(1).map(|last| tracks[last]) else { return Ok(None) };
                let Some(place) = within(&track).filter(|_| track.entries > 0) else { return Ok(None) };
                (self.track, self.held) = (track, 0);
                self.go(base, 0)?;
                place as u32
            }
        };
        // Near by step by step, else by halves.
        let mut steps = 0;
        while (place >= self.end || place < self.start) && steps < 16 {
            let entry = if place < self.start { self.entry.saturating_sub(1) } else { self.entry + 1 };
            self.go(base, entry)?;
            steps += 1;
        }
        if place < self.start || place >= self.end {
            let (mut low, mut high) = (0, self.track.entries);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if self.read(base, middle)?.0 <= place { low = middle } else { high = middle }
            }
            self.go(base, low)?;
            self.stream = 0;
        }
        let skipped = place - self.start.min(place);
        let token = Token { length: self.end.saturating_sub(place).max(1), distance: self.distance };
        let age = place.saturating_sub(self.stream);
        Ok(Some(Known { token, starts: skipped == 0, into: skipped.into(), cuts: self.cuts, age }))
    }

    /// Makes `entry` the one at work; behind the last one nothing is.
    fn go(&mut self, base: &mut impl ReadAt, entry: u32) -> Result<(), IoError> {
        let entry = entry.min(self.track.entries.saturating_sub(1));
        let (start, distance) = self.read(base, entry)?;
        let end = match entry + 1 < self.track.entries {
            true => self.read(base, entry + 1)?.0,
            false => self.track.plain_bytes,
        };
        if distance == FIRST {
            self.stream = start;
        }
        (self.entry, self.start, self.end) = (entry, start, end);
        self.cuts = distance & BLOCK > 0;
        self.distance = if distance == FIRST { 0 } else { distance & !BLOCK };
        Ok(())
    }

    /// An entry of the track, which has it.
    fn read(&mut self, base: &mut impl ReadAt, entry: u32) -> Result<(u32, u32), IoError> {
        if entry < self.first || entry >= self.first + self.held {
            // A few before it, for steps back.
            self.first = entry.saturating_sub(ENTRIES as u32 / 8);
            self.held = (self.track.entries - self.first).min(ENTRIES as u32);
            let at = self.track.start + u64::from(self.track.plain_bytes) + u64::from(self.first) * ENTRY_BYTES;
            base.read_at(at, &mut self.buffer[..self.held as usize * ENTRY_BYTES as usize])?;
        }
        let at = ((entry - self.first) * ENTRY_BYTES as u32) as usize;
        let number = |at: usize| self.buffer[at..].first_chunk().copied().map_or(0, u32::from_le_bytes);
        Ok((number(at), number(at + 4)))
    }
}
