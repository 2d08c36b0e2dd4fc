//! Variables of the backend's environment that do not do what they seem to do: `false` that turns
//! something on, and names that the backend does not read.

use crate::checks::Check;
use crate::deployment::compose::{is_in_a_file_of, project, runs_official_image};
use crate::evidence::compose::{BackendService, EntryValue, EnvironmentEntry};
use crate::evidence::docker::{Container, DockerFacts};
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::remedies::command::up;
use crate::report::{Action, Certainty, Finding, Location, Remedy, Rule};

/// `run_backend.sh` turns these on for any value that is not empty (`${VAR:+--flag}`).
const SWITCHES: &[&str] = &["DISABLE_BEACON", "REDACT_LOGS_TO_CLIENT", "DO_NOT_REQUIRE_SSL"];

/// What people write for "off".
const OFF: &[&str] = &["false", "0", "no", "off", "f", "n", "none", "null", "disabled"];

/// Names that neither the image's scripts nor the backend read, and what to do instead.
const NEVER_READ: &[(&str, &str)] = &[
    ("CONVEX_ADMIN_KEY", "admin keys are generated, not set"),
    ("ADMIN_KEY", "admin keys are generated, not set"),
    ("CONVEX_SELF_HOSTED_ADMIN_KEY", "the CLI reads it, in the app's .env.local"),
    ("CONVEX_INSTANCE_SECRET", "the backend reads INSTANCE_SECRET"),
    ("CONVEX_INSTANCE_NAME", "the backend reads INSTANCE_NAME"),
    ("CONVEX_DASHBOARD_BACKEND_URL", "the dashboard reads NEXT_PUBLIC_DEPLOYMENT_URL"),
];

static FALSE_MEANS_TRUE: Rule =
    rule!("false-means-true", Warning, "a switch set to \"false\" is still on");

static VARIABLE_NEVER_READ: Rule =
    rule!("variable-never-read", Warning, "the backend does not read this variable");

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
            let is = if certainty == Certainty::Proven { "is" } else { "is probably" };
            let finding = FALSE_MEANS_TRUE
                .finding(
                    certainty,
                    format!(
                        "{name} {is} on, although its value is `{value}`: any value that is not \
                         empty turns it on."
                    ),
                )
                .because(format!("{name}={value}"), value_location(entry).to_string())
                .at(value_location(entry));
            switch_off(evidence, (project, service), entry, finding)
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
            let has = if certainty == Certainty::Proven { "has" } else { "probably has" };
            VARIABLE_NEVER_READ
                .finding(certainty, format!("{name} {has} no effect: {instead}."))
                .because(
                    format!("{name} is set for service `{}`", service.name),
                    entry.at.location().to_string(),
                )
                .at(entry.at.location())
                .remedy(match *name {
                    "CONVEX_INSTANCE_SECRET" | "CONVEX_INSTANCE_NAME" => Remedy::safe(format!(
                        "Delete {} (do not rename it: that changes which keys work)",
                        entry.at.location()
                    )),
                    // It has no effect there, but it may be the only copy of a key.
                    _ => {
                        let title = format!("Delete {name} in {}", entry.at.location());
                        removed(Remedy::careful(title), (project, service), entry)
                    }
                })
        })
    });
    Ok(found.collect())
}

/// Where the value is written.
pub(super) fn value_location(entry: &EnvironmentEntry) -> Location {
    (entry.value_at.as_ref().unwrap_or(&entry.at)).location()
}

/// Deletes the entry of the service, and recreates the service's container without the variable.
/// `NAME=` is not enough: an empty DISABLE_BEACON stops the backend.
pub(super) fn delete_line(
    evidence: &Evidence,
    of: (&ComposeFacts, &BackendService),
    entry: &EnvironmentEntry,
    container: Option<&Container>,
    finding: Finding,
) -> Finding {
    let name = &entry.name;
    let title = format!("Delete {name} in {}", entry.at.location());
    let remedy = removed(Remedy::careful(title.as_str()), of, entry);
    if !remedy.is_for_the_doctor() {
        return by_hand(evidence, &title, finding);
    }
    let Some(container) = container else {
        return by_hand(evidence, &title, finding.remedy(remedy));
    };
    let remedy = Remedy { title: format!("{title}, and recreate the container").into(), ..remedy };
    let remedy = remedy.act(Action::Replace {
        container: container.name.clone(),
        mount: None,
        secret_from: None,
        without: vec![name.clone()],
    });
    by_hand(evidence, &title, finding.remedy(remedy))
}

/// The steps without `convex-doctor fix`.
fn by_hand(evidence: &Evidence, title: &str, finding: Finding) -> Finding {
    finding
        .remedy(Remedy::careful(title).step())
        .remedy(Remedy::careful("Recreate the container").run(up(evidence)).step())
}

/// Turns off a switch whose value was meant to do so. A database without TLS may be reachable only
/// because DO_NOT_REQUIRE_SSL is on.
fn switch_off(
    evidence: &Evidence,
    of: (&ComposeFacts, &BackendService),
    entry: &EnvironmentEntry,
    finding: Finding,
) -> Finding {
    if entry.name == "DO_NOT_REQUIRE_SSL" {
        let at = value_location(entry);
        let keep = format!("Write `true` in {at}: without TLS in the database, it must stay on");
        let title = format!("Delete {at}, only if the database supports TLS");
        return by_hand(evidence, &title, finding.remedy(Remedy::safe(keep)));
    }
    let container = evidence.docker.seen().ok().and_then(DockerFacts::expected);
    let container = container.filter(|container| container.is_running());
    delete_line(evidence, of, entry, container, finding)
}

/// The remedy with the action that deletes the entry, if it is in a compose file.
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
    fn off_means_on() {
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

    /// Without the switch, a backend does not connect to a database without TLS.
    #[test]
    fn the_switch_that_the_database_may_need_stays_on_first() {
        let off = EntryValue::Plain("false".to_owned());
        let found = false_means_true(&with("DO_NOT_REQUIRE_SSL", off)).unwrap();
        let first = &found[0].remedies[0];
        assert!(first.title.starts_with("Write `true`"), "{}", &*first.title);
        assert_eq!(first.safety, Safety::Safe);
        let delete = found[0].remedies.iter().position(|one| one.title.contains("Delete"));
        assert_eq!(delete, Some(1));
    }

    #[test]
    fn the_doctor_deletes_what_is_safe_to_delete() {
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
            build::expected(&mut evidence).life.state = "exited".into();
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
    fn names_that_the_backend_does_not_read() {
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
