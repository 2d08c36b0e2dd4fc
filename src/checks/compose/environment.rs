//! Variables of the backend's environment that do not do what they seem to: `false` that turns on,
//! names that nobody reads.

use crate::checks::Check;
use crate::deployment::compose::is_in_a_file_of;
use crate::deployment::compose::project;
use crate::deployment::compose::runs_official_image;
use crate::evidence::compose::{BackendService, EntryValue, EnvironmentEntry};
use crate::evidence::docker::{Container, DockerFacts};
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::{Action, Finding, Level, Location, Remedy, Rule};

/// `run_backend.sh` turns these on for any text (`${VAR:+--flag}`).
const SWITCHES: &[&str] = &["DISABLE_BEACON", "REDACT_LOGS_TO_CLIENT", "DO_NOT_REQUIRE_SSL"];

/// What people write for "off".
const OFF: &[&str] = &["false", "0", "no", "off", "f", "n", "none", "null", "disabled"];

/// Names that neither the image's scripts nor the backend read, and what they were meant to be.
const NEVER_READ: &[(&str, &str)] = &[
    ("CONVEX_ADMIN_KEY", "keys are minted by ./generate_admin_key.sh, never set"),
    ("ADMIN_KEY", "keys are minted by ./generate_admin_key.sh, never set"),
    ("CONVEX_SELF_HOSTED_ADMIN_KEY", "it belongs in the app's .env.local, for the CLI"),
    ("CONVEX_INSTANCE_SECRET", "the backend reads INSTANCE_SECRET"),
    ("CONVEX_INSTANCE_NAME", "the backend reads INSTANCE_NAME"),
    ("CONVEX_DASHBOARD_BACKEND_URL", "the dashboard reads NEXT_PUBLIC_DEPLOYMENT_URL"),
];

static FALSE_MEANS_TRUE: Rule = Rule {
    id: "false-means-true",
    level: Level::Warning,
    title: "a switch set to \"false\" is on",
    explain: include_str!("false-means-true.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static VARIABLE_NEVER_READ: Rule = Rule {
    id: "variable-never-read",
    level: Level::Warning,
    title: "the backend never reads this variable",
    explain: include_str!("variable-never-read.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static FALSE: Check = Check { rules: &[&FALSE_MEANS_TRUE], run: false_means_true };
pub(super) static NEVER_READ_CHECK: Check =
    Check { rules: &[&VARIABLE_NEVER_READ], run: never_read };
fn false_means_true(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    let Some(certainty) = runs_official_image(service) else { return Ok(vec![]) };
    let found = SWITCHES.iter().filter_map(|name| {
        let entry = service.variable(name)?;
        let EntryValue::Plain(value) = &entry.value else { return None };
        let off = OFF.contains(&value.trim().to_ascii_lowercase().as_str());
        off.then(|| {
            FALSE_MEANS_TRUE
                .finding(
                    certainty,
                    format!("{name} is `{value}`: any text that is not empty turns it on."),
                )
                .because(format!("{name}={value}"), value_place(entry).to_string())
                .at(value_place(entry))
                .remedy(switch_off(evidence, (project, service), entry))
        })
    });
    Ok(found.collect())
}

fn never_read(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    let Some(certainty) = runs_official_image(service) else { return Ok(vec![]) };
    let found = NEVER_READ.iter().filter_map(|(name, instead)| {
        let entry = service.variable(name)?;
        (entry.value != EntryValue::Unset).then(|| {
            VARIABLE_NEVER_READ
                .finding(certainty, format!("{name} changes nothing: {instead}."))
                .because(format!("{name} is set for `{}`", service.name), entry.at.location().to_string())
                .at(entry.at.location())
                .remedy(match *name {
                    "CONVEX_INSTANCE_SECRET" | "CONVEX_INSTANCE_NAME" => Remedy::safe(
                        "remove the line; before using the other name, know that it changes which keys are accepted",
                    ),
                    // Nobody reads it there, but it may be the only copy of a key.
                    _ => removed(Remedy::careful("remove the line"), (project, service), entry),
                })
        })
    });
    Ok(found.collect())
}

/// Where the value literally stands.
pub(super) fn value_place(entry: &EnvironmentEntry) -> Location {
    (entry.value_at.as_ref().unwrap_or(&entry.at)).location()
}

/// Takes the entry out of its service, and makes the service's container anew without the variable.
/// Not `NAME=`: an empty DISABLE_BEACON stops the backend.
pub(super) fn delete_line(
    evidence: &Evidence,
    of: (&ComposeFacts, &BackendService),
    entry: &EnvironmentEntry,
    container: Option<&Container>,
) -> Remedy {
    let name = &entry.name;
    let remedy = by_hand(evidence, name);
    let remedy = removed(remedy, of, entry);
    match container.filter(|_| remedy.is_for_the_doctor()) {
        Some(container) => remedy.act(Action::Replace {
            container: container.name.clone(),
            mount: None,
            secret_from: None,
            without: vec![name.clone()],
        }),
        None => remedy,
    }
}

fn by_hand(evidence: &Evidence, name: &str) -> Remedy {
    Remedy::careful(format!(
        "delete the line of {name} (do not leave `{name}=`), and make the container anew"
    ))
    .run(compose_command(evidence, "up -d"))
}

/// A switch that works by what its text was not meant to be. Without TLS, a database may be reached
/// only because this one is on.
fn switch_off(
    evidence: &Evidence,
    of: (&ComposeFacts, &BackendService),
    entry: &EnvironmentEntry,
) -> Remedy {
    if entry.name == "DO_NOT_REQUIRE_SSL" {
        return by_hand(evidence, &entry.name);
    }
    let container = evidence.docker.seen().ok().and_then(DockerFacts::expected);
    delete_line(evidence, of, entry, container.filter(|container| container.is_running()))
}

/// The remedy with what takes the entry out, where it stands in a compose file.
fn removed(
    remedy: Remedy,
    (project, service): (&ComposeFacts, &BackendService),
    entry: &EnvironmentEntry,
) -> Remedy {
    if !is_in_a_file_of(project, &entry.at) {
        return remedy;
    }
    remedy.act(Action::RemoveVariable {
        file: entry.at.file.clone(),
        service: service.name.clone(),
        name: entry.name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::report::Safety;

    fn with(name: &str, value: EntryValue) -> Evidence {
        let mut evidence = build::healthy();
        build::compose(&mut evidence).backends[0].environment = vec![build::variable(name, value)];
        evidence
    }

    #[test]
    fn off_is_on() {
        let plain = |text: &str| EntryValue::Plain(text.to_owned());
        for (value, found) in [
            (plain("false"), true),
            (plain("FALSE"), true),
            (plain("0"), true),
            (plain("true"), false),
            (EntryValue::Blank, false),
            (EntryValue::Unset, false),
        ] {
            let told = build::told(false_means_true(&with("REDACT_LOGS_TO_CLIENT", value)));
            let place = ["false-means-true warning proven docker-compose.yml:9"];
            assert_eq!(told, &place[..usize::from(found)]);
        }
        let mut own = with("DISABLE_BEACON", plain("false"));
        build::compose(&mut own).backends[0].entrypoint_overridden = true;
        assert_eq!(false_means_true(&own), Ok(vec![]));
    }

    #[test]
    fn the_doctor_takes_out_what_is_sure() {
        let off = || EntryValue::Plain("false".to_owned());
        let done = |found: Result<Vec<Finding>, Unseen>| -> Vec<&'static str> {
            let found = found.unwrap();
            let actions = found.iter().flat_map(|one| &one.remedies).flat_map(|one| &one.actions);
            let word = |action: &Action| match action {
                Action::RemoveVariable { .. } => "remove",
                Action::Replace { .. } => "replace",
                _ => "?",
            };
            actions.map(word).collect()
        };
        for (name, expected) in [
            ("DISABLE_BEACON", &["remove", "replace"][..]),
            ("REDACT_LOGS_TO_CLIENT", &["remove", "replace"]),
            ("DO_NOT_REQUIRE_SSL", &[]),
        ] {
            let mut evidence = with(name, off());
            assert_eq!(done(false_means_true(&evidence)), expected, "{name}");
            build::expected(&mut evidence).state = "exited".into();
            let expected = &expected[..expected.len().min(1)];
            assert_eq!(done(false_means_true(&evidence)), expected, "{name}, stopped");
        }
        for (name, expected) in [
            ("CONVEX_ADMIN_KEY", &["remove"][..]),
            ("CONVEX_DASHBOARD_BACKEND_URL", &["remove"]),
            ("CONVEX_INSTANCE_SECRET", &[]),
            ("CONVEX_INSTANCE_NAME", &[]),
        ] {
            let found = never_read(&with(name, EntryValue::Hidden));
            let asks = |one: &Finding| {
                one.remedies.iter().all(|it| it.actions.is_empty() || it.safety != Safety::Safe)
            };
            assert!(found.as_ref().unwrap().iter().all(asks), "{name}: it may be the only copy");
            assert_eq!(done(found), expected, "{name}");
        }
    }

    #[test]
    fn names_that_nobody_reads() {
        for (name, value, found) in [
            ("CONVEX_ADMIN_KEY", EntryValue::Hidden, true),
            ("CONVEX_INSTANCE_SECRET", EntryValue::Hidden, true),
            ("CONVEX_ADMIN_KEY", EntryValue::Unset, false),
            ("INSTANCE_NAME", EntryValue::Hidden, false),
        ] {
            let told = build::told(never_read(&with(name, value)));
            let place = ["variable-never-read warning proven docker-compose.yml:9"];
            assert_eq!(told, &place[..usize::from(found)]);
        }
    }
}
