//! The engines of the other docker contexts: whether the project's containers are there. Asked only when this engine has none of them.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::query_parameters::ListContainersOptions;

use super::summary::{in_project, name_of, one_off, state};
use super::{Engine, Listing, Options, Wanted, context, failure};
use crate::evidence::Observation;
use crate::evidence::docker::OtherContext;

/// How long another engine may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The other contexts, side by side; `None` where this engine has a container of the project, or nobody knows the project.
pub async fn other_contexts(
    listing: &Listing,
    wanted: &Wanted<'_>,
    options: &Options,
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
                (target.address.clone(), ask(target, wanted, timeout).await)
            }
        };
        OtherContext { name, address, containers }
    });
    Some(futures_util::future::join_all(asked).await)
}

/// The project's containers on one engine, those that run first.
async fn ask(
    target: context::Target,
    wanted: &Wanted<'_>,
    timeout: Duration,
) -> Observation<Vec<String>> {
    let listed = match Engine::connect(target, timeout) {
        Err(unasked) => Err(unasked),
        Ok(engine) => {
            let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
            let listed = engine.call(engine.client.list_containers(Some(all))).await;
            listed.map_err(|error| failure::unasked(&error, &engine.target, timeout))
        }
    };
    match listed {
        Err(unasked) => Observation::unavailable(unasked.reason),
        Ok(mut containers) => {
            containers.sort_by_key(|summary| state(summary) != "running");
            let ours = containers.iter().filter(|it| !one_off(it) && in_project(it, wanted));
            Observation::Seen(ours.map(name_of).take(8).collect())
        }
    }
}
