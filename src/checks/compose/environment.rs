//! Variables of the backend's environment that do not do what they seem to do: `false` that turns
//! something on, and names that the backend does not read.

use crate::checks::Check;
use crate::deployment::compose::{is_in_a_file_of, project, runs_official_image};
use crate::evidence::compose::{BackendService, DashboardService, EntryValue, EnvironmentEntry};
use crate::evidence::docker::{Container, DockerFacts};
use crate::evidence::selection::ValueSource;
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::names::{
    ADMIN_KEY, CLOUD_ORIGIN, DEPLOY_KEY, DEPLOYMENT, INSTANCE_NAME, INSTANCE_SECRET, SITE_ORIGIN,
    URL,
};
use crate::remedies::command::up;
use crate::report::{Action, Certainty, Finding, Location, Remedy, Rule};

/// `run_backend.sh` turns these on for any value that is not empty (`${VAR:+--flag}`).
const SWITCHES: &[&str] = &["DISABLE_BEACON", "REDACT_LOGS_TO_CLIENT", "DO_NOT_REQUIRE_SSL"];

/// What people write for "off".
const OFF: &[&str] = &["false", "0", "no", "off", "f", "n", "none", "null", "disabled"];

/// Names that neither the backend nor its scripts read, and what to do instead.
const NEVER_READ: &[(&str, &str)] = &[
    ("CONVEX_ADMIN_KEY", "admin keys are generated, not set"),
    ("ADMIN_KEY", "admin keys are generated, not set"),
    (ADMIN_KEY, "the CLI reads it, in the app's .env.local"),
    ("CONVEX_INSTANCE_SECRET", "the backend reads INSTANCE_SECRET"),
    ("CONVEX_INSTANCE_NAME", "the backend reads INSTANCE_NAME"),
    ("CONVEX_DASHBOARD_BACKEND_URL", "the dashboard reads NEXT_PUBLIC_DEPLOYMENT_URL"),
];

/// Names that other programs read: only an `environment:` shows that they are meant for the
/// backend.
const READ_BY_OTHERS: &[(&str, &str)] = &[
    (URL, "the CLI reads it, in the app's .env.local"),
    (DEPLOYMENT, "only the CLI reads it"),
    (DEPLOY_KEY, "only the CLI reads it"),
    ("CONVEX_SITE_URL", "the backend reads CONVEX_SITE_ORIGIN"),
    ("CONVEX_CLOUD_URL", "the backend reads CONVEX_CLOUD_ORIGIN"),
    ("CONVEX_URL", "the backend reads CONVEX_CLOUD_ORIGIN"),
    ("CONVEX_ORIGIN", "the backend reads CONVEX_CLOUD_ORIGIN"),
    ("NEXT_PUBLIC_DEPLOYMENT_URL", "the dashboard reads it"),
    ("NEXT_PUBLIC_CONVEX_URL", "the app reads it"),
];

/// Names that the dashboard does not read: its image reads `NEXT_PUBLIC_DEPLOYMENT_URL`, and the
/// user types the key.
const NOT_OF_THE_DASHBOARD: &[&str] = &[
    "BACKEND_URL",
    "CONVEX_BACKEND_URL",
    "CONVEX_DASHBOARD_BACKEND_URL",
    "CONVEX_DEPLOYMENT_URL",
    "CONVEX_URL",
    "DEPLOYMENT_URL",
    "NEXT_PUBLIC_BACKEND_URL",
    "NEXT_PUBLIC_CONVEX_URL",
    URL,
    CLOUD_ORIGIN,
];

/// Names that no setting of the dashboard could be meant by.
const USELESS_FOR_THE_DASHBOARD: &[(&str, &str)] = &[
    ("CONVEX_ADMIN_KEY", "you enter the key in the dashboard's login form"),
    ("ADMIN_KEY", "you enter the key in the dashboard's login form"),
    (ADMIN_KEY, "you enter the key in the dashboard's login form"),
    (INSTANCE_SECRET, "only the backend reads it"),
    (INSTANCE_NAME, "only the backend reads it"),
    (SITE_ORIGIN, "only the backend reads it"),
    ("CONVEX_DASHBOARD_SITE_URL", "the dashboard only reads NEXT_PUBLIC_DEPLOYMENT_URL"),
];

/// What `run_backend.sh` reads, and some expect in a file of its own (`NAME_FILE`), as the images
/// of databases have it.
const WITHOUT_FILE: &[&str] = &[
    INSTANCE_SECRET,
    INSTANCE_NAME,
    CLOUD_ORIGIN,
    SITE_ORIGIN,
    "POSTGRES_URL",
    "MYSQL_URL",
    "DATABASE_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];

static FALSE_MEANS_TRUE: Rule =
    rule!("false-means-true", Warning, "a switch set to \"false\" is still on");

static VARIABLE_NEVER_READ: Rule =
    rule!("variable-never-read", Warning, "the backend or dashboard does not read this variable");

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
    let mut found = of_dashboards(evidence, project);
    let Some(service) = project.backend() else { return Ok(found) };
    let Some(certainty) = runs_official_image(service) else { return Ok(found) };
    let entries = service.environment.iter().filter(|it| it.value != EntryValue::Unset);
    found.extend(entries.filter_map(|entry| {
        let instead = instead_of(evidence, project, entry)?;
        let place = entry.at.location();
        let remedy = match entry.name.as_str() {
            "CONVEX_INSTANCE_SECRET" | "CONVEX_INSTANCE_NAME" => Remedy::safe(format!(
                "Delete {place} (do not rename it: that changes which keys work)"
            )),
            name if is_only_copy(evidence, name) => keep_key(name, &place),
            // It has no effect there, but it may be the only copy of a key.
            name => {
                let title = format!("Delete {name} in {place}");
                removed(Remedy::careful(title), (project, service), entry)
            }
        };
        Some(unread(certainty, &service.name, entry, &instead).remedy(remedy))
    }));
    Ok(found)
}

/// What to do instead of setting the variable for a backend; `None` if it is read, or may be meant
/// for another program.
fn instead_of(
    evidence: &Evidence,
    project: &ComposeFacts,
    entry: &EnvironmentEntry,
) -> Option<String> {
    let named = |list: &[(&str, &'static str)]| {
        let found = list.iter().find(|(name, _)| *name == entry.name);
        found.map(|(_, instead)| (*instead).to_owned())
    };
    let own = named(NEVER_READ).or_else(|| {
        let name = entry.name.strip_suffix("_FILE")?;
        WITHOUT_FILE.contains(&name).then(|| format!("the backend reads {name}, not a file"))
    });
    let is_for_the_backend = is_in_a_file_of(project, &entry.at);
    let own = own.or_else(|| named(READ_BY_OTHERS).filter(|_| is_for_the_backend))?;
    // An `env_file` that the CLI reads as well.
    let definitions = evidence.selection.definitions(&entry.name);
    let is_of_the_cli = definitions.iter().any(|definition| {
        matches!(&definition.source, ValueSource::File { file, line }
            if *file == entry.at.file && *line == entry.at.line)
    });
    (!is_of_the_cli).then_some(own)
}

/// Whether the variable may hold the only copy of a key: the CLI has none.
fn is_only_copy(evidence: &Evidence, name: &str) -> bool {
    name.ends_with("ADMIN_KEY") && !evidence.selection.is_set(ADMIN_KEY)
}

/// The key is to be kept, under the name that the CLI reads.
fn keep_key(name: &str, place: &Location) -> Remedy {
    Remedy::safe(format!("Keep the key of {place}: save it as {ADMIN_KEY}, not as {name}"))
}

/// What the dashboards are given in vain.
fn of_dashboards(evidence: &Evidence, project: &ComposeFacts) -> Vec<Finding> {
    let official = |image: &str| image.contains("get-convex/convex-dashboard");
    let dashboards = project.dashboards.iter().filter(|dashboard| official(&dashboard.image));
    let found = dashboards.flat_map(|dashboard| {
        let entries = dashboard.environment.iter().filter(|entry| {
            entry.value != EntryValue::Unset && is_in_a_file_of(project, &entry.at)
        });
        entries.filter_map(|entry| unread_by_dashboard(evidence, dashboard, entry))
    });
    found.collect()
}

fn unread_by_dashboard(
    evidence: &Evidence,
    dashboard: &DashboardService,
    entry: &EnvironmentEntry,
) -> Option<Finding> {
    const READ: &str = "NEXT_PUBLIC_DEPLOYMENT_URL";
    let (name, place) = (&entry.name, entry.at.location());
    let useless = USELESS_FOR_THE_DASHBOARD.iter().find(|(useless, _)| useless == name);
    let is_url = NOT_OF_THE_DASHBOARD.contains(&name.as_str());
    let instead = match useless {
        Some((_, instead)) => (*instead).to_owned(),
        None if is_url => format!("the dashboard reads {READ}"),
        None => return None,
    };
    let has_it = dashboard.environment.iter().any(|it| it.name == READ);
    let remedy = if is_url && !has_it {
        format!("Rename {name} to {READ} in {place}")
    } else {
        format!("Delete {name} in {place}")
    };
    let finding = unread(Certainty::Proven, &dashboard.name, entry, &instead);
    let remedy =
        if is_only_copy(evidence, name) { keep_key(name, &place) } else { Remedy::careful(remedy) };
    Some(finding.remedy(remedy))
}

fn unread(certainty: Certainty, service: &str, entry: &EnvironmentEntry, instead: &str) -> Finding {
    let has = if certainty == Certainty::Proven { "has" } else { "probably has" };
    let (name, place) = (&entry.name, entry.at.location());
    VARIABLE_NEVER_READ
        .finding(certainty, format!("{name} {has} no effect: {instead}."))
        .because(format!("{name} is set for service `{service}`"), place.to_string())
        .at(place)
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
            // The only copy of the key, as the CLI has none.
            ("CONVEX_ADMIN_KEY", &[][..]),
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
            ("INSTANCE_SECRET_FILE", EntryValue::Hidden, true),
            ("POSTGRES_URL_FILE", EntryValue::Hidden, true),
            ("CONVEX_SITE_URL", EntryValue::Hidden, true),
            ("NEXT_PUBLIC_DEPLOYMENT_URL", EntryValue::Hidden, true),
            ("CONVEX_ADMIN_KEY", EntryValue::Unset, false),
            ("INSTANCE_NAME", EntryValue::Hidden, false),
            ("AWS_SHARED_CREDENTIALS_FILE", EntryValue::Hidden, false),
            ("CONVEX_SITE_ORIGIN", EntryValue::Hidden, false),
        ] {
            let told = build::told(never_read(&with(name, value)));
            let place = ["variable-never-read warning proven docker-compose.yml:9"];
            assert_eq!(told, &place[..usize::from(found)], "{name}");
        }
    }

    #[test]
    fn an_env_file_may_be_for_other_programs_as_well() {
        use crate::evidence::build::selection;
        let local = "CONVEX_SELF_HOSTED_URL=http://h:1\nCONVEX_SELF_HOSTED_ADMIN_KEY=app|01ac\n";
        for (name, file, line, found) in [
            // The line that the CLI uses.
            (ADMIN_KEY, ".env.local", 2, false),
            (ADMIN_KEY, "backend.env", 2, true),
            (ADMIN_KEY, "docker-compose.yml", 9, true),
            (URL, "backend.env", 1, false),
            ("CONVEX_SITE_URL", ".env.local", 3, false),
            ("CONVEX_SITE_URL", "docker-compose.yml", 9, true),
            ("CONVEX_ADMIN_KEY", ".env.local", 4, true),
            ("INSTANCE_SECRET_FILE", ".env", 4, true),
        ] {
            let mut evidence = with(name, EntryValue::Hidden);
            evidence.selection = selection::evidence(&[], local, "").selection;
            let entry = &mut build::compose(&mut evidence).backends[0].environment[0];
            (entry.at.file, entry.at.line) = (file.to_owned(), line);
            let place = [format!("variable-never-read warning proven {file}:{line}")];
            let told = build::told(never_read(&evidence));
            assert_eq!(told, &place[..usize::from(found)], "{name} in {file}:{line}");
        }
    }

    #[test]
    fn names_that_the_dashboard_does_not_read() {
        let told = |image: &str, names: &[&str]| {
            let mut evidence = build::healthy();
            build::compose(&mut evidence).dashboards = vec![DashboardService {
                name: "dashboard".to_owned(),
                at: build::at(12),
                image: image.to_owned(),
                environment: names
                    .iter()
                    .map(|name| build::variable(name, EntryValue::Hidden))
                    .collect(),
            }];
            let found = never_read(&evidence).unwrap();
            let titles = found.iter().flat_map(|one| &one.remedies).map(|it| it.title.to_string());
            titles.collect::<Vec<_>>()
        };
        let official = "ghcr.io/get-convex/convex-dashboard:latest";
        assert_eq!(
            told(official, &["BACKEND_URL"]),
            ["Rename BACKEND_URL to NEXT_PUBLIC_DEPLOYMENT_URL in docker-compose.yml:9"]
        );
        assert_eq!(
            told(official, &["CONVEX_URL", "NEXT_PUBLIC_DEPLOYMENT_URL"]),
            ["Delete CONVEX_URL in docker-compose.yml:9"]
        );
        assert_eq!(
            told(official, &["CONVEX_ADMIN_KEY"]),
            [
                "Keep the key of docker-compose.yml:9: save it as CONVEX_SELF_HOSTED_ADMIN_KEY, not as CONVEX_ADMIN_KEY"
            ]
        );
        let none: [&str; 0] = [];
        assert_eq!(told(official, &["NEXT_PUBLIC_DEPLOYMENT_URL", "NODE_ENV"]), none);
        assert_eq!(told("mirror/own-dashboard", &["BACKEND_URL"]), none);
    }
}
