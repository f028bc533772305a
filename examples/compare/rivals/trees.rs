//! Budgets within budgets: an organisation, a team, a run. A charge counts at every level.
//!
//! The depth is the number of levels: 1 is the root alone. All leaves have the same parent.

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use budget_context::{Budget as ContextBudget, BudgetBuilder, ReservationSet, Resource};
use token_budget_pool::{BudgetExceeded, BudgetPool};

use super::mutex::{self, Counts};
use super::ours::{self, usage};
use super::{Call, Limits, Room, Tree, CALL, ESTIMATE};

/// Our leaves, and the root. A leaf keeps the pools above it.
struct Pools {
    root: Arc<BudgetPool>,
    leaves: Vec<Arc<BudgetPool>>,
}

impl Pools {
    fn new(depth: usize, leaves: usize) -> Self {
        let limits = ours::limits(Room::Plenty);
        let root = Arc::new(BudgetPool::new(limits));
        let below = |pool: &Arc<BudgetPool>| pool.child_owned(limits).expect("a child");
        let leaf = match depth {
            1 => vec![Arc::clone(&root); leaves],
            _ => {
                let parent = (2..depth).fold(Arc::clone(&root), |pool, _| below(&pool));
                (0..leaves).map(|_| below(&parent)).collect()
            }
        };
        Self { root, leaves: leaf }
    }

    /// What was spent below the root reached it.
    fn calls(&self) -> u64 {
        self.root.spent().calls
    }
}

#[inline(always)]
fn try_charge(pool: &BudgetPool, call: &Call) -> u64 {
    match pool.try_charge(usage(call)) {
        Ok(spent) => spent.calls,
        Err(rejected) => ours::look(&rejected),
    }
}

/// This crate.
pub(crate) struct Charge<const DEPTH: usize>(Pools);

impl<const DEPTH: usize> Tree for Charge<DEPTH> {
    const NAME: &'static str = match DEPTH {
        1 => "this crate, a pool without children",
        2 => "this crate, depth 2",
        3 => "this crate, depth 3",
        5 => "this crate, depth 5",
        _ => panic!("no name"),
    };
    const LACKS: &'static str = "";

    fn new(leaves: usize) -> Self {
        Self(Pools::new(DEPTH, leaves))
    }

    fn spender(&self, leaf: usize) -> impl Fn(&Call) -> u64 {
        let pool = &*self.0.leaves[leaf];
        #[inline(always)]
        move |call| try_charge(pool, call)
    }

    fn calls(&self) -> u64 {
        self.0.calls()
    }
}

/// This crate: all spend at the root, which has children.
pub(crate) struct ChargeRoot(Pools);

impl Tree for ChargeRoot {
    const NAME: &'static str = "this crate, the root of a tree";
    const LACKS: &'static str = "";

    fn new(leaves: usize) -> Self {
        Self(Pools::new(3, leaves))
    }

    fn spender(&self, _: usize) -> impl Fn(&Call) -> u64 {
        let pool = &*self.0.root;
        #[inline(always)]
        move |call| try_charge(pool, call)
    }

    fn calls(&self) -> u64 {
        self.0.calls()
    }
}

/// This crate, before the call and after it.
pub(crate) struct Reserve3(Pools);

impl Tree for Reserve3 {
    const NAME: &'static str = "this crate, depth 3, reserve + settle";
    const LACKS: &'static str = "";

    fn new(leaves: usize) -> Self {
        Self(Pools::new(3, leaves))
    }

    fn spender(&self, leaf: usize) -> impl Fn(&Call) -> u64 {
        let pool = &*self.0.leaves[leaf];
        #[inline(always)]
        move |call| match pool.try_reserve(usage(black_box(&ESTIMATE))) {
            Ok(reservation) => reservation.start().settle(usage(call)).spent.calls,
            Err(rejected) => ours::look(&rejected),
        }
    }

    fn calls(&self) -> u64 {
        self.0.calls()
    }
}

/// The tree that one would write by hand: one mutex over all its integers.
pub(crate) struct MutexTree<const DEPTH: usize> {
    /// The levels above the leaves, from the root on, and then the leaves.
    nodes: Mutex<Vec<Counts>>,
    /// Of every node.
    limits: Limits,
}

impl<const DEPTH: usize> MutexTree<DEPTH> {
    const ABOVE: usize = DEPTH - 1;

    #[inline(always)]
    fn try_record(&self, leaf: usize, call: &Call) -> Result<Counts, BudgetExceeded> {
        let mut nodes = self.nodes.lock().unwrap();
        let (above, leaves) = nodes.split_at_mut(Self::ABOVE);
        let mut new = [Counts::default(); DEPTH];
        for (new, now) in new.iter_mut().zip(above.iter().chain([&leaves[leaf]])) {
            *new = now.and(call).ok_or(mutex::OVERFLOW)?;
            new.within(&self.limits)?;
        }
        above.copy_from_slice(&new[..Self::ABOVE]);
        leaves[leaf] = new[Self::ABOVE];
        Ok(leaves[leaf])
    }
}

impl<const DEPTH: usize> Tree for MutexTree<DEPTH> {
    const NAME: &'static str = match DEPTH {
        1 => "one integer std Mutex, depth 1",
        2 => "one integer std Mutex, depth 2",
        3 => "one integer std Mutex, depth 3",
        5 => "one integer std Mutex, depth 5",
        _ => panic!("no name"),
    };
    const LACKS: &'static str =
        "blocks: a suspended owner stops the whole tree; reserves nothing; \
                                 a refusal names no level; its shape is fixed";

    fn new(leaves: usize) -> Self {
        Self {
            nodes: Mutex::new(vec![Counts::default(); Self::ABOVE + leaves]),
            limits: Limits::of(Room::Plenty),
        }
    }

    fn spender(&self, leaf: usize) -> impl Fn(&Call) -> u64 {
        let leaf = if DEPTH == 1 { 0 } else { leaf };
        #[inline(always)]
        move |call| mutex::look(self.try_record(leaf, call))
    }

    fn calls(&self) -> u64 {
        self.nodes.lock().unwrap()[0].calls()
    }
}

thread_local! {
    // A set for each thread: clones of one set would have all threads count references
    // in one place.
    static RESOURCES: [Resource; 3] = ["in", "out", "nanos"]
        .map(|name| Resource::new(name).expect("a name"));
}

/// Nested contexts. Without names and without deadlines, which cost a reading of the clock.
struct Contexts {
    root: ContextBudget,
    leaves: Vec<ContextBudget>,
}

impl Contexts {
    fn new(depth: usize, leaves: usize) -> Self {
        let limits = Limits::of(Room::Plenty);
        let limits = [limits.input, limits.output, limits.nanos];
        let build = |builder: BudgetBuilder| {
            RESOURCES.with(|resources| {
                let limits = resources.iter().zip(limits);
                let limited = limits.fold(builder, |builder, (resource, limit)| {
                    builder.limit(resource.clone(), limit)
                });
                limited.build().expect("limits")
            })
        };
        let root = build(ContextBudget::builder());
        let leaf = match depth {
            1 => vec![root.clone(); leaves],
            _ => {
                let parent = (2..depth).fold(root.clone(), |budget, _| build(budget.child()));
                (0..leaves).map(|_| build(parent.child())).collect()
            }
        };
        Self { root, leaves: leaf }
    }

    /// Each call is one [`CALL`].
    fn calls(&self) -> u64 {
        let snapshot = self.root.snapshot();
        let resources = snapshot.resources.iter();
        let mut input = resources.filter(|amount| amount.resource.as_str() == "in");
        input.next().map_or(0, |amount| amount.consumed) / CALL.input
    }
}

#[inline(always)]
fn reserve_many(
    budget: &ContextBudget,
    call: &Call,
    end: impl FnOnce(ReservationSet, &[Resource; 3]) -> bool,
) -> u64 {
    RESOURCES.with(
        |resources| match budget.reserve_many(resources.iter().zip(amounts(call))) {
            Ok(set) => end(set, resources).into(),
            Err(_) => 2,
        },
    )
}

fn amounts(call: &Call) -> [u64; 3] {
    [call.input, call.output, call.nanos]
}

/// budget-context: an estimate is reserved, and what was used is committed.
pub(crate) struct Context<const DEPTH: usize>(Contexts);

impl<const DEPTH: usize> Tree for Context<DEPTH> {
    const NAME: &'static str = match DEPTH {
        1 => "budget-context 0.2, depth 1",
        2 => "budget-context 0.2, depth 2",
        3 => "budget-context 0.2, depth 3",
        5 => "budget-context 0.2, depth 5",
        _ => panic!("no name"),
    };
    const LACKS: &'static str =
        "blocks, with a mutex at every level; allocates in every call; no limit \
                                 on all tokens together; returns no totals; reserve_many + commit";

    fn new(leaves: usize) -> Self {
        Self(Contexts::new(DEPTH, leaves))
    }

    fn spender(&self, leaf: usize) -> impl Fn(&Call) -> u64 {
        let budget = &self.0.leaves[leaf];
        move |call| {
            reserve_many(budget, black_box(&ESTIMATE), |set, resources| {
                let used = resources.iter().zip(amounts(call));
                set.commit(used).is_ok()
            })
        }
    }

    fn calls(&self) -> u64 {
        self.0.calls()
    }
}

/// budget-context, for what is known beforehand: quicker than [`Context`].
pub(crate) struct ContextAll3(Contexts);

impl Tree for ContextAll3 {
    const NAME: &'static str = "budget-context 0.2, depth 3, commit_all";
    const LACKS: &'static str = "as the one before, and commits what was reserved and no less";

    fn new(leaves: usize) -> Self {
        Self(Contexts::new(3, leaves))
    }

    fn spender(&self, leaf: usize) -> impl Fn(&Call) -> u64 {
        let budget = &self.0.leaves[leaf];
        move |call| {
            reserve_many(budget, call, |set, _| {
                set.commit_all();
                true
            })
        }
    }

    fn calls(&self) -> u64 {
        self.0.calls()
    }
}
