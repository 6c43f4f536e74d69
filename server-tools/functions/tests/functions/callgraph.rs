//! Call graphs of made files and of this program itself.

use crate::support::{Made, elf};
use delta_functions::Executable;
use delta_functions::callgraph::{CallGraph, EdgeKind, Node, ObjectGraph, Reachable};

fn graph(functions: &[Made]) -> CallGraph {
    let file = elf(functions);
    let executable = Executable::read(&file).expect("an executable");
    CallGraph::new(vec![ObjectGraph::new(&executable, "made")], 1)
}

fn made(calls: &[&[usize]]) -> Vec<Made> {
    (0..).zip(calls).map(|(number, calls)| Made { number: 7 * number, calls: calls.to_vec() }).collect()
}

/// Calls between functions, as indices.
fn calls(graph: &CallGraph) -> Vec<(u32, u32)> {
    let of_functions = |node| matches!(graph.node(node), Node::Function(..));
    let edges = graph.edges.iter().filter(|edge| of_functions(edge.from) && of_functions(edge.to));
    edges.map(|edge| (edge.from, edge.to)).collect()
}

#[test]
fn calls_are_edges_and_the_entry_is_a_root() {
    let graph = graph(&made(&[&[1, 2], &[2], &[2]]));
    assert_eq!(calls(&graph), [(0, 1), (0, 2), (1, 2), (2, 2)]);
    assert!(graph.edges.iter().filter(|edge| edge.kind == EdgeKind::Direct).count() == 4);
    let roots: Vec<_> = graph.roots.iter().map(|root| (root.node, root.kind.name())).collect();
    assert_eq!(roots, [(0, "entry-point")]);
    assert_eq!(graph.unresolved_call_sites(), 0);
}

#[test]
fn a_way_is_a_shortest_one_from_a_root() {
    let graph = graph(&made(&[&[1], &[2, 3], &[3], &[]]));
    let reachable = Reachable::new(&graph, |_| false);
    let ends = |way: Vec<usize>| way.iter().map(|edge| (graph.edges[*edge].from, graph.edges[*edge].to)).collect();
    let way: Vec<(u32, u32)> = reachable.way(3).map(ends).expect("reachable");
    assert_eq!(way, [(graph.number(Node::Loader), 0), (0, 1), (1, 3)]);
    // Without that edge there is a longer way; without both there is none.
    let longer = Reachable::new(&graph, |edge| (edge.from, edge.to) == (1, 3));
    assert_eq!(longer.way(3).map(|way| way.len()), Some(4));
    let none = Reachable::new(&graph, |edge| edge.to == 3);
    assert_eq!((none.has(3), none.way(3)), (false, None));
}

/// Every edge stands in the graph of the function that has it, roots are reached, and what is called by a pointer is too.
#[test]
fn the_graph_of_a_real_program_holds_together() {
    let program = std::env::current_exe().and_then(std::fs::read).expect("a test can read itself");
    let executable = Executable::read(&program).expect("an executable");
    let graph = CallGraph::new(vec![ObjectGraph::new(&executable, "this")], 1);
    assert!(graph.edges.is_sorted() && graph.edges.len() > graph.len(), "{} edges", graph.edges.len());
    let (loader, any) = (graph.number(Node::Loader), graph.number(Node::IndirectAny));
    let reachable = Reachable::new(&graph, |_| false);
    for root in &graph.roots {
        assert!(graph.edges_from(loader).iter().any(|edge| edge.to == root.node) && reachable.has(root.node));
    }
    assert!(reachable.has(any) && graph.edges_from(any).iter().all(|edge| reachable.has(edge.to)));
    assert!(graph.unresolved_call_sites() > 100 && graph.unresolved_imports.len() > 10);
    for node in 0..graph.len() as u32 {
        assert_eq!(graph.number(graph.node(node)), node);
        assert!(graph.edges_from(node).iter().all(|edge| edge.from == node));
    }
    // This very function is reached, by a pointer in the table of tests.
    let own = b"the_graph_of_a_real_program_holds_together";
    let is_own = |symbol: &[u8]| symbol.windows(own.len()).any(|part| part == own);
    let functions = graph.objects[0]
        .functions
        .iter()
        .zip(0..)
        .filter(|(function, _)| function.symbols.iter().any(|name| is_own(name)));
    let own: Vec<u32> = functions.map(|(_, index)| index).collect();
    assert!(!own.is_empty() && own.iter().all(|node| reachable.has(*node)), "{own:?}");
}
