//! `DISABLE_BEACON` is set to an empty value: the backend stops at its start.

use super::environment::{delete_line, value_location};
use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::container::container_location;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::log_lines::log_match;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::EntryValue;
use crate::evidence::docker::Container;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Rule};

static BEACON_VARIABLE_EMPTY: Rule =
    rule!("beacon-variable-empty", Error, "an empty DISABLE_BEACON stops the backend")
        .cause(&["backend-stopped", "backend-restarting"]);

pub(super) static CHECK: Check = Check { rules: &[&BEACON_VARIABLE_EMPTY], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let project = project(evidence);
    let empty = project.as_ref().ok().and_then(|project| {
        let project = (*project)?;
        let service = project.backend()?;
        let entry = service.variable("DISABLE_BEACON")?;
        (entry.value == EntryValue::Blank).then_some((project, service, entry))
    });
    let Some((project, service, entry)) = empty else {
        // Started without this file, or before the line was fixed.
        if let Ok(Some(found)) = log_match(evidence, BEACON_VARIABLE_EMPTY.id) {
            return Ok(vec![found.finding(&BEACON_VARIABLE_EMPTY)]);
        }
        return project.map(|_| vec![]);
    };
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let shown = container.and_then(shows_it);
    let runs = container.is_some_and(Container::is_running)
        || selected_endpoint(evidence).is_ok_and(|it| it.is_some_and(EndpointFacts::is_convex_api));
    // An image from before 2025-08 accepts it, and only a crash shows how old the image is.
    let (level, certainty) = match (&shown, runs) {
        (Some(_), _) => (Level::Error, Certainty::Proven),
        (None, true) => (Level::Info, Certainty::Possible),
        (None, false) => (Level::Warning, Certainty::Possible),
    };
    let detail = if certainty == Certainty::Proven {
        "The backend stops at every start with exit code 2, because it rejects an empty \
         DISABLE_BEACON."
    } else {
        "The backend may stop at its next start: images since August 2025 reject an empty \
         DISABLE_BEACON."
    };
    let location = value_location(entry);
    let mut finding = BEACON_VARIABLE_EMPTY
        .finding(certainty, detail)
        .level(level)
        .because("DISABLE_BEACON is set to an empty value", location.to_string())
        .at(location);
    if let (Some(shown), Some(container)) = (shown, container) {
        finding = match shown {
            Shown::LogLine(line) => finding.showing(line, format!("the log of {}", container.name)),
            Shown::State(state) => finding.because(state, container.name.clone()),
        };
        finding = finding.at(container_location(container));
    }
    let finding = delete_line(evidence, (project, service), entry, container, finding);
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

/// What shows that the container stopped because of this.
enum Shown {
    LogLine(String),
    State(String),
}

fn shows_it(container: &Container) -> Option<Shown> {
    let log = container.log.seen().ok();
    let line = log.and_then(|log| log.tail.iter().find(|line| line.contains("--disable-beacon")));
    match line {
        Some(line) => Some(Shown::LogLine(line.clone())),
        // The exit code of a backend that rejects its arguments.
        None if !container.is_running() && container.life.exit_code == Some(2) => {
            Some(Shown::State(format!("State: {}, exit code 2", container.life.state)))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;
    use crate::report::Action;

    fn with(value: EntryValue) -> Evidence {
        let mut evidence = build::healthy();
        build::compose(&mut evidence).backends[0].environment =
            vec![build::variable("DISABLE_BEACON", value)];
        evidence
    }

    #[test]
    fn the_line_is_deleted_in_the_compose_file_and_in_the_container() {
        let actions = |evidence: &Evidence| {
            let found = run(evidence).unwrap();
            found
                .into_iter()
                .flat_map(|one| one.remedies)
                .flat_map(|one| one.actions)
                .collect::<Vec<_>>()
        };
        let remove = Action::RemoveVariable {
            file: "docker-compose.yml".to_owned(),
            service: "backend".to_owned(),
            name: "DISABLE_BEACON".to_owned(),
        };
        let replace = Action::Replace {
            container: "app-backend-1".to_owned(),
            mount: None,
            secret_from: None,
            without: vec!["DISABLE_BEACON".to_owned()],
        };
        let mut evidence = with(EntryValue::Blank);
        assert_eq!(actions(&evidence), [remove.clone(), replace]);
        build::docker(&mut evidence).expected = None;
        assert_eq!(actions(&evidence), [remove]);
        // Another program may use the env file as well.
        let entry = &mut build::compose(&mut evidence).backends[0].environment[0];
        entry.at.file = "backend.env".to_owned();
        assert_eq!(actions(&evidence), []);
    }

    #[test]
    fn an_empty_beacon_variable_is_proven_by_a_crash() {
        let told = |evidence: &Evidence| build::told(run(evidence));
        let place = "docker-compose.yml:9";
        let mut evidence = with(EntryValue::Blank);
        assert_eq!(told(&evidence), [format!("beacon-variable-empty info possible {place}")]);
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        (container.life.state, container.life.exit_code) = ("restarting".into(), Some(2));
        assert_eq!(told(&evidence), [format!("beacon-variable-empty error proven {place}")]);
        build::no_docker(&mut evidence);
        assert_eq!(told(&evidence), [format!("beacon-variable-empty warning possible {place}")]);
        assert!(told(&with(EntryValue::Unset)).is_empty());
        let mut started_otherwise = with(EntryValue::Unset);
        build::unreachable(&mut started_otherwise, Reach::Refused);
        build::expected(&mut started_otherwise).log = build::log(&[
            "error: invalid value '' for '--disable-beacon': value was not a boolean",
        ]);
        let place = "app-backend-1";
        assert_eq!(
            told(&started_otherwise),
            [format!("beacon-variable-empty error proven {place}")]
        );
    }
}
