//! The fuzz targets' seeds, replayed without a fuzzer. So every run of the tests checks what was
//! once worth keeping.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use fuzz::operations::Program;

/// The seeds of a target, one at a time. The last one that was printed is the one that failed.
fn seeds(target: &str) -> impl Iterator<Item = Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let files = fs::read_dir(folder.join(target)).expect("the seeds are there");
    files.map(|file| {
        let path = file.expect("a seed").path();
        println!("{}", path.display());
        fs::read(path).expect("a seed can be read")
    })
}

/// Replays a parser's seeds. A corpus of which it accepts none, or refuses none, has lost its
/// purpose.
fn replay(target: &str, check: fn(&[u8]) -> bool) {
    let (accepted, refused): (Vec<_>, Vec<_>) = seeds(target).partition(|seed| check(seed));
    assert!(!accepted.is_empty(), "{target}");
    assert!(!refused.is_empty(), "{target}");
}

#[test]
fn amounts_and_prices_as_text() {
    replay("amount", fuzz::amount::check);
}

#[test]
fn snapshots_as_json() {
    replay("snapshot", fuzz::snapshot::check);
}

#[test]
fn price_files() {
    replay("prices", fuzz::prices::check);
}

#[test]
fn traces() {
    replay("trace", fuzz::trace::check);
}

#[test]
fn programs_of_operations() {
    let mut names = BTreeSet::new();
    for seed in seeds("operations") {
        // As the fuzzer reads it.
        let program = Program::arbitrary_take_rest(Unstructured::new(&seed)).unwrap();
        fuzz::operations::check(&program);
        names.extend(program.names());
    }
    // An operation that is in no seed any more is a hole.
    assert_eq!(names.len(), 22, "{names:?}");
}
