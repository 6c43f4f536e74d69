//! Policy: may this device install a verified bundle, follow a verified index, or go back?
//!
//! In: verified files and facts about the device. Out: a permission that carries the floors to set after the commit, or
//! a [`Refusal`]. Pure: no clock (the time is the largest one that witnesses proved) and no memory of its own.

use crate::channel::Channel;
use crate::evidence::Verified;
use crate::refusal::Refusal;
use delta_format::channel::ImageDigest;
use delta_format::header::{BundleHeader, ImageId};
use delta_format::rollback::{Release, RollbackAttestation};
use delta_format::{Name, Version};

/// What a device knows about itself.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    /// Its product line.
    pub product: &'a Name,
    /// Its hardware.
    pub hardware: &'a Name,
    /// The image that runs, if it is known.
    pub running: Option<ImageDigest>,
    /// No version at or below it is installed without an attestation.
    pub version_floor: Version,
    /// The largest proven time so far, Unix seconds.
    pub time_floor: u64,
    /// Bytes of memory that applying may take.
    pub memory_bytes_max: u32,
}

/// The decision over a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may be installed.
    Install(Admitted),
    /// The running image is the bundle's target already.
    NothingToDo,
}

/// The permission to install a bundle, and the floors to keep once it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    version_floor: Version,
    time_floor: u64,
    rollback: bool,
}

impl Admitted {
    /// The version floor to set at the commit: the new version, or what the rollback attestation says.
    pub fn version_floor(&self) -> Version {
        self.version_floor
    }

    /// The time floor to set now; never below that of the device.
    pub fn time_floor(&self) -> u64 {
        self.time_floor
    }

    /// Whether a rollback attestation allowed it.
    pub fn is_rollback(&self) -> bool {
        self.rollback
    }
}

/// Decides whether `device` may install `bundle`. `rollback` is given when the operator asks to go back by this bundle;
/// then it must allow exactly this step.
///
/// # Errors
/// A [`Refusal`] of class [`crate::Class::Policy`].
pub fn admit(
    bundle: &Verified<BundleHeader>,
    device: &Device<'_>,
    rollback: Option<&Verified<RollbackAttestation>>,
) -> Result<Admission, Refusal> {
    if bundle.product != *device.product {
        return Err(Refusal::OtherProduct);
    }
    if !bundle.hardware.contains(device.hardware) {
        return Err(Refusal::OtherHardware);
    }
    let attested_time = rollback.map_or(0, Verified::proven_time);
    let proven = device.time_floor.max(bundle.proven_time()).max(attested_time);
    not_expired(bundle.expires, proven)?;
    let (needed, allowed) = (bundle.limits.memory_bytes, device.memory_bytes_max);
    if needed > allowed {
        return Err(Refusal::NeedsTooMuchMemory { needed, allowed });
    }
    if device.running == Some(digest(&bundle.target)) {
        return Ok(Admission::NothingToDo);
    }
    let version = bundle.version;
    let version_floor = match rollback {
        Some(attestation) => {
            let target = Release { version, image: bundle.target };
            if attestation.to != target {
                return Err(Refusal::RollbackForeign);
            }
            permit_step(attestation, device, proven)?;
            attestation.floor
        }
        None if version > device.version_floor => version,
        None if version == device.version_floor => return Err(Refusal::VersionNotNewer { version }),
        None => {
            let floor = device.version_floor;
            return Err(Refusal::VersionBelowFloor { version, floor });
        }
    };
    Ok(Admission::Install(Admitted { version_floor, time_floor: proven, rollback: rollback.is_some() }))
}

/// The permission to boot the other slot again, if its read-back gives the named image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPermit {
    to: Release,
    version_floor: Version,
    time_floor: u64,
}

impl RollbackPermit {
    /// The version and the image that the other slot must hold.
    pub fn to(&self) -> &Release {
        &self.to
    }

    /// The version floor to set at the commit.
    pub fn version_floor(&self) -> Version {
        self.version_floor
    }

    /// The time floor to set now.
    pub fn time_floor(&self) -> u64 {
        self.time_floor
    }
}

/// Decides whether `device` may go back to the image that its other slot still holds.
///
/// # Errors
/// A [`Refusal`] of class [`crate::Class::Policy`]; [`Refusal::RollbackNotAttested`] without an attestation.
pub fn permit_rollback(
    attestation: Option<&Verified<RollbackAttestation>>,
    device: &Device<'_>,
) -> Result<RollbackPermit, Refusal> {
    let attestation = attestation.ok_or(Refusal::RollbackNotAttested)?;
    let time_floor = device.time_floor.max(attestation.proven_time());
    permit_step(attestation, device, time_floor)?;
    Ok(RollbackPermit { to: attestation.to, version_floor: attestation.floor, time_floor })
}

/// Decides whether `device` may act on a channel index: it is the channel that the device follows, and not an older
/// index than it has seen. An equal number is the same index read again.
///
/// # Errors
/// [`Refusal::OtherChannel`] or [`Refusal::ChannelOlder`].
pub fn admit_channel(index: &Verified<Channel<'_>>, channel: &Name, number_seen: u64) -> Result<(), Refusal> {
    let head = index.head();
    if head.channel != *channel {
        return Err(Refusal::OtherChannel);
    }
    if head.number < number_seen {
        let (number, seen) = (head.number, number_seen);
        return Err(Refusal::ChannelOlder { number, seen });
    }
    Ok(())
}

/// The attestation is for this product, starts at the running image, and is not void.
fn permit_step(attestation: &RollbackAttestation, device: &Device<'_>, proven: u64) -> Result<(), Refusal> {
    if attestation.product != *device.product {
        return Err(Refusal::OtherProduct);
    }
    not_expired(attestation.expires, proven)?;
    if device.running != Some(digest(&attestation.from.image)) {
        return Err(Refusal::RollbackForeign);
    }
    Ok(())
}

fn not_expired(expires: Option<u64>, proven: u64) -> Result<(), Refusal> {
    match expires {
        Some(expires) if proven > expires => Err(Refusal::Expired { expires, proven }),
        _ => Ok(()),
    }
}

fn digest(image: &ImageId) -> ImageDigest {
    ImageDigest { length: image.length, blake3: image.blake3 }
}
