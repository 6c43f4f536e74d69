//! Texts that may be names of functions that the running program looks up.
//!
//! `dlsym` and the loader itself find functions by name, so that no edge leads there. In: a file that looks names up.
//! Out: hashes of the texts in it that are spelled as names are. Linkers put a text that is the end of another one into
//! it, so places that code refers to count as starts too.

use crate::hash::mix_bytes;
use crate::program::Program;

/// Letters of the longest name that is looked up.
const NAME_LETTERS_MAX: usize = 128;
/// Functions that look others up by name. The last is of the loader.
const LOOKS_UP: [&[u8]; 5] = [b"dlsym", b"dlvsym", b"__libc_dlsym", b"GetProcAddress", b"__tls_get_addr"];

/// The hash of a name.
pub(super) fn hash(name: &[u8]) -> u64 {
    mix_bytes(7, name)
}

/// Whether a file looks names up: it imports a function that does, or has it.
fn looks_up(program: &Program<'_>) -> bool {
    let image = &program.image;
    let is_known = |name: &[u8]| LOOKS_UP.contains(&name);
    // Thread-local storage is asked for by name of the loader in every library: only the loader has that function.
    let imports = image.imports.iter().any(|(_, name)| is_known(name) && *name != b"__tls_get_addr");
    imports || image.exports.iter().any(|(name, _)| is_known(name))
}

/// Hashes of texts that may be names, sorted; none of a file that looks nothing up.
pub(super) fn names(program: &Program<'_>) -> Vec<u64> {
    let mut names = Vec::new();
    if !looks_up(program) {
        return names;
    }
    // The file's own table of names holds every export.
    let sections = program.image.sections.iter();
    for section in sections.filter(|section| !section.is_code && section.name != ".dynstr") {
        for text in section.bytes.split(|byte| *byte == 0) {
            names.extend(is_name(text).then(|| hash(text)));
        }
    }
    for datum in program.data.iter() {
        let bytes = program.image.bytes(datum.address);
        let text = bytes.iter().take(NAME_LETTERS_MAX + 1).position(|byte| *byte == 0).and_then(|end| bytes.get(..end));
        names.extend(text.filter(|text| is_name(text)).map(hash));
    }
    names.sort_unstable();
    names.dedup();
    names.shrink_to_fit();
    names
}

fn is_name(text: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'@' | b'?');
    (2..=NAME_LETTERS_MAX).contains(&text.len()) && text.iter().all(is_letter) && !text[0].is_ascii_digit()
}
