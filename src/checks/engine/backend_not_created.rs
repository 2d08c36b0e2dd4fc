//! The compose file describes a backend that was never started here, and nothing else answers in
//! its place.

use super::docker_other_context;
use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::compose::publishes;
use crate::deployment::container::claims_port;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::is_engine_host;
use crate::deployment::endpoint::is_loopback;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::shell_word;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static BACKEND_NOT_CREATED: Rule = Rule {
    id: "backend-not-created",
    level: Level::Error,
    title: "the backend of the compose file was never started",
    explain: include_str!("backend-not-created.md"),
    is_cause: true,
    causes: &["url-refused"],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&BACKEND_NOT_CREATED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    // Another world is not a broken one: only where the URL means this machine, and no Convex of
    // any kind answers there.
    if endpoint.invalid.is_some() || !is_loopback(&endpoint.host) || convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    if !is_engine_host(evidence, endpoint)? {
        return Ok(vec![]);
    }
    let docker = evidence.docker.seen()?;
    let taken = docker.backends.iter().any(|it| it.is_running() && claims_port(it, endpoint.port));
    if docker.expected().is_some() || taken {
        return Ok(vec![]);
    }
    // A loopback port that this service does not publish may be the end of a tunnel.
    let there = docker_other_context::holder(docker);
    let certainty = if publishes(service, endpoint.port) && there.is_none() {
        Certainty::Proven
    } else {
        Certainty::Likely
    };
    let start = Remedy::safe(format!("start it, in {}", project.directory))
        .run(compose_command(evidence, &format!("up -d {}", shell_word(&service.name))));
    let remedy = match there {
        None => start,
        // A second one here would be another instance, with an empty database.
        Some((other, _)) => Remedy::safe(format!(
            "do not start a second one here: the project's containers are on the engine of the context `{}`",
            other.name
        )),
    };
    Ok(vec![
        BACKEND_NOT_CREATED
            .finding(
                certainty,
                format!(
                    "There is no container of service `{}` of project `{}`.",
                    service.name, project.project
                ),
            )
            .because("describes the backend", format!("{}:{}", service.at.file, service.at.line))
            .because("has no container of it", docker.address.clone())
            .at(Location::line(service.at.file.clone(), service.at.line))
            .at(url_location(evidence))
            .remedy(remedy),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn only_where_the_url_means_this_machine_and_nothing_answers() {
        let gone = || {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            let docker = build::docker(&mut evidence);
            (docker.expected, docker.answering) = (None, None);
            docker.backends.clear();
            docker.published.clear();
            evidence
        };
        let certain = ["backend-not-created error proven docker-compose.yml:2"];
        assert_eq!(build::told(run(&gone())), certain);
        assert_eq!(run(&build::healthy()), Ok(vec![]));

        let mut tunnel = gone();
        build::endpoint(&mut tunnel).port = 9999;
        assert_eq!(
            build::told(run(&tunnel)),
            ["backend-not-created error likely docker-compose.yml:2"]
        );
        let mut server = gone();
        build::endpoint(&mut server).host = "api.example.com".to_owned();
        assert_eq!(run(&server), Ok(vec![]));
        let mut remote = gone();
        build::docker(&mut remote).local = false;
        assert_eq!(run(&remote), Ok(vec![]));
        let mut unlabelled = gone();
        build::docker(&mut unlabelled).backends.push(build::container("convex", "x", 3210));
        assert_eq!(run(&unlabelled), Ok(vec![]));
        let mut unseen = gone();
        build::no_docker(&mut unseen);
        assert_eq!(build::told(run(&unseen)), ["unknown"]);
    }
}
