//! Any bytes as any source: an answer or an error, never a panic.

use delta_runtime::{Source, import};

#[test]
fn any_bytes() {
    let seeds: [&[u8]; 8] = [
        b"# callgrind format\nevents: Ir\nob=(1) /bin/x\nfn=(1) main\n10 5\ncob=(1)\ncfn=(2) f\ncalls=3 20\n10 9\nfn=(2)\n20 1\n",
        b"x 1 1.0: 5 cycles: \n\t 4011 f+0x1 (/x)\n\t 4022 g (/x)\n\n",
        b"\x12\x04\x0a\x02\x01\x02\x22\x06\x08\x01\x22\x02\x08\x01\x2a\x04\x08\x01\x10\x01\x32\x00\x32\x01f",
        b"FLR\0\0\x02\0\x01\0\0\0\0\0\0\0\x60\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x44",
        br#"{"nodes":[{"id":1,"callFrame":{"functionName":"f","url":"u","lineNumber":1},"children":[1,2]}],"samples":[1,2]}"#,
        b"main;f;g 7\nmain 18446744073709551615\n",
        br#"{"symbolId":"a","hitCount":18446744073709551615}"#,
        b"\x1f\x8b\x08\xff\0\0\0\0\0\0\x02\0ab\0c\0\0\0\x03\0",
    ];
    let mut state = 7_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below.max(1)
    };
    for round in 0..40_000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        if round % 16 >= 8 {
            bytes.extend((0..draw(64)).map(|at| at as u8));
        }
        for _ in 0..draw(6) {
            let at = draw(bytes.len());
            match draw(4) {
                0 => bytes[at] = draw(256) as u8,
                1 => bytes[at] ^= 1 << draw(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, [0, 0x7f, 0x80, 0xff, b'\n', b' '][draw(6)]),
            }
        }
        for source in Source::ALL {
            if let Ok(facts) = import(source, &bytes) {
                assert!(facts.observed.iter().all(|one| (1..1 << 53).contains(&one.hits)));
            }
        }
        Source::detect(&bytes);
    }
}

/// What was counted 0 times is no observation; that a function ran is one, though nobody counted.
#[test]
fn what_was_never_seen() {
    let trace = b"# callgrind format\nevents: Ir\nob=/bin/x\nfn=main\n10 5\ncfn=never\ncalls=0 20\n10 9\n";
    let facts = import(Source::Callgrind, trace).expect("a trace");
    let seen: Vec<_> = facts.observed.iter().map(|one| (one.callee.name.as_str(), one.hits)).collect();
    assert_eq!(seen, [("main", 1)]);
    let facts = import(Source::RuntimeFacts, br#"{"symbolId":"never","hitCount":0}"#).expect("a fact");
    assert_eq!(facts.observed, []);
}
