//! The effect in one sentence, with which the first screen begins.

use super::summary::{container, endpoint, loses};
use crate::checks::{self, explains};
use crate::deployment::selection::cloud_app_url;
use crate::evidence::Evidence;
use crate::evidence::endpoint::EndpointFacts;
use crate::evidence::selection::SelectionKind;
use crate::names;
use crate::report::{Certainty, CliFailure, Fate, Finding, Operation, Verdict};

/// The effect in one sentence; never the title of a finding, which follows below.
pub(super) fn headline(
    evidence: &Evidence,
    verdict: Verdict,
    first: Option<&Finding>,
    persistence: &[Operation],
) -> String {
    match verdict {
        Verdict::Healthy => match &evidence.selection.url {
            Some(url) => format!("{} accepts your admin key.", url.text),
            None => "The backend accepts your admin key.".to_owned(),
        },
        Verdict::AtRisk => {
            let effect = first.map_or_else(String::new, |first| risk(first, persistence));
            format!("Your key works, but {effect}.")
        }
        Verdict::Broken => broken(evidence, first),
        Verdict::Unknown => unknown(evidence),
    }
}

/// What fails now.
fn broken(evidence: &Evidence, first: Option<&Finding>) -> String {
    let url = evidence.selection.url.as_ref().map(|url| url.text.as_str());
    let endpoint = endpoint(evidence);
    let status = endpoint.and_then(|it| it.key.check_admin_key.seen().ok()).map(|it| it.status);
    let is_node = |first: &Finding| explains(&first.id, CliFailure::NodeTooOld);
    if first.is_some_and(is_node) {
        return "npx convex does not start with this version of Node.".to_owned();
    }
    if status == Some(401) {
        let place = evidence.selection.admin_key_source.as_ref();
        let place = place.map_or_else(String::new, |source| format!(" in {source}"));
        return format!("{} rejects the admin key{place}.", url.unwrap_or("The backend"));
    }
    let Some(first) = first else { return "npx convex fails.".to_owned() };
    if first.certainty == Certainty::Possible {
        return "npx convex fails; the cause is not certain.".to_owned();
    }
    let answers = endpoint.is_some_and(EndpointFacts::is_convex_api);
    match checks::family(&first.id) {
        Some("selection") => "npx convex does not use your self-hosted backend.".to_owned(),
        Some("key_shape") => "The backend will reject this admin key.".to_owned(),
        Some("key") => "npx convex dev and deploy fail with this admin key.".to_owned(),
        Some("endpoint") => {
            let verb = if answers { "use" } else { "reach" };
            let at = url.map_or_else(String::new, |url| format!(" at {url}"));
            format!("npx convex cannot {verb} your backend{at}.")
        }
        _ if answers => "npx convex cannot use your backend.".to_owned(),
        _ => match container(evidence) {
            Some(container) if container.is_restarting() || container.life.restarts > 0 => {
                "Your backend keeps crashing.".to_owned()
            }
            Some(container) if container.is_running() => {
                "Your backend is running, but it does not answer.".to_owned()
            }
            _ => "Your backend is not running.".to_owned(),
        },
    }
}

/// What an error will do to a deployment that works.
fn risk(first: &Finding, persistence: &[Operation]) -> String {
    let family = checks::family(&first.id);
    if first.stops_compose {
        return "no `docker compose` command works".to_owned();
    }
    if family == Some("identity") && explains(&first.id, CliFailure::NoAnswer) {
        return "the backend cannot start again".to_owned();
    }
    if matches!(family, Some("persistence" | "identity"))
        && let Some((one, command)) = loses(persistence)
    {
        return match (one.keys, one.data) {
            (_, Fate::Lost | Fate::Recoverable) => format!("{command} leads to an empty database"),
            _ => format!("{command} ends all admin keys"),
        };
    }
    match family {
        Some("persistence") => "its data is not safe".to_owned(),
        Some("identity" | "selection") => "one of its secrets is exposed".to_owned(),
        _ => "it can fail at any time".to_owned(),
    }
}

/// What a project uses whose key was not tested.
fn unknown(evidence: &Evidence) -> String {
    const DEPLOYMENT: &str = "CONVEX_DEPLOYMENT";
    let selection = &evidence.selection;
    let place = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| {
            let one = selection.definitions(name).iter().find(|one| one.wins && !one.empty)?;
            Some(format!(" ({name} in {})", one.source))
        });
        found.unwrap_or_default()
    };
    if let (SelectionKind::None, Some((name, source))) = (selection.kind, cloud_app_url(evidence)) {
        return format!("This project probably uses Convex Cloud ({name} in {source}).");
    }
    match selection.kind {
        SelectionKind::CloudDeployment => {
            format!("This project uses Convex Cloud{}.", place([DEPLOYMENT, DEPLOYMENT]))
        }
        SelectionKind::CloudDeployKey => {
            let names = ["CONVEX_DEPLOY_KEY", "CONVEX_DEPLOYMENT_TOKEN"];
            format!("This project uses Convex Cloud{}.", place(names))
        }
        SelectionKind::Local => {
            let place = place([DEPLOYMENT, DEPLOYMENT]);
            format!("This project uses a local backend of the Convex CLI{place}.")
        }
        _ if evidence.asked.no_network && selection.kind == SelectionKind::SelfHosted => {
            "The admin key was not tested: --no-network was given.".to_owned()
        }
        SelectionKind::SelfHosted
            if selection.admin_key.is_none() && selection.is_set(names::ADMIN_KEY) =>
        {
            "The admin key was not tested: the command sets it to a value that is not known here."
                .to_owned()
        }
        _ if selection.url.is_none() => {
            "The admin key was not tested: the self-hosted URL and admin key are not set here."
                .to_owned()
        }
        SelectionKind::SelfHosted | SelectionKind::None | SelectionKind::Error => {
            match evidence.endpoint.seen() {
                Err(unseen) => format!("The admin key was not tested: {}.", unseen.reason),
                Ok(_) => "The admin key was not tested.".to_owned(),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::summary::EVERYDAY;
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::endpoint::{Body, Reach};
    use crate::evidence::selection::{UrlFacts, ValueSource};

    type Change<'a> = &'a dyn Fn(&mut Evidence);

    /// The everyday commands with these fates of keys and data.
    pub(in crate::diagnosis) fn operations(fates: [(Fate, Fate); 4]) -> Vec<Operation> {
        let named = EVERYDAY.iter().zip(fates).map(|((id, ..), (keys, data))| Operation {
            id: (*id).to_owned(),
            command: String::new(),
            keys,
            data,
            why: String::new(),
        });
        named.collect()
    }

    #[test]
    fn a_risk_is_the_mildest_command_that_loses_something() {
        use Fate::{Kept, Lost, Unknown};
        let (kept, lost) = ((Kept, Kept), (Lost, Lost));
        let finding = |id: &str| checks::rule(id).unwrap().finding(Certainty::Proven, "");
        let said = |id: &str, fates| risk(&finding(id), &operations(fates));
        let volume = "data-volume-anonymous";
        for (fates, expected) in [
            ([kept, kept, lost, lost], "`docker compose down` leads to an empty database"),
            ([lost, lost, lost, lost], "a restart leads to an empty database"),
            ([kept, (Lost, Kept), lost, lost], "recreating the container ends all admin keys"),
            ([kept, (Kept, Unknown), kept, lost], "its data is not safe"),
        ] {
            assert_eq!(said(volume, fates), expected);
        }
        let safe = [kept, kept, kept, lost];
        assert_eq!(said("secret-public", safe), "one of its secrets is exposed");
        assert_eq!(
            said("secret-in-git", [kept, kept, lost, lost]),
            "one of its secrets is exposed"
        );
        assert_eq!(
            said("secret-invalid", [(Lost, Fate::Recoverable), kept, kept, lost]),
            "the backend cannot start again"
        );
        assert_eq!(said("disk-full", safe), "it can fail at any time");
        assert_eq!(said("compose-invalid", safe), "no `docker compose` command works");
    }

    /// Those that no recorded deployment shows; `tests/screens.rs` has the others.
    #[test]
    fn rare_effects_have_a_sentence_of_their_own() {
        use Verdict::{Broken, Healthy, Unknown};
        let finding =
            |id: &str, certainty| Some(checks::rule(id).unwrap().finding(certainty, String::new()));
        let proven = Certainty::Proven;
        let not_asked = |evidence: &mut Evidence| {
            let source = ValueSource::File { file: ".env.local".to_owned(), line: 1 };
            let text = "http://127.0.0.1:3210".to_owned();
            evidence.selection.url = Some(UrlFacts { text, source });
            evidence.endpoint = build::unseen();
        };
        let cases: &[(Verdict, Option<Finding>, Change<'_>, &str)] = &[
            (Healthy, None, &|_| {}, "The backend accepts your admin key."),
            (Broken, None, &|_| {}, "npx convex fails."),
            (
                Broken,
                finding("key-rejected", Certainty::Possible),
                &|_| {},
                "npx convex fails; the cause is not certain.",
            ),
            (
                Broken,
                finding("node-too-old", proven),
                &|evidence| {
                    build::endpoint(evidence).key.check_admin_key = build::answer(401, Body::Empty);
                },
                "npx convex does not start with this version of Node.",
            ),
            (
                Broken,
                finding("cli-too-old", proven),
                &|evidence| {
                    let endpoint = build::endpoint(evidence);
                    endpoint.route.reach = Reach::Answered;
                    endpoint.server.root = build::answer(200, Body::ConvexRoot);
                },
                "npx convex cannot use your backend.",
            ),
            (
                Unknown,
                None,
                &|evidence| evidence.selection.kind = SelectionKind::CloudDeployKey,
                "This project uses Convex Cloud.",
            ),
            (
                Unknown,
                None,
                &|evidence| {
                    not_asked(evidence);
                    evidence.selection.kind = SelectionKind::SelfHosted;
                },
                "The admin key was not tested: not seen in this test.",
            ),
            (
                Unknown,
                None,
                &|evidence| {
                    not_asked(evidence);
                    evidence.endpoint = build::Seen(None);
                    evidence.selection.kind = SelectionKind::Error;
                },
                "The admin key was not tested.",
            ),
        ];
        for (verdict, first, change, expected) in cases {
            let mut evidence = build::healthy();
            change(&mut evidence);
            assert_eq!(headline(&evidence, *verdict, first.as_ref(), &[]), *expected);
        }
    }
}
