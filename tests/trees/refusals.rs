//! A refusal names the level whose limit refused, and changes nothing at any level.

use token_budget_pool::{
    BudgetPool, Caps, Child, Dimension, Level, Limits, Reason, Rejected, Usage,
};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

fn labelled(label: &str, limits: Limits) -> Child {
    Child::new(limits).label(label)
}

#[test]
fn a_refusal_names_the_level_whose_limit_refused() {
    let root = BudgetPool::unconstrained();
    let team = root.child(labelled("team", UNLIMITED.calls(3))).unwrap();
    let run = team
        .child(labelled("run", UNLIMITED.input_tokens(9)))
        .unwrap();
    let agent = run
        .child(labelled("agent", UNLIMITED.cost(nanos(9))))
        .unwrap();
    for (asked, label, depth, dimension) in [
        (usage(10, 0, 0), "run", 2, Dimension::InputTokens),
        (usage(0, 0, 10), "agent", 3, Dimension::Cost),
    ] {
        let before = root.tree_snapshot();
        let refusals = [
            agent.try_charge(asked).map(|_| ()),
            agent.check(asked),
            agent.try_reserve(asked).map(|_| ()),
        ];
        for refusal in refusals {
            let refused = refusal.unwrap_err();
            assert_eq!(refused.level().label(), label);
            assert_eq!(refused.level().depth(), depth);
            assert_eq!(refused.dimension(), Some(dimension));
        }
        assert_eq!(root.tree_snapshot(), before);
    }
    for _ in 0..3 {
        agent.try_charge(usage(1, 1, 1)).unwrap();
    }
    let refused = agent.try_charge(usage(1, 1, 1)).unwrap_err();
    assert_eq!(refused.level(), team.level());
    assert_eq!(
        refused.to_string(),
        "budget limit `calls` of \"team\" (level 1) exceeded (exhausted): \
         limit=3, spent=3, reserved=0, requested=1"
    );
}

#[test]
fn the_numbers_of_a_refusal_are_those_of_its_level() {
    let root = BudgetPool::new(UNLIMITED.input_tokens(100));
    let run = root.child(UNLIMITED.input_tokens(90)).unwrap();
    let _ = root.charge(usage(40, 0, 0));
    let _held = root.try_reserve(usage(5, 0, 0)).unwrap();
    let _ = run.charge(usage(7, 0, 0));
    let refused = run.try_charge(usage(50, 0, 0)).unwrap_err();
    assert_eq!(
        exceeded(refused),
        (Dimension::InputTokens, Reason::Busy, [100, 47, 5, 50])
    );
    assert_eq!(refused.level(), Level::ROOT);
}

#[test]
fn a_message_names_the_root_if_a_pool_below_it_was_asked() {
    let root = BudgetPool::new(UNLIMITED.calls(1));
    let run = root.child(labelled("run", UNLIMITED)).unwrap();
    let _ = run.try_charge(usage(1, 1, 1)).unwrap();
    let [below, itself] = [&*run, &root].map(|pool| pool.check(usage(1, 1, 1)).unwrap_err());
    assert_eq!(
        below.to_string(),
        "budget limit `calls` of the root exceeded (exhausted): limit=1, spent=1, reserved=0, requested=1"
    );
    assert_eq!(
        itself.to_string(),
        "budget limit `calls` exceeded (exhausted): limit=1, spent=1, reserved=0, requested=1"
    );
    assert_eq!(below, itself);
    let receipt = run.charge(usage(1, 1, 1)).to_string();
    assert!(
        receipt.ends_with("; over limit of the root: calls=1"),
        "{receipt}"
    );
}

#[test]
fn of_several_levels_the_one_with_the_worst_reason_is_named() {
    let root = BudgetPool::new(UNLIMITED.calls(3));
    let run = root.child(labelled("run", UNLIMITED.calls(2))).unwrap();
    let agent = run.child(labelled("agent", UNLIMITED.calls(9))).unwrap();
    let _first = agent.try_reserve(usage(1, 1, 1)).unwrap();
    let _second = agent.try_reserve(usage(1, 1, 1)).unwrap();
    let busy = agent.try_charge(usage(1, 1, 1)).unwrap_err();
    assert_eq!((busy.level(), busy.is_busy()), (run.level(), true));

    // The root is exhausted: worse than busy.
    for _ in 0..3 {
        let _ = root.charge(usage(1, 1, 1));
    }
    let exhausted = agent.check(usage(1, 1, 1)).unwrap_err();
    assert_eq!(exhausted.level(), Level::ROOT);
    let (dimension, reason, _) = exceeded(exhausted);
    assert_eq!((dimension, reason), (Dimension::Calls, Reason::Exhausted));

    // For the agent it can never fit: worse than exhausted.
    agent.set_limits(UNLIMITED.calls(0));
    let never = agent.check(usage(1, 1, 1)).unwrap_err();
    assert_eq!(never.level(), agent.level());
    assert_eq!(exceeded(never).1, Reason::NeverFits);

    // A cost that is unknown is worse than that, and to be closed is worst.
    run.set_limits(UNLIMITED.cost(nanos(9)));
    let unpriced = agent.check(Usage::tokens(1, 1)).unwrap_err();
    assert!(matches!(unpriced, Rejected::Unpriced { limit, .. } if limit == nanos(9)));
    assert_eq!(unpriced.level(), run.level());
    agent.close();
    let closed = agent.check(Usage::tokens(1, 1)).unwrap_err();
    assert!(closed.is_closed());
    assert_eq!(closed.level(), agent.level());
}

#[test]
fn of_levels_that_are_equally_bad_the_one_nearest_to_the_root_is_named() {
    let full = UNLIMITED.calls(1);
    let root = BudgetPool::unconstrained();
    let team = root.child(labelled("team", full)).unwrap();
    let run = team.child(labelled("run", full)).unwrap();
    let agent = run.child(labelled("agent", full)).unwrap();
    let held = agent.try_reserve(usage(1, 1, 1)).unwrap();
    let named = |asked| agent.check(asked).unwrap_err().level().label().to_owned();
    assert_eq!(named(usage(1, 1, 1)), "team"); // busy
    let _ = held.start().settle(usage(1, 1, 1));
    assert_eq!(named(usage(1, 1, 1)), "team"); // exhausted
    for pool in [&team, &run, &agent] {
        pool.set_limits(UNLIMITED.cost(nanos(1)));
    }
    assert_eq!(named(usage(1, 1, 2)), "team"); // never fits
    assert_eq!(named(Usage::tokens(1, 1)), "team"); // unpriced
    agent.close();
    run.close();
    assert_eq!(named(usage(0, 0, 0)), "run"); // closed
    team.close();
    assert_eq!(named(usage(0, 0, 0)), "team");
}

#[test]
fn a_pool_above_that_is_closed_refuses_for_all_below() {
    let root = BudgetPool::unconstrained();
    let run = root.child(labelled("run", UNLIMITED)).unwrap();
    let other = root.child(UNLIMITED).unwrap();
    let agent = run.child(UNLIMITED).unwrap();
    let mut reservation = agent.try_reserve(usage(1, 1, 1)).unwrap();
    assert!(run.close() && !run.close());
    assert!(agent.is_closed() && !root.is_closed() && !other.is_closed());
    let refused = agent.try_charge(usage(0, 0, 0)).unwrap_err();
    assert_eq!(refused, Rejected::Closed { level: run.level() });
    assert_eq!(
        refused.to_string(),
        "budget pool of \"run\" (level 1) is closed"
    );
    assert!(reservation.extend(usage(0, 0, 0)).unwrap_err().is_closed());
    assert_eq!(agent.record(1, 1, 0.0).unwrap_err().cap, "closed");
    // What was admitted still counts, and so does what has happened.
    let _ = reservation.start().settle(usage(1, 1, 1));
    let _ = agent.charge(usage(1, 1, 1));
    assert_eq!(root.spent().calls, 2);
    // A pool of its own can be closed too, and a child can be made below a closed pool.
    assert!(agent.close());
    let late = run.child(UNLIMITED).unwrap();
    assert!(late.is_closed());
    other.try_charge(usage(1, 1, 1)).unwrap();
}

#[test]
fn version_0_1_is_answered_for_the_level_nearest_to_the_root() {
    let root = BudgetPool::with_caps(Caps {
        max_output_tokens: Some(5),
        ..Caps::default()
    });
    let run = root.child(UNLIMITED.input_tokens(5)).unwrap();
    assert_eq!(run.record(6, 0, 0.0), refused("input_tokens", 5.0, 6.0));
    assert_eq!(run.record(6, 6, 0.0), refused("output_tokens", 5.0, 6.0));
    assert_eq!(run.caps().max_input_tokens, Some(5));
    assert!(run.record(1, 1, f64::NAN).is_err());
    assert_eq!((root.totals().calls, run.totals().calls), (0, 0));
}

#[test]
fn extending_a_call_needs_room_at_every_level() {
    let root = BudgetPool::new(UNLIMITED.input_tokens(20));
    let run = root
        .child(labelled("run", UNLIMITED.input_tokens(15)))
        .unwrap();
    let mut call = run.try_reserve(usage(10, 0, 0)).unwrap().start();
    let refused = call.extend(usage(6, 0, 0)).unwrap_err();
    // Its own 10 are in what is requested.
    assert_eq!(
        exceeded(refused),
        (Dimension::InputTokens, Reason::NeverFits, [15, 0, 0, 16])
    );
    assert_eq!(refused.level(), run.level());
    let _other = root.try_reserve(usage(8, 0, 0)).unwrap();
    let refused = call.extend(usage(3, 0, 0)).unwrap_err();
    assert_eq!((refused.level(), refused.is_busy()), (Level::ROOT, true));
    assert_eq!(run.snapshot().reserved, amounts(10, 0, 0));
    call.extend(usage(2, 0, 0)).unwrap();
    assert_eq!(root.snapshot().reserved, amounts(20, 0, 0));
}
