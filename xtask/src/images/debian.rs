//! The same Debian system before and after an update.
//!
//! In: the machine's own package sources (whatever mirror it is configured for). Out: two trees: v1 installed from the
//! release's `main` only, v2 the same installation after the `-updates` and `-security` suites were applied to it.
//! One installation, copied before the upgrade: half the time of two, and nothing but the update differs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Place, Trees, clean, host_files};
use crate::command;
use crate::system::{self, Tool};

/// A small server or gateway: init, shell access, TLS, Python, a firewall. About 217 MB once cleaned.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssl,ca-certificates,curl,openssh-server,python3-minimal,iproute2,\
                        nftables,e2fsprogs,libglib2.0-0,kmod,udev,sudo,less,vim-tiny";

/// Debian's archive keys, named in the sources when the machine has them: newer releases trust no key by default.
const ARCHIVE_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Runs once v1 is complete; `$1` is the tree. apt-get runs *inside* the tree, so a mistake cannot touch the machine.
const UPGRADE: &str = r#"set -e
rm -f "$1"/var/cache/apt/archives/*.deb
cp -ax "$1" "$STELLA_V1"
mkdir -p "$1/etc/apt/sources.list.d"
cp "$STELLA_UPDATES" "$1/etc/apt/sources.list.d/updates.list"
chroot "$1" apt-get -q update
chroot "$1" apt-get -qy --no-install-recommends dist-upgrade
"#;

/// Makes the two trees in `place`.
pub(super) fn trees(place: &Place<'_>, say: &dyn Fn(&str)) -> Result<Trees> {
    ensure!(system::is_root(), "only root can install packages into a new root file system");
    system::need(&[Tool { program: "mmdebstrap", package: "mmdebstrap" }])?;
    let sources = Sources::of_this_machine(place.log)?;
    let [v1, v2, updates] = ["v1", "v2", "updates.list"].map(|name| place.folder.join(name));
    fs::write(&updates, &sources.updates)?;
    say(&format!("installing Debian {} twice over, without and with its updates (1 to 2 minutes)", sources.release));
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap
        .env("LC_ALL", "C.UTF-8")
        // Scripts of packages that write a date (the password file's, for one) take this one.
        .env("SOURCE_DATE_EPOCH", super::ext4::FIXED_TIME.to_string())
        // Python would otherwise keep what it compiled in passing, or not, depending on who was first within a second.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONHASHSEED", "0")
        .env("STELLA_V1", &v1)
        .env("STELLA_UPDATES", &updates)
        .args(["--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--include={PACKAGES}"))
        // The tree is thrown away on any failure, so nothing in it has to survive a crash.
        .arg("--dpkgopt=force-unsafe-io")
        .args(
            ["Acquire::Languages \"none\"", "Acquire::Retries \"2\"", "Acquire::http::Timeout \"20\""].map(apt_option),
        )
        .args(proxy_options()?)
        .arg(format!("--customize-hook={UPGRADE}"))
        .args([sources.release.as_str()])
        .arg(&v2)
        .arg(&sources.base);
    command::log(&mut mmdebstrap, place.log, |line| {
        if let Some(step) = line.strip_prefix("I: ").filter(|step| step.ends_with("...") && !step.contains("signal")) {
            say(step.trim_end_matches('.'));
        } else if line.contains("upgraded,") && line.contains("newly installed") {
            say(&format!("v1 is copied; applying the updates: {line}"));
        }
    })?;
    // Counted before the cleaning, which keeps the package database.
    let (before, after) = (installed(&v1)?, installed(&v2)?);
    let updated: Vec<_> = after.iter().filter(|package| !before.contains(package)).collect();
    clean::clean(&v1)?;
    clean::clean(&v2)?;
    let release = &sources.release;
    let story = match updated.len() {
        0 => {
            host_files::edit(&v2)?;
            format!("Debian {release}; it has no update pending, so v2 holds edits made by this tool")
        }
        count => {
            let names: Vec<_> = updated.iter().map(|(name, _)| name.as_str()).collect();
            let (count_all, names) = (after.len(), names.join(" "));
            format!("Debian {release}, {count_all} packages; v2 has the distribution's updates to {count}: {names}")
        }
    };
    Ok(Trees { v1, v2, story })
}

/// Where this machine gets its own packages from.
struct Sources {
    release: String,
    /// One `deb` line: the release itself.
    base: String,
    /// A `deb` line for each suite of updates.
    updates: String,
}

impl Sources {
    fn of_this_machine(log: &Path) -> Result<Self> {
        let about = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
        let release = about
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .map(|name| name.trim_matches('"').to_owned())
            .context("/etc/os-release names no release (VERSION_CODENAME)")?;
        let mut targets = targets()?;
        if targets.is_empty() {
            // A fresh container has never fetched its lists.
            system::update(log)?;
            targets = self::targets()?;
        }
        let signed_by = match Path::new(ARCHIVE_KEYS).exists() {
            true => format!("[signed-by={ARCHIVE_KEYS}] "),
            false => String::new(),
        };
        let line = |(suite, uri): &(String, String)| format!("deb {signed_by}{uri} {suite} main\n");
        let Some(base) = targets.iter().find(|(suite, _)| *suite == release) else {
            bail!("apt on this machine has no Debian source for the release '{release}'");
        };
        let of_updates =
            |suite: &str| ["-updates", "-security"].iter().any(|kind| *suite == format!("{release}{kind}"));
        let updates = targets.iter().filter(|(suite, _)| of_updates(suite)).map(line).collect();
        Ok(Self { base: line(base).trim_end().to_owned(), updates, release })
    }
}

/// The suites of Debian's `main` that apt knows here, as (code name, archive URI), sorted.
fn targets() -> Result<Vec<(String, String)>> {
    let format = "$(ORIGIN)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)";
    let text =
        command::output(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    let mut targets: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Debian|main|")?.split_once('|'))
        .map(|(suite, uri)| (suite.to_owned(), uri.to_owned()))
        .collect();
    targets.sort();
    targets.dedup();
    Ok(targets)
}

/// Proxies that the machine's apt uses have to be used inside the tree too.
fn proxy_options() -> Result<Vec<String>> {
    let text = command::output(Command::new("apt-config").arg("dump"))?;
    let wanted = |line: &&str| line.starts_with("Acquire::http") && line.contains("roxy") && !line.ends_with("\"\";");
    Ok(text.lines().filter(wanted).map(|line| apt_option(line.trim_end_matches(';'))).collect())
}

fn apt_option(setting: &str) -> String {
    format!("--aptopt={setting}")
}

/// The packages of a tree with their versions.
fn installed(tree: &Path) -> Result<Vec<(String, String)>> {
    let status = fs::read_to_string(tree.join("var/lib/dpkg/status")).context("the tree's package database")?;
    let field = |stanza: &str, name: &str| -> Option<String> {
        stanza.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    Ok(status
        .split("\n\n")
        .filter_map(|stanza| Some((field(stanza, "Package:")?, field(stanza, "Version:")?)))
        .collect())
}
