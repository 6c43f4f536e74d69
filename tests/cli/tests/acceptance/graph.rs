//! A graph of a real program, from build to proof: signed, logged, verified offline, changed, quarantined, proven.

use serde_json::Value;
use std::fs;
use tests_cli::World;
use tests_cli::programs;

const LOGGED: [&str; 8] =
    ["--key", "release.key", "--log", "log", "--log-key", "log.key", "--witness-key", "witness-a.key"];

fn build(world: &World, more: &[&str]) -> Value {
    let program = programs::stella().display().to_string();
    let start = ["--json", "graph", "build", "--store", "graphs"];
    world.do_stella(&[&start[..], more, &[program.as_str()]].concat()).json()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

/// The file of a bundle.
fn bundle_file(graph: &str, bundle: &Value) -> String {
    format!("graphs/reachability/edges/{graph}/{}", text(bundle, "bundle_id"))
}

#[test]
fn a_graph_is_signed_verified_and_proven_offline() {
    let world = World::new();
    let more = ["--third-party", "libc.so.6", "--purl", "libc.so.6=pkg:deb/debian/libc6@2.36"];
    let built = build(&world, &[&more[..], &LOGGED].concat());
    let graph = text(&built, "graph").to_owned();
    let name = graph.strip_prefix("blake3:").expect("the algorithm in front").to_owned();
    assert!(built["reachable"].as_u64() > Some(1_000) && built["reachable"].as_u64() < built["nodes"].as_u64());
    let bundles = built["edge_bundles"].as_array().expect("a list");
    let of = |reason: &str| bundles.iter().filter(|bundle| text(bundle, "bundle_reason") == reason).collect::<Vec<_>>();
    assert!(of("init-root").iter().all(|bundle| bundle["logged"] == true) && !of("init-root").is_empty());
    assert!(of("third-party").iter().all(|bundle| bundle["logged"] == false) && !of("third-party").is_empty());
    // The same program gives the same graph, and the log takes nothing twice.
    assert_eq!(build(&world, &[&more[..], &LOGGED].concat()), built);

    let verify = ["--json", "graph", "verify", "--store", "graphs", "--graph", &graph, "--edge-bundles"];
    let trusted = [&verify[..], &["--trust", "fleet.trust"]].concat();
    let verified = world.do_stella(&trusted).json();
    assert_eq!(verified["signature"]["signers"].as_array().map(Vec::len), Some(1));
    assert_eq!(verified["signature"]["log"]["witnesses"], 1);
    assert_eq!(verified["edge_bundles"].as_array().map(Vec::len), Some(bundles.len()));
    assert_eq!(verified["quarantine"]["no_longer_reachable"], serde_json::json!([]));

    // A function that runs, and one that nothing leads to: two proofs, both small, both enough for whoever has the trust
    // root and nothing else.
    let prove = |function: &str, file: &str| {
        let line = ["--json", "graph", "prove", "--store", "graphs", "--graph", &name, "--function", function, file];
        world.do_stella(&line).json()
    };
    let body: Value = serde_json::from_slice(&world.read(&format!("graphs/reachability/graphs/{name}"))).expect("JSON");
    let ids: Vec<&str> = body["nodes"].as_array().expect("nodes").iter().map(|node| text(node, "id")).collect();
    let malloc = prove("libc.so.6:malloc", "yes.json");
    assert_eq!(malloc["proves"]["claim"], "reachable");
    assert!(!malloc["way"].as_array().expect("a way").is_empty());
    let unreached = ids.iter().step_by(199).find(|id| prove(id, "no.json")["proves"]["claim"] == "unreachable");
    assert!(unreached.is_some(), "some function of the libraries is not used");
    for file in ["yes.json", "no.json"] {
        assert!(world.read(file).len() <= 8_192, "{file}");
        let proven = world.do_stella(&["--json", "graph", "verify", "--proof", file, "--trust", "fleet.trust"]).json();
        assert_eq!(proven["signers"].as_array().map(Vec::len), Some(1));
        let claim = world.read(file);
        let turned = String::from_utf8(claim).expect("JSON");
        let turned = match turned.contains("\"unreachable\"") {
            true => turned.replace("\"unreachable\"", "\"reachable\""),
            false => turned.replace("\"reachable\"", "\"unreachable\""),
        };
        world.write("turned.json", turned);
        let _ = world.stella(&["graph", "verify", "--proof", "turned.json", "--trust", "fleet.trust"]).expect(5);
    }

    // Nobody signed it, or somebody changed it.
    let plain = text(&build(&world, &[]), "graph").to_owned();
    assert_ne!(plain, graph, "packages are part of a graph");
    let unsigned = ["graph", "verify", "--store", "graphs", "--graph", &plain];
    assert!(world.do_stella(&unsigned).out.contains("signatures were not checked"));
    let _ = world.stella(&[&unsigned[..], &["--trust", "fleet.trust"]].concat()).expect(5);
    let file = bundle_file(&name, &bundles[0]);
    let bytes = world.read(&file);
    world.write(&file, [&bytes[..bytes.len() - 1], b" "].concat());
    let refused = world.stella(&trusted).expect(5).json();
    assert_eq!(refused["error"]["code"], "graph-refused");
    world.write(&file, &bytes);
    let _ = world.do_stella(&trusted);
}

/// A revoked edge is left out by whoever verifies, and what only it led to is told by name.
#[test]
fn a_revoked_edge_is_quarantined() {
    let world = World::new();
    let built = build(&world, &["--third-party", "libc.so.6"]);
    let graph = text(&built, "graph").to_owned();
    let folder = world.path("graphs/reachability/edges").join(graph.trim_start_matches("blake3:"));
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder).expect("bundles") {
        let path = entry.expect("an entry").path();
        let bundle: Value = serde_json::from_slice(&fs::read(path).expect("a bundle")).expect("JSON");
        let edges = bundle["edges"].as_array().expect("edges").clone();
        ids.extend(edges.iter().map(|edge| text(edge, "edge_id").to_owned()));
    }
    assert!(ids.len() > 100, "{} edges", ids.len());
    world.write("revoked.txt", format!("{}\n", ids.join("\n")));
    let again = build(&world, &["--third-party", "libc.so.6", "--revoked", "revoked.txt"]);
    assert_eq!(text(&again, "graph"), graph, "the graph stays as it is");
    let verify = ["--json", "graph", "verify", "--store", "graphs", "--graph", &graph, "--edge-bundles"];
    let quarantine = world.do_stella(&verify).json()["quarantine"].clone();
    assert_eq!(quarantine["edges"].as_array().map(Vec::len), Some(ids.len()));
    let lost = quarantine["no_longer_reachable"].as_array().expect("a list");
    let reached = quarantine["reachable"].as_u64().expect("a number");
    assert!(!lost.is_empty() && lost.iter().all(|node| !text(node, "name").is_empty()));
    assert_eq!(Some(reached + lost.len() as u64), built["reachable"].as_u64());
    world.write("revoked.txt", "libc.so.6:malloc\n");
    let _ = world.stella(&["graph", "build", "--store", "graphs", "--revoked", "revoked.txt", "x"]).expect(2);
    let same = world.do_stella(&["--json", "graph", "diff", "--store", "graphs", &graph, &graph]).json();
    assert_eq!((&same["nodes_added"], &same["became_reachable"]), (&serde_json::json!([]), &serde_json::json!([])));
    let _ = world.stella(&["graph", "verify", "--store", "graphs", "--graph", "0000"]).expect(1);
}
