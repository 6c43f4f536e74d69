//! Traces that are written here, for sources whose tools are not at hand (Go, devices), with every kind of field.

use delta_runtime::{Facts, ImportError, Source, import};

fn lines(facts: &Facts) -> Vec<String> {
    let of = |one: &delta_runtime::Observed| {
        let caller = one.caller.as_ref().map_or("-", |caller| &caller.name);
        format!("{caller} {} {} {}", one.callee.name, one.callee.object, one.hits)
    };
    facts.observed.iter().map(of).collect()
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn integer(number: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3, &mut out);
    varint(value, &mut out);
    out
}

fn message(number: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    let (mut out, content) = (Vec::new(), parts.concat());
    varint(number << 3 | 2, &mut out);
    varint(content.len() as u64, &mut out);
    [out, content].concat()
}

/// A profile as Go writes it: packed and unpacked lists, inlined functions, a location without a function.
fn profile() -> Vec<u8> {
    let packed = |number, values: &[u64]| {
        let mut content = Vec::new();
        values.iter().for_each(|value| varint(*value, &mut content));
        message(number, &[content])
    };
    let line = |function| message(4, &[integer(1, function), integer(2, 77)]);
    let texts = ["", "main.main", "main.outer", "main.inner", "/srv/app"];
    [
        message(1, &[integer(1, 0), integer(2, 0)]),
        message(2, &[packed(1, &[2, 1]), packed(2, &[5, 50_000])]),
        message(2, &[integer(1, 2), integer(1, 3), integer(1, 1), integer(2, 2), integer(2, 9)]),
        message(3, &[integer(1, 1), integer(2, 0x40_0000), integer(5, 4)]),
        message(4, &[integer(1, 1), integer(2, 1), integer(3, 0x40_1000), line(1)]),
        // inner is inlined into outer.
        message(4, &[integer(1, 2), integer(2, 1), integer(3, 0x40_2000), line(3), line(2)]),
        message(4, &[integer(1, 3), integer(2, 1), integer(3, 0x40_3000)]),
        message(5, &[integer(1, 1), integer(2, 1)]),
        message(5, &[integer(1, 2), integer(2, 2)]),
        message(5, &[integer(1, 3), integer(2, 3)]),
        texts.map(|text| message(6, &[text.as_bytes().to_vec()])).concat(),
        integer(9, 1_790_000_000),
    ]
    .concat()
}

#[test]
fn pprof() {
    let plain = profile();
    let expected = [
        "main.main main.outer /srv/app 5",
        "main.outer main.inner /srv/app 7",
        "- main.inner /srv/app 7",
        "- main.main /srv/app 7",
        "- main.outer /srv/app 7",
    ];
    let facts = import(Source::Pprof, &plain).expect("a profile");
    assert_eq!(lines(&facts), expected);
    assert_eq!(facts.dropped, 1, "the location without a function is a gap");
    // In gzip, with a name: one stored block.
    let length = (plain.len() as u16).to_le_bytes();
    let not = (!(plain.len() as u16)).to_le_bytes();
    let head = b"\x1f\x8b\x08\x08\0\0\0\0\0\xffcpu\0\x01";
    let gzip = [&head[..], &length, &not, &plain, &[0; 8]].concat();
    assert_eq!(Source::detect(&gzip), Some(Source::Pprof));
    assert_eq!(lines(&import(Source::Pprof, &gzip).expect("a profile")), expected);
    for end in 1..plain.len() {
        // A profile that is cut within a field is refused; between two fields it is a shorter profile.
        let _ = import(Source::Pprof, &plain[..end]);
    }
    assert!(matches!(import(Source::Pprof, &plain[..plain.len() - 1]), Err(ImportError::Malformed { .. })));
}

#[test]
fn runtime_facts() {
    let text = r#"{"symbolId":"sym:binary:b","hitCount":3,"buildId":"gnu-build-id:77","observedAt":"2026-01-01T00:00:00Z"}

{"symbolId":"sym:binary:a","hitCount":1,"purl":"pkg:deb/debian/xz-utils@5"}
{"symbolId":"sym:binary:b","hitCount":4,"buildId":"gnu-build-id:77"}
"#;
    assert_eq!(Source::detect(text.as_bytes()), Some(Source::RuntimeFacts));
    let facts = import(Source::RuntimeFacts, text.as_bytes()).expect("facts");
    assert_eq!(lines(&facts), ["- sym:binary:a pkg:deb/debian/xz-utils@5 1", "- sym:binary:b gnu-build-id:77 7"]);
    let wrong = import(Source::RuntimeFacts, b"{\"symbolId\":\"x\",\"hitCount\":1}\n{}");
    assert!(wrong.expect_err("no symbol").to_string().contains("line 2"));
}

/// One line of the canonical form, as others read it.
#[test]
fn ndjson() {
    let facts = import(Source::Uftrace, b"main;a b 2\n").expect("stacks");
    let text = String::from_utf8(facts.to_ndjson()).expect("text");
    let first = text.lines().next().expect("an edge");
    let expected = r#"{"callee":{"name":"a b","object":""},"caller":{"name":"main","object":""},"evidence":"sha256:"#;
    assert!(first.starts_with(expected), "{first}");
    assert!(first.ends_with(r#"","hits":2,"kind":"call","source":"uftrace"}"#), "{first}");
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(value.to_string(), line, "keys are sorted");
    }
}

/// Samples of perf with names of C++, inlined frames, gaps and kernel frames.
#[test]
fn perf_text() {
    let text = "app 77 [001] 1.5: 1000 cpu-clock:u: \n\
\t    4011d6 std::map<int, (anonymous namespace)::T>::find(int const&)+0x16 (/bin/app (deleted))\n\
\t    4011d6 helper (inlined)\n\
\t    4011f0 outer+0x9 (/bin/app)\n\
\t    7f0000 [unknown] (/lib/x.so)\n\
\t    401000 main+0x1 (/bin/app)\n\n";
    let facts = import(Source::Perf, text.as_bytes()).expect("samples");
    let edges: Vec<_> = facts.edges().map(|(a, b, hits)| (a.name.clone(), b.name.clone(), hits)).collect();
    let find = "std::map<int, (anonymous namespace)::T>::find(int const&)".to_owned();
    assert_eq!(edges, [("outer".to_owned(), find, 1)], "over a gap there is no edge");
    assert_eq!(facts.dropped, 1);
}
