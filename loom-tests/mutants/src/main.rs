//! Weakens each memory ordering of the library one step, drops each fence, each check and
//! each second look, one at a time, and expects the model checks to turn red.
//!
//! ```sh
//! cargo run --release --manifest-path loom-tests/Cargo.toml -p mutants
//! ```
//!
//! A mutant that survives is a missing scenario, or an ordering that is not needed. Where it
//! is neither, `allowed.toml` says why. Exits with 1 if one survives that is not in there, or
//! if one in there does not survive any more.

mod allowed;
mod find;
mod lab;
mod report;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use clap::Parser;

use allowed::Allowed;
use find::{Mutant, Source};
use lab::{Lab, Suite, Verdict};
use report::{Outcome, Survival};

/// Where memory orderings may be: a rule of the house.
const HOLDERS: &str = "src/register/";

/// Breaks the library's orderings and checks, one at a time, and expects the model checks
/// to turn red.
#[derive(Parser)]
struct Args {
    /// Tells what would be done, and does nothing.
    #[arg(long)]
    list: bool,
    /// Only those with this in their place, their function or what they do.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only those that have to be killed: leaves out what `allowed.toml` names.
    #[arg(long)]
    not_allowed: bool,
    /// So many of them, evenly spread; which ones depends on the sources.
    #[arg(long, value_name = "N")]
    sample: Option<NonZeroUsize>,
    /// Leaves out those before the Nth that would be tried: to go on after a run that was stopped.
    #[arg(long, value_name = "N")]
    from: Option<NonZeroUsize>,
    /// Where to write the table, besides the standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing survived that should not.
fn run(args: &Args) -> Result<bool> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).context("no repository above")?;
    let allowed = here.join("allowed.toml");
    let allowed = fs::read_to_string(&allowed)
        .map_err(Into::into)
        .and_then(|text| Allowed::parse(&text))
        .with_context(|| allowed.display().to_string())?;

    let sources = holders(root)?;
    let mutants = find::mutants(&sources);
    let chosen = choose(&mutants, args, &allowed, &sources)?;
    if args.list {
        for &index in &chosen {
            println!("{}", mutants[index]);
        }
        return Ok(true);
    }
    // Before the long run that it takes to have something to write.
    let out = args.out.as_deref().map(|path| {
        let file = File::create(path).with_context(|| format!("--out {}", path.display()))?;
        Ok::<_, anyhow::Error>(file)
    });
    let out = out.transpose()?;

    let work = std::env::var_os("MUTANTS_TARGET_DIR")
        .map_or_else(|| root.join("loom-tests/target/mutants"), PathBuf::from);
    let started = Instant::now();
    let tried: Vec<_> = chosen.iter().map(|&index| &mutants[index]).collect();
    let lab = Lab::new(root, &work, &tried)?;
    let mut outcomes: Vec<Option<Outcome>> = mutants.iter().map(|_| None).collect();
    for (count, &index) in chosen.iter().enumerate() {
        let mutant = &mutants[index];
        eprint!("[{}/{}] {mutant} ... ", count + 1, chosen.len());
        let since = Instant::now();
        let outcome = try_out(&lab, mutant, &sources)?;
        eprintln!("{outcome} ({} s)", since.elapsed().as_secs());
        outcomes[index] = Some(outcome);
    }
    let report = report::Report::new(&mutants, &outcomes, &allowed);
    eprintln!("in {} s", started.elapsed().as_secs());
    println!("{report}");
    if let Some(mut out) = out {
        writeln!(out, "{report}").context("write the report")?;
    }
    Ok(report.is_clean())
}

/// The sources with memory orderings, which may be in no other ones.
fn holders(root: &Path) -> Result<Vec<Source>> {
    let mut holders = vec![];
    for file in sources_below(root, "src")? {
        let text = fs::read_to_string(root.join(&file)).with_context(|| file.clone())?;
        let source = Source::parse(&file, text)?;
        if let Some(line) = source.first_ordering()? {
            ensure!(
                file.starts_with(HOLDERS),
                "{file}:{line}: a memory ordering outside of {HOLDERS}"
            );
        }
        // Its other files name the slots and the lanes.
        if file.starts_with(HOLDERS) {
            holders.push(source);
        }
    }
    Ok(holders)
}

/// The Rust files in `folder` and below, from the root, in order.
fn sources_below(root: &Path, folder: &str) -> Result<Vec<String>> {
    let mut found = vec![];
    let entries = fs::read_dir(root.join(folder)).with_context(|| format!("list {folder}"))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().context("a name that is not UTF-8 in src")?;
        let path = format!("{folder}/{name}");
        if entry.file_type()?.is_dir() {
            found.extend(sources_below(root, &path)?);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn choose(
    mutants: &[Mutant],
    args: &Args,
    allowed: &Allowed,
    sources: &[Source],
) -> Result<Vec<usize>> {
    let mut chosen: Vec<_> = (0..mutants.len()).collect();
    if let Some(text) = &args.only {
        chosen.retain(|&index| mutants[index].to_string().contains(text));
        ensure!(
            !chosen.is_empty(),
            "--only {text}: no mutant has this in it"
        );
    }
    if args.not_allowed {
        chosen.retain(|&index| allowed.reason(&mutants[index]).is_none());
    }
    if let Some(count) = args.sample {
        let mut hasher = DefaultHasher::new();
        for source in sources {
            source.text.hash(&mut hasher);
        }
        chosen = spread(&chosen, count.get(), hasher.finish());
    }
    if let Some(first) = args.from {
        let all = chosen.len();
        ensure!(first.get() <= all, "--from {first}: there are only {all}");
        chosen.drain(..first.get() - 1);
    }
    Ok(chosen)
}

/// `count` of `all`, evenly spread, from an offset that `seed` tells.
fn spread(all: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let count = count.min(all.len());
    let offset = (seed % all.len().max(1) as u64) as usize;
    let mut some: Vec<_> = (0..count)
        .map(|nth| all[(offset + nth * all.len() / count) % all.len()])
        .collect();
    some.sort_unstable();
    some
}

fn try_out(lab: &Lab, mutant: &Mutant, sources: &[Source]) -> Result<Outcome> {
    for source in sources {
        let text = if source.file == mutant.file {
            &mutant.applied_to(&source.text)
        } else {
            &source.text
        };
        lab.write(&source.file, text)?;
    }
    let mut survival = Survival::default();
    for suite in Suite::ALL {
        let named = |name| format!("{name} ({})", suite.name());
        match lab.run(suite, mutant)? {
            Verdict::DoesNotCompile => return Ok(Outcome::DoesNotCompile),
            Verdict::Failed(by) => {
                let by = by.into_iter().map(|(name, said)| (named(name), said));
                return Ok(Outcome::Killed(by.collect()));
            }
            Verdict::Passed {
                endless,
                too_little,
            } => {
                survival.endless.extend(endless.into_iter().map(named));
                survival
                    .too_little
                    .extend(too_little.into_iter().map(named));
            }
        }
    }
    Ok(Outcome::Survived(survival))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_and_moves_with_the_seed() {
        let all: Vec<_> = (0..10).collect();
        assert_eq!(spread(&all, 2, 0), [0, 5]);
        assert_eq!(spread(&all, 2, 13), [3, 8]);
        assert_eq!(spread(&all, 3, 9), [2, 5, 9]);
        assert_eq!(spread(&all, 99, 4), all);
        assert!(spread(&[], 3, 4).is_empty());
    }
}
