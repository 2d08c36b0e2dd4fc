//! One source hides another: empty values, the shell over the file, two places for one pair, cloud settings beside it.

use super::{KEY, URL, is_another_world, pair_is_meant, place};
use crate::checks::Check;
use crate::checks::endpoint::key_accepted;
use crate::checks::key::{is_accepted, secret_in_force, subject};
use crate::evidence::selection::{DefinitionFacts, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static EMPTY_VALUE_SHADOWS: Rule = Rule {
    id: "empty-value-shadows",
    level: Level::Error,
    title: "an empty value hides the full one below it",
    explain: include_str!("empty-value-shadows.md"),
    is_cause: true,
    causes: &["selection-incomplete", "selection-missing"],
    since: "0.1.0",
};

static SHELL_SHADOWS_FILE: Rule = Rule {
    id: "shell-shadows-file",
    level: Level::Warning,
    title: "a variable of the shell hides another value in the file",
    explain: include_str!("shell-shadows-file.md"),
    is_cause: true,
    causes: &[
        "key-foreign",
        "key-rejected",
        "key-from-another-instance",
        "key-from-detached-volume",
    ],
    since: "0.1.0",
};

static SPLIT_SOURCES: Rule = Rule {
    id: "split-sources",
    level: Level::Warning,
    title: "the URL and the key come from different places",
    explain: include_str!("split-sources.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static DUPLICATE_VARIABLE: Rule = Rule {
    id: "duplicate-variable",
    level: Level::Warning,
    title: "a variable is set twice in one file; the last line counts",
    explain: include_str!("duplicate-variable.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static CLOUD_DEPLOYMENT_SET: Rule = Rule {
    id: "cloud-deployment-set",
    level: Level::Error,
    title: "CONVEX_DEPLOYMENT is set beside the self-hosted pair",
    explain: include_str!("cloud-deployment-set.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

static CLOUD_DEPLOY_KEY_WINS: Rule = Rule {
    id: "cloud-deploy-key-wins",
    level: Level::Error,
    title: "CONVEX_DEPLOY_KEY is set and silently wins: the CLI goes to the cloud",
    explain: include_str!("cloud-deploy-key-wins.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

/// An empty value above a full one.
pub(super) static EMPTY: Check = Check { rules: &[&EMPTY_VALUE_SHADOWS], run: empty };
/// The shell above the file.
pub(super) static SHELL: Check = Check { rules: &[&SHELL_SHADOWS_FILE], run: shell };
/// Two places for one pair.
pub(super) static SPLIT: Check = Check { rules: &[&SPLIT_SOURCES], run: split };
/// Twice in one file.
pub(super) static DUPLICATE: Check = Check { rules: &[&DUPLICATE_VARIABLE], run: duplicate };
/// Cloud settings beside the pair.
pub(super) static CLOUD: Check =
    Check { rules: &[&CLOUD_DEPLOYMENT_SET, &CLOUD_DEPLOY_KEY_WINS], run: cloud };

fn empty(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if evidence.selection.env_file.is_some() {
        return Ok(vec![]); // one file counts, and nothing below it
    }
    let mut found = Vec::new();
    for name in [URL, KEY] {
        let definitions = evidence.selection.definitions(name);
        let Some(winner) = definitions.iter().find(|one| one.wins && one.empty) else { continue };
        let hidden =
            definitions.iter().find(|one| !one.empty && !one.source.same_place(&winner.source));
        let Some(hidden) = hidden else { continue };
        let remedy = match &winner.source {
            ValueSource::Env { env } => {
                Remedy::safe("Take the empty variable out of the shell").run(format!("unset {env}"))
            }
            other => Remedy::safe(format!("Delete the empty line {other}")),
        };
        found.push(
            EMPTY_VALUE_SHADOWS
                .finding(
                    Certainty::Proven,
                    format!(
                        "{name} is empty at {}; that counts as unset, and still hides the value at {}.",
                        winner.source, hidden.source
                    ),
                )
                .because("is set to nothing", winner.source.to_string())
                .because("has a value", hidden.source.to_string())
                .at(place(&winner.source))
                .at(place(&hidden.source))
                .remedy(remedy),
        );
    }
    Ok(found)
}

fn shell(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let mut found = Vec::new();
    for name in [URL, KEY] {
        let definitions = evidence.selection.definitions(name);
        let winner = definitions
            .iter()
            .find(|one| one.wins && !one.empty && matches!(one.source, ValueSource::Env { .. }));
        let hidden = definitions
            .iter()
            .find(|one| !one.wins && !one.empty && matches!(one.source, ValueSource::File { .. }));
        let (Some(winner), Some(hidden)) = (winner, hidden) else { continue };
        if hidden.same_as_winner {
            continue;
        }
        let level = match (key_accepted(evidence), file_key_fits(evidence, name, hidden)) {
            (true, _) => Level::Info,
            (false, true) => Level::Error,
            (false, false) => Level::Warning,
        };
        let more = match level {
            Level::Error => " The key in the file opens with the secret in force.",
            Level::Info => " The pair in force is accepted.",
            Level::Warning => "",
        };
        found.push(
            SHELL_SHADOWS_FILE
                .finding(
                    Certainty::Proven,
                    format!(
                        "The shell sets {name}, so the other value at {} is not used.{more}",
                        hidden.source
                    ),
                )
                .level(level)
                .because("counts", winner.source.to_string())
                .because("is hidden and differs", hidden.source.to_string())
                .at(place(&winner.source))
                .at(place(&hidden.source))
                .remedy(Remedy::safe("Let the file count again").run(format!("unset {name}"))),
        );
    }
    Ok(found)
}

/// Whether the hidden value is a key that the secret in force opens.
fn file_key_fits(evidence: &Evidence, name: &str, hidden: &DefinitionFacts) -> bool {
    if name != KEY || is_accepted(evidence) {
        return false;
    }
    let Some(subject) = subject(evidence) else { return false };
    let Some((secret, _)) = secret_in_force(subject.container) else { return false };
    evidence
        .keys
        .iter()
        .filter(|key| key.source == hidden.source)
        .any(|key| key.trials.iter().any(|trial| trial.secret == *secret && trial.opened.is_some()))
}

fn split(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let sources =
        selection.url.as_ref().map(|url| &url.source).zip(selection.admin_key_source.as_ref());
    let Some((url, key)) = sources.filter(|_| selection.split_sources) else { return Ok(vec![]) };
    let level = if key_accepted(evidence) { Level::Info } else { Level::Warning };
    Ok(vec![
        SPLIT_SOURCES
            .finding(
                Certainty::Proven,
                format!("The URL comes from {url}, the key from {key}: they may belong to two deployments."),
            )
            .level(level)
            .at(place(url))
            .at(place(key))
            .remedy(Remedy::safe("Put both lines into one file")),
    ])
}

fn duplicate(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let concerns = |name: &str| [URL, KEY].contains(&name);
    let found = evidence.selection.duplicates.iter().filter(|one| concerns(&one.name));
    Ok(found
        .filter_map(|one| {
            let (last, first) = (one.lines.last()?, one.lines.first()?);
            let same = if one.equal { " Both hold the same value." } else { "" };
            let finding = DUPLICATE_VARIABLE.finding(
                Certainty::Proven,
                format!(
                    "{} stands {} times in {}; line {last} counts.{same}",
                    one.name,
                    one.lines.len(),
                    one.file
                ),
            );
            let level = if one.equal { Level::Info } else { Level::Warning };
            Some(
                finding
                    .level(level)
                    .at(crate::report::Location::line(&one.file, *first))
                    .at(crate::report::Location::line(&one.file, *last))
                    .remedy(Remedy::safe(format!("Delete {}:{first}", one.file))),
            )
        })
        .collect())
}

fn cloud(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if is_another_world(evidence) || !(pair_is_meant(evidence) || super::backend_in_sight(evidence))
    {
        return Ok(vec![]);
    }
    let selection = &evidence.selection;
    let winner = |name: &str| {
        let counts = |one: &&DefinitionFacts| one.wins && !one.empty;
        selection.definitions(name).iter().find(counts).map(|one| (name.to_owned(), one))
    };
    let by_flags =
        selection.url.as_ref().is_some_and(|url| matches!(url.source, ValueSource::Flag { .. }));
    if by_flags {
        return Ok(vec![]); // both flags: no variable is read at all
    }
    let mut found = Vec::new();
    if let Some((name, one)) =
        winner("CONVEX_DEPLOY_KEY").or_else(|| winner("CONVEX_DEPLOYMENT_TOKEN"))
    {
        found.push(
            CLOUD_DEPLOY_KEY_WINS
                .finding(
                    Certainty::Proven,
                    format!("{name} beats the self-hosted pair without a word: the CLI talks to Convex Cloud."),
                )
                .because("is set", one.source.to_string())
                .at(place(&one.source))
                .remedy(take_out(&name, &one.source)),
        );
    } else if let Some((name, one)) =
        winner("CONVEX_DEPLOYMENT").filter(|_| pair_is_meant(evidence))
    {
        found.push(
            CLOUD_DEPLOYMENT_SET
                .finding(
                    Certainty::Proven,
                    format!("{name} names a deployment beside the self-hosted pair: the CLI refuses to choose."),
                )
                .because("is set", one.source.to_string())
                .at(place(&one.source))
                .remedy(take_out(&name, &one.source)),
        );
    }
    Ok(found)
}

fn take_out(name: &str, source: &ValueSource) -> Remedy {
    match source {
        ValueSource::Env { .. } => {
            Remedy::safe("Take it out of the shell").run(format!("unset {name}"))
        }
        other => Remedy::safe(format!(
            "Comment the line {other} out; unsetting the variable in the shell is not enough, the CLI reads the file again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::selection::build::{selected, told};

    const PAIR: &str =
        "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=file|01aa\n";

    #[test]
    fn an_empty_value_is_found_only_above_a_full_one() {
        let hollow = "CONVEX_SELF_HOSTED_URL=\n";
        for (case, local, env, shell, expected) in [
            (
                "shell",
                PAIR,
                None,
                vec![(KEY, "")],
                vec!["empty-value-shadows error proven $CONVEX_SELF_HOSTED_ADMIN_KEY of the shell"],
            ),
            (
                "file",
                hollow,
                Some(PAIR),
                vec![],
                vec!["empty-value-shadows error proven .env.local:1"],
            ),
            ("nothing below", hollow, None, vec![], vec![]),
            ("full", PAIR, Some(hollow), vec![], vec![]),
        ] {
            assert_eq!(told(empty(&selected(local, env, &shell))), expected, "{case}");
        }
    }

    #[test]
    fn the_shell_is_named_when_it_differs() {
        let place = "$CONVEX_SELF_HOSTED_ADMIN_KEY of the shell";
        let mut refused = selected(PAIR, None, &[(KEY, "shell|01aa")]);
        refused.endpoint = crate::checks::key::build::refused(&[]).endpoint;
        assert_eq!(told(shell(&refused)), [format!("shell-shadows-file warning proven {place}")]);
        let accepted = selected(PAIR, None, &[(KEY, "shell|01aa")]);
        assert_eq!(told(shell(&accepted)), [format!("shell-shadows-file info proven {place}")]);
        assert!(told(shell(&selected(PAIR, None, &[(KEY, "file|01aa")]))).is_empty());
        assert!(told(shell(&selected("", None, &[(KEY, "shell|01aa")]))).is_empty());
    }

    #[test]
    fn cloud_settings_beside_the_pair_are_errors() {
        for (case, text, expected) in [
            (
                "deployment",
                format!("{PAIR}CONVEX_DEPLOYMENT=dev:a-b-1\n"),
                vec!["cloud-deployment-set error proven .env.local:3"],
            ),
            ("empty deployment", format!("{PAIR}CONVEX_DEPLOYMENT=\n"), vec![]),
            (
                "deploy key",
                format!("{PAIR}CONVEX_DEPLOY_KEY=prod:a|eyJ2\n"),
                vec!["cloud-deploy-key-wins error proven .env.local:3"],
            ),
        ] {
            assert_eq!(told(cloud(&selected(&text, None, &[]))), expected, "{case}");
        }
    }

    #[test]
    fn two_places_and_two_lines_are_told() {
        let env = "CONVEX_SELF_HOSTED_ADMIN_KEY=env|01aa\n";
        let mut apart = selected("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\n", Some(env), &[]);
        apart.endpoint = crate::checks::key::build::refused(&[]).endpoint;
        assert_eq!(told(split(&apart)), ["split-sources warning proven .env.local:1"]);
        let twice = format!("{PAIR}CONVEX_SELF_HOSTED_ADMIN_KEY=other|01aa\n");
        assert_eq!(
            told(duplicate(&selected(&twice, None, &[]))),
            ["duplicate-variable warning proven .env.local:2"]
        );
        assert!(told(duplicate(&selected(PAIR, None, &[]))).is_empty());
    }
}
