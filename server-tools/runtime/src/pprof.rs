//! pprof profiles: profile.proto of github.com/google/pprof, as it is or in one gzip member (RFC 1952).

use crate::collector::Collector;
use crate::error::ImportError;
use crate::facts::FunctionRef;
use crate::limits::{FUNCTIONS_MAX, PLAIN_BYTES_MAX};
use crate::wire::{Field, fields};
use delta_apply::deflate::inflate;
use std::collections::BTreeMap;

const NAME: &str = "pprof profile";

pub(crate) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), ImportError> {
    let unpacked;
    let message = if bytes.starts_with(b"\x1f\x8b") {
        unpacked = gunzip(bytes).ok_or_else(|| ImportError::malformed(NAME, "its gzip wrapper is damaged"))?;
        &unpacked
    } else {
        bytes
    };
    let profile = Profile::read(message).ok_or_else(|| ImportError::malformed(NAME, "it ends inside of a field"))?;
    if profile.locations.len().max(profile.functions.len()) > FUNCTIONS_MAX {
        return Err(ImportError::Limit { what: "functions", most: FUNCTIONS_MAX as u64 });
    }
    if profile.samples.is_empty() {
        return Err(ImportError::malformed(NAME, "there is no sample"));
    }
    // The functions of each location, the innermost of those that were inlined first.
    let mut frames: BTreeMap<u64, Vec<Option<u32>>> = BTreeMap::new();
    for (id, location) in &profile.locations {
        let object = profile.mappings.get(&location.mapping).map_or_else(String::new, |at| profile.text(*at));
        let mut of_location = Vec::new();
        for line in &location.lines {
            let name = profile.functions.get(line).map_or_else(String::new, |at| profile.text(*at));
            of_location.push(collector.function(FunctionRef { address: None, name, object: object.clone() })?);
        }
        if of_location.is_empty() {
            of_location.push(None);
        }
        frames.insert(*id, of_location);
    }
    for sample in &profile.samples {
        let none = vec![None];
        let stack = sample.locations.iter().take(crate::limits::STACK_FRAMES_MAX);
        let stack: Vec<Option<u32>> =
            stack.flat_map(|location| frames.get(location).unwrap_or(&none).iter().copied()).collect();
        // The first value is how often, the others are how long or how much.
        collector.stack(&stack, sample.values.first().copied().unwrap_or(1))?;
    }
    Ok(())
}

#[derive(Default)]
struct Profile {
    samples: Vec<Sample>,
    /// Places of file names in the table of texts.
    mappings: BTreeMap<u64, u64>,
    locations: BTreeMap<u64, Location>,
    /// Places of names in the table of texts.
    functions: BTreeMap<u64, u64>,
    texts: Vec<String>,
}

#[derive(Default)]
struct Sample {
    locations: Vec<u64>,
    values: Vec<u64>,
}

#[derive(Default)]
struct Location {
    mapping: u64,
    lines: Vec<u64>,
}

impl Profile {
    fn read(message: &[u8]) -> Option<Self> {
        let mut profile = Self::default();
        fields(message, |number, field| {
            match number {
                2 => profile.samples.push(Sample::read(field)?),
                3 => {
                    let (id, file) = pair(field, 1, 5)?;
                    profile.mappings.insert(id, file);
                }
                4 => {
                    let (id, location) = Location::read(field)?;
                    profile.locations.insert(id, location);
                }
                5 => {
                    let (id, name) = pair(field, 1, 2)?;
                    profile.functions.insert(id, name);
                }
                6 => profile.texts.push(String::from_utf8_lossy(field.bytes()).into_owned()),
                _ => {}
            }
            Some(())
        })?;
        Some(profile)
    }

    fn text(&self, at: u64) -> String {
        usize::try_from(at).ok().and_then(|at| self.texts.get(at)).cloned().unwrap_or_default()
    }
}

impl Sample {
    fn read(field: Field<'_>) -> Option<Self> {
        let mut sample = Self::default();
        fields(field.bytes(), |number, field| match number {
            1 => field.integers(&mut sample.locations),
            2 => field.integers(&mut sample.values),
            _ => Some(()),
        })?;
        Some(sample)
    }
}

impl Location {
    fn read(field: Field<'_>) -> Option<(u64, Self)> {
        let (mut id, mut location) = (0, Self::default());
        fields(field.bytes(), |number, field| {
            match number {
                1 => id = field.integer(),
                2 => location.mapping = field.integer(),
                4 => location.lines.push(pair(field, 1, 2)?.0),
                _ => {}
            }
            Some(())
        })?;
        Some((id, location))
    }
}

/// Two integers of a message.
fn pair(field: Field<'_>, first: u64, second: u64) -> Option<(u64, u64)> {
    let mut pair = (0, 0);
    fields(field.bytes(), |number, field| {
        if number == first {
            pair.0 = field.integer();
        } else if number == second {
            pair.1 = field.integer();
        }
        Some(())
    })?;
    Some(pair)
}

fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let (flags, mut rest) = (*bytes.get(3)?, bytes.get(10..)?);
    if bytes.get(2) != Some(&8) {
        return None;
    }
    if flags & 4 != 0 {
        let length = u16::from_le_bytes(*rest.first_chunk()?);
        rest = rest.get(2 + usize::from(length)..)?;
    }
    // A name, a comment: both end in a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(rest.iter().position(|byte| *byte == 0)? + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    let mut plain = Vec::new();
    inflate(rest, &mut plain, PLAIN_BYTES_MAX).ok()?;
    Some(plain)
}
