//! The socket of the daemon: varlink, which is JSON objects that end with a zero byte.
//!
//! In: calls of [`INTERFACE`], described by `ops.stella.Agent.varlink`, and of `org.varlink.service`. Out: events and a
//! report for each. Who may connect is decided by the mode of the socket file. `docs/operate/systemd.md`.

pub mod client;
pub mod frame;
pub mod request;
pub mod server;

pub use request::Request;

use std::path::{Path, PathBuf};

/// The name of the interface.
pub const INTERFACE: &str = "ops.stella.Agent";
/// Its description, as `varlinkctl introspect` prints it.
pub const DESCRIPTION: &str = include_str!("ops.stella.Agent.varlink");

/// The path of the socket.
pub fn path(run_dir: &Path) -> PathBuf {
    run_dir.join("socket")
}

#[cfg(test)]
mod tests;
