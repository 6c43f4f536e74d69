//! What can be reached from the roots, and by which way.

use super::{CallGraph, Edge};
use std::collections::VecDeque;

/// The reachable nodes of a graph, each with the edge that reached it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachable {
    /// For each node: not reached, a root, or reached by an edge.
    arrivals: Vec<Arrival>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    No,
    Root,
    By(Edge),
}

impl Reachable {
    /// Breadth first from the loader and the roots, so that ways are short; edges in their order, so that the same graph
    /// gives the same ways. Edges for which `is_left_out` holds do not lead on.
    pub fn new(graph: &CallGraph, is_left_out: impl Fn(&Edge) -> bool) -> Self {
        let mut arrivals = vec![Arrival::No; graph.len()];
        let mut open = VecDeque::new();
        let loader = graph.number(super::Node::Loader);
        arrivals[loader as usize] = Arrival::Root;
        open.push_back(loader);
        while let Some(node) = open.pop_front() {
            for edge in graph.edges_from(node) {
                let to = edge.to as usize;
                if arrivals[to] == Arrival::No && !is_left_out(edge) {
                    arrivals[to] = if node == loader { Arrival::Root } else { Arrival::By(*edge) };
                    open.push_back(edge.to);
                }
            }
        }
        Self { arrivals }
    }

    /// Whether a node can be reached.
    pub fn has(&self, node: u32) -> bool {
        self.arrivals.get(node as usize).is_some_and(|arrival| *arrival != Arrival::No)
    }

    /// How many nodes can be reached, the loader included.
    pub fn count(&self) -> usize {
        self.arrivals.iter().filter(|arrival| **arrival != Arrival::No).count()
    }

    /// A shortest way to a node from a root, whose edge from the loader is left out; nothing for what is not reached.
    pub fn way(&self, node: u32) -> Option<Vec<Edge>> {
        let mut way = Vec::new();
        let mut at = node;
        loop {
            match self.arrivals.get(at as usize)? {
                Arrival::No => return None,
                Arrival::Root => break,
                Arrival::By(edge) => {
                    way.push(*edge);
                    at = edge.from;
                }
            }
        }
        way.reverse();
        Some(way)
    }
}
