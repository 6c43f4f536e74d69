//! The device daemon and its command line.

pub mod boot;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod device;
pub mod doctor;
pub mod executor;
pub mod exit;
pub mod health;
pub mod history;
pub mod journal;
pub mod json;
pub mod lock;
pub mod logging;
pub mod partial;
pub mod platform;
pub mod progress;
mod scratch;
pub mod slots;
pub mod socket;
pub mod source;
pub mod state_dir;
pub mod stop;
#[cfg(test)]
mod tests_support;
pub mod trust;
pub mod verbs;
