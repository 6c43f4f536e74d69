//! What is learned about streams while they are coded: one set of models for all streams of a record.

use super::method::MethodModel;
use crate::coding::bits::{Bit, Number};
use crate::coding::coder::BitCoder;

/// An adaptive symbol of `BITS` bits: a tree of bits.
#[derive(Clone, Debug)]
pub(super) struct Symbol<const BITS: usize> {
    /// By the bits so far with a one before them. 256 nodes serve eight bits.
    nodes: [Bit; 256],
}

impl<const BITS: usize> Default for Symbol<BITS> {
    fn default() -> Self {
        const { assert!(BITS <= 8) };
        Self { nodes: [Bit::new(); 256] }
    }
}

impl<const BITS: usize> Symbol<BITS> {
    /// Codes the lowest bits of `value`.
    pub(super) fn code<C: BitCoder>(&mut self, coder: &mut C, value: u8) -> u8 {
        let mut made = 1usize;
        for at in (0..BITS).rev() {
            let bit = self.nodes[made & 255].code(coder, value >> at & 1 == 1);
            made = made << 1 | usize::from(bit);
        }
        (made - (1 << BITS)) as u8
    }
}

/// Models of everything that corrections say. Fresh for each record of a payload.
#[derive(Debug)]
pub struct Models {
    pub(super) method: MethodModel,
    /// Is the block stored? By whether the one before was.
    pub(super) stored: [Bit; 2],
    /// Does it end where the encoder would end it? By whether it is stored.
    pub(super) natural: [Bit; 2],
    /// Are all its tokens as predicted?
    pub(super) perfect: Bit,
    /// Tokens of a block or bytes of a stored block that ends elsewhere.
    pub(super) count: [Number; 2],
    /// Is it the last? By whether the plaintext is at its end and whether the block is full.
    pub(super) last: [Bit; 4],
    /// Is its code the fixed one? By whether that is predicted.
    pub(super) fixed: [Bit; 2],
    /// Are padding bits set? Which?
    pub(super) padded: Bit,
    pub(super) padding: Symbol<8>,
    pub(super) header: HeaderModels,
    pub(super) tokens: TokenModels,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            method: MethodModel::default(),
            stored: [Bit::rare(); 2],
            natural: [Bit::new(); 2],
            perfect: Bit::new(),
            count: Default::default(),
            last: [Bit::new(); 4],
            fixed: [Bit::new(); 2],
            padded: Bit::rare(),
            padding: Symbol::default(),
            header: HeaderModels::default(),
            tokens: TokenModels::default(),
        }
    }
}

/// Models of the corrections of block headers.
#[derive(Debug, Default)]
pub(super) struct HeaderModels {
    /// Are the code lengths, the runs, the lengths of the run symbols as predicted?
    pub(super) as_predicted: [Bit; 3],
    /// Numbers of literals and distances: as predicted? Else which.
    pub(super) same_count: [Bit; 2],
    pub(super) count: [Symbol<5>; 2],
    /// A code length, by the predicted one.
    pub(super) length: [Symbol<4>; 16],
    /// Is a run repeated? By whether it is of zeros and whether that would be usual.
    pub(super) repeats: [Bit; 4],
    /// Are zeros repeated the way that other lengths are?
    pub(super) copied: Bit,
    /// Repetitions, by whether they are of zeros.
    pub(super) run: [Symbol<8>; 2],
    /// The length of a run symbol, by the predicted one.
    pub(super) run_length: [Symbol<3>; 8],
    /// How many of these are sent.
    pub(super) run_lengths_sent: Symbol<5>,
}

/// Models of the corrections of tokens.
#[derive(Debug, Default)]
pub(super) struct TokenModels {
    /// Is the token as predicted? By what is predicted and by how the last ones went.
    pub(super) hit: [[Bit; 16]; 8],
    /// Hits among the last tokens, newest lowest.
    pub(super) history: usize,
    /// Is it a literal where a match was predicted? By the predicted length's class.
    pub(super) literal: [Bit; 8],
    /// Has the match the predicted length? By its class.
    pub(super) same_length: [Bit; 8],
    /// Its length - 3 otherwise, by whether a match was predicted.
    pub(super) length: [Symbol<8>; 2],
    /// How many candidates of that length are nearer, plus one; 0 when the distance is sent.
    pub(super) rank: [Number; 2],
    /// The distance - 1: upper and lower byte.
    pub(super) distance: [Symbol<8>; 2],
}
