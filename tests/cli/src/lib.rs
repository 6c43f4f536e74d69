//! Proofs: the programs `stella` and `stella-agent`, run as their users run them.
//!
//! In: the two programs, built from the tree at hand. Out: what the tests in `tests/acceptance` need to run them: scratch
//! folders with keys, log and images ([`World`]), simulated devices ([`Device`]), a web server that breaks
//! ([`server::Server`]), runs with their exit code, output and memory ([`run::Run`]), snapshots. Nothing here knows a
//! format or a rule of the product; the programs are black boxes.
//!
//! Settings: `STELLA_CAMPAIGN=200` runs the long forms, `STELLA_WRITE_SNAPSHOTS=1` writes the snapshots,
//! `STELLA_PROGRAMS=FOLDER` takes the programs from a folder instead of building them.

pub mod chance;
pub mod clock;
pub mod device;
pub mod images;
pub mod mounts;
pub mod programs;
pub mod run;
pub mod server;
pub mod snapshot;
pub mod varlink;
pub mod world;

pub use chance::Chance;
pub use device::Device;
pub use run::Run;
pub use world::World;

/// How many rounds the long tests run: `STELLA_CAMPAIGN`, else `short`.
pub fn rounds(short: u32) -> u32 {
    std::env::var("STELLA_CAMPAIGN").map_or(short, |text| text.parse().expect("STELLA_CAMPAIGN is a number"))
}

/// Whether the long forms are asked for.
pub fn is_long() -> bool {
    std::env::var_os("STELLA_CAMPAIGN").is_some()
}

/// Whether this process may mount file systems.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}
