//! The text is something else than a key: a placeholder, the master secret, a cloud key, an
//! invention.

use super::about;
use super::replace;
use crate::admin_key::Form;
use crate::checks::Check;
use crate::deployment::key::selected_key;
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

/// The admin key is a placeholder that nobody filled in.
pub static KEY_PLACEHOLDER: Rule = Rule {
    id: "key-placeholder",
    level: Level::Error,
    title: "the admin key is a placeholder that nobody filled in",
    explain: include_str!("key-placeholder.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

/// The admin key is not one that a Convex backend made.
pub static KEY_NOT_MINTED: Rule = Rule {
    id: "key-not-minted",
    level: Level::Error,
    title: "the admin key is not one that a Convex backend made",
    explain: include_str!("key-not-minted.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

/// The admin key is a deploy key of Convex Cloud.
pub static KEY_IS_CLOUD_KEY: Rule = Rule {
    id: "key-is-cloud-key",
    level: Level::Error,
    title: "the admin key is a deploy key of Convex Cloud",
    explain: include_str!("key-is-cloud-key.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

/// The admin key is an instance secret, from which keys are minted.
pub static KEY_IS_INSTANCE_SECRET: Rule = Rule {
    id: "key-is-instance-secret",
    level: Level::Error,
    title: "the admin key is an instance secret, from which keys are minted",
    explain: include_str!("key-is-instance-secret.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

/// Judges `key-placeholder`.
pub static PLACEHOLDER_CHECK: Check = Check { rules: &[&KEY_PLACEHOLDER], run: placeholder };
/// Judges `key-not-minted`.
pub static NOT_MINTED_CHECK: Check = Check { rules: &[&KEY_NOT_MINTED], run: not_minted };
/// Judges `key-is-cloud-key`.
pub static CLOUD_KEY_CHECK: Check = Check { rules: &[&KEY_IS_CLOUD_KEY], run: cloud_key };
/// Judges `key-is-instance-secret`.
pub static SECRET_CHECK: Check = Check { rules: &[&KEY_IS_INSTANCE_SECRET], run: instance_secret };

fn placeholder(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let detail = "The text in the key's place is still the one that stood for it. The backend answers 401 to it, and the \
         CLI prints `BadAdminKey`, as for any key that does not open.";
    Ok(of_form(&KEY_PLACEHOLDER, evidence, Form::Placeholder, detail))
}

fn not_minted(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let detail = "A key is `name|` and hex digits that begin with 01; this text is nothing of the kind. Keys cannot be \
         chosen: the backend mints them from its instance secret, and refuses all others with 401 `BadAdminKey`.";
    Ok(of_form(&KEY_NOT_MINTED, evidence, Form::NotMinted, detail))
}

fn cloud_key(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let detail = "It has a base64 body, as only Convex Cloud makes them. A self-hosted backend answers 401 \
         `BadAdminKey` to it.";
    Ok(of_form(&KEY_IS_CLOUD_KEY, evidence, Form::CloudKey, detail))
}

fn of_form(rule: &'static Rule, evidence: &Evidence, form: Form, detail: &str) -> Vec<Finding> {
    let Some(key) = selected_key(evidence).filter(|key| key.shape.form == form) else {
        return vec![];
    };
    vec![about(rule, evidence, key, Certainty::Proven, detail).remedy(replace(evidence, key))]
}

fn instance_secret(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence) else { return Ok(vec![]) };
    let (certainty, detail) = match (&key.equals_secret_of, key.shape.form) {
        (Some(_), _) => {
            let detail = "The text is an instance secret, digit for digit. Keys are minted from it; as a key \
                 the backend answers 401 to it.";
            (Certainty::Proven, detail)
        }
        (None, Form::LooksLikeInstanceSecret) => {
            let detail = "The text is 64 hex digits, the form of an instance secret and not of a key. The backend \
                 answers 401 `BadAdminKey` to it.";
            (Certainty::Likely, detail)
        }
        (None, _) => return Ok(vec![]),
    };
    let mut finding = about(&KEY_IS_INSTANCE_SECRET, evidence, key, certainty, detail);
    if let Some(place) = &key.equals_secret_of {
        finding = finding.because("an instance secret equals it", said(place));
    }
    let leak = "if this text was shared, committed or sent to a server, treat the secret as leaked: make a new \
         INSTANCE_SECRET with `openssl rand -hex 32`, recreate the backend and mint again";
    Ok(vec![finding.remedy(replace(evidence, key)).remedy(Remedy::careful(leak))])
}

fn said(place: &SecretPlace) -> String {
    match place {
        SecretPlace::Process { container } => format!("the process of {container}"),
        SecretPlace::Environment { container } => format!("the environment of {container}"),
        SecretPlace::File { container, .. } => format!("the credentials file of {container}"),
        SecretPlace::Volume { volume } => format!("volume {volume}"),
        SecretPlace::Compose { file, line } => format!("{file}:{line}"),
        SecretPlace::PublicDevelopment => "the public development secret".to_owned(),
        SecretPlace::Given => "the file that was given".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::family;
    use super::*;

    #[test]
    fn a_secret_that_was_found_is_proof() {
        let told = family(&"5".repeat(64), |evidence| {
            evidence.keys[0].equals_secret_of =
                Some(SecretPlace::Process { container: "app-backend-1".to_owned() });
        });
        assert_eq!(told, ["key-is-instance-secret error proven"]);
    }
}
