//! Pages: their limits, their links, the paths and commands that they name.

use crate::tree;
use std::path::{Path, PathBuf};

/// All pages of the repository.
pub fn all() -> Vec<(PathBuf, String)> {
    tree::files("md").into_iter().map(|path| (path.clone(), tree::read(path))).collect()
}

/// The rows `NAME`, value of the section "Limits" of a page.
pub fn limits(page: &str) -> Vec<(String, String)> {
    let section = page.split("\n## Limits\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?.to_owned();
        Some((name, cells.next()?.trim().to_owned()))
    };
    section.lines().filter_map(row).collect()
}

/// The value of a limit as a page writes it: `65536` or `2^16`.
pub fn value(text: &str) -> Option<u128> {
    match text.split_once('^') {
        Some((base, power)) => base.parse::<u128>().ok()?.checked_pow(power.parse().ok()?),
        None => text.parse().ok(),
    }
}

/// The targets of relative links.
pub fn links(page: &str) -> Vec<String> {
    page.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0.split('#').next()?.to_owned()))
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

/// The paths of this repository that a text names in backquotes: they start with one of its folders. Paths with a
/// placeholder are left out, and so is what stands in a block of code.
pub fn paths(text: &str) -> Vec<String> {
    let outside: String = text.split("```").step_by(2).collect::<Vec<_>>().join(" ");
    let root = tree::root();
    outside
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|quoted| quoted.trim_end_matches('/'))
        .filter(|quoted| quoted.contains('/') && !quoted.contains(|c: char| " *{<$\"'()=,:".contains(c)))
        .filter(|quoted| {
            let first = quoted.split('/').next().unwrap_or_default();
            let upper = quoted.chars().any(|c| c.is_ascii_uppercase()) && quoted.contains("NAME");
            !first.is_empty() && first != "target" && root.join(first).is_dir() && !upper
        })
        .map(str::to_owned)
        .collect()
}

/// The words after `cargo xtask` in a text.
pub fn chores(text: &str) -> Vec<String> {
    text.split("cargo xtask ")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect::<String>())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether a path named by a page exists: from the root, or from the page's own folder.
pub fn exists(page: &Path, named: &str) -> bool {
    let root = tree::root();
    root.join(named).exists() || page.parent().is_some_and(|folder| root.join(folder).join(named).exists())
}
