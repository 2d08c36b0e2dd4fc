//! INSTANCE_SECRET in the environment: now, and as the compose file sets it for the next container.

use super::model::Pin;
use crate::evidence::compose::{BackendService, EntryValue};
use crate::evidence::docker::{Container, SecretState};
use crate::names::DEFAULT_INSTANCE_NAME;
use crate::secret::Fingerprint;

/// What the container's own environment sets.
pub(super) fn pinned_now(container: &Container) -> Pin {
    match container.secret.environment.seen() {
        Ok(Some(SecretState::Valid(_))) => {
            Pin::Same(format!("INSTANCE_SECRET is set in {}", container.name))
        }
        Ok(Some(SecretState::Invalid(fault))) => {
            Pin::Unknown(format!("INSTANCE_SECRET is not a valid secret ({fault})"))
        }
        Ok(None) => Pin::No,
        Err(unseen) => Pin::Unknown(format!("its environment was not checked ({})", unseen.reason)),
    }
}

/// What the next container gets of a secret, against the one in use.
pub(super) fn pinned_by_file(container: Option<&Container>, service: &BackendService) -> Pin {
    let Some(entry) = service.variable("INSTANCE_SECRET") else { return Pin::No };
    let set = match &entry.value {
        EntryValue::Secret(SecretState::Valid(set)) => set,
        EntryValue::Secret(SecretState::Invalid(fault)) => {
            return Pin::Unknown(format!("INSTANCE_SECRET is not a valid secret ({fault})"));
        }
        EntryValue::Unset | EntryValue::Blank => return Pin::No,
        EntryValue::Plain(_) | EntryValue::Hidden => {
            return Pin::Unknown("INSTANCE_SECRET was not checked".to_owned());
        }
    };
    let place = match &entry.value_at {
        Some(at) => format!("INSTANCE_SECRET is set in {}:{}", at.file, at.line),
        None => "INSTANCE_SECRET is only set in this shell".to_owned(),
    };
    match in_force(container) {
        Some(Err(reason)) => return Pin::Unknown(reason),
        Some(Ok(now)) if now != *set => {
            return Pin::Different(format!(
                "{place}, but the backend is running with another secret"
            ));
        }
        Some(Ok(_)) | None => {}
    }
    if entry.value_at.is_none() {
        return Pin::Partly(place);
    }
    if let Some(name) = name_only_in_file(container, service) {
        return Pin::Partly(format!("{place}, but the instance name {name} is not"));
    }
    Pin::Same(place)
}

/// The secret that the container uses; `None` without a container.
fn in_force(container: Option<&Container>) -> Option<Result<Fingerprint, String>> {
    let places = &container?.secret;
    let in_turn = [&places.process, &places.environment, &places.file];
    let seen = in_turn.into_iter().find_map(|place| match place.seen() {
        Ok(Some(SecretState::Valid(secret))) => Some(secret.clone()),
        _ => None,
    });
    Some(seen.ok_or_else(|| "the secret the backend is running with was not checked".to_owned()))
}

/// An instance name that is neither the default nor in the compose file, and so goes with the
/// credentials.
fn name_only_in_file(container: Option<&Container>, service: &BackendService) -> Option<String> {
    let names = &container?.instance_name;
    let now = [&names.process, &names.environment, &names.file]
        .into_iter()
        .find_map(|place| place.seen().ok()?.clone())?;
    let declared = service.variable("INSTANCE_NAME").map(|entry| &entry.value);
    let is_set = matches!(declared, Some(EntryValue::Plain(name)) if !name.is_empty());
    (now != DEFAULT_INSTANCE_NAME && !is_set).then_some(now)
}
