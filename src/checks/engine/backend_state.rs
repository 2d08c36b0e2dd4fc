//! The backend's container does not serve: stopped, restarting over and over, paused, still
//! starting, unhealthy.

use crate::checks::Check;
use crate::deployment::container::container_location;
use crate::deployment::container::run_subject;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::log_lines::explanation;
use crate::deployment::weight::of_backend_fault;
use crate::evidence::docker::{Container, ContainerHealth, ContainerState};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::docker_command;
use crate::report::{Action, Certainty, Finding, Level, Remedy, Rule};

/// What follows when nobody serves behind the URL.
/// What a URL comes to behind which no process answers.
const SILENCE: &[&str] = &["url-refused", "url-no-answer", "url-timeout", "proxy-error"];
/// Behind a frozen process connections are still taken, and nobody answers.
const FROZEN: &[&str] = &["url-timeout", "proxy-error"];

const fn rule(
    id: &'static str,
    title: &'static str,
    explain: &'static str,
    causes: &'static [&'static str],
) -> Rule {
    Rule { id, level: Level::Error, title, explain, is_cause: true, causes, since: "0.1.0" }
}

static BACKEND_STOPPED: Rule =
    rule("backend-stopped", "the backend is stopped", include_str!("backend-stopped.md"), SILENCE);
static BACKEND_RESTARTING: Rule = rule(
    "backend-restarting",
    "the backend dies at every start",
    include_str!("backend-restarting.md"),
    SILENCE,
);
static BACKEND_PAUSED: Rule =
    rule("backend-paused", "the backend is paused", include_str!("backend-paused.md"), FROZEN);
static BACKEND_STARTING: Rule = rule(
    "backend-starting",
    "the backend is still starting",
    include_str!("backend-starting.md"),
    SILENCE,
);
// A check that fails says nothing of why: it is no cause, and explains nothing.
static BACKEND_UNHEALTHY: Rule = Rule {
    is_cause: false,
    ..rule(
        "backend-unhealthy",
        "the backend's health check fails",
        include_str!("backend-unhealthy.md"),
        &[],
    )
};

pub(super) static CHECK: Check = Check {
    rules: &[
        &BACKEND_STOPPED,
        &BACKEND_RESTARTING,
        &BACKEND_PAUSED,
        &BACKEND_STARTING,
        &BACKEND_UNHEALTHY,
    ],
    run,
};

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    let Some((container, sure)) = run_subject(evidence, docker)? else { return Ok(vec![]) };
    let (level, weighed) = of_backend_fault(evidence);
    let certainty = sure.min(weighed);
    let finding = match (&container.state, &container.health) {
        _ if container.is_stopped() => stopped(container, certainty),
        (ContainerState::Restarting, _) => BACKEND_RESTARTING
            .finding(
                certainty,
                format!("{} has restarted {} times.", container.name, container.restarts),
            )
            .because(ended(container), container.name.clone())
            .remedy(
                Remedy::safe("its log says why it ends")
                    .run(docker_command("logs --tail 50", &container.name)),
            ),
        (ContainerState::Paused, _) => BACKEND_PAUSED
            .finding(
                certainty,
                format!("{} is frozen: it takes connections and answers none.", container.name),
            )
            .remedy(
                Remedy::safe("let it go on")
                    .run(docker_command("unpause", &container.name))
                    .act(Action::Start { container: container.name.clone() }),
            ),
        // Between two deaths the engine calls it running.
        (ContainerState::Running, _) if flaps(evidence, container) => BACKEND_RESTARTING
            .finding(
                certainty.min(Certainty::Likely),
                format!(
                    "{} runs since a few seconds, has restarted {} times, and nothing answers.",
                    container.name, container.restarts
                ),
            )
            .remedy(
                Remedy::safe("its log says why it ends")
                    .run(docker_command("logs --tail 50", &container.name)),
            ),
        (ContainerState::Running, Some(ContainerHealth::Starting)) => BACKEND_STARTING
            .finding(
                certainty,
                format!("{} runs, and its health check has not passed yet.", container.name),
            )
            .remedy(
                Remedy::safe("wait until it is healthy, then run the command again")
                    .run(docker_command("inspect -f '{{.State.Health.Status}}'", &container.name)),
            ),
        (ContainerState::Running, Some(ContainerHealth::Unhealthy)) => BACKEND_UNHEALTHY
            .finding(certainty, format!("{} runs, and its health check fails.", container.name))
            .remedy(
                Remedy::safe("see what the check and the backend say")
                    .run(docker_command("inspect -f '{{json .State.Health.Log}}'", &container.name))
                    .run(docker_command("logs --tail 50", &container.name)),
            ),
        _ => return Ok(vec![]),
    };
    // A health check that lags behind an answer is a warning, also where the key is accepted.
    let level = if container.is_running() { level.max(Level::Warning) } else { level };
    Ok(vec![last_words(finding.level(level), container).at(container_location(container))])
}

/// Whether it was restarted over and over, the last time just now, and does not answer.
fn flaps(evidence: &Evidence, container: &Container) -> bool {
    let answers = selected_endpoint(evidence)
        .is_ok_and(|it| it.is_some_and(crate::evidence::EndpointFacts::is_convex_api));
    let age = container.started_at.map(|start| evidence.collected_at - start);
    // Less than nothing, where it started while this run was looking.
    container.restarts >= 3 && age.is_some_and(|age| age < 60) && !answers
}

fn stopped(container: &Container, certainty: Certainty) -> Finding {
    let mut finding = BACKEND_STOPPED.finding(
        certainty,
        match container.exit_code {
            _ if container.is_created() => {
                format!("{} was created and did not start.", container.name)
            }
            Some(130 | 143) => format!("{} was stopped.", container.name),
            Some(code) => format!("{} ended with exit code {code}.", container.name),
            None => format!("{} does not run.", container.name),
        },
    );
    finding = finding.because(ended(container), container.name.clone());
    if let Some(error) = &container.start_error {
        finding = finding.because(error.clone(), "the engine's last start of it");
    }
    let start = Remedy::safe("start it")
        .run(docker_command("start", &container.name))
        .act(Action::Start { container: container.name.clone() });
    finding.remedy(start).remedy(
        Remedy::safe("if it ends again, its log says why")
            .run(docker_command("logs --tail 50", &container.name)),
    )
}

fn ended(container: &Container) -> String {
    let since = container
        .finished_at
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(String::new, |when| format!(" since {when}"));
    match container.exit_code {
        Some(code) => match meaning(code) {
            Some(meaning) => format!("{}{since}, exit code {code}: {meaning}", container.state),
            None => format!("{}{since}, exit code {code}", container.state),
        },
        None => format!("{}{since}", container.state),
    }
}

/// What an exit code says by itself, where it says anything.
fn meaning(code: i64) -> Option<&'static str> {
    Some(match code {
        0 => "it ended by itself, as it does when a second backend takes over its database",
        1 => "an error at the start",
        2 => "an argument or a variable that it does not take",
        126 | 127 => "its program could not be started",
        130 | 143 => "somebody stopped it",
        132 => "an instruction that the processor does not have",
        137 => "killed, mostly for its memory or after a `docker stop` that it did not heed",
        139 => "a crash of its program",
        _ => return None,
    })
}

/// Why it ended, where its log was read: the line that is known and what it means; else the end of
/// it.
fn last_words(mut finding: Finding, container: &Container) -> Finding {
    let Ok(log) = container.log.seen() else { return finding };
    let source = format!("the log of {}", container.name);
    if let Some(spoken) = explanation(&log.tail) {
        finding.detail = format!("{} Its log says why: {}", finding.detail, spoken.known.means);
        return finding.because(spoken.line.to_owned(), source);
    }
    for line in log.tail.iter().rev().take(3).rev() {
        finding = finding.because(line.clone(), source.clone());
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    fn in_state(state: &str, health: Option<&str>, serves: bool) -> Evidence {
        let mut evidence = build::healthy();
        if !serves {
            build::unreachable(&mut evidence, Reach::Refused);
        }
        let container = build::expected(&mut evidence);
        container.state = state.into();
        container.health = health.map(Into::into);
        evidence
    }

    #[test]
    fn each_state_has_its_id() {
        for (state, health, serves, expected) in [
            ("running", Some("healthy"), true, None),
            ("running", None, false, None),
            ("exited", None, false, Some("backend-stopped error proven")),
            ("created", None, false, Some("backend-stopped error proven")),
            ("exited", None, true, Some("backend-stopped info proven")),
            ("restarting", None, false, Some("backend-restarting error proven")),
            ("paused", None, false, Some("backend-paused error proven")),
            ("running", Some("starting"), false, Some("backend-starting error proven")),
            ("running", Some("starting"), true, Some("backend-starting warning proven")),
            ("running", Some("unhealthy"), true, Some("backend-unhealthy warning proven")),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&in_state(state, health, serves))), expected, "{state}");
        }
    }

    #[test]
    fn what_stands_still_is_started_and_what_dies_is_not() {
        for (state, starts) in [("exited", true), ("paused", true), ("restarting", false)] {
            let found = run(&in_state(state, None, false)).unwrap();
            let start = Action::Start { container: "app-backend-1".to_owned() };
            let expected: Vec<_> = starts.then_some(start).into_iter().collect();
            assert_eq!(found[0].remedies[0].actions, expected, "{state}");
        }
    }

    #[test]
    fn a_backend_between_two_deaths_is_not_running() {
        for (restarts, age, serves, expected) in [
            (4, 5, false, Some("backend-restarting error likely app-backend-1")),
            (4, -1, false, Some("backend-restarting error likely app-backend-1")),
            (1, 5, false, None),
            (4, 5000, false, None),
            (4, 5, true, None),
        ] {
            let mut evidence = in_state("running", None, serves);
            evidence.collected_at = 1_790_000_000;
            let container = build::expected(&mut evidence);
            (container.restarts, container.started_at) = (restarts, Some(1_790_000_000 - age));
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(build::told(run(&evidence)), expected, "{restarts} {age} {serves}");
        }
    }

    #[test]
    fn a_known_line_of_the_log_is_explained() {
        let mut evidence = in_state("restarting", None, false);
        let known = "Caught error error (x): cluster url username must be set";
        build::expected(&mut evidence).exit_code = Some(1);
        build::expected(&mut evidence).log = build::log(&["INFO a", known, "Error: x"]);
        let found = &run(&evidence).unwrap()[0];
        assert!(found.detail.contains("names no user"), "{}", found.detail);
        let texts: Vec<_> = found.evidence.iter().map(|proof| proof.text.as_str()).collect();
        assert_eq!(texts, ["restarting, exit code 1: an error at the start", known]);
        build::expected(&mut evidence).log = build::log(&["INFO a", "INFO b"]);
        assert_eq!(run(&evidence).unwrap()[0].evidence.len(), 3);
    }

    #[test]
    fn a_stopped_container_may_not_be_what_a_servers_url_means() {
        let mut evidence = in_state("exited", None, false);
        build::endpoint(&mut evidence).host = "api.example.com".to_owned();
        assert_eq!(build::told(run(&evidence)), ["backend-stopped error likely app-backend-1"]);
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }

    #[test]
    fn without_compose_one_claimant_of_the_port_is_likely_it() {
        let mut evidence = in_state("exited", None, false);
        evidence.compose = crate::evidence::Observation::Seen(None);
        let docker = build::docker(&mut evidence);
        (docker.expected, docker.answering) = (None, None);
        assert_eq!(build::told(run(&evidence)), ["backend-stopped error likely app-backend-1"]);
        let other = build::container("other-backend-1", "other", 3210);
        build::docker(&mut evidence).backends.push(other);
        assert_eq!(run(&evidence), Ok(vec![]));
    }
}
