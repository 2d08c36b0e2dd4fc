//! Docker could not be asked, and why: no fault of the deployment, yet every check that needs the
//! engine is unknown.

use crate::checks::Check;
use crate::evidence::docker::EngineFailure;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static DOCKER_UNREACHABLE: Rule = Rule {
    id: "docker-unreachable",
    level: Level::Info,
    title: "no Docker engine could be reached",
    explain: include_str!("docker-unreachable.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static DOCKER_PERMISSION_DENIED: Rule = Rule {
    id: "docker-permission-denied",
    level: Level::Info,
    title: "this user may not ask the Docker engine",
    explain: include_str!("docker-permission-denied.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static DOCKER_UNRESPONSIVE: Rule = Rule {
    id: "docker-unresponsive",
    level: Level::Info,
    title: "the Docker engine does not answer",
    explain: include_str!("docker-unresponsive.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check =
    Check { rules: &[&DOCKER_UNREACHABLE, &DOCKER_PERMISSION_DENIED, &DOCKER_UNRESPONSIVE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(engine) = &evidence.engine_failure else {
        evidence.docker.seen()?;
        return Ok(vec![]);
    };
    let address = &engine.address;
    let from = match &engine.context {
        Some(context) => format!(" (context `{context}`)"),
        None => String::new(),
    };
    let unseen = "Containers, volumes and the secret in force were not seen.";
    let finding = match engine.kind {
        EngineFailure::NotAsked => return evidence.docker.seen().map(|_| vec![]),
        EngineFailure::Unreachable => DOCKER_UNREACHABLE
            .finding(Certainty::Proven, format!("Nothing answers at {address}{from}. {unseen}"))
            .remedy(
                Remedy::safe("see which engines this shell knows, and whether one runs")
                    .run("docker context ls")
                    .run("docker info"),
            ),
        EngineFailure::PermissionDenied => {
            let uid = evidence.surroundings.uid.map(|uid| format!(" (uid {uid})"));
            DOCKER_PERMISSION_DENIED
                .finding(
                    Certainty::Proven,
                    format!(
                        "Permission denied on {address}{from}{}. {unseen}",
                        uid.unwrap_or_default()
                    ),
                )
                .remedy(
                    Remedy::safe("run the doctor once as root, with this shell's variables")
                        .run("sudo -E env \"PATH=$PATH\" convex-doctor"),
                )
        }
        EngineFailure::Unresponsive => DOCKER_UNRESPONSIVE
            .finding(
                Certainty::Proven,
                format!("{address}{from} takes the connection and says nothing. {unseen}"),
            )
            .remedy(Remedy::safe("see whether it answers at all").run("docker version")),
    };
    Ok(vec![finding.at(Location::url(address.clone()))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn each_failure_has_its_id() {
        for (failure, expected) in [
            (EngineFailure::NotAsked, "unknown"),
            (
                EngineFailure::Unreachable,
                "docker-unreachable info proven unix:///var/run/docker.sock",
            ),
            (
                EngineFailure::PermissionDenied,
                "docker-permission-denied info proven unix:///var/run/docker.sock",
            ),
            (
                EngineFailure::Unresponsive,
                "docker-unresponsive info proven unix:///var/run/docker.sock",
            ),
        ] {
            let mut evidence = build::healthy();
            build::engine_failed(&mut evidence, failure);
            assert_eq!(build::told(run(&evidence)), [expected]);
        }
        let mut evidence = build::healthy();
        assert!(build::told(run(&evidence)).is_empty());
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
