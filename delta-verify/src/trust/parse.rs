//! Reads the lines of a trust root. Strict on purpose: this file decides over every update, so a line that is not
//! understood is an error, never skipped.

use super::*;
use crate::base64;
use crate::ed25519::SPKI_BYTES;
use crate::note::NoteKeyKind;
use delta_format::limits::SIGNATURES_MAX;

/// The largest version; every integer of our texts stays below 2^53.
const VERSION_MAX: u64 = 1 << 48;

pub(super) fn parse(text: &str) -> Result<TrustRoot, TrustError> {
    if text.len() > TRUST_BYTES_MAX {
        return Err(at(0, TrustProblem::TooLong));
    }
    let mut draft = Draft::default();
    let mut count = 0;
    for (line, text) in (1..).zip(text.split_inclusive('\n')) {
        let body = text.strip_suffix('\n').ok_or(at(line, TrustProblem::NoFinalNewline))?;
        let result = if line == 1 {
            if body == TRUST_FORMAT { Ok(()) } else { Err(TrustProblem::Format) }
        } else {
            draft.line(body)
        };
        result.map_err(|problem| at(line, problem))?;
        count = line;
    }
    if count == 0 {
        return Err(at(1, TrustProblem::Format));
    }
    draft.finish().map_err(|problem| at(0, problem))
}

fn at(line: u32, problem: TrustProblem) -> TrustError {
    TrustError { line, problem }
}

#[derive(Default)]
struct Draft {
    name: Option<Name>,
    version: Option<u64>,
    signers: heapless::Vec<SignerKey, SIGNER_KEYS_MAX>,
    thresholds: [Option<u64>; 2],
    logs: heapless::Vec<NoteKey, LOG_KEYS_MAX>,
    witnesses: heapless::Vec<NoteKey, WITNESS_KEYS_MAX>,
    quorum: Option<u64>,
}

impl Draft {
    fn line(&mut self, line: &str) -> Result<(), TrustProblem> {
        if line.is_empty() {
            return Ok(());
        }
        // A comment may hold any printable text; a control character in it could hide what a terminal shows.
        if line.starts_with('#') {
            let hidden = line.chars().any(char::is_control);
            return if hidden { Err(TrustProblem::Characters) } else { Ok(()) };
        }
        if line.bytes().any(|b| b != b' ' && !b.is_ascii_graphic()) || line.split(' ').any(str::is_empty) {
            return Err(TrustProblem::Characters);
        }
        let mut words = line.split(' ');
        let keyword = words.next().unwrap_or_default();
        let words = (words.next(), words.next(), words.next());
        match (keyword, words) {
            ("name", (Some(name), None, None)) => once(&mut self.name, parse_name(name)?),
            ("version", (Some(number), None, None)) => match parse_number(number)? {
                0 => Err(TrustProblem::Value),
                version => once(&mut self.version, version),
            },
            ("signer", (Some(label), Some(key), None)) => self.signer(Role::Signer, label, key),
            ("rollback", (Some(label), Some(key), None)) => self.signer(Role::Rollback, label, key),
            ("threshold", (Some(role), Some(number), None)) => {
                let role = Role::ALL.into_iter().find(|known| known.name() == role);
                let role = role.ok_or(TrustProblem::Value)?;
                once(&mut self.thresholds[role as usize], parse_number(number)?)
            }
            ("log", (Some(key), None, None)) => self.note_key(NoteKeyKind::Log, key),
            ("witness", (Some(key), None, None)) => self.note_key(NoteKeyKind::Witness, key),
            ("quorum", (Some(number), None, None)) => once(&mut self.quorum, parse_number(number)?),
            ("name" | "version" | "signer" | "rollback" | "threshold" | "log" | "witness" | "quorum", _) => {
                Err(TrustProblem::Words)
            }
            _ => Err(TrustProblem::Keyword),
        }
    }

    /// A key may stand once under each role, with the same label both times.
    fn signer(&mut self, role: Role, label: &str, key: &str) -> Result<(), TrustProblem> {
        let label = parse_name(label)?;
        let der: [u8; SPKI_BYTES] = base64::decode(key.as_bytes()).ok_or(TrustProblem::Key)?;
        let key = PublicKey::from_spki(&der).ok_or(TrustProblem::Key)?;
        let id = key.id();
        if let Some(known) = self.signers.iter_mut().find(|known| known.key == key) {
            if known.label != label || known.has(role) {
                return Err(TrustProblem::Twice);
            }
            known.roles[role as usize] = true;
            return Ok(());
        }
        if self.signers.iter().any(|known| known.label == label) || self.is_note_key(&key) {
            return Err(TrustProblem::Twice);
        }
        let hint = crate::envelope::key_hint(&id);
        if self.signers.iter().any(|known| crate::envelope::key_hint(&known.id) == hint) {
            return Err(TrustProblem::IdCollision);
        }
        let mut roles = [false; 2];
        roles[role as usize] = true;
        let signer = SignerKey { label, id, key, roles };
        self.signers.push(signer).map_err(|_| TrustProblem::TooManyKeys)
    }

    fn note_key(&mut self, kind: NoteKeyKind, text: &str) -> Result<(), TrustProblem> {
        let key: NoteKey = text.parse().map_err(TrustProblem::NoteKey)?;
        if key.kind() != kind {
            return Err(TrustProblem::KeyKind);
        }
        // One key, one job: a log that is its own witness, or a witness under two names, would be counted twice.
        if self.is_note_key(key.key()) || self.signers.iter().any(|signer| signer.key == *key.key()) {
            return Err(TrustProblem::Twice);
        }
        if self.logs.iter().chain(&self.witnesses).any(|known| known.id() == key.id()) {
            return Err(TrustProblem::IdCollision);
        }
        let kept = match kind {
            NoteKeyKind::Log => self.logs.push(key),
            NoteKeyKind::Witness => self.witnesses.push(key),
        };
        kept.map_err(|_| TrustProblem::TooManyKeys)
    }

    fn is_note_key(&self, key: &PublicKey) -> bool {
        self.logs.iter().chain(&self.witnesses).any(|known| known.key() == key)
    }

    fn finish(self) -> Result<TrustRoot, TrustProblem> {
        let mut thresholds = [0; 2];
        for role in Role::ALL {
            let keys = self.signers.iter().filter(|signer| signer.has(role)).count();
            thresholds[role as usize] = match self.thresholds[role as usize] {
                // Nobody may attest rollbacks: allowed, and then none is ever accepted.
                None if keys == 0 && role == Role::Rollback => 0,
                None => return Err(TrustProblem::Missing("threshold")),
                Some(threshold) => reachable(threshold, keys.min(SIGNATURES_MAX), "threshold")?,
            };
        }
        if self.logs.is_empty() {
            return Err(TrustProblem::Missing("log"));
        }
        let quorum = self.quorum.ok_or(TrustProblem::Missing("quorum"))?;
        Ok(TrustRoot {
            name: self.name.ok_or(TrustProblem::Missing("name"))?,
            version: self.version.ok_or(TrustProblem::Missing("version"))?,
            thresholds,
            quorum: reachable(quorum, self.witnesses.len(), "quorum")?,
            signers: self.signers,
            logs: self.logs,
            witnesses: self.witnesses,
        })
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), TrustProblem> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(TrustProblem::Twice),
    }
}

fn reachable(number: u64, keys: usize, keyword: &'static str) -> Result<u8, TrustProblem> {
    u8::try_from(number)
        .ok()
        .filter(|&number| (1..=keys).contains(&usize::from(number)))
        .ok_or(TrustProblem::Unreachable(keyword))
}

fn parse_name(word: &str) -> Result<Name, TrustProblem> {
    word.parse().map_err(|_| TrustProblem::Value)
}

fn parse_number(word: &str) -> Result<u64, TrustProblem> {
    let plain = word == "0" || (!word.starts_with('0') && word.bytes().all(|b| b.is_ascii_digit()));
    let number = word.parse().ok().filter(|&number| plain && number <= VERSION_MAX);
    number.ok_or(TrustProblem::Value)
}
