//! `convex-doctor explain`: the text beside a check; the nearest ids for a misspelt one.

use super::Exit;
use crate::checks;
use crate::output;
use crate::render::explain;

/// Explains one id, or lists them all.
pub(super) fn run(id: Option<&str>) -> anyhow::Result<Exit> {
    let Some(id) = id else {
        output::print(&explain::list(checks::rules()))?;
        return Ok(Exit::Fine);
    };
    match checks::rule(id) {
        Some(rule) => {
            output::print(&explain::one(rule))?;
            Ok(Exit::Fine)
        }
        None => {
            output::note(&format!(
                "convex-doctor: there is no finding `{id}`; the nearest: {}",
                nearest(id).join(", ")
            ));
            Ok(Exit::Usage)
        }
    }
}

/// The three ids most like `name`.
pub(super) fn nearest(name: &str) -> Vec<&'static str> {
    let mut ids: Vec<_> = checks::rules()
        .map(|rule| (-score(name, rule.id), rule.id))
        .collect();
    ids.sort_by(|one, other| one.0.total_cmp(&other.0));
    ids.into_iter().take(3).map(|(_, id)| id).collect()
}

fn score(name: &str, id: &str) -> f64 {
    let contained = if id.contains(name) || name.contains(id) { 0.5 } else { 0.0 };
    strsim::jaro_winkler(name, id) + contained
}
