//! Keys made before 2025-06 have another cipher and are still accepted.

use crate::checks::Check;
use crate::checks::key::{called, capital, location, selected};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Rule};

static KEY_LEGACY_FORMAT: Rule = Rule {
    id: "key-legacy-format",
    level: Level::Info,
    title: "the key has the form used before 2025-06, still accepted",
    explain: include_str!("key-legacy-format.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

/// Whether the key has the old form: proven where it opens so, likely by its length.
pub(super) static CHECK: Check = Check { rules: &[&KEY_LEGACY_FORMAT], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected(evidence) else { return Ok(vec![]) };
    let opened = key.trials.iter().find_map(|trial| trial.opened.as_ref());
    let certainty = match opened {
        Some(claims) if claims.legacy => Certainty::Proven,
        Some(_) => return Ok(vec![]),
        None if key.shape.legacy_length => Certainty::Likely,
        None => return Ok(vec![]),
    };
    let finding = KEY_LEGACY_FORMAT.finding(
        certainty,
        format!("{} was sealed the old way; it never expires.", capital(&called(key))),
    );
    Ok(vec![match location(&key.source) {
        Some(at) => finding.at(at),
        None => finding,
    }])
}
