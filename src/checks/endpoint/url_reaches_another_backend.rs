//! The key is refused because another backend than this project's own answers at the URL.

use crate::checks::endpoint::{is_engine_host, is_loopback, key_refused, selected, url_location};
use crate::checks::{Check, engine};
use crate::evidence::docker::Container;
use crate::evidence::{DockerFacts, EndpointFacts, Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static URL_REACHES_ANOTHER_BACKEND: Rule = Rule {
    id: "url-reaches-another-backend",
    level: Level::Error,
    title: "another backend than this project's answers at the URL",
    explain: include_str!("url-reaches-another-backend.md"),
    is_cause: true,
    causes: &["key-rejected", "key-foreign", "key-name-mismatch", "key-from-another-instance"],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&URL_REACHES_ANOTHER_BACKEND], run };

/// What speaks for another backend.
struct Case {
    certainty: Certainty,
    detail: String,
    proof: (String, String),
    other: Option<String>,
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected(evidence)? else { return Ok(vec![]) };
    // A URL of another machine, or of a proxy, may mean any backend.
    if endpoint.invalid.is_some() || !is_loopback(&endpoint.host) || !key_refused(endpoint)? {
        return Ok(vec![]);
    }
    if !is_engine_host(evidence, endpoint)? {
        return Ok(vec![]);
    }
    let docker = engine::asked(evidence)?;
    let Some(expected) = docker.expected() else {
        evidence.compose.seen()?; // it names what to expect
        return Ok(vec![]);
    };
    let Some(case) = other_container(docker, expected, endpoint.port)
        .or_else(|| bind_failed(expected, endpoint.port))
        .or_else(|| other_name(expected, endpoint))
        .or_else(|| outside_docker(docker, expected, endpoint.port))
    else {
        if expected.is_running() && engine::claims(expected, endpoint.port) {
            endpoint.instance_name.seen()?;
            expected.instance_name.process.seen()?;
        }
        return Ok(vec![]);
    };
    let port = endpoint.port;
    let mut finding = URL_REACHES_ANOTHER_BACKEND
        .finding(case.certainty, case.detail)
        .because("401 BadAdminKey", format!("{}/api/check_admin_key", endpoint.url))
        .because(case.proof.0, case.proof.1)
        .at(url_location(evidence));
    if let Some(other) = &case.other {
        finding = finding.at(Location::container(other.clone()));
    }
    finding = finding.at(Location::container(expected.name.clone()));
    let own = expected.ports.iter().find_map(|it| it.host.filter(|host| *host != port));
    if let (true, Some(own)) = (expected.is_running(), own) {
        let url = format!("http://127.0.0.1:{own}");
        finding = finding.remedy(Remedy::safe(format!("set CONVEX_SELF_HOSTED_URL to {url}")));
    }
    let free = Remedy::careful(format!("free port {port}, then start this project's backend"));
    let free = match &case.other {
        Some(other) => free.run(format!("docker stop {other}")).run("docker compose up -d"),
        None => Remedy::safe(format!(
            "see who holds port {port} (a local backend of `npx convex dev`?), and end that"
        ))
        .run(format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")),
    };
    Ok(vec![finding.remedy(free)])
}

/// The container that answers is of another project.
fn other_container(docker: &DockerFacts, expected: &Container, port: u16) -> Option<Case> {
    let (other, certainty) = docker.answering()?;
    let same =
        other.working_dir == expected.working_dir && other.config_files == expected.config_files;
    if other.name == expected.name || same {
        return None;
    }
    // The port may have been meant for it, and the key be wrong by itself.
    let meant = if engine::claims(expected, port) { certainty } else { Certainty::Likely };
    Some(Case {
        certainty: certainty.min(meant),
        detail: format!(
            "{} of {} answers on port {port}; this project's backend is {}.",
            other.name,
            other.working_dir.as_deref().unwrap_or("no compose project"),
            expected.name
        ),
        proof: (
            docker.answering.as_ref().map(|it| it.how.clone()).unwrap_or_default(),
            other.name.clone(),
        ),
        other: Some(other.name.clone()),
    })
}

/// Our container could not take the port: somebody else has it.
fn bind_failed(expected: &Container, port: u16) -> Option<Case> {
    let error = expected.start_error.as_deref().filter(|_| !expected.is_running())?;
    (engine::port_taken(error) == Some(port)).then(|| Case {
        certainty: Certainty::Proven,
        detail: format!(
            "{} could not take port {port}, because the backend that answers there holds it.",
            expected.name
        ),
        proof: (error.to_owned(), expected.name.clone()),
        other: None,
    })
}

/// Our process runs under another name than the one that answers.
fn other_name(expected: &Container, endpoint: &EndpointFacts) -> Option<Case> {
    let answers = endpoint.answering_name()?;
    let runs = expected.instance_name.process.seen().ok()?.as_deref()?;
    if !expected.is_running() || answers == runs {
        return None;
    }
    let claims = engine::claims(expected, endpoint.port);
    Some(Case {
        certainty: if claims { Certainty::Proven } else { Certainty::Likely },
        detail: format!(
            "The URL answers as instance `{answers}`; {} runs as `{runs}`.",
            expected.name
        ),
        proof: (format!("its process runs as `{runs}`"), expected.name.clone()),
        other: None,
    })
}

/// Our container does not run and no other one holds the port: a process outside of Docker.
fn outside_docker(docker: &DockerFacts, expected: &Container, port: u16) -> Option<Case> {
    let held = docker.published.iter().any(|entry| entry.host_port == port);
    if expected.is_running() || !engine::claims(expected, port) || held {
        return None;
    }
    Some(Case {
        certainty: Certainty::Likely,
        detail: format!(
            "{} does not run, and no container publishes port {port}: a process outside of Docker answers.",
            expected.name
        ),
        proof: (format!("state {}", expected.state), expected.name.clone()),
        other: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::endpoint::build;
    use crate::evidence::Observation;

    fn refused() -> Evidence {
        let mut evidence = build::healthy();
        let endpoint = build::endpoint(&mut evidence);
        endpoint.check_admin_key = build::refusal(401, "BadAdminKey");
        endpoint.first_call = build::refusal(401, "BadAdminKey");
        build::expected(&mut evidence).instance_name.process =
            Observation::Seen(Some("convex-self-hosted".to_owned()));
        evidence
    }

    #[test]
    fn who_answers_instead() {
        let certainty = |evidence: &Evidence| {
            let found = run(evidence).map_err(|_| ())?;
            Ok::<_, ()>(found.first().map(|finding| finding.certainty))
        };
        assert_eq!(certainty(&build::healthy()), Ok(None));
        assert_eq!(certainty(&refused()), Ok(None));

        let mut other = refused();
        let docker = build::docker(&mut other);
        docker.backends.push(build::container("old-backend-1", "old", 3210));
        docker.answering.as_mut().unwrap().container = "old-backend-1".to_owned();
        assert_eq!(certainty(&other), Ok(Some(Certainty::Proven)));
        build::expected(&mut other).ports[0].host = Some(3220);
        assert_eq!(certainty(&other), Ok(Some(Certainty::Likely)));

        let mut named = refused();
        build::expected(&mut named).instance_name.process =
            Observation::Seen(Some("mine".to_owned()));
        assert_eq!(certainty(&named), Ok(Some(Certainty::Proven)));
        build::endpoint(&mut named).instance_name = Observation::unavailable("x");
        assert_eq!(certainty(&named), Err(()));

        let mut stopped = refused();
        build::expected(&mut stopped).state = "exited".to_owned();
        build::docker(&mut stopped).published.clear();
        assert_eq!(certainty(&stopped), Ok(Some(Certainty::Likely)));
        build::expected(&mut stopped).start_error =
            Some("Bind for 0.0.0.0:3210 failed: port is already allocated".to_owned());
        assert_eq!(certainty(&stopped), Ok(Some(Certainty::Proven)));
        build::no_docker(&mut stopped);
        assert_eq!(certainty(&stopped), Err(()));
    }

    #[test]
    fn a_url_of_another_machine_may_mean_any_backend() {
        let mut evidence = refused();
        build::endpoint(&mut evidence).host = "api.example.com".to_owned();
        build::expected(&mut evidence).instance_name.process =
            Observation::Seen(Some("mine".to_owned()));
        assert_eq!(run(&evidence), Ok(vec![]));
    }
}
