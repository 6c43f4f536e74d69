//! Every target over its seeds and thousands of mutations of them, the same ones in each run.
//! `STELLA_FUZZ_RUNS=100000 cargo test -p tests-fuzz` goes on for longer; a failure names target and run.

use delta_graph::RichGraph;
use delta_graph::commitment::Trees;
use delta_graph::proof::{Proof, Signed};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tests_fuzz::graphs::vector;
use tests_fuzz::mutate::{Numbers, mutate};
use tests_fuzz::{TARGETS, Target, target_named};
use tests_golden::store;

/// Runs of a fast target.
fn runs(target: &Target) -> u64 {
    let asked = std::env::var("STELLA_FUZZ_RUNS").ok().and_then(|runs| runs.parse::<u64>().ok());
    (asked.unwrap_or(4000) * u64::from(target.share)).div_ceil(1000)
}

/// Inputs that vectors do not have: answers of servers, addresses, settings, calls, operations.
fn more_seeds(name: &str) -> Vec<Vec<u8>> {
    let texts: &[&[u8]] = match name {
        "http" => &[
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            b"Content-Range: bytes 5-9/10\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            b"5;x=y\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\nno\n",
        ],
        "url" => &[b"http://[::1]:8080/a/b?c=d", b"https://user@host/x", b"../y", b"//other/z", b"/absolute", b"usb:///stick"],
        "config" => &[
            b"channel = \"stable\"\nsource = \"http://x/\"\n[poll]\ninterval_seconds = 60\n[health]\ncommands = [\"true\", 'false']\n",
            b"[boot]\ntries = 3 # three\npath = \"boot\"\n",
        ],
        "socket" => &[
            b"{\"method\":\"ops.stella.Agent.Install\",\"parameters\":{\"bundle\":\"/x\",\"force\":true}}\0",
            b"{\"bundle\":\"/x\",\"from\":null,\"force\":false}",
        ],
        "callgrind" => &[
            b"positions: instr line\nob=/a\nfn=f\n0x10 0 1\ncob=/b\ncfn=g\ncalls=1 0x20 0\n0x12 0 5\n",
            b"ob=/a\nfn=f\ncob=???\ncalls=1 0x20 0\n0x12 0 5\nob=???\nfn=0x20\ncob=/b\ncalls=1 0x30 0\n0x24 0 5\n",
        ],
        "json" => &[b"[1,-2,true,null,\"\\u20ac\\ud83d\\ude00\",{\"a\":{}}]"],
        "types" => &[b"\x00\x01\x02\x01\x02\x01\x02\x03\x01\x03\x01\x02\x04\x02\x03\x00\x01\x02\x02\x03\x01\x01\x02\x01\x03\x01\x02\x04\x02\x03"],
        "containers" => &[
            b"\x04\x20\x05\x29\x00\x00hello\0",
            b"\x05\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00",
            b"\x01\x02\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\x04\0\x11\0\xc0\x02\x01\0\x04\0\0\0",
        ],
        "boot_record" => &[b"trial b 3\nbad a", b"trial b 0"],
        "segment" => &[
            b"\x03\xa0\x06\x15\x9c\x09\x00\x00\xef\xa7\x39\xe4\x48\xf2\xd3\x68\x33\xf8",
            b"\x01\xd0\x0f\x00",
            b"\x02\xe8\x07\xe8\x07\x00\x01",
        ],
        "payload" => &[
            b"\x05\x1b\x28\xb5\x2f\xfd\x20\x12\x91\x00\x00\x03\xa0\x06\x15\x9c\x09\x00\x00\xef\xa7\x39\xe4\x48\xf2\xd3\x68\x33\xf8\x00",
            b"\x04\x01",
            b"\x10\x02",
            b"\x08\x06\x02",
        ],
        "traces" => &[
            b"# callgrind format\nevents: Ir\nob=(1) /bin/x\nfn=(1) main\n10 5\ncob=(1)\ncfn=(2) f\ncalls=3 20\n10 9\nfn=(2)\n20 1\n",
            b"x 1 1.0: 5 cycles: \n\t 4011 f+0x1 (/x)\n\t 4022 g (/x)\n\n",
            b"x 1 1.0: 5 cycles: 4011 f+0x1 (/x)\n",
            b"\x12\x04\x0a\x02\x01\x02\x22\x06\x08\x01\x22\x02\x08\x01\x2a\x04\x08\x01\x10\x01\x32\x00\x32\x01f",
            b"{\"nodes\":[{\"id\":1,\"callFrame\":{\"functionName\":\"f\",\"url\":\"u\",\"lineNumber\":1},\"children\":[1,2]}],\"samples\":[1,2]}",
            b"main;f;g 7\nmain;g 2\n",
            b"{\"symbolId\":\"a\",\"hitCount\":7,\"buildId\":\"b\"}",
        ],
        "witness_state" => &[b"log10.example/golden 6 R1tEb1OFYRFbfLTBvqVQj9IqBR0JZtRi4Bfhx2hAsKU=\n"],
        _ => &[],
    };
    texts.iter().map(|text| text.to_vec()).collect()
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = target.seeds.iter().map(|name| store::read(name)).collect();
    if target.name == "base_map" {
        let patch =
            tests_golden::parts::Parts::of(delta_format::container::Kind::Bundle, &store::read("bundle/patch.bin"));
        seeds.push(patch.rest[tests_golden::parts::BASE_MAP].clone());
    }
    let sample = tests_fuzz::streams::sample();
    match target.name {
        "stream" => seeds.push(sample.stream.clone()),
        "inflated" => seeds.extend([sample.packed().to_vec(), vec![1, 3, 0, 0xfc, 0xff, 1, 2, 3], vec![3, 0]]),
        // Decisions as likely as the models say, and those of a coin.
        "decisions" | "corrections" => seeds.extend((0..32).map(|seed| {
            let mut numbers = Numbers::new(seed);
            let length = numbers.below(20_000);
            let mut bytes: Vec<u8> = (0..length).map(|_| numbers.draw() as u8).collect();
            bytes.splice(0..0, [seed as u8, 200, seed as u8]);
            bytes
        })),
        "graph" => seeds.push(vector("graph.json")),
        "edge_bundle" => seeds.push(vector("bundle.json")),
        "graph_proof" => seeds.extend(proofs()),
        "executable" => seeds.push(small_program()),
        _ => {}
    }
    seeds.extend(more_seeds(target.name));
    seeds.push(Vec::new());
    seeds
}

/// The stored proof, the same with the statement of the vectors and nobody's signature, and one of an edge.
fn proofs() -> Vec<Vec<u8>> {
    let stored = Proof::from_json(&vector("unreachable.proof.json")).expect("the vector");
    let statement = String::from_utf8(vector("graph.statement.json")).expect("JSON is UTF-8");
    let graph = RichGraph::from_json(&vector("graph.json")).expect("the vector");
    let trees = Trees::new(&graph, &graph.reachable(|_| false));
    let edge = &graph.edges[0];
    let signed = Signed::Nobody(statement.as_bytes());
    let of_edge = Proof::of_edge(&graph, &trees, graph.id(edge.from), graph.id(edge.to), edge.kind, signed);
    let unsigned = Proof { envelope: String::new(), statement: statement.clone(), ..stored.clone() };
    let envelope = stored.envelope.clone().into_bytes();
    vec![stored.to_json(), unsigned.to_json(), of_edge.expect("a proof").to_json(), envelope]
}

/// An x86-64 program of a few instructions with a section of code: two functions, of which the first calls the second and
/// then jumps through a register.
fn small_program() -> Vec<u8> {
    let code = [0x55, 0xe8, 0x0a, 0, 0, 0, 0x48, 0x8d, 0x05, 0x03, 0, 0, 0, 0xff, 0xe0, 0xcc, 0x31, 0xc0, 0xc3];
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    [3_u16, 62, 1, 0].iter().for_each(|half| file.extend(half.to_le_bytes()));
    [0x1000_u64, 0, 0x60].iter().for_each(|long| file.extend(long.to_le_bytes()));
    file.extend(0_u32.to_le_bytes());
    [64_u16, 56, 0, 64, 2, 0].iter().for_each(|half| file.extend(half.to_le_bytes()));
    file.extend(code);
    file.resize(0x60 + 64, 0);
    [0_u32, 1].iter().for_each(|word| file.extend(word.to_le_bytes()));
    [6_u64, 0x1000, 0x40, code.len() as u64, 0, 1, 0].iter().for_each(|long| file.extend(long.to_le_bytes()));
    file
}

fn check(name: &str) {
    let target = target_named(name);
    let seeds = seeds(target);
    let try_one = |run: u64, bytes: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
            let shown: String = bytes.iter().take(600).map(|byte| format!("{byte:02x}")).collect();
            panic!("target {name}, run {run}, {} bytes: {shown}", bytes.len());
        }
    };
    seeds.iter().for_each(|seed| try_one(0, seed));
    for run in 1..=runs(target) {
        let mut numbers = Numbers::new(run);
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        mutate(&mut bytes, &mut numbers);
        try_one(run, &bytes);
    }
}

macro_rules! smoke {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        /// No target without its test.
        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(run));
        }
    };
}

smoke! {
    bundle bundle_sealed rollback_sealed channel_sealed header capsule journal payload segment stream decisions inflated lzma zstd corrections
    types containers base_map group_index
    trust_root checkpoint tlog_proof merkle witness_state manifest score_inputs score_weights score_record traces names pem artifact json
    socket config url http graph edge_bundle graph_proof callgrind executable boot_record
}
