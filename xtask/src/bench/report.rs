//! The tables.
//!
//! In: pairs with their rows. Out: Markdown: categories against the agreement, rules that are broken, a table for each
//! category, and all peers in bytes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::compared::{Compared, geometric_mean, grouped};
use super::goals::GOALS;
use super::row::{Cost, Row};

/// Whose time to apply ours is compared with.
const APPLIED: [&str; 2] = ["bsdiff", "zucchini+xz"];

/// All tables.
pub(crate) fn tables(pairs: &[Compared]) -> String {
    let mut text = goals(pairs) + &broken(pairs);
    for (category, pairs) in by_category(pairs) {
        text += &format!("\n### {category}\n\n{}\n{}", costs(&pairs), everybody(&pairs));
    }
    text
}

fn by_category(pairs: &[Compared]) -> BTreeMap<&str, Vec<&Compared>> {
    let mut categories: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pair in pairs {
        categories.entry(pair.pair.category.as_str()).or_default().push(pair);
    }
    categories
}

/// The agreement's lines, then the corpus categories as they are.
fn goals(pairs: &[Compared]) -> String {
    let mut text = String::from(
        "| category | pairs | bytes, to the best peer's (geometric mean) | must | goal | |\n|---|---:|---:|---:|---:|---|\n",
    );
    for goal in GOALS {
        let ratios: Vec<_> = pairs.iter().filter(|one| goal.holds(&one.pair)).filter_map(Compared::ratio).collect();
        let Some(mean) = geometric_mean(&ratios) else { continue };
        let state = match mean {
            mean if mean <= goal.goal => "goal reached",
            mean if mean <= goal.must => "holds",
            _ => "**missed**",
        };
        let (name, count) = (goal.name, ratios.len());
        text += &format!("| {name} | {count} | {mean:.3} | {:.2} | {:.2} | {state} |\n", goal.must, goal.goal);
    }
    for (category, pairs) in by_category(pairs) {
        let ratios: Vec<_> = pairs.iter().filter_map(|one| one.ratio()).collect();
        if let Some(mean) = geometric_mean(&ratios) {
            text += &format!("| *all of {category}* | {} | {mean:.3} | | | |\n", ratios.len());
        }
    }
    text
}

fn broken(pairs: &[Compared]) -> String {
    let lines: Vec<_> = pairs.iter().flat_map(Compared::broken).map(|line| format!("- {line}\n")).collect();
    match lines.is_empty() {
        true => {
            "\nNo pair is larger than its best peer's, and none is 64 bytes over `zstd -19` of its target.\n".into()
        }
        false => format!("\nPairs that break a rule:\n\n{}", lines.concat()),
    }
}

/// Ours, pair by pair, with what it costs.
fn costs(pairs: &[&Compared]) -> String {
    let mut text = String::from(
        "| pair | target | stella | best peer | ratio | create CPU s, MiB | best peer's | apply CPU s, MiB | best peer's \
         | apply faster than bsdiff, Zucchini | declared MiB |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for one in pairs {
        let ranked = one.ranked();
        let best = ranked.first();
        let faster = APPLIED.map(|peer| one.apply_faster_than(peer).map_or("-".into(), |times| format!("{times:.1}x")));
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |\n",
            one.pair.id,
            grouped(one.pair.target_bytes),
            bytes(&one.ours, one.pair.target_bytes),
            best.map_or("-".into(), |(row, bytes)| format!("{} {}", row.program, grouped(*bytes))),
            one.ratio().map_or("-".into(), |ratio| format!("**{ratio:.3}**")),
            cost(one.ours.create),
            cost(best.and_then(|(row, _)| row.create)),
            cost(one.ours.apply),
            cost(best.and_then(|(row, _)| row.apply)),
            faster.join(", "),
            mib(one.device_memory_bytes),
        );
    }
    text
}

/// Every program in bytes, smallest mean first.
fn everybody(pairs: &[&Compared]) -> String {
    let names: BTreeSet<_> = pairs.iter().flat_map(|one| one.peers.iter().map(|row| row.program.as_str())).collect();
    let of = |one: &Compared, name: &str| one.peer(name).and_then(Row::good_bytes);
    let mut rows: Vec<_> = names
        .into_iter()
        .map(|name| {
            let parts: Vec<_> = pairs.iter().filter_map(|one| part(of(one, name)?, one.pair.target_bytes)).collect();
            // Those that have no delta for each pair cannot be compared by a mean; they come last.
            (pairs.len() - parts.len(), geometric_mean(&parts).unwrap_or(f64::INFINITY), name)
        })
        .filter(|(missing, ..)| *missing < pairs.len())
        .collect();
    rows.sort_by(|a, b| a.partial_cmp(b).expect("means are numbers"));
    let ids: Vec<_> = pairs.iter().map(|one| one.pair.id.as_str()).collect();
    let mut text = format!("| bytes | {} |\n|---|{}\n", ids.join(" | "), "---:|".repeat(ids.len()));
    let line = |name: &str, cells: Vec<String>| format!("| {name} | {} |\n", cells.join(" | "));
    text += &line("**stella**", pairs.iter().map(|one| bytes(&one.ours, one.pair.target_bytes)).collect());
    for (_, _, name) in rows {
        let cell = |one: &&Compared| one.peer(name).map_or("-".into(), |row| bytes(row, one.pair.target_bytes));
        text += &line(name, pairs.iter().map(cell).collect());
    }
    text
}

fn part(bytes: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| (bytes as f64 / of as f64).max(f64::MIN_POSITIVE))
}

fn bytes(row: &Row, target_bytes: u64) -> String {
    let about = if row.is_approximate() { "~" } else { "" };
    match row.good_bytes() {
        Some(bytes) => format!("{about}{} ({:.2}%)", grouped(bytes), 100.0 * part(bytes, target_bytes).unwrap_or(0.0)),
        None if row.correct == Some(false) => "wrong".into(),
        None => "failed".into(),
    }
}

fn cost(cost: Option<Cost>) -> String {
    cost.map_or("-".into(), |cost| format!("{:.2}, {:.0}", cost.cpu_seconds, mib(cost.peak_bytes)))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::super::compared::tests::compared;
    use super::*;

    /// A category's mean is set against the agreement; peers come smallest first.
    #[test]
    fn sets_means_against_the_agreement() {
        let pairs = [
            compared("elf-x64", "a", 50, &[("bsdiff", 200), ("zstd", 100)]),
            compared("elf-x64", "b", 32, &[("bsdiff", 200), ("zstd", 400)]),
            compared("elf-x64", "ruff", 95, &[("zstd", 100)]),
        ];
        let text = tables(&pairs);
        assert!(text.contains("| ELF x86-64 | 2 | 0.283 | 0.40 | 0.30 | goal reached |"), "{text}");
        assert!(text.contains("| big Rust executables rebuilt with churn | 1 | 0.950 | 0.90 | 0.75 | **missed** |"));
        assert!(text.contains("| a | 1,000 | 50 (5.00%) | zstd 100 | **0.500** |"), "{text}");
        assert!(text.find("\n| zstd |").unwrap() < text.find("\n| bsdiff |").unwrap());
    }
}
