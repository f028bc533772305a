//! The same calls from a package of its own, `elsewhere/`: built with the release profile as it is,
//! as users build theirs.

use std::env::{self, consts::EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Its program.
pub(crate) struct Elsewhere(PathBuf);

impl Elsewhere {
    /// Builds it, in a target directory of its own.
    pub(crate) fn build() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = target(root).join("elsewhere");
        eprintln!("building examples/compare/elsewhere");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--manifest-path"])
            .arg(root.join("examples/compare/elsewhere/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status();
        match built {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("cargo build: {status}")),
            Err(error) => return Err(format!("cargo build: {error}")),
        }
        let program = target.join(format!("release/elsewhere{EXE_SUFFIX}"));
        match program.is_file() {
            true => Ok(Self(program)),
            false => Err(format!("{}: not there", program.display())),
        }
    }

    /// The nanoseconds of a record, measured for about so long.
    pub(crate) fn nanos(&self, contestant: &str, time: Duration) -> Option<f64> {
        let millis = time.as_millis().to_string();
        let output = Command::new(&self.0).args([contestant, &millis]).output();
        let nanos = output
            .ok()
            .and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok());
        if nanos.is_none() {
            eprintln!("warning: {} {contestant}: no figure", self.0.display());
        }
        nanos
    }
}

/// The target directory that this program was built in.
fn target(root: &Path) -> PathBuf {
    let this = env::current_exe().unwrap_or_default();
    // target/release/examples/compare
    let target = this.ancestors().nth(3).filter(|path| path.is_dir());
    target.map_or_else(|| root.join("target"), Path::to_owned)
}
