//! What users of version 0.1 could write, they still can: the same derives and auto
//! traits, struct literals and patterns without `..`, the same text for people, and on
//! sane input the same answers as the published crate, call for call.
//!
//! The published crate itself is here as `published`. Answers and texts are compared with its
//! own, not with a memory of them.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::panic::{RefUnwindSafe, UnwindSafe};

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use token_budget_pool::{BudgetExceeded, BudgetPool, Caps, Limits, Totals, Usage, Usd};

fn like_caps<T>()
where
    T: Debug + Clone + Copy + Default + PartialEq,
    T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static,
{
}

fn like_an_error<T>()
where
    T: Debug + Clone + Copy + PartialEq + Display + Error,
    T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static,
{
}

fn like_a_pool<T>()
where
    T: Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static,
{
}

#[test]
fn derives_and_auto_traits_are_those_of_0_1() {
    like_caps::<published::Caps>();
    like_caps::<Caps>();
    like_caps::<published::Totals>();
    like_caps::<Totals>();
    like_an_error::<published::BudgetExceeded>();
    like_an_error::<BudgetExceeded>();
    like_a_pool::<published::BudgetPool>();
    like_a_pool::<BudgetPool>();
}

#[test]
fn signatures_are_those_of_0_1() {
    let _: fn(Caps) -> BudgetPool = BudgetPool::with_caps;
    let _: fn() -> BudgetPool = BudgetPool::unconstrained;
    let _: fn(&BudgetPool, u64, u64, f64) -> Result<Totals, BudgetExceeded> = BudgetPool::record;
    let _: fn(&BudgetPool) -> Totals = BudgetPool::totals;
    let _: fn(&BudgetPool) -> Caps = BudgetPool::caps;
    let _: fn(&BudgetPool) = BudgetPool::reset;
    let _: fn(&Totals) -> u64 = Totals::total_tokens;
}

#[test]
fn literals_and_patterns_name_every_field() {
    let caps = Caps {
        max_input_tokens: Some(1),
        max_output_tokens: Some(2),
        max_total_tokens: Some(3),
        max_cost_usd: Some(4.0),
    };
    let Caps {
        max_input_tokens,
        max_output_tokens,
        max_total_tokens,
        max_cost_usd,
    } = caps;
    assert_eq!(
        (max_input_tokens, max_output_tokens, max_total_tokens),
        (Some(1), Some(2), Some(3))
    );
    assert_eq!(max_cost_usd, Some(4.0));
    assert_eq!(
        Caps::default(),
        Caps {
            max_input_tokens: None,
            max_output_tokens: None,
            max_total_tokens: None,
            max_cost_usd: None,
        }
    );

    let totals = Totals {
        input_tokens: 1,
        output_tokens: 2,
        cost_usd: 3.0,
        calls: 4,
    };
    let Totals {
        input_tokens,
        output_tokens,
        cost_usd,
        calls,
    } = totals;
    assert_eq!((input_tokens, output_tokens, calls), (1, 2, 4));
    assert_eq!(cost_usd, 3.0);
    assert_eq!(totals.total_tokens(), 3);

    let exceeded = BudgetExceeded {
        cap: "cost_usd",
        limit: 1.0,
        attempted: 2.0,
    };
    let BudgetExceeded {
        cap,
        limit,
        attempted,
    } = exceeded;
    assert_eq!((cap, limit, attempted), ("cost_usd", 1.0, 2.0));
}

#[test]
fn total_tokens_saturate_where_0_1_overflowed() {
    let totals = Totals {
        input_tokens: u64::MAX,
        output_tokens: 1,
        ..Totals::default()
    };
    assert_eq!(totals.total_tokens(), u64::MAX);
}

/// 0.1.0's twins of these values, whose texts are to be the same.
fn theirs(caps: Caps) -> published::Caps {
    published::Caps {
        max_input_tokens: caps.max_input_tokens,
        max_output_tokens: caps.max_output_tokens,
        max_total_tokens: caps.max_total_tokens,
        max_cost_usd: caps.max_cost_usd,
    }
}

fn same_text(ours: &impl Debug, theirs: &impl Debug) {
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    assert_eq!(format!("{ours:#?}"), format!("{theirs:#?}"));
}

#[test]
fn debug_texts_are_those_of_0_1() {
    let caps = Caps {
        max_input_tokens: Some(u64::MAX),
        max_output_tokens: None,
        max_total_tokens: Some(0),
        max_cost_usd: Some(0.1 + 0.2),
    };
    same_text(&caps, &theirs(caps));
    same_text(&Caps::default(), &published::Caps::default());
    same_text(
        &Totals {
            input_tokens: 1,
            output_tokens: 2,
            cost_usd: 0.5,
            calls: 4,
        },
        &published::Totals {
            input_tokens: 1,
            output_tokens: 2,
            cost_usd: 0.5,
            calls: 4,
        },
    );
    same_text(
        &BudgetExceeded {
            cap: "cost_usd",
            limit: 1.5,
            attempted: f64::INFINITY,
        },
        &published::BudgetExceeded {
            cap: "cost_usd",
            limit: 1.5,
            attempted: f64::INFINITY,
        },
    );
}

#[test]
fn the_debug_text_of_a_pool_is_a_snapshot_and_no_slots() {
    let pool = BudgetPool::with_caps(Caps {
        max_input_tokens: Some(100),
        max_cost_usd: Some(0.1 + 0.2),
        ..Caps::default()
    });
    pool.record(11, 22, 0.25).unwrap();
    let reservation = pool
        .try_reserve(Usage::tokens(33, 44).cost(Usd::ZERO))
        .unwrap();
    let text = format!("{pool:?}");
    let snapshot = pool.snapshot();
    for part in [
        format!("{:?}", snapshot.limits),
        format!("{:?}", snapshot.spent),
        format!("{:?}", snapshot.reserved),
    ] {
        assert!(text.contains(&part), "{part} is not in {text}");
    }
    let inside = text.to_lowercase();
    for machinery in ["slot", "head", "lane", "claim", "atomic", "version"] {
        assert!(!inside.contains(machinery), "{machinery} is in {text}");
    }
    drop(reservation);
}

#[test]
fn the_text_of_an_exceeded_cap_is_that_of_0_1() {
    let exceeded = BudgetExceeded {
        cap: "input_tokens",
        limit: 10_000.0,
        attempted: 21_000.0,
    };
    assert_eq!(
        exceeded.to_string(),
        "budget cap `input_tokens` exceeded: limit=10000, attempted=21000"
    );
    let dollars = BudgetExceeded {
        cap: "cost_usd",
        limit: 0.3,
        attempted: 0.4,
    };
    assert_eq!(
        dollars.to_string(),
        "budget cap `cost_usd` exceeded: limit=0.3, attempted=0.4"
    );
    let nothing = BudgetExceeded {
        attempted: 0.0,
        ..dollars
    };
    assert_eq!(
        nothing.to_string(),
        "budget cap `cost_usd` exceeded: limit=0.3, attempted=0"
    );
}

#[test]
fn the_doc_example_of_0_1_still_holds() {
    let pool = BudgetPool::with_caps(Caps {
        max_input_tokens: Some(10_000),
        max_output_tokens: Some(5_000),
        max_total_tokens: None,
        max_cost_usd: Some(1.0),
    });

    pool.record(1_000, 500, 0.05).unwrap(); // fits
    let err = pool.record(20_000, 0, 0.0).unwrap_err(); // input cap blown
    assert!(format!("{err}").contains("input_tokens"));
}

#[test]
fn caps_come_back_exactly_as_they_were_put_in() {
    let costs = [
        0.0,
        -0.0,
        0.1 + 0.2,
        1e-30,
        f64::MIN_POSITIVE,
        5e-324,
        1e30,
        f64::MAX,
        f64::INFINITY,
        18_446_744_073.709_553,
        1.0 / 3.0,
    ];
    for tokens in [None, Some(0), Some(1), Some(u64::MAX - 1), Some(u64::MAX)] {
        for cost in costs.map(Some).into_iter().chain([None]) {
            let caps = Caps {
                max_input_tokens: tokens,
                max_output_tokens: tokens.map(|tokens| tokens / 2),
                max_total_tokens: tokens,
                max_cost_usd: cost,
            };
            let pool = BudgetPool::with_caps(caps);
            // As long as the pool lives, whatever happens in it.
            let _ = pool.charge(Usage::tokens(1, 1));
            pool.reset();
            let back = pool.caps();
            assert_eq!(
                back.max_cost_usd.map(f64::to_bits),
                cost.map(f64::to_bits),
                "{cost:?}"
            );
            let tokens_of = |caps: Caps| {
                (
                    caps.max_input_tokens,
                    caps.max_output_tokens,
                    caps.max_total_tokens,
                )
            };
            assert_eq!(tokens_of(back), tokens_of(caps));
        }
    }
}

#[test]
fn the_default_pool_is_unconstrained() {
    for pool in [BudgetPool::default(), BudgetPool::unconstrained()] {
        assert_eq!(pool.caps(), Caps::default());
        assert_eq!(pool.limits(), Limits::unlimited());
        assert_eq!(pool.totals(), Totals::default());
        pool.record(1 << 60, 1 << 60, 1e9).unwrap();
    }
}

/// A sum of dollars that is exact both in `f64` and in nano-dollars: a 512th of a
/// dollar is 1,953,125 nano-dollars.
fn dollars() -> impl Strategy<Value = f64> {
    (0..4_096_u32).prop_map(|parts| f64::from(parts) / 512.0)
}

fn caps() -> impl Strategy<Value = Caps> {
    let tokens = || proptest::option::of(0..20_000_u64);
    let cost = proptest::option::of((0..20_000_u32).prop_map(|parts| f64::from(parts) / 512.0));
    (tokens(), tokens(), tokens(), cost).prop_map(|(input, output, total, cost)| Caps {
        max_input_tokens: input,
        max_output_tokens: output,
        max_total_tokens: total,
        max_cost_usd: cost,
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    /// `None` is a reset.
    #[test]
    fn on_sane_input_every_answer_is_that_of_the_published_crate(
        caps in caps(),
        calls in prop::collection::vec(
            proptest::option::weighted(0.97, (0..3_000_u64, 0..3_000_u64, dollars())),
            1..80,
        ),
    ) {
        let ours = BudgetPool::with_caps(caps);
        let theirs = published::BudgetPool::with_caps(theirs(caps));
        for call in calls {
            match call {
                Some((input, output, cost)) => {
                    let ours = ours.record(input, output, cost);
                    let theirs = theirs.record(input, output, cost);
                    prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
                    if let (Err(ours), Err(theirs)) = (ours, theirs) {
                        prop_assert_eq!(ours.to_string(), theirs.to_string());
                    }
                }
                None => {
                    ours.reset();
                    theirs.reset();
                }
            }
            let (ours, theirs) = (ours.totals(), theirs.totals());
            prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
            prop_assert_eq!(ours.total_tokens(), theirs.total_tokens());
        }
        prop_assert_eq!(format!("{:?}", ours.caps()), format!("{:?}", theirs.caps()));
    }
}
