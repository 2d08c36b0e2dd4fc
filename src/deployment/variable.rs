//! A variable of the backend's environment in the compose file: whether it is set, and where its
//! value is written.

use crate::deployment::compose::backend_service;
use crate::evidence::compose::{BackendService, EntryValue, EnvironmentEntry};
use crate::evidence::{Evidence, Unseen};
use crate::names::INSTANCE_SECRET;
use crate::report::Location;
use crate::secret::Fingerprint;

/// The variable of the service, if it is set: an empty value counts as not set (docs/facts.md,
/// rule-empty-value).
pub(crate) fn entry_if_set<'a>(
    service: impl Into<Option<&'a BackendService>>,
    name: &str,
) -> Option<&'a EnvironmentEntry> {
    service.into()?.variable(name).filter(|entry| match &entry.value {
        EntryValue::Unset | EntryValue::Blank => false,
        EntryValue::Plain(text) => !text.is_empty(),
        EntryValue::Secret(_) | EntryValue::Hidden => true,
    })
}

/// The INSTANCE_SECRET of the service, if it is set to a valid one.
pub(crate) fn valid_secret(service: &BackendService) -> Option<(&EnvironmentEntry, &Fingerprint)> {
    let entry = entry_if_set(service, INSTANCE_SECRET)?;
    match &entry.value {
        EntryValue::Secret(state) => Some((entry, state.fingerprint()?)),
        _ => None,
    }
}

/// The valid INSTANCE_SECRET that the compose file sets for the backend.
pub(crate) fn declared_secret(
    evidence: &Evidence,
) -> Result<Option<(&EnvironmentEntry, &Fingerprint)>, Unseen> {
    Ok(backend_service(evidence)?.and_then(valid_secret))
}

/// Where the value of an entry is written.
pub(crate) fn value_location(entry: &EnvironmentEntry) -> Location {
    entry.value_at.as_ref().unwrap_or(&entry.at).location()
}

/// That place as `file:line`.
pub(crate) fn value_source(entry: &EnvironmentEntry) -> String {
    entry.value_at.as_ref().unwrap_or(&entry.at).to_string()
}
