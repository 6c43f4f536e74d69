//! The daemon as systemd, operators and management agents see it.

use serde_json::json;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tests_cli::run::{Running, start};
use tests_cli::server::Server;
use tests_cli::varlink::Varlink;
use tests_cli::world::Making;
use tests_cli::{Device, World, images};

/// How long something may take to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Daemon {
    running: Running,
    /// What it told the service manager, read at once as systemd does: a full socket would lose messages.
    messages: Receiver<String>,
}

impl Daemon {
    /// Starts the daemon as `Type=notify` with a watchdog of 400 ms, and waits until it is ready.
    fn start(device: &Device) -> Self {
        let address = device.path("notify");
        let _ = std::fs::remove_file(&address);
        let notify = UnixDatagram::bind(&address).expect("a socket");
        let (tell, messages) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok(count) = notify.recv(&mut buffer) {
                if tell.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).is_err() {
                    return;
                }
            }
        });
        let mut command = device.plain_command(&["daemon"]);
        let running = start(command.env("NOTIFY_SOCKET", &address).env("WATCHDOG_USEC", "400000"));
        let daemon = Self { running, messages };
        daemon.wait_for("READY=1");
        // It looks first at what the start left.
        eventually("idle", || device.status()["working_on"].is_null());
        daemon
    }

    fn wait_for(&self, expected: &str) {
        while self.messages.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {expected}")) != expected {}
    }

    /// SIGTERM; it must end well within ten seconds.
    fn stop(self) -> String {
        let began = Instant::now();
        self.running.signal("TERM");
        self.wait_for("STOPPING=1");
        let run = self.running.end().sane().expect(0);
        assert!(began.elapsed() < Duration::from_secs(10), "stopping took {:?}", began.elapsed());
        run.err
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn socket(device: &Device) -> Varlink {
    let path = device.path("run/socket");
    assert!(Path::new(&path).exists());
    Varlink::connect(&path)
}

fn fleet() -> (World, Device, Vec<u8>) {
    let world = World::new();
    let base = images::image(71, 512);
    let target = images::update(&base, 72, 64);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0"));
    world.publish(&["v2.stella"]);
    let device = Device::new(&world, "device", &base);
    (world, device, target)
}

/// READY, watchdog, varlink calls with and without progress, the health check after the restart, the commit, SIGTERM.
#[test]
fn the_socket_installs_and_the_daemon_commits() {
    let (world, device, target) = fleet();
    device.configure("[health]\ncommands = [\"test -e healthy\"]\n");
    let daemon = Daemon::start(&device);
    daemon.wait_for("WATCHDOG=1");
    let mut calls = socket(&device);
    let info = calls.call("org.varlink.service.GetInfo", json!({}));
    assert_eq!(info["parameters"]["product"], "stella-agent");
    let interfaces = info["parameters"]["interfaces"].as_array().expect("a list").clone();
    for interface in &interfaces {
        let method = "org.varlink.service.GetInterfaceDescription";
        let description = calls.call(method, json!({"interface": interface}));
        let text = description["parameters"]["description"].as_str().expect("a text");
        assert!(text.contains(&format!("interface {}", interface.as_str().expect("a name"))), "{text}");
    }
    let status = calls.call("ops.stella.Agent.Status", json!({}));
    assert_eq!(status["parameters"]["report"]["data"]["running"], "A", "{status}");
    let wrong = calls.call("ops.stella.Agent.Explode", json!({}));
    assert_eq!(wrong["error"], "org.varlink.service.MethodNotFound");
    let refused = calls.call("ops.stella.Agent.Rollback", json!({}));
    assert_eq!(refused["error"], "ops.stella.Agent.Failed");
    assert_eq!(
        (&refused["parameters"]["exit_code"], &refused["parameters"]["code"]),
        (&json!(6), &json!("rollback-not-attested"))
    );

    let replies = calls.call_more("ops.stella.Agent.Install", json!({"bundle": world.path("v2.stella")}));
    let (last, progress) = replies.split_last().expect("a reply");
    assert_eq!(last["parameters"]["report"]["exit_code"], 4, "{last}");
    assert!(!progress.is_empty(), "progress is shown");
    let event = &progress[0]["parameters"]["event"];
    assert!(event["event"].is_string(), "{event}");
    assert!(device.holds("b", &target));
    // The command line asks the daemon when there is one.
    assert_eq!(device.status()["working_on"], serde_json::Value::Null);
    daemon.stop();
    assert!(!device.path("run/socket").exists());

    device.power_on();
    device.write("healthy", "");
    let daemon = Daemon::start(&device);
    eventually("committed", || device.status()["last"]["ended"] == "committed");
    assert_eq!(device.boot_record(), "stella-boot v1\ndefault b\nend\n");
    daemon.wait_for("WATCHDOG=1");
    daemon.stop();
}

/// A poll finds the update on a web server and installs it; a release that fails its health check is left by itself and
/// not installed again.
#[test]
fn the_daemon_polls_installs_and_falls_back() {
    let (world, device, target) = fleet();
    let server = Server::start(&world.path("site"));
    device.configure(&format!(
        "source = \"{}\"\nchannel = \"stable\"\n[poll]\ninterval_seconds = 1\njitter_seconds = 0\naction = \"install\"\n\
         [health]\ncommands = [\"echo modem is silent; false\"]\n[reboot]\nwhen = \"automatic\"\ncommand = \"echo now >> \
         reboots\"\n",
        server.url("stable")
    ));
    let daemon = Daemon::start(&device);
    eventually("installed", || device.boot_record().contains("trial b"));
    assert!(device.holds("b", &target));
    eventually("asked for a restart", || device.path("reboots").exists());
    daemon.stop();

    assert_eq!(device.power_on(), "B");
    let daemon = Daemon::start(&device);
    eventually("gave the release up", || device.boot_record().contains("bad b"));
    daemon.stop();
    assert_eq!(device.power_on(), "A");
    let daemon = Daemon::start(&device);
    eventually("settled", || device.status()["state"] == "idle");
    let status = device.status();
    assert_eq!(status["failed_here"][0]["version"], "2.0", "{status}");
    assert!(status["last"].to_string().contains("modem is silent"), "the health check's words are kept: {status}");
    server.take_served();
    eventually("polled again", || server.take_served().iter().any(|line| line.path.ends_with("index.stella-channel")));
    thread::sleep(Duration::from_millis(300));
    assert!(!device.boot_record().contains("trial"), "a release that failed here is not tried again by itself");
    assert_eq!(device.status()["version_floor"], "0", "{}", device.status());
    daemon.stop();
}

/// SIGTERM in the middle of an install: the daemon stops in time, and the next one goes on with it.
#[test]
fn stopping_in_the_middle_of_an_install() {
    let (world, device, target) = fleet();
    let server = Server::start(&world.path("site"));
    server.answer(|_| tests_cli::server::Answer::Silence(20_000));
    let daemon = Daemon::start(&device);
    let url = server.url("stable/v2.stella");
    let client = start(&mut device.command(&["install", &url]));
    eventually("the server is asked", || !server.take_served().is_empty());
    let monitor = start(&mut device.command(&["monitor"]));
    thread::sleep(Duration::from_millis(200));
    daemon.stop();
    assert_ne!(client.end().sane().code, Some(0));
    let _ = monitor.end().sane().expect(0);
    server.answer(|_| tests_cli::server::Answer::Whole);
    let daemon = Daemon::start(&device);
    let resumed = device.agent(&["install", &url]);
    assert!(matches!(resumed.code, Some(4)), "{resumed}");
    assert!(device.holds("b", &target));
    daemon.stop();
}
