//! The compose file contains a backend that was never started here, and nothing else answers
//! instead of it.

use super::docker_other_context;
use crate::checks::Check;
use crate::deployment::compose::{project, publishes};
use crate::deployment::container::claims_port;
use crate::deployment::endpoint::{
    convex_answers, is_engine_host, is_loopback, selected_endpoint, url_location,
};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::{doctor, up_service};
use crate::report::{Certainty, Finding, Location, Remedy, Rule, Waiting};

static BACKEND_NOT_CREATED: Rule =
    rule!("backend-not-created", Error, "the backend has no container")
        .cause(&["url-refused"])
        .waiting(Waiting::Passes);

pub(super) static CHECK: Check = Check { rules: &[&BACKEND_NOT_CREATED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    // A backend elsewhere is not a broken one: only if the URL points to this machine, and no
    // Convex backend of any kind answers there.
    if endpoint.target.invalid.is_some()
        || !is_loopback(&endpoint.target.host)
        || convex_answers(endpoint)?
    {
        return Ok(vec![]);
    }
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    if !is_engine_host(evidence, endpoint)? {
        return Ok(vec![]);
    }
    let docker = evidence.docker.seen()?;
    let in_use =
        docker.backends.iter().any(|it| it.is_running() && claims_port(it, endpoint.target.port));
    if docker.expected().is_some() || in_use {
        return Ok(vec![]);
    }
    // A loopback port that this service does not publish may be the end of a tunnel.
    let there = docker_other_context::holder(docker);
    let others = docker.other_contexts.iter().flatten();
    let all_seen = others.into_iter().all(|other| other.containers.seen().is_ok());
    let is_here = there.is_none() && all_seen;
    let certainty = if publishes(service, endpoint.target.port) && is_here {
        Certainty::Proven
    } else {
        Certainty::Likely
    };
    // A command with `-f` is typed where the doctor was, as the file is named from there.
    let place = match project.flags.files.as_slice() {
        [] => &project.directory,
        _ => &evidence.surroundings.directory,
    };
    let start = Remedy::safe(format!("Start the backend, in {place}"))
        .run(up_service(evidence, &service.name));
    let remedy = match there {
        None => start,
        // A second one here would have an empty database.
        Some((other, _)) => Remedy::safe(format!(
            "Use Docker context `{}`; do not start a second backend here",
            other.name
        ))
        .run(doctor(evidence, ["--context", &other.name])),
    };
    Ok(vec![
        BACKEND_NOT_CREATED
            .finding(
                certainty,
                format!(
                    "Service `{}` of project `{}` has no container.",
                    service.name, project.project
                ),
            )
            .because(
                "Contains the backend service",
                format!("{}:{}", service.at.file, service.at.line),
            )
            .because("Has no container of this service", docker.address.clone())
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
    fn only_if_the_url_points_to_this_machine_and_nothing_answers() {
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
        build::endpoint(&mut tunnel).target.port = 9999;
        assert_eq!(
            build::told(run(&tunnel)),
            ["backend-not-created error likely docker-compose.yml:2"]
        );
        let mut server = gone();
        build::endpoint(&mut server).target.host = "api.example.com".to_owned();
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
