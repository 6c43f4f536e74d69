//! What a device says of a file: the first check that refuses it, as a word.
//!
//! The order is the device's: signatures and proofs, then the file's other parts, policy, the payload. The words are the
//! codes of `delta_verify::Refusal`; behind the verifier `damaged` and `malformed` keep their meaning, and a payload
//! that does not make the signed target is `segment-mismatch`.

use crate::images;
use crate::site::name;
use agent_machine::Record;
use delta_apply::{Applied, Applier, ApplyError, IoError, ReadAt, Target};
use delta_bundle::{BundleFile, BundleReadError, blake3_parts};
use delta_format::capsule::LogHead;
use delta_format::ops::Watermark;
use delta_format::{FormatError, Version, journal};
use delta_verify::{Admission, Device, Known, TrustRoot, admit, admit_channel, permit_rollback};
use delta_verify::{verify_bundle, verify_channel, verify_rollback};
use std::path::Path;

/// The word for a file with nothing wrong.
pub const ACCEPTED: &str = "accepted";

/// The memory that the device of the vectors gives.
pub const MEMORY_BYTES_MAX: u32 = 4 << 20;
/// The number of the newest channel index that it has seen.
pub const CHANNEL_SEEN: u64 = 3;

/// The verdict over a file of a kind, by a device of product `gateway` on `board-a` at version floor 2.0 that follows
/// the channel `stable`, has seen its number 3, runs the base image and keeps `heads`.
///
/// # Panics
/// For an unknown kind.
pub fn verdict(kind: &str, file: &[u8], heads: &[LogHead], trust: &TrustRoot) -> String {
    match kind {
        "bundle" => bundle(file, heads, trust),
        "rollback" => rollback(file, heads, trust),
        "channel" => channel(file, trust),
        "journal" => journal(file),
        "trust-root" => trust_root(file),
        other => panic!("no such kind: {other}"),
    }
}

fn device<'a>(product: &'a delta_format::Name, hardware: &'a delta_format::Name) -> Device<'a> {
    let running = delta_ingest::digest(&images::base(), |_| ());
    Device {
        product,
        hardware,
        running: Some(delta_format::channel::ImageDigest { length: running.length, blake3: running.blake3 }),
        version_floor: floor(),
        time_floor: 0,
        memory_bytes_max: MEMORY_BYTES_MAX,
    }
}

fn floor() -> Version {
    "2.0".parse().expect("a version")
}

fn bundle(file: &[u8], heads: &[LogHead], trust: &TrustRoot) -> String {
    let known = Known { heads, time_floor: 0 };
    let verified = match verify_bundle(file, trust, &known, None) {
        Ok(verified) => verified,
        Err(refusal) => return refusal.code().to_owned(),
    };
    let scratch = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(scratch.path(), file).expect("written");
    let mut opened = match open_whole(scratch.path()) {
        Ok(opened) => opened,
        Err(code) => return code.to_owned(),
    };
    let (product, hardware) = (name("gateway"), name("board-a"));
    match admit(&verified, &device(&product, &hardware), None) {
        Ok(Admission::Install(_)) => apply(&mut opened),
        Ok(Admission::NothingToDo) => "nothing-to-do".to_owned(),
        Err(refusal) => refusal.code().to_owned(),
    }
}

/// Opens a bundle and checks every part of it, as `stella delta verify` does.
///
/// # Errors
/// `damaged` or `malformed`.
pub fn open_whole(path: &Path) -> Result<BundleFile, &'static str> {
    let code = |error| match error {
        BundleReadError::Format(FormatError::Truncated | FormatError::BadChecksum) => "damaged",
        BundleReadError::Format(_) => "malformed",
        BundleReadError::Damaged(_) => "damaged",
        other => panic!("the scratch file is readable: {other}"),
    };
    let mut bundle = BundleFile::open(path).map_err(code)?;
    bundle.check_parts().map_err(code)?;
    Ok(bundle)
}

fn apply(bundle: &mut BundleFile) -> String {
    let header = bundle.header.clone();
    let base = if header.base.is_empty() { Vec::new() } else { images::base() };
    let mut slot = Memory(vec![0; header.target.length as usize]);
    let mut scratch = Memory(vec![0; header.limits.scratch_bytes as usize]);
    let index = bundle.index().expect("checked before");
    let made = Applier::new::<IoError>(&header, index).and_then(|mut applier| {
        let at = Watermark::default();
        applier.apply(at, bundle, &mut &base[..], &mut slot, &mut scratch, u64::MAX, &mut ())
    });
    match made {
        Ok(Applied::Complete) if *blake3::hash(&slot.0).as_bytes() == *header.target.blake3.as_bytes() => {
            ACCEPTED.into()
        }
        Ok(_) => "read-back".into(),
        Err(ApplyError::Format(_) | ApplyError::Frame | ApplyError::LimitsUnderstated) => "malformed".into(),
        Err(ApplyError::SegmentMismatch { .. }) => "segment-mismatch".into(),
        Err(error) => panic!("nothing else can go wrong in memory: {error}"),
    }
}

fn rollback(file: &[u8], heads: &[LogHead], trust: &TrustRoot) -> String {
    let (product, hardware) = (name("gateway"), name("board-a"));
    let permitted = verify_rollback(file, trust, &Known { heads, time_floor: 0 }, None)
        .and_then(|verified| permit_rollback(Some(&verified), &device(&product, &hardware)));
    permitted.map_or_else(|refusal| refusal.code(), |_| ACCEPTED).to_owned()
}

fn channel(file: &[u8], trust: &TrustRoot) -> String {
    let admitted =
        verify_channel(file, trust).and_then(|verified| admit_channel(&verified, &name("stable"), CHANNEL_SEEN));
    admitted.map_or_else(|refusal| refusal.code(), |()| ACCEPTED).to_owned()
}

fn journal(copy: &[u8]) -> String {
    let read = journal::open(copy, blake3_parts).and_then(|(_, body)| Record::decode(body));
    match read {
        Ok(_) => ACCEPTED,
        Err(FormatError::Truncated | FormatError::BadChecksum) => "damaged",
        Err(_) => "malformed",
    }
    .to_owned()
}

/// A trust root names the line and the problem.
fn trust_root(text: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(text) else { return "not-text".to_owned() };
    match TrustRoot::parse(text) {
        Ok(_) => ACCEPTED.to_owned(),
        Err(error) => format!("line-{}-{:?}", error.line, error.problem).replace('"', ""),
    }
}

/// A slot in memory, or scratch storage.
#[derive(Debug)]
pub struct Memory(pub Vec<u8>);

impl ReadAt for Memory {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        (&self.0[..]).read_at(offset, out)
    }
}

impl Target for Memory {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let place = self.0.get_mut(offset as usize..offset as usize + bytes.len());
        place.ok_or(IoError::ENOSPC)?.copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}
