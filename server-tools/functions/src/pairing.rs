//! Which executable of a tree is the older self of which: by path, then by the name others load it under, then by build.
//!
//! In: what headers say of the executables of two trees, each list in the order of its paths. Out: [`Pairing`], pairs and
//! what is left on both sides, in order. It looks at no code; two files of different processors are never a pair.

use crate::image::{Format, Image, Machine};
use crate::label::demangled;
use std::collections::BTreeMap;

/// What headers say of an executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its container.
    pub format: Format,
    /// Its processor.
    pub machine: Machine,
    /// The name under which others load it.
    pub soname: Option<String>,
    /// The identity that a linker gave this build.
    pub build_id: Option<Vec<u8>>,
}

impl Identity {
    /// What the headers of a file say; nothing if it is no executable of a known format and processor. Functions are not
    /// looked for.
    pub fn read(file: &[u8]) -> Option<Self> {
        let image = Image::read(file)?;
        let build_id = image.build_id.map(<[u8]>::to_vec).filter(|id| !id.is_empty());
        Some(Self { format: image.format, machine: image.machine, soname: image.soname.map(demangled), build_id })
    }
}

/// What makes a pair of executables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PairedBy {
    /// The same path.
    Path,
    /// The same soname, and no other executable that is left has it.
    Soname,
    /// The same build-id, and no other executable that is left has it: the file was moved.
    BuildId,
}

impl PairedBy {
    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Soname => "soname",
            Self::BuildId => "build-id",
        }
    }
}

/// An executable of a tree; nothing in place of the path where a tree has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path in the tree.
    pub path: Option<String>,
    /// What its headers say.
    pub identity: Identity,
}

/// Executables of two trees, by their indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairing {
    /// In the base, in the target, and why; in the order of the target.
    pub pairs: Vec<(usize, usize, PairedBy)>,
    /// Only in the base, in order.
    pub removed: Vec<usize>,
    /// Only in the target, in order.
    pub added: Vec<usize>,
}

impl Pairing {
    /// Pairs the executables of two trees.
    pub fn new(base: &[Member], target: &[Member]) -> Self {
        let mut pairing =
            Self { pairs: Vec::new(), removed: (0..base.len()).collect(), added: (0..target.len()).collect() };
        pairing.take(base, target, PairedBy::Path, |member| member.path.as_ref().map(|path| path.as_bytes()));
        pairing.take(base, target, PairedBy::Soname, |member| member.identity.soname.as_ref().map(String::as_bytes));
        pairing.take(base, target, PairedBy::BuildId, |member| member.identity.build_id.as_deref());
        pairing.pairs.sort_unstable_by_key(|(_, target, _)| *target);
        pairing
    }

    /// Pairs those that are left and alone have the same key, format and processor on both sides.
    fn take<'m>(
        &mut self,
        base: &'m [Member],
        target: &'m [Member],
        by: PairedBy,
        key: impl Fn(&'m Member) -> Option<&'m [u8]>,
    ) {
        let full = |member: &'m Member| {
            let Identity { format, machine, .. } = member.identity;
            key(member).map(|key| (key, format == Format::Pe, machine.name()))
        };
        let alone = |members: &'m [Member], left: &[usize]| {
            let mut alone = BTreeMap::new();
            for (key, index) in left.iter().filter_map(|index| Some((full(&members[*index])?, *index))) {
                alone.entry(key).and_modify(|place| *place = None).or_insert(Some(index));
            }
            alone
        };
        let (before, after) = (alone(base, &self.removed), alone(target, &self.added));
        let pair = |(key, target): (_, &Option<usize>)| Some(((*before.get(key)?)?, (*target)?, by));
        let found: Vec<_> = after.iter().filter_map(pair).collect();
        let (mut removed, mut added) = (vec![false; base.len()], vec![false; target.len()]);
        found.iter().for_each(|(base, target, _)| (removed[*base], added[*target]) = (true, true));
        self.removed.retain(|index| !removed[*index]);
        self.added.retain(|index| !added[*index]);
        self.pairs.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, machine: Machine, soname: &str, build_id: &[u8]) -> Member {
        let soname = (!soname.is_empty()).then(|| soname.to_owned());
        let build_id = (!build_id.is_empty()).then(|| build_id.to_vec());
        Member { path: Some(path.into()), identity: Identity { format: Format::Elf, machine, soname, build_id } }
    }

    /// Paths come first, then sonames, then builds; what two have says nothing; processors never mix.
    #[test]
    fn pairs_in_order_of_what_makes_them() {
        use Machine::{Aarch64, X86_64};
        let base = [
            member("bin/a", X86_64, "", b"1"),
            member("bin/moved", X86_64, "", b"2"),
            member("bin/other", X86_64, "", b"3"),
            member("lib/libx.so.1.0", X86_64, "libx.so.1", b"4"),
            member("lib/y1", X86_64, "liby.so", b"5"),
            member("lib/y2", X86_64, "liby.so", b"6"),
        ];
        let target = [
            member("bin/a", X86_64, "", b"7"),
            member("bin/other", Aarch64, "", b"3"),
            member("lib/libx.so.1.1", X86_64, "libx.so.1", b"8"),
            member("lib/y3", X86_64, "liby.so", b"9"),
            member("sbin/moved", X86_64, "", b"2"),
        ];
        let pairing = Pairing::new(&base, &target);
        let expected = [(0, 0, PairedBy::Path), (3, 2, PairedBy::Soname), (1, 4, PairedBy::BuildId)];
        assert_eq!(pairing.pairs, expected);
        assert_eq!((pairing.removed, pairing.added), (vec![2, 4, 5], vec![1, 3]));
    }
}
