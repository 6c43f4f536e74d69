//! Talks to the service manager: `sd_notify(3)` by hand, one datagram a message. Outside of systemd it says nothing.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A way to the service manager, or none.
#[derive(Debug)]
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// Opens the socket that `NOTIFY_SOCKET` names: a path, or an abstract name after `@`.
    pub fn new(name: Option<&str>) -> Self {
        let open = |name: &str| {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(name)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            std::io::Result::Ok((socket, address))
        };
        Self(name.and_then(|name| open(name).map_err(|error| log::warn!("NOTIFY_SOCKET {name}: {error}")).ok()))
    }

    /// The service is up: its socket listens.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.send(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// Still alive.
    pub fn watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    /// On the way out.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(message.as_bytes(), address)
        {
            log::debug!("the service manager did not take '{message}': {error}");
        }
    }
}

/// How often the service manager wants a sign of life: half of `WATCHDOG_USEC`, if that is meant for this process.
pub fn watchdog_interval(usec: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let mine = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let usec: u64 = usec?.parse().ok()?;
    (mine && usec > 0).then(|| Duration::from_micros(usec / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("stella-test-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let check = |socket: &UnixDatagram, address: &str| {
            let notifier = Notifier::new(Some(address));
            notifier.ready();
            notifier.status("a\nb");
            let mut buffer = [0; 64];
            let mut next = || {
                let count = socket.recv(&mut buffer).unwrap();
                String::from_utf8(buffer[..count].to_vec()).unwrap()
            };
            assert_eq!([next(), next()], ["READY=1", "STATUS=a b"]);
        };
        check(&by_path, path.to_str().unwrap());
        check(&by_name, &format!("@{name}"));
        Notifier::new(None).ready();
    }

    #[test]
    fn the_watchdog_is_for_one_process() {
        let me = std::process::id().to_string();
        assert_eq!(watchdog_interval(Some("60000000"), Some(&me)), Some(Duration::from_secs(30)));
        assert_eq!(watchdog_interval(Some("60000000"), None), Some(Duration::from_secs(30)));
        assert_eq!(watchdog_interval(Some("60000000"), Some("1")), None);
        assert_eq!(watchdog_interval(Some("0"), None), None);
        assert_eq!(watchdog_interval(None, Some(&me)), None);
    }
}
