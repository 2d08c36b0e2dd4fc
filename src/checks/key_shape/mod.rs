//! The selected key by its format alone: what is known of it without any secret.
//!
//! A text has one form, so at most one of the ids of a wrong form is reported. Keys that are not
//! selected are not judged: `shell-shadows-file` reports a shell's key that overrides a good one.
#![allow(
    clippy::unnecessary_wraps,
    reason = "every check has one signature, also one that sees all it needs"
)]

pub mod form;
pub mod legacy;
pub mod mangled;
pub mod name;

use super::Check;
use crate::deployment::key::cli_works;
use crate::deployment::selection::source_location;
use crate::evidence::{Evidence, KeyFacts};
use crate::remedies::mint::for_selection;
use crate::report::{Certainty, Finding, Level, Remedy, Rule, Text};

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &form::CLOUD_KEY_CHECK,
    &form::NOT_MINTED_CHECK,
    &form::PLACEHOLDER_CHECK,
    &form::SECRET_CHECK,
    &legacy::CHECK,
    &mangled::CHECK,
    &name::PREFIX_CHECK,
    &name::WITHOUT_NAME_CHECK,
];

/// A finding about the selected key, at its place; a warning if the CLI works with it anyway
/// (docs/facts.md, rule-200).
fn about(
    rule: &'static Rule,
    evidence: &Evidence,
    key: &KeyFacts,
    certainty: Certainty,
    detail: impl Into<Text>,
) -> Finding {
    let finding = rule.finding(certainty, detail);
    let finding =
        if cli_works(evidence) { finding.level(rule.level.min(Level::Warning)) } else { finding };
    match source_location(&key.source) {
        Some(location) => finding.at(location),
        None => finding,
    }
}

/// Another key instead of this one.
fn replace(evidence: &Evidence) -> Remedy {
    for_selection(evidence, ".env.local")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{KEY, told};
    use crate::evidence::selection::ValueSource;
    use crate::names::ADMIN_KEY;

    /// What the whole family finds in a key at .env.local:2, without the place.
    pub(super) fn family(value: &str, change: impl Fn(&mut Evidence)) -> Vec<String> {
        let local =
            format!("CONVEX_SELF_HOSTED_URL=http://h:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY={value}\n");
        let mut evidence = build::evidence(&[], &local, "");
        change(&mut evidence);
        let told: Vec<String> =
            CHECKS.iter().flat_map(|check| told((check.run)(&evidence))).collect();
        assert!(
            told.iter().all(|line| line == "unknown" || line.ends_with(" .env.local:2")),
            "{told:?}"
        );
        told.iter().map(|line| line.replace(" .env.local:2", "")).collect()
    }

    #[test]
    fn each_form_has_its_id_and_a_good_key_has_none() {
        let secret = "5".repeat(64);
        for (value, expected) in [
            (KEY.to_owned(), None),
            (format!("dev:{KEY}"), None),
            ("'<your admin key>'".to_owned(), Some("key-placeholder error proven")),
            ("sk_live_51H8xQ2eZvKYlo2C".to_owned(), Some("key-not-minted error proven")),
            (secret, Some("key-is-instance-secret error likely")),
            (
                "prod:happy-animal-123|eyJ2MiI6IjAxMjM0NTY3ODkifQ==".to_owned(),
                Some("key-is-cloud-key error proven"),
            ),
            (format!("preview:{KEY}"), Some("key-prefix-refused error proven")),
            (KEY.replace("app|", ""), Some("key-without-name error proven")),
            (KEY[..30].to_owned(), Some("key-mangled error proven")),
        ] {
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(family(&value, build::refuse), expected, "{value}");
        }
    }

    #[test]
    fn without_a_key_there_is_nothing_to_judge() {
        let evidence = build::evidence(&[], "CONVEX_SELF_HOSTED_URL=http://h", "");
        assert!(CHECKS.iter().all(|check| told((check.run)(&evidence)).is_empty()));
    }

    #[test]
    fn a_key_of_the_shell_is_placed_there() {
        let env = [(ADMIN_KEY, "hunter2"), ("CONVEX_SELF_HOSTED_URL", "http://h")];
        let evidence = build::evidence(&env, "", "");
        let found = (form::NOT_MINTED_CHECK.run)(&evidence).unwrap();
        let source = ValueSource::Env { env: ADMIN_KEY.to_owned() };
        assert_eq!(found[0].locations, [source_location(&source).unwrap()]);
    }

    #[test]
    fn what_works_is_at_most_a_warning() {
        let told = family(&format!("preview:{KEY}"), build::accept);
        assert_eq!(told, ["key-prefix-refused warning proven"]);
    }
}
