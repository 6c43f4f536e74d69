//! One measurement: a program on a pair.
//!
//! In and out: lines of JSON, one a row, so that what one machine measured can be compared with on another. A row says
//! which bytes it was measured on. Rows that give no digests are taken for a pair of the same name and nearly the same
//! sizes: images built twice differ in a few bytes.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::corpus::Pair;
use crate::json::{Json, quoted};
use crate::measure::Usage;

/// What one run of a program took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_bytes: u64,
}

impl From<Usage> for Cost {
    fn from(usage: Usage) -> Self {
        Self { cpu_seconds: usage.cpu.as_secs_f64(), peak_bytes: usage.peak_bytes }
    }
}

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) category: String,
    pub(crate) id: String,
    pub(crate) program: String,
    pub(crate) base_bytes: u64,
    pub(crate) target_bytes: u64,
    /// Both empty where whoever measured did not say.
    pub(crate) base_sha256: String,
    pub(crate) target_sha256: String,
    /// Nothing when no delta came out.
    pub(crate) delta_bytes: Option<u64>,
    pub(crate) create: Option<Cost>,
    pub(crate) apply: Option<Cost>,
    /// Whether applying gave the target back to the last byte; unknown where nothing was applied.
    pub(crate) correct: Option<bool>,
    pub(crate) note: String,
}

impl Row {
    /// A row of a pair with nothing measured yet.
    pub(crate) fn of(pair: &Pair, program: &str) -> Self {
        Self {
            category: pair.category.clone(),
            id: pair.id.clone(),
            program: program.to_owned(),
            base_bytes: pair.base_bytes,
            target_bytes: pair.target_bytes,
            base_sha256: pair.base_sha256.clone(),
            target_sha256: pair.target_sha256.clone(),
            delta_bytes: None,
            create: None,
            apply: None,
            correct: None,
            note: String::new(),
        }
    }

    /// Whether it was measured on this pair; by digests, else by name and sizes within a thousandth.
    pub(crate) fn is_of(&self, pair: &Pair) -> bool {
        match self.is_approximate() {
            false => self.base_sha256 == pair.base_sha256 && self.target_sha256 == pair.target_sha256,
            true => {
                (&self.category, &self.id) == (&pair.category, &pair.id)
                    && self.base_bytes.abs_diff(pair.base_bytes) <= pair.base_bytes / 1000
                    && self.target_bytes.abs_diff(pair.target_bytes) <= pair.target_bytes / 1000
            }
        }
    }

    /// Whether it may have been measured on slightly other bytes than a pair that it [is of](Row::is_of).
    pub(crate) fn is_approximate(&self) -> bool {
        self.base_sha256.is_empty() || self.target_sha256.is_empty()
    }

    /// The bytes of a delta that gives the target back.
    pub(crate) fn good_bytes(&self) -> Option<u64> {
        self.delta_bytes.filter(|_| self.correct != Some(false))
    }

    /// The row as a line of JSON; times in seconds of processor, memory in KiB.
    pub(crate) fn line(&self) -> String {
        let mut members = vec![
            ("cat", quoted(&self.category)),
            ("id", quoted(&self.id)),
            ("tool", quoted(&self.program)),
            ("old", self.base_bytes.to_string()),
            ("new", self.target_bytes.to_string()),
        ];
        if !self.base_sha256.is_empty() {
            members.push(("old_sha256", quoted(&self.base_sha256)));
            members.push(("new_sha256", quoted(&self.target_sha256)));
        }
        members.push(("delta", self.delta_bytes.map_or("null".into(), |bytes| bytes.to_string())));
        for (cost, cpu, memory) in [(self.create, "create_cpu", "create_rss"), (self.apply, "apply_cpu", "apply_rss")] {
            if let Some(cost) = cost {
                members.push((cpu, format!("{:.2}", cost.cpu_seconds)));
                members.push((memory, (cost.peak_bytes / 1024).to_string()));
            }
        }
        if let Some(correct) = self.correct {
            members.push(("ok", correct.to_string()));
        }
        if !self.note.is_empty() {
            members.push(("note", quoted(&self.note)));
        }
        let members: Vec<_> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    fn parse(line: &str) -> Result<Self> {
        let json = Json::parse(line)?;
        let cost = |cpu: &str, memory: &str| {
            Some(Cost { cpu_seconds: json.decimal(cpu)?, peak_bytes: json.number(memory) * 1024 })
        };
        Ok(Self {
            category: json.text("cat").to_owned(),
            id: json.text("id").to_owned(),
            program: json.text("tool").to_owned(),
            base_bytes: json.number("old"),
            target_bytes: json.number("new"),
            base_sha256: json.text("old_sha256").to_owned(),
            target_sha256: json.text("new_sha256").to_owned(),
            delta_bytes: json.decimal("delta").map(|bytes| bytes as u64),
            create: cost("create_cpu", "create_rss"),
            apply: cost("apply_cpu", "apply_rss"),
            correct: match json.at("ok") {
                Json::Bool(correct) => Some(*correct),
                _ => None,
            },
            note: json.text("note").to_owned(),
        })
    }
}

/// The rows of a file with one JSON object a line.
pub(crate) fn read(file: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| Row::parse(line).with_context(|| format!("{}:{}", file.display(), at + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "{\"cat\":\"elf-x64\",\"id\":\"libcrypto\",\"tool\":\"bsdiff\",\"old\":4,\"new\":5,\
                        \"delta\":3,\"create_cpu\":1.50,\"create_rss\":2,\"apply_cpu\":0.10,\"apply_rss\":1,\"ok\":true}";

    #[test]
    fn reads_what_it_writes() {
        let row = Row::parse(LINE).unwrap();
        assert_eq!(row.line(), LINE);
        assert_eq!(row.create, Some(Cost { cpu_seconds: 1.5, peak_bytes: 2048 }));
        assert!(row.is_approximate());
        let failed = Row { correct: Some(false), ..row };
        assert_eq!(failed.good_bytes(), None);
    }

    /// Digests decide where there are any; else the name and about the same sizes.
    #[test]
    fn knows_its_pair() {
        let pair = |bytes, digest: &str| Pair {
            category: "tar.gz".into(),
            id: "x".into(),
            base: "old".into(),
            target: "new".into(),
            base_bytes: 10_000,
            target_bytes: bytes,
            base_sha256: "00".into(),
            target_sha256: digest.into(),
        };
        let row = Row::of(&pair(10_000, "11"), "puffin");
        assert!(row.is_of(&pair(10_000, "11")) && !row.is_of(&pair(10_000, "22")));
        let row = Row { target_sha256: String::new(), ..row };
        assert!(row.is_of(&pair(10_010, "22")) && !row.is_of(&pair(10_100, "11")));
    }
}
