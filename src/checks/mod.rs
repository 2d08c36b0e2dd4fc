//! The checks: pure functions from [`Evidence`] to findings, one fault each.
//!
//! To add a check: one `<family>/<name>.rs` with its `Rule` statics and `CHECK`, one
//! `<family>/<id>.md` per id with the four headings (*What it means*, *What proves it*, *How to
//! mend it*, *What not to do*), one fixture `fixtures/<id>/`, and one line in [`REGISTRY`]. The
//! tests at the bottom of this file and `tests/all/scenarios.rs` name what is missing.

pub mod compose;
pub mod endpoint;
pub mod engine;
pub mod identity;
pub mod key;
pub mod key_shape;
pub mod persistence;
pub mod selection;
pub mod storage;
pub mod suppression;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::evidence::{Evidence, Unseen};
use crate::report::{Finding, Rule, UnknownCheck};

/// A judgement over the evidence, and the ids it can speak of.
pub struct Check {
    /// Every id that `run` may make a finding of.
    pub rules: &'static [&'static Rule],
    /// `Ok(vec![])` is a pass; `Err` could not see what it needed.
    pub run: fn(&Evidence) -> Result<Vec<Finding>, Unseen>,
}

/// Every check, by family. The order carries no meaning: certainty and `Rule::causes` rank.
pub static REGISTRY: &[(&str, &[&Check])] = &[
    ("selection", selection::CHECKS),
    ("key_shape", key_shape::CHECKS),
    ("key", key::CHECKS),
    ("endpoint", endpoint::CHECKS),
    ("identity", identity::CHECKS),
    ("persistence", persistence::CHECKS),
    ("engine", engine::CHECKS),
    ("compose", compose::CHECKS),
    ("storage", storage::CHECKS),
    ("suppression", suppression::CHECKS),
];

/// Ids that were renamed: the old one, and its successor. `--ignore old` goes on working.
pub static RETIRED: &[(&str, &str)] = &[];

/// What follows when the backend crashes or never comes up: the states in which its container is
/// then seen. What its URL answers follows from them.
pub(crate) const BACKEND_DOWN: &[&str] =
    &["backend-stopped", "backend-restarting", "backend-starting"];

/// What all checks together came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was found.
    pub findings: Vec<Finding>,
    /// Ids that were judged and found in order.
    pub passed: Vec<String>,
    /// Ids that could not be judged.
    pub unknown: Vec<UnknownCheck>,
}

/// Every rule of the registry.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    all().flat_map(|(_, check)| check.rules.iter().copied())
}

/// Every check with the name of its family.
fn all() -> impl Iterator<Item = (&'static str, &'static Check)> {
    REGISTRY.iter().flat_map(|(family, checks)| checks.iter().map(|check| (*family, *check)))
}

/// The family of an id.
pub fn family(id: &str) -> Option<&'static str> {
    all().find(|(_, check)| check.rules.iter().any(|rule| rule.id == id)).map(|(family, _)| family)
}

/// What a reader calls a family.
pub fn heading(family: &str) -> &str {
    match family {
        "selection" => "Selection: what `npx convex` would use",
        "key_shape" => "The key by its shape, no secret needed",
        "key" => "The key against the instance",
        "endpoint" => "The URL, and what answers there",
        "identity" => "The instance: its name and its secret",
        "persistence" => "What survives the next `down`",
        "engine" => "The backend's container and the Docker engine",
        "compose" => "The compose file",
        "suppression" => "What is not to be shown, and no longer fits",
        "storage" => "Database and files elsewhere",
        other => other,
    }
}

/// The rule of that id, a retired id included.
pub fn rule(id: &str) -> Option<&'static Rule> {
    let id = RETIRED.iter().find(|(old, _)| *old == id).map_or(id, |(_, new)| new);
    rules().find(|rule| rule.id == id)
}

/// Runs every check under a guard: one that panics is an `unknown`, and the others go on.
pub fn run_all(evidence: &Evidence) -> Outcome {
    run_each(evidence, all())
}

/// The same without one family: for a check that judges what the others find.
fn run_all_but(evidence: &Evidence, family: &str) -> Outcome {
    run_each(evidence, all().filter(|(name, _)| *name != family))
}

fn run_each<'a>(
    evidence: &Evidence,
    checks: impl Iterator<Item = (&'a str, &'static Check)>,
) -> Outcome {
    let mut outcome = Outcome::default();
    for (_, check) in checks {
        let result = catch_unwind(AssertUnwindSafe(|| (check.run)(evidence)));
        match result {
            Ok(Ok(findings)) => {
                for rule in check.rules {
                    if !findings.iter().any(|finding| finding.id == rule.id) {
                        outcome.passed.push(rule.id.to_owned());
                    }
                }
                outcome.findings.extend(
                    findings
                        .into_iter()
                        .map(|finding| crate::remedies::platform::fit(evidence, finding)),
                );
            }
            Ok(Err(unseen)) => {
                outcome.unknown.extend(check.rules.iter().map(|rule| UnknownCheck {
                    id: rule.id.to_owned(),
                    reason: unseen.reason.clone(),
                }));
            }
            Err(_panic) => outcome.unknown.extend(check.rules.iter().map(|rule| UnknownCheck {
                id: rule.id.to_owned(),
                reason: "the check failed inside the doctor; please report it".to_owned(),
            })),
        }
    }
    outcome
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests read the folder of the checks")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_kebab_case_and_titles_fit() {
        let mut seen = BTreeSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.id), "{} twice", rule.id);
            assert!(
                rule.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert!(rule.title.chars().count() <= 72, "{}: {}", rule.id, rule.title);
        }
    }

    #[test]
    fn explanations_have_their_four_headings_in_order() {
        let headings =
            ["## What it means", "## How to fix it", "## What not to do", "## How it is detected"];
        for rule in rules() {
            let found: Vec<&str> =
                rule.explain.lines().filter(|line| line.starts_with("## ")).collect();
            assert_eq!(found, headings, "{}", rule.id);
        }
    }

    #[test]
    fn causes_name_real_ids_and_have_no_cycle() {
        fn visit(id: &str, path: &mut Vec<String>) {
            assert!(!path.iter().any(|seen| seen == id), "cycle: {path:?} {id}");
            path.push(id.to_owned());
            for next in rule(id).unwrap_or_else(|| panic!("{path:?}")).causes {
                visit(next, path);
            }
            path.pop();
        }
        for rule in rules() {
            visit(rule.id, &mut Vec::new());
        }
    }

    #[test]
    fn every_file_of_a_check_is_registered() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/checks");
        let explained: BTreeSet<&str> = rules().map(|rule| rule.explain).collect();
        for family in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
            if !family.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(family).unwrap().map(|entry| entry.unwrap().path()) {
                if file.extension().is_some_and(|extension| extension == "md") {
                    let id = file.file_stem().unwrap().to_string_lossy().into_owned();
                    let text = std::fs::read_to_string(&file).unwrap();
                    assert!(rule(&id).is_some(), "{} belongs to no rule", file.display());
                    assert!(
                        explained.contains(text.as_str()),
                        "{} is not included",
                        file.display()
                    );
                }
            }
        }
    }

    #[test]
    fn a_check_that_panics_is_unknown_and_the_others_are_heard() {
        use crate::report::{Certainty, Level};
        const fn named(id: &'static str) -> Rule {
            Rule {
                id,
                level: Level::Error,
                title: "a fault",
                explain: "",
                is_cause: true,
                causes: &[],
                since: "0.1.0",
            }
        }
        static BEFORE: Rule = named("before");
        static ONE: Rule = named("one");
        static OTHER: Rule = named("other");
        static AFTER: Rule = named("after");
        static FIRST: Check = Check {
            rules: &[&BEFORE],
            run: |_| Ok(vec![BEFORE.finding(Certainty::Proven, "seen before it")]),
        };
        static BROKEN: Check =
            Check { rules: &[&ONE, &OTHER], run: |_| panic!("this check is broken on purpose") };
        static LAST: Check = Check {
            rules: &[&AFTER],
            run: |_| Ok(vec![AFTER.finding(Certainty::Likely, "seen after it")]),
        };
        let checks = [&FIRST, &BROKEN, &LAST].map(|check| ("family", check));
        let outcome = run_each(&Evidence::default(), checks.into_iter());
        let expected = [
            BEFORE.finding(Certainty::Proven, "seen before it"),
            AFTER.finding(Certainty::Likely, "seen after it"),
        ];
        assert_eq!(outcome.findings, expected);
        let unknown: Vec<&str> = outcome.unknown.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(unknown, ["one", "other"]);
        assert!(outcome.unknown.iter().all(|one| one.reason.contains("please report it")));
        assert!(outcome.passed.is_empty(), "{:?}", outcome.passed);
    }
}
