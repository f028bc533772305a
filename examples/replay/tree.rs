//! The tree of a trace's runs: a pool for each run, below it one for the run's agent `main`, and below that one for
//! each sub-agent. Each call is charged on the pool of the agent that made it.
//!
//! The nodes are in the order in which the trace first names them, each after its parent. A run without agents is one
//! node, and so is what a call charges that names no agent.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use token_budget_pool::{BudgetPool, Child, ChildPool, InvalidChild, Label, Limits, Usd};

use crate::budget::{self, Amounts};
use crate::input::{BadInput, Input};
use crate::replay::TreePass;
use crate::tally;
use crate::trace::{self, Call, Format};

/// The agent that starts a run's other agents.
const MAIN: &str = "main";

/// How many nodes that disagree are listed.
const MOST_LISTED: usize = 10;

/// What a call is refused by, in the order of [`Tally::rejected_at`](crate::tally::Tally::rejected_at).
pub(crate) const LEVELS: [&str; 3] = ["pool", "run", "agent"];

/// The index in [`LEVELS`] of a level so far below the pool. `main` and its sub-agents are agents.
pub(crate) fn level_index(depth: u8) -> usize {
    usize::from(depth).min(LEVELS.len() - 1)
}

pub(crate) struct Tree {
    /// Each after its parent.
    pub(crate) nodes: Vec<Node>,
    /// The node that each call of the trace is charged on.
    of_call: Vec<usize>,
}

pub(crate) struct Node {
    /// The names from the run on, as the trace has them.
    pub(crate) path: Vec<String>,
    /// The last name, shortened if it cannot be a label.
    label: String,
    parent: Option<usize>,
    limits: Limits,
}

impl Node {
    /// Whether the tree that is printed calls it something else than the trace does.
    pub(crate) fn is_shortened(&self) -> bool {
        self.path.last() != Some(&self.label)
    }
}

impl Tree {
    /// The tree of these calls, which must be agent CSV with runs.
    pub(crate) fn of(
        file: &Input,
        format: Format,
        calls: &[Call],
        max_run_cost: Option<Usd>,
        max_agent_cost: Option<Usd>,
    ) -> Result<Tree, BadInput> {
        let mut tree = Tree {
            nodes: Vec::new(),
            of_call: Vec::with_capacity(calls.len()),
        };
        if format != Format::AgentCsv {
            let path = file.path.display();
            let what = format!("--tree: {path} is {format}, which names no runs");
            return Err(BadInput::new(what));
        }
        let callers = trace::read_callers(file)?;
        let mut known = HashMap::new();
        for (call, caller) in calls.iter().zip(&callers) {
            let run = &caller.run[..];
            if run.is_empty() {
                return Err(file.bad(call.line, "trace_id is missing"));
            }
            let path = match &caller.agent[..] {
                "" => vec![run],
                MAIN => vec![run, MAIN],
                agent => vec![run, MAIN, agent],
            };
            let mut node = None;
            for length in 1..=path.len() {
                let path = &path[..length];
                let limit = if length == 1 {
                    max_run_cost
                } else {
                    max_agent_cost
                };
                node = Some(match known.get(path) {
                    Some(&node) => node,
                    None => {
                        let new = tree.add(path, node, limit);
                        known.insert(path.to_vec(), new);
                        new
                    }
                });
            }
            tree.of_call.extend(node);
        }
        if let (Some(limit), 0) = (max_agent_cost, tree.agents()) {
            let what = format!("{} names no agents", file.path.display());
            return Err(BadInput::new(format!(
                "--max-agent-cost-usd {limit}: {what}"
            )));
        }
        Ok(tree)
    }

    fn add(&mut self, path: &[&str], parent: Option<usize>, max_cost: Option<Usd>) -> usize {
        let number = self.nodes.len();
        let mut limits = Limits::unlimited();
        limits.cost = max_cost;
        self.nodes.push(Node {
            path: path.iter().map(|&name| name.to_owned()).collect(),
            label: label(path[path.len() - 1], number),
            parent,
            limits,
        });
        number
    }

    pub(crate) fn runs(&self) -> usize {
        let runs = self.nodes.iter().filter(|node| node.path.len() == 1);
        runs.count()
    }

    /// `main` and the sub-agents of all runs.
    pub(crate) fn agents(&self) -> usize {
        self.nodes.len() - self.runs()
    }

    /// Makes the tree below `pool`, and drops it after `work`. That gets the pool of each node.
    pub(crate) fn with_pools<R>(
        &self,
        pool: &BudgetPool,
        work: impl FnOnce(&[&BudgetPool]) -> R,
    ) -> Result<R, InvalidChild> {
        self.with_level(1, pool, &vec![pool; self.nodes.len()], work)
    }

    /// A child borrows its parent, so each level is made in a call of its own. `above` has the pools of the levels
    /// above this one.
    fn with_level<R>(
        &self,
        depth: usize,
        root: &BudgetPool,
        above: &[&BudgetPool],
        work: impl FnOnce(&[&BudgetPool]) -> R,
    ) -> Result<R, InvalidChild> {
        let here = || (0..self.nodes.len()).filter(|&index| self.nodes[index].path.len() == depth);
        let level: Vec<ChildPool<'_>> = here()
            .map(|index| {
                let node = &self.nodes[index];
                let parent = node.parent.map_or(root, |parent| above[parent]);
                parent.child(Child::new(node.limits).label(&node.label))
            })
            .collect::<Result<_, _>>()?;
        if level.is_empty() {
            return Ok(work(above));
        }
        let mut pools = above.to_vec();
        for (index, pool) in here().zip(&level) {
            pools[index] = pool;
        }
        self.with_level(depth + 1, root, &pools, work)
    }

    /// The pool of each call, out of those of the nodes.
    pub(crate) fn of_calls<'p>(&self, pools: &[&'p BudgetPool]) -> Vec<&'p BudgetPool> {
        self.of_call.iter().map(|&node| pools[node]).collect()
    }

    /// All in which the nodes of a pass disagree with a plain sum of the calls that were accepted in it.
    pub(crate) fn disagreements(
        &self,
        pass: &TreePass,
        calls: &[token_budget_pool::Usage],
    ) -> Vec<String> {
        // By name, so that this depends neither on the parents above nor on the library.
        let mut sums: BTreeMap<&[String], (Amounts, u64)> = BTreeMap::new();
        for ((&node, &usage), &times) in self.of_call.iter().zip(calls).zip(&pass.accepted) {
            let used = budget::of_usage(usage).map(|amount| amount * u128::from(times));
            let path = &self.nodes[node].path;
            for length in 1..=path.len() {
                let (amounts, calls) = sums.entry(&path[..length]).or_default();
                tally::add(amounts, used);
                *calls += times;
            }
        }
        let mut found = Vec::new();
        let mut wrong = 0;
        for (node, snapshot) in self.nodes.iter().zip(&pass.nodes) {
            let (amounts, calls) = sums.get(&node.path[..]).copied().unwrap_or_default();
            let mut here = tally::unequal(snapshot, amounts, calls);
            here.extend(tally::past_limit(snapshot, node.limits));
            wrong += usize::from(!here.is_empty());
            if wrong <= MOST_LISTED {
                let name = node.path.join("/");
                found.extend(here.into_iter().map(|what| format!("{name}: {what}")));
            }
        }
        if wrong > MOST_LISTED {
            found.push(format!("{} more nodes are wrong", wrong - MOST_LISTED));
        }
        if self.seen_alone(pass) != seen_together(pass) {
            found.push("the snapshot of the tree is not that of its nodes".to_owned());
        }
        found
    }

    /// The nodes by their labels, as their own snapshots have them.
    fn seen_alone(&self, pass: &TreePass) -> Vec<Seen> {
        let mut seen: Vec<Seen> = Vec::new();
        for (node, snapshot) in self.nodes.iter().zip(&pass.nodes) {
            let mut labels = node
                .parent
                .map_or(Vec::new(), |parent| seen[parent].0.clone());
            labels.push(node.label.clone());
            seen.push((labels, format!("{snapshot:?}")));
        }
        seen.sort();
        seen
    }
}

/// The labels from the run on, and the node's state.
type Seen = (Vec<String>, String);

/// The same, as the snapshot of the whole tree has them.
fn seen_together(pass: &TreePass) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut next = vec![(Vec::new(), &pass.snapshot)];
    while let Some((labels, tree)) = next.pop() {
        for child in &tree.children {
            let mut labels: Vec<String> = labels.clone();
            labels.push(child.label.as_str().to_owned());
            seen.push((labels.clone(), format!("{:?}", child.snapshot)));
            next.push((labels, child));
        }
    }
    seen.sort();
    seen
}

/// The name, if it can be a label. Otherwise as much of it as fits, and the node's number.
fn label(name: &str, number: usize) -> String {
    if Label::new(name).is_ok() {
        return name.to_owned();
    }
    const LONGEST: usize = 32;
    let mut end = String::new();
    let _ = write!(end, "~{number}");
    let mut start = String::new();
    for char in name.chars() {
        let char = if char.is_control() { '?' } else { char };
        if start.len() + char.len_utf8() + end.len() > LONGEST {
            break;
        }
        start.push(char);
    }
    start + &end
}
