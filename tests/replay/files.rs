//! The files that the program reads: those that are shipped, and those that a test writes.

use std::fs;
use std::path::Path;

pub(crate) const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/replay/data");

pub(crate) fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().expect("a plain path").to_owned()
}

pub(crate) fn shipped(name: &str) -> String {
    format!("{DATA}/{name}")
}

pub(crate) const HEADER: &str =
    "trace_id,agent,t_s,type,model,in,out,api_time_s,ttft_s,think_time_s,stop,\
                      derived_prefix_tokens";

/// A row of an agent's trace.
pub(crate) fn row(model: &str, input: &str, output: &str, prefix: &str) -> String {
    format!("t,main,0.0,n,{model},{input},{output},7.3,,0.0,stop,{prefix}")
}
