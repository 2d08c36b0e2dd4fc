//! An instance name with which no key is ever accepted.

use crate::checks::Check;
use crate::deployment::compose::backend_service;
use crate::deployment::container::identity_subject;
use crate::deployment::variable::{entry_if_set, value_location, value_source};
use crate::evidence::compose::EntryValue;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::{recreate, up};
use crate::remedies::mint::after_new_secret;
use crate::report::{Certainty, ChainLink, CliFailure, Finding, Location, Remedy, Rule};

/// The name makes every key invalid.
pub static INSTANCE_NAME_UNUSABLE: Rule =
    rule!("instance-name-unusable", Error, "the instance name makes every key invalid")
        .cause(&["key-name-mismatch", "key-mangled", "name-drift"])
        .breaks(ChainLink::Key)
        .explains(&[CliFailure::KeyRejected]);

/// Whether the name can be used.
pub static CHECK: Check = Check { rules: &[&INSTANCE_NAME_UNUSABLE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    let subject = identity_subject(evidence);
    let container = subject.as_ref().ok().and_then(Option::as_ref).map(|subject| subject.container);
    let service = backend_service(evidence);
    let entry = service.as_ref().ok().and_then(|service| entry_if_set(*service, "INSTANCE_NAME"));
    let declared = entry.and_then(|entry| match &entry.value {
        EntryValue::Plain(name) => Some(name.as_str()),
        _ => None,
    });
    let process = container.map(|container| container.instance_name.process.seen());
    let answered = endpoint.and_then(|endpoint| endpoint.answering_name());
    let of_process = process.clone().and_then(Result::ok).and_then(Option::as_deref);
    let of_environment = container
        .and_then(|container| container.instance_name.environment.seen().ok())
        .and_then(Option::as_deref);
    let places = [
        (answered, "the URL", Certainty::Proven),
        (of_process, "the container", Certainty::Proven),
        (of_environment, "the container's environment", Certainty::Likely),
        (declared, "the compose file", Certainty::Likely),
    ];
    let found = places.into_iter().find_map(|(name, source, certainty)| {
        let name = name?;
        let character =
            [(':', "a `:`"), ('|', "a `|`"), ('\r', "a carriage return"), ('\n', "a line break")]
                .into_iter()
                .find(|(character, _)| name.contains(*character))?;
        Some((name, character.1, source, certainty))
    });
    let Some((name, character, source, certainty)) = found else {
        subject?;
        if let Some(container) = container {
            container.instance_name.environment.seen()?;
        }
        // The name that answers is in use; without an answer the process must have been seen.
        if answered.is_none()
            && let Some(process) = process
        {
            process?;
        }
        service?;
        return Ok(vec![]);
    };
    let mut finding = INSTANCE_NAME_UNUSABLE
        .finding(
            certainty,
            format!(
                "The backend starts and generates keys, but rejects every key: INSTANCE_NAME \
                 contains {character}, and the header ends there."
            ),
        )
        .because(format!("The name `{}` contains {character}", name.escape_debug()), source);
    if let Some(entry) = entry {
        finding = finding.at(value_location(entry));
    }
    if let Some(container) = container {
        finding = finding.at(Location::container(&container.name));
    }
    let set = match (usable(name), entry) {
        (Some(usable), Some(entry)) => {
            format!("Set INSTANCE_NAME={usable} in {}", value_source(entry))
        }
        (Some(usable), None) => format!("Set INSTANCE_NAME={usable}"),
        (None, _) => "Set INSTANCE_NAME to a name of letters, digits and - only".to_owned(),
    };
    let remedies = if container.is_some_and(|container| container.storage.uses_sql) {
        vec![Remedy::careful("Give the instance another name, and rename its SQL database with it")]
    } else {
        let recreate = container.map_or_else(|| up(evidence), |it| recreate(evidence, it));
        vec![
            Remedy::careful(set).step(),
            Remedy::careful("Recreate the container").run(recreate).step(),
            after_new_secret(evidence).step(),
        ]
    };
    finding.remedies.extend(remedies);
    Ok(vec![finding])
}

/// The name with `-` for what a name may not have; `None` if nothing is left of it.
fn usable(name: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let text: String = name.trim().chars().map(plain).collect();
    let text = text.trim_matches('-');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{Seen, entry};
    use Certainty::{Likely, Proven};

    type Change = fn(&mut Evidence);

    #[test]
    fn a_name_that_ends_the_header() {
        let cases: [(&str, Change, Option<Certainty>); 4] = [
            ("healthy", |_| {}, None),
            (
                "in the process",
                |e| build::backend(e).instance_name.process = Seen(Some("a:b".to_owned())),
                Some(Proven),
            ),
            (
                "declared",
                |e| {
                    build::service(e).environment =
                        vec![entry("INSTANCE_NAME", EntryValue::Plain("x\r".to_owned()))];
                },
                Some(Likely),
            ),
            (
                "a space works",
                |e| build::backend(e).instance_name.process = Seen(Some("my app".to_owned())),
                None,
            ),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::healthy();
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    #[test]
    fn a_name_that_can_be_used_is_proposed() {
        for (name, expected) in [
            ("app:prod", Some("app-prod")),
            ("my|app\r", Some("my-app")),
            ("app\r", Some("app")),
            (":", None),
        ] {
            assert_eq!(usable(name).as_deref(), expected, "{name:?}");
        }
    }
}
