//! Whether waiting can help: a backend that is starting will answer, a wrong key stays wrong.

use crate::checks;
use crate::evidence::Evidence;
use crate::report::Report;

/// What a caller that would wait should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The key goes through.
    Ready,
    /// It may pass by itself; what is waited for.
    Passing(String),
    /// Waiting cannot help.
    Settled,
}

/// Restarts after which a crash is taken for a loop: a database that comes up late costs a backend
/// one or two.
const LOOP: i64 = 3;

/// Findings that are in the nature of a start.
const PASSING: &[&str] = &[
    "backend-starting",
    "backend-unhealthy",
    "backend-not-created",
    // It may be started there while somebody waits here.
    "docker-other-context",
    "backend-slow",
    "url-refused",
    "url-no-answer",
    "url-timeout",
    "url-dns-failure",
    "url-port-not-published",
    "proxy-error",
];
/// Those of a backend that died: they pass where its restart policy starts it again.
const RESTARTED: &[&str] =
    &["backend-restarting", "backend-crash-explained", "sql-lease-contended"];

/// Judges a report for somebody who waits.
pub fn outlook(evidence: &Evidence, report: &Report) -> Outlook {
    if super::key_goes_through(evidence) {
        return Outlook::Ready;
    }
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let restarts = container.map_or(0, |container| container.restarts);
    let Some(cause) = report.causes.first() else { return Outlook::Settled };
    let waits = container.is_some_and(|container| container.is_created());
    let restarting =
        container.is_some_and(|container| container.is_restarting() || container.restarts > 0);
    let id = cause.id.as_str();
    let passes = PASSING.contains(&id)
        || (RESTARTED.contains(&id) && restarting)
        || (id == "backend-stopped" && (waits || restarting))
        || (checks::family(id) == Some("storage") && restarting);
    if passes && restarts < LOOP { Outlook::Passing(cause.title.clone()) } else { Outlook::Settled }
}
