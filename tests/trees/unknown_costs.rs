//! Calls whose cost is unknown, in a tree: each level that limits cost refuses them, unless a cost is
//! assumed. The cost that is assumed is the root's.

use token_budget_pool::{BudgetPool, Child, Limits, Rejected, Usage};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();
const UNPRICED: Usage = Usage::tokens(1, 2);

#[test]
fn a_call_without_a_cost_is_refused_by_the_level_that_limits_cost() {
    let root = BudgetPool::unconstrained();
    let run = root
        .child(Child::new(UNLIMITED.cost(nanos(50))).label("run"))
        .unwrap();
    let agent = run.child(UNLIMITED).unwrap();
    let refused = agent.try_charge(UNPRICED).unwrap_err();
    assert_eq!(
        refused,
        Rejected::Unpriced {
            level: run.level(),
            limit: nanos(50)
        }
    );
    assert_eq!(
        refused.to_string(),
        "the call's cost is unknown, and budget limit `cost_usd` of \"run\" (level 1) limits cost \
         to $0.00000005"
    );
    assert!(agent.try_reserve(UNPRICED).is_err());
    root.try_charge(UNPRICED).unwrap();
    assert_eq!(root.spent(), unpriced(1, spent(1, 2, 0, 1)));
    assert_eq!(agent.spent(), spent(0, 0, 0, 0));
}

#[test]
fn it_is_counted_as_unpriced_at_every_level() {
    let root = BudgetPool::unconstrained();
    let run = root.child(UNLIMITED).unwrap();
    let agent = run.child(UNLIMITED).unwrap();
    agent.try_charge(UNPRICED).unwrap();
    let receipt = agent.charge(UNPRICED);
    assert!(receipt.is_guess());
    let call = agent.try_reserve(usage(1, 1, 9)).unwrap().start();
    let _ = call.settle(UNPRICED);
    for pool in [&root, &*run, &*agent] {
        assert_eq!(pool.spent(), unpriced(3, spent(3, 6, 9, 3)));
    }
    // A new period of one node forgets its own alone.
    assert_eq!(run.take().unpriced_calls, 3);
    let unpriced_calls = [&root, &*run, &*agent].map(|pool| pool.spent().unpriced_calls);
    assert_eq!(unpriced_calls, [3, 0, 3]);
}

#[test]
fn the_cost_that_is_assumed_counts_at_every_level() {
    let root = BudgetPool::builder().assumed_cost(nanos(20)).build();
    let run = root.child(UNLIMITED.cost(nanos(50))).unwrap();
    let agent = run.child(UNLIMITED).unwrap();
    agent.try_charge(UNPRICED).unwrap();
    drop(agent.try_reserve(UNPRICED).unwrap().start());
    for pool in [&root, &*run, &*agent] {
        assert_eq!(pool.spent().cost, nanos(40));
        assert_eq!(pool.spent().unpriced_calls, 2);
        assert_eq!(pool.spent().forfeited_cost, nanos(20));
    }
    let refused = agent.try_charge(UNPRICED).unwrap_err();
    assert_eq!(refused.level().depth(), 1);
    let (_, _, numbers) = exceeded(refused);
    assert_eq!(numbers, [50, 40, 0, 20]);
}
