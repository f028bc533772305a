//! Deserialized fields whose errors name them: a saved snapshot that somebody has edited
//! should say what is wrong with it, and where.

use serde::de::{Deserialize, Deserializer, Error};

macro_rules! named {
    ($($field:ident),* $(,)?) => {$(
        pub(crate) fn $field<'de, D, T>(deserializer: D) -> Result<T, D::Error>
        where
            D: Deserializer<'de>,
            T: Deserialize<'de>,
        {
            T::deserialize(deserializer)
                .map_err(|error| D::Error::custom(format_args!("{}: {error}", stringify!($field))))
        }
    )*};
}

named!(
    input_tokens,
    output_tokens,
    total_tokens,
    cost,
    calls,
    unpriced_calls,
    forfeited_calls,
    forfeited_cost,
    spent,
    reserved,
    calls_in_flight,
    limits,
    closed,
    label,
    snapshot,
    children,
    input_cost_per_token,
    output_cost_per_token,
    cache_read_input_token_cost,
    cache_creation_input_token_cost,
);
