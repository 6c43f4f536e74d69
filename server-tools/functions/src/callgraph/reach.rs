//! What can be reached from the roots, and by which way.

use super::{CallGraph, Edge, Node};
use std::collections::VecDeque;
use std::ops::Range;

/// The reachable nodes of a graph, each with the edge that reached it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachable {
    /// For each node: not reached, the start, or the node and the number of the edge that reached it.
    arrivals: Vec<Arrival>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    No,
    Start,
    By { from: u32, edge: u32 },
}

impl Reachable {
    /// What can be reached in a call graph. Edges for which `is_left_out` holds do not lead on.
    pub fn new(graph: &CallGraph, is_left_out: impl Fn(&Edge) -> bool) -> Self {
        let start = graph.number(Node::Loader);
        let target = |edge: usize| graph.edges.get(edge).map_or(start, |edge| edge.to);
        let is_left_out = |edge: usize| graph.edges.get(edge).is_none_or(&is_left_out);
        Self::over(graph.len(), start, |node| graph.edge_numbers(node), target, is_left_out)
    }

    /// Breadth first from `start`, so that ways are short; edges in their order, so that the same graph gives the same
    /// ways. `edges` are the numbers of the edges from a node, `target` where an edge leads.
    pub fn over(
        nodes: usize,
        start: u32,
        edges: impl Fn(u32) -> Range<usize>,
        target: impl Fn(usize) -> u32,
        is_left_out: impl Fn(usize) -> bool,
    ) -> Self {
        let mut arrivals = vec![Arrival::No; nodes];
        let mut open = VecDeque::new();
        if let Some(arrival) = arrivals.get_mut(start as usize) {
            *arrival = Arrival::Start;
            open.push_back(start);
        }
        while let Some(from) = open.pop_front() {
            for edge in edges(from) {
                let to = target(edge);
                let arrival = arrivals.get_mut(to as usize).filter(|arrival| **arrival == Arrival::No);
                if let Some(arrival) = arrival.filter(|_| !is_left_out(edge)) {
                    *arrival = Arrival::By { from, edge: edge as u32 };
                    open.push_back(to);
                }
            }
        }
        Self { arrivals }
    }

    /// Whether a node can be reached.
    pub fn has(&self, node: u32) -> bool {
        self.arrivals.get(node as usize).is_some_and(|arrival| *arrival != Arrival::No)
    }

    /// How many nodes can be reached, the start included.
    pub fn count(&self) -> usize {
        self.arrivals.iter().filter(|arrival| **arrival != Arrival::No).count()
    }

    /// The numbers of the edges of a shortest way to a node from the start; nothing for what is not reached.
    pub fn way(&self, node: u32) -> Option<Vec<usize>> {
        let mut way = Vec::new();
        let mut at = node;
        loop {
            match self.arrivals.get(at as usize)? {
                Arrival::No => return None,
                Arrival::Start => break,
                Arrival::By { from, edge } => {
                    way.push(*edge as usize);
                    at = *from;
                }
            }
        }
        way.reverse();
        Some(way)
    }
}
