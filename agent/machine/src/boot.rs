//! Words for slots and boots, shared by the machine and by everything that touches a boot loader.
//!
//! In: what a boot loader or the kernel says. Out: small values that the machine decides on. Nothing here reads
//! anything.

use core::fmt;
use delta_format::bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One of the two slots of a device. Configuration gives them names for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other slot.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 or 1.
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// Names one boot of the kernel: a new one after each start, the same for all processes of it
/// (`/proc/sys/kernel/random/boot_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BootId(pub Bytes<16>);

/// What the boot loader would do at the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootState {
    /// The slot that starts when there is no trial: the committed one.
    pub default: Slot,
    /// The slot that starts instead while it has tries left.
    pub trial: Option<TrialBoot>,
    /// For [`Slot::A`] and [`Slot::B`]: whether the boot loader must never start the slot.
    pub bad: [bool; 2],
}

/// A slot on trial. It stays recorded when no try is left, until a commit, a disarm or a bad mark ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialBoot {
    /// The slot.
    pub slot: Slot,
    /// Starts that the boot loader will still give it; counted down at each start, before the slot runs.
    pub tries_left: u8,
}

/// The steps of an update, in order; progress and failures name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Stage {
    /// Signatures, log, witnesses, floors, policy.
    Verify,
    /// Room in the slot, memory, room in the state directory.
    Preflight,
    /// The active slot is read and compared.
    CheckBase,
    /// Groups are fetched, or read from a stick, and verified.
    Fetch,
    /// The inactive slot is written.
    Apply,
    /// The slot is read back past the cache.
    ReadBack,
    /// The boot loader is told to try the slot.
    Arm,
    /// Waiting for the device to start again.
    Reboot,
    /// The new slot runs and has to prove itself.
    Trial,
    /// The new slot becomes the default.
    Commit,
    /// Going back to the slot that ran before.
    FallBack,
    /// The journal or the state directory.
    State,
}

impl Stage {
    /// The word in messages, progress lines and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Preflight => "preflight",
            Self::CheckBase => "check-base",
            Self::Fetch => "fetch",
            Self::Apply => "apply",
            Self::ReadBack => "read-back",
            Self::Arm => "arm",
            Self::Reboot => "reboot",
            Self::Trial => "trial",
            Self::Commit => "commit",
            Self::FallBack => "fall-back",
            Self::State => "state",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is true of this boot: asked once when the machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootFacts {
    /// Which boot this is.
    pub boot: BootId,
    /// The slot that this system was started from.
    pub running: Slot,
    /// What the boot loader would do next.
    pub loader: BootState,
}

impl BootFacts {
    /// Whether the boot loader's record has this slot on trial, with or without tries left.
    pub fn on_trial(&self, slot: Slot) -> Option<u8> {
        self.loader.trial.filter(|trial| trial.slot == slot).map(|trial| trial.tries_left)
    }

    /// Whether `slot` may be written: neither running nor the one that the device would fall back to.
    pub fn is_spare(&self, slot: Slot) -> bool {
        self.running != slot && self.loader.default != slot
    }
}
