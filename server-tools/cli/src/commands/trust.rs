//! `stella trust`: the trust root, the one file that a device pins.

use crate::cli::{TrustCommand, TrustInit};
use crate::failure::Failure;
use crate::output::Output;
use crate::signing::load_vkeys;
use delta_attest::{TrustDraft, fs, keys};
use delta_format::Name;
use delta_verify::note::NoteKey;
use delta_verify::{Role, TrustRoot};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn run(command: TrustCommand, output: &Output) -> Result<(), Failure> {
    match command {
        TrustCommand::Init(options) => init(&options, output),
        TrustCommand::Show { file } => show(&file, output),
    }
}

fn init(options: &TrustInit, output: &Output) -> Result<(), Failure> {
    let public = |path: &PathBuf| Ok((key_name(path)?, keys::load_public(path)?));
    let draft = TrustDraft {
        name: options.name.clone(),
        version: options.root_version,
        signers: options.signers.iter().map(public).collect::<Result<_, Failure>>()?,
        signer_threshold: options.threshold,
        rollback: options.rollback.iter().map(public).collect::<Result<_, Failure>>()?,
        rollback_threshold: options.rollback_threshold,
        logs: load_vkeys(&options.logs)?,
        witnesses: load_vkeys(&options.witnesses)?,
        quorum: options.quorum,
    };
    let text = draft.to_text()?;
    fs::write_atomic(&options.file, text.as_bytes())?;
    let object = json!({"file": options.file, "name": options.name.as_str()});
    let next = format!("wrote {}; put it into /etc/stella-agent/trust.d of every device", options.file.display());
    output.result(&object, &next);
    Ok(())
}

fn show(file: &Path, output: &Output) -> Result<(), Failure> {
    let root = load(file)?;
    let role = |role: Role| -> Vec<String> {
        let held = root.signers().iter().filter(|signer| signer.has(role));
        held.map(|signer| format!("{} {}", signer.label(), signer.id())).collect()
    };
    let names = |keys: &[NoteKey]| -> Vec<String> { keys.iter().map(|key| key.name().to_string()).collect() };
    let (signers, rollback) = (role(Role::Signer), role(Role::Rollback));
    let (logs, witnesses) = (names(root.logs()), names(root.witnesses()));
    let mut text = format!("trust root {} version {}\n", root.name(), root.version());
    let mut line = |what: &str, need: u8, items: &[String]| {
        text.push_str(&format!("{what}: {need} of {}\n", items.len()));
        items.iter().for_each(|item| text.push_str(&format!("  {item}\n")));
    };
    line("signers", root.threshold(Role::Signer), &signers);
    line("rollback signers", root.threshold(Role::Rollback), &rollback);
    line("logs", 1, &logs);
    line("witnesses", root.quorum(), &witnesses);
    let object = json!({
        "name": root.name().as_str(),
        "version": root.version(),
        "signers": signers,
        "threshold": root.threshold(Role::Signer),
        "rollback": rollback,
        "rollback_threshold": root.threshold(Role::Rollback),
        "logs": logs,
        "witnesses": witnesses,
        "quorum": root.quorum(),
    });
    output.result(&object, &text);
    Ok(())
}

/// Reads a trust root; an error names the line.
pub(crate) fn load(file: &Path) -> Result<TrustRoot, Failure> {
    let text = fs::read_text(file)?;
    TrustRoot::parse(&text)
        .map_err(|error| Failure::new(Failure::FAILED, "trust-root", format!("{}: {error}", file.display())))
}

/// The name of a signer's key for people: its file's name without the extension.
fn key_name(path: &Path) -> Result<Name, Failure> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().map_err(|error| Failure::usage(format!("{}: as the name of a key: {error}", path.display())))
}
