//! What monitoring gets of a pool: as text, and from a real exporter (feature `metrics`).

use token_budget_pool::{BudgetPool, Limits, Snapshot, Usage, Usd};

/// A pool with two limits, and a call of each kind.
fn pool() -> BudgetPool {
    let limits = Limits::unlimited()
        .input_tokens(1_000)
        .cost(Usd::dollars(2));
    let pool = BudgetPool::new(limits);
    let usage = |input| Usage::tokens(input, 20).cost(Usd::cents(5));
    pool.try_charge(usage(100)).expect("there is room");
    drop(pool.try_reserve(usage(200)).expect("there is room").start());
    let _ = pool.charge(Usage::tokens(1, 1));
    let running = pool.try_reserve(usage(300)).expect("there is room");
    std::mem::forget(running);
    pool
}

const OF_THE_POOL: &str = r#"
# HELP budget_pool_spent_tokens Counted since the start or the last reset
# TYPE budget_pool_spent_tokens gauge
budget_pool_spent_tokens{pool="agents",dimension="input_tokens"} 301
budget_pool_spent_tokens{pool="agents",dimension="output_tokens"} 41
budget_pool_spent_tokens{pool="agents",dimension="total_tokens"} 342
# HELP budget_pool_spent_cost_usd Counted since the start or the last reset
# TYPE budget_pool_spent_cost_usd gauge
budget_pool_spent_cost_usd{pool="agents"} 0.1
# HELP budget_pool_spent_calls Counted since the start or the last reset
# TYPE budget_pool_spent_calls gauge
budget_pool_spent_calls{pool="agents"} 3
# HELP budget_pool_reserved_tokens Reserved for calls in flight
# TYPE budget_pool_reserved_tokens gauge
budget_pool_reserved_tokens{pool="agents",dimension="input_tokens"} 300
budget_pool_reserved_tokens{pool="agents",dimension="output_tokens"} 20
budget_pool_reserved_tokens{pool="agents",dimension="total_tokens"} 320
# HELP budget_pool_reserved_cost_usd Reserved for calls in flight
# TYPE budget_pool_reserved_cost_usd gauge
budget_pool_reserved_cost_usd{pool="agents"} 0.05
# HELP budget_pool_reserved_calls Reserved for calls in flight
# TYPE budget_pool_reserved_calls gauge
budget_pool_reserved_calls{pool="agents"} 1
# HELP budget_pool_limit_tokens The limit, where there is one
# TYPE budget_pool_limit_tokens gauge
budget_pool_limit_tokens{pool="agents",dimension="input_tokens"} 1000
# HELP budget_pool_limit_cost_usd The limit, where there is one
# TYPE budget_pool_limit_cost_usd gauge
budget_pool_limit_cost_usd{pool="agents"} 2
# HELP budget_pool_limit_calls The limit, where there is one
# TYPE budget_pool_limit_calls gauge
# HELP budget_pool_remaining_tokens What is neither spent nor reserved, where there is a limit
# TYPE budget_pool_remaining_tokens gauge
budget_pool_remaining_tokens{pool="agents",dimension="input_tokens"} 399
# HELP budget_pool_remaining_cost_usd What is neither spent nor reserved, where there is a limit
# TYPE budget_pool_remaining_cost_usd gauge
budget_pool_remaining_cost_usd{pool="agents"} 1.85
# HELP budget_pool_remaining_calls What is neither spent nor reserved, where there is a limit
# TYPE budget_pool_remaining_calls gauge
# HELP budget_pool_unpriced_calls Calls counted whose cost is unknown
# TYPE budget_pool_unpriced_calls gauge
budget_pool_unpriced_calls{pool="agents"} 1
# HELP budget_pool_forfeited_calls Calls counted at what was reserved for them, since nobody knows what they used
# TYPE budget_pool_forfeited_calls gauge
budget_pool_forfeited_calls{pool="agents"} 1
# HELP budget_pool_forfeited_cost_usd The part of the cost that counts only because it was reserved
# TYPE budget_pool_forfeited_cost_usd gauge
budget_pool_forfeited_cost_usd{pool="agents"} 0.05
# HELP budget_pool_closed 1 if this pool was closed (not if one above it was)
# TYPE budget_pool_closed gauge
budget_pool_closed{pool="agents"} 0
"#;

#[test]
fn the_text_has_every_number_of_the_snapshot() {
    let text = Snapshot::prometheus_text([("agents", pool().snapshot())]);
    assert_eq!(text, OF_THE_POOL.trim_start());
}

#[test]
fn a_family_is_described_once_for_all_pools() {
    let (one, other) = (BudgetPool::unconstrained(), pool());
    other.close();
    let text = Snapshot::prometheus_text([("one", one.snapshot()), ("other", other.snapshot())]);
    let lines = |beginning: &str| {
        let lines = text.lines().filter(|line| line.starts_with(beginning));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(lines("# TYPE budget_pool_closed").len(), 1);
    assert_eq!(
        lines("budget_pool_closed"),
        [
            r#"budget_pool_closed{pool="one"} 0"#,
            r#"budget_pool_closed{pool="other"} 1"#
        ]
    );
    assert!(lines("budget_pool_limit_cost_usd{pool=\"one\"").is_empty());
    assert_eq!(lines("budget_pool_limit_cost_usd{pool=\"other\"").len(), 1);
}

#[test]
fn the_largest_numbers_are_exact_and_a_label_is_escaped() {
    let pool = BudgetPool::unconstrained();
    let _ = pool.charge(Usage::tokens(u64::MAX, u64::MAX).cost(Usd::MAX));
    let text = Snapshot::prometheus_text([("a\\b\"c\nd", pool.snapshot())]);
    for line in [
        r#"budget_pool_spent_tokens{pool="a\\b\"c\nd",dimension="total_tokens"} 36893488147419103230"#,
        r#"budget_pool_spent_cost_usd{pool="a\\b\"c\nd"} 18446744073.709551615"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{text}");
    }
}

#[test]
fn without_pools_there_are_only_descriptions() {
    let text = Snapshot::prometheus_text::<&str>([]);
    assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
}

/// What an exporter of the facade shows, and what we write, is the same.
#[cfg(feature = "metrics")]
#[test]
fn an_exporter_shows_the_same() {
    use std::collections::BTreeSet;

    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let scraped = recorder.handle();
    let pool = pool();
    metrics::with_local_recorder(&recorder, || {
        Snapshot::describe_gauges();
        pool.snapshot().set_gauges("agents");
    });
    let lines = |text: &str| {
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    // It does not show gauges that were never set.
    let unset = |line: &String| line.contains("_limit_calls") || line.contains("_remaining_calls");
    let expected = lines(OF_THE_POOL).into_iter().filter(|line| !unset(line));
    assert_eq!(lines(&scraped.render()), expected.collect());

    // Asked again, it is what the pool says now.
    pool.reset();
    metrics::with_local_recorder(&recorder, || pool.snapshot().set_gauges("agents"));
    let text = scraped.render();
    assert!(
        text.contains("budget_pool_spent_calls{pool=\"agents\"} 0\n"),
        "{text}"
    );
}
