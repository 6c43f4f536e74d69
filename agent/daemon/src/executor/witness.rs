//! Values that prove that a step was taken. Each has one maker, so an order of calls that would risk a device does not
//! compile: writing takes an [`Inactive`], arming takes a [`Proven`], committing takes a [`Healthy`]. None of them is
//! stored; after a restart they are earned again.

use crate::platform::{Health, HealthCheck, IoError, Slots, Watcher};
use agent_machine::Slot;
use delta_apply::{Cancelled, ReadBack, ReadBackError, read_back};
use delta_format::header::ImageId;

/// A slot that this system does not run from.
#[derive(Debug, PartialEq, Eq)]
pub struct Inactive {
    slot: Slot,
}

impl Inactive {
    /// Compares `slot` with the running slot.
    ///
    /// # Errors
    /// `None` inside when it is the running one; [`IoError`] when the running slot cannot be told.
    pub fn claim(slots: &mut impl Slots, slot: Slot) -> Result<Option<Self>, IoError> {
        Ok((slots.running()? != slot).then_some(Self { slot }))
    }

    /// Which one.
    pub fn slot(&self) -> Slot {
        self.slot
    }
}

/// An inactive slot that was read back from the medium and holds a known image.
#[derive(Debug)]
pub struct Proven {
    inactive: Inactive,
    read_back: ReadBack,
}

impl Proven {
    /// Reads the slot back. The slot is opened here, so the proof is of this slot and no other.
    ///
    /// # Errors
    /// [`ReadBackError`].
    pub fn read_back(
        slots: &mut impl Slots,
        inactive: Inactive,
        image: &ImageId,
        observer: &mut impl delta_apply::Observer,
    ) -> Result<Self, ReadBackError> {
        let mut medium = slots.open_medium(inactive.slot).map_err(ReadBackError::Io)?;
        let read_back = read_back(&mut medium, image, observer)?;
        Ok(Self { inactive, read_back })
    }

    /// Which slot.
    pub fn slot(&self) -> Slot {
        self.inactive.slot
    }

    /// The image that it holds.
    pub fn image(&self) -> &ImageId {
        self.read_back.image()
    }
}

/// The running slot, after its health checks passed or an operator vouched for it.
#[derive(Debug)]
pub struct Healthy {
    slot: Slot,
}

impl Healthy {
    /// Runs the checks on the running system.
    ///
    /// # Errors
    /// [`Cancelled`]; the inner error is what a failed check said.
    pub fn check(
        running: Slot,
        health: &mut impl HealthCheck,
        watcher: &mut dyn Watcher,
    ) -> Result<Result<Self, String>, Cancelled> {
        Ok(match health.check(watcher)? {
            Health::Good => Ok(Self { slot: running }),
            Health::Bad { detail } => Err(detail),
        })
    }

    /// An operator typed `commit` on the running system.
    pub fn vouched(running: Slot) -> Self {
        Self { slot: running }
    }

    /// The running slot.
    pub fn slot(&self) -> Slot {
        self.slot
    }
}
