//! The program itself, as operators and systemd run it, on a scratch device without root: command line, exit codes,
//! daemon, socket, service manager.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A device in a folder: two image files, a boot record, a configuration. It has no trust root.
fn device() -> TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file of the scratch device");
    write("a.img", &"a".repeat(8192));
    write("b.img", &"b".repeat(8192));
    write("boot", "stella-boot v1\ndefault a\nend\n");
    write("running", "a\n00112233445566778899aabbccddeeff\n");
    fs::create_dir(folder.path().join("trust.d")).expect("a folder");
    write(
        "config.toml",
        "product = \"router\"\nhardware = \"board-2\"\nstate_dir = \"state\"\nrun_dir = \"run\"\ntrust_dir = \"trust.d\"\n\
         [slots]\na = \"a.img\"\nb = \"b.img\"\nrunning = \"file\"\nrunning_file = \"running\"\n[boot]\npath = \"boot\"\n\
         [reboot]\ncommand = \"touch rebooted\"\n[poll]\ninterval_seconds = 0\n",
    );
    folder
}

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stella-agent"));
    command.args(line.split_whitespace()).arg("--config").arg(folder).current_dir(folder);
    command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
    command
}

fn run(folder: &Path, line: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(folder, line).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[test]
fn wrong_usage_ends_with_2_and_the_next_command() {
    let folder = device();
    let check = |line: &str, expected: &str| {
        let (code, out, err) = run(folder.path(), line);
        assert_eq!((code, out.as_str()), (2, ""), "{line}");
        assert!(err.contains(expected), "{line}: {err}");
    };
    check("instal", "stella-agent --help");
    check("verify", "stella-agent verify --help");
    check("install x --from y", "stella-agent install --help");
    check("install x", "no trust root");
    check("status --progress-fd 77", "file descriptor 77");
    let (code, out, _) = run(folder.path(), "instal --json");
    assert!(code == 2 && out.starts_with(r#"{"format":1,"verb":"","exit_code":2,"code":"usage""#), "{out}");
    fs::write(folder.path().join("config.toml"), "prodct = 1\n").expect("a file");
    check("status", "config.toml, line 1: the key 'prodct' is not known. Correct it, then run: stella-agent doctor");
}

#[test]
fn help_and_version_need_no_configuration() {
    let nowhere = tempfile::tempdir().expect("a scratch folder");
    let (code, out, _) = run(nowhere.path(), "--help");
    assert!(code == 0 && out.contains("Exit codes:") && out.contains("rollback"));
    let (code, out, _) = run(nowhere.path(), "install --help");
    assert!(code == 0 && out.contains("Examples:"));
    let (code, out, _) = run(nowhere.path(), "--version");
    assert!(code == 0 && out.starts_with("stella-agent "));
}

/// A device fresh from the factory: status says so, for people and for programs.
#[test]
fn status_of_a_fresh_device() {
    let folder = device();
    let (code, out, _) = run(folder.path(), "status");
    assert_eq!(code, 0);
    for expected in [
        "router on board-2",
        "slot A, as the factory wrote it",
        "state      idle",
        "next       stella-agent install FILE",
    ] {
        assert!(out.contains(expected), "{expected} in:\n{out}");
    }
    let (code, out, _) = run(folder.path(), "status --json");
    assert!(code == 0 && out.contains(r#""exit_code":0,"code":"ok""#) && out.contains(r#""running":"A""#), "{out}");
    assert!(!folder.path().join("state").exists(), "looking changes nothing");
    let (code, out, _) = run(folder.path(), "history --json");
    assert!(code == 0 && out.contains(r#""data":[]"#), "{out}");
    let (code, out, _) = run(folder.path(), "slots verify");
    assert!(code == 0 && out.contains("slot B: not known"), "{out}");
    let (code, out, _) = run(folder.path(), "doctor");
    assert!(code == 1, "{out}");
}

#[test]
fn the_simulated_boot_loader_counts() {
    let folder = device();
    fs::write(folder.path().join("boot"), "stella-boot v1\ndefault a\ntrial b 1\nend\n").expect("a file");
    let before = fs::read_to_string(folder.path().join("running")).expect("a file");
    let starts: Vec<String> = (0..2).map(|_| run(folder.path(), "boot simulate").1).collect();
    assert_eq!(starts, ["B\n", "A\n"]);
    let after = fs::read_to_string(folder.path().join("running")).expect("a file");
    assert!(after.starts_with("a\n") && after != before, "the boot has a new name");
    fs::remove_file(folder.path().join("boot")).expect("the file is there");
    let (code, _, err) = run(folder.path(), "boot simulate");
    assert!(code == 1 && err.contains("stella-agent doctor"), "{err}");
    let (_, out, err) = run(folder.path(), "doctor");
    assert!(out.contains("printf 'stella-boot v1") || err.contains("printf 'stella-boot v1"), "{out}{err}");
}

struct Daemon {
    child: Child,
    notify: UnixDatagram,
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let address = folder.join("notify");
        let notify = UnixDatagram::bind(&address).expect("a socket");
        notify.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let child = command(folder, "daemon")
            .env("NOTIFY_SOCKET", &address)
            .env("WATCHDOG_USEC", "400000")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let daemon = Self { child, notify };
        daemon.wait_for("READY=1");
        daemon
    }

    fn wait_for(&self, expected: &str) {
        let mut buffer = [0; 256];
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            match self.notify.recv(&mut buffer) {
                Ok(count) if &buffer[..count] == expected.as_bytes() => return,
                Err(error) if error.kind() != ErrorKind::Interrupted => panic!("no message within 20 s: {error}"),
                _ => {}
            }
        }
        panic!("no {expected}");
    }

    fn end(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().expect("kill runs").success());
        self.wait_for("STOPPING=1");
        self.child.wait().expect("the daemon ends").code().unwrap_or(-1)
    }
}

/// The daemon tells the service manager what it does, answers the command line, keeps others out, ends on SIGTERM.
#[test]
fn the_daemon_serves_until_it_is_stopped() {
    let folder = device();
    let daemon = Daemon::start(folder.path());
    daemon.wait_for("WATCHDOG=1");
    let (code, out, _) = run(folder.path(), "status --json");
    assert!(code == 0 && out.contains(r#""working_on":"#), "{out}");
    let (code, _, err) = run(folder.path(), "daemon");
    assert!(code == 10 && err.contains("stella-agent status"), "{err}");
    let (code, _, err) = run(folder.path(), "commit");
    assert!(code == 2 && err.contains("no trust root"), "what the daemon refuses has its exit code here: {err}");
    let mut monitor = command(folder.path(), "monitor --json").stdout(Stdio::piped()).spawn().expect("a monitor");
    wait_for_socket(monitor.id());
    assert_eq!(daemon.end(), 0);
    assert_eq!(monitor.wait().expect("the monitor ends with the daemon").code(), Some(0));
    assert!(!folder.path().join("run/socket").exists());
    let (code, _, err) = run(folder.path(), "monitor");
    assert!(code == 1 && err.contains("systemctl start stella-agent"), "{err}");
}

/// Waits until a process has a socket open, and a little longer for the other end to take it up: under emulation on a
/// busy machine a program needs seconds to come that far.
fn wait_for_socket(process: u32) {
    let is_socket = |link: PathBuf| fs::read_link(link).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
    for _ in 0..300 {
        let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        if open.map(|entry| entry.path()).any(is_socket) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(200));
}

/// A daemon that was killed leaves a socket and a lock file behind; the next one starts nevertheless.
#[test]
fn a_killed_daemon_is_replaced() {
    let folder = device();
    let mut first = Daemon::start(folder.path());
    first.child.kill().expect("it runs");
    first.child.wait().expect("it ends");
    fs::remove_file(folder.path().join("notify")).expect("the socket is there");
    let (code, _, _) = run(folder.path(), "status");
    assert_eq!(code, 0);
    assert_eq!(Daemon::start(folder.path()).end(), 0);
}

/// While another agent holds the lock and no daemon answers, changing verbs end with 10.
#[test]
fn a_second_instance_is_told() {
    let folder = device();
    let held = stella_agent::lock::Lock::take(&folder.path().join("run")).expect("the lock can be taken");
    assert!(held.is_some());
    let (code, _, err) = run(folder.path(), "cancel");
    assert!(code == 10 && err.contains("pgrep -a stella-agent"), "{err}");
    assert_eq!(run(folder.path(), "status").0, 0);
}
