//! Functions and data of one program as nodes, references and pointers as edges, in order, both ways.

use crate::limits::TABLE_POINTERS_MAX;
use crate::program::{Link, Program};

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// Lists of nodes, one for each node, in one allocation.
#[derive(Debug)]
struct Lists {
    ends: Vec<u32>,
    nodes: Vec<u32>,
}

impl Lists {
    fn get(&self, node: u32) -> &[u32] {
        let node = node as usize;
        let from = node.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.nodes[from as usize..self.ends[node] as usize]
    }
}

/// The reference graph of a program.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Nodes below this number are functions, the others data.
    pub(crate) functions: u32,
    outgoing: Lists,
    incoming: Lists,
    /// Hash of each node by itself, with the content of what it refers to.
    pub(crate) exact: Vec<u64>,
    /// Hash of each node by itself.
    pub(crate) masked: Vec<u64>,
}

impl Graph {
    pub(crate) fn new(program: &Program<'_>) -> Self {
        let functions = program.functions.len() as u32;
        let node = |link: &Link| match link {
            Link::Function(index) => *index,
            Link::Datum(index) => functions + index,
            Link::Unknown | Link::Import(_) => NONE,
        };
        let mut outgoing = Lists { ends: Vec::new(), nodes: Vec::new() };
        for function in &program.functions {
            outgoing.nodes.extend(program.links(function).iter().map(node));
            outgoing.ends.push(outgoing.nodes.len() as u32);
        }
        for datum in program.data.iter() {
            let pointers = program.image.pointers_in(datum.address, datum.end).iter().take(TABLE_POINTERS_MAX);
            outgoing.nodes.extend(pointers.map(|(_, target)| node(&program.address(*target))));
            outgoing.ends.push(outgoing.nodes.len() as u32);
        }
        let incoming = turned(&outgoing);
        let own = |of_function: fn(&crate::program::Function) -> u64, of_datum: fn(&crate::data::Datum) -> u64| {
            program.functions.iter().map(of_function).chain(program.data.iter().map(of_datum)).collect()
        };
        Self {
            functions,
            outgoing,
            incoming,
            exact: own(|function| function.exact, |datum| datum.label),
            masked: own(|function| function.masked, |datum| u64::from(datum.is_constant)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.exact.len()
    }

    pub(crate) fn is_function(&self, node: u32) -> bool {
        node < self.functions
    }

    /// What a node refers to, in order, with [`NONE`] for what is no node.
    pub(crate) fn outgoing(&self, node: u32) -> &[u32] {
        self.outgoing.get(node)
    }

    /// What refers to a node, once for each reference, in order.
    pub(crate) fn incoming(&self, node: u32) -> &[u32] {
        self.incoming.get(node)
    }
}

/// The same edges the other way round.
fn turned(lists: &Lists) -> Lists {
    let mut ends = vec![0_u32; lists.ends.len()];
    for node in lists.nodes.iter().filter(|node| **node != NONE) {
        ends[*node as usize] += 1;
    }
    let mut sum = 0;
    for end in &mut ends {
        // First the starts of the lists; filling them moves each to its end.
        (*end, sum) = (sum, sum + *end);
    }
    let mut nodes = vec![0; sum as usize];
    for from in 0..lists.ends.len() as u32 {
        for to in lists.get(from).iter().filter(|node| **node != NONE) {
            let place = &mut ends[*to as usize];
            nodes[*place as usize] = from;
            *place += 1;
        }
    }
    Lists { ends, nodes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_turned_in_order() {
        let lists = Lists { ends: vec![2, 2, 5], nodes: vec![1, NONE, 0, 1, 1] };
        let turned = turned(&lists);
        assert_eq!([turned.get(0), turned.get(1), turned.get(2)], [&[2][..], &[0, 2, 2], &[]]);
    }
}
