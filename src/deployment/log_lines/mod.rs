//! What a backend's log lines mean: one table of the lines that a backend prints when it crashes,
//! waits, or runs in another way than its operator thinks, and the judgement which of them explains
//! its present state.
//!
//! The texts are those of `convex-local-backend` and `run_backend.sh`, as a backend that was built
//! from source printed them, or as a public report quotes them. An error that ends a start is
//! logged as `Caught error error (…): <chain>`, and its outermost text follows on stderr.

mod known;

use crate::deployment::container::{container_location, run_subject};
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::weight::of_backend_fault;
use crate::evidence::command::CommandFacts;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

use known::UNKNOWN_ERROR;
pub(crate) use known::{EXPLAINED, KNOWN, Known, When};

/// The target of the lines of the access log.
const ACCESS: &str = "convex-cloud-http";

/// A backend that prints this is up: what comes before it is the past.
const UP: &str = "backend listening on";

/// How a backend that exited with 0 came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackendEnd {
    /// It was told to stop (`stop_signal: SIGINT`, as in the official compose file).
    Stopped,
    /// It shut itself down, for example because another backend took over its database.
    Fatal,
}

/// The lines that tell the two apart (docs/facts.md, convex-exit-code).
const ENDS: [(&str, BackendEnd); 2] = [
    ("Received Ctrl-C signal!", BackendEnd::Stopped),
    ("Received a fatal error", BackendEnd::Fatal),
];

/// How the last run of a stopped backend ended, if its exit code is 0 and its log says it. The first
/// of the two lines since it came up counts: what follows is part of shutting down.
pub(crate) fn end(container: &Container) -> Option<BackendEnd> {
    let tail = &container.log.seen().ok()?.tail;
    if !container.is_stopped() || container.life.exit_code != Some(0) {
        return None;
    }
    let own = |line: &&String| !line.contains(ACCESS);
    let since = tail.iter().rposition(|line| own(&line) && line.contains(UP)).unwrap_or(0);
    tail[since..]
        .iter()
        .filter(own)
        .find_map(|line| ENDS.into_iter().find(|(text, _)| line.contains(text)).map(|(_, end)| end))
}

/// [`explanation`] of the container's log; a backend that was told to stop needs none.
pub(crate) fn explanation_of(container: &Container) -> Option<LogRemark<'_>> {
    let log = container.log.seen().ok()?;
    if end(container) == Some(BackendEnd::Stopped) {
        return None;
    }
    explanation(&log.tail)
}

/// Each known line as a backend prints it, what it means, and the id of the finding that it proves.
pub fn examples() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    KNOWN.iter().map(|known| (known.example, known.means, known.id))
}

/// The entry that a line matches.
pub(crate) fn recognise(line: &str) -> Option<&'static Known> {
    // A line of the access log quotes what a client sends.
    if line.contains(ACCESS) {
        return None;
    }
    KNOWN.iter().find(|known| known.holds.iter().all(|text| line.contains(text)))
}

/// A line of a log that is known, and counts now.
pub(crate) struct LogRemark<'a> {
    /// The line.
    pub(crate) line: &'a str,
    /// What it is.
    pub(crate) known: &'static Known,
}

/// What in these last lines explains the state of the backend: its last crash, if it is a known
/// one; otherwise what it waits for, or what of it does not work. A line before the last time it
/// was up, or before a later crash of another kind, is the past.
fn explanation(tail: &[String]) -> Option<LogRemark<'_>> {
    for (at, line) in tail.iter().enumerate().rev() {
        if line.contains(UP) && !line.contains(ACCESS) {
            return None;
        }
        let is_crash = line.contains(CHAIN) || line.contains("panicked at");
        match recognise(line) {
            Some(known) if known.when == When::Ends || known.when == When::Fails => {
                // stderr repeats only the outermost text; the log's own line of the same crash says
                // more.
                let chain = tail[at.saturating_sub(ECHO)..at]
                    .iter()
                    .rev()
                    .find(|earlier| !is_crash && earlier.contains(CHAIN))
                    .and_then(|line| Some(LogRemark { line, known: recognise(line)? }));
                return Some(chain.unwrap_or(LogRemark { line, known }));
            }
            Some(known) if known.when == When::Waits && at + 1 == tail.len() => {
                return Some(LogRemark { line, known });
            }
            _ if is_crash => return None,
            _ => {}
        }
    }
    None
}

/// The line of the log with the whole chain of an error begins with this.
const CHAIN: &str = "Caught error error";

/// At most this many lines are between that line and its repetition on stderr.
const ECHO: usize = 8;

/// The last remark for that id.
pub(crate) fn remark<'a>(tail: &'a [String], id: &str) -> Option<LogRemark<'a>> {
    tail.iter().rev().find_map(|line| {
        let known = recognise(line).filter(|it| it.when == When::Remarks && it.id == id)?;
        Some(LogRemark { line, known })
    })
}

/// What the log of the backend of this run shows for an id.
pub(crate) struct LogMatch<'a> {
    /// The container with that log.
    pub(crate) container: &'a Container,
    /// The line.
    pub(crate) line: &'a str,
    /// What it is.
    pub(crate) known: &'static Known,
    /// How much it weighs here.
    level: Level,
    /// How certainly it explains the failure here.
    certainty: Certainty,
}

impl LogMatch<'_> {
    /// Its finding, with the fixes of the table.
    pub(crate) fn finding(&self, rule: &'static Rule) -> Finding {
        let name = &self.container.name;
        let mut finding = rule
            .finding(self.certainty, self.known.means)
            .level(self.level)
            .showing(self.line.to_owned(), format!("the log of {name}"))
            .at(container_location(self.container));
        for fix in self.known.fixes {
            finding = finding.remedy(Remedy::careful(*fix));
        }
        finding
    }
}

/// What the log of the [`run_subject`] shows for `id`. `Err` if its log was not read and may
/// contain something. Logs are read only if something is wrong, so that of a backend that is
/// running and answers is not needed.
pub(crate) fn log_match<'a>(
    evidence: &'a Evidence,
    id: &str,
) -> Result<Option<LogMatch<'a>>, Unseen> {
    let docker = evidence.docker.seen()?;
    let Some((container, sure)) = run_subject(evidence, docker)? else { return Ok(None) };
    let tail = match container.log.seen() {
        Ok(log) => &log.tail,
        Err(_) if serves(evidence, container)? => return Ok(None),
        Err(unseen) => return Err(unseen),
    };
    let answered_500 = evidence.command.as_ref().is_some_and(CommandFacts::got_internal_error);
    let found = explanation_of(container).filter(|found| found.known.id == id);
    let found = found.or_else(|| remark(tail, id));
    let unknown = || {
        let line = tail.iter().rev().find(|line| line.contains(CHAIN) && !is_noise(line))?;
        Some(LogRemark { line, known: &UNKNOWN_ERROR })
    };
    let found = found.or_else(|| unknown().filter(|it| answered_500 && it.known.id == id));
    let Some(LogRemark { line, known }) = found else { return Ok(None) };
    let (level, weighed) = of_backend_fault(evidence);
    let certainty = sure.min(weighed);
    let (level, certainty) = match known.when {
        When::Fails if answered_500 => (Level::Error, Certainty::Likely),
        // A backend that answers has recovered, or will fail soon: the line alone does not show it.
        When::Ends if serves(evidence, container).unwrap_or(false) => (level, Certainty::Possible),
        When::Ends => (level, certainty),
        When::Waits => (level, certainty.min(Certainty::Likely)),
        // It may work again since then.
        When::Fails => (level.min(Level::Warning), Certainty::Possible),
        When::Remarks => (level.min(Level::Warning), Certainty::Proven),
    };
    Ok(Some(LogMatch { container, line, known, level, certainty }))
}

/// Errors that are logged beside the requests: of the beacon, and of a key that is not valid.
fn is_noise(line: &str) -> bool {
    line.contains(ACCESS) || line.contains("eacon") || line.contains("unauthenticated_error")
}

/// Whether the container is running, and the URL does not contradict that.
fn serves(evidence: &Evidence, container: &Container) -> Result<bool, Unseen> {
    if !container.is_running() || container.is_unhealthy() {
        return Ok(false);
    }
    match selected_endpoint(evidence)? {
        None => Ok(true),
        Some(found) => Ok(found.is_convex_api()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn every_line_is_recognised_as_itself_and_its_id_exists() {
        for known in KNOWN {
            let found = recognise(known.example).unwrap_or_else(|| panic!("{}", known.example));
            assert!(std::ptr::eq(found, known), "{} is taken for {:?}", known.example, found.holds);
            assert!(crate::checks::rule(known.id).is_some(), "{}", known.id);
            assert!(known.means.ends_with('.'), "{}", known.means);
            let generic = known.id == EXPLAINED;
            assert!(!generic || !known.fixes.is_empty(), "{}", known.example);
        }
    }

    #[test]
    fn noise_is_not_a_cause() {
        for noise in [
            "WARN search: TextLiveFlusher died: Search indexes bootstrapping and not yet available for use",
            "ERROR local_backend::beacon: Beacon failed, retrying in 1.5s",
            "Beacon coroutine error: x",
            "Running without a proxy in release mode -- UDF `fetch` requests are unrestricted!",
            "WARN common::errors: Caught unauthenticated_error error (x): The provided admin key was invalid for this instance",
            "INFO convex-cloud-http: [] 127.0.0.1:4 \"GET /x HTTP/1.1\" 404 \"-\" \"No space left on device\" - - 1ms",
            "INFO model::migrations: db metadata version up to date at 128",
        ] {
            assert!(recognise(noise).is_none(), "{noise}");
        }
    }

    #[test]
    fn the_last_crash_counts_and_the_past_does_not() {
        const TLS: &str = "ERROR common::errors: Caught error error (x): error performing TLS handshake: server does not support TLS";
        const OTHER: &str = "ERROR common::errors: Caught error error (x): something new";
        const LEASE: &str = "INFO postgres: attempting to acquire lease";
        for (case, log, expected) in [
            ("a crash and its repetition", lines(&[TLS, "Error: db error"]), Some("sql-tls")),
            (
                "the repetition says less",
                lines(&[TLS, "Error: error performing TLS handshake"]),
                Some("sql-tls"),
            ),
            ("it came up since", lines(&[TLS, "INFO backend listening on 0.0.0.0:3210"]), None),
            ("it crashed in another way since", lines(&[TLS, OTHER]), None),
            ("it crashed in this way since", lines(&[OTHER, TLS]), Some("sql-tls")),
            ("it waits", lines(&[LEASE]), Some("sql-lease-contended")),
            ("it got the lease", lines(&[LEASE, "INFO x: y"]), None),
            (
                "a crash after it was up",
                lines(&["INFO backend listening on x", TLS]),
                Some("sql-tls"),
            ),
            ("nothing known", lines(&["INFO x"]), None),
            ("nothing at all", vec![], None),
        ] {
            let found = explanation(&log).map(|found| found.known.id);
            assert_eq!(found, expected, "{case}");
        }
        let echoed = lines(&[TLS, "Error: error performing TLS handshake"]);
        assert_eq!(explanation(&echoed).unwrap().line, TLS);
    }
}
