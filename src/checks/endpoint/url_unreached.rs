//! No HTTP answer came back, and how far the connection got: seven faults for which the CLI has
//! only one message (`fetch failed`).

use super::url_tls_failure::{self, URL_TLS_FAILURE};
use crate::checks::Check;
use crate::deployment::container::{run_subject, stopped_holder};
use crate::deployment::endpoint::{
    convex_answers, is_engine_host, is_loopback, selected_endpoint, stopped_docker, url_location,
};
use crate::evidence::docker::Container;
use crate::evidence::endpoint::Reach;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::command::{compose, logs, up};
use crate::remedies::engine::start_docker;
use crate::remedies::env_file::set_url;
use crate::report::{Action, Certainty, Command, ComposeVerb, Finding, Remedy, Rule, Waiting};

static URL_REFUSED: Rule = rule!("url-refused", Error, "nothing is listening at the URL")
    .cause(&[])
    .waiting(Waiting::Passes);
static URL_NO_ANSWER: Rule =
    rule!("url-no-answer", Error, "the server closes the connection without answering")
        .cause(&[])
        .waiting(Waiting::Passes);
static URL_TIMEOUT: Rule = rule!("url-timeout", Error, "the server does not answer in time")
    .cause(&[])
    .waiting(Waiting::Passes);
static URL_DNS_FAILURE: Rule =
    rule!("url-dns-failure", Error, "the host of the URL does not resolve")
        .cause(&[])
        .waiting(Waiting::Passes);
static URL_SCHEME_MISMATCH: Rule =
    rule!("url-scheme-mismatch", Error, "the URL uses the wrong scheme (http or https)").cause(&[]);

pub(super) static CHECK: Check = Check {
    rules: &[
        &URL_REFUSED,
        &URL_NO_ANSWER,
        &URL_TIMEOUT,
        &URL_DNS_FAILURE,
        &URL_TLS_FAILURE,
        &URL_SCHEME_MISMATCH,
    ],
    run,
};

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let (host, port) = (&endpoint.target.host, endpoint.target.port);
    let finding = match &endpoint.route.reach {
        Reach::NotTried => {
            convex_answers(endpoint)?;
            return Ok(vec![]);
        }
        Reach::Answered | Reach::NotHttp => return Ok(vec![]),
        Reach::Other { error } => {
            return Err(Unseen::new(format!("the request failed: {error}")));
        }
        Reach::Refused => refused(evidence, endpoint),
        Reach::Closed => no_answer(evidence, endpoint),
        Reach::ConnectTimeout => URL_TIMEOUT
            .finding(
                Certainty::Proven,
                format!("Connections to {host}:{port} time out: the packets are dropped."),
            )
            .remedy(Remedy::safe("Check the host, its firewall or security group, and your VPN")),
        Reach::AnswerTimeout => URL_TIMEOUT
            .finding(
                Certainty::Proven,
                format!("{host}:{port} accepts the connection, but it does not answer."),
            )
            .remedy(
                Remedy::safe("Read the backend's log on its host")
                    .run(compose(evidence, ComposeVerb::Logs)),
            ),
        Reach::NoSuchHost { error } => URL_DNS_FAILURE
            .finding(
                Certainty::Proven,
                format!("This machine cannot resolve the host name `{host}`: {error}."),
            )
            .remedy(Remedy::safe("Correct the host name in the URL"))
            .remedy(Remedy::safe(format!("Add a DNS record for {host}"))),
        Reach::Tls { fault } => url_tls_failure::finding(evidence, endpoint, fault),
        Reach::PlainToTls => {
            scheme("https", "The server uses TLS, but the URL says http.", evidence, endpoint)
        }
        Reach::TlsToPlain => scheme(
            "http",
            "The server uses plain HTTP, but the URL says https.",
            evidence,
            endpoint,
        ),
    };
    Ok(vec![finding.at(url_location(evidence))])
}

fn refused(evidence: &Evidence, endpoint: &EndpointFacts) -> Finding {
    // The proxy refuses, and not the backend.
    if let (Some(proxy), Some(Reach::Answered)) = (&endpoint.route.proxy, &endpoint.route.direct) {
        let detail = format!(
            "The proxy {proxy} refuses the connection, so {} is not asked.",
            endpoint.target.url
        );
        return URL_REFUSED
            .finding(Certainty::Likely, detail)
            .remedy(Remedy::safe("Bypass the proxy, or start it"));
    }
    let certainty =
        if unexplained(evidence, endpoint) { Certainty::Proven } else { Certainty::Likely };
    let engine = stopped_docker(evidence);
    let why = match (engine, certainty) {
        (Some(_), _) => " Docker is not running, so the backend is probably down.",
        (None, Certainty::Proven) => "",
        (None, _) => " The backend is probably down.",
    };
    let (host, port) = (&endpoint.target.host, endpoint.target.port);
    let finding =
        URL_REFUSED.finding(certainty, format!("{host} refuses connections on port {port}.{why}"));
    let holder = stopped_holder(evidence).filter(|_| evidence.compose.seen() == Ok(&None));
    if let Some(container) = holder {
        return finding.remedy(start_container(container));
    }
    let invalid = evidence.compose.seen().ok().and_then(Option::as_ref);
    if let Some(project) = invalid.filter(|project| !project.errors.is_empty()) {
        // No `docker compose` command works before that.
        let at = project.errors.iter().find_map(|issue| Some(issue.at.as_ref()?.file.as_str()));
        let file = at.unwrap_or("the compose file");
        let variable = project.errors.first().and_then(|issue| issue.variable.as_ref());
        return finding.remedy(Remedy::safe(match variable {
            Some(name) => {
                format!("Set {name} first: without it, no `docker compose` command works")
            }
            None => format!("Correct {file} first: Docker Compose cannot read it"),
        }));
    }
    let start = if is_loopback(host) {
        let directory = compose_file(evidence).unwrap_or("its compose file");
        Remedy::safe(format!("Start the backend, in the directory of {directory}"))
    } else {
        Remedy::safe("Start the backend on its host, in the directory of its compose file")
    };
    let start = start.run(up(evidence));
    if let Some(engine) = engine {
        return finding.remedy(start_docker(engine)).remedy(start.step());
    }
    let check = if is_loopback(host) {
        "Check the backend's ports and log, if it is running"
    } else {
        "Check the backend's ports and log on its host, if it is running"
    };
    finding.remedy(start).remedy(
        Remedy::safe(check)
            .run(compose(evidence, ComposeVerb::Ps))
            .run(compose(evidence, ComposeVerb::Logs)),
    )
}

/// Starts a container that no compose file made.
fn start_container(container: &Container) -> Remedy {
    Remedy::safe(format!("Start {}", container.name))
        .run(Command::docker(["start", &container.name]))
        .act(Action::Start { container: container.name.clone() })
}

/// The name of the compose file.
fn compose_file(evidence: &Evidence) -> Option<&str> {
    let project = evidence.compose.seen().ok()?.as_ref()?;
    // A file that Compose cannot read is named only in its error.
    let invalid = || Some(&project.errors.first()?.at.as_ref()?.file);
    project.files.first().or_else(invalid)?.rsplit('/').next()
}

/// Whether Docker and the compose file were checked, and no container explains that nothing is
/// listening.
fn unexplained(evidence: &Evidence, endpoint: &EndpointFacts) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    let Ok(compose) = evidence.compose.seen() else { return false };
    // What Compose cannot read, it does not start.
    if compose.as_ref().is_some_and(|compose| !compose.errors.is_empty()) {
        return !is_engine_host(evidence, endpoint).unwrap_or(false);
    }
    let created = docker.expected().is_some()
        || compose.as_ref().is_none_or(|compose| compose.backend().is_none());
    let running = run_subject(evidence, docker)
        .is_ok_and(|subject| subject.is_none_or(|(container, _)| container.is_running()));
    let elsewhere = !is_engine_host(evidence, endpoint).unwrap_or(false);
    elsewhere || (created && running)
}

fn no_answer(evidence: &Evidence, endpoint: &EndpointFacts) -> Finding {
    let port = endpoint.target.port;
    let publisher = evidence
        .docker
        .seen()
        .ok()
        .filter(|_| is_engine_host(evidence, endpoint).unwrap_or(false))
        .and_then(|docker| docker.published.iter().find(|entry| entry.host_port == port));
    let Some(entry) = publisher else {
        return URL_NO_ANSWER
            .finding(
                Certainty::Likely,
                format!(
                    "{}:{port} accepts the connection and closes it. A Convex backend always \
                     answers.",
                    endpoint.target.host
                ),
            )
            .remedy(Remedy::safe(format!("Check which program is listening on port {port}")));
    };
    let (inside, container) = (entry.container_port, &entry.container);
    URL_NO_ANSWER
        .finding(
            Certainty::Proven,
            format!(
                "Docker forwards port {port} to port {inside} of {container}, where nothing is \
                 listening."
            ),
        )
        .because(format!("Publishes {port} -> {inside}"), container.clone())
        .remedy(
            Remedy::safe(format!(
                "Check in the log which port the backend uses (usually {API_PORT})"
            ))
            .run(logs(container)),
        )
}

fn scheme(right: &str, why: &str, evidence: &Evidence, endpoint: &EndpointFacts) -> Finding {
    let rest = endpoint
        .target
        .url
        .split_once("://")
        .map_or(endpoint.target.url.as_str(), |(_, rest)| rest);
    URL_SCHEME_MISMATCH.finding(Certainty::Proven, why).remedy(set_url(
        &evidence.selection,
        &format!("{right}://{rest}"),
        "",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::docker::EngineFailure;
    use crate::evidence::endpoint::TlsFault;
    use crate::remedies::engine::SYSTEM_SOCKET;
    use crate::report::{Command, Order};

    #[test]
    fn each_way_to_fail_has_its_own_id() {
        assert_eq!(run(&build::healthy()), Ok(vec![]));
        let gone = || Reach::NoSuchHost { error: "no such host".to_owned() };
        for (reach, expected) in [
            (Reach::Refused, "url-refused error proven"),
            (Reach::Closed, "url-no-answer error proven"),
            (Reach::ConnectTimeout, "url-timeout error proven"),
            (Reach::AnswerTimeout, "url-timeout error proven"),
            (gone(), "url-dns-failure error proven"),
            (Reach::Tls { fault: TlsFault::NoRoots }, "url-tls-failure error proven"),
            (Reach::PlainToTls, "url-scheme-mismatch error proven"),
            (Reach::TlsToPlain, "url-scheme-mismatch error proven"),
        ] {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, reach);
            assert_eq!(build::told(run(&evidence)), [format!("{expected} http://127.0.0.1:3210")]);
        }
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::NotTried);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }

    #[test]
    fn without_the_engine_a_refusal_is_only_likely_unexplained() {
        for break_it in [
            build::no_docker as fn(&mut Evidence),
            |evidence| evidence.compose = crate::evidence::Observation::unavailable("x"),
            |evidence| build::expected(evidence).life.state = "exited".into(),
            |evidence| build::docker(evidence).expected = None,
        ] {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            break_it(&mut evidence);
            assert!(build::told(run(&evidence))[0].starts_with("url-refused error likely"));
        }
    }

    #[test]
    fn a_compose_file_in_error_is_corrected_first() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let commands = |evidence: &Evidence| {
            run(evidence).unwrap()[0].remedies.iter().map(|it| it.commands.len()).sum::<usize>()
        };
        assert!(commands(&evidence) > 0);
        let issue = crate::evidence::compose::ComposeIssue {
            message: "services must be a mapping".to_owned(),
            at: None,
            variable: None,
            of_backend: false,
            in_value: false,
            line: None,
        };
        if let crate::evidence::Observation::Seen(Some(compose)) = &mut evidence.compose {
            compose.errors.push(issue);
        }
        assert_eq!(commands(&evidence), 0);
    }

    #[test]
    fn a_proxy_that_refuses_says_nothing_of_the_backend() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let route = &mut build::endpoint(&mut evidence).route;
        route.proxy = Some("http://proxy:1".to_owned());
        route.direct = Some(Reach::Answered);
        let found = run(&evidence).unwrap().remove(0);
        assert_eq!(found.certainty, Certainty::Likely);
        assert!(found.remedies.iter().all(|it| it.commands.is_empty()));
    }

    #[test]
    fn docker_is_started_before_the_backend() {
        let refused = |address: &str, url_is_remote: bool| {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            build::engine_failed(&mut evidence, EngineFailure::Unreachable);
            if let Some(engine) = &mut evidence.engine_failure {
                engine.address = address.to_owned();
            }
            if url_is_remote {
                build::endpoint(&mut evidence).target.host = "api.example.com".to_owned();
            }
            run(&evidence).unwrap().remove(0)
        };
        let steps = |finding: &Finding| {
            let typed =
                |it: &Remedy| it.commands.iter().map(Command::to_string).collect::<Vec<_>>();
            let one = |it: &Remedy| (it.title.to_string(), typed(it), it.order);
            finding.remedies.iter().map(one).collect::<Vec<_>>()
        };
        let start = "Start the backend, in the directory of docker-compose.yml".to_owned();
        let start = (start, vec!["docker compose up -d".to_owned()], Order::Step);
        let docker = "Start Docker (or open Docker Desktop)".to_owned();
        let command = vec!["sudo systemctl start docker".to_owned()];
        let found = refused(SYSTEM_SOCKET, false);
        assert_eq!(
            &*found.detail,
            "127.0.0.1 refuses connections on port 3210. Docker is not running, so the backend is \
             probably down."
        );
        assert_eq!(steps(&found), [(docker.clone(), command, Order::Step), start.clone()]);
        let found = refused("unix:///home/me/.docker/run/docker.sock", false);
        assert_eq!(steps(&found), [(docker, vec![], Order::Step), start]);
        for found in [refused("tcp://10.0.0.9:2375", false), refused(SYSTEM_SOCKET, true)] {
            assert!(!found.detail.contains("Docker is not running"), "{}", &*found.detail);
            assert_eq!(found.remedies[0].order, Order::Alternative);
        }
    }
}
