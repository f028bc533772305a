//! What the threads hammer: pools that record, pools that reserve, trees whose children come and go, and
//! as the control a pool behind a lock.

use std::fmt::Debug;
use std::future::Future;
use std::ops::AddAssign;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use token_budget_pool::linger::linger;
use token_budget_pool::place::{self, Place};
use token_budget_pool::{
    Amounts, BudgetPool, Child, ChildPool, Limits, Snapshot, Spent, Totals, TreeSnapshot, Usage,
    Usd,
};

use crate::LANE;

/// A call whose amounts are in a ratio of their own: a state of two states shows.
pub fn in_ratio(amount: u64) -> Usage {
    Usage::tokens(amount, 2 * amount).cost(Usd::from_nanos(3 * amount))
}

/// Calls that a pool counted.
#[derive(Clone, Copy, Default)]
pub struct Calls {
    pub all: u64,
    /// Those that were dropped in flight.
    pub forfeited: u64,
}

impl Calls {
    pub const ONE: Calls = Calls {
        all: 1,
        forfeited: 0,
    };
    pub const ONE_FORFEITED: Calls = Calls {
        all: 1,
        forfeited: 1,
    };
}

impl AddAssign for Calls {
    fn add_assign(&mut self, more: Calls) {
        self.all += more.all;
        self.forfeited += more.forfeited;
    }
}

/// Counts so many calls of this amount.
pub fn spend(spent: &mut Spent, amount: u64, calls: Calls) {
    let cost = |calls: u64| Usd::from_nanos(3 * amount * calls);
    spent.input_tokens += amount * calls.all;
    spent.output_tokens += 2 * amount * calls.all;
    spent.cost = spent.cost.saturating_add(cost(calls.all));
    spent.calls += calls.all;
    spent.forfeited_calls += calls.forfeited;
    spent.forfeited_cost = spent.forfeited_cost.saturating_add(cost(calls.forfeited));
}

/// Which of a subject's pools a step was at, of those that last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The root of a tree, or a pool without children.
    Root,
    /// The child of a root. What is counted there is counted in the root too.
    Team,
}

impl At {
    pub const ALL: [At; 2] = [At::Root, At::Team];
}

/// What came of a step.
pub struct Stepped {
    pub at: At,
    /// What it had counted.
    pub calls: Calls,
    /// What the pool said, if it says anything.
    pub answer: Option<Totals>,
}

/// Counts a call.
pub fn record(pool: &BudgetPool, amount: u64) -> Stepped {
    let dollars = Usd::from_nanos(3 * amount).to_f64();
    let totals = pool.record(amount, 2 * amount, dollars);
    Stepped {
        at: At::Root,
        calls: Calls::ONE,
        answer: Some(totals.expect("no limit")),
    }
}

/// Reserves for a call, and ends the reservation or the call in the way of this turn.
pub fn reserve(pool: &BudgetPool, amount: u64, turn: u64) -> Stepped {
    let usage = in_ratio(amount);
    let reservation = pool.try_reserve(usage).expect("no limit");
    let (calls, answer) = match turn % 3 {
        0 => {
            let call = reservation.start();
            let receipt = place::at(Place::Settle, || call.settle(usage));
            (Calls::ONE, Some(receipt.spent.into()))
        }
        1 => {
            let call = reservation.start();
            place::at(Place::Forfeit, || drop(call));
            (Calls::ONE_FORFEITED, None)
        }
        _ => {
            place::at(Place::Drop, || drop(reservation));
            (Calls::default(), None)
        }
    };
    Stepped {
        at: At::Root,
        calls,
        answer,
    }
}

/// All that is seen of a subject at one moment.
pub trait State: PartialEq + Debug {
    /// Counts so many calls of this amount.
    fn spend(&mut self, at: At, amount: u64, calls: Calls);

    /// What a pool says when it looks so.
    fn totals(&self, at: At) -> Totals;

    fn assert_is_one_state(&self);
}

impl State for Snapshot {
    fn spend(&mut self, _: At, amount: u64, calls: Calls) {
        spend(&mut self.spent, amount, calls);
    }

    fn totals(&self, _: At) -> Totals {
        self.spent.into()
    }

    fn assert_is_one_state(&self) {
        let (all, reserved) = (self.spent, Usage::from(self.reserved));
        let spent = Usage::tokens(all.input_tokens, all.output_tokens).cost(all.cost);
        assert_eq!(spent, in_ratio(spent.input_tokens));
        assert_eq!(reserved, in_ratio(reserved.input_tokens));
        // These two are not where the others are.
        assert!(all.forfeited_calls <= all.calls && all.forfeited_cost <= all.cost);
    }
}

/// A pool or a tree of pools, and what a thread does to it.
pub trait Subject: Send + Sync + 'static {
    type State: State;

    const NAME: &'static str;

    /// What one thread has to do while the others are frozen.
    const STEPS: u64 = 1_000;

    /// How many rounds there are at least.
    const ROUNDS: usize = 300;

    /// How many freezes there are at least in each place that is asked for.
    const ENOUGH: u64 = crate::ENOUGH;

    /// Which thread goes on alone. `None` is any.
    const ALONE: Option<usize> = None;

    /// Before they are frozen, the threads have done some number of steps together, from 0 to this.
    const STEPS_BEFORE: u64 = 0;

    fn fresh() -> Self;

    /// The pool, or the root, if it is one of the library's.
    fn pool(&self) -> Option<&BudgetPool>;

    /// Does what comes at this turn, in calls of this amount.
    fn step(&self, amount: u64, turn: u64) -> Stepped;

    fn snapshot(&self) -> Self::State;

    /// What a thread does after this turn, while the others do the same.
    fn look(&self, _turn: u64) {
        place::at(Place::Snapshot, || self.snapshot()).assert_is_one_state();
    }

    /// What it takes at most where so many threads were frozen, itself not included. Each of them holds one
    /// lane, or is about to append one.
    fn most_bytes(frozen: usize) -> usize {
        LANE * frozen
    }
}

/// Every step is a record.
pub struct Records(BudgetPool);

impl Subject for Records {
    type State = Snapshot;

    const NAME: &'static str = "records";

    fn fresh() -> Self {
        Self(BudgetPool::unconstrained())
    }

    fn pool(&self) -> Option<&BudgetPool> {
        Some(&self.0)
    }

    fn step(&self, amount: u64, _: u64) -> Stepped {
        record(&self.0, amount)
    }

    fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

/// Every step is a reservation, and its end or that of its call.
pub struct Reservations(BudgetPool);

impl Subject for Reservations {
    type State = Snapshot;

    const NAME: &'static str = "reservations";

    fn fresh() -> Self {
        Self(BudgetPool::unconstrained())
    }

    fn pool(&self) -> Option<&BudgetPool> {
        Some(&self.0)
    }

    fn step(&self, amount: u64, turn: u64) -> Stepped {
        reserve(&self.0, amount, turn)
    }

    fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

/// A root with a team below it. Threads spend in both, and in children of their own below either of them,
/// or below such a child. These are made for one step, and dropped in it.
pub struct Trees {
    root: Arc<BudgetPool>,
    team: Arc<BudgetPool>,
    /// A pool in which nothing was spent.
    unused: Snapshot,
}

const TEAM: &str = "team";

impl Trees {
    /// A child of this one's, for one step.
    fn own(parent: &BudgetPool) -> ChildPool<'_> {
        place::at(Place::Make, || parent.child(Limits::unlimited())).expect("room for a child")
    }

    fn drop_own(child: ChildPool<'_>) {
        place::at(Place::DropChild, || drop(child));
    }

    /// Does what comes at this turn in a child of this one's. Nobody else has it, so what it says is known.
    fn step_in_own(&self, parent: &BudgetPool, amount: u64, turn: u64) -> Calls {
        let child = Self::own(parent);
        let stepped = reserve(&child, amount, turn);
        let mut expected = self.unused;
        expected.spend(At::Root, amount, stepped.calls);
        assert_eq!(
            place::at(Place::Snapshot, || child.snapshot()),
            expected,
            "in a child of its own"
        );
        if let Some(answer) = stepped.answer {
            assert_eq!(answer, expected.totals(At::Root), "by a child of its own");
        }
        Self::drop_own(child);
        stepped.calls
    }
}

impl State for TreeSnapshot {
    fn spend(&mut self, at: At, amount: u64, calls: Calls) {
        spend(&mut self.snapshot.spent, amount, calls);
        if at == At::Team {
            let mut children = self.children.iter_mut();
            let team = children
                .find(|child| child.label.as_str() == TEAM)
                .expect("a team");
            spend(&mut team.snapshot.spent, amount, calls);
        }
    }

    fn totals(&self, at: At) -> Totals {
        let mut nodes = self.iter();
        let node = match at {
            At::Root => nodes.next(),
            At::Team => nodes.find(|node| node.label.as_str() == TEAM),
        };
        node.expect("a root, and a team").snapshot.spent.into()
    }

    fn assert_is_one_state(&self) {
        for (depth, node) in [self].into_iter().chain(&self.children).enumerate() {
            let lasts = depth == 0 || node.label.as_str() == TEAM;
            // Only children that threads have for themselves reserve.
            let below = node.children.iter().map(|child| child.snapshot);
            let reserved: u64 = below.clone().map(|child| child.reserved.input_tokens).sum();
            if lasts || !node.children.is_empty() {
                assert_eq!(node.snapshot.reserved.input_tokens, reserved, "{self}");
            }
            let spent: u64 = below.map(|child| child.spent.input_tokens).sum();
            assert!(node.snapshot.spent.input_tokens >= spent, "{self}");
        }
        for node in self.iter() {
            node.snapshot.assert_is_one_state();
        }
    }
}

impl Subject for Trees {
    type State = TreeSnapshot;

    const NAME: &'static str = "trees whose children come and go";

    const STEPS: u64 = 100;

    // Steps take longer, and so do rounds.
    const ROUNDS: usize = 100;
    const ENOUGH: u64 = 30;
    const STEPS_BEFORE: u64 = 12;

    fn fresh() -> Self {
        place::apart(|| {
            let root = Arc::new(BudgetPool::unconstrained());
            let team = Child::new(Limits::unlimited()).label(TEAM);
            let team = root.child_owned(team).expect("a child");
            let unused = team.snapshot();
            Self { root, team, unused }
        })
    }

    fn pool(&self) -> Option<&BudgetPool> {
        Some(&self.root)
    }

    fn step(&self, amount: u64, turn: u64) -> Stepped {
        let (root, team) = (&*self.root, &*self.team);
        let (at, calls) = match turn % 8 {
            0 => return record(root, amount),
            1 => {
                return Stepped {
                    at: At::Team,
                    ..record(team, amount)
                }
            }
            2 | 3 => (At::Root, self.step_in_own(root, amount, turn / 2)),
            4 | 5 => (At::Team, self.step_in_own(team, amount, turn / 2)),
            _ => {
                let child = Self::own(team);
                let calls = self.step_in_own(&child, amount, turn / 2);
                Self::drop_own(child);
                (At::Team, calls)
            }
        };
        Stepped {
            at,
            calls,
            answer: None,
        }
    }

    fn snapshot(&self) -> TreeSnapshot {
        self.root.tree_snapshot()
    }

    /// Not often at the whole tree: that starts over until the others leave it time.
    fn look(&self, turn: u64) {
        if turn % 8 == 0 {
            place::at(Place::Snapshot, || self.snapshot()).assert_is_one_state();
        }
        for pool in [&self.root, &self.team] {
            place::at(Place::Snapshot, || pool.snapshot()).assert_is_one_state();
        }
    }

    /// Each thread has a child or two, which have slots for the lanes of all. A look at the tree allocates,
    /// and so does a thread that is about to append nodes.
    fn most_bytes(frozen: usize) -> usize {
        2_048 * (frozen + 1) * (frozen + 1)
    }
}

/// Threads wait for room, of which there is enough for one of them, and give up when they have been polled.
/// Those that are suspended with the lock of the queue stop the others that wait. The first thread does not
/// wait.
pub struct Waits(BudgetPool);

/// What one that waits asks for. There is room for one and a half of it.
const LARGE: u64 = 1 << 55;

impl Waits {
    fn wait(&self, amount: u64) -> Calls {
        let mut reserving = pin!(self.0.reserve(in_ratio(LARGE)));
        let mut context = Context::from_waker(no_waker());
        for _ in 0..2 {
            if let Poll::Ready(reserved) = reserving.as_mut().poll(&mut context) {
                let call = reserved.expect("little is spent").start();
                let _ = place::at(Place::Settle, || call.settle(in_ratio(amount)));
                return Calls::ONE;
            }
        }
        Calls::default()
    }
}

/// One that wakes nobody.
fn no_waker() -> &'static Waker {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    static WAKER: LazyLock<Waker> = LazyLock::new(|| Waker::from(Arc::new(Nobody)));
    &WAKER
}

impl Subject for Waits {
    type State = Snapshot;

    const NAME: &'static str = "those that wait";

    const ROUNDS: usize = 100;
    const ENOUGH: u64 = 30;

    const ALONE: Option<usize> = Some(0);

    fn fresh() -> Self {
        let limits = Limits::unlimited().input_tokens(LARGE + LARGE / 2);
        Self(BudgetPool::new(limits))
    }

    fn pool(&self) -> Option<&BudgetPool> {
        Some(&self.0)
    }

    fn step(&self, amount: u64, turn: u64) -> Stepped {
        if amount == 1 {
            return reserve(&self.0, amount, turn);
        }
        Stepped {
            at: At::Root,
            calls: self.wait(amount),
            answer: None,
        }
    }

    /// Without what is reserved: the thread that goes on may reserve for those that are frozen.
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.0.snapshot();
        snapshot.reserved = Amounts::default();
        snapshot.calls_in_flight = 0;
        snapshot
    }

    /// The queue is on the heap.
    fn most_bytes(frozen: usize) -> usize {
        8_192 + (LANE + 1_024) * (frozen + 1)
    }
}

/// As exact as a pool, but whoever is frozen with the lock stops everybody.
pub struct Locked(Mutex<Snapshot>);

impl Locked {
    fn with<R>(&self, work: impl FnOnce(&mut Snapshot) -> R) -> R {
        place::at(Place::Lock, || {
            let mut state = self.0.lock().expect("nobody panics with the lock");
            place::at(Place::LockHeld, || {
                linger(1);
                work(&mut state)
            })
        })
    }
}

impl Subject for Locked {
    type State = Snapshot;

    const NAME: &'static str = "a pool behind a mutex";

    fn fresh() -> Self {
        Self(Mutex::new(BudgetPool::unconstrained().snapshot()))
    }

    fn pool(&self) -> Option<&BudgetPool> {
        None
    }

    fn step(&self, amount: u64, _: u64) -> Stepped {
        self.with(|state| {
            spend(&mut state.spent, amount, Calls::ONE);
            Stepped {
                at: At::Root,
                calls: Calls::ONE,
                answer: Some(state.spent.into()),
            }
        })
    }

    fn snapshot(&self) -> Snapshot {
        self.with(|state| *state)
    }
}
