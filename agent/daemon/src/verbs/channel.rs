//! Looking into a channel: fetch the index, verify it, choose, remember its number.

use super::{Trouble, with_time};
use crate::config::Settings;
use crate::device::Device;
use crate::executor::Executor;
use crate::exit::{Exit, Report};
use crate::json::{object, optional};
use crate::platform::{Platform, Progress, Slot, Slots, Stage, Watcher};
use crate::progress::bytes;
use crate::source::channel::{Choice, Facts, choose};
use crate::source::{Place, read_small};
use crate::stop::Stop;
use crate::trust;
use delta_apply::{BaseError, check_base};
use delta_format::channel::{ChannelEntry, INDEX_FILE, ImageDigest};
use delta_format::container::PREFIX_BYTES;
use delta_format::header::ImageId;
use delta_format::limits::{CAPSULE_BYTES_MAX, CHANNEL_BYTES_MAX};
use delta_format::{Blake3, Sha256};
use delta_verify::{admit_channel, verify_channel};

/// Bytes of an index file at most.
const INDEX_BYTES_MAX: usize = PREFIX_BYTES + CHANNEL_BYTES_MAX + CAPSULE_BYTES_MAX;

/// The channel that the operator names, or the configured one.
pub(super) fn place(settings: &Settings, from: Option<&str>) -> Result<Place, Trouble> {
    match from {
        Some(text) => {
            Place::parse(text).map_err(|reason| Trouble::Usage(format!("'{text}' cannot be used: {reason}.")))
        }
        None => settings.source.clone().ok_or_else(|| {
            let text = "No source is configured. Name a bundle (stella-agent install FILE), a channel (--from PLACE), \
                        or set 'source' and 'channel' in /etc/stella-agent/config.toml.";
            Trouble::Usage(text.to_owned())
        }),
    }
}

/// Reads the channel at `place` and chooses.
pub(super) fn look(
    executor: &mut Executor<Device>,
    settings: &Settings,
    place: &Place,
    stop: &Stop,
    watcher: &mut dyn Watcher,
) -> Result<Choice, Trouble> {
    let Some(channel) = &settings.channel else {
        let text = "No channel is configured; set 'channel' in /etc/stella-agent/config.toml to its name.";
        return Err(Trouble::Usage(text.to_owned()));
    };
    let known = executor.record().facts.clone();
    let settings = with_time(settings, known.time_floor);
    let index = read_small(&place.join(INDEX_FILE), INDEX_BYTES_MAX, &settings, stop)?;
    let trust = trust::load(&settings.trust_dir).map_err(Trouble::Trust)?;
    let verified = verify_channel(&index, &trust)?;
    let seen = known.channel.as_ref().filter(|seen| seen.channel == *channel);
    admit_channel(&verified, channel, seen.map_or(0, |seen| seen.number))?;
    executor.saw_channel(channel.clone(), verified.head().number)?;
    let facts = Facts {
        product: &settings.product,
        hardware: &settings.hardware,
        version_floor: known.version_floor,
        fallback: settings.fallback,
    };
    let running = executor.boot_facts().running;
    let image = known.slot(running).image().copied();
    // What the running slot holds in its first so many bytes: one pass for each length, whatever is compared with it.
    let mut found: Vec<(u64, Option<Blake3>)> = Vec::new();
    Ok(choose(verified.entries(), &facts, |asked| match image {
        Some(image) => (image.length, image.blake3) == (asked.length, asked.blake3),
        None => {
            let known = found.iter().find(|(length, _)| *length == asked.length).copied();
            let (_, digest) = known.unwrap_or_else(|| {
                found.push((asked.length, digest(executor, running, asked, watcher)));
                found[found.len() - 1]
            });
            digest == Some(asked.blake3)
        }
    }))
}

/// Reads the running slot of a device that does not know yet what it runs. A slot that cannot be read holds nothing;
/// the install that follows will say why.
fn digest(
    executor: &mut Executor<Device>,
    running: Slot,
    asked: &ImageDigest,
    watcher: &mut dyn Watcher,
) -> Option<Blake3> {
    let slots = executor.platform().slots();
    let fits = slots.capacity(running).is_ok_and(|capacity| capacity >= asked.length);
    let mut base = slots.open_base(running).ok().filter(|_| fits)?;
    let stage = Stage::CheckBase;
    let _ = watcher.progress(Progress::Started { stage, bytes: asked.length });
    let mut observer = |bytes| watcher.progress(Progress::Advanced { stage, bytes });
    // The device compares by BLAKE3 only.
    let id = ImageId { length: asked.length, blake3: asked.blake3, sha256: Sha256::new([0; 32]) };
    match check_base(&mut base, &id, &mut observer) {
        Ok(()) => Some(asked.blake3),
        Err(BaseError::Mismatch { found }) => Some(found),
        Err(_) => None,
    }
}

/// See `stella-agent check`.
pub(super) fn check(
    executor: &mut Executor<Device>,
    settings: &Settings,
    from: Option<&str>,
    stop: &Stop,
    watcher: &mut dyn Watcher,
) -> Result<Report, Trouble> {
    let place = place(settings, from)?;
    let choice = look(executor, settings, &place, stop, watcher)?;
    Ok(match choice {
        Choice::Take(entry) => found(&place, &entry, from),
        other => nothing(&place, &other),
    })
}

fn found(place: &Place, entry: &ChannelEntry, from: Option<&str>) -> Report {
    let kind = if entry.base.length == 0 { "full image" } else { "delta" };
    let next = from.map_or(String::new(), |from| format!(" --from {from}"));
    let text = format!(
        "Version {} is available: a {kind} of {} for an image of {}. Install it with: stella-agent install{next}",
        entry.version,
        bytes(entry.fetch_bytes),
        bytes(entry.target.length),
    );
    Report::new(Exit::Ok, "update-available", text).with(object([
        ("source", place.to_string().into()),
        ("version", entry.version.to_string().into()),
        ("file", entry.file.as_str().into()),
        ("fetch_bytes", entry.fetch_bytes.into()),
        ("image_bytes", entry.target.length.into()),
        ("full", (entry.base.length == 0).into()),
    ]))
}

/// The report of a choice that takes nothing.
pub(super) fn nothing(place: &Place, choice: &Choice) -> Report {
    let data = |newest, full_bytes| {
        object([
            ("source", place.to_string().into()),
            ("newest", optional(newest)),
            ("full_bytes", optional(full_bytes)),
        ])
    };
    match choice {
        Choice::NoDelta { newest, full_bytes } => {
            let way = match full_bytes {
                Some(count) => format!(
                    "Its full image has {}; allow it by fallback = \"full\" in the configuration, then: stella-agent install",
                    bytes(*count)
                ),
                None => {
                    "Ask the publisher for a delta from what runs here; see it with: stella-agent status".to_owned()
                }
            };
            let text = format!("Version {newest} is available, but no delta starts at the running image. {way}");
            Report::new(Exit::Base, "no-delta", text).with(data(Some(newest.to_string()), *full_bytes))
        }
        Choice::Foreign => {
            let text =
                format!("Nothing in {place} is for this product and hardware. See them with: stella-agent status");
            Report::new(Exit::Nothing, "nothing-for-this-device", text).with(data(None, None))
        }
        Choice::Current | Choice::Take(_) => {
            Report::new(Exit::Nothing, "up-to-date", "Nothing newer is available.").with(data(None, None))
        }
    }
}
