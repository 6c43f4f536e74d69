//! Where plaintext and repetitions come from: what the base says of a place, and earlier places of the plaintext.
//!
//! In: the copies of a section, the tracks of the base, the history. Out: distances. It codes nothing.

use super::find::{Finder, Found, History};
use super::models::Matches;
use super::track::{Reader, Store, Track};
use super::{Token, UnpackError, predict};
use crate::coding::{AddressMap, SectionCopy, Trust, Workspace};
use crate::io::{IoError, ReadAt};

/// Where the plaintext of a section comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origins<'a> {
    pub(crate) copies: &'a [SectionCopy],
    pub(crate) map: &'a AddressMap,
    /// Where the section starts in the group's plaintext.
    pub(crate) start: u64,
}

/// How far back from `at`, in the section, the bytes are now that a token of the base at `place` repeats.
pub(super) fn led(origins: Origins<'_>, place: u64, distance: u32, at: u64) -> Option<u64> {
    let from = place.checked_sub(distance.into()).filter(|_| distance > 0)?;
    let (to, trust) = origins.map.target(origins.copies, from);
    (trust == Trust::Inside).then_some(at.wrapping_sub(to))
}

/// How far back the base's tokens behind and before the one at the origin lead.
pub(super) fn around<B: ReadAt>(
    reader: &mut Reader,
    base: &mut B,
    tracks: &[Track],
    origins: Origins<'_>,
    origin: Option<predict::Origin>,
    at: u64,
) -> Result<[u32; 2], UnpackError> {
    let mut around = [0; 2];
    let Some(predict::Origin { place: here, known, .. }) = origin else { return Ok(around) };
    let places = [here + u64::from(known.token.length), here.wrapping_sub(known.into + 1)];
    for (place, around) in places.into_iter().zip(&mut around) {
        if let Some(known) = reader.at(base, tracks, place)? {
            let there = (at - origins.start).wrapping_add(place).wrapping_sub(here);
            let back = led(origins, place, known.token.distance, there).unwrap_or(known.token.distance.into());
            *around = u32::try_from(back).unwrap_or(0);
        }
    }
    Ok(around)
}

/// Plaintext of a group in its workspace.
pub(super) struct InWorkspace<'a, B> {
    pub(super) base: &'a mut B,
    pub(super) start: u64,
}

impl<B: Workspace> Store for InWorkspace<'_, B> {
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.base.write_at(self.start + at, bytes)
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.base.read_at(self.start + at, out)
    }
}

/// Earlier places, for a token that was not guessed.
pub(super) struct Places<'a, B> {
    pub(super) finder: &'a mut Finder,
    pub(super) history: &'a History,
    pub(super) base: &'a mut B,
    pub(super) at: u64,
    pub(super) most: u64,
}

impl<B: ReadAt> Matches<UnpackError> for Places<'_, B> {
    fn longest_at(&mut self, distance: u32) -> Result<u32, UnpackError> {
        Ok(self.history.common(self.base, self.at, distance.into(), self.most.min(1 << 16))? as u32)
    }

    fn rank(&mut self, token: Token) -> Result<Option<u64>, UnpackError> {
        let token = Found { length: token.length.into(), distance: token.distance.into() };
        self.finder.rank(self.history, self.base, self.at, token)
    }

    fn ranked(&mut self, length: u32, rank: u64) -> Result<Option<u32>, UnpackError> {
        let distance = self.finder.ranked(self.history, self.base, self.at, length.into(), rank)?;
        Ok(distance.map(|distance| distance as u32))
    }
}
