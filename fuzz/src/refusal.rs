//! What every error about a file has to be.

use super::replay::input::BadInput;

/// One line, which names the file and a line that it has, and says something.
pub(crate) fn explains_itself(error: &BadInput, file: &str, bytes: &[u8]) {
    let message = error.to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
    let parts = message
        .strip_prefix(file)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.split_once(": "));
    let Some((line, what)) = parts else {
        panic!("{file} and a line are not named: {message}");
    };
    let lines = 1 + bytes.iter().filter(|&&byte| byte == b'\n').count();
    let line: usize = line.parse().unwrap_or_else(|_| panic!("{message}"));
    assert!((1..=lines).contains(&line), "of {lines} lines: {message}");
    assert!(!what.trim().is_empty(), "{message}");
}
