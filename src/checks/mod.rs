//! The checks: pure functions from [`Evidence`] to findings, one fault each.
//!
//! To add a check: one `<family>/<name>.rs` with its `Rule` statics and `CHECK`, one
//! `<family>/<id>.md` per id with the four headings (*What it means*, *How to fix it*, *What not to
//! do*, *How it is detected*), one fixture `fixtures/<id>/`, and one line in the family's `CHECKS`.
//! `CONTRIBUTING.md` has the steps; the tests at the bottom of this file and
//! `tests/all/scenarios.rs` name what is missing.

/// A rule whose page is `<id>.md` beside the file that declares it: its id, its usual level (a
/// variant of [`Level`](crate::report::Level)), its title.
macro_rules! rule {
    ($id:literal, $level:ident, $title:literal) => {
        crate::report::Rule::new(
            $id,
            crate::report::Level::$level,
            $title,
            include_str!(concat!($id, ".md")),
        )
    };
}

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
use crate::report::{ChainLink, CliFailure, Finding, Rule, RuleLink, UnknownCheck, Waiting};

/// A judgement over the evidence, and the ids it can speak of.
pub struct Check {
    /// Every id that `run` may make a finding of.
    pub rules: &'static [&'static Rule],
    /// `Ok(vec![])` is a pass; `Err` could not see what it needed.
    pub run: fn(&Evidence) -> Result<Vec<Finding>, Unseen>,
}

/// A family of checks, and what is true of its rules unless they say otherwise.
pub struct Family {
    /// As in `--only`.
    pub name: &'static str,
    /// What a reader calls it.
    pub heading: &'static str,
    /// The link of the chain that its rules break.
    pub link: RuleLink,
    /// Whether waiting can help.
    pub waiting: Waiting,
    /// The failures of the CLI that its rules explain.
    pub explains: &'static [CliFailure],
    /// The checks.
    pub checks: &'static [&'static Check],
    /// What is judged after all checks.
    pub passes: &'static [&'static Pass],
}

impl Family {
    const fn new(
        name: &'static str,
        heading: &'static str,
        link: ChainLink,
        checks: &'static [&'static Check],
    ) -> Self {
        let link = RuleLink::Always(link);
        let (waiting, explains, passes) = (Waiting::Never, &[], &[]);
        Self { name, heading, link, waiting, explains, checks, passes }
    }

    /// Every rule of the family.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        let checks = self.checks.iter().flat_map(|check| check.rules);
        checks.chain(self.passes.iter().flat_map(|pass| pass.rules)).copied()
    }

    const fn passes(mut self, passes: &'static [&'static Pass]) -> Self {
        self.passes = passes;
        self
    }

    const fn link(mut self, link: RuleLink) -> Self {
        self.link = link;
        self
    }

    const fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    const fn explains(mut self, failures: &'static [CliFailure]) -> Self {
        self.explains = failures;
        self
    }
}

/// Every check, by family. The order carries no meaning: certainty and `Rule::causes` rank.
pub static REGISTRY: &[Family] = &[
    Family::new("selection", "Settings that `npx convex` uses", ChainLink::Key, selection::CHECKS)
        .link(RuleLink::UnlessOnlyUrlMissing(ChainLink::Key, ChainLink::Source)),
    Family::new("key_shape", "Format of the admin key", ChainLink::Key, key_shape::CHECKS)
        .explains(&[CliFailure::KeyRejected, CliFailure::KeyMissingInHeader]),
    Family::new("key", "Admin key and backend", ChainLink::Key, key::CHECKS)
        .explains(&[CliFailure::KeyRejected]),
    Family::new("endpoint", "URL and network", ChainLink::Url, endpoint::CHECKS).explains(&[
        CliFailure::KeyLost,
        CliFailure::KeyMissingInHeader,
        CliFailure::WrongServer,
        CliFailure::Proxy,
        CliFailure::NoAnswer,
        CliFailure::WebSocket,
        CliFailure::WebSocketClosed,
    ]),
    Family::new(
        "identity",
        "Instance name and instance secret",
        ChainLink::Secret,
        identity::CHECKS,
    ),
    Family::new(
        "persistence",
        "Data and keys after `docker compose down`",
        ChainLink::Volume,
        persistence::CHECKS,
    )
    .explains(&[CliFailure::KeyRejected, CliFailure::EmptyBackend]),
    Family::new("engine", "Backend container and Docker", ChainLink::Port, engine::CHECKS)
        .explains(&[CliFailure::Proxy, CliFailure::Backend, CliFailure::NoAnswer]),
    Family::new("compose", "The compose file", ChainLink::Port, compose::CHECKS),
    Family::new("storage", "External database and file storage", ChainLink::Port, storage::CHECKS)
        .waiting(Waiting::IfRestarted)
        .explains(&[
            CliFailure::Backend,
            CliFailure::NoAnswer,
            CliFailure::WebSocketClosed,
            CliFailure::FileStorage,
        ]),
    Family::new(
        "suppression",
        "Suppressions that are expired or unused",
        ChainLink::Port,
        suppression::CHECKS,
    )
    .passes(suppression::PASSES),
];

/// Ids that were renamed: the old one, and its successor. `--ignore old` goes on working.
pub static RETIRED: &[(&str, &str)] = &[];

/// A judgement over what the checks found.
pub struct Pass {
    /// Every id that `run` may make a finding of.
    pub rules: &'static [&'static Rule],
    /// As a check's, with the outcome of all checks.
    pub run: fn(&Evidence, &Outcome) -> Result<Vec<Finding>, Unseen>,
}

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
    REGISTRY.iter().flat_map(Family::rules)
}

/// The family of an id.
pub fn family_of(id: &str) -> Option<&'static Family> {
    REGISTRY.iter().find(|family| family.rules().any(|rule| rule.id == id))
}

/// The family of that name, as `--only` takes it; a hyphen is as good as an underscore.
pub fn family_named(name: &str) -> Option<&'static Family> {
    let name = name.replace('-', "_");
    REGISTRY.iter().find(|family| family.name == name)
}

/// Whether there is a finding or a family of that name.
pub fn is_id_or_family(name: &str) -> bool {
    rule(name).is_some() || family_named(name).is_some()
}

/// The name of the family of an id.
pub fn family(id: &str) -> Option<&'static str> {
    family_of(id).map(|family| family.name)
}

/// Whether the rule of that id explains a failure of the CLI.
pub fn explains(id: &str, failure: CliFailure) -> bool {
    rule(id).is_some_and(|rule| rule.explains.contains(&failure))
        || family_of(id).is_some_and(|family| family.explains.contains(&failure))
}

/// Whether waiting can help with what the rule of that id says.
pub fn waiting(id: &str) -> Waiting {
    match (rule(id), family_of(id)) {
        (Some(Rule { waiting: Waiting::Family, .. }), Some(family)) => family.waiting,
        (Some(rule), _) => rule.waiting,
        (None, _) => Waiting::Never,
    }
}

/// Which link of the chain of custody the rule of that id breaks.
pub fn link(id: &str) -> RuleLink {
    let own = rule(id).and_then(|rule| rule.link);
    own.or_else(|| Some(family_of(id)?.link)).unwrap_or(RuleLink::None)
}

/// The rule of that id, a retired id included.
pub fn rule(id: &str) -> Option<&'static Rule> {
    let id = RETIRED.iter().find(|(old, _)| *old == id).map_or(id, |(_, new)| new);
    rules().find(|rule| rule.id == id)
}

/// Runs every check under a guard: one that panics is an `unknown`, and the others go on. Then the
/// passes over what they found.
pub fn run_all(evidence: &Evidence) -> Outcome {
    let mut outcome =
        run_each(evidence, REGISTRY.iter().flat_map(|family| family.checks.iter().copied()));
    for pass in REGISTRY.iter().flat_map(|family| family.passes) {
        let result = guarded(|| (pass.run)(evidence, &outcome));
        outcome.add(pass.rules, result);
    }
    outcome
}

/// Runs these checks.
fn run_each(evidence: &Evidence, checks: impl Iterator<Item = &'static Check>) -> Outcome {
    let mut outcome = Outcome::default();
    for check in checks {
        outcome.add(check.rules, guarded(|| (check.run)(evidence)));
    }
    outcome
}

/// A panic is a reason for `unknown`, like everything that could not be checked.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, Unseen>) -> Result<T, Unseen> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_panic| {
        Err(Unseen::new("internal error in convex-doctor; please report it"))
    })
}

impl Outcome {
    /// Adds what came of a check over these rules.
    fn add(&mut self, rules: &[&'static Rule], result: Result<Vec<Finding>, Unseen>) {
        match result {
            Ok(findings) => {
                let is_found = |rule: &&&Rule| findings.iter().any(|finding| finding.id == rule.id);
                self.passed
                    .extend(rules.iter().filter(|rule| !is_found(rule)).map(|it| it.id.to_owned()));
                self.findings.extend(findings);
            }
            Err(unseen) => self.unknown.extend(rules.iter().map(|rule| UnknownCheck {
                id: rule.id.to_owned(),
                reason: unseen.reason.clone(),
            })),
        }
    }
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
            Rule::new(id, Level::Error, "a fault", "").cause(&[])
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
        let checks = [&FIRST, &BROKEN, &LAST];
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
