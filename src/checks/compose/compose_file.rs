//! There is no compose file, Compose cannot read it, or a variable in it is not set.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::deployment::key::cli_works;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::ComposeIssue;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose;
use crate::report::{Certainty, ComposeVerb, Finding, Level, Location, Remedy, Rule};

static COMPOSE_NOT_FOUND: Rule = rule!("compose-not-found", Info, "there is no compose file here");

static COMPOSE_INVALID: Rule =
    rule!("compose-invalid", Error, "Docker Compose cannot read the compose file")
        .cause(&["url-refused"])
        .stops_compose();

static COMPOSE_VARIABLE_UNSET: Rule =
    rule!("compose-variable-unset", Warning, "the compose file uses a variable that is not set");

pub(super) static CHECK: Check =
    Check { rules: &[&COMPOSE_NOT_FOUND, &COMPOSE_INVALID], run: readable };
pub(super) static VARIABLES: Check = Check { rules: &[&COMPOSE_VARIABLE_UNSET], run: variables };

fn readable(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = evidence.compose.seen()? else {
        return Ok(vec![
            COMPOSE_NOT_FOUND
                .finding(
                    Certainty::Proven,
                    "No compose file is in this directory or above it, so it was not checked what \
                     keeps the backend's keys and data.",
                )
                .at(Location::line(evidence.surroundings.directory.clone(), 0))
                .remedy(Remedy::safe(
                    "Run convex-doctor in the directory of the backend's compose file",
                ))
                .remedy(Remedy::safe("Name the backend's compose file with -f")),
        ]);
    };
    let invalid: Vec<_> = project.errors.iter().filter(|issue| issue.variable.is_none()).collect();
    let Some(first) = invalid.first() else { return Ok(vec![]) };
    let file = project.files.first().cloned().unwrap_or_default();
    let more = match invalid.len() - 1 {
        0 => String::new(),
        1 => " There is one more error.".to_owned(),
        more => format!(" There are {more} more errors."),
    };
    let message = first.message.trim_end_matches('.');
    let detail = format!("No `docker compose` command works: {message}.{more}");
    // That it is invalid is certain. Whether the CLI fails because of it is not, if its URL means
    // another machine.
    let is_here = selected_endpoint(evidence)
        .is_ok_and(|endpoint| endpoint.is_none_or(|it| is_loopback(&it.target.host)));
    let certainty =
        if is_here || cli_works(evidence) { Certainty::Proven } else { Certainty::Possible };
    let mut finding = COMPOSE_INVALID.finding(certainty, detail);
    for issue in &invalid {
        let location = location(issue, &file);
        finding = finding.because(issue.message.clone(), location.to_string()).at(location);
    }
    let others = if more.is_empty() { "" } else { ", and the other errors" };
    let finding = finding
        .remedy(Remedy::safe(format!("Correct {}{others}", location(first, &file))).step())
        .remedy(
            Remedy::safe("Check the file: this prints nothing if it is correct")
                .run(compose(evidence, ComposeVerb::Config))
                .step(),
        );
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn variables(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(compose) = evidence.compose.seen()? else { return Ok(vec![]) };
    let file = compose.files.first().cloned().unwrap_or_default();
    let required = compose.errors.iter().map(|issue| (issue, true));
    let issues = required.chain(compose.warnings.iter().map(|issue| (issue, false)));
    let mut findings: Vec<(String, Finding)> = Vec::new();
    for (issue, required) in issues {
        let Some(variable) = &issue.variable else { continue };
        let location = location(issue, &file);
        if let Some((_, finding)) = findings.iter_mut().find(|(name, _)| name == variable) {
            *finding = finding.clone().at(location);
            continue;
        }
        let (level, detail) = if required {
            let level = if runs_here(evidence) { Level::Error } else { Level::Info };
            (
                level,
                format!(
                    "No `docker compose` command works, because the required variable {variable} \
                     is not set in the shell or in .env."
                ),
            )
        } else {
            (
                Level::Warning,
                format!(
                    "The value of {variable} is empty, because it is not set in the shell or in \
                     .env."
                ),
            )
        };
        let finding = COMPOSE_VARIABLE_UNSET
            .finding(Certainty::Proven, detail)
            .level(level)
            .because(issue.message.clone(), location.to_string())
            .at(location)
            .remedy(Remedy::safe(format!("Set {variable} in the .env next to the compose file")))
            .remedy(Remedy::safe(format!(
                "Give it a default in the compose file: `${{{variable}:-VALUE}}`"
            )));
        findings.push((variable.clone(), cap_if_cli_works(evidence, finding)));
    }
    if findings.is_empty() {
        // A file that cannot be read may use more variables.
        project(evidence)?;
    }
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

fn location(issue: &ComposeIssue, file: &str) -> Location {
    let Some(at) = &issue.at else { return Location::line(file, 0) };
    match &issue.line {
        None => at.location(),
        Some(line) => Location::File {
            file: at.file.clone(),
            line: at.line,
            column: at.column,
            text: Some(line.text.clone()),
            mark: Some(line.mark),
        },
    }
}

/// Whether the backend would be started from this shell. One that is running already got its
/// variables elsewhere (a panel, sops, direnv).
fn runs_here(evidence: &Evidence) -> bool {
    let running = evidence
        .docker
        .seen()
        .is_ok_and(|docker| docker.expected().is_some_and(Container::is_running));
    let local = selected_endpoint(evidence)
        .is_ok_and(|endpoint| endpoint.is_none_or(|endpoint| is_loopback(&endpoint.target.host)));
    local && !running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    fn issue(variable: Option<&str>) -> ComposeIssue {
        ComposeIssue {
            message: "x".to_owned(),
            at: Some(build::at(7)),
            variable: variable.map(str::to_owned),
            line: None,
        }
    }

    fn told(evidence: &Evidence) -> Vec<String> {
        [&CHECK, &VARIABLES].iter().flat_map(|it| build::told((it.run)(evidence))).collect()
    }

    #[test]
    fn absent_invalid_and_unreadable_are_three_things() {
        let mut evidence = build::healthy();
        assert!(told(&evidence).is_empty());
        build::unreachable(&mut evidence, Reach::Refused);
        build::compose(&mut evidence).errors = vec![issue(None)];
        let error = "compose-invalid error proven docker-compose.yml:7";
        assert_eq!(told(&evidence), [error, "unknown"]);
        evidence.compose = Observation::Seen(None);
        assert_eq!(told(&evidence)[0].trim(), "compose-not-found info proven");
        evidence.compose = Observation::unavailable("x");
        assert_eq!(told(&evidence), ["unknown", "unknown"]);
    }

    #[test]
    fn a_required_variable_counts_if_the_backend_should_start_here() {
        for (running, expected) in [(false, "error"), (true, "info")] {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            if !running {
                build::docker(&mut evidence).expected = None;
            }
            build::compose(&mut evidence).errors = vec![issue(Some("ORIGIN"))];
            let expected = format!("compose-variable-unset {expected} proven docker-compose.yml:7");
            assert_eq!(told(&evidence), [expected]);
        }
        let mut evidence = build::healthy();
        build::compose(&mut evidence).warnings =
            vec![issue(Some("A")), issue(Some("A")), issue(None)];
        assert_eq!(told(&evidence), ["compose-variable-unset warning proven docker-compose.yml:7"]);
    }
}
