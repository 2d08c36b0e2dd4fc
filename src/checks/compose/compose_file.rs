//! There is no compose file, Compose would not read it, or a variable in it is set nowhere.

use crate::checks::Check;
use crate::deployment::endpoint::is_loopback;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::ComposeIssue;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static COMPOSE_NOT_FOUND: Rule = Rule {
    id: "compose-not-found",
    level: Level::Info,
    title: "there is no compose file here",
    explain: include_str!("compose-not-found.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static COMPOSE_INVALID: Rule = Rule {
    id: "compose-invalid",
    level: Level::Error,
    title: "Compose does not read the compose file",
    explain: include_str!("compose-invalid.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static COMPOSE_VARIABLE_UNSET: Rule = Rule {
    id: "compose-variable-unset",
    level: Level::Warning,
    title: "a variable of the compose file is set nowhere",
    explain: include_str!("compose-variable-unset.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check =
    Check { rules: &[&COMPOSE_NOT_FOUND, &COMPOSE_INVALID], run: readable };
pub(super) static VARIABLES: Check = Check { rules: &[&COMPOSE_VARIABLE_UNSET], run: variables };

fn readable(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = evidence.compose.seen()? else {
        return Ok(vec![
            COMPOSE_NOT_FOUND
                .finding(
                    Certainty::Proven,
                    "No compose file lies here or in a parent directory: what keeps the backend's data was not looked at.",
                )
                .at(Location::line(evidence.surroundings.directory.clone(), 0))
                .remedy(Remedy::safe("run the doctor in the directory of the backend's compose file, or name it with -f")),
        ]);
    };
    let invalid: Vec<_> = project.errors.iter().filter(|issue| issue.variable.is_none()).collect();
    let Some(first) = invalid.first() else { return Ok(vec![]) };
    let file = project.files.first().cloned().unwrap_or_default();
    let more = match invalid.len() - 1 {
        0 => String::new(),
        1 => " It is not the only fault.".to_owned(),
        more => format!(" There are {more} more faults."),
    };
    let detail = format!("Compose stops at it: {}.{more}", first.message.trim_end_matches('.'));
    let mut finding = COMPOSE_INVALID.finding(Certainty::Proven, detail);
    for issue in &invalid {
        let place = place(issue, &file);
        finding = finding.because(issue.message.clone(), place.to_string()).at(place);
    }
    let finding = finding.remedy(
        Remedy::safe(if more.is_empty() {
            "correct the line; this shows what Compose says"
        } else {
            "correct the lines; this shows what Compose says to the first"
        })
        .run(compose_command(evidence, "config --quiet")),
    );
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn variables(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = evidence.compose.seen()? else { return Ok(vec![]) };
    let file = project.files.first().cloned().unwrap_or_default();
    let required = project.errors.iter().map(|issue| (issue, true));
    let issues = required.chain(project.warnings.iter().map(|issue| (issue, false)));
    let mut findings: Vec<(String, Finding)> = Vec::new();
    for (issue, required) in issues {
        let Some(variable) = &issue.variable else { continue };
        let place = place(issue, &file);
        if let Some((_, finding)) = findings.iter_mut().find(|(name, _)| name == variable) {
            *finding = finding.clone().at(place);
            continue;
        }
        let (level, detail) = if required {
            let level = if runs_here(evidence) { Level::Error } else { Level::Info };
            (
                level,
                format!(
                    "`{variable}` is required, and set neither in the shell nor in .env: Compose stops."
                ),
            )
        } else {
            (
                Level::Warning,
                format!(
                    "`{variable}` is set neither in the shell nor in .env: it becomes nothing."
                ),
            )
        };
        let finding = COMPOSE_VARIABLE_UNSET
            .finding(Certainty::Proven, detail)
            .level(level)
            .because(issue.message.clone(), place.to_string())
            .at(place)
            .remedy(Remedy::safe(format!(
                "set {variable} in the .env beside the compose file, or give it a default: ${{{variable}:-…}}"
            )));
        findings.push((variable.clone(), cap_if_cli_works(evidence, finding)));
    }
    if findings.is_empty() && !project.errors.is_empty() {
        let reason = "the compose file is invalid: not every variable was seen".to_owned();
        return Err(Unseen { reason });
    }
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

fn place(issue: &ComposeIssue, file: &str) -> Location {
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

/// Whether the backend is to run from this shell. One that runs already got its variables elsewhere
/// (a panel, sops, direnv).
fn runs_here(evidence: &Evidence) -> bool {
    let running = evidence
        .docker
        .seen()
        .is_ok_and(|docker| docker.expected().is_some_and(Container::is_running));
    let local = selected_endpoint(evidence)
        .is_ok_and(|endpoint| endpoint.is_none_or(|endpoint| is_loopback(&endpoint.host)));
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
    fn absent_invalid_and_unseen_are_three_things() {
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
    fn a_required_variable_counts_where_the_backend_should_start() {
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
