//! What stands before the digits: a prefix that the header drops, or no name at all.

use super::{about, replace};
use crate::admin_key::Form;
use crate::checks::Check;
use crate::deployment::key::{key_is_rejected, selected_key};
use crate::evidence::{Evidence, Unseen};
use crate::names::ADMIN_KEY;
use crate::remedies::env_file::set;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

/// The prefix before the admin key makes the header lose its name.
pub static KEY_PREFIX_REFUSED: Rule = Rule::new(
    "key-prefix-refused",
    Level::Error,
    "the `preview:` or `project:` prefix breaks the key",
    include_str!("key-prefix-refused.md"),
)
.cause(&[]);

/// The admin key has lost the instance name before its digits.
pub static KEY_WITHOUT_NAME: Rule = Rule::new(
    "key-without-name",
    Level::Error,
    "the admin key is missing its instance name",
    include_str!("key-without-name.md"),
)
.cause(&[]);

/// Judges `key-prefix-refused`.
pub static PREFIX_CHECK: Check = Check { rules: &[&KEY_PREFIX_REFUSED], run: prefix };
/// Judges `key-without-name`.
pub static WITHOUT_NAME_CHECK: Check = Check { rules: &[&KEY_WITHOUT_NAME], run: without_name };

fn prefix(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence).filter(|key| key.shape.prefix_refused) else {
        return Ok(vec![]);
    };
    let detail = "`preview:` or `project:` stands before `name|`. In the header the backend drops the prefix and the \
         name with it, so `dev` is refused with 401; `deploy` sends the key in its body and is not.";
    let bare = Remedy::safe(format!(
        "write the key without the prefix, from the instance name on ({})",
        key.source
    ));
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
    let bare = |key: &&crate::evidence::KeyFacts| {
        key.shape.form == Form::WellShaped && !key.shape.has_pipe
    };
    let Some(key) = selected_key(evidence).filter(bare) else { return Ok(vec![]) };
    let opened = key.trials.iter().find_map(|trial| trial.opened.as_ref());
    let certainty = match opened {
        Some(claims) if claims.inner_name.is_some() => return Ok(vec![]),
        Some(_) => Certainty::Proven,
        None if !key.shape.room_for_name => Certainty::Proven,
        None if key_is_rejected(evidence) => Certainty::Likely,
        // Long enough for a name inside, as old keys have it: only an answer can tell.
        None => {
            let asked =
                evidence.endpoint.seen()?.as_ref().map(|endpoint| endpoint.check_admin_key.seen());
            return asked.transpose().map(|_| vec![]);
        }
    };
    let detail = "There are only digits: no `name|` before them, and no name inside. The backend cannot tell for which \
         instance the key is and answers 401 `BadAdminKey`.";
    let name = evidence
        .endpoint
        .seen()
        .ok()
        .and_then(|endpoint| endpoint.as_ref()?.answering_name())
        .map(|name| format!(" (the instance that answers is called `{name}`)"))
        .unwrap_or_default();
    let remedy = Remedy::safe(format!(
        "paste the whole line that the script printed, with the name and the `|`{name}"
    ));
    let finding = about(&KEY_WITHOUT_NAME, evidence, key, certainty, detail);
    Ok(vec![finding.remedy(remedy).remedy(replace(evidence, key))])
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
    fn a_long_key_without_a_pipe_may_hold_its_name() {
        let none: [&str; 0] = [];
        assert_eq!(names(family(&long(), build::accept)), none);
        assert_eq!(names(family(&long(), build::refuse)), ["key-without-name error likely"]);
        assert_eq!(names(family(&long(), |_| ())), ["unknown"]);
        assert_eq!(names(family(&long(), opened(Some("app")))), none);
        assert_eq!(names(family(&long(), opened(None))), ["key-without-name error proven"]);
    }
}
