//! The project's containers are in another Docker context than the one that is used here.

use crate::checks::Check;
use crate::deployment::endpoint::{convex_answers, is_engine_host, is_loopback, selected_endpoint};
use crate::evidence::docker::OtherContext;
use crate::evidence::{DockerFacts, Evidence, Unseen};
use crate::remedies::command::doctor;
use crate::report::{Certainty, Command, Finding, Level, Location, Remedy, Rule, Waiting};

static DOCKER_OTHER_CONTEXT: Rule = rule!(
    "docker-other-context",
    Warning,
    "the project's containers are in another Docker context"
)
.cause(&["backend-not-created"])
.waiting(Waiting::Passes);

pub(super) static CHECK: Check = Check { rules: &[&DOCKER_OTHER_CONTEXT], run };

/// The first other context that has containers of the project, and their names.
pub(super) fn holder(docker: &DockerFacts) -> Option<(&OtherContext, &[String])> {
    docker.other_contexts.iter().flatten().find_map(|other| {
        let containers = other.containers.seen().ok()?;
        (!containers.is_empty()).then_some((other, containers.as_slice()))
    })
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    if let Some((other, containers)) = holder(docker) {
        return Ok(vec![finding(evidence, docker, other, containers)]);
    }
    // None of those that could be checked has it.
    for other in docker.other_contexts.iter().flatten() {
        if let Err(unseen) = other.containers.seen() {
            return Err(Unseen::new(format!("Docker context {}: {}", other.name, unseen.reason)));
        }
    }
    Ok(vec![])
}

/// A warning; an error if nothing answers at a URL that points to this machine: the backend is
/// probably there.
fn level(evidence: &Evidence) -> Level {
    match selected_endpoint(evidence) {
        Ok(Some(endpoint))
            if endpoint.target.invalid.is_none()
                && is_loopback(&endpoint.target.host)
                && is_engine_host(evidence, endpoint) == Ok(true)
                && convex_answers(endpoint) == Ok(false) =>
        {
            Level::Error
        }
        _ => Level::Warning,
    }
}

fn finding(
    evidence: &Evidence,
    docker: &DockerFacts,
    other: &OtherContext,
    containers: &[String],
) -> Finding {
    let used = match &docker.context {
        Some(context) => format!("Docker context `{context}`"),
        None => format!("Docker at {}", docker.address),
    };
    DOCKER_OTHER_CONTEXT
        .finding(
            Certainty::Proven,
            format!(
                "{used} has no container of this project, but context `{}` has {}. Containers, \
                 volumes and secrets were checked in the wrong place.",
                other.name,
                containers.join(", ")
            ),
        )
        .level(level(evidence))
        .because("No container of this project", docker.address.clone())
        .because(format!("Has {}", containers.join(", ")), other.address.clone())
        .at(Location::url(other.address.clone()))
        .remedy(
            Remedy::safe("Check the other context")
                .run(doctor(evidence, ["--context", &other.name])),
        )
        .remedy(
            Remedy::careful(
                "Switch to it (unset DOCKER_HOST and DOCKER_CONTEXT, which override it)",
            )
            .run(Command::docker(["context", "use", &other.name])),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn another_context_has_them() {
        let context = |name: &str, containers: Observation<Vec<String>>| OtherContext {
            name: name.to_owned(),
            address: format!("unix:///{name}.sock"),
            containers,
        };
        let has = || Observation::Seen(vec!["app-backend-1".to_owned()]);
        let none = || Observation::Seen(Vec::new());
        let silent = || Observation::unavailable("no answer");
        let found = "docker-other-context warning proven unix:///colima.sock";
        for (contexts, expected) in [
            (None, vec![]),
            (Some(vec![]), vec![]),
            (Some(vec![context("a", none())]), vec![]),
            (Some(vec![context("a", silent()), context("colima", has())]), vec![found]),
            (Some(vec![context("a", silent()), context("colima", none())]), vec!["unknown"]),
        ] {
            let mut evidence = build::healthy();
            build::docker(&mut evidence).other_contexts = contexts;
            assert_eq!(told(run(&evidence)), expected);
        }
        let mut evidence = build::healthy();
        build::docker(&mut evidence).other_contexts = Some(vec![context("colima", has())]);
        build::unreachable(&mut evidence, Reach::Refused);
        let missed = "docker-other-context error proven unix:///colima.sock";
        assert_eq!(told(run(&evidence)), [missed]);
        // A loopback address does not lead to Docker on another machine.
        build::docker(&mut evidence).local = false;
        assert_eq!(told(run(&evidence)), [found]);
        build::docker(&mut evidence).local = true;
        build::endpoint(&mut evidence).target.host = "api.example.com".to_owned();
        assert_eq!(told(run(&evidence)), [found]);
        build::no_docker(&mut evidence);
        assert_eq!(told(run(&evidence)), ["unknown"]);
    }
}
