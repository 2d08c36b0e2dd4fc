//! Whether waiting can help: a backend that is starting will answer, a wrong key stays wrong.

use crate::checks;
use crate::deployment::key::key_goes_through;
use crate::evidence::Evidence;
use crate::evidence::docker::Container;
use crate::evidence::endpoint::EndpointFacts;
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
    let waits = container.is_some_and(Container::is_created);
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

/// Whether the container that Compose would run has a process, is not in a loop of crashes, and
/// nothing answers at the URL. Right after it was started that is a start, whatever else is found.
pub fn runs_in_silence(evidence: &Evidence) -> bool {
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    container.is_some_and(|it| it.is_running() && it.life.restarts < LOOP)
        && !endpoint.is_some_and(EndpointFacts::is_convex_api)
}
