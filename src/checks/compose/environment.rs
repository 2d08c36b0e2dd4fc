//! Variables of the backend's environment that do not do what they seem to: `false` that turns on, names that nobody reads, an empty
//! value that stops the backend.

use crate::checks::compose::{location, project, runs_upstream};
use crate::checks::endpoint::{heed_200, selected};
use crate::checks::{Check, engine};
use crate::evidence::compose::{EntryValue, EnvironmentEntry};
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

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

static BEACON_VARIABLE_EMPTY: Rule = Rule {
    id: "beacon-variable-empty",
    level: Level::Error,
    title: "DISABLE_BEACON is set to nothing, which stops the backend",
    explain: include_str!("beacon-variable-empty.md"),
    is_cause: true,
    causes: &["backend-stopped", "backend-restarting"],
    since: "0.1.0",
};

pub(super) static FALSE: Check = Check { rules: &[&FALSE_MEANS_TRUE], run: false_means_true };
pub(super) static NEVER_READ_CHECK: Check =
    Check { rules: &[&VARIABLE_NEVER_READ], run: never_read };
pub(super) static BEACON: Check = Check { rules: &[&BEACON_VARIABLE_EMPTY], run: beacon };

fn false_means_true(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    let Some(certainty) = runs_upstream(service) else { return Ok(vec![]) };
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
                .remedy(delete_line(name))
        })
    });
    Ok(found.collect())
}

fn never_read(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    let Some(certainty) = runs_upstream(service) else { return Ok(vec![]) };
    let found = NEVER_READ.iter().filter_map(|(name, instead)| {
        let entry = service.variable(name)?;
        (entry.value != EntryValue::Unset).then(|| {
            VARIABLE_NEVER_READ
                .finding(certainty, format!("{name} changes nothing: {instead}."))
                .because(format!("{name} is set for `{}`", service.name), location(&entry.at).to_string())
                .at(location(&entry.at))
                .remedy(match *name {
                    "CONVEX_INSTANCE_SECRET" | "CONVEX_INSTANCE_NAME" => Remedy::safe(
                        "remove the line; before using the other name, know that it changes which keys are accepted",
                    ),
                    _ => Remedy::safe("remove the line"),
                })
        })
    });
    Ok(found.collect())
}

fn beacon(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    let Some(entry) = service.variable("DISABLE_BEACON") else { return Ok(vec![]) };
    if entry.value != EntryValue::Blank {
        return Ok(vec![]);
    }
    let container = engine::asked(evidence).ok().and_then(|docker| docker.expected());
    let shown = container.and_then(shows_it);
    let runs = container.is_some_and(Container::is_running)
        || selected(evidence).is_ok_and(|it| it.is_some_and(|it| it.is_convex_api()));
    // An image from before 2025-08 takes it; how old the image is, only its death tells.
    let (level, certainty) = match (&shown, runs) {
        (Some(_), _) => (Level::Error, Certainty::Proven),
        (None, true) => (Level::Info, Certainty::Possible),
        (None, false) => (Level::Warning, Certainty::Possible),
    };
    let place = value_place(entry);
    let mut finding = BEACON_VARIABLE_EMPTY
        .finding(
            certainty,
            "The backend reads it as a boolean itself, and ends with exit code 2 when it is empty.",
        )
        .level(level)
        .because("DISABLE_BEACON is set, and empty", place.to_string())
        .at(place);
    if let (Some(text), Some(container)) = (shown, container) {
        finding = finding.because(text, container.name.clone()).at(engine::place(container));
    }
    Ok(vec![heed_200(evidence, finding.remedy(delete_line("DISABLE_BEACON")))])
}

/// What of the container shows that it died of this.
fn shows_it(container: &Container) -> Option<String> {
    let log = container.log.seen().ok();
    let line = log.and_then(|log| log.tail.iter().find(|line| line.contains("--disable-beacon")));
    match line {
        Some(line) => Some(line.clone()),
        // The backend's own words for arguments it does not take.
        None if !container.is_running() && container.exit_code == Some(2) => {
            Some(format!("{}, exit code 2", container.state))
        }
        None => None,
    }
}

fn value_place(entry: &EnvironmentEntry) -> Location {
    location(entry.value_at.as_ref().unwrap_or(&entry.at))
}

/// Not `NAME=`: an empty DISABLE_BEACON stops the backend.
fn delete_line(name: &str) -> Remedy {
    Remedy::careful(format!("delete the line of {name} (do not leave `{name}=`), then"))
        .run("docker compose up -d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::endpoint::build;
    use crate::evidence::endpoint::Reach;

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

    #[test]
    fn an_empty_beacon_switch_needs_a_death_to_be_proven() {
        let told = |evidence: &Evidence| build::told(beacon(evidence));
        let place = "docker-compose.yml:9";
        let mut evidence = with("DISABLE_BEACON", EntryValue::Blank);
        assert_eq!(told(&evidence), [format!("beacon-variable-empty info possible {place}")]);
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        (container.state, container.exit_code) = ("restarting".to_owned(), Some(2));
        assert_eq!(told(&evidence), [format!("beacon-variable-empty error proven {place}")]);
        build::no_docker(&mut evidence);
        assert_eq!(told(&evidence), [format!("beacon-variable-empty warning possible {place}")]);
        assert!(told(&with("DISABLE_BEACON", EntryValue::Unset)).is_empty());
    }
}
