//! Bytes that stand in several places of memory, as one image.
//!
//! In: parts, borrowed or owned. Out: the image that they make one behind the other, read part by part: an image of
//! gigabytes and what was unpacked of it are compared without a copy of both. What is read at once lies in one part.

use core::ops::Range;
use std::borrow::Cow;

/// An image in parts. No part is empty.
#[derive(Debug, Default)]
pub struct Rope<'a> {
    /// Where each part starts, and its bytes.
    parts: Vec<(usize, Cow<'a, [u8]>)>,
    length: usize,
}

impl<'a> Rope<'a> {
    /// Appends a part.
    pub fn push(&mut self, part: impl Into<Cow<'a, [u8]>>) {
        let part = part.into();
        if !part.is_empty() {
            let start = self.length;
            self.length += part.len();
            self.parts.push((start, part));
        }
    }

    /// Bytes of all parts.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All parts.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.parts.iter().map(|(start, bytes)| Part { start: *start, bytes })
    }

    /// The part that holds the byte at `at`, an empty one when none does.
    pub fn part(&self, at: usize) -> Part<'_> {
        // Nearly all of them have one.
        let index = match self.parts.len() {
            1 => 1,
            _ => self.parts.partition_point(|(start, _)| *start <= at),
        };
        match index.checked_sub(1).map(|index| &self.parts[index]) {
            Some((start, bytes)) if at - start < bytes.len() => Part { start: *start, bytes },
            _ => Part { start: at, bytes: &[] },
        }
    }

    /// The bytes of a range, when one part holds it.
    pub fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        let part = self.part(range.start);
        part.bytes.get(range.start - part.start..range.end.checked_sub(part.start)?)
    }

    /// The bytes of a range, part by part.
    pub(crate) fn within(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let bytes = self.bytes_from(at);
            let bytes = &bytes[..bytes.len().min(range.end - at)];
            at += bytes.len();
            (!bytes.is_empty()).then_some(bytes)
        })
    }

    /// The bytes from `at` to the end of their part.
    pub(crate) fn bytes_from(&self, at: usize) -> &[u8] {
        let part = self.part(at);
        &part.bytes[at - part.start..]
    }

    /// The bytes before `at` in the part that holds the byte there.
    pub(crate) fn bytes_until(&self, at: usize) -> &[u8] {
        let part = self.part(at);
        &part.bytes[..at - part.start]
    }
}

impl<'a> From<&'a [u8]> for Rope<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        let mut rope = Self::default();
        rope.push(bytes);
        rope
    }
}

/// A part of an image, addressed by offsets in the image.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Offset of its first byte.
    pub start: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'a> Part<'a> {
    /// Offset behind its last byte.
    pub fn end(&self) -> usize {
        self.start + self.bytes.len()
    }

    /// The bytes of a range of the image that lies in it.
    pub(crate) fn range(&self, range: Range<usize>) -> &'a [u8] {
        &self.bytes[range.start - self.start..range.end - self.start]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets lead to the part that holds them, and reads end with it.
    #[test]
    fn parts_are_found_by_offset() {
        let mut rope = Rope::from(&b"abc"[..]);
        rope.push(&b""[..]);
        rope.push(b"defg".to_vec());
        assert_eq!((rope.len(), rope.is_empty(), rope.parts().count()), (7, false, 2));
        assert_eq!((rope.bytes_from(1), rope.bytes_from(3), rope.bytes_from(7)), (&b"bc"[..], &b"defg"[..], &b""[..]));
        assert_eq!(
            (rope.bytes_until(2), rope.bytes_until(3), rope.bytes_until(6)),
            (&b"ab"[..], &b""[..], &b"def"[..])
        );
        assert_eq!(
            (rope.get(1..3), rope.get(2..4), rope.get(3..7), rope.get(6..8)),
            (Some(&b"bc"[..]), None, Some(&b"defg"[..]), None)
        );
        assert_eq!(rope.part(5).end(), 7);
        assert!(Rope::from(&b""[..]).is_empty() && Rope::default().bytes_from(0).is_empty());
    }
}
