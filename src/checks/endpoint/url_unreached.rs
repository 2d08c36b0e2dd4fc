//! No HTTP answer came back, and how far the connection got: seven faults that the CLI words alike
//! (`fetch failed`).

use super::url_tls_failure::{self, URL_TLS_FAILURE};
use crate::checks::Check;
use crate::deployment::container::run_subject;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::is_engine_host;
use crate::deployment::endpoint::is_loopback;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::evidence::endpoint::Reach;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::remedies::command::docker_command;
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

pub(super) const fn rule(id: &'static str, title: &'static str, explain: &'static str) -> Rule {
    Rule { id, level: Level::Error, title, explain, is_cause: true, causes: &[], since: "0.1.0" }
}

static URL_REFUSED: Rule =
    rule("url-refused", "nothing listens at the URL", include_str!("url-refused.md"));
static URL_NO_ANSWER: Rule = rule(
    "url-no-answer",
    "the connection is closed without an answer",
    include_str!("url-no-answer.md"),
);
static URL_TIMEOUT: Rule =
    rule("url-timeout", "no answer within the time", include_str!("url-timeout.md"));
static URL_DNS_FAILURE: Rule = rule(
    "url-dns-failure",
    "the host of the URL does not resolve",
    include_str!("url-dns-failure.md"),
);
static URL_SCHEME_MISMATCH: Rule = rule(
    "url-scheme-mismatch",
    "http and https are mixed up in the URL",
    include_str!("url-scheme-mismatch.md"),
);

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
    let (host, port) = (&endpoint.host, endpoint.port);
    let finding = match &endpoint.reach {
        Reach::NotTried => {
            convex_answers(endpoint)?;
            return Ok(vec![]);
        }
        Reach::Answered | Reach::NotHttp => return Ok(vec![]),
        Reach::Other { error } => return Err(Unseen { reason: format!("asking failed: {error}") }),
        Reach::Refused => refused(evidence, endpoint),
        Reach::Closed => no_answer(evidence, endpoint),
        Reach::ConnectTimeout => URL_TIMEOUT
            .finding(
                Certainty::Proven,
                format!("{host}:{port} takes no connection: the packets are dropped on the way."),
            )
            .remedy(Remedy::safe(
                "look at the host's firewall, security group or VPN, and whether the host is up",
            )),
        Reach::AnswerTimeout => URL_TIMEOUT
            .finding(
                Certainty::Proven,
                format!("{host}:{port} takes the connection and says nothing."),
            )
            .remedy(
                Remedy::safe("on the backend's host: see in its log what it waits for")
                    .run(compose_command(evidence, "logs --tail 50")),
            ),
        Reach::NoSuchHost { error } => URL_DNS_FAILURE
            .finding(
                Certainty::Proven,
                format!("The name `{host}` does not resolve here: {error}."),
            )
            .remedy(Remedy::safe(format!(
                "correct the name in the URL, or add the DNS record of {host}"
            ))),
        Reach::Tls { fault } => url_tls_failure::finding(endpoint, fault),
        Reach::PlainToTls => {
            scheme("https", "The server speaks TLS, and the URL says http.", evidence, endpoint)
        }
        Reach::TlsToPlain => scheme(
            "http",
            "The server speaks plain HTTP, and the URL says https.",
            evidence,
            endpoint,
        ),
    };
    Ok(vec![finding.at(url_location(evidence))])
}

fn refused(evidence: &Evidence, endpoint: &EndpointFacts) -> Finding {
    let certainty =
        if unexplained(evidence, endpoint) { Certainty::Proven } else { Certainty::Likely };
    let remote = if is_loopback(&endpoint.host) { "" } else { ", on its host" };
    URL_REFUSED
        .finding(
            certainty,
            format!(
                "{} refuses the connection on port {}: nothing listens there.",
                endpoint.host, endpoint.port
            ),
        )
        .remedy(
            Remedy::safe(format!(
                "start the backend, in the directory of its compose file{remote}"
            ))
            .run(compose_command(evidence, "up -d")),
        )
        .remedy(
            Remedy::safe(format!(
                "if it runs: see what it publishes, and what its log says{remote}"
            ))
            .run(compose_command(evidence, "ps"))
            .run(compose_command(evidence, "logs --tail 50")),
        )
}

/// Whether engine and compose file were seen, and no container accounts for the silence.
fn unexplained(evidence: &Evidence, endpoint: &EndpointFacts) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    let Ok(compose) = evidence.compose.seen() else { return false };
    let created = docker.expected().is_some()
        || compose.as_ref().is_none_or(|compose| compose.backend().is_none());
    let running = run_subject(evidence, docker)
        .ok()
        .flatten()
        .is_none_or(|(container, _)| container.is_running());
    let elsewhere = !is_engine_host(evidence, endpoint).unwrap_or(false);
    elsewhere || (created && running)
}

fn no_answer(evidence: &Evidence, endpoint: &EndpointFacts) -> Finding {
    let port = endpoint.port;
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
                format!("{}:{port} takes the connection and closes it.", endpoint.host),
            )
            .remedy(Remedy::safe(
                "look at what listens on that port; a Convex API always answers",
            ));
    };
    URL_NO_ANSWER
        .finding(
            Certainty::Proven,
            format!(
                "Docker publishes port {port} of this host as port {} of {}, and nothing listens behind it.",
                entry.container_port, entry.container
            ),
        )
        .because(format!("{port} -> {}", entry.container_port), entry.container.clone())
        .remedy(
            Remedy::safe("see what the backend listens on: 3210, unless somebody changed it")
                .run(docker_command("logs --tail 50", &entry.container)),
        )
}

fn scheme(right: &str, why: &str, evidence: &Evidence, endpoint: &EndpointFacts) -> Finding {
    let rest = endpoint.url.split_once("://").map_or(endpoint.url.as_str(), |(_, rest)| rest);
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
    use crate::evidence::endpoint::TlsFault;

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
            |evidence| build::expected(evidence).state = "exited".into(),
            |evidence| build::docker(evidence).expected = None,
        ] {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            break_it(&mut evidence);
            assert!(build::told(run(&evidence))[0].starts_with("url-refused error likely"));
        }
    }
}
