//! What is before the digits: a prefix that the header drops, or no name at all.

use super::{about, replace};
use crate::admin_key::Form;
use crate::checks::Check;
use crate::deployment::key::{key_is_rejected, selected_key};
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::names::ADMIN_KEY;
use crate::remedies::env_file::set;
use crate::report::{Certainty, Finding, Remedy, Rule};

/// The prefix before the admin key removes its name from the header.
pub static KEY_PREFIX_REFUSED: Rule =
    rule!("key-prefix-refused", Error, "the `preview:` or `project:` prefix breaks the key")
        .cause(&[]);

/// The admin key is missing its instance name.
pub static KEY_WITHOUT_NAME: Rule =
    rule!("key-without-name", Error, "the admin key is missing its instance name").cause(&[]);

/// Judges `key-prefix-refused`.
pub static PREFIX_CHECK: Check = Check { rules: &[&KEY_PREFIX_REFUSED], run: prefix };
/// Judges `key-without-name`.
pub static WITHOUT_NAME_CHECK: Check = Check { rules: &[&KEY_WITHOUT_NAME], run: without_name };

fn prefix(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence).filter(|key| key.shape.prefix_refused) else {
        return Ok(vec![]);
    };
    let detail = "`npx convex dev` fails with 401: the backend drops the prefix and the instance \
         name from the header. `deploy` sends the key in its body and works.";
    let bare =
        Remedy::safe(format!("Remove the prefix before the instance name in {}", key.source));
    let bare = match (&key.shape.name, &key.fingerprint) {
        (Some(name), Some(print)) => {
            bare.edit(set(&evidence.selection, ADMIN_KEY, &format!("'{name}|{{hex {print}}}'")))
        }
        _ => bare,
    };
    let finding = about(&KEY_PREFIX_REFUSED, evidence, key, Certainty::Proven, detail);
    Ok(vec![finding.remedy(bare)])
}

fn without_name(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let digits_only = |key: &&KeyFacts| key.shape.form == Form::WellShaped && !key.shape.has_pipe;
    let Some(key) = selected_key(evidence).filter(digits_only) else { return Ok(vec![]) };
    let opened = key.trials.iter().find_map(|trial| trial.opened.as_ref());
    let certainty = match opened {
        Some(claims) if claims.inner_name.is_some() => return Ok(vec![]),
        Some(_) => Certainty::Proven,
        None if !key.shape.room_for_name => Certainty::Proven,
        None if key_is_rejected(evidence) => Certainty::Likely,
        // Long enough for a name inside, which old keys have: only an answer decides.
        None => {
            let asked = evidence
                .endpoint
                .seen()?
                .as_ref()
                .map(|endpoint| endpoint.key.check_admin_key.seen());
            return asked.transpose().map(|_| vec![]);
        }
    };
    let detail = "The key is only digits, without `NAME|` before them. The backend does not know \
         which instance it is for, and answers 401 BadAdminKey.";
    let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    let remedy = Remedy::safe(match endpoint.and_then(|endpoint| endpoint.answering_name()) {
        Some(name) => format!("Save the whole line that the script printed, with {name}| first"),
        None => "Save the whole line that the script printed, with its name and the |".to_owned(),
    });
    let finding = about(&KEY_WITHOUT_NAME, evidence, key, certainty, detail);
    Ok(vec![finding.remedy(remedy).remedy(replace(evidence))])
}

#[cfg(test)]
mod tests {
    use super::super::tests::family;
    use crate::admin_key::Claims;
    use crate::evidence::Evidence;
    use crate::evidence::build::selection as build;
    use crate::evidence::key::{SecretPlace, Trial};
    use crate::secret::Fingerprint;

    /// 59 bytes, as old keys with a name inside.
    fn long() -> String {
        format!("01{}", "a5".repeat(58))
    }

    fn opened(inner_name: Option<&str>) -> impl Fn(&mut Evidence) {
        let claims = Claims {
            inner_name: inner_name.map(str::to_owned),
            ..Claims::of_member_zero(1_770_000_000, false)
        };
        move |evidence| {
            build::refuse(evidence);
            evidence.keys[0].trials = vec![Trial {
                secret: Fingerprint::of_text("secret"),
                places: vec![SecretPlace::Given],
                opened: Some(claims.clone()),
            }];
        }
    }

    fn names(told: Vec<String>) -> Vec<String> {
        told.into_iter().filter(|line| !line.starts_with("key-legacy-format")).collect()
    }

    #[test]
    fn a_long_key_without_a_pipe_may_contain_its_name() {
        let none: [&str; 0] = [];
        assert_eq!(names(family(&long(), build::accept)), none);
        assert_eq!(names(family(&long(), build::refuse)), ["key-without-name error likely"]);
        assert_eq!(names(family(&long(), |_| ())), ["unknown"]);
        assert_eq!(names(family(&long(), opened(Some("app")))), none);
        assert_eq!(names(family(&long(), opened(None))), ["key-without-name error proven"]);
    }
}
