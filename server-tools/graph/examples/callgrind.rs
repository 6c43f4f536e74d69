//! Compares the call graph of a program with what callgrind saw it do: `callgrind TRACE PROGRAM [LIBRARY..]`, where TRACE
//! was written by `valgrind --tool=callgrind --dump-instr=yes --compress-pos=no --compress-strings=no`. `--wrong` lists
//! what is not explained; `--plugins-named` is that of `stella graph build`.

use delta_functions::callgraph::{CallGraph, EdgeKind, Node, Reachable};
use delta_graph::callgrind::{Comparison, Explained, Trace};
use delta_graph::closure::{Closure, Places, Plugins};
use std::path::PathBuf;

fn main() {
    let (flags, paths): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let [trace, files @ ..] = paths.as_slice() else {
        return eprintln!("callgrind [--wrong] TRACE PROGRAM [LIBRARY..]");
    };
    let text = std::fs::read_to_string(trace).expect("a readable trace");
    let trace = Trace::parse(&text);
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).chain(trace.preloaded()).collect();
    let started = std::time::Instant::now();
    let closure = Closure::read(&files, &Places::default(), true).expect("readable executables");
    let is_named = flags.iter().any(|flag| flag == "--plugins-named");
    let exporting = closure.exporting(if is_named { Plugins::Named } else { Plugins::Any });
    let graph = CallGraph::new(closure.objects, exporting);
    let reachable = Reachable::new(&graph, |_| false);
    let milliseconds = started.elapsed().as_millis();
    let functions = graph.len() - 2;
    println!(
        "{} files, {functions} functions, {} edges, {} roots, {} unresolved calls, {} reachable ({:.1} % pruned), {milliseconds} ms",
        graph.objects.len(),
        graph.edges.len(),
        graph.roots.len(),
        graph.unresolved_call_sites(),
        reachable.count(),
        100.0 - reachable.count() as f64 * 100.0 / functions as f64
    );
    for kind in EdgeKind::ALL {
        print!("{} {}, ", kind.name(), graph.edges.iter().filter(|edge| edge.kind == kind).count());
    }
    println!("missing {:?}", closure.missing);
    let paths: Vec<_> = closure.files.iter().map(|file| file.path.clone()).collect();
    let comparison = Comparison::new(&graph, &reachable, &paths, &trace);
    let counts = comparison.counts();
    let all = comparison.edges.len();
    let percent = |part: usize| part as f64 * 100.0 / all.max(1) as f64;
    print!("{all} edges between functions:");
    for (what, part) in ["exact", "by the loader", "by table or address", "by pointer", "lazy binding", "unexplained"]
        .iter()
        .zip(counts)
    {
        print!(" {what} {part} ({:.1} %),", percent(part));
    }
    println!(
        " dropped {} of {} records, outside {}; executed {}, of them called unreachable {}",
        comparison.dropped,
        comparison.records,
        comparison.outside,
        comparison.executed.len(),
        comparison.unreachable.len()
    );
    if flags.iter().any(|flag| flag == "--wrong") {
        let name = |node: u32| match graph.node(node) {
            Node::Function(object, function) => {
                let object = &graph.objects[object as usize];
                let function = &object.functions[function as usize];
                format!(
                    "{}:{:x} {}",
                    object.name,
                    function.address,
                    function.symbols.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name))
                )
            }
            node => format!("{node:?}"),
        };
        for (edge, _) in comparison.edges.iter().filter(|(_, how)| **how == Explained::No) {
            println!(
                "unexplained {} -> {} at {:x} to {:x}",
                name(edge.0),
                name(edge.1),
                comparison.places[edge].0,
                comparison.places[edge].1
            );
        }
        for node in &comparison.unreachable {
            println!("unreachable {}", name(*node));
        }
    }
}
