//! A copy of the sources in which mutants are built, and the scenarios run on them.
//!
//! Each scenario has a process of its own: loom aborts the process after some failures, and
//! which scenario that was would be lost.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use cargo_metadata::diagnostic::DiagnosticLevel;
use cargo_metadata::Message;
use tempfile::TempDir;
use wait4::{ResUse, Wait4};

use crate::find::Mutant;

/// What the model checks need of the repository.
const COPIED: [&str; 3] = ["src", "loom-tests", "tests/support"];

/// Scenarios that `cargo test` leaves to the long run, and that see what no other may see.
const LONG: [(Suite, &str); 32] = [
    (Suite::Plain, "terms::terms_go_home_beside_a_writer"),
    (
        Suite::Plain,
        "detours::a_reference_to_a_lane_that_a_holder_does_not_know",
    ),
    (
        Suite::Ghost,
        "trees::readers::a_reader_of_all_that_claims_looks_too_late",
    ),
    (Suite::Plain, "terms::two_change_terms"),
    (Suite::Plain, "terms::terms_change_among_records_exactly"),
    (Suite::Plain, "hints::a_look_at_a_lane_not_known_here"),
    (Suite::Plain, "hints::after_a_detour_lane_0_is_still_held"),
    (Suite::Plain, "lanes::two_patient_writers_twice"),
    (Suite::Plain, "lanes::lane_0_is_handed_over_beside_a_reader"),
    (Suite::Plain, "lanes::lane_0_is_handed_over_by_a_refusal"),
    (Suite::Plain, "lanes::three_writers"),
    (Suite::Plain, "never_were::only_the_fence_shows_it"),
    (
        Suite::Plain,
        "trees::detours::a_holder_comes_back_beside_a_reader",
    ),
    (Suite::Plain, "terms::a_lane_is_used_again_beside_a_reader"),
    (Suite::Plain, "terms::terms_change_among_records"),
    (Suite::Plain, "never_were::two_change_terms_beside_a_reader"),
    (Suite::Plain, "hints::after_a_detour"),
    (Suite::Plain, "hints::refused_accepted_and_reset"),
    (Suite::Plain, "hints::a_look_races_with_raises"),
    (Suite::Plain, "hints::two_look_and_claim"),
    (Suite::Plain, "hints::a_hint_that_is_wrong"),
    (Suite::Plain, "readers::a_writer_and_one_that_is_refused"),
    (Suite::Ghost, "lanes::lane_0_is_handed_over_exactly"),
    (Suite::Ghost, "lanes::lane_0_is_handed_over"),
    (Suite::Ghost, "unwinding::a_holder_unwinds_beside_a_reader"),
    (Suite::Ghost, "unwinding::a_holder_unwinds_after_a_lost_cas"),
    (Suite::Ghost, "unwinding::a_change_of_terms_unwinds"),
    (Suite::Ghost, "detours::two_lanes_and_a_reader"),
    (
        Suite::Ghost,
        "detours::lane_1_is_handed_over_beside_a_reader",
    ),
    (Suite::Ghost, "hints::refused_accepted_and_reset"),
    (
        Suite::Ghost,
        "readers::a_reader_that_claims_beside_a_holder_that_comes_back",
    ),
    (Suite::Ghost, "trees::terms::a_limit_changes_beside_updates"),
];

/// A scenario has no end if it computes for so many times as long as it took on the sources
/// as they are, and for at least so many seconds.
const LIMIT: u32 = 5;
const LEAST_SECONDS: u64 = 3;

/// Files that only some scenarios reach, and the modules or binaries of these. (A register without nodes never
/// comes to the code of trees.)
const REACHED_BY: [(&str, &[&str]); 3] = [
    ("src/register/tree.rs", &["trees"]),
    ("src/register/node.rs", &["trees"]),
    ("src/register/notes.rs", &["notes", "waiting"]),
];

/// How a process ends that computed for too long.
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// What a scenario says that saw too few executions, in `loom-tests`.
const TOO_LITTLE: &str = "TOO LITTLE EXPLORED";

/// Scenarios that are built and run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Suite {
    /// Of the register, under the plain shim.
    Plain,
    /// Of the register, under the ghost shim.
    Ghost,
    /// Of what stands on the register, under the plain shim.
    Pools,
}

impl Suite {
    /// What finds most in the least time comes first.
    pub(crate) const ALL: [Suite; 3] = [Suite::Plain, Suite::Ghost, Suite::Pools];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Suite::Plain => "plain",
            Suite::Ghost => "ghost",
            Suite::Pools => "pools",
        }
    }

    fn selection(self) -> &'static [&'static str] {
        match self {
            Suite::Plain => &["-p", "token-budget-pool-loom", "--test", "register"],
            Suite::Ghost => &["-p", "token-budget-pool-ghost", "--test", "register"],
            Suite::Pools => &["-p", "token-budget-pool-loom", "--tests"],
        }
    }

    fn has(self, binary: &str) -> bool {
        self != Suite::Pools || binary != "register"
    }
}

struct Scenario {
    binary: String,
    name: String,
    /// Whether it is one of [`LONG`].
    is_long: bool,
    /// How many seconds it may compute; `None` until it is known how long it takes.
    limit: Option<u64>,
}

impl Scenario {
    /// Whether it runs the code of this mutant. (Every register has a path.)
    fn reaches(&self, mutant: &Mutant) -> bool {
        if mutant.function.starts_with("Path::") {
            return true;
        }
        let (module, _) = self.name.split_once("::").unwrap_or_default();
        let by = REACHED_BY.iter().find(|(file, _)| *file == mutant.file);
        by.is_none_or(|(_, by)| by.contains(&&*self.binary) || by.contains(&module))
    }
}

/// How a scenario ended.
#[derive(Debug, PartialEq)]
enum End {
    Passed,
    Failed(String),
    /// It failed, but only because it saw too few executions.
    TooLittle,
    /// It had no end.
    Never,
}

/// What a suite says of what is in the copy.
pub(crate) enum Verdict {
    DoesNotCompile,
    /// These scenarios failed first, and what they said.
    Failed(Vec<(String, String)>),
    Passed {
        endless: Vec<String>,
        too_little: Vec<String>,
    },
}

pub(crate) struct Lab {
    tree: TempDir,
    target: PathBuf,
    scenarios: HashMap<Suite, Vec<Scenario>>,
}

impl Lab {
    /// Copies the repository at `root` to `work`. All scenarios that reach one of `mutants` have to
    /// be green on it as it is.
    pub(crate) fn new(root: &Path, work: &Path, mutants: &[&Mutant]) -> Result<Self> {
        // Beside each other: what is below its target directory cargo takes for generated,
        // and would look for it in the tree of an earlier run.
        let target = work.join("target");
        fs::create_dir_all(&target).with_context(|| format!("make {}", target.display()))?;
        let tree = tempfile::Builder::new()
            .prefix("tree-")
            .tempdir_in(work)
            .with_context(|| format!("make a directory in {}", work.display()))?;
        for part in COPIED {
            copy(&root.join(part), &tree.path().join(part))
                .with_context(|| format!("copy {}", root.join(part).display()))?;
        }
        let mut lab = Self {
            tree,
            target,
            scenarios: HashMap::new(),
        };
        for suite in Suite::ALL {
            let measured = lab.measure(suite, mutants)?;
            lab.scenarios.insert(suite, measured);
        }
        Ok(lab)
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.tree.path().join(file), text).with_context(|| format!("write {file}"))
    }

    /// Builds what is in the copy, and runs the scenarios of `suite` that reach `mutant` on it until one
    /// fails.
    pub(crate) fn run(&self, suite: Suite, mutant: &Mutant) -> Result<Verdict> {
        let Some(binaries) = self.build(suite)? else {
            return Ok(Verdict::DoesNotCompile);
        };
        let (mut failed, mut endless, mut too_little) = (vec![], vec![], vec![]);
        let scenarios = self.scenarios[&suite].iter();
        let scenarios: Vec<_> = scenarios.filter(|s| s.reaches(mutant)).collect();
        for (scenario, end, _) in self.run_all(&scenarios, &binaries)? {
            let name = scenario.name.clone();
            match end {
                End::Passed => {}
                End::Failed(said) => failed.push((name, said)),
                End::TooLittle => too_little.push(name),
                End::Never => endless.push(name),
            }
        }
        if !failed.is_empty() {
            return Ok(Verdict::Failed(failed));
        }
        Ok(Verdict::Passed {
            endless,
            too_little,
        })
    }

    /// The scenarios of `suite`, the shortest first.
    fn measure(&self, suite: Suite, mutants: &[&Mutant]) -> Result<Vec<Scenario>> {
        let started = Instant::now();
        let shim = suite.name();
        let binaries = self.build(suite)?;
        let binaries = binaries.with_context(|| format!("{shim}: does not compile as it is"))?;
        let mut scenarios = vec![];
        for (binary, path) in &binaries {
            let listed = Command::new(path)
                .args(["--list", "--format=terse"])
                .output()?;
            let names = String::from_utf8(listed.stdout)?;
            let names = names.lines().filter_map(|line| line.strip_suffix(": test"));
            // The sources bring their own, which are no scenarios.
            let names = names.filter(|name| !name.contains("::tests::"));
            scenarios.extend(names.map(|name| Scenario {
                binary: binary.clone(),
                name: name.to_owned(),
                is_long: LONG.contains(&(suite, name)),
                limit: None,
            }));
        }
        ensure!(!scenarios.is_empty(), "{shim}: no scenarios");
        scenarios.retain(|scenario| mutants.iter().any(|mutant| scenario.reaches(mutant)));
        let mut measured = vec![];
        let scenarios: Vec<_> = scenarios.iter().collect();
        for (scenario, end, took) in self.run_all(&scenarios, &binaries)? {
            let name = &scenario.name;
            match end {
                End::Passed => measured.push((took, scenario)),
                End::Failed(said) => bail!("{name} ({shim}) is red as it is: {said}"),
                End::TooLittle => bail!("{name} ({shim}) is red as it is: {TOO_LITTLE}"),
                End::Never => unreachable!("there was no limit"),
            }
        }
        measured.sort_by_key(|(took, _)| *took);
        eprintln!(
            "{shim}: {} scenarios are green as it is, built and run in {} s",
            measured.len(),
            started.elapsed().as_secs()
        );
        let limited = measured.into_iter().map(|(took, scenario)| Scenario {
            binary: scenario.binary.clone(),
            name: scenario.name.clone(),
            is_long: scenario.is_long,
            limit: Some(LEAST_SECONDS.max((took * LIMIT).as_secs())),
        });
        Ok(limited.collect())
    }

    /// The test binaries of `suite`, by name; `None` if it does not compile.
    fn build(&self, suite: Suite) -> Result<Option<HashMap<String, PathBuf>>> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["test", "--no-run", "--locked", "--message-format=json"])
            .args(suite.selection())
            .arg("--manifest-path")
            .arg(self.tree.path().join("loom-tests/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &self.target)
            // Little changes from one mutant to the next.
            .env("CARGO_INCREMENTAL", "1")
            .output()
            .context("run cargo")?;
        let mut binaries = HashMap::new();
        let mut errors = false;
        for message in Message::parse_stream(&built.stdout[..]) {
            match message.context("read what cargo says")? {
                Message::CompilerMessage(told) => {
                    errors |= told.message.level == DiagnosticLevel::Error;
                }
                Message::CompilerArtifact(artifact) => {
                    let name = artifact.target.name;
                    if let Some(path) = artifact.executable.filter(|_| suite.has(&name)) {
                        ensure!(!artifact.fresh, "cargo did not build {name} anew");
                        binaries.insert(name, path.into());
                    }
                }
                _ => {}
            }
        }
        if errors {
            return Ok(None);
        }
        ensure!(
            built.status.success(),
            "cargo: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        Ok(Some(binaries))
    }

    /// Runs them on all cores, in their order, and starts no more of them once one failed.
    fn run_all<'s>(
        &self,
        scenarios: &[&'s Scenario],
        binaries: &HashMap<String, PathBuf>,
    ) -> Result<Vec<(&'s Scenario, End, Duration)>> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let ends = Mutex::new(vec![]);
        let work = || -> Result<()> {
            while !failed.load(Ordering::Relaxed) {
                let Some(&scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let (end, took) = self.run_one(scenario, &binaries[&scenario.binary])?;
                failed.fetch_or(matches!(end, End::Failed(_)), Ordering::Relaxed);
                ends.lock().unwrap().push((scenario, end, took));
            }
            Ok(())
        };
        thread::scope(|scope| {
            let cores = thread::available_parallelism()?.get();
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().expect("a worker does not panic"))
        })?;
        Ok(ends.into_inner().unwrap())
    }

    /// How it ended, and how long it computed: of the processor's time, since the machine may
    /// be busy with something else.
    fn run_one(&self, scenario: &Scenario, binary: &Path) -> Result<(End, Duration)> {
        let mut output = tempfile::tempfile().context("make a file for what is said")?;
        let limit = scenario.limit.map_or("unlimited".into(), |s| s.to_string());
        let ResUse { status, rusage } = Command::new("sh")
            .args(["-c", r#"ulimit -t "$0" && exec "$@""#, &limit])
            .arg(binary)
            // As it goes: what the harness holds back is lost when the process is aborted.
            .args(["--exact", &scenario.name, "--nocapture"])
            .args(scenario.is_long.then_some("--include-ignored"))
            .current_dir(self.tree.path().join("loom-tests"))
            .env("RUST_BACKTRACE", "0")
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()
            .and_then(|mut process| process.wait4())
            .with_context(|| format!("run {}", binary.display()))?;
        output.rewind()?;
        let mut told = vec![];
        output.read_to_end(&mut told)?;
        let end = ended(status, &String::from_utf8_lossy(&told));
        Ok((end, rusage.utime + rusage.stime))
    }
}

/// How a scenario ended that told this.
fn ended(status: ExitStatus, told: &str) -> End {
    if status.success() {
        return End::Passed;
    }
    if matches!(status.signal(), Some(SIGKILL | SIGXCPU)) {
        return End::Never;
    }
    match first_panic(told) {
        Some(said) if said.contains(TOO_LITTLE) => End::TooLittle,
        Some(said) => End::Failed(said.to_owned()),
        None => End::Failed(status.to_string()),
    }
}

/// The first line of what the first panic said.
fn first_panic(told: &str) -> Option<&str> {
    let mut lines = told.lines();
    lines.find(|line| line.contains("panicked at "))?;
    lines.next()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), to)?;
        } else if entry.file_name() != "target" {
            copy(&entry.path(), &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_that_ended_a_scenario() {
        let ended = |status, told| ended(ExitStatus::from_raw(status), told);
        let (failed, aborted) = (101 << 8, 6);
        let told = "running 1 test\nthread 'a' (7) panicked at src/a.rs:1:2:\nfirst\n\
                    thread 'a' panicked at src/a.rs:3:4:\nTOO LITTLE EXPLORED: of a\n";
        let (_, too_little) = told.split_once("first").unwrap();
        assert_eq!(ended(0, told), End::Passed);
        assert_eq!(ended(failed, told), End::Failed("first".into()));
        assert_eq!(ended(aborted, told), End::Failed("first".into()));
        assert_eq!(ended(failed, too_little), End::TooLittle);
        let core_dumped = "signal: 11 (SIGSEGV) (core dumped)";
        assert_eq!(ended(128 | 11, ""), End::Failed(core_dumped.into()));
        assert_eq!(ended(SIGXCPU, told), End::Never);
        assert_eq!(ended(SIGKILL, ""), End::Never);
    }
}
