//! The mutants that may survive, each with the reason.

use anyhow::{bail, Result};
use serde::Deserialize;

use crate::find::Mutant;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allowed {
    #[serde(default, rename = "allowed")]
    entries: Vec<Entry>,
}

/// Found by function and text, so that it stays where it is when lines move.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    function: String,
    mutations: Vec<String>,
    reason: String,
}

impl Allowed {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let allowed: Self = toml::from_str(text)?;
        for entry in &allowed.entries {
            if entry.reason.trim().is_empty() {
                let Entry { file, function, .. } = entry;
                bail!("`reason` of {file}, {function} is empty");
            }
        }
        Ok(allowed)
    }

    /// Why this mutant may survive, if it may.
    pub(crate) fn reason(&self, mutant: &Mutant) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| {
            entry
                .mutations
                .iter()
                .any(|mutation| entry.is_about(mutation, mutant))
        })?;
        Some(entry.reason.trim())
    }

    /// The mutations that nothing is left of: no such mutant is found, or all that are were
    /// run and none survived.
    pub(crate) fn stale<'a>(
        &self,
        found: impl Iterator<Item = (&'a Mutant, Fate)> + Clone,
    ) -> Vec<String> {
        let mut stale = vec![];
        for entry in &self.entries {
            for mutation in &entry.mutations {
                let about = found
                    .clone()
                    .filter(|(mutant, _)| entry.is_about(mutation, mutant));
                if about.clone().all(|(_, fate)| fate == Fate::Killed) {
                    let none = if about.count() == 0 {
                        "is not found"
                    } else {
                        "is killed"
                    };
                    stale.push(format!(
                        "{}, {}: {mutation}: {none}",
                        entry.file, entry.function
                    ));
                }
            }
        }
        stale
    }
}

/// What is known of a mutant, as far as an entry is concerned.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Unknown,
    Survived,
    Killed,
}

impl Entry {
    fn is_about(&self, mutation: &str, mutant: &Mutant) -> bool {
        (&*self.file, &*self.function, mutation)
            == (&*mutant.file, &*mutant.function, &*mutant.mutation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::{mutants, Source};

    const ALLOWED: &str = "
        [[allowed]]
        file = 'src/a.rs'
        function = 'f'
        mutations = ['true: a', 'false: a']
        reason = ' It is a hint. '
    ";

    fn found() -> Vec<Mutant> {
        let text = "fn f() { if a {} } fn g() { if a {} }";
        mutants(&[Source::parse("src/a.rs", text.to_owned()).unwrap()])
    }

    #[test]
    fn an_entry_is_about_a_function_and_a_text() {
        let allowed = Allowed::parse(ALLOWED).unwrap();
        let reasons: Vec<_> = found()
            .iter()
            .map(|mutant| allowed.reason(mutant).map(str::to_owned))
            .collect();
        let reason = Some("It is a hint.".to_owned());
        assert_eq!(reasons, [reason.clone(), reason, None, None]);
    }

    #[test]
    fn an_entry_that_nothing_is_left_of_is_stale() {
        let allowed = Allowed::parse(ALLOWED).unwrap();
        let stale = |fates: &[Fate]| {
            let found = found();
            allowed.stale(found.iter().zip(fates.iter().copied()))
        };
        let (unknown, survived, killed) = (Fate::Unknown, Fate::Survived, Fate::Killed);
        assert!(stale(&[survived, unknown, killed, killed]).is_empty());
        assert_eq!(
            stale(&[survived, killed, survived, survived]),
            ["src/a.rs, f: false: a: is killed"]
        );
        assert_eq!(stale(&[survived]), ["src/a.rs, f: false: a: is not found"]);
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told() {
        let error = |text: &str| Allowed::parse(text).err().unwrap().to_string();
        assert_eq!(
            error(&ALLOWED.replace(" It is a hint. ", " ")),
            "`reason` of src/a.rs, f is empty"
        );
        assert!(error(&ALLOWED.replace("reason", "why")).contains("unknown field `why`"));
        assert!(error("[[allowed]]\nfile = 'a'").contains("missing field `function`"));
    }
}
