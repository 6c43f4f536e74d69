//! What a block says: literals and matches, and a compact store for those of the block at hand.

use super::format::MATCH_MIN;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// One step of a block. The byte of a literal is known from the plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The next byte stands for itself.
    Literal,
    /// The next `length` (3 to 258) bytes are those from `distance` (1 to 32768) bytes before.
    Match {
        /// Bytes.
        length: u16,
        /// Bytes back.
        distance: u16,
    },
}

impl Token {
    /// Bytes of plaintext.
    #[inline]
    pub(super) fn length(self) -> usize {
        match self {
            Self::Literal => 1,
            Self::Match { length, .. } => length.into(),
        }
    }
}

/// A page of the store, and the most pages: the tokens of the largest blocks that encoders write (libdeflate: 300,000
/// literals) fit, and memory stays bounded.
const PAGE_BYTES: usize = 24 << 10;
const PAGES_MAX: usize = 16;
/// Tokens whose kinds share one byte.
const GROUP: usize = 8;
/// The most bytes of a group: a byte of kinds, then length and distance of each match.
const GROUP_BYTES: usize = 1 + GROUP * 3;

/// The tokens of one block: a byte of flags for each eight, then a byte for each literal and three for each match.
#[derive(Debug, Default)]
pub(super) struct TokenStore {
    pages: Vec<Box<[u8; PAGE_BYTES]>>,
    /// The page that is written, where its open group starts and where it ends.
    page: usize,
    group: usize,
    at: usize,
    /// Tokens in the open group, and in all.
    in_group: usize,
    len: usize,
}

/// The block has more tokens than the store takes.
#[derive(Debug)]
pub(super) struct TooMany;

impl TokenStore {
    /// Bytes of memory that a store takes at most.
    pub(super) const BYTES_MAX: usize = PAGE_BYTES * PAGES_MAX;

    pub(super) fn clear(&mut self) {
        (self.page, self.group, self.at, self.in_group, self.len) = (0, 0, 0, GROUP, 0);
    }

    /// Appends a token; `literal` is the byte of a literal.
    #[inline]
    pub(super) fn push(&mut self, token: Token, literal: u8) -> Result<(), TooMany> {
        if self.in_group == GROUP || self.len == 0 {
            self.open_group()?;
        }
        let page = &mut self.pages[self.page];
        match token {
            Token::Literal => {
                page[self.at] = literal;
                self.at += 1;
            }
            Token::Match { length, distance } => {
                page[self.group] |= 1 << self.in_group;
                let [low, high] = (distance - 1).to_le_bytes();
                page[self.at..self.at + 3].copy_from_slice(&[(length - MATCH_MIN as u16) as u8, low, high]);
                self.at += 3;
            }
        }
        self.in_group += 1;
        self.len += 1;
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), TooMany> {
        if self.len > 0 && self.at + GROUP_BYTES > PAGE_BYTES {
            self.page += 1;
            self.at = 0;
        }
        if self.page == self.pages.len() {
            if self.page == PAGES_MAX {
                return Err(TooMany);
            }
            self.pages.push(Box::new([0; PAGE_BYTES]));
        }
        self.group = self.at;
        self.pages[self.page][self.group] = 0;
        self.at += 1;
        self.in_group = 0;
        Ok(())
    }

    /// The tokens in order, literals with their bytes.
    #[inline]
    pub(super) fn for_each<E>(&self, mut each: impl FnMut(Token, u8) -> Result<(), E>) -> Result<(), E> {
        let (mut page, mut at, mut left) = (0, 0, self.len);
        while left > 0 {
            if at + GROUP_BYTES > PAGE_BYTES {
                page += 1;
                at = 0;
            }
            let bytes = &self.pages[page];
            let kinds = bytes[at];
            at += 1;
            for token in 0..GROUP.min(left) {
                if kinds >> token & 1 == 0 {
                    each(Token::Literal, bytes[at])?;
                    at += 1;
                } else {
                    let length = u16::from(bytes[at]) + MATCH_MIN as u16;
                    let distance = u16::from_le_bytes([bytes[at + 1], bytes[at + 2]]) + 1;
                    each(Token::Match { length, distance }, 0)?;
                    at += 3;
                }
            }
            left -= GROUP.min(left);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is put in comes out, over page ends too.
        #[test]
        fn tokens_come_back(tokens in proptest::collection::vec((any::<bool>(), 3u16..=258, 1u16..=32768, any::<u8>()), 0..40_000)) {
            let mut store = TokenStore::default();
            store.clear();
            let tokens: Vec<_> = tokens.into_iter().map(|(literal, length, distance, byte)| match literal {
                true => (Token::Literal, byte),
                false => (Token::Match { length, distance }, 0),
            }).collect();
            for &(token, byte) in &tokens {
                store.push(token, byte).expect("fits");
            }
            let mut back = Vec::new();
            store.for_each(|token, byte| { back.push((token, byte)); Ok::<_, ()>(()) }).expect("nothing fails");
            prop_assert!(back == tokens);
        }
    }

    /// The store says when it is full instead of growing without end.
    #[test]
    fn a_full_store_says_so() {
        let mut store = TokenStore::default();
        store.clear();
        let pushed =
            (0..1 << 20).take_while(|_| store.push(Token::Match { length: 3, distance: 1 }, 0).is_ok()).count();
        assert!(pushed > 120_000 && pushed < TokenStore::BYTES_MAX / 3);
    }
}
