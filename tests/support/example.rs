//! An example, as `cargo test` built it along with the test.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let program = test.with_file_name("../examples");
    let program = program.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    // `cargo test --test` with a name builds no examples. A test of yesterday's program is worse than none.
    let built = fs::metadata(&program).and_then(|program| program.modified());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    let written = fs::read_dir(sources)
        .expect("the example is there")
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|kind| kind == "rs"))
        .map(|file| fs::metadata(file).unwrap().modified().unwrap())
        .max();
    assert!(
        built.is_ok_and(|built| Some(built) >= written),
        "build the example first: cargo build --example {name}"
    );
    program
}
