//! Writes trust roots: from public keys to the text that devices pin.

use crate::error::Problem;
use crate::keys::base64_text;
use delta_format::Name;
use delta_verify::ed25519::PublicKey;
use delta_verify::note::NoteKey;
use delta_verify::trust::TRUST_FORMAT;
use delta_verify::{Role, TrustRoot};
use std::fmt::Write;

/// What goes into a trust root.
#[derive(Clone, Debug)]
pub struct TrustDraft {
    /// The name for people.
    pub name: Name,
    /// Counts up with each change, from 1.
    pub version: u64,
    /// Keys that sign bundles and channel indexes.
    pub signers: Vec<(Name, PublicKey)>,
    /// How many of them must sign.
    pub signer_threshold: u8,
    /// Keys that sign rollback attestations; the same keys may stand in both lists.
    pub rollback: Vec<(Name, PublicKey)>,
    /// How many of them must sign; not written when nobody may.
    pub rollback_threshold: u8,
    /// Logs.
    pub logs: Vec<NoteKey>,
    /// Witnesses.
    pub witnesses: Vec<NoteKey>,
    /// How many of them must have seen a checkpoint.
    pub quorum: u8,
}

impl TrustDraft {
    /// Writes the text, after reading it back as a device does.
    ///
    /// # Errors
    /// [`Problem::Trust`] names the line that a device would refuse.
    pub fn to_text(&self) -> Result<String, Problem> {
        let mut text = format!("{TRUST_FORMAT}\nname {}\nversion {}\n", self.name, self.version);
        let roles = [
            (Role::Signer, &self.signers, self.signer_threshold),
            (Role::Rollback, &self.rollback, self.rollback_threshold),
        ];
        for (role, keys, threshold) in roles {
            if role == Role::Rollback && keys.is_empty() {
                continue;
            }
            text.push('\n');
            for (label, key) in keys {
                line(&mut text, format_args!("{} {label} {}", role.name(), base64_text(&key.to_spki())));
            }
            line(&mut text, format_args!("threshold {} {threshold}", role.name()));
        }
        text.push('\n');
        self.logs.iter().for_each(|log| line(&mut text, format_args!("log {log}")));
        self.witnesses.iter().for_each(|witness| line(&mut text, format_args!("witness {witness}")));
        line(&mut text, format_args!("quorum {}", self.quorum));
        TrustRoot::parse(&text)?;
        Ok(text)
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes any text");
}
