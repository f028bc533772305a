//! The built program, run on arguments.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::files::DATA;

/// The program that `cargo test` built along with this test.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = env::current_exe().expect("a test has a path");
        let name = format!("replay{}", env::consts::EXE_SUFFIX);
        let program = test.with_file_name("../examples").join(name);
        // `cargo test --test replay` builds no examples. A test of yesterday's program is worse than none.
        let built = fs::metadata(&program).and_then(|program| program.modified());
        let written = fs::read_dir(Path::new(DATA).with_file_name(""))
            .expect("the example is there")
            .map(|file| file.unwrap().path())
            .filter(|file| file.extension().is_some_and(|kind| kind == "rs"))
            .map(|file| fs::metadata(file).unwrap().modified().unwrap())
            .max();
        assert!(
            built.is_ok_and(|built| Some(built) >= written),
            "build the example first: cargo build --example replay"
        );
        program
    })
}

pub(crate) fn replay(arguments: &[&str]) -> Output {
    Command::new(program())
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
