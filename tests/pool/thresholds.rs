//! The step that takes what is spent across a threshold reports it, once in each period.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use crate::amounts::*;
use token_budget_pool::{
    Amount, BudgetPool, Builder, Crossed, Dimension, Limits, Restore, Threshold, Usage, Usd,
};

fn percent(percent: u32) -> Threshold {
    Threshold::percent(percent).expect("a share of a limit")
}

fn input(tokens: u64) -> Usage {
    usage(tokens, 0, 0)
}

/// What a hook was told, in words. Emptied at each look.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn of(builder: Builder) -> (Log, BudgetPool) {
        let log = Log::default();
        let to = log.clone();
        let builder = builder.on_crossed(move |crossed| to.add(crossed));
        (log, builder.build())
    }

    fn add(&self, crossed: &Crossed) {
        let text = crossed.to_string();
        let short = text
            .replace(" of budget limit", "")
            .replace(" crossed:", ":");
        self.0.lock().unwrap().push(short);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[test]
fn a_threshold_is_reached_at_its_share_of_the_limit_rounded_up() {
    for (limit, per_mille, at) in [
        (10, 800, 8),
        (7, 800, 6),
        (3, 500, 2),
        (1, 1, 1),
        (1_000, 995, 995),
        (1_001, 995, 996),
        (9, 1_000, 9),
        (MOST, 1_000, MOST),
        (MOST, 1, MOST / 1_000 + 1),
    ] {
        let pool = BudgetPool::builder()
            .limits(Limits::unlimited().input_tokens(limit))
            .warn_at(Threshold::per_mille(per_mille).unwrap())
            .build();
        let what = format!("{per_mille} of {limit}");
        assert_eq!(pool.charge(input(at - 1)).crossed, None, "{what}");
        let crossed = pool.charge(input(1)).crossed.expect(&what);
        assert_eq!(crossed.per_mille(), per_mille, "{what}");
        assert_eq!(crossed.limit(), Amount::Tokens(limit), "{what}");
        assert_eq!(crossed.spent(), Amount::Tokens(at), "{what}");
    }
}

#[test]
fn each_dimension_has_its_own_threshold() {
    let limits = Limits::unlimited();
    for (limits, dimension) in [
        (limits.input_tokens(4), Dimension::InputTokens),
        (limits.output_tokens(4), Dimension::OutputTokens),
        (limits.total_tokens(10), Dimension::TotalTokens),
        (limits.cost(nanos(4)), Dimension::Cost),
        (limits.calls(4), Dimension::Calls),
    ] {
        for threshold in [percent(50), percent(50).of(dimension)] {
            let pool = BudgetPool::builder().limits(limits).warn_at(threshold);
            let pool = pool.build();
            let step = usage(2, 3, 2);
            let mut crossed: Vec<_> = [(); 4].map(|()| pool.charge(step).crossed).into();
            crossed.retain(Option::is_some);
            let [Some(crossed)] = crossed[..] else {
                panic!("{dimension}: {crossed:?}");
            };
            assert_eq!(crossed.dimension(), dimension);
        }
        let other = match dimension {
            Dimension::Calls => Dimension::Cost,
            _ => Dimension::Calls,
        };
        let pool = BudgetPool::builder().limits(limits);
        let pool = pool.warn_at(percent(50).of(other)).build();
        assert_eq!(pool.charge(usage(9, 9, 9)).crossed, None, "{dimension}");
    }
}

#[test]
fn the_step_that_crosses_reports_it_and_no_other_until_the_next_period() {
    let (log, pool) = Log::of(
        BudgetPool::builder()
            .limits(Limits::unlimited().input_tokens(10))
            .warn_at(percent(50)),
    );
    for period in 0..3 {
        let crossed = [2, 2, 2, 0, 2, 9].map(|tokens| pool.charge(input(tokens)).crossed.is_some());
        assert_eq!(crossed, [false, false, true, false, false, false]);
        assert_eq!(log.take(), ["50% `input_tokens`: limit=10, spent=6"]);
        match period {
            0 => pool.reset(),
            _ => {
                let _ = pool.take();
            }
        }
    }
}

#[test]
fn a_raised_limit_arms_it_again_and_a_lowered_one_crosses_nothing() {
    let limit = |tokens| Limits::unlimited().input_tokens(tokens);
    let (log, pool) = Log::of(BudgetPool::builder().limits(limit(10)).warn_at(percent(80)));
    let _ = pool.charge(input(8));
    assert_eq!(log.take(), ["80% `input_tokens`: limit=10, spent=8"]);
    pool.set_limits(limit(20));
    let _ = pool.charge(input(7));
    assert_eq!(log.take(), [""; 0]);
    let _ = pool.charge(input(1));
    assert_eq!(log.take(), ["80% `input_tokens`: limit=20, spent=16"]);

    pool.set_limits(limit(30));
    pool.set_limits(limit(16));
    assert_eq!(log.take(), [""; 0]);
    let _ = pool.charge(input(9));
    assert_eq!(log.take(), [""; 0]);
    // Raised, but not so far that less than the threshold is spent.
    pool.update_limits(|limits| limits.input_tokens = Some(31));
    let _ = pool.charge(input(9));
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn everything_that_spends_can_cross() {
    let builder = BudgetPool::builder()
        .limits(Limits::unlimited().cost(nanos(100)))
        .assumed_cost(nanos(60))
        .warn_at(percent(50));
    let (log, pool) = Log::of(builder);
    let start = |usage| pool.try_reserve(usage).unwrap().start();
    let (known, unknown) = (usage(1, 1, 60), Usage::tokens(1, 1));
    let steps: [(&str, &dyn Fn()); 13] = [
        ("record", &|| {
            let _ = pool.record(1, 1, 60e-9).unwrap();
        }),
        ("try_charge", &|| {
            let _ = pool.try_charge(known).unwrap();
        }),
        ("unpriced", &|| {
            let _ = pool.try_charge(unknown).unwrap();
        }),
        ("charge", &|| {
            let _ = pool.charge(known);
        }),
        ("unpriced charge", &|| {
            let _ = pool.charge(unknown);
        }),
        ("settle", &|| {
            let _ = start(usage(1, 1, 9)).settle(known);
        }),
        ("settle unpriced", &|| {
            let _ = start(usage(1, 1, 9)).settle(unknown);
        }),
        ("settle_at_least", &|| {
            let _ = start(known).settle_at_least(Usage::ZERO);
        }),
        ("report", &|| {
            let _ = start(usage(1, 1, 9)).report(known);
        }),
        ("forfeit", &|| {
            let _ = start(known).forfeit();
        }),
        ("release", &|| {
            let mut call = start(known);
            let _ = call.report(unknown);
            let _ = call.release();
        }),
        ("drop", &|| {
            let _ = start(known);
        }),
        ("drop of an unpriced call", &|| {
            let _ = start(unknown);
        }),
    ];
    for (name, step) in steps {
        step();
        let spent = pool.take().cost;
        let expected = format!("50% `cost_usd`: limit=$0.0000001, spent=${spent}");
        assert_eq!(log.take(), [expected], "{name}");
    }
}

#[test]
fn what_spends_nothing_crosses_nothing() {
    let limits = Limits::unlimited().input_tokens(10);
    let (log, pool) = Log::of(BudgetPool::builder().limits(limits).warn_at(percent(50)));
    assert!(pool.record(11, 0, 0.0).is_err());
    assert!(pool.record(7, 0, f64::NAN).is_err());
    assert!(pool.try_charge(input(11)).is_err());
    let mut reservation = pool.try_reserve(input(6)).unwrap();
    reservation.extend(input(3)).unwrap();
    reservation.shrink_to(input(7));
    assert_eq!(reservation.start().release().crossed, None);
    drop(pool.try_reserve_up_to(input(5), 0..=9, Usd::ZERO).unwrap());
    let _ = pool.charge(input(4));
    pool.set_limits(Limits::unlimited().input_tokens(8));
    pool.close();
    assert_eq!(pool.charge(input(0)).crossed, None);
    assert_eq!(log.take(), [""; 0]);
    // It was all for nothing if the next step does not cross.
    pool.set_limits(limits);
    assert!(pool.charge(input(1)).crossed.is_some());
}

#[test]
fn without_a_limit_or_with_a_limit_of_zero_there_is_no_threshold() {
    for limits in [Limits::unlimited(), Limits::unlimited().input_tokens(0)] {
        let pool = BudgetPool::builder().limits(limits).warn_at(percent(1));
        let pool = pool.build();
        assert_eq!(pool.charge(input(MOST)).crossed, None, "{limits:?}");
    }
}

#[test]
fn what_was_spent_before_a_restart_is_not_reported_again() {
    let builder = BudgetPool::builder()
        .limits(Limits::unlimited().input_tokens(10))
        .warn_at(percent(50))
        .warn_at(percent(90));
    let old = builder.clone().build();
    let _ = old.charge(input(6));
    let (log, pool) = Log::of(builder.restore(&old.snapshot(), Restore::ReservedAsSpent));
    let _ = pool.charge(input(1));
    assert_eq!(log.take(), [""; 0]);
    let _ = pool.charge(input(2));
    assert_eq!(log.take(), ["90% `input_tokens`: limit=10, spent=9"]);
}

#[test]
fn a_full_count_crosses_only_once() {
    let limits = Limits::unlimited().input_tokens(MOST).total_tokens(MOST);
    let (log, pool) = Log::of(BudgetPool::builder().limits(limits).warn_at(percent(100)));
    let _ = pool.charge(usage(MOST - 1, 0, 0));
    assert_eq!(log.take(), [""; 0]);
    assert!(pool.charge(usage(5, 5, 0)).saturated);
    let full = format!("limit={MOST}, spent={MOST}");
    assert_eq!(
        log.take(),
        [
            format!("100% `input_tokens`: {full}"),
            format!("100% `total_tokens`: {full}")
        ]
    );
    assert!(pool.charge(usage(5, 5, 0)).saturated);
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn of_several_the_hook_is_told_each_and_the_receipt_has_the_highest() {
    let builder = BudgetPool::builder()
        .limits(Limits::unlimited().input_tokens(10).calls(2))
        .warn_at(percent(90).of(Dimension::InputTokens))
        .warn_at(Threshold::per_mille(505).unwrap())
        .warn_at(percent(50));
    let (log, pool) = Log::of(builder);
    let receipt = pool.charge(input(8));
    assert_eq!(
        log.take(),
        [
            "50% `input_tokens`: limit=10, spent=8",
            "50.5% `input_tokens`: limit=10, spent=8",
            "50% `calls`: limit=2, spent=1"
        ]
    );
    let crossed = receipt.crossed.unwrap();
    assert_eq!(
        (crossed.dimension(), crossed.per_mille()),
        (Dimension::InputTokens, 505)
    );
    // Of two that are as high, the first dimension's.
    pool.reset();
    let crossed = pool.charge(input(5)).crossed.unwrap();
    assert_eq!(
        (crossed.dimension(), crossed.per_mille()),
        (Dimension::InputTokens, 500)
    );
}

#[test]
fn a_threshold_that_is_given_twice_is_reported_once() {
    let (log, pool) = Log::of(
        BudgetPool::builder()
            .limits(Limits::unlimited().input_tokens(10))
            .warn_at(percent(50).of(Dimension::InputTokens))
            .warn_at(Threshold::per_mille(500).unwrap())
            .warn_at(percent(50)),
    );
    let _ = pool.charge(input(5));
    assert_eq!(log.take(), ["50% `input_tokens`: limit=10, spent=5"]);
}

#[test]
fn the_log_line_of_a_receipt_says_what_it_crossed() {
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().cost(nanos(10)))
        .warn_at(percent(80))
        .build();
    assert_eq!(
        pool.charge(usage(1, 1, 9)).to_string(),
        "counted $0.000000009 in 1 call; spent $0.000000009 in 1 call; crossed 80% of `cost_usd`"
    );
}

#[test]
fn a_hook_may_use_its_pool_and_cross_again() {
    let log = Log::default();
    let pool = Arc::new_cyclic(|pool: &Weak<BudgetPool>| {
        let (pool, log) = (pool.clone(), log.clone());
        BudgetPool::builder()
            .limits(Limits::unlimited().input_tokens(10))
            .warn_at(percent(50))
            .warn_at(percent(80))
            .on_crossed(move |crossed| {
                let pool = pool.upgrade().expect("somebody spends from it");
                log.add(crossed);
                if crossed.per_mille() == 500 {
                    assert!(pool.charge(input(3)).crossed.is_some());
                } else {
                    pool.close();
                }
                // What happened meanwhile is not in it.
                log.add(crossed);
            })
            .build()
    });
    let receipt = pool.charge(input(5));
    assert_eq!(receipt.spent.input_tokens, 5);
    let (first, second) = (
        "50% `input_tokens`: limit=10, spent=5",
        "80% `input_tokens`: limit=10, spent=8",
    );
    assert_eq!(log.take(), [first, second, second, first]);
    assert!(pool.is_closed());
}

#[test]
fn the_last_hook_counts_and_clones_of_a_builder_share_it() {
    let log = Log::default();
    let to = log.clone();
    let builder = BudgetPool::builder()
        .limits(Limits::unlimited().calls(1))
        .warn_at(percent(100))
        .on_crossed(|_| panic!("it was replaced"))
        .on_crossed(move |crossed| to.add(crossed));
    assert!(format!("{builder:?}").contains("Fn(&Crossed)"));
    for pool in [builder.clone().build(), builder.build()] {
        pool.record(1, 1, 0.1).unwrap();
        assert_eq!(log.take(), ["100% `calls`: limit=1, spent=1"]);
    }
}

#[test]
fn a_hook_that_panics_has_its_step_counted() {
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().calls(4))
        .warn_at(percent(50))
        .on_crossed(|crossed| panic!("{crossed}"))
        .build();
    let _ = pool.charge(input(1));
    let panic = catch_unwind(AssertUnwindSafe(|| pool.charge(input(1)))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert_eq!(
        message,
        "50% of budget limit `calls` crossed: limit=4, spent=2"
    );
    assert_eq!(pool.spent().calls, 2);

    // In a drop too. There it ends the call.
    pool.reset();
    let call = pool.try_reserve(input(1)).unwrap().start();
    let _ = pool.charge(input(1));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(call))).is_err());
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.spent.calls, snapshot.calls_in_flight), (2, 0));
}

/// The call knows what it has reported, though it never got the receipt.
#[test]
fn a_hook_that_panics_in_a_report_has_nothing_counted_twice() {
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().input_tokens(100))
        .warn_at(percent(30))
        .on_crossed(|crossed| panic!("{crossed}"))
        .build();
    let _other = pool.try_reserve(input(50)).unwrap();
    let mut call = pool.try_reserve(input(50)).unwrap().start();
    assert!(catch_unwind(AssertUnwindSafe(|| call.report(input(40)))).is_err());
    assert_eq!(call.reported().input_tokens, 40);
    assert_eq!(call.reserved().input_tokens, 10);
    drop(call);
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.spent.input_tokens, 50);
    assert_eq!(snapshot.reserved.input_tokens, 50);
}

#[test]
fn a_hook_that_panics_while_a_panic_drops_the_call_does_not_abort() {
    let calls = Arc::new(OnceLock::new());
    let seen = calls.clone();
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().calls(1))
        .warn_at(percent(100))
        .on_crossed(move |crossed| {
            seen.set(*crossed).expect("it is called once");
            panic!("of the hook");
        })
        .build();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _call = pool.try_reserve(input(1)).unwrap().start();
        panic!("of the task");
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"of the task"));
    assert!(calls.get().is_some());
    assert_eq!(pool.spent().forfeited_calls, 1);
}

#[test]
fn a_share_that_makes_no_sense_is_an_error_that_names_it() {
    for (invalid, value, message) in [
        (
            Threshold::percent(0),
            0,
            "invalid threshold: 0 percent of a limit is not between 1 and 100",
        ),
        (
            Threshold::percent(101),
            101,
            "invalid threshold: 101 percent of a limit is not between 1 and 100",
        ),
        (
            Threshold::per_mille(0),
            0,
            "invalid threshold: 0 per mille of a limit is not between 1 and 1000",
        ),
        (
            Threshold::per_mille(1_001),
            1_001,
            "invalid threshold: 1001 per mille of a limit is not between 1 and 1000",
        ),
        (
            Threshold::percent(u32::MAX),
            u32::MAX,
            "invalid threshold: 4294967295 percent of a limit is not between 1 and 100",
        ),
    ] {
        let invalid = invalid.unwrap_err();
        assert_eq!(
            (invalid.value(), invalid.to_string().as_str()),
            (value, message)
        );
    }
    for percent in 1..=100 {
        let same = Threshold::per_mille(10 * percent);
        assert_eq!(Threshold::percent(percent), same);
        assert!(same.is_ok());
    }
}
