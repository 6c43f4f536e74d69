//! Recordings of the Java Flight Recorder, version 2: chunks that describe their own types.
//!
//! A chunk has a header, events, checkpoints (pools of constants) and a description of all types. Samples of running
//! methods (`jdk.ExecutionSample`, `jdk.NativeMethodSample`) name a stack in a pool; everything else is passed over.
//! The format is defined by the writer in OpenJDK (`jdk.jfr.internal.consumer` reads it).

mod types;
mod values;

use crate::collector::Collector;
use crate::error::ImportError;
use crate::facts::FunctionRef;
use crate::limits::JFR_VALUES_MAX;
use std::collections::BTreeMap;
use types::Types;
use values::{Cursor, Value};

const NAME: &str = "JFR recording";
const HEADER_BYTES: usize = 68;
/// Types whose constants lead from a sample to the names of its methods.
const KEPT: [&str; 5] =
    ["jdk.types.StackTrace", "jdk.types.Method", "java.lang.Class", "jdk.types.Symbol", "java.lang.String"];
const SAMPLES: [&str; 2] = ["jdk.ExecutionSample", "jdk.NativeMethodSample"];

pub(crate) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), ImportError> {
    let (mut rest, mut number) = (bytes, 0);
    while !rest.is_empty() {
        number += 1;
        let broken = |why: &str| ImportError::malformed(NAME, format!("chunk {number} {why}"));
        let header = rest.first_chunk::<HEADER_BYTES>().ok_or_else(|| broken("has no header"))?;
        let field =
            |at: usize| header.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u64::from_be_bytes(*b));
        if !header.starts_with(b"FLR\0\0\x02") {
            return Err(broken("does not start as version 2 does"));
        }
        if header[67] & 1 == 0 {
            return Err(broken("has integers that are not compressed"));
        }
        let size = usize::try_from(field(8)).ok().filter(|size| *size >= HEADER_BYTES);
        let (chunk, next) = size.and_then(|size| rest.split_at_checked(size)).ok_or_else(|| broken("is cut off"))?;
        let types = usize::try_from(field(24)).ok().and_then(|at| Types::read(chunk.get(at..)?));
        let types = types.ok_or_else(|| broken("does not describe its types"))?;
        Chunk::read(chunk, &types).ok_or_else(|| broken("has an event that ends too early"))?.stacks(collector)?;
        rest = next;
    }
    if number == 0 { Err(ImportError::malformed(NAME, "it is empty")) } else { Ok(()) }
}

/// What is kept of a chunk.
struct Chunk<'a> {
    types: &'a Types,
    /// Constants by type and number.
    pools: BTreeMap<(u64, u64), Value>,
    /// The stacks of the samples.
    samples: Vec<Value>,
}

impl<'a> Chunk<'a> {
    fn read(chunk: &[u8], types: &'a Types) -> Option<Self> {
        let mut read = Self { types, pools: BTreeMap::new(), samples: Vec::new() };
        let mut budget = JFR_VALUES_MAX;
        let mut at = HEADER_BYTES;
        while at < chunk.len() {
            let mut event = Cursor::new(chunk.get(at..)?);
            let size = usize::try_from(event.integer()?).ok().filter(|size| *size > 0)?;
            event.end_at(size)?;
            match event.integer()? {
                0 => {}
                1 => read.checkpoint(&mut event, &mut budget)?,
                kind => {
                    let is_sample = types.name(kind).is_some_and(|name| SAMPLES.contains(&name));
                    if is_sample {
                        let sample = types.value(kind, &mut event, &mut budget, 0)?;
                        read.samples.extend(types.field(kind, &sample, "stackTrace").cloned());
                    }
                }
            }
            at += size;
        }
        Some(read)
    }

    fn checkpoint(&mut self, event: &mut Cursor<'_>, budget: &mut usize) -> Option<()> {
        // Start, duration, distance to the checkpoint before.
        for _ in 0..3 {
            event.integer()?;
        }
        event.byte()?;
        let pools = event.integer()?;
        for _ in 0..pools {
            let (kind, count) = (event.integer()?, event.integer()?);
            let is_kept = self.types.name(kind).is_some_and(|name| KEPT.contains(&name));
            for _ in 0..count {
                let number = event.integer()?;
                let value = self.types.value(kind, event, budget, 0)?;
                if is_kept {
                    self.pools.insert((kind, number), value);
                }
            }
        }
        Some(())
    }

    /// The constant that a value names, or the value itself; with its type.
    fn resolved<'v>(&'v self, kind: u64, value: &'v Value) -> Option<(u64, &'v Value)> {
        match value {
            Value::Constant(kind, number) => Some((*kind, self.pools.get(&(*kind, *number))?)),
            value => Some((kind, value)),
        }
    }

    /// A field of a constant, resolved.
    fn follow<'v>(&'v self, (kind, value): (u64, &'v Value), field: &str) -> Option<(u64, &'v Value)> {
        let (of, inner) = (self.types.field_type(kind, field)?, self.types.field(kind, value, field)?);
        self.resolved(of, inner)
    }

    fn text<'v>(&'v self, (kind, value): (u64, &'v Value)) -> Option<&'v str> {
        match value {
            Value::Text(text) => Some(text),
            // A symbol holds its text in a field.
            Value::Fields(_) => match self.follow((kind, value), "string")?.1 {
                Value::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    fn method(&self, frame: (u64, &Value)) -> Option<FunctionRef> {
        let method = self.follow(frame, "method")?;
        let name = self.text(self.follow(method, "name")?)?;
        let descriptor = self.follow(method, "descriptor").and_then(|of| self.text(of)).unwrap_or_default();
        let class = self.text(self.follow(self.follow(method, "type")?, "name")?)?;
        let class = class.replace('/', ".");
        Some(FunctionRef { address: None, name: format!("{class}.{name}{descriptor}"), object: class })
    }

    fn stacks(&self, collector: &mut Collector) -> Result<(), ImportError> {
        for sample in &self.samples {
            let frames = self.resolved(0, sample).and_then(|stack| self.follow(stack, "frames"));
            let Some((kind, Value::List(list))) = frames else {
                collector.drop_one();
                continue;
            };
            let mut stack = Vec::with_capacity(list.len());
            for frame in list {
                let method = self.resolved(kind, frame).and_then(|frame| self.method(frame));
                stack.push(match method {
                    Some(method) => collector.function(method)?,
                    None => None,
                });
            }
            collector.stack(&stack, 1)?;
        }
        Ok(())
    }
}
