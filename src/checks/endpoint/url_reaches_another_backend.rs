//! The key is rejected because another backend than this project's own answers at the URL.

use super::who_answers::{self, Case};
use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::container::{claims_port, container_location};
use crate::deployment::endpoint::{is_engine_host, is_loopback, selected_endpoint, url_location};
use crate::deployment::key::KeyAnswer;
use crate::evidence::docker::Container;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::command::up;
use crate::remedies::env_file::set_url;
use crate::report::{ChainLink, CliFailure, Command, Finding, Location, Remedy, Rule, RuleLink};

static URL_REACHES_ANOTHER_BACKEND: Rule =
    rule!("url-reaches-another-backend", Error, "a different backend answers at the URL")
        .cause(&["key-rejected", "key-foreign", "key-name-mismatch", "key-from-another-instance"])
        .link(RuleLink::IfElsewhere(ChainLink::Url, ChainLink::Port))
        .another_answers()
        .explains(&[CliFailure::KeyRejected, CliFailure::EmptyBackend]);

pub(super) static CHECK: Check = Check { rules: &[&URL_REACHES_ANOTHER_BACKEND], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    // A URL of another machine, or of a proxy, may be meant for any backend.
    if endpoint.target.invalid.is_some()
        || !is_loopback(&endpoint.target.host)
        || endpoint.key.check_admin_key.seen().map(|_| KeyAnswer::of(endpoint))?
            != KeyAnswer::Rejected
    {
        return Ok(vec![]);
    }
    if !is_engine_host(evidence, endpoint)? {
        return Ok(vec![]);
    }
    let docker = evidence.docker.seen()?;
    let Some(expected) = docker.expected() else {
        let Some(project) = project(evidence)? else { return Ok(vec![]) };
        let case = who_answers::never_started(docker, project, endpoint.target.port);
        return Ok(case.into_iter().map(|case| finding(evidence, endpoint, case, None)).collect());
    };
    let Some(case) = who_answers::other_container(docker, expected, endpoint.target.port)
        .or_else(|| who_answers::bind_failed(expected, endpoint.target.port))
        .or_else(|| who_answers::other_name(expected, endpoint))
        .or_else(|| who_answers::outside_docker(docker, expected, endpoint.target.port))
    else {
        if expected.is_running() && claims_port(expected, endpoint.target.port) {
            endpoint.server.instance_name.seen()?;
            expected.instance_name.process.seen()?;
        }
        return Ok(vec![]);
    };
    Ok(vec![finding(evidence, endpoint, case, Some(expected))])
}

fn finding(
    evidence: &Evidence,
    endpoint: &EndpointFacts,
    case: Case,
    expected: Option<&Container>,
) -> Finding {
    let port = endpoint.target.port;
    let (text, source) = case.proof;
    let finding = URL_REACHES_ANOTHER_BACKEND
        .finding(case.certainty, case.detail)
        .because("Answers 401 BadAdminKey", format!("{}/api/check_admin_key", endpoint.target.url));
    let mut finding =
        if case.is_quoted { finding.showing(text, source) } else { finding.because(text, source) };
    finding = finding.at(url_location(evidence));
    if let Some(other) = &case.other {
        finding = finding.at(Location::container(other.clone()));
    }
    if let Some(expected) = expected {
        finding = finding.at(container_location(expected));
    }
    let own = expected
        .filter(|it| it.is_running())
        .and_then(|it| it.net.ports.iter().find(|port| port.container == API_PORT)?.host)
        .filter(|own| *own != port);
    if let Some(own) = own {
        let url = format!("http://127.0.0.1:{own}");
        finding = finding.remedy(set_url(&evidence.selection, &url, ""));
    }
    finding.remedy(match &case.other {
        Some(other) => Remedy::careful(format!("Stop {other}, and start this project's backend"))
            .run(Command::docker(["stop", other]))
            .run(up(evidence)),
        None => Remedy::safe(format!("Find out which program uses port {port}, and stop it"))
            .run(format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::report::Certainty;

    fn refused() -> Evidence {
        let mut evidence = build::healthy();
        let endpoint = build::endpoint(&mut evidence);
        endpoint.key.check_admin_key = build::refusal(401, "BadAdminKey");
        endpoint.key.first_call = build::refusal(401, "BadAdminKey");
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
        build::expected(&mut other).net.ports[0].host = Some(3220);
        assert_eq!(certainty(&other), Ok(Some(Certainty::Likely)));

        let mut named = refused();
        build::expected(&mut named).instance_name.process =
            Observation::Seen(Some("mine".to_owned()));
        assert_eq!(certainty(&named), Ok(Some(Certainty::Proven)));
        build::endpoint(&mut named).server.instance_name = Observation::unavailable("x");
        assert_eq!(certainty(&named), Err(()));

        let mut stopped = refused();
        build::expected(&mut stopped).life.state = "exited".into();
        build::docker(&mut stopped).published.clear();
        assert_eq!(certainty(&stopped), Ok(Some(Certainty::Likely)));
        build::expected(&mut stopped).life.start_error =
            Some("Bind for 0.0.0.0:3210 failed: port is already allocated".to_owned());
        assert_eq!(certainty(&stopped), Ok(Some(Certainty::Proven)));
        build::no_docker(&mut stopped);

        let mut never = refused();
        let docker = build::docker(&mut never);
        docker.backends[0] = build::container("old-backend-1", "old", 3210);
        docker.expected = None;
        docker.answering.as_mut().unwrap().container = "old-backend-1".to_owned();
        assert_eq!(certainty(&never), Ok(Some(Certainty::Likely)));
        build::compose(&mut never).backends[0].ports.clear();
        assert_eq!(certainty(&never), Ok(None));
        assert_eq!(certainty(&stopped), Err(()));
    }

    #[test]
    fn a_url_of_another_machine_may_mean_any_backend() {
        let mut evidence = refused();
        build::endpoint(&mut evidence).target.host = "api.example.com".to_owned();
        build::expected(&mut evidence).instance_name.process =
            Observation::Seen(Some("mine".to_owned()));
        assert_eq!(run(&evidence), Ok(vec![]));
    }
}
