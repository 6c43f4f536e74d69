//! Snapshots of what the programs print: plain files in `snapshots/`, compared byte by byte after paths, digests and
//! keys are made alike. `STELLA_WRITE_SNAPSHOTS=1` writes them.

use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name)
}

/// Compares a text with its snapshot, or writes it.
pub fn check(name: &str, text: &str) {
    let path = file(name);
    if std::env::var_os("STELLA_WRITE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().expect("a snapshot is in a folder")).expect("a folder");
        fs::write(&path, text).expect("a snapshot");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if let Some((number, (kept, now))) = (kept.lines().chain([""]).zip(text.lines().chain([""])).enumerate())
        .find(|(_, (kept, now))| kept != now)
        .or((kept != text).then_some((0, ("", ""))))
    {
        panic!(
            "{} differs from line {} on:\n  kept: {kept}\n  now:  {now}\nIf that is meant: STELLA_WRITE_SNAPSHOTS=1 \
             cargo test -p tests-cli snapshots, and look at the difference.\n--- all of it now\n{text}",
            path.display(),
            number + 1
        );
    }
}

/// The same text for every run: `folder` becomes `[WORLD]`, long hexadecimal and base64 words become `[hex]` and
/// `[base64]`.
pub fn alike(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "[WORLD]");
    let (mut out, mut word) = (String::new(), String::new());
    let flush = |word: &mut String, out: &mut String| {
        out.push_str(match word.len() {
            16.. if word.chars().all(|c| c.is_ascii_hexdigit()) => "[hex]",
            40.. if !word.contains('/') || word.len() > 60 => "[base64]",
            _ => word,
        });
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=') {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

/// The shape of a JSON value: every value replaced by the name of its kind, lists by their first element.
pub fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Array(items) => items.first().map(shape).into_iter().collect::<Vec<_>>().into(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), shape(value))).collect::<Map<_, _>>().into()
        }
    }
}

/// The shape as lines.
pub fn shape_text(value: &Value) -> String {
    serde_json::to_string_pretty(&shape(value)).expect("a shape is JSON") + "\n"
}
