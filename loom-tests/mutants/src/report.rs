//! What came of each mutant, as a table.

use std::fmt;

use crate::allowed::{Allowed, Fate};
use crate::find::Mutant;

/// What came of a mutant.
pub(crate) enum Outcome {
    /// By these scenarios, with what they said.
    Killed(Vec<(String, String)>),
    DoesNotCompile,
    Survived(Survival),
}

/// What was different, though no scenario failed.
#[derive(Default)]
pub(crate) struct Survival {
    /// These took far longer and were ended. loom itself ends an execution that has no end, and
    /// fails, so these had more executions, and who knows whether the rest would have failed.
    pub(crate) endless: Vec<String>,
    /// These saw fewer executions than they should.
    pub(crate) too_little: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Killed(by) => {
                for (nth, (scenario, said)) in by.iter().enumerate() {
                    let comma = if nth == 0 { "" } else { "; " };
                    write!(f, "{comma}{scenario}: {said:.60}")?;
                }
                Ok(())
            }
            Outcome::DoesNotCompile => f.write_str("does not compile"),
            Outcome::Survived(survival) => {
                f.write_str("SURVIVED")?;
                let Survival {
                    endless,
                    too_little,
                } = survival;
                if !endless.is_empty() {
                    write!(f, "; no end: {}", endless.join(", "))?;
                }
                if !too_little.is_empty() {
                    write!(f, "; fewer executions: {}", too_little.join(", "))?;
                }
                Ok(())
            }
        }
    }
}

pub(crate) struct Report<'a> {
    rows: Vec<(&'a Mutant, &'a Outcome, Option<&'a str>)>,
    found: usize,
    stale: Vec<String>,
}

impl<'a> Report<'a> {
    /// Of all mutants, with the outcomes of those that were run.
    pub(crate) fn new(
        mutants: &'a [Mutant],
        outcomes: &'a [Option<Outcome>],
        allowed: &'a Allowed,
    ) -> Self {
        let both = mutants.iter().zip(outcomes);
        let fates = both.clone().map(|(mutant, outcome)| {
            let fate = match outcome {
                None => Fate::Unknown,
                Some(Outcome::Survived(_)) => Fate::Survived,
                Some(_) => Fate::Killed,
            };
            (mutant, fate)
        });
        let rows = both.filter_map(|(mutant, outcome)| {
            Some((mutant, outcome.as_ref()?, allowed.reason(mutant)))
        });
        Self {
            rows: rows.collect(),
            found: mutants.len(),
            stale: allowed.stale(fates),
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.stale.is_empty() && self.survivors(false) == 0
    }

    fn count(&self, counted: impl Fn(&Outcome) -> bool) -> usize {
        self.rows.iter().filter(|row| counted(row.1)).count()
    }

    fn survivors(&self, allowed: bool) -> usize {
        let survived = |row: &&(_, &Outcome, Option<_>)| {
            matches!(row.1, Outcome::Survived(_)) && row.2.is_some() == allowed
        };
        self.rows.iter().filter(survived).count()
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| place | function | mutation | killed by |")?;
        writeln!(f, "|---|---|---|---|")?;
        for (mutant, outcome, allowed) in &self.rows {
            let outcome = match (outcome, allowed) {
                (Outcome::Survived(_), Some(reason)) => format!("allowed: {reason}"),
                _ => outcome.to_string(),
            };
            let Mutant { file, line, .. } = mutant;
            let function = cell(&mutant.function);
            let mutation = cell(&mutant.mutation);
            let outcome = cell(&outcome);
            writeln!(
                f,
                "| {file}:{line} | `{function}` | `{mutation}` | {outcome} |"
            )?;
        }
        writeln!(
            f,
            "\n{} of {} mutants: {} killed, {} do not compile, {} allowed to survive, \
             {} SURVIVED",
            self.rows.len(),
            self.found,
            self.count(|outcome| matches!(outcome, Outcome::Killed(_))),
            self.count(|outcome| matches!(outcome, Outcome::DoesNotCompile)),
            self.survivors(true),
            self.survivors(false),
        )?;
        for stale in &self.stale {
            writeln!(f, "\nSTALE in allowed.toml: {stale}")?;
        }
        Ok(())
    }
}

/// A text that is no end of its cell.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
