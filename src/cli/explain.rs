//! `convex-doctor explain`: the text beside a check, or of a topic; the nearest names for a
//! misspelt one.

use super::Exit;
use crate::checks;
use crate::output;
use crate::render::explain::{self, Section};
use crate::secret::sanitize;
use crate::topics::{self, TOPICS, Topic};

/// The end of its help.
pub(super) const HELP: &str = "\
Examples:
  convex-doctor explain                    the list
  convex-doctor explain key-foreign
  convex-doctor explain why does my key change";

/// Explains a finding by its id or answers a question, or lists all that can be explained.
pub(super) fn run(words: &[String]) -> anyhow::Result<Exit> {
    let question = words.join(" ");
    if words.is_empty() {
        output::print(&list())?;
        return Ok(Exit::Fine);
    }
    let name = question.trim().to_lowercase().replace(' ', "-");
    if let Some(rule) = checks::rule(&name) {
        let kind = rule.level.to_string();
        let mut text = rule.explain.to_owned();
        let topics: Vec<&str> = topics::naming(rule.id).map(|topic| topic.slug).collect();
        if !topics.is_empty() {
            text.push_str(&format!("\nSee also: {}\n", topics.join(", ")));
        }
        output::print(&explain::page(rule.id, &kind, rule.title, &text, output::width()))?;
        return Ok(Exit::Fine);
    }
    let asked = topics::topic(&name).map_or_else(|| topics::asked(&question), |topic| vec![topic]);
    if let [topic] = asked[..] {
        output::print(&explain::page(
            topic.slug,
            "topic",
            topic.title(),
            topic.text,
            output::width(),
        ))?;
        return Ok(Exit::Fine);
    }
    output::note(&format!(
        "convex-doctor: there is no finding or topic `{}`; the nearest: {}",
        sanitize(&question),
        nearest_of_all(&name, &question, &asked).join(", ")
    ));
    Ok(Exit::Usage)
}

fn list() -> String {
    let mut sections = vec![Section {
        heading: "Common questions",
        entries: TOPICS.iter().map(|topic| (topic.slug, topic.title())).collect(),
    }];
    for (family, checks) in checks::REGISTRY {
        let rules = checks.iter().flat_map(|check| check.rules);
        let mut entries: Vec<_> = rules.map(|rule| (rule.id, rule.title)).collect();
        entries.sort_unstable();
        if !entries.is_empty() {
            sections.push(Section { heading: checks::heading(family), entries });
        }
    }
    explain::list(&sections, output::width())
}

/// The three ids most like `name`.
pub(super) fn nearest(name: &str) -> Vec<&'static str> {
    best(3, checks::rules().map(|rule| (score(name, rule.id), rule.id)))
}

/// The ids and topics most like what was typed: those that were equally near first, then by the
/// letters and by shared words.
fn nearest_of_all(name: &str, question: &str, asked: &[&'static Topic]) -> Vec<&'static str> {
    let words = topics::essence(question);
    let shared = |text: &str| {
        let text = topics::essence(text);
        let count = words.iter().filter(|word| text.contains(word)).count();
        f64::from(u32::try_from(count).unwrap_or(0)) / 2.0
    };
    let ids = checks::rules().map(|rule| {
        (score(name, rule.id) + shared(&format!("{} {}", rule.id, rule.title)), rule.id)
    });
    let topics = TOPICS.iter().map(|topic| {
        let aliases = topic.aliases.iter().map(|alias| score(name, &alias.replace(' ', "-")));
        let letters = aliases.fold(score(name, topic.slug), f64::max);
        let equally_near = if asked.iter().any(|near| near.slug == topic.slug) { 9.0 } else { 0.0 };
        let words =
            shared(&format!("{} {} {}", topic.slug, topic.title(), topic.aliases.join(" ")));
        (letters + words + equally_near, topic.slug)
    });
    best(asked.len().max(4), ids.chain(topics))
}

/// The names of the `count` highest scores.
fn best(count: usize, scored: impl Iterator<Item = (f64, &'static str)>) -> Vec<&'static str> {
    let mut scored: Vec<_> = scored.collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0));
    scored.into_iter().take(count).map(|(_, name)| name).collect()
}

fn score(name: &str, id: &str) -> f64 {
    let contained = if id.contains(name) || name.contains(id) { 0.5 } else { 0.0 };
    strsim::jaro_winkler(name, id) + contained
}
