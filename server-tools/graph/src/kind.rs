//! Kinds of edges, with what follows from them: confidence, phase and reason.

use delta_functions::callgraph::EdgeKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How an edge is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By analysis of the files.
    Static(EdgeKind),
    /// Somebody saw it run.
    Runtime,
}

impl Kind {
    /// All, in no order.
    pub fn all() -> impl Iterator<Item = Self> {
        EdgeKind::ALL.into_iter().map(Self::Static).chain([Self::Runtime])
    }

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static(kind) => kind.name(),
            Self::Runtime => "runtime",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name() == name)
    }

    /// `static` or `runtime`.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Runtime => "runtime",
        }
    }

    /// How sure it is that control may go this way, in basis points. What one instruction says is certain; names may lead
    /// to other files; an address that is taken is not always called.
    pub const fn confidence_bp(self) -> u16 {
        use EdgeKind as E;
        match self {
            Self::Runtime => 10_000,
            Self::Static(E::Direct | E::Tail | E::InitArray | E::FiniArray | E::TlsCallback) => 10_000,
            Self::Static(E::GotLocal | E::JumpTable) => 9_900,
            Self::Static(E::Plt | E::GotImport | E::Iat) => 9_500,
            Self::Static(E::Loader) => 9_000,
            Self::Static(E::RelocPointer | E::CodeAddress) => 6_000,
            Self::Static(E::IndirectAny) => 3_000,
        }
    }

    /// When control goes this way: `load`, `init`, `runtime` or `exit`.
    pub const fn phase(self) -> &'static str {
        match self {
            Self::Static(EdgeKind::Loader) => "load",
            Self::Static(EdgeKind::InitArray | EdgeKind::TlsCallback) => "init",
            Self::Static(EdgeKind::FiniArray) => "exit",
            _ => "runtime",
        }
    }

    /// Why the edge is there, in the words of edge bundles.
    pub const fn reason(self) -> &'static str {
        use EdgeKind as E;
        match self {
            Self::Runtime => "runtime-observed",
            Self::Static(E::Direct) => "custom:direct-call",
            Self::Static(E::Tail) => "custom:tail-jump",
            Self::Static(E::Plt) => "plt-stub",
            Self::Static(E::GotLocal | E::RelocPointer) => "reloc-target",
            Self::Static(E::GotImport | E::Iat) => "import-symbol",
            Self::Static(E::JumpTable) => "custom:jump-table",
            Self::Static(E::InitArray) => "init-array",
            Self::Static(E::FiniArray) => "fini-array",
            Self::Static(E::TlsCallback) => "custom:tls-callback",
            Self::Static(E::Loader) => "custom:loader",
            Self::Static(E::CodeAddress | E::IndirectAny) => "indirect-target",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom("no kind of edge has this name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for kind in Kind::all() {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("direct "), None);
    }
}
