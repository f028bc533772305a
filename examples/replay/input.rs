//! What the user gives: text files that can say where in them something is wrong, and numbers.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The text of a file, with its name for the errors about it.
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Input {
    pub(crate) fn read(path: &Path) -> Result<Input, BadInput> {
        let bytes = fs::read(path).map_err(|error| BadInput::in_file(path, error))?;
        Input::new(path, bytes)
    }

    /// What was read from `path`.
    pub(crate) fn new(path: &Path, bytes: Vec<u8>) -> Result<Input, BadInput> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[good];
            let line = line_at(error.as_bytes(), good);
            BadInput::at_line(path, line, format!("byte 0x{byte:02x} is not UTF-8 text"))
        })?;
        // Spreadsheets put a byte order mark before the first column's name.
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        Ok(Input {
            path: path.to_owned(),
            text,
        })
    }

    /// The number of the line in which the byte at `offset` stands.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        line_at(self.text.as_bytes(), offset)
    }

    /// The number of the line on which `part` begins, which must be a slice of this text.
    pub(crate) fn line_of(&self, part: &str) -> usize {
        self.line_at(part.as_ptr() as usize - self.text.as_ptr() as usize)
    }

    pub(crate) fn bad(&self, line: usize, what: impl fmt::Display) -> BadInput {
        BadInput::at_line(&self.path, line, what)
    }
}

fn line_at(text: &[u8], offset: usize) -> usize {
    1 + text[..offset].iter().filter(|&&byte| byte == b'\n').count()
}

/// What is wrong with what the user gave: a place and a reason, always on one line.
#[derive(Debug)]
pub(crate) struct BadInput(String);

impl BadInput {
    pub(crate) fn new(what: impl fmt::Display) -> BadInput {
        BadInput(what.to_string())
    }

    pub(crate) fn in_file(path: &Path, what: impl fmt::Display) -> BadInput {
        BadInput(format!("{}: {what}", path.display()))
    }

    pub(crate) fn at_line(path: &Path, line: usize, what: impl fmt::Display) -> BadInput {
        BadInput(format!("{}:{line}: {what}", path.display()))
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and values come from files: a line break or an escape code in one must not reach the terminal.
        for char in self.0.chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                write!(f, "{char}")?;
            }
        }
        Ok(())
    }
}

/// The text in quotes, cut where nobody would read on.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("\"{}...\"", &text[..cut]),
        None => format!("\"{text}\""),
    }
}

/// Reads a JSON object. The error says what is wrong, and on which line of the text.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, (usize, String)> {
    // serde would take the values of an array for those of the fields, in a row.
    let start = text.trim_start();
    if start.starts_with('[') {
        let line = line_at(text.as_bytes(), text.len() - start.len());
        return Err((line, "expected an object, not an array".to_owned()));
    }
    serde_json::from_str(text).map_err(|error| {
        // Without the place at its end, which the caller knows better.
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        (error.line(), reason.to_owned())
    })
}

/// A number of tokens, or what is wrong with it.
pub(crate) fn whole_number(text: &str) -> Result<u64, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        return text.parse().map_err(|_| "is more than fits");
    }
    Err(match text.parse::<f64>() {
        Ok(number) if number.is_sign_negative() => "is negative",
        Ok(number) if number.is_finite() => "is not an integer",
        _ => "is not a number",
    })
}
