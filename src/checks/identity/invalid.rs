//! A secret by which no backend starts, and a name by which no key is ever accepted.

use super::{opinion, recreate, service, value_place, value_spot, whose};
use crate::checks::Check;
use crate::checks::key::is_accepted;
use crate::evidence::compose::EntryValue;
use crate::evidence::docker::SecretState;
use crate::evidence::{Evidence, Observation, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

/// The secret is not 64 hex digits.
pub static SECRET_INVALID: Rule = Rule {
    id: "secret-invalid",
    level: Level::Error,
    title: "the instance secret is not 64 hex digits: no backend starts with it",
    explain: include_str!("secret-invalid.md"),
    is_cause: true,
    causes: &["key-rejected"],
    since: "0.1.0",
};

/// The name breaks every key.
pub static INSTANCE_NAME_UNUSABLE: Rule = Rule {
    id: "instance-name-unusable",
    level: Level::Error,
    title: "no key of an instance with this name is ever accepted",
    explain: include_str!("instance-name-unusable.md"),
    is_cause: true,
    causes: &["key-name-mismatch", "key-foreign", "key-rejected"],
    since: "0.1.0",
};

/// Whether the secret can be used.
pub static SECRET_CHECK: Check = Check { rules: &[&SECRET_INVALID], run: run_secret };

/// Whether the name can be used.
pub static NAME_CHECK: Check = Check { rules: &[&INSTANCE_NAME_UNUSABLE], run: run_name };

fn run_secret(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let whose = whose(evidence);
    let container = whose.as_ref().ok().and_then(Option::as_ref).map(|whose| whose.container);
    let service = service(evidence);
    let entry = service.as_ref().ok().and_then(|service| opinion(*service, "INSTANCE_SECRET"));
    let replace = || {
        Remedy::safe(
            "If a copy of the old secret exists, put that in its place: keys stay valid. Else make a \
             new one; then every key must be minted anew, and the data stays",
        )
        .run("openssl rand -hex 32")
    };
    if let Some(container) = container {
        let places = &container.secret;
        // The environment overrules the file; the file counts where the environment sets nothing.
        let overruled = !matches!(places.environment.seen(), Ok(None));
        let of = |place: &Observation<Option<SecretState>>| match place.seen() {
            Ok(Some(SecretState::Invalid(why))) => Some(why.clone()),
            _ => None,
        };
        let found = of(&places.environment)
            .map(|why| ("INSTANCE_SECRET of the container", why))
            .or_else(|| Some(("the credentials file", of(&places.file).filter(|_| !overruled)?)));
        if let Some((what, why)) = found {
            let finding = SECRET_INVALID
                .finding(
                    Certainty::Proven,
                    format!("{} does not start with what {what} holds: {why}", container.name),
                )
                .because(format!("{what}: {why}"), container.name.clone())
                .at(Location::container(&container.name));
            return Ok(vec![match entry {
                Some(entry) => finding.at(value_place(entry)).remedy(replace()),
                None => finding.remedy(replace()),
            }]);
        }
    }
    if let Some((entry, EntryValue::Secret(SecretState::Invalid(why)))) =
        entry.map(|entry| (entry, &entry.value))
    {
        let then = container.map_or_else(|| "docker compose up -d".to_owned(), recreate);
        let finding = SECRET_INVALID
            .finding(Certainty::Likely, format!("After `{then}` the backend does not start: {why}"))
            .because(format!("INSTANCE_SECRET: {why}"), value_spot(entry))
            .at(value_place(entry))
            .remedy(replace());
        // What works now is no error of the compose file (catalogue §0.3).
        return Ok(vec![if is_accepted(evidence) {
            finding.level(Level::Warning)
        } else {
            finding
        }]);
    }
    whose?;
    service?;
    if let Some(container) = container
        && container.secret.environment.seen()?.is_none()
    {
        container.secret.file.seen()?;
    }
    Ok(vec![])
}

fn run_name(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    let whose = whose(evidence);
    let container = whose.as_ref().ok().and_then(Option::as_ref).map(|whose| whose.container);
    let service = service(evidence);
    let entry = service.as_ref().ok().and_then(|service| opinion(*service, "INSTANCE_NAME"));
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
        let sign =
            [(':', "a `:`"), ('|', "a `|`"), ('\r', "a carriage return"), ('\n', "a line break")]
                .into_iter()
                .find(|(sign, _)| name.contains(*sign))?;
        Some((sign.1, source, certainty))
    });
    let Some((sign, source, certainty)) = found else {
        whose?;
        if let Some(container) = container {
            container.instance_name.environment.seen()?;
        }
        // The name that answers is the one in force; without it the process must have been seen.
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
                "INSTANCE_NAME holds {sign}. The backend starts and mints keys, and the header that \
                 carries them is cut there: every one is refused."
            ),
        )
        .because(format!("the name holds {sign}"), source);
    if let Some(entry) = entry {
        finding = finding.at(value_place(entry));
    }
    if let Some(container) = container {
        finding = finding.at(Location::container(&container.name));
    }
    let other = if container.is_some_and(|container| container.uses_sql) {
        "Give it another name. It also names the SQL database, which must then be renamed with it"
    } else {
        "Give it another name (letters, digits, `-`), recreate the container, and mint a key"
    };
    Ok(vec![finding.remedy(Remedy::careful(other))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::key::build::{self, Seen, entry, unseen, valid};
    use Certainty::{Likely, Proven};

    type Change = fn(&mut Evidence);
    type Row = (&'static str, Change, Option<(Certainty, Level)>);

    fn bad() -> SecretState {
        SecretState::Invalid("Hex-decoded key was 0 bytes, not 32".to_owned())
    }

    #[test]
    fn a_secret_that_no_backend_takes() {
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
                "overruled by the environment",
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
            let found = run_secret(&evidence).unwrap();
            assert_eq!(found.first().map(|f| (f.certainty, f.level)), expected, "{case}");
        }
        let mut evidence = build::healthy();
        evidence.docker = unseen();
        assert!(run_secret(&evidence).is_err());
    }

    #[test]
    fn a_name_that_no_header_carries() {
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
                "a blank works",
                |e| build::backend(e).instance_name.process = Seen(Some("my app".to_owned())),
                None,
            ),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::healthy();
            change(&mut evidence);
            let found = run_name(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }
}
