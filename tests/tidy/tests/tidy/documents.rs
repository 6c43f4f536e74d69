//! Pages say what the code says: limits, links, paths, commands.

use std::collections::BTreeSet;
use tests_tidy::constants;
use tests_tidy::pages::{all, chores, exists, limits, links, paths, value};
use tests_tidy::{source, tree};

#[test]
fn format_pages_repeat_the_limits_of_the_code() {
    let mut known = constants::below("server-tools/scanner/src");
    known.extend(constants::below("server-tools/graph/src"));
    known.extend(constants::below("server-tools/score/src"));
    known.extend(constants::below("server-tools/runtime/src"));
    known.extend(constants::below("delta-verify/src"));
    known.extend(constants::below("delta-format/src"));
    let mut repeated = BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, page) in all().iter().filter(|(path, _)| path.starts_with("docs/formats")) {
        let is_list = path.ends_with("README.md");
        let rows = limits(page);
        assert!(is_list || !rows.is_empty(), "{}: no section Limits with rows of `NAME` and value", path.display());
        for (name, written) in rows {
            match (value(&written), known.get(&name)) {
                (Some(page), Some(code)) if page == *code => {}
                (page, code) => wrong.push(format!("{}: {name} is {page:?}, in the code {code:?}", path.display())),
            }
            repeated.insert(name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let file = tree::read("delta-format/src/limits.rs");
    let all = file.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let missing: Vec<&str> = all.filter(|name| !repeated.contains(*name)).collect();
    assert!(missing.is_empty(), "no format page has these limits: {missing:?}");
}

#[test]
fn format_pages_have_their_sections() {
    for (path, page) in
        all().iter().filter(|(path, _)| path.starts_with("docs/formats") && !path.ends_with("README.md"))
    {
        for section in ["## Example", " MUST", "## Limits", "## Vectors"] {
            assert!(page.contains(section), "{}: no section with '{section}'", path.display());
        }
    }
}

#[test]
fn links_and_paths_lead_somewhere() {
    let mut wrong = Vec::new();
    for (path, page) in all() {
        for link in links(&page) {
            let folder = path.parent().expect("a file has a folder");
            if !tree::root().join(folder).join(&link).exists() {
                wrong.push(format!("{}: the link {link}", path.display()));
            }
        }
        for named in paths(&page) {
            if !exists(&path, &named) {
                wrong.push(format!("{}: the path {named}", path.display()));
            }
        }
    }
    // Comments of sources name pages and folders too.
    for source in source::all() {
        let comments: String =
            source.text.lines().filter(|line| line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for named in paths(&comments).iter().filter(|named| named.starts_with("docs/") || named.starts_with("tests/")) {
            // From the root, or from a folder that the source is in.
            if !source.path.ancestors().any(|folder| tree::root().join(folder).join(named).exists()) {
                wrong.push(format!("{}: the path {named}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn chores_on_pages_exist() {
    let table = tree::read("xtask/src/main.rs");
    let known: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.trim().strip_prefix("name: \"")?.split('"').next())
        .chain(["help"])
        .collect();
    let mut wrong = Vec::new();
    for (path, page) in all() {
        for chore in chores(&page).into_iter().filter(|chore| !known.contains(chore.as_str())) {
            wrong.push(format!("{}: cargo xtask {chore}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "xtask/src/main.rs has no such chores:\n{}", wrong.join("\n"));
}

/// Each rule of absence in ARCHITECTURE.md names the test that keeps it, and the test exists.
#[test]
fn rules_of_absence_name_their_tests() {
    let page = tree::read("ARCHITECTURE.md");
    let section =
        page.split("\n## What is absent\n").nth(1).expect("a section").split("\n## ").next().unwrap_or_default();
    let rules: Vec<&str> = section.split("\n- ").skip(1).collect();
    assert!(rules.len() >= 8, "{} rules", rules.len());
    let sources = source::all();
    for rule in rules {
        let named: Vec<&str> = rule.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        let first = rule.lines().next().unwrap_or_default();
        assert!(!named.is_empty(), "no test stands behind: {first}");
        for name in named {
            let (module, test) = name.rsplit_once("::").expect("a path");
            let module = module.rsplit("::").next().unwrap_or(module);
            let file = sources.iter().any(|source| {
                let of_module = source.path.file_stem().is_some_and(|stem| stem == module);
                of_module && source.text.contains(&format!("fn {test}("))
            });
            assert!(file, "there is no test {name}, which keeps: {first}");
        }
    }
}
