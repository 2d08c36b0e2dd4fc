//! The selected key: what the backend answers to it, and what is known about the key itself.

use crate::admin_key::{Claims, Form};
use crate::deployment::container::running_secret;
use crate::evidence::endpoint::{Answer, Body};
use crate::evidence::key::Trial;
use crate::evidence::selection::SelectionKind;
use crate::evidence::{EndpointFacts, Evidence, KeyFacts, Unseen};
use crate::secret::Fingerprint;

/// The key that `npx convex` would use.
pub(crate) fn selected_key(evidence: &Evidence) -> Option<&KeyFacts> {
    evidence.keys.iter().find(|key| key.selected)
}

/// What `check_admin_key` at the selected URL answers to the selected key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyAnswer {
    /// 200.
    Accepted {
        /// `isReadOnly`; `None` from an old backend, which does not say.
        read_only: Option<bool>,
    },
    /// 403 of a backend before 2026-04 to a read-only key.
    ReadOnly,
    /// 403, as if no key had arrived: a system key, or a proxy that removes the header.
    NotAdmin,
    /// 401 BadAdminKey.
    Rejected,
    /// It does not show whether the key is right.
    Untested {
        /// Why.
        reason: String,
        /// Whether the answer was a 401 all the same, of a proxy for example.
        unauthorized: bool,
    },
}

impl KeyAnswer {
    /// The answer at this URL.
    pub(crate) fn of(endpoint: &EndpointFacts) -> Self {
        match endpoint.key.check_admin_key.seen() {
            Ok(answer) => Self::read(endpoint, answer),
            Err(unseen) => Self::untested(unseen.reason),
        }
    }

    fn read(endpoint: &EndpointFacts, answer: &Answer) -> Self {
        match (answer.status, &answer.body, answer.code()) {
            (200, Body::KeyAccepted { read_only }, _) => Self::Accepted { read_only: *read_only },
            (401, _, Some("BadAdminKey")) => Self::Rejected,
            (403, _, Some("ReadOnlyAdminKey")) => Self::ReadOnly,
            (403, _, Some("BadDeployKey")) => Self::NotAdmin,
            (status, ..) => Self::Untested {
                reason: format!(
                    "{} answered {status}, which does not show whether the key is right",
                    endpoint.target.url
                ),
                unauthorized: status == 401,
            },
        }
    }

    /// The key was not tested, for this reason.
    pub(crate) fn untested(reason: impl Into<String>) -> Self {
        Self::Untested { reason: reason.into(), unauthorized: false }
    }
}

/// What the selected URL answers to the selected key.
pub(crate) fn key_answer(evidence: &Evidence) -> KeyAnswer {
    match evidence.endpoint.seen() {
        Ok(Some(endpoint)) => KeyAnswer::of(endpoint),
        Ok(None) => KeyAnswer::untested("no URL is set"),
        Err(unseen) => KeyAnswer::untested(unseen.reason),
    }
}

/// Whether the backend accepts the key, with full rights or read-only.
pub(crate) fn key_is_accepted(evidence: &Evidence) -> bool {
    matches!(key_answer(evidence), KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly)
}

/// Whether the backend rejects the key as one that it cannot read.
pub(crate) fn key_is_rejected(evidence: &Evidence) -> bool {
    key_answer(evidence) == KeyAnswer::Rejected
}

/// Whether the request with the key was answered 401, by the backend or a proxy.
pub(crate) fn is_unauthorized(evidence: &Evidence) -> bool {
    matches!(
        key_answer(evidence),
        KeyAnswer::Rejected | KeyAnswer::Untested { unauthorized: true, .. }
    )
}

/// Whether a call that needs the key succeeded: check_admin_key, or the CLI's own first call, which
/// also takes system keys.
pub(crate) fn key_goes_through(evidence: &Evidence) -> bool {
    let first_call = |endpoint: &EndpointFacts| {
        let urls = |body: &Body| matches!(body, Body::CanonicalUrls { .. });
        endpoint.key.first_call.seen().is_ok_and(|it| it.status == 200 && urls(&it.body))
    };
    matches!(key_answer(evidence), KeyAnswer::Accepted { .. })
        || matches!(evidence.endpoint.seen(), Ok(Some(endpoint)) if first_call(endpoint))
}

/// The 200 rule (docs/facts.md, rule-200): the CLI would use this URL and key, and its own first
/// call and check_admin_key accept them, with full rights. Whatever else is odd, the CLI works now.
pub(crate) fn cli_works(evidence: &Evidence) -> bool {
    let accepted =
        matches!(key_answer(evidence), KeyAnswer::Accepted { read_only: None | Some(false) });
    let called = || {
        let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
        endpoint.is_some_and(|it| it.key.first_call.seen().is_ok_and(|answer| answer.status == 200))
    };
    evidence.selection.kind == SelectionKind::SelfHosted && accepted && called()
}

/// Why nothing is wrong although the URL did not answer about the key: the key matches the secret
/// of this project's own backend, and has its name. `None` if it does not, or if the URL answered.
pub(crate) fn fits_untested(evidence: &Evidence) -> Option<Unseen> {
    let KeyAnswer::Untested { reason, .. } = key_answer(evidence) else { return None };
    let key = selected_key(evidence)?;
    let own = evidence.docker.seen().ok()?.expected()?;
    let claims = trial_of(key, running_secret(own)?.0)?.opened.as_ref()?;
    let name = key.shape.name.as_ref().or(claims.inner_name.as_ref())?;
    let runs_as = own.instance_name.process.seen().ok()?.as_ref()?;
    (name == runs_as).then(|| Unseen::new(reason))
}

/// The trial of that secret on the key; `None` if it was not tried.
pub(crate) fn trial_of<'a>(key: &'a KeyFacts, secret: &Fingerprint) -> Option<&'a Trial> {
    key.trials.iter().find(|trial| trial.secret == *secret)
}

/// Whether the text is not a whole key, which the family `key_shape` reports.
pub(crate) fn is_not_a_key(key: &KeyFacts) -> bool {
    let without_name = !key.shape.has_pipe && !key.shape.room_for_name;
    key.shape.form != Form::WellShaped || key.shape.prefix_refused || without_name
}

/// `key ab12cd34`, or `the key` if it has no fingerprint.
pub(crate) fn key_in_words(key: &KeyFacts) -> String {
    key.fingerprint.as_ref().map_or_else(|| "the key".to_owned(), |print| format!("key {print}"))
}

/// A moment in seconds since 1970, to the minute, in UTC.
pub(crate) fn utc_minute(seconds: i64) -> String {
    utc(seconds, "%Y-%m-%d %H:%M UTC")
}

/// The UTC day of a moment in seconds since 1970.
pub(crate) fn utc_day(seconds: i64) -> String {
    utc(seconds, "%Y-%m-%d")
}

fn utc(seconds: i64, format: &str) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "an invalid date".to_owned(), |at| at.strftime(format).to_string())
}

/// When a key was created, as a UTC day.
pub(crate) fn created_day(claims: &Claims) -> String {
    utc_day(i64::try_from(claims.issued_s).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn accepted_needs_both_answers() {
        let mut evidence = build::healthy();
        assert!(cli_works(&evidence));
        build::endpoint(&mut evidence).key.first_call = build::answer(404, Body::Empty);
        assert!(!cli_works(&evidence));
    }
}
