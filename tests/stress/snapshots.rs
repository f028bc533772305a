//! A snapshot is of one state, and no older than what its thread saw before.

use std::sync::atomic::{AtomicU64, Ordering};

use token_budget_pool::{Amounts, BudgetPool, Snapshot, Usage};

use crate::mixed::Mixed;
use crate::ratio::{in_ratio, is_in_ratio};
use crate::together::{all_well, together};

#[test]
fn snapshots_are_of_one_state_and_never_run_backwards() {
    const STATES: u64 = 2_000;
    let pool = BudgetPool::unconstrained();
    let (readers, enough) = (2, AtomicU64::new(0));
    together(2 + readers, |number| {
        if number < 2 {
            let mut mixed = Mixed(number + 1);
            while all_well() && enough.load(Ordering::Relaxed) < readers {
                let amount = 1 + mixed.below(100);
                if mixed.below(2) == 0 {
                    pool.try_charge(in_ratio(amount)).unwrap();
                } else {
                    let call = pool.try_reserve(in_ratio(amount)).unwrap().start();
                    let _ = call.settle(in_ratio(amount + 1));
                }
            }
            return;
        }
        let (mut before, mut states) = (pool.snapshot(), 0);
        while all_well() && states < STATES {
            let now = pool.snapshot();
            consistent(now);
            assert!(before.spent.calls <= now.spent.calls);
            assert!(before.spent.input_tokens <= now.spent.input_tokens);
            let moved = now.spent != before.spent || now.reserved != before.reserved;
            states += u64::from(moved);
            let totals = pool.totals();
            assert_eq!(totals.output_tokens, 2 * totals.input_tokens);
            assert!(totals.calls >= now.spent.calls);
            before = now;
        }
        enough.fetch_add(1, Ordering::Relaxed);
    });
    let last = pool.snapshot();
    consistent(last);
    assert_eq!(last.reserved, Amounts::default());
}

fn consistent(snapshot: Snapshot) {
    assert!(is_in_ratio(snapshot.spent), "{snapshot:?}");
    let reserved = snapshot.reserved;
    assert_eq!(
        Usage::from(reserved),
        in_ratio(reserved.input_tokens),
        "{snapshot:?}"
    );
    assert_eq!(reserved.input_tokens > 0, snapshot.calls_in_flight > 0);
    assert!(snapshot.calls_in_flight <= 2);
}
