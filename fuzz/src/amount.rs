//! Amounts of money and prices as text.

use token_budget_pool::{InvalidPrice, Price, Rates, Usd};

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
    let read = text.parse::<Usd>();
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

type Read = fn(Rates<'_>) -> Result<Price, InvalidPrice>;

/// The lowest price per million tokens that is not taken for one per token, in nano-dollars.
const LOWEST: u64 = 1_000_000;

fn read_price(text: &str) -> bool {
    const FIELDS: [&str; 4] = ["uncached_input", "output", "cache_read", "cache_write"];

    let mut accepted = false;
    for (index, field) in FIELDS.into_iter().enumerate() {
        let read = |read: Read, text: &str| {
            let mut texts = ["0"; 4];
            texts[index] = text;
            let [uncached_input, output, cache_read, cache_write] = texts;
            read(Rates {
                uncached_input,
                output,
                cache_read,
                cache_write,
                cache_write_1h: None,
            })
        };
        let per_million = decimal::scaled(text, 9);
        for (reader, expected) in [
            (Price::per_token as Read, decimal::scaled(text, 15)),
            (Price::per_token_rounded, decimal::nearest(text, 15)),
            (Price::per_million, per_million.filter(is_per_million)),
        ] {
            match read(reader, text) {
                Ok(price) => {
                    accepted = true;
                    let rate = rates(price)[index];
                    let mut others = [Usd::ZERO; 4];
                    others[index] = rate;
                    assert_eq!(rates(price), others);
                    assert_eq!(Some(rate.as_nanos()), expected, "{text:?}");
                    // Written in either unit, it is the same price.
                    let again = read(Price::per_million, &rate.to_string()).ok();
                    let as_written = Some(price).filter(|_| is_per_million(&rate.as_nanos()));
                    assert_eq!(again, as_written);
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

fn is_per_million(nanos: &u64) -> bool {
    *nanos == 0 || *nanos >= LOWEST
}

/// In the order of the fields of [`Rates`].
pub(crate) fn rates(price: Price) -> [Usd; 4] {
    let price = price.of_prompt(0);
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
