//! A budget that outlives its process: the pool's state is saved to a file and the next run
//! goes on counting from there.
//!
//! ```sh
//! cargo run --example restart --features serde -- /tmp/budget.json
//! cargo run --example restart --features serde -- /tmp/budget.json
//! ```

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use token_budget_pool::{BudgetPool, Limits, Restore, Snapshot, Usage};

/// The pool as it was saved, or a new one if it never was. A file that is there and cannot be
/// read is an error that names it, never a fresh budget.
fn restore(file: &Path) -> Result<BudgetPool, Box<dyn Error>> {
    let limits = Limits::unlimited().cost("0.05".parse()?);
    let builder = BudgetPool::builder().limits(limits);
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(builder.build()),
        Err(error) => return Err(format!("{}: {error}", file.display()).into()),
    };
    let saved: Snapshot =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    // Calls in flight when it was saved may have been billed: they count as forfeited.
    Ok(builder.restore(&saved, Restore::ReservedAsSpent).build())
}

/// Saved beside the file and moved over it, so that a crash leaves the old one or the new one
/// whole. What is spent after that is not in it.
fn save(pool: &BudgetPool, file: &Path) -> Result<(), Box<dyn Error>> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let mut new = fs::File::create(&beside)?;
    new.write_all(&serde_json::to_vec_pretty(&pool.snapshot())?)?;
    // It has to be on the disk before it gets the name. Otherwise a power cut may leave an empty
    // file of that name.
    new.sync_all()?;
    Ok(fs::rename(&beside, file)?)
}

fn run(file: &Path) -> Result<(), Box<dyn Error>> {
    let pool = restore(file)?;
    match pool.try_charge(Usage::tokens(1_000, 500).cost("0.0105".parse()?)) {
        Ok(spent) => println!("call {}: ${} spent of $0.05", spent.calls, spent.cost),
        Err(rejected) => println!("{rejected}"),
    }
    save(&pool, file)
}

fn main() -> ExitCode {
    let Some(file) = env::args_os().nth(1) else {
        eprintln!("error: which file to save the budget in?");
        return ExitCode::from(2);
    };
    match run(Path::new(&file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
