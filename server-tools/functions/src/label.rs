//! Names for people. Nothing is decided by them: the same function has other mangled names in each build.

use crate::limits::LABEL_BYTES_MAX;
use std::fmt::{self, Write};

/// Text that stops growing at a limit, so that a name which expands without end costs no more.
struct Limited(String);

impl Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.0.len() + 4 > LABEL_BYTES_MAX {
                return Err(fmt::Error);
            }
            // Terminals and tables take no control characters.
            let shown = if letter.is_control() { '\u{fffd}' } else { letter };
            self.0.push(shown);
        }
        Ok(())
    }
}

/// A name as its language writes it: Rust without hashes, C++ of both worlds; others as they are.
pub fn demangled(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    // What compilers append to names: `.llvm.123`, and which part or copy of the function it is.
    let (stem, part) = match text.split_once(".llvm.") {
        Some((stem, _)) => (stem, ""),
        None => match text.find('.').filter(|_| text.starts_with('_')) {
            Some(at) => text.split_at(at),
            None => (&*text, ""),
        },
    };
    let mut shown = Limited(String::new());
    let is_known = rust(stem, &mut shown) || cpp(stem, &mut shown) || msvc(stem, &mut shown);
    if is_known && !shown.0.is_empty() {
        let _ = shown.write_str(part);
    } else {
        shown.0.clear();
        let _ = shown.write_str(text.split(".llvm.").next().unwrap_or_default());
    }
    shown.0
}

fn rust(name: &str, shown: &mut Limited) -> bool {
    let Ok(demangled) = rustc_demangle::try_demangle(name) else { return false };
    let _ = write!(shown, "{demangled:#}");
    true
}

fn cpp(name: &str, shown: &mut Limited) -> bool {
    if !name.starts_with("_Z") {
        return false;
    }
    let limits = cpp_demangle::ParseOptions::default().recursion_limit(96);
    let Ok(symbol) = cpp_demangle::Symbol::new_with_options(name.as_bytes(), &limits) else { return false };
    let options = cpp_demangle::DemangleOptions::default().recursion_limit(96);
    let _ = symbol.structured_demangle(shown, &options);
    true
}

fn msvc(name: &str, shown: &mut Limited) -> bool {
    if !name.starts_with('?') {
        return false;
    }
    let Ok(demangled) = msvc_demangler::demangle(name, msvc_demangler::DemangleFlags::NAME_ONLY) else { return false };
    let _ = shown.write_str(&demangled);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_four_languages() {
        let check = |name: &str, expected: &str| assert_eq!(demangled(name.as_bytes()), expected, "{name}");
        check("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write");
        check("_ZN4core3fmt5write17h0123456789abcdefE.llvm.123", "core::fmt::write");
        check("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
        check("_ZNSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size()");
        check("_ZN3foo3barEv.cold", "foo::bar().cold");
        check("?size@vector@std@@QEAAHXZ", "std::vector::size");
        check("runtime.mallocgc", "runtime.mallocgc");
        check("sqlite3_open.part.0", "sqlite3_open.part.0");
        check("a\nb\u{1b}[31m", "a\u{fffd}b\u{fffd}[31m");
    }

    /// Whatever a file calls its functions, a label is short and made in little time.
    #[test]
    fn labels_are_bounded() {
        let deep = format!("_Z1f{}", "P".repeat(4_000));
        let wide = format!("_ZN{}E", "S_".repeat(2_000));
        for name in [deep, wide, "x".repeat(5_000), "?".repeat(4_000), "_RNv".repeat(1_000)] {
            assert!(demangled(name.as_bytes()).len() <= LABEL_BYTES_MAX, "{name}");
        }
    }
}
