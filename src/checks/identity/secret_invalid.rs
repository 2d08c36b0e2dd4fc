//! A secret with which no backend starts.

use crate::checks::Check;
use crate::deployment::compose::backend_service;
use crate::deployment::container::identity_subject;
use crate::deployment::key::key_is_accepted;
use crate::deployment::log_lines::log_match;
use crate::deployment::variable::{entry_if_set, value_location, value_source};
use crate::evidence::compose::EntryValue;
use crate::evidence::docker::SecretState;
use crate::evidence::{Evidence, Observation, Unseen};
use crate::remedies::command::{recreate, up};
use crate::remedies::rotation::by_hand;
use crate::remedies::secret::write_back;
use crate::report::{
    Certainty, CliFailure, Finding, FixPolicy, Level, Location, Order, Remedy, Rule, capitalized,
};

/// The secret is not 64 hex digits.
pub static SECRET_INVALID: Rule =
    rule!("secret-invalid", Error, "the instance secret is not 64 hex digits")
        .cause(&["backend-restarting", "backend-stopped", "url-refused", "url-no-answer"])
        .fix(FixPolicy::Drift)
        .explains(&[CliFailure::NoAnswer]);

/// Whether the secret can be used.
pub static CHECK: Check = Check { rules: &[&SECRET_INVALID], run };

/// One of the places of the secret.
const FILE: &str = "the credentials file";

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let subject = identity_subject(evidence);
    let container = subject.as_ref().ok().and_then(Option::as_ref).map(|subject| subject.container);
    let service = backend_service(evidence);
    let entry = service.as_ref().ok().and_then(|service| entry_if_set(*service, "INSTANCE_SECRET"));
    let replace = |mut finding: Finding, back: Option<Remedy>| {
        finding = finding.remedy(back.unwrap_or_else(|| {
            Remedy::safe("Restore the old secret from a copy: all keys stay valid")
        }));
        let mut new = by_hand(evidence, vec![]).map(Remedy::step);
        new[0].order = Order::Alternative;
        finding.remedies.extend(new);
        finding
    };
    if let Some(container) = container {
        let places = &container.secret;
        // The environment overrides the file; the file counts if the environment sets nothing.
        let overridden = !matches!(places.environment.seen(), Ok(None));
        let of = |place: &Observation<Option<SecretState>>| match place.seen() {
            Ok(Some(SecretState::Invalid(why))) => Some(why.clone()),
            _ => None,
        };
        let found = of(&places.environment)
            .map(|why| ("the container's INSTANCE_SECRET", why))
            .or_else(|| Some((FILE, of(&places.file).filter(|_| !overridden)?)));
        if let Some((what, why)) = found {
            let back = write_back(container).filter(|_| what == FILE);
            let finding = SECRET_INVALID
                .finding(
                    Certainty::Proven,
                    format!("{} cannot start with the secret in {what}: {why}.", container.name),
                )
                .because(format!("{}: {why}", capitalized(what)), container.name.clone())
                .at(Location::container(&container.name));
            let finding = match entry {
                Some(entry) => finding.at(value_location(entry)),
                None => finding,
            };
            return Ok(vec![replace(finding, back)]);
        }
    }
    if let Some((entry, EntryValue::Secret(SecretState::Invalid(why)))) =
        entry.map(|entry| (entry, &entry.value))
    {
        let then = container.map_or_else(|| up(evidence), |it| recreate(evidence, it));
        let finding = SECRET_INVALID
            .finding(
                Certainty::Likely,
                format!("After `{then}`, the backend probably cannot start: {why}."),
            )
            .because(format!("INSTANCE_SECRET: {why}"), value_source(entry))
            .at(value_location(entry));
        let finding = replace(finding, None);
        // If the key works now, it is not an error (docs/facts.md, rule-200).
        return Ok(vec![if key_is_accepted(evidence) {
            finding.level(Level::Warning)
        } else {
            finding
        }]);
    }
    let logged = log_match(evidence, SECRET_INVALID.id);
    if let Ok(Some(found)) = &logged {
        return Ok(vec![replace(found.finding(&SECRET_INVALID), None)]);
    }
    subject?;
    service?;
    if let Some(container) = container
        && container.secret.environment.seen()?.is_none()
    {
        container.secret.file.seen()?;
    }
    Ok(vec![])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{Seen, entry, unseen, valid};
    use Certainty::{Likely, Proven};

    type Change = fn(&mut Evidence);
    type Row = (&'static str, Change, Option<(Certainty, Level)>);

    fn bad() -> SecretState {
        SecretState::Invalid("Hex-decoded key was 0 bytes, not 32".to_owned())
    }

    #[test]
    fn a_secret_with_which_no_backend_starts() {
        let declare: Change = |e| {
            build::service(e).environment =
                vec![entry("INSTANCE_SECRET", EntryValue::Secret(bad()))];
        };
        let cases: [Row; 5] = [
            ("healthy", |_| {}, None),
            (
                "an empty credentials file",
                |e| build::backend(e).secret.file = Seen(Some(bad())),
                Some((Proven, Level::Error)),
            ),
            (
                "overridden by the environment",
                |e| {
                    build::backend(e).secret.file = Seen(Some(bad()));
                    build::backend(e).secret.environment = Seen(Some(valid("ours")));
                },
                None,
            ),
            ("declared, and the key works now", declare, Some((Likely, Level::Warning))),
            (
                "declared, no container",
                |e| {
                    *e = build::refused(&[]);
                    build::service(e).environment =
                        vec![entry("INSTANCE_SECRET", EntryValue::Secret(bad()))];
                    build::docker(e).backends.clear();
                },
                Some((Likely, Level::Error)),
            ),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::healthy();
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|f| (f.certainty, f.level)), expected, "{case}");
        }
        let mut evidence = build::healthy();
        build::backend(&mut evidence).secret.file = Seen(Some(bad()));
        let first = |evidence: &Evidence| run(evidence).unwrap()[0].remedies[0].clone();
        assert_eq!(first(&evidence).commands.len(), 1, "the process still has it");
        build::backend(&mut evidence).life.state = "exited".into();
        assert!(first(&evidence).commands.is_empty());
        evidence.docker = unseen();
        assert!(run(&evidence).is_err());
    }
}
