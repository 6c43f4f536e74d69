//! `cargo xtask demo`: the whole way of an update on this machine, from two images to a committed update on an A/B device
//! and back, with a power cut in the middle.
//!
//! In: the tree; nothing else has to be prepared. Out: the story with measured figures on standard output, everything it
//! made in `target/demo`, and exit code 1 as soon as anything does not hold that the story says. It uses the programs as
//! a person would and looks at the slots with its own eyes; it shares no code with the product.

mod back;
mod build;
mod device;
mod install;
mod publisher;
mod server;
mod stage;
mod story;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::arguments::Arguments;
use crate::files;
use crate::images::{self, Pair};
use crate::leash::Leash;
use crate::measure::Usage;
use crate::system::{self, Tool};
use crate::workspace;
use device::{Device, Plan};
use install::{Cut, Plain};
use publisher::Made;
use server::Server;
use stage::Stage;
use story::{Story, seconds, size};

/// What the demo calls besides its own programs and coreutils.
const TOOLS: &[Tool] =
    &[Tool { program: "cc", package: "gcc libc6-dev" }, Tool { program: "e2fsck", package: "e2fsprogs" }];
/// The default of the agent's configuration.
const SPOOL_BYTES: u64 = 64 << 20;

/// Tells the story.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let offline = arguments.flag("--offline");
    arguments.finish()?;
    system::need(TOOLS)?;
    let began = Instant::now();
    let leash = Leash::new()?;
    eprintln!("building stella and stella-agent, and making two images; this takes minutes the first time");
    let (programs, pair) = build::programs_and_images(&leash, offline)?;
    let prepared = began.elapsed();
    let folder = workspace::target().join("demo");
    images::remove_tree(&folder)?;
    fs::create_dir_all(&folder)?;
    // A build of something else must not change the programs in the middle of the story.
    let programs = programs.copied_to(&folder.join("bin"))?;
    let story = Story::new(began, &folder.join("demo.log"))?;
    let mut stage = Stage { folder: &folder, leash: &leash, programs, story };
    tell(&mut stage, &pair, prepared, began).with_context(|| {
        let log = folder.join("demo.log");
        format!("the demo does not do what it says; every command and its output: {}", log.display())
    })
}

fn tell(stage: &mut Stage<'_>, pair: &Pair, prepared: Duration, began: Instant) -> Result<()> {
    stage.story.step("Two versions of a root file system");
    stage.story.say(&pair.figures.to_string());
    symlink(&pair.v1, stage.path("v1.img"))?;
    symlink(&pair.v2, stage.path("v2.img"))?;
    let digest = files::sha256(&stage.path("v2.img"))?;
    publisher::keys(stage)?;
    let made = publisher::bundles(stage)?;
    let server = Server::start(stage.path("site"))?;
    // Everything streams: as on a device whose spool is smaller than the payload.
    let plan = Plan { folder: "device", source: &server.url(), spool_bytes: 0 };
    let device = Device::make(stage, plan)?;
    install::check(stage, &device, &made)?;
    let cut = install::cut(stage, &device, &server, &made)?;
    let cut = install::resume(stage, &device, &server, cut, &made)?;
    install::trial(stage, &device, &digest)?;
    back::refused(stage, &device)?;
    back::attested(stage, &device)?;
    let plan = Plan { folder: "device-2", source: "../site", spool_bytes: SPOOL_BYTES };
    let second = Device::make(stage, plan)?;
    let plain = install::plain(stage, &second)?;
    figures(stage, &made, cut, plain);
    println!(
        "\n{} claims checked. {} in all, of which {} for building the programs and the images.",
        stage.story.checks(),
        seconds(began.elapsed()),
        seconds(prepared)
    );
    next(stage.folder);
    Ok(())
}

/// The measured figures.
fn figures(stage: &mut Stage<'_>, made: &Made, cut: Cut, plain: Plain) {
    stage.story.step("The figures");
    let part = |whole: u64| format!("1/{:.0}", whole as f64 / made.delta_bytes as f64);
    let usage = |usage: Usage| {
        format!(
            "{} of memory at most, {} of processor, {} in all",
            size(usage.peak_bytes),
            seconds(usage.cpu),
            seconds(usage.wall)
        )
    };
    let rows = [
        ("image", size(made.image_bytes)),
        ("full image, compressed", size(made.full_bytes)),
        (
            "delta, as devices fetch it",
            format!(
                "{} = {} of the image, {} of the compressed one",
                size(made.delta_bytes),
                part(made.image_bytes),
                part(made.full_bytes)
            ),
        ),
        ("making the delta", usage(made.usage)),
        ("install with cuts, fetched", format!("{}, {} of it twice", size(cut.fetched_bytes), size(cut.again_bytes))),
        ("install with cuts, agent", usage(cut.usage)),
        ("install undisturbed, agent", usage(plain.usage)),
        (
            "slot blocks",
            format!("{} written, {} were there already", size(plain.written_bytes), size(plain.unchanged_bytes)),
        ),
    ];
    for (name, figure) in rows {
        stage.story.say(&format!("{name:28}{figure}"));
    }
}

fn next(folder: &Path) {
    println!("Look around: cd {}; the devices are the folders device and device-2, for example:", folder.display());
    println!("    bin/stella-agent --config device history");
    println!("    bin/stella log checkpoint log --log-vkey log.vkey");
}
