//! The format of keys from before June 2025, which backends still accept.

use super::{about, replace};
use crate::admin_key::Form;
use crate::checks::Check;
use crate::deployment::key::selected_key;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Rule};

/// The admin key uses the format from before June 2025.
pub static KEY_LEGACY_FORMAT: Rule =
    rule!("key-legacy-format", Info, "the admin key uses the format from before June 2025");

/// Judges `key-legacy-format`.
pub static CHECK: Check = Check { rules: &[&KEY_LEGACY_FORMAT], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence).filter(|key| key.shape.form == Form::WellShaped) else {
        return Ok(vec![]);
    };
    let opened = key.trials.iter().find_map(|trial| trial.opened.as_ref());
    let certainty = match opened {
        Some(claims) if claims.legacy => Certainty::Proven,
        None if key.shape.legacy_length => Certainty::Likely,
        _ => return Ok(vec![]),
    };
    let detail = "Backends generated keys in this format until June 2025, and still accept them.";
    let finding = about(&KEY_LEGACY_FORMAT, evidence, key, certainty, detail);
    Ok(vec![finding.remedy(replace(evidence))])
}

#[cfg(test)]
mod tests {
    use super::super::tests::family;
    use crate::admin_key::Claims;
    use crate::evidence::Evidence;
    use crate::evidence::build::selection::KEY;
    use crate::evidence::key::{SecretPlace, Trial};
    use crate::secret::Fingerprint;

    fn opened(legacy: bool) -> impl Fn(&mut Evidence) {
        let claims = Claims { legacy, ..Claims::of_member_zero(1_700_000_000, false) };
        move |evidence| {
            evidence.keys[0].trials = vec![Trial {
                secret: Fingerprint::of_text("secret"),
                places: vec![SecretPlace::Given],
                opened: Some(claims.clone()),
            }];
        }
    }

    #[test]
    fn a_secret_proves_what_the_length_suggests() {
        let old = format!("app|01{}", "a5".repeat(48));
        assert_eq!(family(&old, |_| ()), ["key-legacy-format info likely"]);
        assert_eq!(family(&old, opened(true)), ["key-legacy-format info proven"]);
        assert!(family(&old, opened(false)).is_empty());
        assert!(family(KEY, |_| ()).is_empty());
    }
}
