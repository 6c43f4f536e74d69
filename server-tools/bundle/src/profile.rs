//! Profiles: for how much memory of a device a payload is made.
//!
//! In: a name. Out: the limits that an encoder keeps. What a payload really needs is declared in its header, and that is
//! what a device compares with its own limit.

use delta_apply::coding::Engine;
use std::fmt;
use std::str::FromStr;

/// What a payload may ask of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// 4 MiB: all kinds of records, containers opened.
    #[default]
    Default,
    /// 1 MiB: adaptive streams alone, with small tables, and containers as the bytes that they are. A frame's decoder has
    /// more than half a MiB of its own, whatever its window.
    Tiny,
}

/// What streams may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    pub(crate) table_log2: u8,
    /// Copies of a section that are known before it is made.
    pub(crate) ops_max: u32,
}

/// Tables and operations that streams may have, the first that fits.
const STREAM_LIMITS: [(u8, u32); 8] = [
    (19, 40 << 10),
    (19, 10 << 10),
    (18, 20 << 10),
    (18, 10 << 10),
    (18, 5 << 10),
    (17, 5 << 10),
    (17, 2 << 10),
    (16, 2 << 10),
];
const SMALLEST: (u8, u32) = (16, 1536);
/// What applying takes beside its streams: the window, a group, and the index of a payload of 100 MB.
const BESIDE_BYTES: u64 = 208 << 10;

impl Profile {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Default, Self::Tiny];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Tiny => "tiny",
        }
    }

    /// Bytes of memory that applying takes at most.
    pub const fn memory_bytes(self) -> u32 {
        match self {
            Self::Default => 4 << 20,
            Self::Tiny => 1 << 20,
        }
    }

    /// The limits of streams, where containers are packed or not, which takes memory too, and where so many operations are
    /// of tables of types.
    pub(crate) fn stream_limits(self, packed: bool, types: u32) -> StreamLimits {
        let fits = |&(table_log2, ops_max): &(u8, u32)| {
            let stream = Engine::memory_bytes(table_log2, (ops_max + types).into(), packed);
            stream + BESIDE_BYTES <= self.memory_bytes().into()
        };
        let (table_log2, ops_max) = STREAM_LIMITS.into_iter().find(fits).unwrap_or(SMALLEST);
        StreamLimits { table_log2, ops_max }
    }

    /// Whether containers are opened, and records coded as frames where these are shorter.
    pub(crate) const fn has_frames_and_containers(self) -> bool {
        matches!(self, Self::Default)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or("profiles are default and tiny")
    }
}
