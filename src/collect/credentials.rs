//! Tries every key against every secret found. Only the answers leave: which secret opens it, and
//! what the key then says.

use crate::admin_key::{self, BinaryKey, InstanceSecret};
use crate::evidence::key::{SecretPlace, Trial};
use crate::evidence::{KeyFacts, SelectionFacts};
use crate::secret::{Fingerprint, Secret};
use crate::selection::choose::Selection;
use crate::selection::names::ADMIN_KEY;

/// The public development secret: 32 ASCII bytes in the repository of Convex
/// (docs/facts.md, convex-development-secret).
pub(super) const PUBLIC_DEVELOPMENT: &str =
    "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974";

/// Every key of the selection, the selected one first, each tried against every secret. `facts` are
/// those of the same selection.
pub(super) fn keys(
    selection: &Selection,
    facts: &SelectionFacts,
    found: &[(Secret, SecretPlace)],
) -> Vec<KeyFacts> {
    let secrets = distinct(found);
    let definitions = selection
        .variables
        .iter()
        .filter(|variable| variable.name == ADMIN_KEY)
        .flat_map(|variable| &variable.definitions)
        .zip(facts.definitions(ADMIN_KEY))
        .filter(|(definition, _)| !definition.value.expose().is_empty());
    let mut keys: Vec<KeyFacts> = definitions
        .map(|(definition, known)| {
            let key = Secret::new(definition.value.expose());
            let binary = BinaryKey::of(&key);
            KeyFacts {
                source: definition.source.clone(),
                selected: selection
                    .admin_key
                    .as_ref()
                    .is_some_and(|selected| selected.source == definition.source),
                fingerprint: known.key.as_ref().and_then(|key| key.fingerprint.clone()),
                shape: admin_key::shape(&key),
                repaired: admin_key::repaired(&key).as_ref().and_then(admin_key::fingerprint),
                equals_secret_of: equals(&key, found),
                trials: secrets.iter().map(|secret| secret.try_on(&binary)).collect(),
            }
        })
        .collect();
    keys.sort_by_key(|key| !key.selected);
    keys
}

/// One secret with every place where it is.
struct KnownSecret {
    fingerprint: Fingerprint,
    secret: InstanceSecret,
    places: Vec<SecretPlace>,
}

impl KnownSecret {
    fn try_on(&self, key: &BinaryKey) -> Trial {
        Trial {
            secret: self.fingerprint.clone(),
            places: self.places.clone(),
            opened: key.open(&self.secret),
        }
    }
}

fn distinct(found: &[(Secret, SecretPlace)]) -> Vec<KnownSecret> {
    let public = (Secret::new(PUBLIC_DEVELOPMENT), SecretPlace::PublicDevelopment);
    let mut candidates: Vec<KnownSecret> = Vec::new();
    for (text, place) in found.iter().chain([&public]) {
        let Some(fingerprint) = Fingerprint::of_instance_secret(text) else { continue };
        match candidates.iter_mut().find(|one| one.fingerprint == fingerprint) {
            Some(known) if known.places.contains(place) => {}
            Some(known) => known.places.push(place.clone()),
            None => {
                if let Ok(secret) = InstanceSecret::parse(text) {
                    candidates.push(KnownSecret {
                        fingerprint,
                        secret,
                        places: vec![place.clone()],
                    });
                }
            }
        }
    }
    candidates
}

fn equals(key: &Secret, found: &[(Secret, SecretPlace)]) -> Option<SecretPlace> {
    let digits = |secret: &Secret| {
        let text = secret.expose().trim();
        text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase()
    };
    let wanted = digits(key);
    if wanted.len() != 64 {
        return None;
    }
    found.iter().find(|(secret, _)| digits(secret) == wanted).map(|(_, place)| place.clone())
}
