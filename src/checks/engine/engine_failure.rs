//! Docker could not be checked, and why: not a fault of the deployment, but no check that needs
//! Docker can run.

use crate::checks::Check;
use crate::deployment::endpoint::stopped_docker;
use crate::evidence::docker::EngineFailure;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::up;
use crate::remedies::engine::start_docker;
use crate::report::{Certainty, Command, Finding, Level, Location, Remedy, Rule};

static DOCKER_UNREACHABLE: Rule = rule!("docker-unreachable", Info, "cannot connect to Docker")
    .cause(&["url-refused"])
    .not_checked();

static DOCKER_PERMISSION_DENIED: Rule =
    rule!("docker-permission-denied", Info, "no permission to use Docker").not_checked();

static DOCKER_UNRESPONSIVE: Rule =
    rule!("docker-unresponsive", Info, "Docker does not respond").not_checked();

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
    let unchecked = "Containers, volumes and the running secret were not checked.";
    let finding = match engine.kind {
        EngineFailure::NotAsked => return evidence.docker.seen().map(|_| vec![]),
        EngineFailure::Unreachable => unreachable(evidence, address, &from, unchecked),
        EngineFailure::PermissionDenied => {
            let uid = evidence.surroundings.uid.map(|uid| format!(" (uid {uid})"));
            DOCKER_PERMISSION_DENIED
                .finding(
                    Certainty::Proven,
                    format!(
                        "Permission denied on {address}{from} for this user{}. {unchecked}",
                        uid.unwrap_or_default()
                    ),
                )
                .remedy(
                    Remedy::safe("Run convex-doctor once with sudo")
                        .run("sudo -E env \"PATH=$PATH\" convex-doctor"),
                )
                .remedy(
                    Remedy::careful("Let this user use Docker from the next login on")
                        .run("sudo usermod -aG docker \"$USER\""),
                )
        }
        EngineFailure::Unresponsive => DOCKER_UNRESPONSIVE
            .finding(
                Certainty::Proven,
                format!(
                    "Docker at {address}{from} accepts the connection but does not answer. \
                     {unchecked}"
                ),
            )
            .remedy(
                Remedy::safe("Check whether Docker answers at all")
                    .run(Command::docker(["version"])),
            ),
    };
    Ok(vec![finding.at(Location::url(address.clone()))])
}

/// Nothing is there to connect to: the cause, if nothing is listening at a URL of this machine.
fn unreachable(evidence: &Evidence, address: &str, from: &str, unchecked: &str) -> Finding {
    let connects = format!("Cannot connect to Docker at {address}{from}.");
    let find = Remedy::safe("Find the Docker context that has the backend")
        .run(Command::docker(["context", "ls"]));
    let Some(engine) = stopped_docker(evidence) else {
        return DOCKER_UNREACHABLE
            .finding(Certainty::Proven, format!("{connects} {unchecked}"))
            .remedy(Remedy::safe("Start Docker (or open Docker Desktop)"))
            .remedy(find);
    };
    DOCKER_UNREACHABLE
        .finding(
            Certainty::Likely,
            format!("{connects} The backend is probably down because of it."),
        )
        .level(Level::Error)
        .remedy(start_docker(engine))
        .remedy(
            Remedy::safe("Start the backend, in the directory of its compose file")
                .run(up(evidence))
                .step(),
        )
        .remedy(find)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

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
        for (reach, host, address, expected) in [
            (Reach::Refused, "127.0.0.1", "unix:///run/docker.sock", "error likely"),
            (Reach::Refused, "127.0.0.1", "tcp://127.0.0.1:2375", "error likely"),
            (Reach::Refused, "127.0.0.1", "tcp://10.0.0.9:2375", "info proven"),
            (Reach::Refused, "127.0.0.1", "ssh://me@10.0.0.9", "info proven"),
            (Reach::Refused, "api.example.com", "unix:///run/docker.sock", "info proven"),
            (Reach::ConnectTimeout, "127.0.0.1", "unix:///run/docker.sock", "info proven"),
        ] {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, reach);
            build::engine_failed(&mut evidence, EngineFailure::Unreachable);
            host.clone_into(&mut build::endpoint(&mut evidence).target.host);
            if let Some(engine) = &mut evidence.engine_failure {
                address.clone_into(&mut engine.address);
            }
            let expected = format!("docker-unreachable {expected} {address}");
            assert_eq!(build::told(run(&evidence)), [expected], "{host}");
        }
        let mut evidence = build::healthy();
        assert!(build::told(run(&evidence)).is_empty());
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
