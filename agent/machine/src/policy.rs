//! The machine's decisions that are not about order: facts in, decision out.

use crate::{BootFacts, Class, Content, Facts, Goal, Rejected};

/// Failures in one state, without progress in between, after which an update is given up. Each is one run of the agent
/// that already retried inside (a source has its own back-off), so sixteen are many hours; giving up keeps the fetched
/// groups, and the next poll may begin again.
pub const ATTEMPTS_MAX: u8 = 16;

/// Times that a slot which reads back wrong is written again. A second mismatch is a failing disk.
pub const REWRITES_MAX: u8 = 1;

/// Times that health checks may begin in one boot: an agent that dies in its own checks is not healthy.
pub const CHECKS_MAX: u8 = 3;

/// Starts of a slot that was marked bad, after which the boot loader is not asked again.
pub const RETURNS_MAX: u8 = 3;

/// What to do about a failure before the slot is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stay; a later run goes on from here.
    Retry,
    /// End the update; it may be started again.
    GiveUp,
    /// End it and do not start it again by itself: it would fail the same way.
    GiveUpAndList,
}

/// Decides by whose fault it is and how often it happened.
pub fn after_failure(class: Class, attempts: u8) -> Verdict {
    match class {
        // The world may be better later.
        Class::Network | Class::Source | Class::Device | Class::Room if attempts < ATTEMPTS_MAX => Verdict::Retry,
        Class::Network | Class::Source | Class::Device | Class::Room => Verdict::GiveUp,
        // Another copy of the bundle, another trust root or another base may do.
        Class::Verification | Class::Policy | Class::BaseMismatch | Class::Operator => Verdict::GiveUp,
        Class::Bundle | Class::ReadBack | Class::Unhealthy | Class::Crashed | Class::NotTried => Verdict::GiveUpAndList,
    }
}

/// May a new goal be set on this device?
///
/// # Errors
/// [`Rejected`] says why not.
pub fn may_begin(facts: &Facts, boot: &BootFacts, goal: &Goal, lift: bool) -> Result<(), Rejected> {
    if goal.slot == boot.running {
        return Err(Rejected::SlotRunning);
    }
    if boot.loader.default != boot.running {
        return Err(Rejected::NotDefault);
    }
    if goal.bundle().is_none() {
        return Ok(());
    }
    if facts.slot(boot.running).image() == Some(&goal.release.image) {
        return Err(Rejected::AlreadyInstalled);
    }
    if !lift && facts.failed(&goal.release.image.blake3).is_some() {
        return Err(Rejected::FailedHere);
    }
    Ok(())
}

/// What the running slot is known to hold after it was compared with `base`: the version stays if the image does.
pub fn proven_content(known: &Content, base: delta_format::header::ImageId) -> Content {
    let version = known.image().filter(|image| **image == base).and(known.version());
    Content::Image { image: base, version }
}
