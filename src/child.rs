//! Pools below a pool.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use crate::builder::Restore;
use crate::layout::{Register, State, Words, AMOUNTS, TERMS};
use crate::level::{InvalidChild, Label, Level};
use crate::limits::Limits;
use crate::ops::configure::{Open, Retire};
use crate::ops::settle::{Settle, Settled};
use crate::pool::BudgetPool;
use crate::register::{Answer, Operation, Path, BELOW_ROOT};
use crate::rejection::Rejected;
use crate::root_ref::RootRef;
use crate::tree_snapshot::TreeSnapshot;
use crate::usage::Spent;

/// What a child is to be, for [`BudgetPool::child`]. [`Limits`] alone will do.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{BudgetPool, Child, Limits, Usd};
///
/// let pool = BudgetPool::new(Limits::unlimited().cost(Usd::dollars(100)));
/// let limits = Limits::unlimited().cost(Usd::dollars(5));
/// let run = pool.child(Child::new(limits).label("run 7"))?;
/// assert_eq!(run.level().label(), "run 7");
/// # Ok::<(), token_budget_pool::InvalidChild>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a pool makes a child of it"]
pub struct Child {
    label: Result<Label, InvalidChild>,
    limits: Limits,
    spent: Spent,
    closed: bool,
}

impl Child {
    /// A child with these limits and no label.
    pub fn new(limits: Limits) -> Child {
        Child {
            label: Ok(Label::NONE),
            limits,
            spent: Spent::default(),
            closed: false,
        }
    }

    /// What it is called in refusals and snapshots: at most 32 bytes (a UUID fits without its hyphens),
    /// without control characters. Otherwise [`BudgetPool::child`] returns the error.
    pub fn label(mut self, label: &str) -> Child {
        self.label = Label::new(label);
        self
    }

    /// Goes on counting from a saved snapshot: its label, its limits, and what was spent. What was
    /// reserved is counted or dropped, as `reserved` says. A child that was closed is closed again, except with
    /// [`open`](Self::open). The
    /// pools above do not count any of it: they are restored from their own snapshots.
    ///
    /// Its children in the snapshot are to be made as children of the new pool, each in the same way and with
    /// the same `reserved`. One that is made with [`new`](Self::new) instead starts at zero. See
    /// [`TreeSnapshot`] for an example.
    pub fn restored(saved: &TreeSnapshot, reserved: Restore) -> Child {
        Child {
            label: Ok(saved.label),
            limits: saved.snapshot.limits,
            spent: saved.snapshot.restored(reserved),
            closed: saved.snapshot.closed,
        }
    }

    /// Open, also if it was closed when it was saved.
    pub fn open(mut self) -> Child {
        self.closed = false;
        self
    }

    /// Other limits.
    pub fn limits(mut self, limits: Limits) -> Child {
        self.limits = limits;
        self
    }
}

impl From<Limits> for Child {
    fn from(limits: Limits) -> Child {
        Child::new(limits)
    }
}

impl BudgetPool {
    /// Makes a pool below this one: a run below a team, or a sub-agent below its agent.
    ///
    /// The child is a pool with limits of its own, and what a pool can do works on it. What
    /// it spends and reserves counts in this pool too, and in every pool above, in one step. A
    /// call is admitted exactly if it fits at every level. A refusal names the
    /// [level](crate::Rejected::level). A child's limits may be wider than its parent's, or add up with
    /// those of its siblings to more: they never widen the parent's.
    ///
    /// | about all levels from the child to the root | about the child alone |
    /// |---|---|
    /// | admission, settling, [`check`](Self::check), [`remaining`](Self::remaining), [`is_closed`](Self::is_closed) | [`set_limits`](Self::set_limits), [`reset`](Self::reset), [`take`](Self::take), [`spent`](Self::spent), [`limits`](Self::limits), [`snapshot`](Self::snapshot) |
    ///
    /// A [`close`](Self::close) closes the pool and all pools below it.
    /// [`tree_snapshot`](Self::tree_snapshot) reads a pool and all pools below it. The
    /// [assumed cost](crate::Builder::assumed_cost) and the [thresholds](crate::Builder::warn_at) are the root's,
    /// for all of them.
    ///
    /// The child borrows this pool, as for scoped threads. For spawned tasks there is
    /// [`child_owned`](Self::child_owned). The methods that end in `_owned` need a child from there.
    ///
    /// When the child is dropped, what it spent stays counted in the pools above. It cannot be dropped while
    /// one of its reservations or calls exists. (One that is leaked keeps its amounts reserved in the pools
    /// above.) Its memory, some 640 bytes, is used again for the next child at the same depth. The memory for
    /// children grows by doubling, so that a call may now and then take longer. Keep the handles: a tree does
    /// not give them out again.
    ///
    /// A pool that has had a child is somewhat slower from then on, and all pools of a tree share one
    /// point of commitment. So a thousand runs in a tree contend as on one pool.
    ///
    /// # Errors
    ///
    /// [`InvalidChild`], if the label is not valid, or if this pool is the seventh below its root.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Child, Limits, Usage, Usd};
    ///
    /// let team = BudgetPool::new(Limits::unlimited().cost(Usd::dollars(10)));
    /// let run = team.child(Child::new(Limits::unlimited().cost(Usd::dollars(1))).label("run 7"))?;
    /// let agent = run.child(Limits::unlimited().calls(100))?;
    ///
    /// let usage = Usage::tokens(1_000, 500).cost(Usd::cents(60));
    /// agent.try_charge(usage)?;
    /// assert_eq!(team.spent().cost, Usd::cents(60));
    ///
    /// let rejected = agent.try_charge(usage).unwrap_err();
    /// assert_eq!(rejected.level().label(), "run 7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn child(&self, child: impl Into<Child>) -> Result<ChildPool<'_>, InvalidChild> {
        Ok(ChildPool {
            // This pool is borrowed for as long as the child lives.
            pool: self.new_child(child.into(), None)?,
            parent: PhantomData,
        })
    }

    /// [`child`](Self::child) for a spawned task: the child keeps its parent alive.
    ///
    /// # Errors
    ///
    /// As [`child`](Self::child).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let team = Arc::new(BudgetPool::unconstrained());
    /// let run = team.child_owned(Limits::unlimited().calls(1))?;
    /// let spender = std::thread::spawn(move || run.try_charge(Usage::ZERO).is_ok());
    /// assert!(spender.join().unwrap());
    /// assert_eq!(team.spent().calls, 1);
    /// # Ok::<(), token_budget_pool::InvalidChild>(())
    /// ```
    pub fn child_owned(
        self: &Arc<Self>,
        child: impl Into<Child>,
    ) -> Result<Arc<BudgetPool>, InvalidChild> {
        self.new_child(child.into(), Some(Arc::clone(self)))
            .map(Arc::new)
    }

    /// Without a parent to keep, the caller borrows this pool for as long as the child lives.
    fn new_child(
        &self,
        child: Child,
        parent: Option<Arc<BudgetPool>>,
    ) -> Result<BudgetPool, InvalidChild> {
        let Child {
            label,
            limits,
            spent,
            closed,
        } = child;
        let (root, path) = (self.root(), self.path());
        let label = label?.words();
        if path.length() == BELOW_ROOT {
            return Err(InvalidChild::TooDeep);
        }
        let path = root.take_node(path, label).ok_or(InvalidChild::TooMany)?;
        let node = Node {
            // SAFETY: the register lies in the root pool. That pool stays alive and where it is as long as
            // this node lives. If `parent` is `Some`, the parent lies in an `Arc`. It is the root, or a
            // child for which the same holds. If it is `None`, the child lies in a `ChildPool`, which
            // borrows the parent, never lets the child out, and has a `Drop`, so that the borrow
            // lasts until the child is dropped.
            root: unsafe { RootRef::new(root) },
            path,
            _parent: parent,
        };
        let open = Open {
            spent,
            limits,
            closed,
        };
        match node.update(open) {
            Answer::Done(()) => Ok(BudgetPool::from_node(node)),
            Answer::Refused(never) => match never {},
        }
    }
}

/// A child that borrows its parent, from [`BudgetPool::child`]. It derefs to [`BudgetPool`]. It cannot go into a
/// spawned task: see [`BudgetPool::child_owned`].
///
/// It cannot outlive its parent. Also where it is not used any more, its drop is a use:
///
/// ```compile_fail,E0505
/// use token_budget_pool::{BudgetPool, Limits, Usage};
///
/// let team = BudgetPool::unconstrained();
/// let run = team.child(Limits::unlimited()).unwrap();
/// drop(team); // error: `team` is borrowed
/// ```
pub struct ChildPool<'p> {
    pool: BudgetPool,
    parent: PhantomData<&'p BudgetPool>,
}

impl Deref for ChildPool<'_> {
    type Target = BudgetPool;

    fn deref(&self) -> &BudgetPool {
        &self.pool
    }
}

impl Drop for ChildPool<'_> {
    // The drop of `pool` uses the parent. Only with a `Drop` here does the compiler know that the
    // parent must still be there.
    fn drop(&mut self) {}
}

impl fmt::Debug for ChildPool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

/// A place in a tree, which is given back when this is dropped.
pub(crate) struct Node {
    root: RootRef<Register>,
    path: Path,
    /// Dropped after this node was given back.
    _parent: Option<Arc<BudgetPool>>,
}

impl Node {
    #[inline(always)]
    pub(crate) fn root(&self) -> &Register {
        self.root.get()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    // Not inlined: see `Answer`.
    #[cold]
    #[inline(never)]
    pub(crate) fn update<O>(&self, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<AMOUNTS, TERMS>,
    {
        self.root().update_at(&self.path, operation)
    }

    /// An update whose refusal names a level.
    #[cold]
    #[inline(never)]
    pub(crate) fn admit<O>(&self, operation: O) -> Answer<O::Done, Rejected>
    where
        O: Operation<AMOUNTS, TERMS, Refusal = Rejected>,
    {
        match self.root().update_at(&self.path, operation) {
            Answer::Done(done) => Answer::Done(done),
            Answer::Refused(rejected) => {
                Answer::Refused(rejected.labelled(|depth| self.level(depth)))
            }
        }
    }

    /// Counts what has happened already. Returns also the level that its receipt is about.
    #[cold]
    #[inline(never)]
    pub(crate) fn settle(&self, settle: Settle) -> (Settled, Level) {
        match self.update(settle) {
            Answer::Done(settled) => (settled, self.level(settled.judged.depth)),
            Answer::Refused(never) => match never {},
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn read<R>(&self, look: impl Fn(&State<'_>) -> R) -> R {
        let look = |words: &Words<'_>| look(&State::of(words));
        self.root()
            .read_below(&self.path, false, look, |above, _| above)
    }

    /// Whether this holds at some level.
    pub(crate) fn any_level(&self, holds: impl Fn(&State<'_>) -> bool) -> bool {
        let holds = |words: &Words<'_>| holds(&State::of(words));
        self.root()
            .read_below(&self.path, true, holds, |above, below| above | below)
    }

    /// The room at one moment on all levels, in each dimension that of the level with the least.
    pub(crate) fn remaining(&self) -> Limits {
        let room = |words: &Words<'_>| State::of(words).snapshot().remaining();
        let least = |above: Limits, below: Limits| {
            Limits::from_fn(|dimension| {
                let rooms = [above.get(dimension), below.get(dimension)];
                rooms.into_iter().flatten().min()
            })
        };
        self.root().read_below(&self.path, true, room, least)
    }

    /// The level at `depth` on the way to this node.
    pub(crate) fn level(&self, depth: u8) -> Level {
        let label = self.root().label(&self.path, usize::from(depth));
        Level {
            depth,
            label: label.map_or(Label::NONE, Label::from_words),
            asked_below: usize::from(depth) < self.path.length(),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        match self.update(Retire) {
            Answer::Done(()) => self.root().give_back_node(&self.path),
            Answer::Refused(never) => match never {},
        }
    }
}
