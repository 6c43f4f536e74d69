//! Folded stacks, as `uftrace dump --flame-graph` writes them: `a;b;c 7`, the outermost function first.

use crate::collector::Collector;
use crate::error::ImportError;
use crate::facts::FunctionRef;

const NAME: &str = "list of folded stacks";

pub(crate) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), ImportError> {
    let mut has_stack = false;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = line.rsplit_once(' ').and_then(|(stack, count)| Some((stack, count.parse::<u64>().ok()?)));
        let Some((stack, count)) = parsed else {
            return Err(ImportError::malformed(NAME, format!("line {number} does not end in a count")));
        };
        let mut frames = Vec::new();
        for name in stack.split(';').rev() {
            let function = FunctionRef { address: None, name: name.trim().to_owned(), object: String::new() };
            frames.push(collector.function(function)?);
        }
        collector.stack(&frames, count.max(1))?;
        has_stack = true;
    }
    if has_stack { Ok(()) } else { Err(ImportError::malformed(NAME, "there is no stack")) }
}
