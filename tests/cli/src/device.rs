//! A device in a folder: two image files as slots, the file boot back end, a running file, configuration and state.

use crate::programs;
use crate::run::{Run, run};
use crate::world::{HARDWARE, PRODUCT, World};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes that a slot has more than the image that it starts with, so that images can grow.
const SPARE_BYTES: usize = 256 * 1024;

/// The bytes of what a fresh device has in its inactive slot.
const OLD: u8 = 0xa5;

/// A device.
#[derive(Debug)]
pub struct Device {
    folder: PathBuf,
}

impl Device {
    /// A device of the world that runs `image` from slot A, pins the world's trust root and follows no channel.
    pub fn new(world: &World, name: &str, image: &[u8]) -> Self {
        let device = Self { folder: world.path(name) };
        fs::create_dir_all(device.path("trust.d")).expect("a folder");
        fs::copy(world.path("fleet.trust"), device.path("trust.d/fleet.trust")).expect("a trust root");
        device.configure("");
        device.reset(image);
        device
    }

    /// Writes the configuration; `more` goes to a fragment that wins.
    pub fn configure(&self, more: &str) {
        let text = format!(
            "product = \"{PRODUCT}\"\nhardware = \"{HARDWARE}\"\nstate_dir = \"state\"\nrun_dir = \"run\"\n\
             trust_dir = \"trust.d\"\n\n[slots]\na = \"a.img\"\nb = \"b.img\"\nrunning = \"file\"\nrunning_file = \
             \"running\"\n\n[boot]\npath = \"boot/record\"\n\n[poll]\ninterval_seconds = 0\n\n[network]\n\
             retry_first_seconds = 0\nretry_longest_seconds = 0\nread_timeout_seconds = 20\n\n[reboot]\ncommand = \
             \"echo rebooted >> reboots\"\n"
        );
        self.write("config.toml", text);
        self.write("conf.d/90-test.toml", more);
    }

    /// As the factory made it: `image` in slot A, something old in slot B, no state.
    pub fn reset(&self, image: &[u8]) {
        let slot = |fill: &[u8]| {
            let mut bytes = vec![OLD; image.len() + SPARE_BYTES];
            bytes[..fill.len()].copy_from_slice(fill);
            bytes
        };
        self.write("a.img", slot(image));
        self.write("b.img", slot(&[]));
        self.write("boot/record", "stella-boot v1\ndefault a\nend\n");
        self.write("running", "a\n00112233445566778899aabbccddeeff\n");
        for folder in ["state", "run"] {
            let _ = fs::remove_dir_all(self.path(folder));
        }
    }

    /// The device's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of the device.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file of the device.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file of the device");
    }

    /// Reads a file of the device.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Slot `a` or `b` starts with this image.
    pub fn holds(&self, slot: &str, image: &[u8]) -> bool {
        self.read(&format!("{slot}.img")).starts_with(image)
    }

    /// The boot loader's record.
    pub fn boot_record(&self) -> String {
        String::from_utf8(self.read("boot/record")).expect("the record is text")
    }

    /// The device's program, with this device's configuration and `--json`.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.plain_command(arguments);
        command.arg("--json");
        command
    }

    /// The same with output for people.
    pub fn plain_command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(programs::agent());
        command.args(arguments).arg("--config").arg(&self.folder).current_dir(&self.folder);
        command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
        command
    }

    /// Runs the device's program; its result is JSON.
    pub fn agent<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        run(&mut self.command(arguments))
    }

    /// Runs the device's program; its result is for people.
    pub fn plain<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        run(&mut self.plain_command(arguments))
    }

    /// Installs a file of the world.
    pub fn install(&self, bundle: &Path) -> Run {
        self.agent(&[OsStr::new("install"), bundle.as_os_str()])
    }

    /// Turns the device on: the boot loader chooses a slot. Gives `A` or `B`.
    pub fn power_on(&self) -> String {
        self.plain(&["boot", "simulate"]).expect(0).out.trim().to_owned()
    }

    /// The data of `status`.
    pub fn status(&self) -> Value {
        self.agent(&["status"]).expect(0).json()["data"].clone()
    }

    /// Installs a bundle, starts it and says that it is good.
    pub fn take(&self, bundle: &Path) {
        let _ = self.install(bundle).expect(4);
        self.power_on();
        let _ = self.agent(&["commit"]).expect(0);
    }
}
