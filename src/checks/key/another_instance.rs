//! The key matches a secret, but that of another instance than the one that answers.

use crate::checks::Check;
use crate::deployment::key::{created_day, key_in_words};
use crate::deployment::key_judgement::{KeyFault, key_fault, superseded};
use crate::deployment::selection::{source_in_words, source_location};
use crate::evidence::docker::Container;
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::mint::for_answering;
use crate::report::{Certainty, Finding, FixPolicy, Location, Remedy, Rule, capitalized};

/// The key of another instance.
pub static KEY_FROM_ANOTHER_INSTANCE: Rule =
    rule!("key-from-another-instance", Error, "the key belongs to a different backend")
        .cause(&[])
        .fix(FixPolicy::Named(
            "set the URL to the key's backend, or generate a key for the backend at the URL",
        ));

/// Which backend the key belongs to.
pub static CHECK: Check = Check { rules: &[&KEY_FROM_ANOTHER_INSTANCE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (key, place, claims, certainty) = match key_fault(evidence)? {
        Some(KeyFault::AnotherInstance { key, place, claims, certainty }) => {
            (key, place, claims, certainty)
        }
        Some(other) => return superseded(&other),
        None => return Ok(vec![]),
    };
    let name = match place {
        SecretPlace::Process { container }
        | SecretPlace::Environment { container }
        | SecretPlace::File { container, .. } => Some(container),
        _ => None,
    };
    let owner = name.map_or("a local backend of the Convex CLI (public secret)", |name| name);
    let container = name.and_then(|name| evidence.docker.seen().ok()?.backend(name));
    let selected = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    let url = container.and_then(url_of).filter(|url| {
        selected.is_none_or(|selected| selected.target.url.trim_end_matches('/') != url)
    });
    let at_url = url.as_ref().map_or_else(String::new, |url| format!(" at {url}"));
    let different = match certainty {
        Certainty::Proven => "A different backend answers",
        Certainty::Likely => "A different backend probably answers",
        Certainty::Possible => "A different backend may answer",
    };
    let mut finding = KEY_FROM_ANOTHER_INSTANCE
        .finding(
            certainty,
            format!(
                "{} was generated on {} for {owner}{at_url}. {different} at the URL that the CLI \
                 uses.",
                capitalized(&key_in_words(key)),
                created_day(claims),
            ),
        )
        .because(format!("Matches the secret of {owner}"), source_in_words(&key.source));
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    if let Some(name) = name {
        finding = finding.at(Location::container(name));
    }
    if let Some(url) = url {
        let title = format!("Set CONVEX_SELF_HOSTED_URL to {url}, if you want that backend");
        finding = finding.remedy(Remedy::safe(title));
    }
    let title = "Generate a key for the backend at the URL, if you want that one";
    Ok(vec![finding.remedy(for_answering(evidence, title))])
}

/// Where its API is published on this machine, if it runs on it.
fn url_of(container: &Container) -> Option<String> {
    let port = container.net.ports.iter().find(|port| port.container == 3210)?.host?;
    container.is_running().then(|| format!("http://127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{claims, container, opened, process, secret};
    use crate::evidence::key::Trial;
    use Certainty::{Likely, Proven};

    #[test]
    fn names_the_instance_whose_secret_the_key_matches() {
        let theirs = || opened("theirs", vec![process("other-backend-1")]);
        let public = Trial {
            secret: secret("public"),
            places: vec![SecretPlace::PublicDevelopment],
            opened: Some(claims()),
        };
        for (case, trials, change, expected) in [
            ("another container", vec![theirs()], (|_| {}) as fn(&mut Evidence), Some(Proven)),
            ("a local backend of the CLI", vec![public], |_| {}, Some(Proven)),
            ("it matches no other secret", vec![], |_| {}, None),
            (
                "who answers is not known",
                vec![theirs()],
                |e| build::docker(e).answering = None,
                Some(Likely),
            ),
            (
                "the URL was not asked",
                vec![theirs()],
                |e| e.endpoint = build::unseen(),
                Some(Likely),
            ),
            (
                "the engine was not asked",
                vec![theirs()],
                |e| e.docker = build::unseen(),
                Some(Likely),
            ),
        ] {
            let mut evidence = build::refused(&trials);
            build::docker(&mut evidence).backends.push(container("other", "theirs"));
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    /// As in a healthy deployment without a compose file whose URL was not asked: the key matches
    /// the secret of its own instance.
    #[test]
    fn the_instance_of_the_key_may_be_the_one_that_is_meant() {
        let mut evidence = build::refused(&[opened("theirs", vec![process("other-backend-1")])]);
        let docker = build::docker(&mut evidence);
        docker.backends = vec![container("other", "theirs")];
        (docker.expected, docker.answering) = (None, None);
        assert_eq!(run(&evidence).unwrap()[0].certainty, Likely, "rejected, so it is not");
        evidence.endpoint = build::unseen();
        assert!(run(&evidence).is_err(), "not asked, so it may be");
        evidence.docker = build::unseen();
        assert!(run(&evidence).is_err(), "neither was asked");
    }

    #[test]
    fn silent_when_accepted() {
        let mut evidence = build::healthy();
        evidence.keys = build::refused(&[opened("theirs", vec![process("other-backend-1")])]).keys;
        assert_eq!(run(&evidence), Ok(vec![]));
    }
}
