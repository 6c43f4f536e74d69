//! The public face of one analysed file.

use crate::classify::names_at;
use crate::degraded::Degraded;
use crate::discover::{Mode, Sources, go_names};
use crate::image::{Format, Machine, Symbol};
use crate::label::demangled;
use crate::matching::{Graph, NONE};
use crate::program::Program;

/// An executable and its functions.
#[derive(Debug)]
pub struct Executable<'a> {
    program: Program<'a>,
    symbols: Vec<Symbol<'a>>,
}

/// What is known of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its first address; of PE counted with the preferred base.
    pub address: u64,
    /// Its length in bytes, without padding.
    pub bytes: u64,
    /// How many instructions it has.
    pub instructions: u32,
    /// The section it is in; empty where a file has none.
    pub section: String,
    /// What says that a function starts here.
    pub sources: Sources,
    /// Whether its instructions are T32.
    pub is_thumb: bool,
    /// Whether others may call it by name.
    pub is_exported: bool,
}

/// How many functions a function is called from or refers to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fan {
    /// Functions that refer to it.
    pub fan_in: u32,
    /// Functions and imports that it refers to.
    pub fan_out: u32,
}

impl<'a> Executable<'a> {
    /// Analyses a file; nothing if it is no executable of a known format and processor.
    pub fn read(file: &'a [u8]) -> Option<Self> {
        let mut program = Program::read(file)?;
        let mut symbols = std::mem::take(&mut program.image.symbols);
        symbols.extend(go_names(&program.image));
        symbols.sort_unstable();
        symbols.dedup();
        Some(Self { program, symbols })
    }

    pub(crate) fn program(&self) -> &Program<'a> {
        &self.program
    }

    pub(crate) fn all_symbols(&self) -> &[Symbol<'a>] {
        &self.symbols
    }

    /// Its container.
    pub fn format(&self) -> Format {
        self.program.image.format
    }

    /// Its processor.
    pub fn machine(&self) -> Machine {
        self.program.image.machine
    }

    /// The identity that a linker gave this build.
    pub fn build_id(&self) -> Option<&'a [u8]> {
        self.program.image.build_id
    }

    /// The name under which others load it.
    pub fn soname(&self) -> Option<String> {
        self.program.image.soname.map(demangled)
    }

    /// Why less is known than could be, sorted.
    pub fn degraded(&self) -> &[Degraded] {
        &self.program.degraded
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.program.functions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.program.functions.is_empty()
    }

    /// Bytes in sections of code, stubs left out.
    pub fn code_bytes(&self) -> u64 {
        let code = self.program.image.sections.iter().filter(|section| section.is_code && !section.is_stubs);
        code.map(|section| section.bytes.len() as u64).sum()
    }

    /// Bytes in functions.
    pub fn function_bytes(&self) -> u64 {
        self.program.functions.iter().map(crate::program::Function::bytes).sum()
    }

    /// What is known of a function, by its index; functions are in order of their addresses.
    pub fn function(&self, index: u32) -> Option<FunctionInfo> {
        let function = self.program.functions.get(index as usize)?;
        let section = self.program.image.section(function.start);
        Some(FunctionInfo {
            address: function.start,
            bytes: function.bytes(),
            instructions: function.instructions,
            section: section.map_or_else(String::new, |section| section.name.clone()),
            sources: function.bound.sources,
            is_thumb: function.bound.mode == Mode::Thumb,
            is_exported: function.bound.sources.has(Sources::EXPORT),
        })
    }

    /// The bytes of each function, in order.
    pub fn code(&self) -> impl Iterator<Item = &'a [u8]> {
        let code = |function: &crate::program::Function| {
            let bytes = self.program.image.bytes(function.start);
            bytes.get(..bytes.len().min(function.bytes() as usize)).unwrap_or_default()
        };
        self.program.functions.iter().map(code)
    }

    /// The names of the function, demangled, in the order of the file's bytes; none in stripped files, but of Go.
    pub fn labels(&self, index: u32) -> Vec<String> {
        let address = self.program.functions.get(index as usize).map_or(0, |function| function.start);
        names_at(&self.symbols, address).iter().map(|symbol| demangled(symbol.name)).collect()
    }

    /// Every address of code that the file names, with its names as they are and the sizes it states. Not used to find
    /// functions: measurements compare the two.
    pub fn symbols(&self) -> impl Iterator<Item = (u64, &'a [u8], u64)> {
        self.symbols.iter().map(|symbol| (symbol.address, symbol.name, symbol.bytes))
    }

    /// Whether an address is in a section of code.
    pub fn is_code(&self, address: u64) -> bool {
        self.program.image.code(address).is_some()
    }

    /// For each function how many others refer to it and it to others, directly or through a pointer in a table.
    pub fn fans(&self) -> Vec<Fan> {
        let graph = Graph::new(&self.program);
        let distinct = |nodes: &[u32]| {
            let mut nodes: Vec<u32> = nodes.iter().copied().filter(|node| *node != NONE).collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes.retain(|node| graph.is_function(*node));
            nodes.len() as u32
        };
        let fan = |(node, function): (u32, &crate::program::Function)| {
            let mut imports: Vec<&[u8]> = self.program.imports(function).collect();
            imports.sort_unstable();
            imports.dedup();
            let fan_out = distinct(graph.outgoing(node)) + imports.len() as u32;
            Fan { fan_in: distinct(graph.incoming(node)), fan_out }
        };
        (0..).zip(&self.program.functions).map(fan).collect()
    }
}
