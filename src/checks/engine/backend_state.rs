//! The backend's container does not serve: stopped, restarting over and over, paused, still starting, unhealthy.

use crate::checks::Check;
use crate::checks::engine::{asked, command, place, subject, weight};
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

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
    let docker = asked(evidence)?;
    let Some((container, sure)) = subject(evidence, docker)? else { return Ok(vec![]) };
    let (level, weighed) = weight(evidence);
    let certainty = sure.min(weighed);
    let finding = match (container.state.as_str(), container.health.as_deref()) {
        ("exited" | "created" | "dead", _) => stopped(container, certainty),
        ("restarting", _) => BACKEND_RESTARTING
            .finding(
                certainty,
                format!("{} has restarted {} times.", container.name, container.restarts),
            )
            .because(ended(container), container.name.clone())
            .remedy(
                Remedy::safe("its log says why it ends")
                    .run(command("logs --tail 50", &container.name)),
            ),
        ("paused", _) => BACKEND_PAUSED
            .finding(
                certainty,
                format!("{} is frozen: it takes connections and answers none.", container.name),
            )
            .remedy(Remedy::safe("let it go on").run(command("unpause", &container.name))),
        ("running", Some("starting")) => BACKEND_STARTING
            .finding(
                certainty,
                format!("{} runs, and its health check has not passed yet.", container.name),
            )
            .remedy(
                Remedy::safe("wait until it is healthy, then run the command again")
                    .run(command("inspect -f '{{.State.Health.Status}}'", &container.name)),
            ),
        ("running", Some("unhealthy")) => BACKEND_UNHEALTHY
            .finding(certainty, format!("{} runs, and its health check fails.", container.name))
            .remedy(
                Remedy::safe("see what the check and the backend say")
                    .run(command("inspect -f '{{json .State.Health.Log}}'", &container.name))
                    .run(command("logs --tail 50", &container.name)),
            ),
        _ => return Ok(vec![]),
    };
    // A health check that lags behind an answer is a warning, also where the key is accepted.
    let level = if container.is_running() { level.max(Level::Warning) } else { level };
    Ok(vec![last_words(finding.level(level), container).at(place(container))])
}

fn stopped(container: &Container, certainty: Certainty) -> Finding {
    let mut finding = BACKEND_STOPPED.finding(
        certainty,
        match container.exit_code {
            _ if container.state == "created" => {
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
    finding.remedy(Remedy::safe("start it").run(command("start", &container.name))).remedy(
        Remedy::safe("if it ends again, its log says why")
            .run(command("logs --tail 50", &container.name)),
    )
}

fn ended(container: &Container) -> String {
    let since = container
        .finished_at
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(String::new, |when| format!(" since {when}"));
    match container.exit_code {
        Some(code) => format!("{}{since}, exit code {code}", container.state),
        None => format!("{}{since}", container.state),
    }
}

/// The end of its log, where it was read: the reason mostly stands there.
fn last_words(mut finding: Finding, container: &Container) -> Finding {
    if let Ok(log) = container.log.seen() {
        for line in log.tail.iter().rev().take(3).rev() {
            finding = finding.because(line.clone(), format!("the log of {}", container.name));
        }
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::endpoint::build;
    use crate::evidence::endpoint::Reach;

    fn in_state(state: &str, health: Option<&str>, serves: bool) -> Evidence {
        let mut evidence = build::healthy();
        if !serves {
            build::unreachable(&mut evidence, Reach::Refused);
        }
        let container = build::expected(&mut evidence);
        container.state = state.to_owned();
        container.health = health.map(str::to_owned);
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
