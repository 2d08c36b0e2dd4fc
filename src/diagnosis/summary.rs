//! The first screen's facts: one sentence after the verdict, what was found in order, what was not
//! seen.

use jiff::Timestamp;

use crate::evidence::Evidence;
use crate::evidence::docker::{Container, MountKind};
use crate::report::{Certainty, Fate, Finding, Operation, Summary, Verdict};

/// Builds the summary.
pub(super) fn summarise(
    evidence: &Evidence,
    verdict: Verdict,
    causes: &[Finding],
    findings: &[Finding],
    persistence: &[Operation],
) -> Summary {
    Summary {
        headline: headline(evidence, verdict, causes, findings),
        facts: [facts(evidence), keeps(evidence, persistence)].concat(),
        not_seen: not_seen(evidence),
        only: Vec::new(),
        chain: None,
        elapsed_ms: evidence
            .timings
            .iter()
            .find(|timing| timing.probe == "whole run")
            .map_or(0, |timing| timing.ms),
    }
}

fn headline(
    evidence: &Evidence,
    verdict: Verdict,
    causes: &[Finding],
    findings: &[Finding],
) -> String {
    let url = evidence.selection.url.as_ref().map_or("the backend", |url| url.text.as_str());
    let status = evidence
        .endpoint
        .seen()
        .ok()
        .and_then(Option::as_ref)
        .and_then(|endpoint| endpoint.check_admin_key.seen().ok())
        .map(|answer| answer.status);
    match verdict {
        Verdict::Healthy => format!("{url} accepts your key: npx convex can work."),
        Verdict::AtRisk => match causes.first().or(findings.first()) {
            Some(finding) => format!("{url} accepts your key, yet {}.", lower(&finding.title)),
            None => format!("{url} accepts your key."),
        },
        Verdict::Broken if status == Some(401) => {
            let place = evidence
                .selection
                .admin_key_source
                .as_ref()
                .map_or_else(String::new, |source| format!(" in {source}"));
            format!("{url} refuses the key{place}.")
        }
        Verdict::Broken => match causes.first().or(findings.first()) {
            Some(finding) if finding.certainty == Certainty::Possible => {
                "npx convex cannot work; what was seen explains it only possibly.".to_owned()
            }
            Some(finding) => format!("npx convex cannot work: {}.", lower(&finding.title)),
            None => "npx convex cannot work.".to_owned(),
        },
        Verdict::Unknown => match findings.iter().find(|finding| finding.id == "not-self-hosted") {
            Some(_) => "nothing self-hosted is selected here.".to_owned(),
            None => match findings.first() {
                Some(finding) => format!("the key was not tried; {}.", lower(&finding.title)),
                None => "the key was not tried.".to_owned(),
            },
        },
    }
}

/// A title as it reads inside a sentence; names and acronyms keep their capitals.
fn lower(title: &str) -> String {
    let mut chars = title.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            let rest: String = title.chars().skip(1).collect();
            format!("{}{rest}", first.to_lowercase())
        }
        _ => title.to_owned(),
    }
}

fn facts(evidence: &Evidence) -> Vec<(String, String, String)> {
    let mut facts = Vec::new();
    if let Some(key) = evidence.keys.iter().find(|key| key.selected) {
        let opened = key.trials.iter().find_map(|trial| trial.opened.as_ref());
        let mut text = key.fingerprint.as_ref().map_or("not a key".to_owned(), ToString::to_string);
        if let Some(claims) = opened {
            text.push_str(if claims.read_only { ", read-only" } else { ", full" });
            if let Some(day) = day(i64::try_from(claims.issued_s).ok()) {
                text.push_str(&format!(", issued {day}"));
            }
        }
        facts.push(("key".to_owned(), text, key.source.to_string()));
    }
    if let Ok(docker) = evidence.docker.seen() {
        let container = docker.answering().map(|(container, _)| container).or(docker.expected());
        if let Some(container) = container {
            facts.push(("backend".to_owned(), backend(evidence, container), place(evidence)));
            if let Some(mount) = container.mount_over(&container.data_dir) {
                let source = mount.source.as_deref().unwrap_or("");
                let text = match mount.kind {
                    MountKind::Named => format!("volume {source}"),
                    MountKind::Anonymous => {
                        format!("anonymous volume {}…", source.chars().take(12).collect::<String>())
                    }
                    MountKind::Bind => format!("directory {source}"),
                    MountKind::Tmpfs => "memory only".to_owned(),
                };
                facts.push(("data".to_owned(), text, format!("at {}", mount.target)));
            }
        }
    }
    facts
}

/// What the everyday operations keep, in one line or two.
fn keeps(evidence: &Evidence, operations: &[Operation]) -> Vec<(String, String, String)> {
    const EVERYDAY: [(&str, &str); 4] = [
        ("restart", "restart"),
        ("up_force_recreate", "up"),
        ("down_up", "down"),
        ("down_v_up", "down -v"),
    ];
    let mut groups: Vec<(Vec<&str>, &str)> = Vec::new();
    for (id, word) in EVERYDAY {
        let Some(one) = operations.iter().find(|one| one.id == id) else { continue };
        let kept = what_is_kept(one.keys, one.data);
        match groups.last_mut() {
            Some((words, last)) if *last == kept => words.push(word),
            _ => groups.push((vec![word], kept)),
        }
    }
    // As many on a line as fit behind the label.
    let mut lines: Vec<String> = Vec::new();
    for (words, kept) in groups {
        let text = format!("{}: {kept}", words.join(", "));
        match lines.last_mut() {
            Some(line) if line.len() + text.len() + 4 <= 69 => {
                line.push_str(".   ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| {
            let label = if index == 0 { "keeps" } else { "" };
            let source = match evidence.docker.seen() {
                Err(_) if index == 0 => "by the compose file".to_owned(),
                _ => String::new(),
            };
            (label.to_owned(), line, source)
        })
        .collect()
}

/// Both columns in a few words.
fn what_is_kept(keys: Fate, data: Fate) -> &'static str {
    match (keys, data) {
        (Fate::Kept, Fate::Kept) => "keys and data",
        (Fate::Kept, Fate::Recoverable) => "keys (data recoverable)",
        (Fate::Kept, Fate::Lost) => "keys only",
        (Fate::Kept, Fate::Unknown) => "keys (data unknown)",
        (Fate::Recoverable, Fate::Recoverable) => "recoverable",
        (Fate::Recoverable, Fate::Kept) => "data (keys recoverable)",
        (Fate::Recoverable, _) => "nothing (keys recoverable)",
        (Fate::Lost, Fate::Kept) => "data only",
        (Fate::Lost, Fate::Recoverable) => "nothing (data recoverable)",
        (Fate::Lost, Fate::Lost) => "NOTHING",
        (Fate::Lost | Fate::Unknown, Fate::Unknown) => "unknown",
        (Fate::Unknown, Fate::Kept) => "data (keys unknown)",
        (Fate::Unknown, Fate::Lost) => "no data (keys unknown)",
        (Fate::Unknown, Fate::Recoverable) => "unknown",
    }
}

fn place(evidence: &Evidence) -> String {
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref);
    compose
        .and_then(|compose| compose.backend())
        .map(|service| format!("{}:{}", service.at.file, service.at.line))
        .unwrap_or_default()
}

fn backend(evidence: &Evidence, container: &Container) -> String {
    let since = container.started_at.filter(|_| container.is_running());
    let up = since.map(|start| evidence.collected_at - start).filter(|seconds| *seconds >= 0);
    match up {
        Some(seconds) => format!("{}, up {}", container.name, duration(seconds)),
        None => format!("{}, {}", container.name, container.state),
    }
}

fn duration(seconds: i64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

/// The day of a time, in UTC.
pub(super) fn day(seconds: Option<i64>) -> Option<String> {
    let time = Timestamp::from_second(seconds?).ok()?;
    time.to_string().get(..10).map(str::to_owned)
}

/// What could not be looked at, one line a source.
fn not_seen(evidence: &Evidence) -> Vec<String> {
    let mut lines = Vec::new();
    match evidence.docker.seen() {
        Ok(docker) => lines.extend(docker.notes.iter().map(|note| format!("Docker: {note}"))),
        Err(unseen) => lines.push(format!("Docker ({})", unseen.reason)),
    }
    if let Err(unseen) = evidence.endpoint.seen() {
        lines.push(format!("the URL ({})", unseen.reason));
    }
    if let Err(unseen) = evidence.compose.seen() {
        lines.push(format!("the compose file ({})", unseen.reason));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;

    #[test]
    fn what_is_kept_stands_on_a_line_or_two() {
        use Fate::{Kept, Lost, Recoverable};
        let lines = |fates: [(Fate, Fate); 4]| {
            let ids = ["restart", "up_force_recreate", "down_up", "down_v_up"];
            let operations = ids.into_iter().zip(fates).map(|(id, (keys, data))| Operation {
                id: id.to_owned(),
                command: String::new(),
                keys,
                data,
                why: String::new(),
            });
            let operations: Vec<_> = operations.collect();
            let facts = keeps(&build::healthy(), &operations);
            facts.into_iter().map(|(_, text, _)| text).collect::<Vec<_>>()
        };
        let (kept, lost, back) = ((Kept, Kept), (Lost, Lost), (Recoverable, Recoverable));
        assert_eq!(
            lines([kept, kept, kept, lost]),
            ["restart, up, down: keys and data.   down -v: NOTHING"]
        );
        assert_eq!(
            lines([kept, kept, back, lost]),
            ["restart, up: keys and data.   down: recoverable.   down -v: NOTHING"]
        );
        assert_eq!(
            lines([kept, (Kept, Recoverable), (Kept, Lost), lost]),
            [
                "restart: keys and data.   up: keys (data recoverable)",
                "down: keys only.   down -v: NOTHING"
            ]
        );
        assert_eq!(keeps(&build::healthy(), &[]), []);
    }
}
