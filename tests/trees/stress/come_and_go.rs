//! Children that are made and dropped while others spend: nothing is lost above, nothing of an old child
//! is in a new one, and other nodes do not notice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use token_budget_pool::{Amounts, BudgetPool, Child, Limits, Spent};

use crate::mixed::Mixed;
use crate::ratio::{in_ratio, is_in_ratio};
use crate::together::{all_well, together};

#[test]
fn many_threads_on_children_of_their_own() {
    let root = BudgetPool::new(Limits::unlimited().calls(20_000));
    together(4, |_| {
        for _ in 0..75 {
            let run = root.child(Limits::unlimited().calls(90)).unwrap();
            let agent = run.child(Limits::unlimited()).unwrap();
            for _ in 0..100 {
                let _ = agent.try_charge(in_ratio(1));
            }
            assert!(run.spent().calls <= 90 && agent.spent() == run.spent());
        }
    });
    assert_eq!(root.spent().calls, 20_000);
    assert_eq!(root.spent().input_tokens, 20_000);
}

#[test]
fn children_come_and_go_beside_others_that_stay() {
    const TIMES: u64 = 1_500;
    let root = Arc::new(BudgetPool::unconstrained());
    let stays = root
        .child_owned(Child::new(Limits::unlimited()).label("stays"))
        .unwrap();
    let (writers, done) = (3, AtomicU64::new(0));
    let spent = together(writers + 2, |number| {
        let mut mixed = Mixed(number + 1);
        let mut spent = 0;
        if number == writers {
            // Spends from the one that stays, which nobody else does.
            while all_well() && done.load(Ordering::Acquire) < writers {
                spent += 1;
                assert_eq!(stays.try_charge(in_ratio(1)).unwrap().calls, spent);
            }
            return spent;
        }
        if number > writers {
            // Sees every child with its own label, and with no more than it can have spent.
            while all_well() && done.load(Ordering::Acquire) < writers {
                let tree = root.tree_snapshot();
                for pool in tree.iter().skip(1) {
                    let snapshot = pool.snapshot;
                    assert!(is_in_ratio(snapshot.spent), "{tree}");
                    match pool.label.as_str() {
                        "stays" => assert_eq!(snapshot.limits, Limits::unlimited()),
                        label => {
                            let owner = label.strip_prefix("run ").expect("a run");
                            let input = snapshot.limits.input_tokens.expect("its limit");
                            assert_eq!(owner, (input - 100).to_string(), "{tree}");
                            assert!(snapshot.spent.input_tokens <= input, "{tree}");
                        }
                    }
                }
            }
            return 0;
        }
        let label = format!("run {number}");
        for _ in 0..TIMES {
            let limits = Limits::unlimited().input_tokens(100 + number);
            let run = root.child_owned(Child::new(limits).label(&label)).unwrap();
            let parent = match mixed.below(2) {
                0 => Arc::clone(&run),
                _ => run.child_owned(Child::new(limits).label(&label)).unwrap(),
            };
            assert_eq!(
                (run.spent(), parent.spent()),
                (Spent::default(), Spent::default())
            );
            drop(run);
            for _ in 0..mixed.below(4) {
                let amount = 1 + mixed.below(9);
                parent.try_charge(in_ratio(amount)).unwrap();
                spent += amount;
            }
            assert_eq!(parent.level().label(), label);
            let call = parent.try_reserve_owned(in_ratio(3)).unwrap();
            drop(parent);
            if mixed.below(2) == 0 {
                drop(call);
            } else {
                drop(call.start());
                spent += 3;
            }
        }
        done.fetch_add(1, Ordering::Release);
        spent
    });
    let sum: u64 = spent.iter().sum();
    let snapshot = root.snapshot();
    assert!(is_in_ratio(snapshot.spent));
    assert_eq!(snapshot.spent.input_tokens, sum);
    assert_eq!(snapshot.reserved, Amounts::default());
    assert_eq!(stays.spent().input_tokens, spent[writers as usize]);
    let left = root.tree_snapshot();
    assert_eq!(left.children.len(), 1, "{left}");
}

#[test]
fn a_pool_that_is_closed_above_admits_nothing_after_that() {
    for round in 0..8 {
        let root = BudgetPool::unconstrained();
        let team = root.child(Limits::unlimited()).unwrap();
        let runs = [(); 3].map(|()| team.child(Limits::unlimited()).unwrap());
        let closed = AtomicU64::new(0);
        let admitted = together(4, |number| {
            let Some(run) = runs.get(number as usize) else {
                while all_well() && runs[0].spent().calls < round {}
                team.close();
                closed.store(1, Ordering::Release);
                return 0;
            };
            let mut admitted = 0;
            while all_well() {
                let was_closed = closed.load(Ordering::Acquire) == 1;
                match run.try_charge(in_ratio(1)) {
                    Ok(_) => {
                        assert!(!was_closed, "admitted after the close");
                        admitted += 1;
                    }
                    Err(refused) => {
                        assert!(refused.is_closed());
                        assert_eq!(refused.level().depth(), 1);
                        break;
                    }
                }
            }
            admitted
        });
        assert_eq!(root.spent().calls, admitted.iter().sum::<u64>());
    }
}
