//! The head of a bundle: read, verified, judged. Nothing here writes.

use super::{Error, Settings};
use crate::platform::{Source, SourceErrorKind};
use agent_machine::{Facts, Learned, Slot};
use delta_format::channel::ImageDigest;
use delta_format::container::{BundleLayout, Kind, PREFIX_BYTES, Prefix};
use delta_format::header::{BundleHeader, ImageId};
use delta_format::{Blake3, FormatError};
use delta_verify::{
    Device, Known, Refusal, TileError, TileReader, TrustRoot, Verified, blake3_of_parts, verify_bundle,
};

/// The bytes of a head: prefix, body and capsule.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
}

impl Head {
    /// Reads the head from a source. What cannot be a bundle is refused before more of it is read.
    pub(super) fn read(source: &mut dyn Source) -> Result<Self, Error> {
        let mut bytes = vec![0; PREFIX_BYTES];
        source.announce(0, PREFIX_BYTES as u64);
        source.read_at(0, &mut bytes).map_err(|error| match error.kind {
            SourceErrorKind::End => Refusal::Malformed(FormatError::Truncated).into(),
            _ => Error::from(error),
        })?;
        let prefix = Prefix::decode(&bytes, Kind::Bundle).map_err(Refusal::Malformed)?;
        bytes.resize(prefix.head_bytes(), 0);
        source.announce(PREFIX_BYTES as u64, bytes.len() as u64);
        source.read_at(PREFIX_BYTES as u64, &mut bytes[PREFIX_BYTES..])?;
        Ok(Self { bytes })
    }

    /// Names the bundle.
    pub(super) fn digest(&self) -> Blake3 {
        blake3_of_parts(&[&self.bytes])
    }

    /// Where the parts of the bundle stand.
    pub(super) fn layout(&self, header: &BundleHeader) -> BundleLayout {
        let prefix = Prefix::decode(&self.bytes, Kind::Bundle).expect("decoded when the head was read");
        BundleLayout::new(&prefix, header)
    }

    /// Proves the head.
    pub(super) fn verify(
        &self,
        trust: &TrustRoot,
        facts: &Facts,
        continuity: Continuity,
        source: &mut dyn Source,
    ) -> Result<Verified<BundleHeader>, Refusal> {
        continuity.judge(facts, |known| verify_bundle(&self.bytes, trust, known, Some(&mut Tiles(source))))
    }
}

/// Whether a file still has to show that its log continues what the device saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It has to.
    Required,
    /// The very same file showed it when its install began, and the journal says so. Heads learned since are newer than
    /// the file; connecting it with them takes tiles of the log, which a stick or a single URL may not have.
    ShownBefore,
}

impl Continuity {
    /// Verifies against what the device knows.
    pub(super) fn judge<T>(
        self,
        facts: &Facts,
        mut verify: impl FnMut(&Known<'_>) -> Result<Verified<T>, Refusal>,
    ) -> Result<Verified<T>, Refusal> {
        let time_floor = facts.time_floor;
        match verify(&Known { heads: &facts.heads, time_floor }) {
            Err(Refusal::LogConsistencyUnproven) if self == Self::ShownBefore => {
                verify(&Known { heads: &[], time_floor })
            }
            verdict => verdict,
        }
    }
}

/// What policy has to know of the device. `proven` is what the running slot was just read to hold, when the record does
/// not know.
pub(super) fn device<'a>(settings: &'a Settings, facts: &Facts, running: Slot, proven: Option<&ImageId>) -> Device<'a> {
    let image = facts.slot(running).image().or(proven);
    Device {
        product: &settings.product,
        hardware: &settings.hardware,
        running: image.map(|image| ImageDigest { length: image.length, blake3: image.blake3 }),
        version_floor: facts.version_floor,
        time_floor: facts.time_floor,
        memory_bytes_max: settings.memory_bytes_max,
    }
}

/// What a verified file teaches the device for good.
pub(super) fn learned<T>(verified: &Verified<T>) -> Learned {
    Learned { heads: verified.log_head().into_iter().collect(), time: verified.proven_time(), channel: None }
}

/// The same for one more file.
pub(super) fn learn_also<T>(learned: &mut Learned, verified: &Verified<T>) {
    learned.time = learned.time.max(verified.proven_time());
    // Of one log the larger head is kept, whatever the order.
    if let Some(head) = verified.log_head() {
        let _ = learned.heads.push(head);
    }
}

/// The log beside a bundle, as the verifier reads it.
pub(super) struct Tiles<'a>(pub(super) &'a mut dyn Source);

impl TileReader for Tiles<'_> {
    fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, TileError> {
        self.0.read_tile(path, out).map_err(|error| match error.kind {
            SourceErrorKind::Missing => TileError::Absent,
            _ => TileError::Unreadable,
        })
    }
}
