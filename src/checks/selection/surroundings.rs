//! Round the selection: what git keeps, and what the app is told.

use crate::checks::Check;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static ENV_NOT_IGNORED: Rule = Rule {
    id: "env-not-ignored",
    level: Level::Warning,
    title: "git does not ignore an env file that holds a key",
    explain: include_str!("env-not-ignored.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static SECRET_IN_GIT_RULE: Rule = Rule {
    id: "secret-in-git",
    level: Level::Error,
    title: "a file that git tracks holds the key or the instance secret",
    explain: include_str!("secret-in-git.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static APP_URL_DIFFERS: Rule = Rule {
    id: "app-url-differs",
    level: Level::Warning,
    title: "the app is told another deployment than the CLI uses",
    explain: include_str!("app-url-differs.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

/// Env files that git would take.
pub(super) static NOT_IGNORED: Check = Check { rules: &[&ENV_NOT_IGNORED], run: not_ignored };
/// Secrets that git has.
pub(super) static SECRET_IN_GIT: Check =
    Check { rules: &[&SECRET_IN_GIT_RULE], run: secret_in_git };
/// What the app is told.
pub(super) static APP_URL: Check = Check { rules: &[&APP_URL_DIFFERS], run: app_url };

fn not_ignored(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(git) = evidence.surroundings.git.seen()? else { return Ok(vec![]) };
    // `.env` without a secret in it is often tracked on purpose; `.env.local` is where the CLI's key lives.
    let holds_key = |file: &str| {
        evidence.keys.iter().any(|key| {
            matches!(&key.source, crate::evidence::selection::ValueSource::File { file: own, .. } if own == file)
        })
    };
    Ok(git
        .not_ignored
        .iter()
        .filter(|file| file.as_str() == ".env.local" || holds_key(file))
        .map(|file| {
            let tracked = git.tracked.contains(file);
            let word = crate::checks::compose::shell_word(file);
            let mut remedy =
                Remedy::safe("Let git ignore it").run(format!("echo {word} >> .gitignore"));
            if tracked {
                remedy = remedy.run(format!("git rm --cached {word}"));
            }
            let more = if tracked { " It is tracked already." } else { "" };
            ENV_NOT_IGNORED
                .finding(Certainty::Proven, format!("The next `git add` takes {file} in.{more}"))
                .at(Location::line(file, 1))
                .remedy(remedy)
        })
        .collect())
}

fn secret_in_git(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(git) = evidence.surroundings.git.seen()? else { return Ok(vec![]) };
    let level = if evidence.asked.ephemeral { Level::Info } else { Level::Error };
    Ok(git
        .secrets
        .iter()
        .map(|one| {
            SECRET_IN_GIT_RULE
                .finding(
                    Certainty::Proven,
                    format!(
                        "{} stands in {}:{}, and git keeps it: everybody with the repository has it, and later commits do \
                         not take it back.",
                        one.what, one.file, one.line
                    ),
                )
                .level(level)
                .at(Location::line(&one.file, one.line))
                .remedy(
                    Remedy::careful(
                        "Rotate first (a new INSTANCE_SECRET ends every key made with the old one), then take the line out",
                    )
                    .run("openssl rand -hex 32"),
                )
        })
        .collect())
}

fn app_url(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if evidence.selection.url.is_none() || evidence.selection.admin_key.is_none() {
        return Ok(vec![]);
    }
    let answering = evidence
        .endpoint
        .seen()
        .ok()
        .and_then(Option::as_ref)
        .and_then(crate::evidence::EndpointFacts::answering_name);
    Ok(evidence
        .surroundings
        .app_urls
        .iter()
        .filter_map(|app| {
            let host = url::Url::parse(&app.url).ok()?.host_str()?.to_ascii_lowercase();
            let cloud = host.ends_with(".convex.cloud") || host.ends_with(".convex.site");
            let other = app.instance_name.as_deref().zip(answering).is_some_and(|(a, b)| a != b);
            if !cloud && !other {
                return None;
            }
            let what = if cloud { "Convex Cloud" } else { "another instance" };
            Some(
                APP_URL_DIFFERS
                    .finding(
                        Certainty::Proven,
                        format!("{} names {what}, while the CLI works on the self-hosted pair.", app.variable),
                    )
                    .because("names", app.url.clone())
                    .at(Location::line(&app.file, app.line))
                    .remedy(Remedy::safe(format!(
                        "Give {} the self-hosted URL; `npx convex dev` writes it when it gets through",
                        app.variable
                    ))),
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::selection::build::{selected, told};
    use crate::evidence::Observation;
    use crate::evidence::surroundings::{AppUrl, Git, TrackedSecret};

    const PAIR: &str =
        "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=a|01aa\n";

    #[test]
    fn git_is_asked_and_absent_git_is_silent() {
        let mut evidence = selected(PAIR, None, &[]);
        evidence.surroundings.git = Observation::Seen(None);
        assert!(told(not_ignored(&evidence)).is_empty());
        evidence.surroundings.git = Observation::Seen(Some(Git {
            tracked: vec![".env.local".into()],
            not_ignored: vec![".env.local".into(), ".env".into()],
            secrets: vec![TrackedSecret {
                file: ".env.local".into(),
                line: 2,
                what: "the admin key".into(),
            }],
        }));
        assert_eq!(told(not_ignored(&evidence)), ["env-not-ignored warning proven .env.local:1"]);
        assert_eq!(told(secret_in_git(&evidence)), ["secret-in-git error proven .env.local:2"]);
        evidence.surroundings.git = Observation::unavailable("dubious ownership");
        assert_eq!(told(secret_in_git(&evidence)), ["unknown"]);
    }

    #[test]
    fn the_app_is_told_the_cloud() {
        for (url, found) in [("https://a-b-1.convex.cloud", true), ("http://127.0.0.1:3210", false)]
        {
            let mut evidence = selected(PAIR, None, &[]);
            evidence.surroundings.app_urls = vec![AppUrl {
                variable: "NEXT_PUBLIC_CONVEX_URL".into(),
                file: ".env.local".into(),
                line: 3,
                url: url.into(),
                instance_name: None,
            }];
            let expected =
                if found { vec!["app-url-differs warning proven .env.local:3"] } else { vec![] };
            assert_eq!(told(app_url(&evidence)), expected, "{url}");
        }
    }
}
