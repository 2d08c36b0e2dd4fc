//! `convex-doctor explain`: the page of a finding or of a topic, the list of a family; the nearest
//! names for a misspelt one.

use super::Exit;
use crate::checks::{self, Family};
use crate::foreign;
use crate::output;
use crate::render::explain::{self, Section};
use crate::topics::{self, TOPICS, Topic};

/// What to explain.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  convex-doctor explain                    topics and families
  convex-doctor explain key-foreign        a finding
  convex-doctor explain key                the findings of a family
  convex-doctor explain why does my key change")]
pub(super) struct Arguments {
    /// Finding, family, topic, or question in your own words
    #[arg(value_name = "ID|TOPIC")]
    words: Vec<String>,
    /// List every finding
    #[arg(long, conflicts_with = "words")]
    all: bool,
}

/// Explains a finding by its id, lists a family, answers a question, or lists what there is.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let words = &arguments.words;
    let question = words.join(" ");
    if words.is_empty() {
        output::show(&explain::list(&sections(arguments.all), output::width()))?;
        return Ok(Exit::Fine);
    }
    let name = question.trim().to_lowercase().replace(' ', "-");
    if let Some(rule) = checks::rule(&name) {
        let mut text = rule.explain.to_owned();
        let topics: Vec<&str> = topics::naming(rule.id).map(|topic| topic.slug).collect();
        if !topics.is_empty() {
            text.push_str(&format!("\nSee also: {}\n", topics.join(", ")));
        }
        let kind = rule.level.to_string();
        output::show(&explain::page(rule.id, &kind, rule.title, &text, output::width()))?;
        return Ok(Exit::Fine);
    }
    if let Some(family) = checks::family_named(&name) {
        output::show(&explain::list(&[rules_of(family)], output::width()))?;
        return Ok(Exit::Fine);
    }
    let asked = topics::topic(&name).map_or_else(|| topics::asked(&question), |topic| vec![topic]);
    if let [topic] = asked[..] {
        output::show(&explain::page(
            topic.slug,
            "topic",
            topic.title(),
            topic.text,
            output::width(),
        ))?;
        return Ok(Exit::Fine);
    }
    output::note(&format!(
        "error: unknown finding or topic `{}`. {}",
        foreign::words(&question),
        did_you_mean(&nearest_of_all(&name, &question, &asked))
    ));
    Ok(Exit::Usage)
}

/// What to say of a name that is not a finding's.
pub(super) fn unknown(name: &str) -> String {
    format!("unknown finding `{}`. {}", foreign::words(name), did_you_mean(&nearest(name)))
}

/// `Did you mean `a`, `b` or `c`?`
fn did_you_mean(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => format!("Did you mean {last}?"),
        Some((last, others)) => format!("Did you mean {} or {last}?", others.join(", ")),
        None => "`convex-doctor explain --all` lists every finding.".to_owned(),
    }
}

/// The topics, and every family: in one line, or with `all` with its findings.
fn sections(all: bool) -> Vec<Section<'static>> {
    let topics = TOPICS.iter().map(|topic| (topic.slug.to_owned(), topic.title().to_owned()));
    let mut sections = vec![Section { heading: "Common questions", entries: topics.collect() }];
    if all {
        sections.extend(checks::REGISTRY.iter().map(rules_of));
        return sections;
    }
    let entries = checks::REGISTRY.iter().map(|family| {
        let count = family.rules().count();
        let ids = if count == 1 { "finding" } else { "findings" };
        (format!("explain {}", family.name), format!("{} ({count} {ids})", family.heading))
    });
    sections.push(Section { heading: "Findings, by family", entries: entries.collect() });
    sections
}

/// The findings of a family.
fn rules_of(family: &'static Family) -> Section<'static> {
    let mut entries: Vec<(String, String)> =
        family.rules().map(|rule| (rule.id.to_owned(), rule.title.to_owned())).collect();
    entries.sort_unstable();
    Section { heading: family.heading, entries }
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
/// So much two names are alike at least for one to be suggested in place of the other.
const LEAST_ALIKE: f64 = 0.72;

fn best(count: usize, scored: impl Iterator<Item = (f64, &'static str)>) -> Vec<&'static str> {
    let mut scored: Vec<_> = scored.collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0));
    // A name that is too different is not suggested.
    scored
        .into_iter()
        .filter(|(score, _)| *score >= LEAST_ALIKE)
        .take(count)
        .map(|(_, name)| name)
        .collect()
}

fn score(name: &str, id: &str) -> f64 {
    let contained = if id.contains(name) || name.contains(id) { 0.5 } else { 0.0 };
    strsim::jaro_winkler(name, id) + contained
}
