//! What the first screen says besides the findings: the effect in one sentence, what works, what
//! was not checked, and the order of the next steps.

use jiff::Timestamp;

use super::headline::headline;
use crate::checks;
use crate::deployment::compose::declared_backend;
use crate::evidence::Evidence;
use crate::evidence::docker::{Container, DockerFacts, MountKind};
use crate::evidence::endpoint::EndpointFacts;
use crate::evidence::selection::SelectionKind;
use crate::report::{
    Command, Fact, Fate, Finding, Level, NextStep, Operation, Remedy, Summary, Verdict,
};

/// Builds the summary, but for what depends on the caller's choices.
pub(super) fn summarise(
    evidence: &Evidence,
    verdict: Verdict,
    causes: &[Finding],
    findings: &[Finding],
    persistence: &[Operation],
) -> Summary {
    let works = matches!(verdict, Verdict::Healthy | Verdict::AtRisk);
    let first = first(causes, findings);
    Summary {
        headline: headline(evidence, verdict, first, persistence),
        facts: if works { facts(evidence, verdict) } else { Vec::new() },
        fates: if works { fates(evidence, persistence) } else { Vec::new() },
        before: first.and_then(|first| before(evidence, first)),
        tells_story: first.is_some_and(|first| checks::family(&first.id).is_some_and(has_history)),
        retry: retry(evidence, verdict),
        caution: caution(verdict, first, persistence),
        not_checked: not_checked(evidence),
        fingerprints: fingerprints(evidence),
        elapsed_ms: evidence
            .timings
            .iter()
            .find(|timing| timing.probe == "whole run")
            .map_or(0, |timing| timing.ms),
        ..Summary::default()
    }
}

/// Whether the findings of a family come from what was done to containers and volumes.
fn has_history(family: &str) -> bool {
    matches!(family, "key" | "identity" | "persistence" | "engine" | "storage")
}

/// The finding that the report begins with: the first cause, else the worst finding, else what keeps
/// Compose from working.
fn first<'a>(causes: &'a [Finding], findings: &'a [Finding]) -> Option<&'a Finding> {
    let error = findings.iter().find(|finding| finding.level == Level::Error);
    causes.first().or(error).or_else(|| findings.iter().find(|finding| finding.stops_compose))
}

/// The everyday commands: the id of the operation, its short name, and its whole one.
pub(super) const EVERYDAY: [(&str, &str, &str); 4] = [
    ("restart", "restart", "a restart"),
    ("up_force_recreate", "up", "recreating the container"),
    ("down_up", "down", "`docker compose down`"),
    ("down_v_up", "down -v", "`docker compose down -v`"),
];

/// The mildest everyday command by which keys or data go, `down -v` aside, whose purpose it is.
pub(super) fn loses(persistence: &[Operation]) -> Option<(&Operation, &'static str)> {
    let gone = |fate: Fate| matches!(fate, Fate::Lost | Fate::Recoverable);
    EVERYDAY.iter().take(3).find_map(|(id, _, command)| {
        let one = persistence.iter().find(|one| one.id == *id)?;
        (gone(one.keys) || gone(one.data)).then_some((one, *command))
    })
}

fn caution(verdict: Verdict, first: Option<&Finding>, persistence: &[Operation]) -> Option<String> {
    if let Some(caution) = first.and_then(|it| checks::rule(&it.id)?.caution) {
        return Some(caution.to_owned());
    }
    let is_about_data = first.is_some_and(|it| checks::family(&it.id) == Some("persistence"));
    let (one, command) = loses(persistence).filter(|_| is_about_data)?;
    // What can only be avoided is worth a word.
    let can_wait = verdict == Verdict::AtRisk && one.id == "down_up";
    can_wait.then(|| format!("Until then, do not run {command}."))
}

/// What tests the key, where an option kept it from being tested.
fn retry(evidence: &Evidence, verdict: Verdict) -> Option<NextStep> {
    let kept = verdict == Verdict::Unknown
        && evidence.asked.no_network
        && evidence.selection.kind == SelectionKind::SelfHosted;
    kept.then(|| NextStep {
        title: "run it again without --no-network".to_owned(),
        command: Some("convex-doctor".to_owned()),
    })
}

/// What has to be right before the first fix: Compose does nothing with a file that it cannot read.
fn before(evidence: &Evidence, first: &Finding) -> Option<NextStep> {
    // What these need is in other files.
    let needs_compose = !matches!(
        checks::family(&first.id),
        Some("compose" | "selection" | "key_shape" | "key") | None
    );
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref)?;
    let error = compose.errors.first().filter(|_| needs_compose)?;
    let at = error
        .at
        .as_ref()
        .map_or_else(|| "the compose file".to_owned(), |at| format!("{}:{}", at.file, at.line));
    Some(NextStep { title: format!("Correct {at}"), command: None })
}

/// The way through several causes that are equally sure: what `fix --apply` does by itself first,
/// then the first command of each of the others. A cause that is less sure than the first may be
/// gone once that one is fixed.
pub(super) fn steps(causes: &[Finding]) -> Vec<NextStep> {
    let first = causes.first().map(|cause| cause.certainty);
    if causes.len() < 2 || causes.iter().any(|cause| Some(cause.certainty) != first) {
        return Vec::new();
    }
    let numbered = || causes.iter().enumerate().map(|(index, cause)| (index + 1, cause));
    let by_itself: Vec<String> = numbered()
        .filter(|(_, cause)| cause.remedies.first().is_some_and(|one| is_unasked(cause, one)))
        .map(|(number, _)| number.to_string())
        .collect();
    let mut steps = Vec::new();
    if let Some((last, others)) = by_itself.split_last() {
        let which = match others {
            [] => format!("fix {last}"),
            others => format!("fixes {} and {last}", others.join(", ")),
        };
        steps.push(NextStep {
            title: format!("Apply {which} (each change is shown first)"),
            command: Some(fix_all(&causes[0]).to_string()),
        });
    }
    for (_, cause) in numbered() {
        let Some(remedy) = cause.remedies.first() else { continue };
        if is_unasked(cause, remedy) {
            continue;
        }
        let own = || cause.fix_command().to_string();
        let command = match remedy.commands.first() {
            Some(command) => Some(written(command)),
            None => remedy.is_for_the_doctor().then(own),
        };
        let title = remedy.title.trim_end_matches([':', '.']).to_owned();
        steps.push(NextStep { title, command });
    }
    steps
}

/// What carries out all that `fix --apply` does unasked.
fn fix_all(cause: &Finding) -> Command {
    let words = ["fix", "--apply"].map(str::to_owned);
    Command::Doctor(words.into_iter().chain(cause.flags.iter().cloned()).collect())
}

/// A command as it is typed.
fn written(command: &impl ToString) -> String {
    command.to_string()
}

/// Whether `fix --apply` carries the remedy out without being asked for the finding by name.
fn is_unasked(cause: &Finding, remedy: &Remedy) -> bool {
    remedy.is_for_the_doctor()
        && remedy.commands.is_empty()
        && cause.fixed_only_if_named(remedy).is_none()
}

pub(super) fn endpoint(evidence: &Evidence) -> Option<&EndpointFacts> {
    evidence.endpoint.seen().ok().and_then(Option::as_ref)
}

/// The container that answers, else the one that Compose would run.
pub(super) fn container(evidence: &Evidence) -> Option<&Container> {
    let docker = evidence.docker.seen().ok()?;
    docker.answering().map(|(container, _)| container).or_else(|| DockerFacts::expected(docker))
}

fn fact(label: &str, text: String, source: String) -> Fact {
    Fact { label: label.to_owned(), text, source }
}

/// What works: the key, the backend, and where its data is.
fn facts(evidence: &Evidence, verdict: Verdict) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(key) = evidence.keys.iter().find(|key| key.selected) {
        let opened = key.trials.iter().find_map(|trial| trial.opened.as_ref());
        let mut text = key.fingerprint.as_ref().map_or("not a key".to_owned(), ToString::to_string);
        if let Some(claims) = opened {
            text.push_str(if claims.read_only { ", read-only" } else { ", full access" });
            if let Some(day) = day(i64::try_from(claims.issued_s).ok()) {
                text.push_str(&format!(", created {day}"));
            }
        }
        facts.push(fact("key", text, key.source.to_string()));
    }
    let Some(container) = container(evidence) else { return facts };
    // A risk is about the data: the screen is short.
    if verdict == Verdict::Healthy {
        facts.push(fact("backend", backend(evidence, container), place(evidence)));
    }
    if let Some(mount) = container.mount_over(&container.storage.data_dir) {
        let source = mount.source.as_deref().unwrap_or("");
        let what = match mount.kind {
            MountKind::Named => format!("volume {source}"),
            MountKind::Anonymous => {
                format!("anonymous volume {}", source.chars().take(12).collect::<String>())
            }
            MountKind::Bind => format!("directory {source}"),
            MountKind::Tmpfs => "memory".to_owned(),
        };
        facts.push(fact("data", format!("{what} at {}", mount.target), String::new()));
    }
    facts
}

/// What the everyday commands do to keys and data, what they keep first.
fn fates(evidence: &Evidence, operations: &[Operation]) -> Vec<Fact> {
    const GROUPS: [(&str, Fate); 4] = [
        ("kept by", Fate::Kept),
        ("not known", Fate::Unknown),
        ("left behind by", Fate::Recoverable),
        ("deleted by", Fate::Lost),
    ];
    let severity = |fate: Fate| GROUPS.iter().position(|(_, one)| *one == fate);
    let mut facts: Vec<Fact> = Vec::new();
    for (label, fate) in GROUPS {
        let words: Vec<String> = EVERYDAY
            .iter()
            .filter_map(|(id, word, _)| {
                let one = operations.iter().find(|one| one.id == *id)?;
                let worst =
                    if severity(one.keys) > severity(one.data) { one.keys } else { one.data };
                (worst == fate).then(|| match (one.keys == fate, one.data == fate) {
                    (true, true) => (*word).to_owned(),
                    (true, false) => format!("{word} (keys)"),
                    _ => format!("{word} (data)"),
                })
            })
            .collect();
        if !words.is_empty() {
            facts.push(fact(label, words.join(", "), String::new()));
        }
    }
    let is_seen = match declared_backend(evidence) {
        Ok(Some(_)) => evidence.docker.seen().is_ok_and(|docker| docker.expected().is_some()),
        _ => container(evidence).is_some(),
    };
    if let (Some(first), false) = (facts.first_mut(), is_seen) {
        "by the compose file".clone_into(&mut first.source);
    }
    facts
}

fn place(evidence: &Evidence) -> String {
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref);
    compose
        .and_then(|compose| compose.backend())
        .map(|service| format!("{}:{}", service.at.file, service.at.line))
        .unwrap_or_default()
}

fn backend(evidence: &Evidence, container: &Container) -> String {
    let since = container.life.started_at.filter(|_| container.is_running());
    let up = since.map(|start| evidence.collected_at - start).filter(|seconds| *seconds >= 0);
    match up {
        Some(seconds) => format!("{}, running for {}", container.name, duration(seconds)),
        None => format!("{}, {}", container.name, container.life.state),
    }
}

fn duration(seconds: i64) -> String {
    match seconds {
        0..=119 => "less than 2 minutes".to_owned(),
        120..=7199 => format!("{} minutes", seconds / 60),
        7200..=172_799 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

/// The day of a time, in UTC.
pub(super) fn day(seconds: Option<i64>) -> Option<String> {
    let time = Timestamp::from_second(seconds?).ok()?;
    time.to_string().get(..10).map(str::to_owned)
}

/// What could not be checked, an entry a source.
fn not_checked(evidence: &Evidence) -> Vec<String> {
    let mut lines = Vec::new();
    match evidence.docker.seen() {
        Ok(docker) => lines.extend(docker.notes.iter().map(|note| format!("Docker ({note})"))),
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

/// Every fingerprint that a finding can name.
fn fingerprints(evidence: &Evidence) -> Vec<String> {
    let mut prints: Vec<String> = evidence
        .keys
        .iter()
        .flat_map(|key| {
            let trials = key.trials.iter().map(|trial| trial.secret.to_string());
            key.fingerprint.iter().map(ToString::to_string).chain(trials).collect::<Vec<_>>()
        })
        .collect();
    if let Ok(docker) = evidence.docker.seen() {
        for container in &docker.backends {
            let secret = &container.secret;
            for place in [&secret.process, &secret.environment, &secret.file] {
                let state = place.seen().ok().and_then(Option::as_ref);
                prints.extend(state.and_then(|it| it.fingerprint()).map(ToString::to_string));
            }
        }
    }
    prints.sort();
    prints.dedup();
    prints
}

#[cfg(test)]
mod tests {
    use super::super::headline::tests::operations;
    use super::*;
    use crate::evidence::build::key as build;
    use crate::report::{Certainty, Edit};

    #[test]
    fn the_everyday_commands_are_grouped_by_what_they_do() {
        use Fate::{Kept, Lost, Recoverable};
        let lines = |fates| {
            let facts = super::fates(&build::healthy(), &operations(fates));
            facts.into_iter().map(|it| format!("{}: {}", it.label, it.text)).collect::<Vec<_>>()
        };
        let (kept, lost, back) = ((Kept, Kept), (Lost, Lost), (Recoverable, Recoverable));
        assert_eq!(
            lines([kept, kept, kept, lost]),
            ["kept by: restart, up, down", "deleted by: down -v"]
        );
        assert_eq!(
            lines([kept, kept, back, lost]),
            ["kept by: restart, up", "left behind by: down", "deleted by: down -v"]
        );
        assert_eq!(
            lines([kept, (Kept, Recoverable), (Lost, Kept), lost]),
            ["kept by: restart", "left behind by: up (data)", "deleted by: down (keys), down -v"]
        );
        assert!(super::fates(&build::healthy(), &[]).is_empty());
    }

    #[test]
    fn only_causes_that_are_equally_sure_are_one_list_of_steps() {
        let cause = |id: &str, certainty, remedy: Remedy| {
            checks::rule(id).unwrap().finding(certainty, String::new()).remedy(remedy)
        };
        let edit = || {
            let edit = Edit { file: ".env.local".to_owned(), line: 1, line_hash: None, new: None };
            Remedy::safe("set it").edit([edit])
        };
        let typed = || Remedy::safe("generate a key").run("convex-doctor key mint --write");
        let (proven, likely) = (Certainty::Proven, Certainty::Likely);
        let one = || cause("cloud-deployment-set", proven, edit());
        let two = || cause("url-invalid", proven, edit());
        let three = |certainty| cause("key-placeholder", certainty, typed());
        assert!(steps(&[one()]).is_empty());
        assert!(steps(&[one(), three(likely)]).is_empty());
        let shown = |causes: &[Finding]| {
            let steps = steps(causes).into_iter();
            let steps = steps.map(|it| format!("{}: {}", it.title, it.command.unwrap_or_default()));
            steps.collect::<Vec<_>>()
        };
        let mint = "generate a key: convex-doctor key mint --write";
        assert_eq!(
            shown(&[one(), three(proven), two()]),
            ["Apply fixes 1 and 3 (each change is shown first): convex-doctor fix --apply", mint]
        );
        assert_eq!(
            shown(&[three(proven), two()]),
            ["Apply fix 2 (each change is shown first): convex-doctor fix --apply", mint]
        );
    }
}
