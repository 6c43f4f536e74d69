//! Simulated sources: a network that breaks at any byte, and a stick.

use crate::bundles::releases;
use crate::platform::Shared;
use stella_agent::platform::{Locality, Source, SourceError, SourceErrorKind};

/// A bundle of [`releases`].
#[derive(Debug)]
pub struct SimSource {
    shared: Shared,
    image: usize,
    locality: Locality,
}

impl SimSource {
    /// The bundle that makes `image`.
    pub fn new(shared: &Shared, image: usize, locality: Locality) -> Self {
        let shared = shared.clone();
        Self { shared, image, locality }
    }
}

impl Source for SimSource {
    fn locality(&self) -> Locality {
        self.locality
    }

    fn origin(&self) -> &str {
        "https://sim.example/bundle.stella"
    }

    fn length(&mut self) -> Result<Option<u64>, SourceError> {
        Ok(Some(releases().bundles[self.image].len() as u64))
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        let releases = releases();
        let bundle = &releases.bundles[self.image];
        let failed = |kind| Err(SourceError::new(kind, "the simulated source failed"));
        self.shared.with(|world| {
            if let Err(error) = world.call() {
                return failed(match self.locality {
                    Locality::Remote => SourceErrorKind::Network,
                    Locality::Local => SourceErrorKind::Io(error),
                });
            }
            let wanted = out.len() as u64;
            let served = world.network_cut_after.map_or(wanted, |left| left.min(wanted));
            // Bytes of a group that is cut off are paid for all the same.
            let payload = releases.payload_at[self.image];
            world.payload_served += (offset + served).saturating_sub(payload.max(offset));
            if let Some(left) = &mut world.network_cut_after {
                *left -= served;
                if served < wanted {
                    world.network_cut_after = None;
                    world.interruptions += 1;
                    return failed(SourceErrorKind::Network);
                }
            }
            let start = offset as usize;
            match bundle.get(start..start + out.len()) {
                Some(bytes) => {
                    out.copy_from_slice(bytes);
                    Ok(())
                }
                None => failed(SourceErrorKind::End),
            }
        })
    }
}
