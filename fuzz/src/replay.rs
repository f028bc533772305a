//! The parsers of the example `replay`.

// Only what they make of a file is used.
#![allow(dead_code)]

use std::path::Path;

use super::refusal;
use input::Input;

#[path = "../../examples/replay/input.rs"]
pub(crate) mod input;
#[path = "../../examples/replay/prices.rs"]
pub(crate) mod prices;
#[path = "../../examples/replay/trace.rs"]
pub(crate) mod trace;

/// Whether these bytes, as the file of this name, are accepted by `check`. Bytes that are no
/// text are refused.
pub(crate) fn check_file(name: &str, bytes: &[u8], check: fn(&Input, &[u8]) -> bool) -> bool {
    match Input::new(Path::new(name), bytes.to_vec()) {
        Ok(file) => check(&file, bytes),
        Err(error) => {
            refusal::explains_itself(&error, name, bytes);
            false
        }
    }
}
