//! Which function may call which: the call graph of an executable and of the files that it is loaded with.
//!
//! In: analysed files. Out: for each file an [`ObjectGraph`], its functions with typed edges; for all of them together a
//! [`CallGraph`], with imports resolved over the files, roots, and what can be reached from them. The rule is that
//! nothing that runs is called unreachable: a call whose target only the running program knows leads to one node,
//! [`Node::IndirectAny`], and from there to every function whose address is taken anywhere. How many such calls there
//! are is told ([`ObjectGraph::unresolved`]). It reads no files and asks nobody: the caller finds the libraries.
//!
//! | module | step |
//! |---|---|
//! | `object` | the edges of one file |
//! | `sites` | what one reference of code leads to |
//! | `tables` | tables of jumps and of pointers |
//! | `lookup` | texts that may be names that the running program looks up |
//! | `link` | imports to the functions of other files; roots |
//! | `reach` | what can be reached, and by which way |

mod link;
mod lookup;
mod object;
mod reach;
mod sites;
mod tables;

pub use link::{CallGraph, Edge, Node, Root, UnresolvedImport};
pub use object::{ObjectFunction, ObjectGraph};
pub use reach::Reachable;

/// How an edge is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// A call of an address.
    Direct,
    /// A jump to another function, or control that goes on into the next one.
    Tail,
    /// A call through a stub of the linker, to this file or another one.
    Plt,
    /// A call through a pointer that the loader fills in and nobody else, to this file.
    GotLocal,
    /// The same, to another file.
    GotImport,
    /// The same in a PE file: the import address table.
    Iat,
    /// A jump through a table that leads to parts of functions.
    JumpTable,
    /// The loader calls it before the entry: `DT_INIT`, `DT_INIT_ARRAY`.
    InitArray,
    /// The loader calls it at the end: `DT_FINI`, `DT_FINI_ARRAY`.
    FiniArray,
    /// The loader calls it for each thread.
    TlsCallback,
    /// The loader starts it, or calls it to choose between functions, or the running program may look it up by name.
    Loader,
    /// The function refers to a table with a pointer to the other one: a table of virtual functions, of handlers.
    RelocPointer,
    /// The function computes the address of the other one.
    CodeAddress,
    /// The function calls what only the running program knows.
    IndirectAny,
}

impl EdgeKind {
    /// All, in their order.
    pub const ALL: [Self; 14] = [
        Self::Direct,
        Self::Tail,
        Self::Plt,
        Self::GotLocal,
        Self::GotImport,
        Self::Iat,
        Self::JumpTable,
        Self::InitArray,
        Self::FiniArray,
        Self::TlsCallback,
        Self::Loader,
        Self::RelocPointer,
        Self::CodeAddress,
        Self::IndirectAny,
    ];

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tail => "tail",
            Self::Plt => "plt",
            Self::GotLocal => "got-local",
            Self::GotImport => "got-import",
            Self::Iat => "iat",
            Self::JumpTable => "jump-table",
            Self::InitArray => "init-array",
            Self::FiniArray => "fini-array",
            Self::TlsCallback => "tls-callback",
            Self::Loader => "loader",
            Self::RelocPointer => "reloc-pointer",
            Self::CodeAddress => "code-address",
            Self::IndirectAny => "indirect-any",
        }
    }

    /// Whether the edge is a call or jump whose target is known, as opposed to an address that somebody may call.
    pub const fn is_call(self) -> bool {
        !matches!(self, Self::RelocPointer | Self::CodeAddress | Self::IndirectAny)
    }
}

/// Why a function runs without being called by another one that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RootKind {
    /// Where the program starts.
    EntryPoint,
    /// Where the loader starts.
    LoaderEntry,
    /// Called by the loader before the entry.
    InitArray,
    /// Called by the loader at the end.
    FiniArray,
    /// Called by the loader for each thread.
    TlsCallback,
    /// Called by the loader to choose between functions.
    IfuncResolver,
    /// Others may call it by name.
    Export,
    /// Its name stands in a file that looks names up while it runs.
    Lookup,
}

impl RootKind {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntryPoint => "entry-point",
            Self::LoaderEntry => "loader-entry",
            Self::InitArray => "init-array",
            Self::FiniArray => "fini-array",
            Self::TlsCallback => "tls-callback",
            Self::IfuncResolver => "ifunc-resolver",
            Self::Export => "export",
            Self::Lookup => "lookup",
        }
    }

    /// When it runs: `load`, `init`, `runtime` or `exit`.
    pub const fn phase(self) -> &'static str {
        match self {
            Self::LoaderEntry | Self::IfuncResolver => "load",
            Self::InitArray | Self::TlsCallback => "init",
            Self::EntryPoint | Self::Export | Self::Lookup => "runtime",
            Self::FiniArray => "exit",
        }
    }

    /// The kind of the edge from the loader.
    pub const fn edge(self) -> EdgeKind {
        match self {
            Self::InitArray => EdgeKind::InitArray,
            Self::FiniArray => EdgeKind::FiniArray,
            Self::TlsCallback => EdgeKind::TlsCallback,
            _ => EdgeKind::Loader,
        }
    }
}
