//! The key against the instance: whether it is accepted, which secret opens it, and whose that is.
//!
//! Speaks of the container that answers at the URL (`answering`). Where nobody knows which one that
//! is, nothing here is above `likely`, and no remedy mints a key anywhere (docs/facts.md,
//! rule-containers). Of the five ids about a refused key exactly one wins: `judgement` decides
//! which.

use super::Check;
use super::minting;
use crate::admin_key::{Claims, Form};
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::endpoint::Body;
use crate::evidence::key::Trial;
use crate::evidence::selection::ValueSource;
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::report::{Certainty, Location, Remedy};
use crate::secret::Fingerprint;

pub mod accepted;
pub mod another_instance;
#[cfg(test)]
pub(crate) mod build;
pub mod detached_volume;
pub mod foreign;
pub mod issued_before;
mod judgement;

pub(crate) use judgement::is_of_detached_volume;

pub mod name_mismatch;
pub mod rejected;
pub mod rights;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &accepted::CHECK,
    &another_instance::CHECK,
    &detached_volume::CHECK,
    &foreign::CHECK,
    &name_mismatch::CHECK,
    &rejected::CHECK,
    &rights::READ_ONLY_CHECK,
    &rights::SYSTEM_CHECK,
    &issued_before::CHECK,
];

/// The key that `npx convex` would use.
pub(crate) fn selected(evidence: &Evidence) -> Option<&KeyFacts> {
    evidence.keys.iter().find(|key| key.selected)
}

/// What `check_admin_key` at the selected URL says to the selected key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// 200.
    Accepted {
        /// `isReadOnly`; `None` where an old backend does not say.
        read_only: Option<bool>,
    },
    /// 403 of a backend before 2026-04 to a read-only key.
    ReadOnly,
    /// 403, as if no key had come: a system key, or a proxy that takes the header away.
    NoAdmin,
    /// 401 BadAdminKey.
    Refused,
    /// Nothing that speaks of the key; why.
    Nothing(String),
}

/// What the URL says to the selected key.
pub(crate) fn said(evidence: &Evidence) -> Said {
    let endpoint = match evidence.endpoint.seen() {
        Ok(Some(endpoint)) => endpoint,
        Ok(None) => return Said::Nothing("no URL is selected".to_owned()),
        Err(unseen) => return Said::Nothing(unseen.reason),
    };
    let answer = match endpoint.check_admin_key.seen() {
        Ok(answer) => answer,
        Err(unseen) => return Said::Nothing(unseen.reason),
    };
    match (answer.status, &answer.body) {
        (200, Body::KeyAccepted { read_only }) => Said::Accepted { read_only: *read_only },
        (401, Body::ConvexError { code, .. }) if code == "BadAdminKey" => Said::Refused,
        (403, Body::ConvexError { code, .. }) if code == "ReadOnlyAdminKey" => Said::ReadOnly,
        (403, Body::ConvexError { code, .. }) if code == "BadDeployKey" => Said::NoAdmin,
        (status, _) => Said::Nothing(format!(
            "{} answered {status} to the key, which says nothing about it",
            endpoint.url
        )),
    }
}

/// Whether the key goes through, with full rights or only to look.
pub(crate) fn is_accepted(evidence: &Evidence) -> bool {
    matches!(said(evidence), Said::Accepted { .. } | Said::ReadOnly)
}

/// Why nothing is missed here though the URL said nothing: the key opens this project's own
/// backend, and bears its name. `None` where it does not, or where the key was refused.
pub(crate) fn fits_unasked(evidence: &Evidence) -> Option<Unseen> {
    let Said::Nothing(reason) = said(evidence) else { return None };
    let key = selected(evidence)?;
    let own = evidence.docker.seen().ok()?.expected()?;
    let claims = trial(key, secret_in_force(own)?.0)?.opened.as_ref()?;
    let name = key.shape.name.as_ref().or(claims.inner_name.as_ref())?;
    let runs_as = own.instance_name.process.seen().ok()?.as_ref()?;
    (name == runs_as).then(|| unseen(reason))
}

/// The container that the key is to open, and how surely.
pub(crate) struct Subject<'a> {
    /// The container.
    pub(crate) container: &'a Container,
    /// How surely it is the one behind the URL.
    pub(crate) certainty: Certainty,
    /// Whether it was only taken for it because this project's backend would be there.
    pub(crate) assumed: bool,
}

/// The answering container; where that is unknown and the URL is of this machine, the expected one,
/// assumed.
pub(crate) fn subject(evidence: &Evidence) -> Option<Subject<'_>> {
    let docker = evidence.docker.seen().ok()?;
    if let Some((container, certainty)) = docker.answering() {
        let differs = docker.expected().is_some_and(|expected| expected.name != container.name);
        let certainty = if differs { certainty.min(Certainty::Likely) } else { certainty };
        return Some(Subject { container, certainty, assumed: false });
    }
    let container = docker.expected().filter(|_| is_local_url(evidence))?;
    Some(Subject { container, certainty: Certainty::Likely, assumed: true })
}

/// Whether the selected URL can lead to a container of this machine's engine: loopback, or not
/// known.
fn is_local_url(evidence: &Evidence) -> bool {
    let seen = evidence.endpoint.seen().ok().and_then(Option::as_ref).map(|e| e.host.clone());
    let typed = || {
        let url = url::Url::parse(&evidence.selection.url.as_ref()?.text).ok()?;
        Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
    };
    match seen.filter(|host| !host.is_empty()).or_else(typed) {
        None => true,
        Some(host) => {
            host == "localhost"
                || host.ends_with(".localhost")
                || host == "host.docker.internal"
                || host
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
        }
    }
}

/// The secret that a container's backend runs with. What its process was given counts; where nobody
/// could look at that, what its environment or else its file holds stands in for it, and then
/// nothing is proven.
pub(crate) fn secret_in_force(container: &Container) -> Option<(&Fingerprint, Certainty)> {
    let of = |state: &'_ Option<SecretState>| state.as_ref().is_some();
    let places = &container.secret;
    if let Ok(state) = places.process.seen()
        && of(state)
    {
        return Some((state.as_ref()?.fingerprint()?, Certainty::Proven));
    }
    [&places.environment, &places.file]
        .into_iter()
        .find_map(|place| place.seen().ok().and_then(Option::as_ref))
        .and_then(SecretState::fingerprint)
        .map(|secret| (secret, Certainty::Likely))
}

/// What came of trying that secret on the key; `None` where it was not tried.
pub(crate) fn trial<'a>(key: &'a KeyFacts, secret: &Fingerprint) -> Option<&'a Trial> {
    key.trials.iter().find(|trial| trial.secret == *secret)
}

/// Whether the text is no whole key at all, which `key_shape` says better.
pub(crate) fn is_no_key(key: &KeyFacts) -> bool {
    let nameless = !key.shape.has_pipe && !key.shape.room_for_name;
    key.shape.form != Form::WellShaped || key.shape.prefix_refused || nameless
}

/// `key ab12cd34`, or `the key` where it has no fingerprint.
pub(crate) fn called(key: &KeyFacts) -> String {
    key.fingerprint.as_ref().map_or_else(|| "the key".to_owned(), |print| format!("key {print}"))
}

/// With a capital letter, to begin a sentence.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Where a value stands, in words.
pub(crate) fn stands(source: &ValueSource) -> String {
    match source {
        ValueSource::File { file, line } => format!("{file}:{line}"),
        ValueSource::Env { env } => format!("${env} of the shell"),
        ValueSource::Flag { flag } => format!("option {flag}"),
    }
}

/// Where a value stands, to look at; an option is no place.
pub(crate) fn location(source: &ValueSource) -> Option<Location> {
    match source {
        ValueSource::File { file, line } => Some(Location::line(file, *line)),
        ValueSource::Env { env } => Some(Location::Environment { env: env.clone() }),
        ValueSource::Flag { .. } => None,
    }
}

/// The UTC day of a moment in seconds since 1970.
pub(crate) fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "a date that no calendar has".to_owned(),
        |at| at.strftime("%Y-%m-%d").to_string(),
    )
}

/// When a key was issued, as a UTC day.
pub(crate) fn issued(claims: &Claims) -> String {
    day(i64::try_from(claims.issued_s).unwrap_or(i64::MAX))
}

/// Mints a key in the container that answers, and says where to put it. Where nobody knows which
/// container that is, it names no command: a key minted in another instance is one more foreign
/// key.
pub(crate) fn mint(evidence: &Evidence, title: &str) -> Remedy {
    let put = selected(evidence).map_or_else(
        || "in .env.local".to_owned(),
        |key| match &key.source {
            ValueSource::File { file, line } => format!("at {file}:{line}"),
            other => format!("in place of {}", stands(other)),
        },
    );
    let title = format!("{title}, and write it as CONVEX_SELF_HOSTED_ADMIN_KEY {put}");
    let subject = subject(evidence).filter(|subject| !subject.assumed);
    minting::remedy(evidence, &title, subject.map(|subject| subject.container))
}

/// The reason for an id that another id outdoes because not enough was seen.
pub(crate) fn unseen(reason: impl Into<String>) -> Unseen {
    Unseen { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::build::{self, closed, container, file, logged, opened, process, unseen, volume};
    use crate::checks::{Outcome, identity, persistence};
    use crate::evidence::Evidence;
    use crate::evidence::docker::LoggedRefusal;
    use crate::evidence::endpoint::EndpointFacts;

    type Take = fn(&mut Evidence);

    /// What the checks of key, identity and persistence come to.
    fn run_ours(evidence: &Evidence) -> Outcome {
        let ours = |id: &str| {
            [super::CHECKS, identity::CHECKS, persistence::CHECKS]
                .concat()
                .iter()
                .any(|check| check.rules.iter().any(|rule| rule.id == id))
        };
        let mut outcome = crate::checks::run_all(evidence);
        outcome.findings.retain(|finding| ours(&finding.id));
        outcome.passed.retain(|id| ours(id));
        outcome.unknown.retain(|unknown| ours(&unknown.id));
        outcome
    }

    /// Deployments with something amiss in each of the three families.
    fn broken() -> Vec<Evidence> {
        let mut renamed =
            build::refused(&[opened("old", vec![file("old-backend-1", Some("old_data"))])]);
        let mut old = container("old", "old");
        old.state = "exited".into();
        build::docker(&mut renamed).backends.push(old);
        build::volumes(&mut renamed).push(volume("old_data", "old", &["old-backend-1"]));

        let mut other = build::refused(&[opened("theirs", vec![process("other-backend-1")])]);
        build::docker(&mut other).backends.push(container("other", "theirs"));

        let mut named_alike = build::refused(&[closed("x", vec![])]);
        build::volumes(&mut named_alike).push(volume("old_data", "old", &[]));

        let mut by_log = build::refused(&[]);
        build::hide_secrets(&mut by_log);
        build::backend(&mut by_log).log = logged(LoggedRefusal::Undecodable);

        let mut no_volume = build::refused(&[]);
        build::service(&mut no_volume).mounts.clear();
        build::backend(&mut no_volume).mounts.clear();

        let mut drifted = build::healthy();
        build::backend(&mut drifted).secret.file = build::Seen(Some(build::valid("next")));
        build::backend(&mut drifted).instance_name.environment =
            build::Seen(Some("re:named".to_owned()));
        vec![renamed, other, named_alike, by_log, no_volume, drifted]
    }

    #[test]
    fn a_healthy_deployment_is_silent() {
        let outcome = run_ours(&build::healthy());
        let found: Vec<_> = outcome.findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(found, Vec::<&str>::new());
        assert!(outcome.unknown.is_empty(), "{:?}", outcome.unknown);
    }

    #[test]
    fn one_id_about_a_refused_key() {
        for evidence in broken().iter().take(5) {
            let about_key = run_ours(evidence)
                .findings
                .iter()
                // Two dates side by side say nothing of why.
                .filter(|finding| finding.id != "key-issued-before-restart")
                .filter(|finding| finding.id.starts_with("key-"))
                .count();
            assert_eq!(about_key, 1);
        }
    }

    #[test]
    fn a_source_less_is_never_a_pass_and_never_more_certain() {
        let takes: [(&str, Take); 7] = [
            ("compose", |e| e.compose = unseen()),
            ("docker", |e| e.docker = unseen()),
            ("endpoint", |e| e.endpoint = unseen()),
            ("endpoint's answers", |e| {
                *build::endpoint(e) =
                    EndpointFacts { host: "127.0.0.1".to_owned(), ..EndpointFacts::default() };
            }),
            ("volumes", |e| build::docker(e).volumes = unseen()),
            ("secrets", build::hide_secrets),
            ("who answers", |e| build::docker(e).answering = None),
        ];
        for (index, whole) in broken().into_iter().enumerate() {
            let before = run_ours(&whole);
            assert!(!before.findings.is_empty(), "{index}");
            for (source, take) in takes {
                let mut less = whole.clone();
                take(&mut less);
                let after = run_ours(&less);
                for finding in &before.findings {
                    assert!(
                        !after.passed.contains(&finding.id),
                        "{index} without {source}: {} passes",
                        finding.id
                    );
                    let more = after.findings.iter().find(|other| {
                        other.id == finding.id && other.certainty > finding.certainty
                    });
                    assert!(more.is_none(), "{index} without {source}: {more:?}");
                }
            }
        }
    }
}
