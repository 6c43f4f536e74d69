//! `stella score`: how risky a delta is, why, and whether a record of that can be computed again. It sets no threshold.

use super::{trust, verify};
use crate::failure::Failure;
use crate::output::{Output, grouped, one_line};
use delta_bundle::{BundleFile, Computed};
use delta_format::container::Kind as Container;
use delta_score::limits::SCORE_BYTES_MAX;
use delta_score::{INPUTS_FORMAT, Inputs, Kind, Metric, RECORD_FORMAT, Record, ScoreError, Weights, score};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// What a score is computed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct With<'a> {
    /// The trust root under which a bundle is verified first.
    pub trust: Option<&'a Path>,
    /// Unix seconds, for the age of what witnesses proved.
    pub now: Option<u64>,
    /// Weights instead of the built-in ones.
    pub weights: Option<&'a Path>,
}

/// Prints the record of a bundle or of inputs; with `is_inputs` only what would be scored.
pub(crate) fn compute(file: &Path, with: With<'_>, is_inputs: bool, output: &Output) -> Result<(), Failure> {
    let inputs = inputs(file, with)?;
    if is_inputs {
        let text = inputs.to_canonical_json();
        output.raw(&[&text[..], b"\n"].concat());
        return Ok(());
    }
    let record = score(&inputs, &weights(with.weights)?);
    output.result(&value(&record.to_canonical_json()), &headline(&record));
    Ok(())
}

/// Prints what a score is made of and what would lower it.
pub(crate) fn explain(file: &Path, with: With<'_>, output: &Output) -> Result<(), Failure> {
    let record = score(&inputs(file, with)?, &weights(with.weights)?);
    let inputs = record.inputs().map_err(|error| unusable(file, &error))?;
    output.result(&value(&record.to_canonical_json()), &(headline(&record) + &table(&record, &inputs)));
    Ok(())
}

/// Computes a record again, from its own inputs or from the bundle, and compares every byte.
pub(crate) fn replay(file: &Path, bundle: Option<&Path>, with: With<'_>, output: &Output) -> Result<(), Failure> {
    let stored = read(file)?;
    let weights = weights(with.weights)?;
    let stored = stored.strip_suffix(b"\n").unwrap_or(&stored);
    let replayed = delta_score::replay(stored, &weights).map_err(|error| unusable(file, &error))?;
    let of_bundle = match bundle {
        None => None,
        Some(bundle) => {
            let again = score(&of_bundle(bundle, with)?, &weights).to_canonical_json();
            delta_score::first_difference(&value(stored), &value(&again))
        }
    };
    if let Some(path) = replayed.difference.or(of_bundle) {
        let hint = if path.starts_with("weights") { "give the weights that it names with --weights" } else { "" };
        let hint = if hint.is_empty() { "see `stella score explain`" } else { hint };
        let message = format!("{}: computed again, {path} is another; {hint}", file.display());
        return Err(Failure::new(Failure::VERIFICATION, "not-reproduced", message));
    }
    let record = &replayed.record;
    let object = json!({"file": file, "verdict": "reproduced", "delta_risk": record.delta_risk, "word": record.word});
    output
        .result(&object, &format!("{}: computed again, every byte is the same\n{}", file.display(), headline(record)));
    Ok(())
}

/// The weights of a file, or those of this program.
pub(super) fn weights(file: Option<&Path>) -> Result<Weights, Failure> {
    let Some(file) = file else { return Ok(Weights::built_in()) };
    let json = read(file)?;
    Weights::read(json.strip_suffix(b"\n").unwrap_or(&json)).map_err(|error| unusable(file, &error))
}

/// The inputs of a bundle, of a document of inputs, or of a record.
fn inputs(file: &Path, with: With<'_>) -> Result<Inputs, Failure> {
    let mut start = [0; 8];
    let magic = Container::Bundle.magic();
    let mut opened = std::fs::File::open(file).map_err(|error| Failure::io(file, &error))?;
    let is_bundle = opened.read_exact(&mut start).is_ok() && start.starts_with(&magic[..]);
    if is_bundle {
        return of_bundle(file, with);
    }
    let json = read(file)?;
    let format =
        serde_json::from_slice::<Value>(&json).ok().and_then(|value| Some(value.get("format")?.as_str()?.to_owned()));
    let inputs = match format.as_deref() {
        Some(RECORD_FORMAT) => Record::read(&json).and_then(|record| record.inputs()),
        Some(INPUTS_FORMAT) => Inputs::read(&json),
        _ => {
            let message =
                "neither a bundle nor a document of score inputs; `stella score compute --inputs BUNDLE` writes one";
            return Err(Failure::new(Failure::VERIFICATION, "malformed", format!("{}: {message}", file.display())));
        }
    };
    inputs.map_err(|error| unusable(file, &error))
}

/// What is measured of a bundle. With a trust root it is verified first: what fails that has no score.
pub(super) fn of_bundle(file: &Path, with: With<'_>) -> Result<Inputs, Failure> {
    let root = with.trust.map(trust::load).transpose()?;
    let bundle = match &root {
        Some(root) => verify::check_bundle(file, root)?,
        None => BundleFile::open(file).map_err(|error| Failure::bundle(file, error))?,
    };
    let manifest = bundle.manifest().map_err(|error| Failure::bundle(file, error))?;
    let given = &manifest.score_inputs;
    let (base, target) = (&bundle.header.base.sha256, &bundle.header.target.sha256);
    let mut inputs = Inputs::unknown(base, target, "not measured");
    match &given.entropy {
        Computed::Value(entropy) => {
            let all = entropy.added_bytes.saturating_add(entropy.copied_bytes);
            inputs.know_share(Metric::AddedShare, entropy.added_bytes, all);
            inputs.know(Metric::AddedMillibits, entropy.millibits_per_added_byte);
        }
        Computed::NotComputed(reason) => {
            inputs.lack(Metric::AddedShare, reason);
            inputs.lack(Metric::AddedMillibits, reason);
        }
    }
    for (metric, source, key) in [
        (Metric::SlsaBuildLevel, &given.provenance, "slsa_build_level"),
        (Metric::DepsAdded, &given.deps, "added"),
        (Metric::DepsDowngraded, &given.deps, "downgraded"),
        (Metric::DepsRebuilt, &given.deps, "rebuilt"),
    ] {
        match source {
            Computed::NotComputed(reason) => inputs.lack(metric, reason),
            Computed::Value(object) => match object.get(key).and_then(Value::as_u64) {
                Some(value) => inputs.know(metric, value),
                None => inputs.lack(metric, &format!("the manifest does not say {key}")),
            },
        }
    }
    match &given.fn_impact {
        Computed::Value(impact) => {
            inputs.know(Metric::ChangedShare, impact.changed_share_bp);
            inputs.know(Metric::FanInMax, impact.fan_in_max);
            inputs.know(Metric::ImportsGained, impact.imports_gained);
            match impact.changed_share_bp {
                0 => inputs.know(Metric::ReachableChanged, 0),
                _ => inputs.lack(Metric::ReachableChanged, "no call graph was given"),
            }
        }
        Computed::NotComputed(reason) => {
            [Metric::ChangedShare, Metric::FanInMax, Metric::ImportsGained, Metric::ReachableChanged]
                .into_iter()
                .for_each(|metric| inputs.lack(metric, reason));
        }
    }
    let there = |is_there: bool| u64::from(is_there);
    inputs.know(Metric::Envelope, there(!bundle.capsule.signatures.is_empty()));
    inputs.know(Metric::InclusionProof, there(bundle.capsule.log.is_some()));
    let Some(root) = root else {
        for metric in [Metric::AgeDays, Metric::SignaturesMissing, Metric::WitnessesMissing] {
            inputs.lack(metric, "not verified: no trust root was given");
        }
        return Ok(inputs);
    };
    let verified = verify::proven(file, &bundle, &root)?;
    inputs.know(Metric::Envelope, 2);
    inputs.know(Metric::SignaturesMissing, 0);
    match (&verified.log, with.now) {
        (Some(log), Some(now)) => inputs.know(Metric::AgeDays, now.saturating_sub(log.proven_time) / DAY),
        (Some(_), None) => inputs.lack(Metric::AgeDays, "no time was given to count from"),
        (None, _) => inputs.lack(Metric::AgeDays, "no witness proved a time"),
    }
    if verified.log.is_some() {
        inputs.know(Metric::InclusionProof, 2);
        inputs.know(Metric::WitnessesMissing, 0);
    }
    Ok(inputs)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| Failure::io(file, &error))?;
    // One byte more than allowed, so that the reader sees that it is too long.
    opened.take(SCORE_BYTES_MAX as u64 + 2).read_to_end(&mut bytes).map_err(|error| Failure::io(file, &error))?;
    Ok(bytes)
}

fn unusable(file: &Path, error: &ScoreError) -> Failure {
    let message = format!("{}: {error}; docs/formats/score.md has the rules", file.display());
    Failure::new(Failure::VERIFICATION, "malformed", message)
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}

/// Basis points as a percentage.
fn percent(basis_points: u64) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

fn headline(record: &Record) -> String {
    format!(
        "risk     {} of 10,000: {} (higher is riskier)\n\
         unknown  {} of what counts\n\
         weights  {}, sha256 {}\n",
        grouped(record.delta_risk),
        record.word,
        percent(record.unknown_bp),
        record.weights.version,
        record.weights.sha256,
    )
}

fn table(record: &Record, inputs: &Inputs) -> String {
    let mut text = String::from("\npoints  because of\n");
    for one in record.contributions.iter().filter(|one| one.points != 0) {
        let metric = one.metric.as_deref().and_then(|name| Metric::find(&one.dimension, name));
        let known = metric.map(|metric| inputs.get(metric));
        let why = match (one.kind, known) {
            (Kind::Cap, _) | (_, None) => format!("{}: no more than its cap", one.dimension),
            (Kind::Floor, _) => format!("floor: {}", one.because.as_deref().unwrap_or_default()),
            (_, Some(delta_score::Known::Value(value))) => {
                format!("{}.{} is {}", one.dimension, one.metric.as_deref().unwrap_or_default(), grouped(*value))
            }
            (_, Some(delta_score::Known::NotComputed(reason))) => {
                let name = one.metric.as_deref().unwrap_or_default();
                format!("{}.{name} is not known: {reason}", one.dimension)
            }
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:+6}  {}", one.points, one_line(&why));
    }
    if !record.counterfactuals.is_empty() {
        text.push_str("\nlowers the risk by\n");
    }
    for one in &record.counterfactuals {
        let _ = writeln!(text, "{:6}  {} ({}.{})", one.lowers_by, one_line(&one.advice), one.dimension, one.metric);
    }
    text
}
