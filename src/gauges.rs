//! The numbers of a snapshot for monitoring: as Prometheus text, and through the facade `metrics`.

use std::fmt::{self, Write};

use crate::dimension::{Amount, Dimension};
use crate::snapshot::Snapshot;

/// Numbers of one kind, of a pool.
struct Gauge {
    name: &'static str,
    help: &'static str,
    values: Values,
}

enum Values {
    /// `None` where there is no limit.
    ByDimension(fn(&Snapshot, Dimension) -> Option<u128>),
    One(fn(&Snapshot) -> Amount),
}

/// In tokens, dollars or calls, as the dimension says.
const GAUGES: [Gauge; 8] = [
    Gauge {
        name: "budget_pool_spent",
        help: "Counted since the start or the last reset, by dimension.",
        values: Values::ByDimension(|snapshot, dimension| {
            Some(dimension.of(&snapshot.spent.tally()))
        }),
    },
    Gauge {
        name: "budget_pool_reserved",
        help: "Reserved for calls in flight, by dimension. Of calls: those in flight.",
        values: Values::ByDimension(|snapshot, dimension| Some(dimension.of(&snapshot.reserved()))),
    },
    Gauge {
        name: "budget_pool_limit",
        help: "The limit of a dimension, where there is one.",
        values: Values::ByDimension(|snapshot, dimension| {
            snapshot.limits.get(dimension).map(u128::from)
        }),
    },
    Gauge {
        name: "budget_pool_remaining",
        help: "What is neither spent nor reserved of a dimension that has a limit.",
        values: Values::ByDimension(|snapshot, dimension| {
            snapshot.remaining().get(dimension).map(u128::from)
        }),
    },
    Gauge {
        name: "budget_pool_unpriced_calls",
        help: "Calls counted whose cost is unknown.",
        values: Values::One(|snapshot| Amount::Calls(snapshot.spent.unpriced_calls)),
    },
    Gauge {
        name: "budget_pool_forfeited_calls",
        help: "Calls counted at what was reserved for them, since nobody knows what they used.",
        values: Values::One(|snapshot| Amount::Calls(snapshot.spent.forfeited_calls)),
    },
    Gauge {
        name: "budget_pool_forfeited_cost_usd",
        help: "The part of the cost that counts only because it was reserved.",
        values: Values::One(|snapshot| Amount::Cost(snapshot.spent.forfeited_cost)),
    },
    Gauge {
        name: "budget_pool_closed",
        help: "1 if the pool admits no more calls.",
        values: Values::One(|snapshot| Amount::Calls(snapshot.closed.into())),
    },
];

/// A number, exactly.
enum Value {
    Count(u128),
    Amount(Amount),
}

impl Gauge {
    fn values(&self, snapshot: &Snapshot) -> Vec<(Option<Dimension>, Value)> {
        match self.values {
            Values::One(value) => vec![(None, Value::Amount(value(snapshot)))],
            Values::ByDimension(value) => {
                let limited = |&dimension: &Dimension| {
                    let value = value(snapshot, dimension)?;
                    let value = match u64::try_from(value) {
                        Ok(value) => Value::Amount(dimension.amount(value)),
                        // Only the sum of two kinds of tokens.
                        Err(_) => Value::Count(value),
                    };
                    Some((Some(dimension), value))
                };
                Dimension::ALL.iter().filter_map(limited).collect()
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Count(count) => count.fmt(f),
            Value::Amount(Amount::Tokens(count) | Amount::Calls(count)) => count.fmt(f),
            Value::Amount(Amount::Cost(cost)) => cost.fmt(f),
        }
    }
}

impl Snapshot {
    /// These snapshots in the text format of Prometheus, each with a label `pool`.
    ///
    /// The gauges, in tokens, dollars and calls:
    ///
    /// | gauge | of each `dimension` |
    /// |---|---|
    /// | `budget_pool_spent` | what is counted since the start or the last reset |
    /// | `budget_pool_reserved` | what is reserved for calls in flight; of `calls`, how many are in flight |
    /// | `budget_pool_limit` | its limit; nothing, if it has none |
    /// | `budget_pool_remaining` | what is left of the limit; nothing, if it has none |
    ///
    /// The dimensions are `input_tokens`, `output_tokens`, `total_tokens`, `cost_usd` and `calls`. Without a
    /// dimension there are `budget_pool_unpriced_calls`, `budget_pool_forfeited_calls` and
    /// `budget_pool_forfeited_cost_usd` (see [`Spent`](crate::Spent)), and `budget_pool_closed`, which is 0 or 1.
    /// The numbers are exact, and those of a pool are of one moment. Dividing `budget_pool_spent` by
    /// `budget_pool_limit` is one query for all pools and dimensions.
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
    /// assert!(text.contains("budget_pool_spent{pool=\"agents\",dimension=\"cost_usd\"} 0.05\n"));
    /// assert!(text.contains("budget_pool_remaining{pool=\"agents\",dimension=\"cost_usd\"} 0.95\n"));
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn prometheus_text<N: AsRef<str>>(
        pools: impl IntoIterator<Item = (N, Snapshot)>,
    ) -> String {
        let pools: Vec<_> = pools.into_iter().collect();
        let mut text = String::new();
        write_prometheus(&mut text, &pools).expect("a string takes all that is written");
        text
    }
}

fn write_prometheus<N: AsRef<str>>(text: &mut String, pools: &[(N, Snapshot)]) -> fmt::Result {
    for gauge in &GAUGES {
        let Gauge { name, help, .. } = gauge;
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge")?;
        for (pool, snapshot) in pools {
            let pool = Escaped(pool.as_ref());
            for (dimension, value) in gauge.values(snapshot) {
                write!(text, "{name}{{pool=\"{pool}\"")?;
                if let Some(dimension) = dimension {
                    write!(text, ",dimension=\"{dimension}\"")?;
                }
                writeln!(text, "}} {value}")?;
            }
        }
    }
    Ok(())
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
    /// Call it from time to time, such as before each scrape, or every few seconds. The pool itself never does.
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
        for gauge in &GAUGES {
            for (dimension, value) in gauge.values(self) {
                let pool = pool.to_owned();
                let gauge = match dimension {
                    Some(dimension) => {
                        metrics::gauge!(gauge.name, "pool" => pool, "dimension" => dimension.as_str())
                    }
                    None => metrics::gauge!(gauge.name, "pool" => pool),
                };
                gauge.set(value.to_f64());
            }
        }
    }

    /// Tells the facade what the gauges are. Needs the feature `metrics`.
    pub fn describe_gauges() {
        for Gauge { name, help, .. } in &GAUGES {
            metrics::describe_gauge!(*name, *help);
        }
    }
}

#[cfg(feature = "metrics")]
impl Value {
    fn to_f64(&self) -> f64 {
        match self {
            Value::Count(count) => *count as f64,
            Value::Amount(Amount::Tokens(count) | Amount::Calls(count)) => *count as f64,
            Value::Amount(Amount::Cost(cost)) => cost.to_f64(),
        }
    }
}
