//! A tree on a terminal: a line for each pool, and how much of its tightest limit is used.

use token_budget_pool::{BudgetPool, Child, Level, Limits, Usage, Usd};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

fn shown(pool: &BudgetPool) -> String {
    pool.tree_snapshot().to_string()
}

#[test]
fn a_tree_is_shown_with_bars() {
    let team = BudgetPool::new(UNLIMITED.cost(Usd::dollars(100)));
    let run = team
        .child(Child::new(UNLIMITED.cost(Usd::dollars(60))).label("run 7"))
        .unwrap();
    let planner = run
        .child(Child::new(UNLIMITED.calls(8)).label("planner"))
        .unwrap();
    let call = |dollars| Usage::tokens(10, 10).cost(Usd::dollars(dollars));
    for _ in 0..3 {
        planner.try_charge(call(1)).unwrap();
    }
    let _held = planner.try_reserve(call(5)).unwrap();
    let _ = run.charge(call(54));
    let _ = team.charge(call(1));
    assert_eq!(
        shown(&team),
        "\
(root)       $63 of $100   [############........]  63 %  5 calls, 1 in flight
  run 7      $62 of $60    [####################] 103 %  4 calls, 1 in flight
    planner  4 of 8 calls  [##########..........]  50 %  3 calls, 1 in flight"
    );
    assert_eq!(
        shown(&planner),
        "planner  4 of 8 calls  [##########..........]  50 %  3 calls, 1 in flight"
    );
}

#[test]
fn a_pool_without_limits_shows_what_it_spent() {
    let root = BudgetPool::unconstrained();
    let _ = root.charge(usage(1, 1, 1_500_000_000));
    assert_eq!(shown(&root), "(root)  $1.5  1 call");
    let run = root.child(UNLIMITED).unwrap();
    run.close();
    assert_eq!(
        shown(&root),
        "\
(root)        $1.5  1 call
  (no label)  $0    0 calls, closed"
    );
}

#[test]
fn the_tightest_limit_is_shown() {
    let pool = BudgetPool::new(UNLIMITED.cost(Usd::dollars(1)).total_tokens(1_000).calls(3));
    let _ = pool.charge(Usage::tokens(500, 400).cost(Usd::cents(50)));
    assert_eq!(
        shown(&pool),
        "(root)  900 of 1000 total_tokens  [##################..]  90 %  1 call"
    );
}

#[test]
fn a_limit_of_zero_is_used_up_and_the_largest_one_is_not() {
    let pool = BudgetPool::new(UNLIMITED.calls(0));
    assert_eq!(
        shown(&pool),
        "(root)  0 of 0 calls  [####################] 100 %  0 calls"
    );
    pool.set_limits(UNLIMITED.input_tokens(MOST));
    let _ = pool.charge(usage(MOST / 2, 0, 0));
    assert_eq!(
        shown(&pool),
        "(root)  9223372036854775807 of 18446744073709551615 input_tokens  \
         [#########...........]  49 %  1 call"
    );
    let _ = pool.charge(usage(MOST, MOST, MOST));
    pool.set_limits(UNLIMITED.total_tokens(1));
    assert!(
        shown(&pool).contains("[####################]"),
        "{}",
        shown(&pool)
    );
}

#[test]
fn columns_stay_in_line_whatever_the_labels() {
    let root = BudgetPool::unconstrained();
    let umlaut = root
        .child(Child::new(UNLIMITED.calls(1)).label("Läufer"))
        .unwrap();
    let _below = umlaut
        .child(Child::new(UNLIMITED.calls(100)).label("0123456789abcdef0123456789abcdef"))
        .unwrap();
    assert_eq!(
        shown(&root),
        "\
(root)                                $0              0 calls
  Läufer                              0 of 1 calls    [....................]   0 %  0 calls
    0123456789abcdef0123456789abcdef  0 of 100 calls  [....................]   0 %  0 calls"
    );
}

#[test]
fn a_level_is_shown_by_its_label_and_its_depth() {
    let root = BudgetPool::unconstrained();
    let run = root.child(Child::new(UNLIMITED).label("run 7")).unwrap();
    let agent = run.child(UNLIMITED).unwrap();
    assert_eq!(Level::ROOT.to_string(), "the root");
    assert_eq!(root.level().to_string(), "the root");
    assert_eq!(run.level().to_string(), "\"run 7\" (level 1)");
    assert_eq!(agent.level().to_string(), "level 2");
}
