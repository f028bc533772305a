//! Free nodes, alone: nobody is given a node that is another's, and those that are free are used again.

use std::sync::{Arc, Mutex};

use token_budget_pool::exhaust::loom;

use super::step::TERMS;
use crate::case::{check_orders, GHOST};
use crate::register::{Path, Register};
use crate::sync::{self, Setting};

type Nodes = Register<1, TERMS, ()>;

/// Takes and gives back nodes. It knows those of the setup, and returns those that it has in the end.
type Role = fn(&Nodes, &[Path]) -> Vec<Path>;

struct Scenario {
    /// Takes what the roles know.
    setup: fn(&Nodes) -> Vec<Path>,
    roles: [Role; 2],
    /// What has to hold of what they have.
    end: fn(&Nodes, &[Path], Vec<Path>),
}

fn take(nodes: &Nodes) -> Path {
    take_below(nodes, &Path::ROOT)
}

fn take_below(nodes: &Nodes, path: &Path) -> Path {
    nodes.take_node(path, [1, 0, 0, 0]).expect("one more node")
}

/// So many nodes, all of them free.
fn free(nodes: &Nodes, count: usize) -> Vec<Path> {
    let taken: Vec<_> = (0..count).map(|_| take(nodes)).collect();
    taken.iter().for_each(|path| nodes.give_back_node(path));
    vec![]
}

fn no_two_are_the_same(_: &Nodes, _: &[Path], taken: Vec<Path>) {
    for (index, path) in taken.iter().enumerate() {
        assert!(!taken[..index].contains(path), "A NODE IS TAKEN TWICE");
    }
}

impl Scenario {
    /// In both role orders.
    #[track_caller]
    fn check(self, preemptions: [usize; 2], least: [[u64; 2]; 2]) {
        let shim = usize::from(GHOST);
        let bound = Some(preemptions[shim]);
        let scenario = Arc::new(self);
        let explore = |order: &[usize], bound| {
            let executions = Arc::new(Mutex::new(0));
            let (counted, scenario) = (executions.clone(), scenario.clone());
            let order = [order[0], order[1]];
            loom(bound).check(move || {
                *counted.lock().unwrap() += 1;
                scenario.execute(order);
            });
            let executions = *executions.lock().unwrap();
            executions
        };
        check_orders(2, &least[shim], bound, &[], explore);
    }

    fn execute(&self, [first, second]: [usize; 2]) {
        sync::begin(Setting {
            amounts: 1,
            terms: TERMS,
            patience: 0,
            looks: 16,
        });
        let nodes = Arc::new(Nodes::new([0], 0, [1_000], ()));
        let known = (self.setup)(&nodes);
        sync::start();
        let other = {
            let (nodes, known, role) = (nodes.clone(), known.clone(), self.roles[second]);
            loom::thread::spawn(move || role(&nodes, &known))
        };
        let mut taken = self.roles[first](&nodes, &known);
        taken.extend(other.join().unwrap());
        sync::end();
        (self.end)(&nodes, &known, taken);
    }
}

#[test]
pub(crate) fn two_take() {
    let take_two: Role = |nodes, _| vec![take(nodes), take(nodes)];
    let scenario = Scenario {
        setup: |nodes| free(nodes, 3),
        roles: [take_two, take_two],
        end: no_two_are_the_same,
    };
    scenario.check([3, 2], [[160, 160], [1_100, 1_100]]);
}

/// The node on top is taken, and is back before the one that looked at it takes it. What was free
/// below it is in use.
#[test]
pub(crate) fn the_one_on_top_is_back_and_the_next_one_is_not() {
    let scenario = Scenario {
        setup: |nodes| free(nodes, 2),
        roles: [
            |nodes, _| vec![take(nodes), take(nodes)],
            |nodes, _| {
                let (first, second) = (take(nodes), take(nodes));
                nodes.give_back_node(&first);
                vec![second]
            },
        ],
        end: no_two_are_the_same,
    };
    scenario.check([2, 2], [[50, 90], [750, 1_100]]);
}

/// Who takes it knows what is free below it.
#[test]
pub(crate) fn one_is_given_back_on_top_of_another() {
    let scenario = Scenario {
        setup: |nodes| {
            let both = vec![take(nodes), take(nodes)];
            nodes.give_back_node(&both[1]);
            both
        },
        roles: [
            |nodes, both| {
                nodes.give_back_node(&both[0]);
                vec![]
            },
            |nodes, _| vec![take(nodes)],
        ],
        end: |nodes, both, mut taken| {
            taken.push(take(nodes));
            assert!(
                taken.iter().all(|path| both.contains(path)),
                "A NODE IS LOST"
            );
            no_two_are_the_same(nodes, both, taken);
        },
    };
    scenario.check([2, 2], [[5, 5], [24, 24]]);
}

/// Two children come and go, and their parent is used again after them.
#[test]
pub(crate) fn children_are_counted() {
    let one_comes_and_goes: Role = |nodes, parent| {
        let child = take_below(nodes, &parent[0]);
        nodes.give_back_node(&child);
        vec![]
    };
    let scenario = Scenario {
        // One that was free above another one: it still has that one's number.
        setup: |nodes| {
            free(nodes, 2);
            vec![take(nodes)]
        },
        roles: [one_comes_and_goes, one_comes_and_goes],
        end: |nodes, parent, _| {
            nodes.give_back_node(&parent[0]);
            assert_eq!(take(nodes), parent[0], "A NODE IS LOST");
        },
    };
    scenario.check([2, 1], [[34, 34], [27, 27]]);
}

/// One of the children is leaked, so that its parent is not used again.
#[test]
pub(crate) fn a_leaked_child_keeps_its_parent() {
    let scenario = Scenario {
        setup: |nodes| vec![take(nodes)],
        roles: [
            |nodes, parent| vec![take_below(nodes, &parent[0])],
            |nodes, parent| {
                let child = take_below(nodes, &parent[0]);
                nodes.give_back_node(&child);
                vec![]
            },
        ],
        end: |nodes, parent, _| {
            nodes.give_back_node(&parent[0]);
            assert_ne!(
                take(nodes),
                parent[0],
                "A NODE IS USED AGAIN ABOVE ITS CHILD"
            );
        },
    };
    scenario.check([2, 1], [[23, 33], [15, 30]]);
}

#[test]
pub(crate) fn two_are_given_back() {
    let scenario = Scenario {
        setup: |nodes| vec![take(nodes), take(nodes)],
        roles: [
            |nodes, both| {
                nodes.give_back_node(&both[0]);
                vec![]
            },
            |nodes, both| {
                nodes.give_back_node(&both[1]);
                vec![]
            },
        ],
        end: |nodes, both, _| {
            let again = [take(nodes), take(nodes)];
            assert!(
                both.iter().all(|path| again.contains(path)),
                "A NODE IS LOST"
            );
        },
    };
    scenario.check([2, 2], [[5, 5], [17, 17]]);
}
