//! Streams of the `xz` program, and streams that nobody made.

use super::{survey, unpack};
use crate::io::IoError;
use crate::parse::samples::sample;
use crate::parse::{Token, UnpackError, Unpacked, x86};
use proptest::prelude::*;
use std::io::Write;
use std::process::{Command, Stdio};

/// What the `xz` program makes of `plain`.
#[expect(clippy::disallowed_methods, reason = "the streams of the real program are what is tested")]
fn packed(plain: &[u8], filters: &[&str]) -> Vec<u8> {
    let mut xz = Command::new("xz");
    xz.args(["--format=raw", "--stdout"]).args(filters).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut xz = xz.spawn().expect("this test needs xz: apt-get install xz-utils");
    let (mut input, bytes) = (xz.stdin.take().expect("piped"), plain.to_vec());
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = xz.wait_with_output().expect("xz ends");
    writer.join().expect("no panic").expect("xz reads all");
    assert!(output.status.success(), "xz {filters:?}");
    output.stdout
}

/// Plaintext in memory.
#[derive(Default)]
struct Plain(Vec<u8>);

impl Unpacked for Plain {
    fn begin(&mut self) -> Result<(), UnpackError> {
        Ok(())
    }

    fn cut(&mut self) -> Result<(), UnpackError> {
        Ok(())
    }

    fn literal(&mut self, byte: u8) -> Result<(), UnpackError> {
        self.0.push(byte);
        if self.0.len() < 1 << 22 { Ok(()) } else { Err(UnpackError::Invalid) }
    }

    fn repeat(&mut self, token: Token) -> Result<(), UnpackError> {
        for _ in 0..token.length {
            let byte = self.byte(token.distance)?;
            self.literal(byte)?;
        }
        Ok(())
    }

    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError> {
        let at = self.0.len().checked_sub(distance as usize);
        at.and_then(|at| self.0.get(at)).copied().ok_or(UnpackError::Invalid)
    }

    fn envelope(&mut self, _byte: u8) -> Result<(), UnpackError> {
        Err(UnpackError::Invalid)
    }

    fn unfilter(&mut self, _: u64) -> Result<(), UnpackError> {
        Ok(())
    }

    fn made(&self) -> u64 {
        self.0.len() as u64
    }

    fn left(&self) -> u64 {
        u64::MAX
    }
}

/// Bytes to read, a few at a time.
struct Few<'a>(&'a [u8]);

impl crate::deflate::Input for Few<'_> {
    type Error = IoError;

    fn read(&mut self, out: &mut [u8]) -> Result<usize, IoError> {
        let (now, later) = self.0.split_at(self.0.len().min(out.len()).min(999));
        out[..now.len()].copy_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}

fn unpacked(stream: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let mut plain = Plain::default();
    unpack(Few(stream), stream.len() as u64, &mut plain).map(|()| plain.0)
}

/// Streams of all efforts and properties unpack, and are made again from their tokens with no cut at all: chunks end
/// where this side expects it.
#[test]
fn streams_of_xz_come_back() {
    let plain = sample(700_000);
    let efforts =
        ["preset=0", "preset=1", "preset=6", "preset=9e", "preset=6,lc=0,lp=2,pb=0", "preset=3,lc=4,nice=273"];
    for effort in efforts {
        let stream = packed(&plain, &[&format!("--lzma2={effort}")]);
        assert_eq!(unpacked(&stream).as_deref(), Ok(&plain[..]), "{effort}");
        let surveyed = survey(&stream, plain.len()).expect("it is made again");
        assert_eq!(surveyed.plain, plain, "{effort}");
        assert!(surveyed.shape.cuts.iter().all(|cut| cut.stored), "{effort}");
        assert_eq!(survey(&stream, plain.len() - 1), None, "{effort}: no more than allowed");
    }
}

/// Chunks that are stored because they do not pack, at the start and between others.
#[test]
fn stored_chunks_come_back() {
    let mut state = 7u64;
    let noise = (0..200_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.collect();
    let plain = [&noise[..], &sample(200_000), &noise, &[]].concat();
    let stream = packed(&plain, &["--lzma2=preset=6"]);
    let surveyed = survey(&stream, plain.len()).expect("it is made again");
    assert!(surveyed.shape.cuts.iter().any(|cut| cut.stored));
    assert_eq!(unpacked(&stream).as_deref(), Ok(&plain[..]));
}

/// The filter for x86 code is that of xz.
#[test]
fn the_filter_is_that_of_xz() {
    let plain = sample(300_000);
    let stream = packed(&plain, &["--x86", "--lzma2=preset=1"]);
    let mut filtered = unpacked(&stream).expect("it unpacks");
    assert_ne!(filtered, plain);
    x86::Filter::new(false).convert(&mut filtered);
    assert_eq!(filtered, plain);
    x86::Filter::new(true).convert(&mut filtered);
    assert_eq!(unpacked(&stream).as_deref(), Ok(&filtered[..]));
}

/// A coded chunk of literals and its end, to have something where there is no `xz`.
const SMALL: [u8; 14] = [1, 0, 2, b'a', b'b', b'c', 2, 0, 1, b'd', b'e', 2, 0, 0];

proptest! {
    /// Any bytes, and streams with some bytes changed, give plaintext or an error.
    #[test]
    fn hostile_streams_are_errors(bytes in proptest::collection::vec(any::<u8>(), 0..200), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        unpacked(&bytes).ok();
        survey(&bytes, 1 << 20);
        let mut stream = [&SMALL[..], &[b'f', 0xc0, 0, 40, 0, 30, 0x5d, 0], &bytes, &[0]].concat();
        unpacked(&stream).ok();
        for (at, byte) in changes {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        unpacked(&stream).ok();
        survey(&stream, 1 << 20);
    }
}
