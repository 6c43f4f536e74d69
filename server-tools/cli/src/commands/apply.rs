//! `stella delta apply`: the device's own engine on this machine, into a file that appears only when it is right.

use super::{trust, verify};
use crate::failure::Failure;
use crate::output::{Output, bytes};
use crate::progress::{Progress, cancel_flag};
use delta_apply::os::{MappedFile, SlotFile};
use delta_apply::{Applied, Applier, BaseError, Cancelled, IoError, check_base, locate_mismatch, read_back};
use delta_bundle::BundleFile;
use delta_format::ops::Watermark;
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;

pub(crate) fn run(
    trust: Option<&Path>,
    base: Option<&Path>,
    target: &Path,
    bundle_path: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let mut bundle = match trust {
        Some(trust) => verify::check_bundle(bundle_path, &trust::load(trust)?)?,
        None => {
            let mut bundle = BundleFile::open(bundle_path).map_err(|error| Failure::bundle(bundle_path, error))?;
            bundle.check_parts().map_err(|error| Failure::bundle(bundle_path, error))?;
            bundle
        }
    };
    let header = bundle.header.clone();
    let progress = Progress::new(output);
    let cancel = cancel_flag();
    let meter = |stage: &'static str, total: u64| {
        let (progress, cancel, mut done) = (&progress, &cancel, 0);
        move |bytes: u64| {
            done += bytes;
            progress.set(stage, done, total);
            if cancel.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
        }
    };

    let base_path = match (base, header.base.is_empty()) {
        (Some(path), false) => path,
        (_, true) => Path::new("/dev/null"),
        (None, false) => {
            return Err(Failure::usage("this bundle is a delta; add --base FILE, the image that it was made for"));
        }
    };
    let opened = File::open(base_path).and_then(MappedFile::new);
    let mut base = opened.map_err(|error| Failure::io(base_path, &error))?;
    let checked = check_base(&mut base, &header.base, &mut meter("base", header.base.length));
    match checked {
        Ok(()) => {}
        Err(BaseError::Mismatch { .. } | BaseError::Io(_)) if base.length() != header.base.length => {
            let message = format!(
                "{}: {} long; the bundle was made for an image of {} (sha256 {})",
                base_path.display(),
                bytes(base.length()),
                bytes(header.base.length),
                header.base.sha256
            );
            return Err(Failure::new(Failure::BASE, "base-mismatch", message));
        }
        Err(error @ BaseError::Mismatch { .. }) => {
            let map = bundle.base_map().map_err(|error| Failure::bundle(bundle_path, error))?;
            let ranges =
                locate_mismatch(&mut base, &header, &map, &mut ()).map_err(|error| Failure::base(base_path, error))?;
            let mut failure = Failure::base(base_path, error);
            let shown: Vec<String> = ranges.iter().take(8).map(ToString::to_string).collect();
            failure.message.push_str(&format!("; it differs in {}", shown.join(", ")));
            if ranges.len() > shown.len() {
                failure.message.push_str(&format!(" and {} more ranges", ranges.len() - shown.len()));
            }
            return Err(failure);
        }
        Err(error) => return Err(Failure::base(base_path, error)),
    }

    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at_target = |error: std::io::Error| Failure::io(target, &error);
    let made = tempfile::NamedTempFile::new_in(folder).map_err(at_target)?;
    let handle = made.reopen().map_err(at_target)?;
    let mut slot = SlotFile::new(handle, header.target.length).map_err(at_target)?;
    let index = bundle.index().map_err(|error| Failure::bundle(bundle_path, error))?;
    let at_bundle = |error| Failure::apply(bundle_path, error);
    let mut applier = Applier::new::<IoError>(&header, index).map_err(at_bundle)?;
    let observer = &mut meter("applying", header.target.length);
    let unpacked = tempfile::tempfile_in(folder).and_then(|file| SlotFile::new(file, header.limits.scratch_bytes));
    let scratch = &mut unpacked.map_err(at_target)?;
    let applied = applier.apply(Watermark::default(), &mut bundle, &mut base, &mut slot, scratch, u64::MAX, observer);
    assert!(matches!(applied.map_err(at_bundle)?, Applied::Complete), "the budget has no end");
    // A temporary file is its maker's alone; an image is for whoever writes it to a device.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    made.as_file().set_permissions(readable).map_err(at_target)?;
    made.as_file().sync_all().map_err(at_target)?;
    read_back(&mut slot, &header.target, &mut meter("checking", header.target.length))
        .map_err(|error| Failure::new(Failure::FAILED, "read-back", format!("{}: {error}", target.display())))?;
    made.persist(target).map_err(|error| Failure::io(target, &error.error))?;
    drop(progress);

    let object = json!({
        "target": target,
        "bytes": header.target.length,
        "sha256": header.target.sha256.to_string(),
        "copied_bytes": applier.stats().copied,
        "added_bytes": applier.stats().added,
        "verified": trust.is_some(),
    });
    let text = format!(
        "wrote {}: {}, read back and right\nsha256 {}",
        target.display(),
        bytes(header.target.length),
        header.target.sha256
    );
    output.result(&object, &text);
    Ok(())
}
