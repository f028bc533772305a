//! A receipt says what its step counted, where the pool stands, and what is too much. The receipts of a
//! pool add up to what it has spent.

use crate::amounts::*;
use token_budget_pool::{BudgetPool, Excess, Limits, Receipt, Restore, Spent, Usage, Usd};

#[test]
fn a_receipt_says_what_was_beyond_the_reservation_and_beyond_the_limits() {
    let limits = Limits::unlimited()
        .input_tokens(10)
        .output_tokens(100)
        .total_tokens(50);
    let pool = BudgetPool::new(limits.cost(nanos(7)).calls(1));
    let call = pool.try_reserve(usage(5, 5, 5)).unwrap().start();
    pool.set_limits(limits.cost(nanos(7)).calls(0));
    let receipt = call.settle(usage(12, 60, 5));
    assert_eq!(receipt.overrun, excess(7, 55, 62, 0, 0));
    assert_eq!(receipt.over_reported, Excess::default());
    assert_eq!(receipt.over_limit, excess(2, 0, 22, 0, 1));
    assert!(!receipt.saturated);
    assert!(receipt.over_limit.any() && !receipt.over_reported.any());
    let text = receipt.to_string();
    for part in ["input_tokens=2", "total_tokens=22", "calls=1"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_receipt_says_in_words_what_was_counted_and_what_is_too_much_and_nothing_else() {
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(10).cost(nanos(7)));
    let mut call = pool.try_reserve(usage(3, 5, 5)).unwrap().start();
    let receipt = call.report(usage(2, 5, 3));
    assert_eq!(
        receipt.to_string(),
        "counted $0.000000003 in 0 calls; spent $0.000000003 in 0 calls"
    );
    let receipt = call.settle(usage(2, 5, 5));
    assert_eq!(
        receipt.to_string(),
        "counted $0.000000002 in 1 call; spent $0.000000005 in 1 call"
    );
    assert_eq!(receipt.overrun.to_string(), "nothing");
    assert_eq!(
        pool.charge(usage(0, 20, 0)).to_string(),
        "counted $0 in 1 call; spent $0.000000005 in 2 calls; \
         over limit: output_tokens=15"
    );
    let call = pool.try_reserve(Usage::ZERO).unwrap().start();
    assert_eq!(
        call.settle(usage(0, 0, 4)).to_string(),
        "counted $0.000000004 in 1 call; spent $0.000000009 in 3 calls; \
         beyond its reservation: cost_usd=$0.000000004; \
         over limit: output_tokens=15, cost_usd=$0.000000002"
    );

    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(0, 9, 0)).unwrap().start();
    let _ = call.report(usage(0, 9, 0));
    assert_eq!(
        call.settle(usage(0, 7, 0)).to_string(),
        "counted $0 in 1 call; spent $0 in 1 call; \
         reported too much: output_tokens=2, total_tokens=2"
    );
    let _ = pool.charge(usage(MOST, 0, 0));
    let call = pool.try_reserve(usage(0, 0, 0)).unwrap().start();
    assert_eq!(
        call.release().to_string(),
        "counted $0 in 0 calls; spent $0 in 2 calls; the count is full"
    );
}

/// What the log line calls a guess, after it was checked against `is_guess`.
fn guess(receipt: Receipt) -> Option<String> {
    let text = receipt.to_string();
    let (counted, rest) = text.split_once("; ").expect("two parts");
    assert!(rest.starts_with("spent $"), "{text}");
    assert!(!rest.contains("guess"), "{text}");
    let guess = counted.split_once(" (a guess: ").map(|(_, kinds)| {
        let kinds = kinds.strip_suffix(')').expect("a closing parenthesis");
        kinds.to_owned()
    });
    assert_eq!(receipt.is_guess(), guess.is_some(), "{text}");
    guess
}

#[test]
fn a_receipt_is_a_guess_if_its_call_is_forfeited_or_unpriced_and_the_log_line_says_which() {
    let pool = BudgetPool::unconstrained();
    let start = |usage| pool.try_reserve(usage).unwrap().start();
    // Guesses that other calls have counted do not matter.
    drop(start(Usage::tokens(1, 1)));

    let (known, unknown) = (usage(1, 2, 3), Usage::tokens(1, 2));
    let sure = [
        pool.charge(known),
        start(known).settle(known),
        start(unknown).settle(known),
        start(known).settle_at_least(known),
        start(known).release(),
        start(unknown).release(),
        start(unknown).report(known),
        start(known).report(unknown),
    ];
    for (index, receipt) in sure.into_iter().enumerate() {
        assert_eq!(guess(receipt), None, "{index}");
    }
    let mut reported_without_cost = start(known);
    let _ = reported_without_cost.report(unknown);
    for (receipt, expected) in [
        (pool.charge(unknown), "unpriced"),
        (start(known).settle(unknown), "unpriced"),
        (reported_without_cost.release(), "unpriced"),
        (start(known).forfeit(), "forfeited"),
        (start(known).settle_at_least(usage(1, 1, 3)), "forfeited"),
        (start(unknown).forfeit(), "forfeited and unpriced"),
        (
            start(known).settle_at_least(unknown),
            "forfeited and unpriced",
        ),
    ] {
        assert_eq!(guess(receipt).as_deref(), Some(expected), "{receipt}");
    }
    assert_eq!(
        start(usage(1, 2, 30_000_000)).forfeit().counted,
        forfeited(1, 30_000_000, spent(1, 2, 30_000_000, 1))
    );
}

#[test]
fn the_log_line_of_a_forfeited_call_is_the_one_of_the_documentation() {
    let pool = BudgetPool::new(Limits::unlimited().cost(Usd::cents(5)));
    let call = pool
        .try_reserve(Usage::tokens(1_000, 500).cost(Usd::cents(3)))
        .unwrap()
        .start();
    pool.set_limits(Limits::unlimited().cost(Usd::cents(2)));
    assert_eq!(
        call.forfeit().to_string(),
        "counted $0.03 in 1 call (a guess: forfeited); spent $0.03 in 1 call; \
         over limit: cost_usd=$0.01"
    );
}

/// The sum of each field.
fn sum(one: Spent, more: Spent) -> Spent {
    let mut sum = one;
    sum.input_tokens += more.input_tokens;
    sum.output_tokens += more.output_tokens;
    sum.cost = sum.cost.checked_add(more.cost).unwrap();
    sum.calls += more.calls;
    sum.unpriced_calls += more.unpriced_calls;
    sum.forfeited_calls += more.forfeited_calls;
    sum.forfeited_cost = sum.forfeited_cost.checked_add(more.forfeited_cost).unwrap();
    sum
}

#[test]
fn what_the_receipts_counted_adds_up_to_what_the_pool_has_spent_after_every_step() {
    let assumed = BudgetPool::builder().assumed_cost(nanos(40)).build();
    for pool in [BudgetPool::unconstrained(), assumed] {
        let start = |usage| pool.try_reserve(usage).unwrap().start();
        let mut total = Spent::default();
        let mut step = |receipt: Receipt| {
            total = sum(total, receipt.counted);
            assert_eq!(receipt.spent, total);
            assert_eq!(pool.spent(), total);
        };
        step(pool.charge(usage(1, 2, 3)));
        step(pool.charge(Usage::tokens(5, 8)));
        for estimate in [usage(100, 200, 300), Usage::tokens(100, 200)] {
            for actual in [usage(130, 20, 270), Usage::tokens(30, 210)] {
                step(start(estimate).settle(actual));
                step(start(estimate).settle_at_least(actual));
                step(start(estimate).forfeit());
                step(start(estimate).release());
                for reported in [usage(10, 20, 30), Usage::tokens(10, 220), actual] {
                    let mut calls = [(); 4].map(|()| start(estimate));
                    for call in &mut calls {
                        step(call.report(reported));
                        step(call.report(reported));
                    }
                    let [settled, cut_off, forfeited, released] = calls;
                    step(settled.settle(actual));
                    step(cut_off.settle_at_least(actual));
                    step(forfeited.forfeit());
                    step(released.release());
                }
            }
        }
        assert_nothing_is_reserved(&pool);
        assert!(total.forfeited_calls > 0 && total.unpriced_calls > 0);
        // A charge that is admitted counts what it adds, and has no receipt.
        let admitted = pool.try_charge(usage(1, 1, 1)).unwrap();
        assert_eq!(admitted, sum(total, spent(1, 1, 1, 1)));
    }
}

#[test]
fn receipts_add_up_from_what_was_restored_and_from_zero_after_a_reset() {
    let old = BudgetPool::unconstrained();
    let _ = old.charge(Usage::tokens(10, 20));
    drop(old.try_reserve(usage(1, 2, 3)).unwrap().start());
    let builder = BudgetPool::builder();
    let pool = builder
        .restore(&old.snapshot(), Restore::WithoutReserved)
        .build();
    let receipt = pool.charge(Usage::tokens(1, 1));
    assert_eq!(receipt.counted, unpriced(1, spent(1, 1, 0, 1)));
    assert_eq!(receipt.spent, sum(old.spent(), receipt.counted));

    let call = pool.try_reserve(usage(1, 2, 3)).unwrap().start();
    pool.reset();
    let receipt = call.forfeit();
    assert_eq!(receipt.spent, receipt.counted);
    assert_eq!(pool.spent(), forfeited(1, 3, spent(1, 2, 3, 1)));
}
