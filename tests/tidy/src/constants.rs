//! Public integer constants of the sources, evaluated: what the format pages repeat.

use crate::source;
use std::collections::BTreeMap;

/// Every `pub const NAME: integer = EXPRESSION;` below a folder whose expression is numbers, other constants, `<<`, `+`,
/// `*` and parentheses.
pub fn below(folder: &str) -> BTreeMap<String, u128> {
    let mut written: Vec<(String, String)> = Vec::new();
    for source in source::below(folder).iter().filter(|source| source.is_product()) {
        for part in source.product_code().split("pub const ").skip(1) {
            let Some((name, rest)) = part.split_once(':') else { continue };
            let Some((_, expression)) = rest.split(';').next().and_then(|line| line.split_once('=')) else { continue };
            written.push((name.trim().to_owned(), expression.trim().to_owned()));
        }
    }
    let mut known = BTreeMap::new();
    // Constants may stand before those that they use.
    for _ in 0..3 {
        for (name, expression) in &written {
            if let Some(value) = evaluate(expression, &known) {
                known.insert(name.clone(), value);
            }
        }
    }
    known
}

/// The value of an expression, or nothing when it is of another shape.
pub fn evaluate(expression: &str, known: &BTreeMap<String, u128>) -> Option<u128> {
    let mut words = Vec::new();
    let mut rest = expression.trim();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '(' | ')' | '+' | '*' => 1,
            '<' if rest.starts_with("<<") => 2,
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            _ => return None,
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    let (value, left) = shifted(&words, known)?;
    left.is_empty().then_some(value)
}

type Parsed<'w, 't> = Option<(u128, &'w [&'t str])>;

fn shifted<'w, 't>(words: &'w [&'t str], known: &BTreeMap<String, u128>) -> Parsed<'w, 't> {
    let (mut value, mut words) = sum(words, known)?;
    while let Some((&"<<", rest)) = words.split_first() {
        let (by, rest) = sum(rest, known)?;
        (value, words) = (value.checked_shl(u32::try_from(by).ok()?)?, rest);
    }
    Some((value, words))
}

fn sum<'w, 't>(words: &'w [&'t str], known: &BTreeMap<String, u128>) -> Parsed<'w, 't> {
    let (mut value, mut words) = product(words, known)?;
    while let Some((&"+", rest)) = words.split_first() {
        let (more, rest) = product(rest, known)?;
        (value, words) = (value + more, rest);
    }
    Some((value, words))
}

fn product<'w, 't>(words: &'w [&'t str], known: &BTreeMap<String, u128>) -> Parsed<'w, 't> {
    let (mut value, mut words) = atom(words, known)?;
    while let Some((&"*", rest)) = words.split_first() {
        let (by, rest) = atom(rest, known)?;
        (value, words) = (value * by, rest);
    }
    Some((value, words))
}

fn atom<'w, 't>(words: &'w [&'t str], known: &BTreeMap<String, u128>) -> Parsed<'w, 't> {
    let (&first, rest) = words.split_first()?;
    if first == "(" {
        let (value, rest) = shifted(rest, known)?;
        let (&")", rest) = rest.split_first()? else { return None };
        return Some((value, rest));
    }
    let value = first.replace('_', "").parse().ok().or_else(|| known.get(first).copied())?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_follow_the_precedence_of_rust() {
        let known = BTreeMap::from([("A_B".to_owned(), 26)]);
        let check = |text: &str, expected| assert_eq!(evaluate(text, &known), expected, "{text}");
        check("1 << 16", Some(65_536));
        check("512 * 32", Some(16_384));
        check("(1 << A_B) + (1 << 16)", Some(67_174_400));
        check("4 << 20 + 1", Some(4 << 21));
        check("16_384", Some(16_384));
        check("*b\"x\"", None);
    }
}
