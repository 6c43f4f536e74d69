//! The pairs that are measured.
//!
//! In: a folder with `pairs.json` and `SET/CATEGORY/ID/{old,new}`. Out: the pairs asked for, small ones first. It does not
//! make pairs; `collect.rs` does.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::json::{Json, quoted};

const LIST: &str = "pairs.json";

/// A base and a target of a real update.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) category: String,
    pub(crate) id: String,
    pub(crate) base: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) base_bytes: u64,
    pub(crate) target_bytes: u64,
    pub(crate) base_sha256: String,
    pub(crate) target_sha256: String,
}

impl Pair {
    /// `CATEGORY/ID`, as people name it.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.category, self.id)
    }

    /// The pair's line in the list of its corpus; the set is the one that may be tuned on.
    fn line(&self) -> String {
        let Self { category, id, base_bytes, target_bytes, base_sha256, target_sha256, .. } = self;
        format!(
            "{{\"set\":\"open\",\"category\":{},\"id\":{},\"old_size\":{base_bytes},\"new_size\":{target_bytes},\
             \"old_sha256\":{},\"new_sha256\":{}}}",
            quoted(category),
            quoted(id),
            quoted(base_sha256),
            quoted(target_sha256)
        )
    }
}

/// The pairs of a folder; `only` names categories, or pairs as `CATEGORY/ID`, and is empty for all.
pub(crate) fn read(folder: &Path, only: &[String]) -> Result<Vec<Pair>> {
    let list = folder.join(LIST);
    let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let mut pairs = Vec::new();
    for entry in Json::parse(&text).with_context(|| list.display().to_string())?.items() {
        let place = folder.join(entry.text("set")).join(entry.text("category")).join(entry.text("id"));
        let pair = Pair {
            category: entry.text("category").to_owned(),
            id: entry.text("id").to_owned(),
            base: place.join("old"),
            target: place.join("new"),
            base_bytes: entry.number("old_size"),
            target_bytes: entry.number("new_size"),
            base_sha256: entry.text("old_sha256").to_owned(),
            target_sha256: entry.text("new_sha256").to_owned(),
        };
        if !only.is_empty() && !only.contains(&pair.category) && !only.contains(&pair.name()) {
            continue;
        }
        for (file, bytes) in [(&pair.base, pair.base_bytes), (&pair.target, pair.target_bytes)] {
            let found = fs::metadata(file).with_context(|| file.display().to_string())?.len();
            ensure!(found == bytes, "{} has {found} bytes, {LIST} says {bytes}", file.display());
        }
        pairs.push(pair);
    }
    if pairs.is_empty() {
        bail!("{} has no such pair", list.display());
    }
    pairs.sort_by_key(|pair| (pair.target_bytes, pair.name()));
    Ok(pairs)
}

/// Writes the list of a folder.
pub(crate) fn write(folder: &Path, pairs: &[Pair]) -> Result<()> {
    let lines: Vec<_> = pairs.iter().map(Pair::line).collect();
    let list = folder.join(LIST);
    fs::write(&list, format!("[\n{}\n]\n", lines.join(",\n"))).with_context(|| list.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read again; a file of another size is refused.
    #[test]
    fn reads_what_it_writes() {
        let folder = std::env::temp_dir().join(format!("stella-corpus-{}", std::process::id()));
        let place = folder.join("open/data/x");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("old"), "abc").unwrap();
        fs::write(place.join("new"), "abcd").unwrap();
        let pair = Pair {
            category: "data".into(),
            id: "x".into(),
            base: place.join("old"),
            target: place.join("new"),
            base_bytes: 3,
            target_bytes: 4,
            base_sha256: "00".into(),
            target_sha256: "11".into(),
        };
        write(&folder, std::slice::from_ref(&pair)).unwrap();
        for only in [vec![], vec!["data".to_owned()], vec!["data/x".to_owned()]] {
            let read = read(&folder, &only).unwrap();
            assert_eq!((read.len(), read[0].line()), (1, pair.line()));
        }
        assert!(read(&folder, &["elf-x64".to_owned()]).is_err());
        fs::write(place.join("new"), "abc").unwrap();
        assert!(read(&folder, &[]).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
