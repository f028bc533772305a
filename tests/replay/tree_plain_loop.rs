//! With a tree, a run of one thread does what a plain loop over maps does, and many threads come to the same sums.

use std::collections::{BTreeMap, VecDeque};
use std::fs;

use serde_json::Value;

use crate::answers::{nanos, rejected};
use crate::files::shipped;
use crate::plain_loop::{add, calls, options, refused, Amounts, LIMITS};
use crate::program::json;

type Path = Vec<String>;

/// The shipped trace's nodes, the pool itself first, at the empty path. And the nodes of each call from the pool on.
struct Tree {
    paths: Vec<Path>,
    of_call: Vec<Vec<usize>>,
}

fn tree() -> Tree {
    let text = fs::read_to_string(shipped("claude_code_agent_traces.csv")).unwrap();
    let mut known = BTreeMap::from([(Path::new(), 0)]);
    let mut tree = Tree {
        paths: vec![Path::new()],
        of_call: vec![],
    };
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let mut path = vec![fields[0].to_owned(), "main".to_owned()];
        if fields[1] != "main" {
            path.push(fields[1].to_owned());
        }
        let nodes = (0..=path.len()).map(|depth| {
            *known.entry(path[..depth].to_vec()).or_insert_with(|| {
                tree.paths.push(path[..depth].to_vec());
                tree.paths.len() - 1
            })
        });
        tree.of_call.push(nodes.collect());
    }
    tree
}

#[derive(Default, Clone, Copy)]
struct Node {
    spent: Amounts,
    reserved: Amounts,
    calls: u64,
}

/// A tree of plain numbers.
struct Model<'a> {
    tree: &'a Tree,
    nodes: Vec<Node>,
    accepted: u64,
    by_dimension: [u64; 4],
    by_level: [u64; 3],
}

/// Of the pool in each dimension, and the nano-dollars of the runs and of the agents.
#[derive(Clone, Copy)]
struct TreeLimits {
    pool: [Option<u64>; 4],
    run: Option<u64>,
    agent: Option<u64>,
}

impl Model<'_> {
    fn of(tree: &Tree) -> Model<'_> {
        Model {
            tree,
            nodes: vec![Node::default(); tree.paths.len()],
            accepted: 0,
            by_dimension: [0; 4],
            by_level: [0; 3],
        }
    }

    /// The level that refuses, and its dimension: of the worst reason, nearest to the pool.
    fn refusal(
        &self,
        limits: TreeLimits,
        call: usize,
        requested: Amounts,
    ) -> Option<(usize, usize)> {
        let mut found: Option<(usize, usize, u8)> = None;
        for (depth, &node) in self.tree.of_call[call].iter().enumerate() {
            let node = self.nodes[node];
            let limits = match depth {
                0 => limits.pool,
                1 => [None, None, None, limits.run],
                _ => [None, None, None, limits.agent],
            };
            if let Some((dimension, reason)) = refused(limits, node.spent, node.reserved, requested)
            {
                if found.map_or(true, |(.., worst)| reason > worst) {
                    found = Some((depth.min(2), dimension, reason));
                }
            }
        }
        found.map(|(level, dimension, _)| (level, dimension))
    }

    fn each(&mut self, call: usize, change: impl Fn(&mut Node)) {
        for &node in &self.tree.of_call[call] {
            change(&mut self.nodes[node]);
        }
    }

    /// Whether it was admitted.
    fn admit(&mut self, limits: TreeLimits, call: usize, requested: Amounts) -> bool {
        let refusal = self.refusal(limits, call, requested);
        if let Some((level, dimension)) = refusal {
            self.by_level[level] += 1;
            self.by_dimension[dimension] += 1;
        }
        refusal.is_none()
    }

    fn spend(&mut self, call: usize, actual: Amounts) {
        self.accepted += 1;
        self.each(call, |node| {
            add(&mut node.spent, actual);
            node.calls += 1;
        });
    }

    fn agrees_with(&self, object: &Value, what: &str) {
        assert_eq!(object["accepted"], self.accepted, "{what}");
        assert_eq!(rejected(object), self.by_dimension, "{what}");
        let by_level = ["pool", "run", "agent"]
            .map(|level| object["rejected_by_level"][level].as_u64().unwrap());
        assert_eq!(by_level, self.by_level, "{what}");
        let amounts = |value: &Value| {
            let number = |name: &str| value[name].as_u64().unwrap();
            let (input, output) = (number("input_tokens"), number("output_tokens"));
            let spent = [input, output, input + output, nanos(&value["cost_usd"])];
            (spent, number("calls"))
        };
        let mut seen: BTreeMap<Path, (Amounts, u64)> = BTreeMap::new();
        seen.insert(Path::new(), amounts(&object["totals"]));
        for node in object["nodes"].as_array().unwrap() {
            let path = node["path"].as_array().unwrap();
            let path = path.iter().map(|name| name.as_str().unwrap().to_owned());
            assert!(
                seen.insert(path.collect(), amounts(node)).is_none(),
                "{what}"
            );
        }
        let expected = self.tree.paths.iter().zip(&self.nodes);
        let expected = expected.map(|(path, node)| (path.clone(), (node.spent, node.calls)));
        assert_eq!(seen, expected.collect(), "{what}");
    }
}

const NONE: TreeLimits = TreeLimits {
    pool: [None; 4],
    run: None,
    agent: None,
};

const DOLLAR: u64 = 1_000_000_000;

/// Limits below the pool with each of [`LIMITS`] and without.
fn all_limits() -> Vec<TreeLimits> {
    let below = [
        (Some(5 * DOLLAR), None),
        (None, Some(DOLLAR / 10)),
        (Some(DOLLAR / 2 + 1), Some(DOLLAR / 2)),
        (Some(20 * DOLLAR), Some(3 * DOLLAR)),
    ];
    let mut all = vec![NONE];
    for (run, agent) in below {
        all.push(TreeLimits { run, agent, ..NONE });
    }
    for (pool, (run, agent)) in LIMITS.into_iter().zip(below.into_iter().cycle()) {
        all.push(TreeLimits { pool, run, agent });
    }
    all
}

fn arguments(limits: TreeLimits, more: &[&str]) -> Vec<String> {
    let mut arguments = options(limits.pool);
    arguments.push("--tree".to_owned());
    if limits.pool == [None; 4] {
        arguments.push("--no-caps".to_owned());
    }
    for (option, limit) in [
        ("--max-run-cost-usd", limits.run),
        ("--max-agent-cost-usd", limits.agent),
    ] {
        if let Some(nanos) = limit {
            let (dollars, nanos) = (nanos / DOLLAR, nanos % DOLLAR);
            arguments.push(format!("{option}={dollars}.{nanos:09}"));
        }
    }
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    arguments
}

fn run(arguments: &[String]) -> Value {
    json(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn one_thread_charges_the_nodes_like_a_plain_loop() {
    let (calls, tree) = (calls(), tree());
    let mut levels = [0; 3];
    for limits in all_limits() {
        let mut model = Model::of(&tree);
        // Twice: what the first round left over may still let small calls in.
        for _ in 0..2 {
            for (call, &(actual, _)) in calls.iter().enumerate() {
                if model.admit(limits, call, actual) {
                    model.spend(call, actual);
                }
            }
        }
        let arguments = arguments(limits, &["--repeat", "2"]);
        model.agrees_with(&run(&arguments), &format!("{arguments:?}"));
        levels = std::array::from_fn(|level| levels[level] + model.by_level[level]);
    }
    // Every level had its turn.
    assert!(
        levels.iter().all(|&refusals| refusals > 1_000),
        "{levels:?}"
    );
}

#[test]
fn one_thread_reserves_at_the_nodes_like_a_plain_loop() {
    let (calls, tree) = (calls(), tree());
    // Some of them: the program is slow without optimisations.
    for limits in all_limits().into_iter().skip(2).step_by(3) {
        let mut model = Model::of(&tree);
        let mut in_flight: VecDeque<Option<usize>> = VecDeque::new();
        let settle = |model: &mut Model<'_>, call: Option<usize>| {
            if let Some(index) = call {
                let (actual, worst) = calls[index];
                model.each(index, |node| {
                    node.reserved =
                        std::array::from_fn(|index| node.reserved[index] - worst[index]);
                });
                model.spend(index, actual);
            }
        };
        for (index, &(_, worst)) in calls.iter().enumerate() {
            if in_flight.len() == 16 {
                settle(&mut model, in_flight.pop_front().flatten());
            }
            let admitted = model.admit(limits, index, worst);
            if admitted {
                model.each(index, |node| add(&mut node.reserved, worst));
            }
            in_flight.push_back(admitted.then_some(index));
        }
        for call in in_flight {
            settle(&mut model, call);
        }
        let arguments = arguments(limits, &["--reserve"]);
        model.agrees_with(&run(&arguments), &format!("{arguments:?}"));
    }
}

#[test]
fn many_threads_come_to_the_same_nodes() {
    let (calls, tree) = (calls(), tree());
    let mut model = Model::of(&tree);
    for _ in 0..2 {
        for (call, &(actual, _)) in calls.iter().enumerate() {
            assert!(model.admit(NONE, call, actual));
            model.spend(call, actual);
        }
    }
    for more in [&[][..], &["--reserve"]] {
        let mut object = vec!["--tree", "--no-caps", "--repeat=2", "--threads=4"];
        object.extend(more);
        model.agrees_with(&json(&object), &format!("{object:?}"));
    }
}
