//! `try_reserve_up_to` reserves the most output tokens that fit every limit, to the last token.

use crate::amounts::{amounts, exceeded, nanos, usage, MOST};
use token_budget_pool::{BudgetPool, Dimension, Limits, Reason, Usage, Usd};

#[test]
fn the_most_output_that_fits_is_granted_to_the_last_token() {
    // Rooms, prices and fixed parts that leave remainders.
    let rooms = [0, 1, 9, 10, 11, 99, 100, 1_000];
    let prices = [0, 1, 333_333, 1_000_000, 1_500_000, 7_000_001];
    let mut limited_by = [0; 3];
    for (room, price, fixed) in rooms
        .into_iter()
        .flat_map(|room| prices.map(|price| (room, price)))
        .flat_map(|(room, price)| [0, 1, 10].map(|fixed| (room, price, fixed)))
    {
        let limits = [
            Limits::unlimited().output_tokens(room),
            Limits::unlimited().total_tokens(room),
            Limits::unlimited().cost(nanos(room)),
        ];
        for (which, limits) in limits.into_iter().enumerate() {
            let pool = BudgetPool::new(limits);
            let fixed = usage(fixed, fixed, fixed);
            let call = |output: u64| {
                let cost = (u128::from(output) * u128::from(price)).div_ceil(1_000_000);
                usage(0, output, cost as u64).checked_add(fixed).unwrap()
            };
            let fits = |output| pool.check(call(output)).is_ok();
            let most = 500;
            let expected = (0..=most).rev().find(|&output| fits(output));
            match pool.try_reserve_up_to(fixed, 0..=most, nanos(price)) {
                Ok(reservation) => {
                    let granted = expected.expect("nothing fits, and something was granted");
                    assert_eq!(Usage::from(reservation.reserved()), call(granted));
                    assert_eq!(Usage::from(pool.snapshot().reserved), call(granted));
                    if granted < most {
                        drop(reservation);
                        assert!(!fits(granted + 1));
                        limited_by[which] += 1;
                    }
                }
                Err(rejected) => {
                    assert_eq!(expected, None);
                    assert_eq!(Err(rejected), pool.check(fixed));
                }
            };
        }
    }
    assert!(limited_by.iter().all(|&times| times > 20), "{limited_by:?}");
}

#[test]
fn the_output_granted_is_never_less_than_the_least_nor_more_than_the_most() {
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(100));
    let granted = |least, most| {
        let reservation = pool.try_reserve_up_to(usage(0, 0, 0), least..=most, nanos(0));
        reservation.map(|reservation| reservation.reserved().output_tokens)
    };
    assert_eq!(granted(10, 50), Ok(50));
    assert_eq!(granted(10, 500), Ok(100));
    assert_eq!(granted(100, MOST), Ok(100));
    let (dimension, reason, numbers) = exceeded(granted(101, 500).unwrap_err());
    assert_eq!(
        (dimension, reason),
        (Dimension::OutputTokens, Reason::NeverFits)
    );
    assert_eq!(numbers, [100, 0, 0, 101]);
    // An empty range is its least.
    assert_eq!(granted(70, 20), Ok(70));
    assert_eq!(granted(1, 0), Ok(1));
    assert!(granted(101, 0).is_err());
    // The largest of everything.
    let pool = BudgetPool::unconstrained();
    let reservation = pool
        .try_reserve_up_to(usage(0, 0, 0), 0..=MOST, Usd::MAX)
        .unwrap();
    assert_eq!(reservation.reserved(), amounts(0, 1_000_000, MOST));
}

#[test]
fn an_unknown_cost_of_the_fixed_part_is_taken_at_the_assumed_cost() {
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().cost(nanos(100)))
        .assumed_cost(nanos(40))
        .build();
    let reservation = pool
        .try_reserve_up_to(Usage::tokens(1, 0), 1..=1_000, nanos(1_000_000))
        .unwrap();
    assert_eq!(reservation.reserved(), amounts(1, 60, 100));
    let _ = reservation.start().forfeit();
    assert_eq!(pool.snapshot().spent.unpriced_calls, 1);
}
