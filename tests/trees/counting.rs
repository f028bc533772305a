//! What is spent and reserved counts at every level above, and at no other.

use token_budget_pool::{Amounts, BudgetPool, ChildPool, Limits, Usd};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

#[test]
fn a_charge_counts_at_every_level_above_and_at_no_other() {
    let root = BudgetPool::unconstrained();
    let a = root.child(UNLIMITED).unwrap();
    let b = root.child(UNLIMITED).unwrap();
    let aa = a.child(UNLIMITED).unwrap();
    aa.try_charge(usage(1, 2, 3)).unwrap();
    b.try_charge(usage(10, 20, 30)).unwrap();
    a.try_charge(usage(100, 200, 300)).unwrap();
    root.try_charge(usage(1_000, 2_000, 3_000)).unwrap();
    assert_eq!(aa.spent(), spent(1, 2, 3, 1));
    assert_eq!(a.spent(), spent(101, 202, 303, 2));
    assert_eq!(b.spent(), spent(10, 20, 30, 1));
    assert_eq!(root.spent(), spent(1_111, 2_222, 3_333, 4));
    assert_eq!(aa.record(1, 1, 0.5).unwrap().calls, 2);
    assert_eq!(root.totals().calls, 5);
}

#[test]
fn what_a_call_reserves_and_how_it_ends_counts_at_every_level() {
    let root = BudgetPool::unconstrained();
    let run = root.child(UNLIMITED).unwrap();
    let other = root.child(UNLIMITED).unwrap();
    let agent = run.child(UNLIMITED).unwrap();
    let path = [&root, &*run, &*agent];

    let mut call = agent.try_reserve(usage(10, 20, 30)).unwrap();
    call.extend(usage(5, 5, 5)).unwrap();
    for pool in path {
        assert_eq!(pool.snapshot().reserved, amounts(15, 25, 35));
        assert_eq!(pool.snapshot().calls_in_flight, 1);
    }
    call.shrink_to(usage(8, 8, 8));
    let mut call = call.start();
    let receipt = call.report(usage(2, 3, 4));
    assert_eq!(receipt.spent, agent.spent());
    for pool in path {
        assert_eq!(pool.snapshot().reserved, amounts(6, 5, 4));
        assert_eq!(pool.spent(), spent(2, 3, 4, 0));
    }
    let _ = call.settle(usage(7, 7, 7));
    for pool in path {
        assert_nothing_is_reserved(pool);
        assert_eq!(pool.spent(), spent(7, 7, 7, 1));
    }
    assert_eq!(other.snapshot().reserved, Amounts::default());
    assert_eq!(other.spent(), spent(0, 0, 0, 0));
}

#[test]
fn a_call_that_is_dropped_or_released_ends_at_every_level() {
    let root = BudgetPool::unconstrained();
    let run = root.child(UNLIMITED).unwrap();
    drop(run.try_reserve(usage(1, 1, 1)).unwrap());
    let _ = run.try_reserve(usage(2, 2, 2)).unwrap().start().release();
    assert_eq!(root.spent(), spent(0, 0, 0, 0));
    drop(run.try_reserve(usage(4, 4, 4)).unwrap().start());
    for pool in [&root, &*run] {
        assert_nothing_is_reserved(pool);
        assert_eq!(pool.spent(), forfeited(1, 4, spent(4, 4, 4, 1)));
    }
}

#[test]
fn siblings_compete_for_their_parents_room() {
    // Each could spend all of it, and both together no more than that.
    let team = BudgetPool::new(UNLIMITED.calls(5));
    let [a, b] = [(); 2].map(|()| team.child(UNLIMITED.calls(5)).unwrap());
    for _ in 0..3 {
        a.try_charge(usage(1, 1, 1)).unwrap();
    }
    for _ in 0..2 {
        b.try_charge(usage(1, 1, 1)).unwrap();
    }
    assert_eq!(b.snapshot().remaining().calls, Some(3));
    assert_eq!(b.remaining().calls, Some(0));
    for pool in [&a, &b] {
        assert_eq!(
            pool.try_charge(usage(1, 1, 1)).unwrap_err().level().depth(),
            0
        );
    }
    // A limit below that is wider than the parent's does not widen it.
    a.set_limits(UNLIMITED);
    assert!(a.try_charge(usage(1, 1, 1)).is_err());
}

#[test]
fn an_amount_of_output_fits_at_every_level() {
    let root = BudgetPool::new(UNLIMITED.output_tokens(500));
    let run = root.child(UNLIMITED.output_tokens(300)).unwrap();
    let agent = run.child(UNLIMITED.cost(nanos(2_000))).unwrap();
    let per_million = Usd::from_nanos(10_000_000);
    let output = |pool: &ChildPool<'_>, least| {
        pool.try_reserve_up_to(usage(1, 0, 0), least..=1_000, per_million)
            .map(|reservation| reservation.reserved().output_tokens)
    };
    // The agent's cost, the run's tokens and the root's tokens, each in turn the tightest.
    assert_eq!(output(&agent, 1), Ok(200));
    assert_eq!(output(&run, 1), Ok(300));
    root.set_limits(UNLIMITED.output_tokens(120));
    assert_eq!(output(&agent, 1), Ok(120));
    // The least is wanted in any case. The level that has no room for it is named.
    assert_eq!(output(&agent, 121).unwrap_err().level().depth(), 0);
    assert_eq!(output(&agent, 301).unwrap_err().level().depth(), 0);
    root.set_limits(UNLIMITED);
    assert_eq!(output(&agent, 301).unwrap_err().level().depth(), 1);
    run.set_limits(UNLIMITED);
    assert_eq!(output(&agent, 301).unwrap_err().level().depth(), 2);
}
