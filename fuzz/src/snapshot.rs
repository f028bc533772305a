//! Snapshots as JSON: what is read is what stands there, it comes back the same, and a pool
//! that is restored from it goes on as the sequential pool does.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use token_budget_pool::{BudgetPool, Limits, MicroUsd, Restore, Snapshot, Spent, Usage};

use super::decimal;
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

/// An object in which every name is another.
struct Fields<'a>(Object<'a>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Object::new();
                while let Some((name, value)) = map.next_entry()? {
                    if fields.insert(name, value).is_some() {
                        return Err(M::Error::custom("twice"));
                    }
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

impl Reading {
    /// `None` where there are no names to go by: in what is no JSON, in an array, and where
    /// two fields have the same.
    fn of(text: &str) -> Option<Reading> {
        let Fields(mut all) = serde_json::from_str(text).ok()?;
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
        serde_json::from_str(text).ok().map(|Fields(object)| object)
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
        self.others(object);
        spent
    }

    fn reserved(&mut self, mut object: Object<'_>) -> Usage {
        let input = self.field(&mut object, "input_tokens", count);
        let output = self.field(&mut object, "output_tokens", count);
        let mut usage = Usage::tokens(input, output);
        usage.cost = self.field(&mut object, "cost", |text| match text {
            "null" => Some(None),
            text => cost(text).map(Some),
        });
        self.others(object);
        usage
    }

    fn limits(&mut self, mut object: Object<'_>) -> Limits {
        let mut limits = Limits::none();
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

fn cost(json: &str) -> Option<MicroUsd> {
    let text: String = serde_json::from_str(json).ok()?;
    decimal::nanos(&text).map(MicroUsd::from_nanos)
}
