//! Whether waiting can help: a backend that is starting will answer, a wrong key stays wrong.

use crate::checks;
use crate::deployment::key::key_goes_through;
use crate::evidence::Evidence;
use crate::report::{Report, Waiting};

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

/// Judges a report for a caller that waits.
pub fn outlook(evidence: &Evidence, report: &Report) -> Outlook {
    if key_goes_through(evidence) {
        return Outlook::Ready;
    }
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let restarts = container.map_or(0, |container| container.life.restarts);
    let Some(cause) = report.causes.first() else { return Outlook::Settled };
    let waits = container.is_some_and(super::super::evidence::docker::Container::is_created);
    let restarting =
        container.is_some_and(|container| container.is_restarting() || container.life.restarts > 0);
    let passes = match checks::waiting(&cause.id) {
        Waiting::Passes => true,
        Waiting::IfRestarted => restarting,
        Waiting::IfNewOrRestarted => waits || restarting,
        Waiting::Never | Waiting::Family => false,
    };
    if passes && restarts < LOOP { Outlook::Passing(cause.title.clone()) } else { Outlook::Settled }
}
