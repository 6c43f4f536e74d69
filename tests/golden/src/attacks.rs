//! Files with one thing wrong, one folder an attack, each with the word that a device must refuse it with.
//!
//! Every attack starts from a stored vector or from a bundle that is right but for one thing, so that only the named
//! check can refuse it.

mod damage;
mod limits;
mod others;
mod payload;
mod proofs;
pub mod stream;

use crate::parts::Parts;
use crate::store::read;
use delta_format::capsule::{Capsule, LogHead, LogProof};
use delta_format::container::Kind;
use std::fmt::Write;

/// One file with one thing wrong.
#[derive(Debug)]
pub struct Attack {
    /// The folder: what is attacked.
    pub folder: &'static str,
    /// The name.
    pub name: &'static str,
    /// What kind of file it claims to be; see [`crate::verdict::verdict`].
    pub kind: &'static str,
    /// The head that the device keeps.
    pub kept: Option<LogHead>,
    /// The word that refuses it.
    pub expect: &'static str,
    /// What was done, in one sentence.
    pub why: &'static str,
    /// The file.
    pub file: Vec<u8>,
}

impl Attack {
    /// Where the file is stored.
    pub fn path(&self) -> String {
        format!("attacks/{}/{}.bin", self.folder, self.name)
    }

    /// The text beside it.
    pub fn text(&self) -> String {
        let mut text = format!("kind {}\nexpect {}\n", self.kind, self.expect);
        if let Some(head) = &self.kept {
            writeln!(text, "kept {} {} {}", head.log, head.tree_size, head.root).expect("a String takes any text");
        }
        text + "why " + self.why + "\n"
    }
}

/// Every attack.
pub fn all() -> Vec<Attack> {
    let mut all = Vec::new();
    use {damage::*, others::*, proofs::*};
    let parts = [
        damage,
        spelling,
        limits::limits,
        payload::payload,
        stream::streams,
        trust,
        log,
        policy,
        rollbacks,
        channels,
        journals,
        trust_roots,
    ];
    for part in parts {
        part(&mut all);
    }
    all
}

/// Adds attacks of one kind of file to a list.
struct Folder<'a> {
    all: &'a mut Vec<Attack>,
    folder: &'static str,
    kind: &'static str,
}

impl Folder<'_> {
    fn add(&mut self, name: &'static str, expect: &'static str, why: &'static str, file: Vec<u8>) {
        let (folder, kind) = (self.folder, self.kind);
        self.all.push(Attack { folder, name, kind, kept: None, expect, why, file });
    }

    fn kept(&mut self, head: LogHead) {
        self.all.last_mut().expect("an attack").kept = Some(head);
    }
}

fn full() -> Parts {
    Parts::of(Kind::Bundle, &read("bundle/full.bin"))
}

fn patch() -> Parts {
    Parts::of(Kind::Bundle, &read("bundle/patch.bin"))
}

fn flipped(mut file: Vec<u8>, at: usize) -> Vec<u8> {
    file[at] ^= 0x10;
    file
}

fn with_proof(capsule: &mut Capsule, change: impl FnOnce(&mut LogProof)) {
    change(capsule.log.as_mut().expect("a logged bundle"));
}
