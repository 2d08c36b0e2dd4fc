//! The project's containers are on the engine of another docker context than the one that was
//! asked.

use crate::checks::Check;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::is_engine_host;
use crate::deployment::endpoint::is_loopback;
use crate::deployment::endpoint::selected_endpoint;
use crate::evidence::docker::OtherContext;
use crate::evidence::{DockerFacts, Evidence, Unseen};
use crate::report::shell_word;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static DOCKER_OTHER_CONTEXT: Rule = Rule {
    id: "docker-other-context",
    level: Level::Warning,
    title: "the project's containers are on the engine of another context",
    explain: include_str!("docker-other-context.md"),
    is_cause: true,
    causes: &["backend-not-created"],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&DOCKER_OTHER_CONTEXT], run };

/// The first other context that has containers of the project, and what they are called.
pub(super) fn holder(docker: &DockerFacts) -> Option<(&OtherContext, &[String])> {
    docker.other_contexts.iter().flatten().find_map(|other| {
        let containers = other.containers.seen().ok()?;
        (!containers.is_empty()).then_some((other, containers.as_slice()))
    })
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    if let Some((other, containers)) = holder(docker) {
        return Ok(vec![tell(evidence, docker, other, containers)]);
    }
    // None had it, as far as all could be asked.
    for other in docker.other_contexts.iter().flatten() {
        if let Err(unseen) = other.containers.seen() {
            return Err(Unseen { reason: format!("context {}: {}", other.name, unseen.reason) });
        }
    }
    Ok(vec![])
}

/// A warning; an error where nothing answers at a URL that means this machine: then the backend is
/// to be looked for there.
fn level(evidence: &Evidence) -> Level {
    match selected_endpoint(evidence) {
        Ok(Some(endpoint))
            if endpoint.invalid.is_none()
                && is_loopback(&endpoint.host)
                && is_engine_host(evidence, endpoint) == Ok(true)
                && convex_answers(endpoint) == Ok(false) =>
        {
            Level::Error
        }
        _ => Level::Warning,
    }
}

fn tell(
    evidence: &Evidence,
    docker: &DockerFacts,
    other: &OtherContext,
    containers: &[String],
) -> Finding {
    let asked = match &docker.context {
        Some(context) => format!("the context `{context}`"),
        None => docker.address.clone(),
    };
    let name = shell_word(&other.name);
    DOCKER_OTHER_CONTEXT
        .finding(
            Certainty::Proven,
            format!(
                "This shell's docker, and so this run, asks {asked}, which has no container of the project; the context `{}` \
                 has {}. What is said of containers, volumes and secrets here is said of the wrong engine.",
                other.name,
                containers.join(", ")
            ),
        )
        .level(level(evidence))
        .because("no container of the project", docker.address.clone())
        .because(format!("has {}", containers.join(", ")), other.address.clone())
        .at(Location::url(other.address.clone()))
        .remedy(
            Remedy::safe("look there").run(format!("convex-doctor --context {name}")),
        )
        .remedy(
            Remedy::careful(
                "make it this user's context (DOCKER_HOST and DOCKER_CONTEXT, where they are set, count before it)",
            )
            .run(format!("docker context use {name}")),
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
    fn another_engine_has_them() {
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
        // Of an engine elsewhere the loopback address says nothing.
        build::docker(&mut evidence).local = false;
        assert_eq!(told(run(&evidence)), [found]);
        build::docker(&mut evidence).local = true;
        build::endpoint(&mut evidence).host = "api.example.com".to_owned();
        assert_eq!(told(run(&evidence)), [found]);
        build::no_docker(&mut evidence);
        assert_eq!(told(run(&evidence)), ["unknown"]);
    }
}
