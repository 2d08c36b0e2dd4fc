//! The identity of the instance: its secret and its name, in every place that can hold them, and
//! how it is started.
//!
//! A value stands in up to four places: the process (in force now), the container's environment and
//! the credentials file (in force after the next start), the compose file (after the next `up`). A
//! blank in the compose file is no opinion (docs/facts.md, rule-empty-value).

use super::Check;
use crate::checks::persistence::{compose_command, declared, word};
use crate::evidence::compose::{BackendService, EntryValue, EnvironmentEntry};
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Location};
use crate::secret::Fingerprint;

pub mod credentials_dir;
pub mod entrypoint;
pub mod instance_name;
pub mod name_drift;
pub mod secret_drift;
pub mod secret_in_compose;
pub mod secret_invalid;
pub mod secret_public;
pub mod secret_shared;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &secret_drift::CHECK,
    &name_drift::CHECK,
    &secret_invalid::CHECK,
    &instance_name::CHECK,
    &secret_public::CHECK,
    &secret_shared::CHECK,
    &secret_in_compose::CHECK,
    &credentials_dir::CHECK,
    &entrypoint::CHECK,
];

/// The container whose identity is judged, and how surely it is the right one.
pub(crate) struct Whose<'a> {
    /// The one that answers; where nobody knows, the one that Compose would run here.
    pub(crate) container: &'a Container,
    /// `Proven` for the answering one and for the one that is both; `Likely` for an expected one
    /// alone.
    pub(crate) certainty: Certainty,
    /// Whether the compose file speaks of this very container.
    pub(crate) of_compose: bool,
}

/// Whose identity to judge; `None` where there is no container.
pub(crate) fn whose(evidence: &Evidence) -> Result<Option<Whose<'_>>, Unseen> {
    let docker = evidence.docker.seen()?;
    let expected = docker.expected();
    let of_compose =
        |container: &Container| expected.is_some_and(|expected| expected.name == container.name);
    Ok(match docker.answering() {
        Some((container, certainty)) => {
            Some(Whose { container, certainty, of_compose: of_compose(container) })
        }
        None => expected.map(|container| Whose {
            container,
            certainty: Certainty::Likely,
            of_compose: true,
        }),
    })
}

/// The backend service of the compose file, if there is one.
pub(crate) fn service(evidence: &Evidence) -> Result<Option<&BackendService>, Unseen> {
    Ok(declared(evidence)?.map(|(_, service)| service))
}

/// The entry of that variable where it has an opinion: a blank or unset one has none.
pub(crate) fn opinion<'a>(
    service: Option<&'a BackendService>,
    name: &str,
) -> Option<&'a EnvironmentEntry> {
    service?
        .variable(name)
        .filter(|entry| !matches!(entry.value, EntryValue::Unset | EntryValue::Blank))
}

/// The secret that the compose file sets, where it sets a valid one.
pub(crate) fn declared_secret(
    evidence: &Evidence,
) -> Result<Option<(&EnvironmentEntry, &Fingerprint)>, Unseen> {
    Ok(opinion(service(evidence)?, "INSTANCE_SECRET").and_then(|entry| match &entry.value {
        EntryValue::Secret(state) => Some((entry, state.fingerprint()?)),
        _ => None,
    }))
}

/// Where the value of an entry literally stands.
pub(crate) fn value_place(entry: &EnvironmentEntry) -> Location {
    crate::checks::persistence::place(entry.value_at.as_ref().unwrap_or(&entry.at))
}

/// That place, for the source of a proof.
pub(crate) fn value_spot(entry: &EnvironmentEntry) -> String {
    crate::checks::persistence::spot(entry.value_at.as_ref().unwrap_or(&entry.at))
}

/// How to make Compose create the container anew, which `restart` does not do.
pub(crate) fn recreate(evidence: &Evidence, container: &Container) -> String {
    match &container.service {
        Some(service) => compose_command(evidence, &format!("up -d {}", word(service))),
        None => restart(container),
    }
}

/// How to start it anew with the environment it has.
pub(crate) fn restart(container: &Container) -> String {
    format!("docker restart {}", word(&container.name))
}
