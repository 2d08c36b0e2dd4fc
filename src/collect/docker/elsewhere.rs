//! The engines of the other docker contexts: whether the project's containers are there. Asked only
//! when this engine has none of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bollard::models::ContainerSummary;

use super::super::files;
use super::summary::{in_project, is_running, label, name_of, one_off};
use super::{DockerOptions, Listing, ReadEngine, WantedObjects, context, failure};
use crate::budget::Deadline;
use crate::evidence::Observation;
use crate::evidence::docker::OtherContext;
use crate::names::WORKING_DIR_LABEL;

/// How long another engine may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The other contexts, at the same time; `None` where this engine has a container of the project,
/// or the project is not known.
pub async fn other_contexts(
    listing: &Listing,
    wanted: &WantedObjects<'_>,
    options: &DockerOptions,
    env: &BTreeMap<String, String>,
) -> Option<Vec<OtherContext>> {
    wanted.project?;
    if listing.containers.iter().any(|summary| in_project(summary, wanted)) {
        return None;
    }
    let others = context::others(listing.target(), env);
    let asked = others.into_iter().map(|(name, target)| async move {
        let (address, containers) = match target {
            Err(unasked) => (unasked.address, Observation::unavailable(unasked.reason)),
            Ok(target) => {
                let timeout = PATIENCE.min(options.timeout);
                (target.address.clone(), ask(target, wanted, timeout, options.deadline).await)
            }
        };
        OtherContext { name, address, containers }
    });
    let mut asked = futures_util::future::join_all(asked).await;
    asked.retain(|other| !is_courtesy(other, env) || other.containers.seen().is_ok());
    Some(asked)
}

/// Whether it is the system's own socket next to a DOCKER_HOST, which is what docker itself then
/// means by `default` (docker/cli, `cli/command/cli.go`, `resolveDefaultDockerEndpoint`): no
/// context that could be missed. The socket of another user, or of an engine that is gone, is
/// not of interest then.
fn is_courtesy(other: &OtherContext, env: &BTreeMap<String, String>) -> bool {
    other.name == "default" && env.get("DOCKER_HOST").is_some_and(|host| !host.is_empty())
}

/// Whether the container is of the wanted project, made in this very directory: the name alone
/// says little on an engine that this project was not run on.
fn is_ours(summary: &ContainerSummary, wanted: &WantedObjects<'_>) -> bool {
    let real = |path: &str| files::real(Path::new(path));
    let made_in = label(summary, WORKING_DIR_LABEL).map(real);
    in_project(summary, wanted) && made_in == wanted.directory.map(real)
}

/// The project's containers on one engine, those that run first.
async fn ask(
    target: context::EngineTarget,
    wanted: &WantedObjects<'_>,
    timeout: Duration,
    deadline: Deadline,
) -> Observation<Vec<String>> {
    let listed = match ReadEngine::connect(target, timeout, deadline) {
        Err(unasked) => Err(unasked),
        Ok(engine) => {
            let listed = engine.containers().await;
            listed.map_err(|error| failure::unasked(&error, &engine.target, timeout))
        }
    };
    match listed {
        Err(unasked) => Observation::unavailable(unasked.reason),
        Ok(mut containers) => {
            containers.sort_by_key(|summary| !is_running(summary));
            let ours = containers.iter().filter(|it| !one_off(it) && is_ours(it, wanted));
            Observation::Seen(ours.map(name_of).take(8).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_a_docker_host_the_systems_socket_is_no_context() {
        for (name, host, expected) in [
            ("default", Some("unix:///run/user/1000/docker.sock"), true),
            ("default", Some(""), false),
            ("default", None, false),
            ("colima", Some("unix:///run/user/1000/docker.sock"), false),
        ] {
            let other = OtherContext {
                name: name.to_owned(),
                address: "unix:///x.sock".to_owned(),
                containers: Observation::unavailable("x"),
            };
            let set = host.map(|host| ("DOCKER_HOST".to_owned(), host.to_owned()));
            let env = BTreeMap::from_iter(set);
            assert_eq!(is_courtesy(&other, &env), expected, "{name} {host:?}");
        }
    }
}
