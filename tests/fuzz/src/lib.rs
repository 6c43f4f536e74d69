//! Fuzz targets: one for each parser of untrusted bytes.
//!
//! In: any bytes. Out: nothing, or a panic. A target does not only parse: what was accepted must obey the format's own
//! promises (one spelling, all limits kept, the same bytes again), and the payload decoder must agree with a naive twin.
//!
//! `tests/smoke.rs` runs every target over mutated vectors on the stable toolchain; `long/` has the same targets for
//! cargo-fuzz. Nothing here is used by the product.

pub mod graphs;
pub mod mutate;
pub mod naive;
pub mod opened;
pub mod payload;
pub mod scores;
pub mod signed;
pub mod streams;
pub mod texts;
pub mod traces;
pub mod wires;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// The stored vectors, below `tests/golden`, that mutations start from.
    pub seeds: &'static [&'static str],
    /// Calls the parser.
    pub run: fn(&[u8]),
    /// How many runs take as long as a thousand of the others; 1000 for most.
    pub share: u32,
}

const fn target(name: &'static str, seeds: &'static [&'static str], run: fn(&[u8])) -> Target {
    Target { name, seeds, run, share: 1000 }
}

const fn slow(share: u32, target: Target) -> Target {
    Target { share, ..target }
}

const BUNDLES: &[&str] = &["bundle/full.bin", "bundle/patch.bin"];

/// Every target.
pub const TARGETS: &[Target] = &[
    target("bundle", BUNDLES, signed::bundle),
    target("bundle_sealed", BUNDLES, signed::bundle_sealed),
    target("rollback_sealed", &["rollback/back-to-1.9.bin"], signed::rollback_sealed),
    target("channel_sealed", &["channel/stable-4.bin"], signed::channel_sealed),
    target("header", &["bundle/full.bin", "bundle/patch.bin", "bundle/small.txt"], signed::header),
    target("capsule", &["capsule/bundle.bin", "capsule/channel.bin"], signed::capsule),
    target("journal", &["journal/applying.bin", "journal/idle.bin"], signed::journal),
    slow(300, target("payload", &["payload/one-segment.txt"], payload::payload)),
    slow(300, target("segment", &["payload/varints.txt"], payload::segment)),
    slow(75, target("stream", &["payload/varints.txt"], streams::stream)),
    slow(300, target("decisions", &["payload/varints.txt"], streams::decisions)),
    target("inflated", &["payload/varints.txt"], streams::inflated),
    slow(150, target("lzma", &["payload/varints.txt"], streams::lzma)),
    slow(150, target("zstd", &["payload/varints.txt"], streams::zstd)),
    slow(150, target("corrections", &["payload/varints.txt"], streams::corrections)),
    slow(150, target("types", &["payload/varints.txt", "statement/bundle.json"], opened::types)),
    slow(300, target("containers", &["bundle/full.bin", "payload/varints.txt"], opened::containers)),
    slow(300, target("base_map", &["payload/varints.txt"], payload::base_map)),
    target("group_index", &["payload/varints.txt"], payload::group_index),
    target("trust_root", &["trust-root/golden.txt"], texts::trust_root),
    slow(300, target("checkpoint", &["log/checkpoint.txt"], texts::checkpoint)),
    slow(300, target("tlog_proof", &["log/bundle.tlog-proof"], texts::tlog_proof)),
    target("merkle", &["capsule/bundle.bin"], texts::merkle),
    target("witness_state", &["log/checkpoint.txt"], texts::witness_state),
    target("manifest", &["manifest/small.json"], texts::manifest),
    target("score_inputs", &["score/release.inputs.json", "score/worst.inputs.json"], scores::inputs),
    target("score_weights", &["score/weights.json"], scores::weights),
    target("score_record", &["score/release.record.json"], scores::record),
    slow(300, target("traces", &["score/release.inputs.json"], traces::traces)),
    target("names", &["statement/bundle.json"], texts::names),
    target("pem", &["trust-root/golden.txt"], texts::pem),
    target("artifact", &["bundle/full.bin"], texts::artifact),
    target("json", &["statement/bundle.json", "manifest/small.json"], wires::json),
    target("socket", &["statement/rollback.json"], wires::socket),
    target("config", &["trust-root/golden.txt"], wires::config),
    target("url", &["statement/bundle.json"], wires::url),
    slow(50, target("http", &["statement/bundle.json"], wires::http)),
    target("graph", &[], graphs::graph),
    target("edge_bundle", &[], graphs::edge_bundle),
    target("graph_proof", &[], graphs::graph_proof),
    target("callgrind", &[], graphs::callgrind),
    slow(300, target("executable", &[], graphs::executable)),
    slow(25, target("boot_record", &["trust-root/golden.txt"], wires::boot_record)),
];

/// The target of a name.
///
/// # Panics
/// When there is none.
pub fn target_named(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target {name}"))
}
