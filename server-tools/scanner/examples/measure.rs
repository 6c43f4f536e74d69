//! Measures a scan of two files: operations, what they cost after general compression, time and memory.
//!
//! In: the paths of base and target, and optionally the number of threads. Out: a few lines on standard output. The
//! cost model is that of `docs/formats/payload.md` without framing: segments of 4 MiB, each with its operations as
//! variable-length integers and its added bytes in one zstd frame at level 19; segments equal in place are free.
#![allow(clippy::disallowed_methods, reason = "a measuring program acts")]

use delta_scanner::{Control, MatchOptions, Op, Options, Stats, matches, operations, scan};
use std::time::Instant;

const SEGMENT_BYTES: u64 = 4 << 20;

/// The streams of one segment.
#[derive(Default)]
struct Segment {
    count: usize,
    lengths: Vec<u8>,
    offsets: Vec<u8>,
    literals: Vec<u8>,
    diagonal: i64,
    moved: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, base, target, rest @ ..] = &arguments[..] else {
        eprintln!("usage: measure BASE TARGET [THREADS]");
        std::process::exit(2);
    };
    let threads = rest.first().map_or(0, |number| number.parse().expect("a number of threads"));
    let base = std::fs::read(base).expect("the base can be read");
    let target = std::fs::read(target).expect("the target can be read");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let before_seconds = cpu_seconds();
    let started = Instant::now();
    let progress = |stage, done, total| {
        if done == 0 {
            eprintln!("{:6.2} s  {stage} {total}", started.elapsed().as_secs_f64());
        }
    };
    let never = std::sync::atomic::AtomicBool::new(false);
    let control = Control::new(&progress, &never);
    let found = pool.install(|| {
        let scan = scan(&base, &target, control)?;
        let known = matches(&base[..].into(), &target[..].into(), &scan.equal, &MatchOptions::default(), control)?;
        Ok((operations(&base, &target, &known, Options::default(), control)?, scan))
    });
    let (ops, found) = found.unwrap_or_else(|_: delta_scanner::Cancelled| unreachable!("nobody cancels"));
    let seconds = started.elapsed().as_secs_f64();
    let after_seconds = cpu_seconds();
    println!("{:?}", Stats::of(&ops));
    println!("changed chunks {} of {}", found.changed_chunks.len(), found.target_chunks.len());
    println!("scan: {:.2} CPU s, {seconds:.2} s, peak {} KiB", after_seconds - before_seconds, peak_kib());

    let segments = encode(&target, &ops);
    let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 19).expect("memory is enough").len();
    let [mut lengths, mut offsets, mut literals, mut together] = [0; 4];
    for segment in &segments {
        lengths += frame(&segment.lengths);
        offsets += frame(&segment.offsets);
        literals += frame(&segment.literals);
        together += frame(&[&segment.lengths[..], &segment.offsets, &segment.literals].concat());
    }
    let most = segments.iter().map(|segment| segment.count).max().unwrap_or(0);
    println!("{} segments, at most {most} operations in one", segments.len());
    println!("coded apart: lengths {lengths}, offsets {offsets}, additions {literals}; together {together} bytes");
}

/// Cuts the operations at segment boundaries and writes them down.
fn encode(target: &[u8], ops: &[Op]) -> Vec<Segment> {
    let count = (target.len() as u64).div_ceil(SEGMENT_BYTES);
    let mut segments: Vec<Segment> = (0..count).map(|_| Segment::default()).collect();
    let mut at = 0;
    for op in ops {
        let end = at + op.length();
        while at < end {
            let segment = &mut segments[(at / SEGMENT_BYTES) as usize];
            let length = (end - at).min(SEGMENT_BYTES - at % SEGMENT_BYTES);
            segment.count += 1;
            match *op {
                Op::Add { .. } => {
                    varint(&mut segment.lengths, length << 1 | 1);
                    segment.literals.extend(&target[at as usize..(at + length) as usize]);
                }
                Op::Copy { base_offset, length: whole } => {
                    let diagonal = (base_offset + whole) as i64 - end as i64;
                    varint(&mut segment.lengths, length << 1);
                    let change = diagonal - segment.diagonal;
                    varint(&mut segment.offsets, ((change << 1) ^ (change >> 63)) as u64);
                    segment.diagonal = diagonal;
                    segment.moved |= diagonal != 0;
                }
            }
            at += length;
        }
    }
    segments.retain(|segment| segment.moved || !segment.literals.is_empty());
    segments
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// CPU seconds of this process, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// Peak resident memory of this process.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
