//! What is spent and reserved never passes a limit, at any level, and adds up in the end.

use std::sync::atomic::{AtomicU64, Ordering};

use token_budget_pool::{Amounts, BudgetPool, Limits, TreeSnapshot};

use crate::mixed::Mixed;
use crate::ratio::{in_ratio, is_in_ratio};
use crate::together::{all_well, together};

/// Each of these three levels refuses some calls, since its limit is less than what the pools below it may
/// take together. The first team is full long before the root is.
const ROOT: u64 = 4_000;
const TEAMS: [u64; 2] = [1_000, 2_500];
const RUN: u64 = 900;

fn never_past_a_limit(tree: &TreeSnapshot) {
    for pool in tree.iter() {
        let snapshot = pool.snapshot;
        let taken = snapshot.spent.input_tokens + snapshot.reserved.input_tokens;
        let limit = snapshot.limits.input_tokens.unwrap_or(u64::MAX);
        assert!(taken <= limit, "{}: {snapshot:?}", pool.label);
        assert!(is_in_ratio(snapshot.spent), "{}: {snapshot:?}", pool.label);
    }
}

#[test]
fn no_limit_is_passed_at_any_level_and_all_sums_are_exact() {
    let limits = |input| Limits::unlimited().input_tokens(input);
    let root = BudgetPool::new(limits(ROOT));
    let teams = TEAMS.map(|team| root.child(limits(team)).unwrap());
    let runs: Vec<_> = teams
        .iter()
        .flat_map(|team| [(); 3].map(|()| team.child(limits(RUN)).unwrap()))
        .collect();
    // Every pool may be asked, not only a leaf.
    let pools: Vec<&BudgetPool> = runs
        .iter()
        .chain(&teams)
        .map(|pool| &**pool)
        .chain([&root])
        .collect();

    let (writers, done) = (4, AtomicU64::new(0));
    let counted = together(writers + 1, |number| {
        let mut own = vec![0; pools.len()];
        let mut refused_at = [0_u64; 3];
        if number == writers {
            let mut sampled = 0;
            while all_well() && (done.load(Ordering::Relaxed) < writers || sampled < 50) {
                never_past_a_limit(&root.tree_snapshot());
                sampled += 1;
            }
            return (own, refused_at);
        }
        let mut mixed = Mixed(number + 1);
        for _ in 0..8_000 {
            let which = mixed.below(pools.len() as u64) as usize;
            let pool = pools[which];
            let amount = 1 + mixed.below(60);
            let refused = match mixed.below(8) {
                // Much is reserved and little is spent. So the room lasts, and refusals come and go.
                0 => pool.try_charge(in_ratio(1)).map(|_| own[which] += 1),
                1 | 2 => pool.try_reserve(in_ratio(amount)).map(|reservation| {
                    let _ = reservation.start().settle(in_ratio(1));
                    own[which] += 1;
                }),
                3 => pool.try_reserve(in_ratio(amount)).map(|reservation| {
                    let mut call = reservation.start();
                    let _ = call.report(in_ratio(1));
                    own[which] += 1;
                    let _ = call.release();
                }),
                4 => pool.try_reserve(in_ratio(amount)).map(|mut reservation| {
                    let _ = reservation.extend(in_ratio(9));
                    reservation.shrink_to(in_ratio(1));
                    drop(reservation.start());
                    own[which] += 1;
                }),
                _ => pool.try_reserve(in_ratio(10 * amount)).map(drop),
            };
            if let Err(refused) = refused {
                let depth = usize::from(refused.level().depth());
                assert!(depth <= usize::from(pool.level().depth()));
                refused_at[depth] += 1;
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
        (own, refused_at)
    });

    let tree = root.tree_snapshot();
    never_past_a_limit(&tree);
    let own = |which: usize| counted.iter().map(|(own, _)| own[which]).sum::<u64>();
    let runs_spent: Vec<u64> = (0..6).map(own).collect();
    let teams_spent: Vec<u64> = (0..2)
        .map(|team| own(6 + team) + runs_spent[3 * team..3 * team + 3].iter().sum::<u64>())
        .collect();
    let root_spent = own(8) + teams_spent.iter().sum::<u64>();
    let expected = runs_spent
        .into_iter()
        .chain(teams_spent)
        .chain([root_spent]);
    for (pool, expected) in pools.iter().zip(expected) {
        let snapshot = pool.snapshot();
        assert_eq!(snapshot.spent.input_tokens, expected);
        assert_eq!(snapshot.reserved, Amounts::default());
        assert_eq!(snapshot.calls_in_flight, 0);
    }
    // Otherwise nothing was shown of a level.
    for depth in 0..3 {
        let refused: u64 = counted
            .iter()
            .map(|(_, refused_at)| refused_at[depth])
            .sum();
        assert!(refused > 0, "level {depth} refused nothing");
    }
}
