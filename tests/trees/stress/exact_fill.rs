//! A call that fits is not refused: siblings fill their parent's limit to the last call, and nobody is
//! refused for what another one only tried.

use std::sync::atomic::{AtomicU64, Ordering};

use token_budget_pool::{BudgetPool, Limits};

use crate::amounts::assert_nothing_is_reserved;
use crate::ratio::in_ratio;
use crate::together::together;

#[test]
fn siblings_fill_their_parents_limit_exactly() {
    const LIMIT: u64 = 10_000;
    let limits = Limits::unlimited().calls(LIMIT);
    let root = BudgetPool::unconstrained();
    let team = root.child(limits).unwrap();
    let runs = [(); 4].map(|()| team.child(limits).unwrap());
    let admitted = together(4, |number| {
        let run = &runs[number as usize];
        let mut admitted = 0;
        loop {
            match run.try_charge(in_ratio(1)) {
                Ok(spent) => {
                    admitted += 1;
                    assert_eq!(spent.calls, admitted);
                }
                Err(refused) => {
                    // Only once the limit is reached, for good.
                    assert_eq!(refused.level().depth(), 1);
                    assert_eq!(team.spent().calls, LIMIT);
                    return admitted;
                }
            }
        }
    });
    assert_eq!(admitted.iter().sum::<u64>(), LIMIT);
    assert_eq!(root.spent().calls, LIMIT);
}

/// A reservation level by level would take room at some levels before another one refuses. Meanwhile
/// others would be refused for room that nobody takes. Here the room of the team is enough for all calls
/// that fit below it.
#[test]
fn nobody_is_refused_for_what_another_level_refuses() {
    const TIMES: u64 = 20_000;
    let root = BudgetPool::new(Limits::unlimited().input_tokens(10));
    // It refuses each call, which would take all of the root's room.
    let full = root.child(Limits::unlimited().input_tokens(0)).unwrap();
    let below = full.child(Limits::unlimited()).unwrap();
    let free = root.child(Limits::unlimited()).unwrap();
    together(4, |number| {
        for _ in 0..TIMES {
            if number % 2 == 0 {
                let refused = below.try_reserve(in_ratio(10)).map(drop).unwrap_err();
                assert_eq!(refused.level().depth(), 1);
            } else {
                // The two of them fit beside each other.
                drop(free.try_reserve(in_ratio(5)).unwrap());
            }
        }
    });
    assert_eq!(root.spent().calls, 0);
}

#[test]
fn each_level_hands_out_no_more_slots_than_it_has_and_gets_them_all_back() {
    // Two threads want four of the three slots of a run. Both runs want six of the root's five.
    const TIMES: u64 = 3_000;
    let root = BudgetPool::new(Limits::unlimited().input_tokens(5));
    let runs = [(); 2].map(|()| root.child(Limits::unlimited().input_tokens(3)).unwrap());
    let (in_run, in_root) = ([0; 2].map(AtomicU64::new), AtomicU64::new(0));
    together(4, |number| {
        let which = number as usize % 2;
        let run = &runs[which];
        for _ in 0..TIMES {
            let reservations: Vec<_> = (0..2)
                .filter_map(|_| run.try_reserve(in_ratio(1)).ok())
                .collect();
            // Counted in after the reservation and out before its end. So no more are counted than
            // there are.
            let mine = reservations.len() as u64;
            for (held, limit) in [(&in_run[which], 3), (&in_root, 5)] {
                let now = held.fetch_add(mine, Ordering::AcqRel) + mine;
                assert!(now <= limit, "{now} at a time, where {limit} are the most");
            }
            for held in [&in_run[which], &in_root] {
                held.fetch_sub(mine, Ordering::AcqRel);
            }
            drop(reservations);
        }
    });
    assert_nothing_is_reserved(&root);
    for run in &runs {
        assert_eq!(run.try_reserve(in_ratio(3)).map(drop), Ok(()));
    }
}
