//! The bytes in the examples of the format pages are those of the vectors, in their order.

use tests_golden::store::{folder, read};
use tests_golden::vectors::hex;

/// The hexadecimal words of the blocks of code under "Example", the first `skip` left out: what stands before two spaces
/// or an ellipsis on each line.
fn shown(page: &str, skip: usize) -> Vec<String> {
    let example = page.split("\n## Example\n").nth(1).expect("a section").split("\n## ").next().unwrap_or_default();
    let mut words = Vec::new();
    for block in example.split("```").skip(1).step_by(2).skip(skip) {
        for line in block.lines().map(str::trim) {
            let bytes = line.split("  ").next().unwrap_or_default();
            for part in bytes.split("...") {
                let digits: String = part.split_whitespace().collect();
                let is_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if is_hex && digits.len() >= 2 && digits.len().is_multiple_of(2) {
                    words.push(digits);
                }
            }
        }
    }
    words
}

/// Each word stands in `bytes` at or after the one before.
fn check(name: &str, skip: usize, bytes: &str, least: usize) {
    let page = std::fs::read_to_string(folder().join("../../docs/formats").join(name)).expect("a page");
    let words = shown(&page, skip);
    assert!(words.len() >= least, "{name}: {} words of bytes, {words:?}", words.len());
    let mut at = 0;
    for word in &words {
        match bytes[at..].find(word.as_str()) {
            Some(found) => at += found + word.len(),
            None => panic!("{name}: the example has {word} where the vector has none"),
        }
    }
}

#[test]
fn examples_show_the_bytes_of_the_vectors() {
    check("channel.md", 0, &hex(&read("channel/stable-4.bin")), 15);
    check("rollback.md", 0, &hex(&read("rollback/back-to-1.9.bin")), 10);
    check("journal.md", 0, &hex(&read("journal/applying.bin")), 10);
    // The table of parts comes first on this page.
    check("bundle.md", 1, &hex(&read("bundle/full.bin")), 20);
}

/// The payload's example is text in the vector: the plain form, then the record.
#[test]
fn the_payload_example_is_the_stored_one() {
    let text = String::from_utf8(read("payload/one-segment.txt")).expect("text");
    check("payload.md", 0, &text, 8);
}
