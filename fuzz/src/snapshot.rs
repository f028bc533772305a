//! Snapshots as JSON: what is read is what stands there, it comes back the same, and a pool
//! that is restored from it goes on as the sequential pool does.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use token_budget_pool::{Amounts, BudgetPool, Limits, Restore, Snapshot, Spent, Usd};

use super::decimal;
use super::json;
use super::oracle::{Oracle, OracleSnapshot};

pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let expected = Reading::of(text);
    match serde_json::from_str::<Snapshot>(text) {
        Ok(snapshot) => {
            match expected {
                Some(expected) => {
                    assert_eq!(expected.wrong, [""; 0]);
                    assert_eq!(OracleSnapshot::from(snapshot), expected.snapshot);
                }
                // serde takes an array for the fields of an object in a row.
                None => assert!(text.contains('[')),
            }
            comes_back(snapshot);
            is_gone_on_from(snapshot);
            true
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains(" at line "), "{message}");
            if let Some(expected) = expected {
                let named = expected.wrong.iter().any(|field| message.contains(field));
                assert!(named, "{message}");
            }
            false
        }
    }
}

fn comes_back(snapshot: Snapshot) {
    let text = serde_json::to_string(&snapshot).expect("a snapshot can be written");
    let again: Snapshot = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(again, snapshot);
}

fn is_gone_on_from(snapshot: Snapshot) {
    let (limits, state) = (snapshot.limits, OracleSnapshot::from(snapshot));
    for reserved in [Restore::ReservedAsSpent, Restore::WithoutReserved] {
        let builder = BudgetPool::builder().limits(limits);
        let pool = builder.restore(&snapshot, reserved).build();
        let as_spent = reserved == Restore::ReservedAsSpent;
        let twin = Oracle::restored(limits, None, &state, as_spent);
        assert_eq!(OracleSnapshot::from(pool.snapshot()), twin.snapshot());
    }
}

/// A snapshot as it stands in a text, read field by field.
struct Reading {
    snapshot: OracleSnapshot,
    /// The fields that are missing, that are not what they should be, or that there are none of.
    wrong: Vec<String>,
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// The fields of an object in which every name is another.
fn object(text: &str) -> Option<Object<'_>> {
    let fields = json::object(text)?;
    let count = fields.len();
    let object: Object = fields.into_iter().collect();
    (object.len() == count).then_some(object)
}

impl Reading {
    /// `None` where there are no names to go by: in what is no JSON, in an array, and where
    /// two fields have the same.
    fn of(text: &str) -> Option<Reading> {
        let mut all = object(text)?;
        let mut wrong = Wrong(Vec::new());
        let spent = wrong.object(&mut all, "spent")?;
        let reserved = wrong.object(&mut all, "reserved")?;
        let limits = wrong.object(&mut all, "limits")?;
        let snapshot = OracleSnapshot {
            spent: wrong.spent(spent),
            reserved: wrong.reserved(reserved),
            calls_in_flight: wrong.field(&mut all, "calls_in_flight", count),
            limits: wrong.limits(limits),
            closed: wrong.field(&mut all, "closed", |text| text.parse().ok()),
        };
        wrong.others(all);
        Some(Reading {
            snapshot,
            wrong: wrong.0,
        })
    }
}

struct Wrong(Vec<String>);

impl Wrong {
    fn object<'a>(&mut self, of: &mut Object<'a>, name: &str) -> Option<Object<'a>> {
        let text = of.remove(name).map_or("null", RawValue::get);
        if text.starts_with('[') {
            return None;
        }
        if !text.starts_with('{') {
            self.0.push(name.to_owned());
            return Some(Object::new());
        }
        object(text)
    }

    fn field<T: Default>(
        &mut self,
        of: &mut Object<'_>,
        name: &str,
        read: fn(&str) -> Option<T>,
    ) -> T {
        let value = of.remove(name).and_then(|text| read(text.get()));
        value.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            T::default()
        })
    }

    /// A field that may be missing.
    fn limit<T>(
        &mut self,
        of: &mut Object<'_>,
        name: &str,
        read: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = of.remove(name).map_or("null", RawValue::get);
        let value = read(text);
        if value.is_none() && text != "null" {
            self.0.push(name.to_owned());
        }
        value
    }

    fn others(&mut self, left: Object<'_>) {
        self.0.extend(left.into_keys());
    }

    fn spent(&mut self, mut object: Object<'_>) -> Spent {
        let mut spent = Spent::default();
        spent.input_tokens = self.field(&mut object, "input_tokens", count);
        spent.output_tokens = self.field(&mut object, "output_tokens", count);
        spent.cost = self.field(&mut object, "cost", cost);
        spent.calls = self.field(&mut object, "calls", count);
        spent.unpriced_calls = self.field(&mut object, "unpriced_calls", count);
        spent.forfeited_calls = self.field(&mut object, "forfeited_calls", count);
        spent.forfeited_cost = self.field(&mut object, "forfeited_cost", cost);
        self.others(object);
        spent
    }

    fn reserved(&mut self, mut object: Object<'_>) -> Amounts {
        let mut reserved = Amounts::default();
        reserved.input_tokens = self.field(&mut object, "input_tokens", count);
        reserved.output_tokens = self.field(&mut object, "output_tokens", count);
        reserved.cost = self.field(&mut object, "cost", cost);
        self.others(object);
        reserved
    }

    fn limits(&mut self, mut object: Object<'_>) -> Limits {
        let mut limits = Limits::unlimited();
        limits.input_tokens = self.limit(&mut object, "input_tokens", count);
        limits.output_tokens = self.limit(&mut object, "output_tokens", count);
        limits.total_tokens = self.limit(&mut object, "total_tokens", count);
        limits.cost = self.limit(&mut object, "cost", cost);
        limits.calls = self.limit(&mut object, "calls", count);
        self.others(object);
        limits
    }
}

fn count(json: &str) -> Option<u64> {
    json.parse().ok()
}

fn cost(json: &str) -> Option<Usd> {
    let text: String = serde_json::from_str(json).ok()?;
    decimal::nanos(&text).map(Usd::from_nanos)
}
