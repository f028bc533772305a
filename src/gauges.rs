//! The numbers of a snapshot for monitoring: as Prometheus text, and through the facade `metrics`.

use std::fmt::{self, Write};

use crate::dimension::{Amount, Dimension};
use crate::snapshot::Snapshot;

/// A number for each dimension, in the unit of the dimension.
struct Measure {
    name: &'static str,
    help: &'static str,
    /// `None` where there is no limit.
    value: fn(&Snapshot, Dimension) -> Option<u128>,
}

const MEASURES: [Measure; 4] = [
    Measure {
        name: "spent",
        help: "Counted since the start or the last reset",
        value: |snapshot, dimension| Some(dimension.of(&snapshot.spent.tally())),
    },
    Measure {
        name: "reserved",
        help: "Reserved for calls in flight",
        value: |snapshot, dimension| Some(dimension.of(&snapshot.reserved())),
    },
    Measure {
        name: "limit",
        help: "The limit, where there is one",
        value: |snapshot, dimension| snapshot.limits.get(dimension).map(u128::from),
    },
    Measure {
        name: "remaining",
        help: "What is neither spent nor reserved, where there is a limit",
        value: |snapshot, dimension| snapshot.remaining().get(dimension).map(u128::from),
    },
];

/// Dimensions that are counted in one unit.
const UNITS: [(&str, &[Dimension]); 3] = [
    (
        "tokens",
        &[
            Dimension::InputTokens,
            Dimension::OutputTokens,
            Dimension::TotalTokens,
        ],
    ),
    ("cost_usd", &[Dimension::Cost]),
    ("calls", &[Dimension::Calls]),
];

type One = (&'static str, &'static str, fn(&Snapshot) -> Amount);

/// Numbers of the pool as a whole.
const OTHERS: [One; 4] = [
    (
        "unpriced_calls",
        "Calls counted whose cost is unknown",
        |snapshot| Amount::Calls(snapshot.spent.unpriced_calls),
    ),
    (
        "forfeited_calls",
        "Calls counted at what was reserved for them, since nobody knows what they used",
        |snapshot| Amount::Calls(snapshot.spent.forfeited_calls),
    ),
    (
        "forfeited_cost_usd",
        "The part of the cost that counts only because it was reserved",
        |snapshot| Amount::Cost(snapshot.spent.forfeited_cost),
    ),
    (
        "closed",
        "1 if this pool was closed (not if one above it was)",
        |snapshot| Amount::Calls(snapshot.closed.into()),
    ),
];

/// Gauges of one name and unit.
struct Family {
    name: String,
    help: &'static str,
    values: Box<dyn Fn(&Snapshot) -> Values>,
}

/// With their labels.
type Values = Vec<(Option<Dimension>, Value)>;

/// A number, exactly.
enum Value {
    /// Only the sum of two kinds of tokens is more than an amount can be.
    Tokens(u128),
    Amount(Amount),
}

fn families() -> impl Iterator<Item = Family> {
    let measured = MEASURES.iter().flat_map(|measure| {
        UNITS.iter().map(move |&(unit, dimensions)| Family {
            name: format!("budget_pool_{}_{unit}", measure.name),
            help: measure.help,
            values: Box::new(move |snapshot| {
                let value = |&dimension: &Dimension| {
                    let value = (measure.value)(snapshot, dimension)?;
                    let value = match u64::try_from(value) {
                        Ok(value) => Value::Amount(dimension.amount(value)),
                        Err(_) => Value::Tokens(value),
                    };
                    let label = (dimensions.len() > 1).then_some(dimension);
                    Some((label, value))
                };
                dimensions.iter().filter_map(value).collect()
            }),
        })
    });
    let others = OTHERS.iter().map(|&(name, help, value)| Family {
        name: format!("budget_pool_{name}"),
        help,
        values: Box::new(move |snapshot| vec![(None, Value::Amount(value(snapshot)))]),
    });
    measured.chain(others)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Tokens(count) => count.fmt(f),
            Value::Amount(Amount::Tokens(count) | Amount::Calls(count)) => count.fmt(f),
            Value::Amount(Amount::Cost(cost)) => cost.fmt(f),
        }
    }
}

impl Snapshot {
    /// These snapshots in the text format of Prometheus (`text/plain; version=0.0.4`), each with a label `pool`. The
    /// names should differ: two pools of one name would be one series with two values.
    ///
    /// | gauge | what |
    /// |---|---|
    /// | `budget_pool_spent_tokens`, `.._cost_usd`, `.._calls` | counted since the start or the last reset |
    /// | `budget_pool_reserved_tokens`, `.._cost_usd`, `.._calls` | reserved for calls in flight; of calls, how many are in flight |
    /// | `budget_pool_limit_tokens`, `.._cost_usd`, `.._calls` | the limit; nothing, if there is none |
    /// | `budget_pool_remaining_tokens`, `.._cost_usd`, `.._calls` | what is left of the limit; nothing, if there is none |
    /// | `budget_pool_unpriced_calls`, `budget_pool_forfeited_calls`, `budget_pool_forfeited_cost_usd` | what is a guess: see [`Spent`](crate::Spent) |
    /// | `budget_pool_closed` | 1 if this pool was [closed](crate::BudgetPool::close) |
    ///
    /// Those of tokens have a label `dimension` too: `input_tokens`, `output_tokens` or `total_tokens`, which is
    /// their sum and has a limit of its own. Money is in dollars. The numbers are exact, and those of a pool are of
    /// one moment.
    ///
    /// How many calls were refused is not here: a full pool turns calls away without writing to memory that
    /// threads share, and a count would. Count them where you handle the error. It says which
    /// [level](crate::Rejected::level) and [dimension](crate::Rejected::dimension) were in the way.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Snapshot, Usage, Usd};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().cost(Usd::dollars(1)));
    /// pool.try_charge(Usage::tokens(1_000, 120).cost(Usd::cents(5)))?;
    /// let text = Snapshot::prometheus_text([("agents", pool.snapshot())]);
    /// assert!(text.contains("budget_pool_spent_cost_usd{pool=\"agents\"} 0.05\n"));
    /// assert!(text.contains("budget_pool_remaining_cost_usd{pool=\"agents\"} 0.95\n"));
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    #[must_use]
    pub fn prometheus_text<N: AsRef<str>>(
        pools: impl IntoIterator<Item = (N, Snapshot)>,
    ) -> String {
        Prometheus(pools.into_iter().collect()).to_string()
    }
}

/// As text.
struct Prometheus<N>(Vec<(N, Snapshot)>);

impl<N: AsRef<str>> fmt::Display for Prometheus<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Family { name, help, values } in families() {
            writeln!(f, "# HELP {name} {help}\n# TYPE {name} gauge")?;
            for (pool, snapshot) in &self.0 {
                let pool = Escaped(pool.as_ref());
                for (dimension, value) in values(snapshot) {
                    write!(f, "{name}{{pool=\"{pool}\"")?;
                    if let Some(dimension) = dimension {
                        write!(f, ",dimension=\"{dimension}\"")?;
                    }
                    writeln!(f, "}} {value}")?;
                }
            }
        }
        Ok(())
    }
}

/// The value of a label, between quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

#[cfg(feature = "metrics")]
impl Snapshot {
    /// Sets the gauges of [`prometheus_text`](Snapshot::prometheus_text) through the facade
    /// [`metrics`](https://docs.rs/metrics), with this label `pool`. Needs the feature `metrics`.
    ///
    /// Call it from time to time, such as before each scrape, or every few seconds. The pool itself never does. It
    /// takes one snapshot, and for each gauge a `String` and a look into the recorder.
    /// Numbers are `f64`s there, so above 2^53 they are rounded. The facade cannot take a gauge
    /// away: one whose limit is lifted keeps its last value, until the exporter drops what is not set any more
    /// (`idle_timeout` of `metrics-exporter-prometheus`).
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Snapshot};
    ///
    /// Snapshot::describe_gauges(); // once, after the recorder is installed
    /// # let pool = BudgetPool::unconstrained();
    /// pool.snapshot().set_gauges("agents");
    /// ```
    pub fn set_gauges(&self, pool: &str) {
        for Family { name, values, .. } in families() {
            for (dimension, value) in values(self) {
                let (name, pool) = (name.clone(), pool.to_owned());
                let gauge = match dimension {
                    Some(dimension) => {
                        metrics::gauge!(name, "pool" => pool, "dimension" => dimension.as_str())
                    }
                    None => metrics::gauge!(name, "pool" => pool),
                };
                gauge.set(value.to_f64());
            }
        }
    }

    /// Tells the facade what the gauges are. Needs the feature `metrics`.
    pub fn describe_gauges() {
        for Family { name, help, .. } in families() {
            metrics::describe_gauge!(name, help);
        }
    }
}

#[cfg(feature = "metrics")]
impl Value {
    fn to_f64(&self) -> f64 {
        match self {
            Value::Tokens(count) => *count as f64,
            Value::Amount(Amount::Tokens(count) | Amount::Calls(count)) => *count as f64,
            Value::Amount(Amount::Cost(cost)) => cost.to_f64(),
        }
    }
}
