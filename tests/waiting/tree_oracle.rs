//! Random programs in a tree. After each step nobody has passed one that came earlier to the same pool or to
//! one above it, something is in the way of each that waits, and after a change of limits or a reset nobody
//! waits in vain.

use std::sync::Arc;

use proptest::prelude::*;
use token_budget_pool::{BudgetPool, Child, Limits, OwnedReservation, Rejected};

use crate::by_hand::{output, ByHand};

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(usize, u64),
    TryReserve(usize, u64),
    ShrinkTo(usize, u64),
    Drop(usize),
    Settle(usize, u64),
    Charge(usize, u64),
    /// One that waits, or that has ended and was not asked.
    GiveUp(usize),
    Poll(usize),
    Reset(usize),
    Limit(usize, u64),
    /// This one's pool goes, with all that is below and all that wait or hold there, and another comes.
    Remake(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (tokens, index) = (|| 0..60_u64, || any::<usize>());
    let with = |more: std::ops::Range<u64>| (any::<usize>(), more);
    prop_oneof![
        10 => with(tokens()).prop_map(|(pool, tokens)| Step::Wait(pool, tokens)),
        5 => with(tokens()).prop_map(|(pool, tokens)| Step::TryReserve(pool, tokens)),
        1 => with(tokens()).prop_map(|(index, most)| Step::ShrinkTo(index, most)),
        5 => index().prop_map(Step::Drop),
        4 => with(0..10).prop_map(|(index, actual)| Step::Settle(index, actual)),
        1 => with(0..10).prop_map(|(pool, tokens)| Step::Charge(pool, tokens)),
        2 => index().prop_map(Step::GiveUp),
        1 => index().prop_map(Step::Poll),
        1 => index().prop_map(Step::Reset),
        1 => with(30..120).prop_map(|(pool, limit)| Step::Limit(pool, limit)),
        1 => index().prop_map(Step::Remake),
    ]
}

/// Whose child each pool is. The first is the root.
const PARENTS: [usize; 7] = [0, 0, 0, 1, 1, 2, 3];

fn is_on_path(above: usize, mut pool: usize) -> bool {
    loop {
        if pool == above {
            return true;
        }
        if pool == 0 {
            return false;
        }
        pool = PARENTS[pool];
    }
}

struct Waiting {
    pool: usize,
    tokens: u64,
    reserving: ByHand<'static, Result<OwnedReservation, Rejected>>,
}

fn limits(tokens: u64) -> Limits {
    Limits::unlimited().output_tokens(tokens)
}

fn run(steps: &[Step]) {
    let mut pools = vec![Arc::new(BudgetPool::new(limits(100)))];
    for &parent in &PARENTS[1..] {
        pools.push(pools[parent].child_owned(limits(70)).unwrap());
    }
    let mut held: Vec<(usize, OwnedReservation)> = vec![];
    // In the order in which they came.
    let mut waiting: Vec<Waiting> = vec![];
    for &step in steps {
        let mut everywhere = false;
        match step {
            Step::Wait(pool, tokens) => {
                let pool = pool % pools.len();
                let is_behind = waiting.iter().any(|one| is_on_path(one.pool, pool));
                let mut reserving = ByHand::new(pools[pool].reserve_owned(output(tokens)));
                match reserving.poll() {
                    Some(Ok(reservation)) => {
                        assert!(!is_behind, "it has passed");
                        held.push((pool, reservation));
                    }
                    Some(Err(rejected)) => assert!(!rejected.is_busy()),
                    None => waiting.push(Waiting {
                        pool,
                        tokens,
                        reserving,
                    }),
                }
            }
            Step::TryReserve(pool, tokens) => {
                let pool = pool % pools.len();
                let reserved = pools[pool].try_reserve_owned(output(tokens));
                held.extend(reserved.ok().map(|reservation| (pool, reservation)));
            }
            Step::ShrinkTo(index, most) if !held.is_empty() => {
                let index = index % held.len();
                held[index].1.shrink_to(output(most));
            }
            Step::Drop(index) if !held.is_empty() => drop(held.remove(index % held.len())),
            Step::Settle(index, actual) if !held.is_empty() => {
                let (_, reservation) = held.remove(index % held.len());
                let _ = reservation.start().settle(output(actual));
            }
            Step::Charge(pool, tokens) => {
                let _ = pools[pool % pools.len()].charge(output(tokens));
            }
            Step::GiveUp(index) if !waiting.is_empty() => {
                drop(waiting.remove(index % waiting.len()));
            }
            Step::Poll(index) if !waiting.is_empty() => {
                let index = index % waiting.len();
                assert!(waiting[index].reserving.poll().is_none());
            }
            Step::Reset(pool) => {
                pools[pool % pools.len()].reset();
                everywhere = true;
            }
            Step::Limit(pool, tokens) => {
                pools[pool % pools.len()].set_limits(limits(tokens));
                everywhere = true;
            }
            Step::Remake(pool) if pool % pools.len() > 0 => {
                let remade = pool % pools.len();
                waiting.retain(|one| !is_on_path(remade, one.pool));
                held.retain(|&(pool, _)| !is_on_path(remade, pool));
                // Those below go first, and keep their places here.
                let mut kept = vec![];
                for pool in (remade..pools.len()).rev() {
                    let old = pools.pop().unwrap();
                    kept.push((!is_on_path(remade, pool)).then_some(old));
                }
                for (pool, old) in (remade..).zip(kept.into_iter().rev()) {
                    let parent = &pools[PARENTS[pool]];
                    let new = || parent.child_owned(Child::new(limits(70))).unwrap();
                    pools.push(old.unwrap_or_else(new));
                }
            }
            _ => {}
        }
        // Whose waiting ended, until nothing changes: what is refused makes room for nobody.
        let mut index = 0;
        while index < waiting.len() {
            if !waiting[index].reserving.is_woken() {
                index += 1;
                continue;
            }
            let one = waiting.remove(index);
            if let Ok(reservation) = one.reserving.ended() {
                let passed = waiting[..index]
                    .iter()
                    .find(|older| !older.reserving.is_woken() && is_on_path(older.pool, one.pool));
                assert!(passed.is_none(), "one that came earlier was passed");
                held.push((one.pool, reservation));
            }
        }
        for (index, one) in waiting.iter().enumerate() {
            let refusal = pools[one.pool].check(output(one.tokens)).err();
            // At some level on its path it, or an older one that waits at it, has too little room.
            let holds_up = |level: usize| {
                let room = pools[level].snapshot().remaining().output_tokens.unwrap();
                let mut older = waiting[..=index].iter();
                older.any(|older| is_on_path(level, older.pool) && older.tokens > room)
            };
            let mut levels = (0..pools.len()).filter(|&level| is_on_path(level, one.pool));
            assert!(levels.any(holds_up), "nothing is in its way");
            // Only such a step is noted at levels where nobody waits too.
            if everywhere {
                assert!(refusal.map_or(true, |refusal| refusal.is_busy()), "in vain");
            }
        }
        let now = pools[0].snapshot();
        let reserved = held.iter().map(|(_, one)| one.reserved().output_tokens);
        assert_eq!(now.reserved.output_tokens, reserved.sum());
        assert_eq!(now.calls_in_flight, held.len() as u64);
    }
    while let Some((_, reservation)) = held.pop() {
        drop(reservation);
        let (ended, still) = waiting
            .into_iter()
            .partition(|one| one.reserving.is_woken());
        waiting = still;
        for one in ended {
            held.extend(one.reserving.ended().ok().map(|new| (one.pool, new)));
        }
    }
    assert!(waiting.is_empty(), "forgotten");
    let now = pools[0].tree_snapshot();
    assert!(now.iter().all(|node| node.snapshot.calls_in_flight == 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_random_program_in_a_tree(steps in prop::collection::vec(step(), 1..80)) {
        run(&steps);
    }
}
