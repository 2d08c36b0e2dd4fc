//! The backend's container does not answer: it is stopped, crashes at every start, is paused, still
//! starting, or unhealthy.

use crate::checks::Check;
use crate::deployment::answers;
use crate::deployment::compose::project;
use crate::deployment::container::container_location;
use crate::deployment::container::run_subject;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::log_lines::{BackendEnd, end, explanation_of};
use crate::deployment::weight::of_backend_fault;
use crate::evidence::docker::{Container, ContainerHealth, ContainerState, DockerFacts};
use crate::evidence::endpoint::Reach;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::remedies::command::logs;
use crate::report::{Action, Certainty, Command, Finding, Level, Remedy, Rule, Waiting};

/// What a URL leads to if no process answers behind it.
const SILENCE: &[&str] = &["url-refused", "url-no-answer", "url-timeout", "proxy-error"];
/// A paused process still accepts connections, but does not answer.
const FROZEN: &[&str] = &["url-timeout", "proxy-error"];

static BACKEND_STOPPED: Rule = rule!("backend-stopped", Error, "the backend is stopped")
    .cause(SILENCE)
    .waiting(Waiting::IfNewOrRestarted);
static BACKEND_RESTARTING: Rule =
    rule!("backend-restarting", Error, "the backend crashes at every start")
        .cause(SILENCE)
        .waiting(Waiting::IfRestarted);
static BACKEND_PAUSED: Rule = rule!("backend-paused", Error, "the backend is paused").cause(FROZEN);
static BACKEND_STARTING: Rule = rule!("backend-starting", Error, "the backend is still starting")
    .cause(SILENCE)
    .waiting(Waiting::Passes);
// A health check that fails does not show why: it is not a cause, and explains nothing.
static BACKEND_UNHEALTHY: Rule =
    rule!("backend-unhealthy", Error, "the backend's health check fails").waiting(Waiting::Passes);

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
    let finding = match (&container.life.state, &container.life.health) {
        _ if container.is_stopped() => stopped(container, certainty),
        (ContainerState::Restarting, _) => BACKEND_RESTARTING
            .finding(certainty, format!("{} {}.", container.name, restarted(container)))
            .because(last_state(container), container.name.clone())
            .remedy(read_log(container)),
        (ContainerState::Paused, _) => BACKEND_PAUSED
            .finding(
                certainty,
                format!("{} accepts connections but does not answer.", container.name),
            )
            .remedy(
                Remedy::safe("Unpause the container")
                    .run(Command::docker(["unpause", &container.name]))
                    .act(Action::Start { container: container.name.clone() }),
            ),
        // Between two crashes Docker calls it running.
        (ContainerState::Running, _) if flaps(evidence, container) => BACKEND_RESTARTING
            .finding(
                certainty.min(Certainty::Likely),
                format!(
                    "{} {}, the last time seconds ago, and does not answer.",
                    container.name,
                    restarted(container)
                ),
            )
            .remedy(read_log(container)),
        (ContainerState::Running, Some(ContainerHealth::Starting)) => BACKEND_STARTING
            .finding(
                if is_silent(evidence) { certainty } else { certainty.min(Certainty::Likely) },
                format!("{} is running, but its health check has not passed yet.", container.name),
            )
            .remedy(Remedy::safe("Wait until this command prints `healthy`").run(Command::docker(
                ["inspect", "-f", "{{.State.Health.Status}}", &container.name],
            ))),
        (ContainerState::Running, Some(ContainerHealth::Unhealthy)) => {
            unhealthy(evidence, container, certainty)
        }
        _ => return Ok(vec![]),
    };
    // A health check that is behind the answer is a warning, even if the key is accepted.
    let level = if container.is_running() { level.max(Level::Warning) } else { level };
    // Between two health checks a backend can answer long since: without a URL it was not asked.
    let is_unasked = finding.id == BACKEND_STARTING.id
        && selected_endpoint(evidence).is_ok_and(|endpoint| endpoint.is_none());
    let level = if is_unasked { level.min(Level::Warning) } else { level };
    let finding = finding.level(level).at(container_location(container));
    // Only the output of the check says why it fails; the log is about the backend.
    let is_check = finding.id == BACKEND_UNHEALTHY.id;
    let finding = if is_check { finding } else { with_log(finding, container) };
    Ok(vec![finding])
}

/// Whether nothing answers at the selected URL, or only a proxy that cannot reach what is behind it.
fn is_silent(evidence: &Evidence) -> bool {
    let endpoint = selected_endpoint(evidence).ok().flatten();
    endpoint.is_some_and(|endpoint| {
        endpoint.route.reach != Reach::Answered
            || answers::seen(endpoint).iter().any(|(_, answer)| answer.status == 502)
    })
}

/// The health check fails: its own output, and who waits for it.
fn unhealthy(evidence: &Evidence, container: &Container, certainty: Certainty) -> Finding {
    let project = project(evidence).ok().flatten();
    let of_compose = project.filter(|_| is_expected(evidence, container));
    let waiting = of_compose.map_or(&[][..], |project| &project.wait_for_healthy);
    let waits = match waiting {
        [] => String::new(),
        [one] => format!(" Service {one} does not start until it passes."),
        several => format!(" Services {} do not start until it passes.", several.join(", ")),
    };
    let detail = format!("{} is running, but its health check fails.{waits}", container.name);
    let mut finding = BACKEND_UNHEALTHY.finding(certainty, detail);
    let source = format!("the health check of {}", container.name);
    for line in &container.life.health_output {
        finding = finding.showing(line.clone(), source.clone());
    }
    let output = ["inspect", "-f", "{{json .State.Health.Log}}", &container.name];
    finding.remedy(
        Remedy::safe("Read the output of the health check and the backend's log")
            .run(Command::docker(output))
            .run(logs(&container.name)),
    )
}

fn is_expected(evidence: &Evidence, container: &Container) -> bool {
    let docker = evidence.docker.seen().ok();
    docker.and_then(DockerFacts::expected).is_some_and(|expected| expected.name == container.name)
}

/// How often it has restarted.
fn restarted(container: &Container) -> String {
    match container.life.restarts {
        0 => "is restarting".to_owned(),
        1 => "has restarted once".to_owned(),
        times => format!("has restarted {times} times"),
    }
}

fn read_log(container: &Container) -> Remedy {
    Remedy::safe("Read the backend's log to find out why it crashes").run(logs(&container.name))
}

/// Whether it restarts again and again, the last time just now, and does not answer.
fn flaps(evidence: &Evidence, container: &Container) -> bool {
    let answers =
        selected_endpoint(evidence).is_ok_and(|it| it.is_some_and(EndpointFacts::is_convex_api));
    let age = container.life.started_at.map(|start| evidence.collected_at - start);
    // Negative if it started during this run.
    container.life.restarts >= 3 && age.is_some_and(|age| age < 60) && !answers
}

fn stopped(container: &Container, certainty: Certainty) -> Finding {
    let mut finding = BACKEND_STOPPED.finding(
        certainty,
        match container.life.exit_code {
            _ if container.is_created() => {
                format!("{} was created but has not started.", container.name)
            }
            Some(130 | 143) => format!("{} was stopped.", container.name),
            Some(0) if end(container) == Some(BackendEnd::Stopped) => {
                format!("{} was stopped.", container.name)
            }
            Some(code) => format!("{} exited with code {code}.", container.name),
            None => format!("{} is not running.", container.name),
        },
    );
    finding = finding.because(last_state(container), container.name.clone());
    if let Some(error) = &container.life.start_error {
        finding = finding.showing(error.clone(), "Docker's last attempt to start it");
    }
    let start = Remedy::safe("Start the container (keys and data are kept)")
        .run(Command::docker(["start", &container.name]))
        .act(Action::Start { container: container.name.clone() });
    finding
        .remedy(start)
        .remedy(Remedy::safe("Read its log, if it stops again").run(logs(&container.name)))
}

fn last_state(container: &Container) -> String {
    let since = container
        .life
        .finished_at
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(String::new, |when| format!(" since {when}"));
    match container.life.exit_code {
        Some(code) => match meaning(container, code) {
            Some(meaning) => {
                format!("State: {}{since}, exit code {code} ({meaning})", container.life.state)
            }
            None => format!("State: {}{since}, exit code {code}", container.life.state),
        },
        None => format!("State: {}{since}", container.life.state),
    }
}

/// What an exit code means, if anything. 0 has two meanings, which only the log tells apart.
fn meaning(container: &Container, code: i64) -> Option<&'static str> {
    Some(match code {
        0 => match end(container)? {
            BackendEnd::Stopped => "stopped from outside",
            BackendEnd::Fatal => "it shut down after a fatal error",
        },
        1 => "an error at the start",
        2 => "an argument or variable that it rejects",
        126 | 127 => "its program could not start",
        130 | 143 => "stopped from outside",
        132 => "an instruction that the processor does not have",
        137 => "killed, usually for its memory or when `docker stop` timed out",
        139 => "its program crashed",
        _ => return None,
    })
}

/// Why it stopped, if its log was read: the known line and what it means; otherwise the end of the
/// log.
fn with_log(mut finding: Finding, container: &Container) -> Finding {
    let Ok(log) = container.log.seen() else { return finding };
    let source = format!("the log of {}", container.name);
    if let Some(found) = explanation_of(container) {
        finding.detail =
            format!("{} Its log shows why: {}", finding.detail, found.known.means).into();
        return finding.showing(found.line.to_owned(), source);
    }
    for line in log.tail.iter().rev().take(3).rev() {
        finding = finding.showing(line.clone(), source.clone());
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    fn in_state(state: &str, health: Option<&str>, serves: bool) -> Evidence {
        let mut evidence = build::healthy();
        if !serves {
            build::unreachable(&mut evidence, Reach::Refused);
        }
        let container = build::expected(&mut evidence);
        container.life.state = state.into();
        container.life.health = health.map(Into::into);
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
            ("running", Some("starting"), true, Some("backend-starting warning likely")),
            ("running", Some("unhealthy"), true, Some("backend-unhealthy warning proven")),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&in_state(state, health, serves))), expected, "{state}");
        }
    }

    #[test]
    fn a_health_check_that_has_not_passed_shows_nothing_where_nobody_asked() {
        let mut evidence = in_state("running", Some("starting"), false);
        evidence.endpoint = crate::evidence::Observation::Seen(None);
        assert_eq!(build::told(run(&evidence)), ["backend-starting warning likely app-backend-1"]);
    }

    #[test]
    fn a_container_that_is_stopped_is_started_and_one_that_crashes_is_not() {
        for (state, starts) in [("exited", true), ("paused", true), ("restarting", false)] {
            let found = run(&in_state(state, None, false)).unwrap();
            let start = Action::Start { container: "app-backend-1".to_owned() };
            let expected: Vec<_> = starts.then_some(start).into_iter().collect();
            assert_eq!(found[0].remedies[0].actions, expected, "{state}");
        }
    }

    #[test]
    fn a_backend_between_two_crashes_is_not_running() {
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
            (container.life.restarts, container.life.started_at) =
                (restarts, Some(1_790_000_000 - age));
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(build::told(run(&evidence)), expected, "{restarts} {age} {serves}");
        }
    }

    #[test]
    fn a_known_line_of_the_log_is_explained() {
        let mut evidence = in_state("restarting", None, false);
        let known = "Caught error error (x): cluster url username must be set";
        build::expected(&mut evidence).life.exit_code = Some(1);
        build::expected(&mut evidence).log = build::log(&["INFO a", known, "Error: x"]);
        let found = &run(&evidence).unwrap()[0];
        assert!(found.detail.contains("has no user name"), "{}", found.detail);
        let texts: Vec<_> = found.evidence.iter().map(|proof| &*proof.text).collect();
        assert_eq!(texts, ["State: restarting, exit code 1 (an error at the start)", known]);
        build::expected(&mut evidence).log = build::log(&["INFO a", "INFO b"]);
        assert_eq!(run(&evidence).unwrap()[0].evidence.len(), 3);
    }

    #[test]
    fn an_exit_code_of_0_has_two_meanings() {
        const UP: &str = "INFO local_backend: backend listening on 0.0.0.0:3210";
        const STOP: &str = "INFO local_backend: Received Ctrl-C signal!";
        const FATAL: &str =
            "ERROR local_backend: Received a fatal error. Shutting down immediately";
        const LOST: &str = "ERROR postgres::connection: connection error: connection closed";
        const LEASE: &str = "ERROR common::errors: Caught error error (x): Lease Lost";
        for (case, log, meaning, stopped, explained) in [
            ("told to stop", vec![UP, STOP], "stopped from outside", true, false),
            ("with its database", vec![UP, STOP, LOST], "stopped from outside", true, false),
            ("taken over", vec![UP, LEASE, FATAL], "it shut down after a fatal error", false, true),
            ("stopped once, before", vec![STOP, UP], "", false, false),
            ("the log says neither", vec![UP], "", false, false),
        ] {
            let mut evidence = in_state("exited", None, false);
            let container = build::expected(&mut evidence);
            container.life.exit_code = Some(0);
            container.log = build::log(&log);
            let found = &run(&evidence).unwrap()[0];
            let state = &found.evidence[0].text;
            let expected =
                if meaning.is_empty() { "exit code 0".to_owned() } else { format!("({meaning})") };
            assert!(state.ends_with(&expected), "{case}: {}", &**state);
            assert_eq!(found.detail.contains("was stopped"), stopped, "{case}");
            assert_eq!(found.detail.contains("Its log shows why"), explained, "{case}");
        }
    }

    #[test]
    fn a_failing_health_check_quotes_its_own_output() {
        let mut evidence = in_state("running", Some("unhealthy"), true);
        let quoted = |evidence: &Evidence| -> Vec<String> {
            let found = run(evidence).unwrap();
            found[0].evidence.iter().map(|proof| proof.text.to_string()).collect()
        };
        build::expected(&mut evidence).log = build::log(&["INFO a"]);
        assert!(quoted(&evidence).is_empty());
        build::expected(&mut evidence).life.health_output = vec!["not found".to_owned()];
        assert_eq!(quoted(&evidence), ["not found"]);
        assert!(!run(&evidence).unwrap()[0].detail.contains("until it passes"));
        build::compose(&mut evidence).wait_for_healthy = vec!["dashboard".to_owned()];
        let found = run(&evidence).unwrap();
        assert!(
            found[0].detail.contains("Service dashboard does not start"),
            "{}",
            found[0].detail
        );
    }

    #[test]
    fn a_stopped_container_may_not_be_the_one_behind_a_servers_url() {
        let mut evidence = in_state("exited", None, false);
        build::endpoint(&mut evidence).target.host = "api.example.com".to_owned();
        assert_eq!(build::told(run(&evidence)), ["backend-stopped error likely app-backend-1"]);
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }

    #[test]
    fn without_compose_the_only_container_with_the_port_is_likely_it() {
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
