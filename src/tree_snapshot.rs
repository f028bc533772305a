//! One state of a whole tree of pools.

use std::collections::HashMap;
use std::fmt;

use crate::dimension::Dimension;
use crate::layout::{State, Words};
use crate::level::Label;
use crate::pool::BudgetPool;
use crate::register::NodeState;
use crate::snapshot::Snapshot;

/// One state of a pool and of all pools below it: all numbers are of the same moment.
///
/// `Display` is a tree with a line for each pool, and how much of its tightest limit is spent or reserved:
///
/// ```text
/// (root)               $60.25 of $100 [############........]  60 %  1203 calls
///   run 7              $58 of $60     [###################.]  97 %  1100 calls
///     planner          $3 of $5       [############........]  60 %  100 calls
/// ```
///
/// With the feature `serde` it can be saved, and a new process can go on counting from it.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{BudgetPool, Child, Limits, Restore, Usage, Usd};
///
/// let team = BudgetPool::new(Limits::unlimited().cost(Usd::dollars(100)));
/// let run = team.child(Child::new(Limits::unlimited().calls(50)).label("run 7"))?;
/// run.try_charge(Usage::tokens(1_000, 500).cost(Usd::cents(30)))?;
/// let saved = team.tree_snapshot(); // with the feature `serde`: to a file
///
/// let team = BudgetPool::builder()
///     .restore(&saved.snapshot, Restore::ReservedAsSpent)
///     .build();
/// let run = team.child(Child::restored(&saved.children[0], Restore::ReservedAsSpent))?;
/// assert_eq!(team.tree_snapshot(), saved);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct TreeSnapshot {
    /// What the pool is called.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::label")
    )]
    pub label: Label,
    /// Its state.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::snapshot")
    )]
    pub snapshot: Snapshot,
    /// The pools directly below it, in no particular order.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::children")
    )]
    pub children: Vec<TreeSnapshot>,
}

impl BudgetPool {
    /// The states of this pool and of all pools below it at one moment.
    ///
    /// Its cost is proportional to the most pools that were ever alive at once in the whole tree, also if it is
    /// asked of a leaf. It allocates. While other threads keep updating the tree, it starts over until it finds
    /// a moment in which they leave it time to read all of it. After a few attempts it may delay each of the
    /// others by some microseconds, as a suspended thread would, but never blocks them. That is enough for some
    /// hundred pools. With more pools it may start over again and again: in async code, ask on a thread for
    /// blocking work.
    ///
    /// # Examples
    ///
    /// See [`TreeSnapshot`].
    pub fn tree_snapshot(&self) -> TreeSnapshot {
        let in_use = |words: &Words<'_>| State::of(words).is_in_use();
        let nodes = self
            .root()
            .read_tree(in_use, |words| State::of(words).snapshot());
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        let mut own = None;
        for node in nodes {
            if node.number == self.path().last() {
                own = Some(node);
            } else {
                children.entry(node.parent).or_default().push(node);
            }
        }
        let own = own.expect("this pool is in use");
        subtree(own, &mut children)
    }
}

fn subtree(
    node: NodeState<Snapshot>,
    children: &mut HashMap<Option<u32>, Vec<NodeState<Snapshot>>>,
) -> TreeSnapshot {
    let own = children.remove(&node.number).unwrap_or_default();
    TreeSnapshot {
        label: Label::from_words(node.label),
        snapshot: node.state,
        children: own
            .into_iter()
            .map(|child| subtree(child, children))
            .collect(),
    }
}

impl TreeSnapshot {
    /// This pool and all pools below it, each before its children. Their depths are not in it.
    pub fn iter(&self) -> impl Iterator<Item = &TreeSnapshot> {
        let mut next = vec![self];
        std::iter::from_fn(move || {
            let tree = next.pop()?;
            next.extend(tree.children.iter().rev());
            Some(tree)
        })
    }
}

/// How many characters a bar has.
const BAR: usize = 20;

impl fmt::Display for TreeSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![];
        self.lines(0, &mut lines);
        let width = |column: fn(&Line) -> &str| {
            let widths = lines.iter().map(|line| column(line).chars().count());
            widths.max().unwrap_or(0)
        };
        let (name, used) = (width(|line| &line.name), width(|line| &line.used));
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let Line {
                name: own_name,
                used: own_used,
                rest,
            } = line;
            let text = format!("{own_name:name$}  {own_used:used$}  {rest}");
            f.write_str(text.trim_end())?;
        }
        Ok(())
    }
}

/// What `Display` says of one pool.
struct Line {
    name: String,
    used: String,
    rest: String,
}

impl TreeSnapshot {
    fn lines(&self, depth: usize, lines: &mut Vec<Line>) {
        let name = match (depth, self.label.is_empty()) {
            (0, true) => "(root)",
            (_, true) => "(no label)",
            (_, false) => self.label.as_str(),
        };
        let calls = self.snapshot.spent.calls;
        let mut rest = format!("{calls} call{}", if calls == 1 { "" } else { "s" });
        if self.snapshot.calls_in_flight > 0 {
            rest += &format!(", {} in flight", self.snapshot.calls_in_flight);
        }
        if self.snapshot.closed {
            rest += ", closed";
        }
        let used = match self.snapshot.tightest() {
            Some((dimension, taken, limit)) => {
                // A limit of zero is used up.
                let share = (taken * 1_000).checked_div(limit).unwrap_or(1_000);
                let full = (share * BAR as u128 / 1_000).min(BAR as u128) as usize;
                rest = format!(
                    "[{}{}] {:>3} %  {rest}",
                    "#".repeat(full),
                    ".".repeat(BAR - full),
                    share / 10
                );
                let amount = |count| dimension.amount(u64::try_from(count).unwrap_or(u64::MAX));
                match dimension {
                    Dimension::Cost => format!("{} of {}", amount(taken), amount(limit)),
                    _ => format!("{} of {} {dimension}", amount(taken), amount(limit)),
                }
            }
            None => format!("${}", self.snapshot.spent.cost),
        };
        lines.push(Line {
            name: format!("{:indent$}{name}", "", indent = 2 * depth),
            used,
            rest,
        });
        for child in &self.children {
            child.lines(depth + 1, lines);
        }
    }
}
