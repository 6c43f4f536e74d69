//! callgrind.out: the format of the page "Callgrind Format Specification" of the Valgrind manual, version 1.
//!
//! Read are the names of objects and functions with their compression, and `calls=` lines. Costs are only looked at to see
//! that a function ran.

use crate::collector::Collector;
use crate::error::ImportError;
use crate::facts::FunctionRef;
use crate::limits::FUNCTIONS_MAX;
use std::collections::BTreeMap;

const NAME: &str = "callgrind file";

/// Compressed names: `(3) name` defines, `(3)` repeats.
#[derive(Default)]
struct Names(BTreeMap<u64, String>);

impl Names {
    fn read(&mut self, text: &str) -> Result<String, ImportError> {
        let text = text.trim();
        let Some((number, name)) = text.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
            return Ok(text.to_owned());
        };
        // A name may itself start with a parenthesis: `(below main)`.
        let Ok(number) = number.parse::<u64>() else { return Ok(text.to_owned()) };
        let name = name.trim();
        if !name.is_empty() {
            if self.0.len() == FUNCTIONS_MAX {
                return Err(ImportError::Limit { what: "names", most: FUNCTIONS_MAX as u64 });
            }
            self.0.insert(number, name.to_owned());
        }
        Ok(self.0.get(&number).cloned().unwrap_or_default())
    }
}

pub(crate) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), ImportError> {
    let (mut objects, mut functions) = (Names::default(), Names::default());
    let (mut object, mut function) = (String::new(), None);
    let (mut called_object, mut called) = (None, None);
    let (mut has_events, mut is_call_cost) = (false, false);
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        let Some((key, value)) = line.split_once(['=', ':']).filter(|(key, _)| is_key(key)) else {
            // The line after `calls=` is the inclusive cost of the call; every other one is the function's own.
            let is_cost = line.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*'));
            if let Some(function) = function.filter(|_| is_cost && !is_call_cost) {
                collector.ran(function);
            }
            is_call_cost = false;
            continue;
        };
        match key {
            "events" => has_events = true,
            "ob" => object = objects.read(value)?,
            "fn" => {
                let name = functions.read(value)?;
                function = collector.function(named(name, object.clone()))?;
                if function.is_none() {
                    collector.drop_one();
                }
            }
            "cob" => called_object = Some(objects.read(value)?),
            "cfn" => called = Some(functions.read(value)?),
            "calls" => {
                let mut words = value.split_whitespace();
                let count = words.next().and_then(number);
                let count = count.ok_or_else(|| ImportError::malformed(NAME, "a line of calls has no count"))?;
                let name = called.take().ok_or_else(|| ImportError::malformed(NAME, "calls of no function"))?;
                let object = called_object.take().unwrap_or_else(|| object.clone());
                let callee = collector.function(named(name, object))?;
                match (function, callee) {
                    (Some(caller), Some(callee)) => {
                        collector.edge(caller, callee, count)?;
                        collector.hit(callee, count);
                    }
                    _ => collector.drop_one(),
                }
                is_call_cost = true;
            }
            _ => {}
        }
    }
    if has_events { Ok(()) } else { Err(ImportError::malformed(NAME, "there is no line of events")) }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A function without a symbol is called by its address in the file.
fn named(name: String, object: String) -> FunctionRef {
    let address = name.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    FunctionRef { address, name, object }
}

fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}
