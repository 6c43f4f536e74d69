//! The text of `perf script`: a header line a sample, then its stack on lines that start with a tab, the innermost frame
//! first, then an empty line.

use crate::collector::Collector;
use crate::error::ImportError;
use crate::facts::FunctionRef;

pub(crate) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), ImportError> {
    let mut frames: Vec<Option<u32>> = Vec::new();
    let mut samples = 0_u64;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        // Headers start with spaces or the program's name, which may look like an address: `dd`.
        if line.starts_with('\t') && !line.trim().is_empty() {
            match frame(line.trim()) {
                // It has no code of its own: the frame that it is inlined into follows.
                Some((_, "inlined")) => {}
                Some((name, object)) => {
                    let name = name.to_owned();
                    frames.push(collector.function(FunctionRef { address: None, name, object: object.to_owned() })?);
                }
                None => frames.push(None),
            }
            continue;
        }
        if !frames.is_empty() {
            samples += 1;
            collector.stack(&std::mem::take(&mut frames), 1)?;
        }
        // Without stacks the only frame stands at the end of the header: `... cycles: 4011d6 work+0x16 (/bin/x)`.
        if let Some((name, object)) = line.rsplit_once(": ").and_then(|(_, rest)| frame(rest.trim())) {
            let function = FunctionRef { address: None, name: name.to_owned(), object: object.to_owned() };
            let function = collector.function(function)?;
            samples += 1;
            collector.stack(&[function], 1)?;
        }
    }
    if !frames.is_empty() {
        samples += 1;
        collector.stack(&frames, 1)?;
    }
    if samples == 0 { Err(ImportError::malformed("output of `perf script`", "there is no sample")) } else { Ok(()) }
}

/// Name and file of `4011d6 work+0x16 (/bin/x)`.
fn frame(text: &str) -> Option<(&str, &str)> {
    let (address, rest) = text.split_once(' ')?;
    if address.len() < 2 || !address.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // Names of C++ and Rust have spaces and parentheses; the file is what stands in the last ones.
    let rest = rest.trim();
    // A file may have been replaced while it ran.
    let rest = rest.strip_suffix(" (deleted))").or_else(|| rest.strip_suffix(')'))?;
    let (symbol, object) = match rest.rsplit_once(" (") {
        Some(parts) => parts,
        None => ("", rest.strip_prefix('(')?),
    };
    let name = match symbol.rsplit_once("+0x") {
        Some((name, offset)) if offset.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => symbol,
    };
    Some((name.trim(), object))
}
