//! Deserialized fields whose errors name them: a saved snapshot that somebody has edited
//! should say what is wrong with it, and where.

use std::fmt::Display;

use serde::de::{Deserialize, Deserializer, Error};

use crate::register::BELOW_ROOT;
use crate::tree_snapshot::TreeSnapshot;

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
);

/// The children of a tree, of at most as many levels as a tree can have.
pub(crate) fn children<'de, D>(deserializer: D) -> Result<Vec<TreeSnapshot>, D::Error>
where
    D: Deserializer<'de>,
{
    fn levels(trees: &[TreeSnapshot]) -> usize {
        let below = trees.iter().map(|tree| 1 + levels(&tree.children));
        below.max().unwrap_or(0)
    }
    let named = |error: &dyn Display| D::Error::custom(format_args!("children: {error}"));
    let children = Vec::deserialize(deserializer).map_err(|error| named(&error))?;
    match levels(&children) {
        0..=BELOW_ROOT => Ok(children),
        levels => Err(named(&format_args!(
            "{levels} levels, and {BELOW_ROOT} are the most"
        ))),
    }
}
