//! The backend accepts the key: the one check here whose pass is reported.

use crate::checks::Check;
use crate::deployment::key::{KeyAnswer, key_answer, selected_key};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Finding, Rule};

/// Never found: passed if the key is accepted, unknown if it was rejected or not tested.
pub static KEY_ACCEPTED: Rule = rule!("key-accepted", Info, "the backend accepts the key");

/// Passes when the key is accepted.
pub static CHECK: Check = Check { rules: &[&KEY_ACCEPTED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if selected_key(evidence).is_none() {
        return Err(Unseen::new("no admin key is set"));
    }
    match key_answer(evidence) {
        KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly => Ok(vec![]),
        KeyAnswer::NotAdmin => {
            Err(Unseen::new("check_admin_key answered 403: it rejects system keys"))
        }
        KeyAnswer::Rejected => Err(Unseen::new("the backend rejects the key")),
        KeyAnswer::Untested { reason, .. } => Err(Unseen::new(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;

    #[test]
    fn passes_only_when_accepted() {
        assert!(run(&build::healthy()).is_ok());
        assert!(run(&build::refused(&[])).is_err());
        let mut evidence = build::healthy();
        evidence.endpoint = build::unseen();
        assert!(run(&evidence).is_err());
        evidence = build::healthy();
        evidence.keys.clear();
        assert!(run(&evidence).is_err());
    }
}
