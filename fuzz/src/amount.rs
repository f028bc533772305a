//! Amounts of money and prices as text.

use token_budget_pool::{InvalidPrice, MicroUsd, Price};

use super::decimal;

pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let amount = read_amount(text);
    let price = read_price(text);
    amount || price
}

fn read_amount(text: &str) -> bool {
    let read = text.parse::<MicroUsd>();
    let nanos = read.as_ref().ok().map(|amount| amount.as_nanos());
    assert_eq!(nanos, decimal::nanos(text), "{text:?}");
    match read {
        Ok(amount) => {
            let written = amount.to_string();
            assert_eq!(written.parse(), Ok(amount));
            assert_eq!(decimal::nanos(&written), nanos);
            assert!(is_shortest(&written), "{written}");
            true
        }
        Err(error) => {
            names(&error.to_string(), text);
            false
        }
    }
}

/// Whether a text has no digit that says nothing.
fn is_shortest(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "1"));
    (whole == "0" || !whole.starts_with('0')) && !fraction.is_empty() && !fraction.ends_with('0')
}

type Read = fn(&str, &str, &str, &str) -> Result<Price, InvalidPrice>;

fn read_price(text: &str) -> bool {
    const FIELDS: [&str; 4] = ["uncached_input", "output", "cache_read", "cache_write"];

    let mut accepted = false;
    for (index, field) in FIELDS.into_iter().enumerate() {
        let read = |read: Read, text: &str| {
            let mut texts = ["0"; 4];
            texts[index] = text;
            let [input, output, cache_read, cache_write] = texts;
            read(input, output, cache_read, cache_write)
        };
        for (unit, price) in [
            (15, read(Price::per_token, text)),
            (9, read(Price::per_million, text)),
        ] {
            let expected = decimal::scaled(text, unit);
            match price {
                Ok(price) => {
                    accepted = true;
                    let rate = rates(price)[index];
                    let mut others = [MicroUsd::ZERO; 4];
                    others[index] = rate;
                    assert_eq!(rates(price), others);
                    assert_eq!(Some(rate.as_nanos()), expected, "{text:?}");
                    // Written in either unit, it is the same price.
                    assert_eq!(read(Price::per_million, &rate.to_string()), Ok(price));
                    assert_eq!(read(Price::per_token, &format!("{rate}e-6")), Ok(price));
                }
                Err(error) => {
                    assert_eq!(expected, None, "{text:?}");
                    let message = error.to_string();
                    assert!(message.starts_with(field), "{message}");
                    names(&message, text);
                }
            }
        }
    }
    accepted
}

fn rates(price: Price) -> [MicroUsd; 4] {
    [
        price.uncached_input_per_million(),
        price.output_per_million(),
        price.cache_read_per_million(),
        price.cache_write_per_million(),
    ]
}

/// A message quotes the text that was refused, or its beginning, and is one line.
fn names(message: &str, text: &str) {
    let beginning: String = text.chars().take(40).collect();
    assert!(message.contains(&format!("{beginning:?}")), "{message}");
    assert!(!message.contains(char::is_control), "{message:?}");
}
