//! `stella-agent doctor`: looks at everything that an update depends on and names the next command for each problem.
//!
//! In: the settings. Out: findings, one a subject, good ones too. It changes nothing except for a probe file in the
//! state directory, which it removes again.

pub mod ext4;

use crate::boot::file::FileBoot;
use crate::config::Settings;
use crate::exit::{Exit, Report};
use crate::json::{Value, object};
use crate::lock::Lock;
use crate::partial;
use crate::platform::{ReadAt, Slot, Slots, StateDir, StateFile, Watcher};
use crate::progress::bytes;
use crate::slots::FileSlots;
use crate::socket::{Request, client, path as socket_path};
use crate::source::Place;
use crate::state_dir::{Folder, free_bytes};
use crate::{trust, verbs};
use agent_machine::{BootState, Record, State};
use delta_format::channel::INDEX_FILE;
use ext4::{HEAD_BYTES, Superblock};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Note,
    Bad,
}

struct Finding {
    subject: &'static str,
    verdict: Verdict,
    text: String,
}

fn good(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { subject, verdict: Verdict::Good, text: text.into() }
}

fn note(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { subject, verdict: Verdict::Note, text: text.into() }
}

fn bad(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { subject, verdict: Verdict::Bad, text: text.into() }
}

/// See `stella-agent doctor`.
pub fn examine(settings: &Settings, watcher: &mut dyn Watcher) -> Report {
    let mut findings = vec![trust_root(settings), state_directory(settings)];
    let record = match verbs::record(settings) {
        Ok(record) => record,
        Err(error) => {
            findings.push(bad("journal", error.to_string()));
            Record::default()
        }
    };
    findings.push(instance(settings));
    let boot = FileBoot::new(&settings.boot_path).load();
    let mut slots = FileSlots::new(settings.slots.clone(), settings.running_by.clone());
    let running = slots.running();
    findings.extend(slot_paths(settings, &mut slots));
    match (&boot, running) {
        (Err(error), _) => findings.push(bad("boot", boot_error(settings, error))),
        (_, Err(error)) => findings.push(bad("running slot", running_error(&error))),
        (Ok(boot), Ok(running)) => {
            findings.push(boot_state(boot, running, &record, settings));
            findings.push(base(running, &record, settings, &mut slots, watcher));
        }
    }
    findings.extend([update(&record, settings), leftovers(&record, settings), clock(&record), source(settings)]);
    findings.extend(failed_here(&record));
    report(&findings)
}

fn report(findings: &[Finding]) -> Report {
    let word = |verdict| match verdict {
        Verdict::Good => "ok",
        Verdict::Note => "note",
        Verdict::Bad => "BAD",
    };
    let line = |finding: &Finding| format!("{:5}{:16}{}", word(finding.verdict), finding.subject, finding.text);
    let lines: Vec<String> = findings.iter().map(line).collect();
    let data: Vec<Value> = findings
        .iter()
        .map(|finding| {
            object([
                ("subject", finding.subject.into()),
                ("verdict", word(finding.verdict).to_ascii_lowercase().into()),
                ("text", finding.text.as_str().into()),
            ])
        })
        .collect();
    let (exit, code) = match findings.iter().any(|finding| finding.verdict == Verdict::Bad) {
        true => (Exit::Failed, "problems-found"),
        false => (Exit::Ok, "ok"),
    };
    Report::new(exit, code, lines.join("\n")).with(data.into())
}

fn trust_root(settings: &Settings) -> Finding {
    match trust::load(&settings.trust_dir) {
        Err(text) => bad("trust", format!("{text} Copy the trust root of your publisher there.")),
        Ok(root) => good(
            "trust",
            format!(
                "{} version {}: {} signers, {} logs, {} of {} witnesses needed",
                root.name(),
                root.version(),
                root.signers().len(),
                root.logs().len(),
                root.quorum(),
                root.witnesses().len()
            ),
        ),
    }
}

fn state_directory(settings: &Settings) -> Finding {
    let place = settings.state_dir.display();
    let probe = || {
        let mut folder = Folder::open(&settings.state_dir)?;
        let mut file = folder.create("probe")?;
        file.write_at(0, &[0; 4096])?;
        file.sync()?;
        folder.remove("probe")
    };
    if let Err(error) = probe() {
        let text = format!("{place} cannot be written: {error}. Mount it for writing, or make room: df {place}");
        return bad("state directory", text);
    }
    match free_bytes(&settings.state_dir) {
        Ok(free) if free < settings.spool_bytes => note(
            "state directory",
            format!(
                "{place} has {} left, and spool_bytes is {}; larger updates stop with exit code 8. Make room: du -h {place}",
                bytes(free),
                bytes(settings.spool_bytes)
            ),
        ),
        Ok(free) => good("state directory", format!("{place} can be written, {} left", bytes(free))),
        Err(error) => bad("state directory", format!("{place}: {error}")),
    }
}

fn instance(settings: &Settings) -> Finding {
    let mut ignore = |_| {};
    let daemon = client::call(&socket_path(&settings.run_dir), &Request::Status, &mut ignore);
    match (daemon, Lock::take(&settings.run_dir)) {
        (Ok(_), Ok(Some(_))) => bad(
            "agent",
            "a daemon answers, but holds no lock here: another one has the same socket. Restart it: systemctl restart \
             stella-agent",
        ),
        (Ok(_), _) => good("agent", "the daemon runs and answers"),
        (Err(client::ClientError::NoDaemon), Ok(Some(_))) => good("agent", "no daemon runs"),
        (Err(client::ClientError::NoDaemon), Ok(None)) => {
            note("agent", "another stella-agent is at work. Wait for it, or find it with: pgrep -a stella-agent")
        }
        (Err(client::ClientError::NotAllowed), _) => {
            bad("agent", "this user may not ask the daemon. Run as root: sudo stella-agent doctor")
        }
        (Err(client::ClientError::Io(error)), _) => {
            bad("agent", format!("the daemon does not answer ({error}). Restart it: systemctl restart stella-agent"))
        }
        (_, Err(error)) => {
            let place = settings.run_dir.display();
            bad("agent", format!("{place} cannot be used: {error}. Run as root: sudo stella-agent doctor"))
        }
    }
}

fn slot_paths(settings: &Settings, slots: &mut FileSlots) -> Vec<Finding> {
    let capacity: Vec<_> = Slot::BOTH.into_iter().map(|slot| (slot, slots.capacity(slot))).collect();
    let finding = |(slot, capacity): (Slot, Result<u64, _>)| {
        let path = settings.slots[slot.index()].display().to_string();
        match capacity {
            Ok(0) => bad("slot", format!("{slot} ({path}) has no bytes. Check 'slots' in the configuration")),
            Ok(count) => good("slot", format!("{slot} is {path}, {}", bytes(count))),
            Err(error) => bad(
                "slot",
                format!("{slot} ({path}) cannot be opened: {error}. Check 'slots' in the configuration: lsblk"),
            ),
        }
    };
    capacity.into_iter().map(finding).collect()
}

fn boot_error(settings: &Settings, error: &crate::platform::IoError) -> String {
    let path = settings.boot_path.display();
    match error.0 {
        2 => format!(
            "there is no boot record {path}. It is never made out of nothing; for a device that runs slot A: printf \
             'stella-boot v1\\ndefault a\\nend\\n' > {path}"
        ),
        74 => format!("the boot record {path} is damaged. Look at it: cat {path}"),
        _ => format!("the boot record {path} cannot be read: {error}"),
    }
}

fn running_error(error: &crate::platform::IoError) -> String {
    format!(
        "the running slot cannot be told: {error}. Check 'slots.running' in the configuration, and what the kernel was \
         told: cat /proc/cmdline"
    )
}

fn boot_state(boot: &BootState, running: Slot, record: &Record, settings: &Settings) -> Finding {
    let reboot = &settings.reboot_command;
    let on_trial = boot.trial.is_some_and(|trial| trial.slot == running);
    match &record.state {
        _ if boot.bad[running.index()] => {
            bad("boot", format!("slot {running} runs although it is marked bad. Restart with: {reboot}"))
        }
        State::Idle(_) if boot.default != running && !on_trial => bad(
            "boot",
            format!(
                "slot {running} runs, but slot {} is the default and nothing is on trial. Restart with: {reboot}",
                boot.default
            ),
        ),
        _ => good("boot", format!("slot {running} runs, slot {} is the default", boot.default)),
    }
}

/// Is the running slot still what was installed? If not, its file system says who wrote to it.
fn base(
    running: Slot,
    record: &Record,
    settings: &Settings,
    slots: &mut FileSlots,
    watcher: &mut dyn Watcher,
) -> Finding {
    let mut head = [0; HEAD_BYTES];
    let superblock = match slots.open_base(running) {
        Ok(mut base) => base.read_at(0, &mut head).ok().and_then(|()| Superblock::read(&head)),
        Err(_) => None,
    };
    let who = superblock.as_ref().map_or_else(String::new, |superblock| format!("; {}", superblock.accuse()));
    let written_now = mounted_for_writing(slots, running)
        .map(|place| format!("; it is mounted for writing on {place} now"))
        .unwrap_or_default();
    match verbs::check(running, record.facts.slot(running), settings, watcher) {
        Err(report) => bad("running slot", report.text),
        Ok(("match", text)) if written_now.is_empty() => good("running slot", format!("{running} {text}")),
        Ok(("match", text)) => {
            note("running slot", format!("{running} {text}{written_now}; the next delta will not fit"))
        }
        Ok(("unknown", text)) => note("running slot", format!("{running} is {text}{who}{written_now}")),
        Ok((_, text)) => bad(
            "running slot",
            format!(
                "{running} {text}{who}{written_now}. Deltas from it are refused; a full image installs: set fallback = \"full\""
            ),
        ),
    }
}

/// Where a slot is mounted for writing, by `/proc/self/mounts`.
fn mounted_for_writing(slots: &FileSlots, slot: Slot) -> Option<String> {
    let device = slots.path(slot).canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (source, place, options) = (fields.next()?, fields.next()?, fields.nth(1)?);
        let writes = options.split(',').next() == Some("rw");
        let same = fs::canonicalize(source).is_ok_and(|source| source == device);
        (writes && same).then(|| place.to_owned())
    })
}

fn update(record: &Record, settings: &Settings) -> Finding {
    let Some(goal) = record.state.goal() else {
        return good("update", "none is under way");
    };
    let version = goal.release.version;
    match &record.state {
        State::AwaitingReboot(_) | State::Returning(_) => {
            note("update", format!("version {version} waits for a restart: {}", settings.reboot_command))
        }
        State::Trial(_) => note("update", format!("version {version} is on trial: stella-agent commit, or mark-bad")),
        state => note("update", format!("version {version} is {}: stella-agent resume, or cancel", state.name())),
    }
}

fn leftovers(record: &Record, settings: &Settings) -> Finding {
    let fetched = fs::metadata(settings.state_dir.join(partial::FILE)).map(|metadata| {
        use std::os::unix::fs::MetadataExt;
        metadata.blocks() * 512
    });
    match (fetched, record.state.goal()) {
        (Ok(count), None) if count > 0 => note(
            "leftovers",
            format!("{} of an unfinished transfer are kept; the next install uses or drops them", bytes(count)),
        ),
        (Ok(count), _) => good("leftovers", format!("{} of the current transfer are kept", bytes(count))),
        (Err(_), _) => good("leftovers", "none"),
    }
}

fn clock(record: &Record) -> Finding {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let floor = record.facts.time_floor;
    if clock < floor {
        let (clock, floor) = (ext4::date(clock), ext4::date(floor));
        return note(
            "clock",
            format!(
                "the clock says {clock}, and it is provably {floor} or later. Updates do not mind; logs do: timedatectl"
            ),
        );
    }
    good("clock", format!("{}, not before the proven time", ext4::date(clock)))
}

fn source(settings: &Settings) -> Finding {
    match &settings.source {
        None => note("source", "none is configured; updates come by: stella-agent install FILE"),
        Some(Place::Path(path)) if path.join(INDEX_FILE).is_file() => {
            good("source", format!("{} is there", path.display()))
        }
        Some(Place::Path(path)) => note("source", format!("{} holds no {INDEX_FILE} now. Plug it in", path.display())),
        #[cfg(feature = "net")]
        Some(Place::Web(url)) => good("source", format!("{url}; ask it with: stella-agent check")),
    }
}

fn failed_here(record: &Record) -> Option<Finding> {
    let releases = record.facts.failed_here.iter();
    let list: Vec<String> = releases.map(|entry| format!("{} (in {})", entry.version, entry.stage)).collect();
    let text =
        format!("not installed again by themselves: {}. To try again: stella-agent install --force", list.join(", "));
    (!list.is_empty()).then(|| note("failed here", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support;

    /// An empty folder has every problem; each is named with a way out.
    #[test]
    fn problems_come_with_the_next_command() {
        let folder = tempfile::tempdir().unwrap();
        let settings = tests_support::settings(folder.path());
        let report = examine(&settings, &mut ());
        assert_eq!((report.exit, report.code.as_str()), (Exit::Failed, "problems-found"));
        for expected in ["trust directory", "cannot be opened", "no boot record", "stella-boot v1", "no daemon runs"] {
            assert!(report.text.contains(expected), "{expected} in:\n{}", report.text);
        }
    }

    /// A device that is set up well, with a file system that was mounted, has notes only.
    #[test]
    fn a_good_device_has_no_problems_but_its_trust() {
        let folder = tempfile::tempdir().unwrap();
        let settings = tests_support::settings(folder.path());
        let mut image = vec![0; 4096];
        image[1024 + 0x38..1024 + 0x3a].copy_from_slice(&0xef53u16.to_le_bytes());
        image[1024 + 0x2c..1024 + 0x30].copy_from_slice(&951_782_400u32.to_le_bytes());
        image[1024 + 0x34] = 3;
        for name in ["a.img", "b.img"] {
            fs::write(folder.path().join(name), &image).unwrap();
        }
        fs::write(folder.path().join("boot"), "stella-boot v1\ndefault a\nend\n").unwrap();
        fs::write(folder.path().join("running"), "a\n").unwrap();
        let report = examine(&settings, &mut ());
        let bad: Vec<_> = report.text.lines().filter(|line| line.starts_with("BAD")).collect();
        assert_eq!(bad.len(), 1, "{}", report.text);
        assert!(bad[0].contains("trust") && report.text.contains("mounted for writing 3 times"), "{}", report.text);
        let Value::List(data) = &report.data else { panic!("a list") };
        assert_eq!(data.len(), report.text.lines().count());
    }
}
