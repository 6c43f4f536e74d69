//! What the predictions got wrong, coded: tokens and headers of blocks.

use super::format::{DISTANCE_MAX, MATCH_MAX, MATCH_MIN};
use super::models::{HeaderModels, TokenModels};
use super::predict::Finder;
use super::token::Token;
use super::tree::{Header, Run, TreeStyle};
use crate::coding::coder::BitCoder;

/// Codes the token at the finder's place, of which `predicted` is the likeliest; None when it cannot be one.
pub(super) fn code_token<C: BitCoder>(
    coder: &mut C,
    models: &mut TokenModels,
    finder: &mut Finder,
    predicted: Token,
    known: Token,
) -> Option<Token> {
    let class = class(predicted, finder.waits());
    let hit = models.hit[class][models.history & 15].code(coder, known == predicted);
    models.history = models.history << 1 | usize::from(hit);
    if hit {
        return Some(predicted);
    }
    let ahead = finder.ahead().len();
    let predicted_length = match predicted {
        Token::Literal => None,
        Token::Match { length, .. } => {
            if models.literal[class].code(coder, known == Token::Literal) {
                return Some(Token::Literal);
            }
            Some(length)
        }
    };
    let (known_length, known_distance) = match known {
        Token::Literal => (MATCH_MIN as u16, 1),
        Token::Match { length, distance } => (length, distance),
    };
    let length = match predicted_length {
        Some(length) if models.same_length[class].code(coder, known_length == length) => usize::from(length),
        _ => {
            let above = (known_length - MATCH_MIN as u16) as u8;
            let model = &mut models.length[usize::from(predicted_length.is_some())];
            usize::from(model.code(coder, above)) + MATCH_MIN
        }
    };
    if length > ahead.min(MATCH_MAX) {
        return None;
    }
    let known_rank = if C::ENCODES { finder.rank(length, known_distance.into()) } else { None };
    let other = usize::from(predicted_length.is_some_and(|predicted| usize::from(predicted) == length));
    let rank = models.rank[other].code(coder, known_rank.map_or(0, |rank| rank + 1));
    let distance = match rank.checked_sub(1) {
        Some(rank) if C::ENCODES => {
            debug_assert_eq!(Some(rank), known_rank);
            known_distance
        }
        Some(rank) => finder.ranked(length, rank)? as u16,
        None => {
            let [low, high] = (known_distance - 1).to_le_bytes();
            let [upper, lower] = &mut models.distance;
            let high = upper.code(coder, high);
            u16::from_le_bytes([lower.code(coder, low), high]).checked_add(1)?
        }
    };
    let valid = usize::from(distance) <= DISTANCE_MAX;
    valid.then_some(Token::Match { length: length as u16, distance })
}

/// What kind of prediction it is.
fn class(predicted: Token, waits: bool) -> usize {
    match predicted {
        Token::Literal => usize::from(waits),
        Token::Match { length: 3, .. } => 2,
        Token::Match { length: 4, .. } => 3,
        Token::Match { length: 5..8, .. } => 4,
        Token::Match { length: 8..16, .. } => 5,
        Token::Match { length: 16..64, .. } => 6,
        Token::Match { .. } => 7,
    }
}

/// Codes a header, of which `header` holds the prediction; gives it in its place. None when it cannot be one.
pub(super) fn code_header<C: BitCoder>(
    coder: &mut C,
    models: &mut HeaderModels,
    style: TreeStyle,
    header: &mut Header,
    known: &Header,
) -> Option<()> {
    let same = header.lengths() == known.lengths();
    if !models.as_predicted[0].code(coder, same) {
        code_lengths(coder, models, header, known)?;
        header.predict_runs(style.runs());
        header.predict_run_lengths(style);
    }
    if !models.as_predicted[1].code(coder, header.runs() == known.runs()) {
        code_runs(coder, models, header, known)?;
        header.predict_run_lengths(style);
    }
    let same = header.run_lengths == known.run_lengths && header.run_lengths_sent == known.run_lengths_sent;
    if !models.as_predicted[2].code(coder, same) {
        for (length, &known) in header.run_lengths.iter_mut().zip(&known.run_lengths) {
            *length = models.run_length[usize::from(*length & 7)].code(coder, known);
        }
        let known = (known.run_lengths_sent as u8).wrapping_sub(4);
        header.run_lengths_sent = usize::from(models.run_lengths_sent.code(coder, known)) + 4;
    }
    (header.run_lengths_sent <= header.run_lengths.len()).then_some(())
}

/// Codes the code lengths themselves.
fn code_lengths<C: BitCoder>(
    coder: &mut C,
    models: &mut HeaderModels,
    header: &mut Header,
    known: &Header,
) -> Option<()> {
    let (mut literals, mut distances) = ([0; 288], [0; 32]);
    let (predicted, true_lengths) = (header.lengths(), known.lengths());
    let sent = [(predicted.0.len(), true_lengths.0.len(), 257), (predicted.1.len(), true_lengths.1.len(), 1)];
    let mut counts = [0; 2];
    for (at, (predicted, known, least)) in sent.into_iter().enumerate() {
        counts[at] = match models.same_count[at].code(coder, predicted == known) {
            true => predicted,
            false => usize::from(models.count[at].code(coder, known.wrapping_sub(least) as u8)) + least,
        };
    }
    let rows = [(&mut literals[..], predicted.0, true_lengths.0), (&mut distances[..], predicted.1, true_lengths.1)];
    for ((row, predicted, known), count) in rows.into_iter().zip(counts) {
        for (symbol, length) in row.get_mut(..count)?.iter_mut().enumerate() {
            let at = |row: &[u8]| row.get(symbol).copied().unwrap_or(0);
            *length = models.length[usize::from(at(predicted) & 15)].code(coder, at(known));
        }
    }
    let fits = counts[0] <= super::format::LITERALS && counts[1] <= super::format::DISTANCES;
    fits.then(|| header.set_lengths(&literals[..counts[0]], &distances[..counts[1]]))
}

/// Codes how the code lengths of `header` are written.
fn code_runs<C: BitCoder>(coder: &mut C, models: &mut HeaderModels, header: &mut Header, known: &Header) -> Option<()> {
    let row = header.row();
    header.clear_runs();
    let mut at = 0;
    let mut known = known.runs().iter();
    while !header.is_complete() {
        let value = row[at];
        let same = row[at..].iter().take_while(|length| **length == value).count();
        let zero = value == 0;
        let follows = at > 0 && row[at - 1] == value;
        let truth = known.next().copied().unwrap_or_default();
        let run = if same >= 3 && (zero || follows) {
            match models.repeats[usize::from(zero) * 2 + usize::from(follows)].code(coder, truth.symbol >= 16) {
                false => Run { symbol: value, extra: 0 },
                true => {
                    let copied = zero && follows && models.copied.code(coder, truth.symbol == 16);
                    let copied = copied || !zero;
                    let count = usize::from(models.run[usize::from(zero)].code(coder, truth.count() as u8));
                    match (copied, count) {
                        (true, 3..=6) => Run { symbol: 16, extra: count as u8 - 3 },
                        (false, 3..=10) => Run { symbol: 17, extra: count as u8 - 3 },
                        (false, 11..=138) => Run { symbol: 18, extra: count as u8 - 11 },
                        _ => return None,
                    }
                }
            }
        } else {
            Run { symbol: value, extra: 0 }
        };
        at += run.count();
        if run.count() > same {
            return None;
        }
        header.push_run(run)?;
    }
    Some(())
}
