//! The stack of free nodes, alone: nobody is given a node that is another's.

use std::sync::{Arc, Mutex};

use token_budget_pool::exhaust::loom;

use super::step::TERMS;
use crate::case::{check_orders, GHOST};
use crate::register::{Path, Register};
use crate::sync::{self, Setting};

type Nodes = Register<1, TERMS, ()>;

/// Takes and gives back nodes below the root, and returns those that it has in the end.
type Role = fn(&Nodes) -> Vec<Path>;

fn take(nodes: &Nodes) -> Path {
    nodes
        .take_node(&Path::ROOT, [1, 0, 0, 0])
        .expect("one more node")
}

/// In both role orders, beside a stack of so many free nodes.
#[track_caller]
fn check(free: usize, roles: [Role; 2], preemptions: [usize; 2], least: [[u64; 2]; 2]) {
    let shim = usize::from(GHOST);
    let bound = Some(preemptions[shim]);
    let explore = |order: &[usize], bound| {
        let executions = Arc::new(Mutex::new(0));
        let (counted, order) = (executions.clone(), order.to_vec());
        loom(bound).check(move || {
            *counted.lock().unwrap() += 1;
            execute(free, [roles[order[0]], roles[order[1]]]);
        });
        let executions = *executions.lock().unwrap();
        executions
    };
    check_orders(2, &least[shim], bound, &[], explore);
}

fn execute(free: usize, [first, second]: [Role; 2]) {
    sync::begin(Setting {
        amounts: 1,
        terms: TERMS,
        patience: 0,
        looks: 16,
    });
    let nodes = Arc::new(Nodes::new([0], 0, [1_000], ()));
    let given_back: Vec<_> = (0..free).map(|_| take(&nodes)).collect();
    for path in given_back {
        nodes.give_back_node(&path);
    }
    sync::start();
    let others = {
        let nodes = nodes.clone();
        loom::thread::spawn(move || second(&nodes))
    };
    let mut taken = first(&nodes);
    taken.extend(others.join().unwrap());
    sync::end();
    for (index, path) in taken.iter().enumerate() {
        assert!(!taken[..index].contains(path), "A NODE IS TAKEN TWICE");
    }
}

#[test]
pub(crate) fn two_take() {
    let take_two = |nodes: &Nodes| vec![take(nodes), take(nodes)];
    check(
        3,
        [take_two, take_two],
        [3, 2],
        [[160, 160], [1_100, 1_100]],
    );
}

/// The node on top is taken, and is back before the one that looked at it takes it. What was free
/// below it is in use.
#[test]
pub(crate) fn the_one_on_top_is_back_and_the_next_one_is_not() {
    let take_two = |nodes: &Nodes| vec![take(nodes), take(nodes)];
    let take_two_and_give_back_the_first = |nodes: &Nodes| {
        let (first, second) = (take(nodes), take(nodes));
        nodes.give_back_node(&first);
        vec![second]
    };
    check(
        2,
        [take_two, take_two_and_give_back_the_first],
        [2, 2],
        [[50, 90], [750, 1_100]],
    );
}
