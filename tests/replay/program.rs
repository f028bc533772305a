//! The built program, run on arguments.

use std::process::{Command, Output};

use serde_json::Value;

use crate::example::program;

pub(crate) fn replay(arguments: &[&str]) -> Output {
    Command::new(program("replay"))
        .args(arguments)
        .output()
        .expect("the example starts")
}

/// The object that a run with `--json` prints. The run has to succeed and agree with itself.
pub(crate) fn json(arguments: &[&str]) -> Value {
    let output = replay(&[arguments, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?}: {}: {errors}",
        output.status
    );
    assert_eq!(errors, "", "{arguments:?}");
    let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert_eq!(object["consistent"], true, "{arguments:?}");
    object
}

/// The one line that a run with bad input prints before it exits with status 2.
pub(crate) fn refusal(arguments: &[&str]) -> String {
    let output = replay(arguments);
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?} says {errors:?}"
    );
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let line = errors
        .strip_suffix('\n')
        .unwrap_or_else(|| panic!("{arguments:?} says {errors:?}"));
    assert!(!line.contains('\n'), "{arguments:?} says {errors:?}");
    line.strip_prefix("error: ")
        .unwrap_or_else(|| panic!("{arguments:?} says {errors:?}"))
        .to_owned()
}
