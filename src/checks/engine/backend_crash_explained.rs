//! The backend's log holds a known line of which no other id speaks: what it means, and what to do
//! about it.

use crate::checks::BACKEND_DOWN;
use crate::checks::Check;
use crate::deployment::log_lines::EXPLAINED;
use crate::deployment::log_lines::log_match;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Finding, Level, Rule};

static BACKEND_CRASH_EXPLAINED: Rule = Rule {
    id: EXPLAINED,
    level: Level::Error,
    title: "the backend's log says why it does not work",
    explain: include_str!("backend-crash-explained.md"),
    is_cause: true,
    causes: BACKEND_DOWN,
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&BACKEND_CRASH_EXPLAINED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    Ok(log_match(evidence, EXPLAINED)?
        .map(|found| found.finding(&BACKEND_CRASH_EXPLAINED))
        .into_iter()
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    const PASSWORD: &str = "ERROR common::errors: Caught error error (x): db error: FATAL: password authentication failed for user \"postgres\"";

    #[test]
    fn a_known_line_counts_where_the_backend_fails() {
        let name = "backend-crash-explained";
        for (case, state, reach, log, expected) in [
            (
                "dead",
                "restarting",
                Some(Reach::Refused),
                vec![PASSWORD],
                vec![format!("{name} error proven")],
            ),
            (
                "up between two deaths",
                "running",
                Some(Reach::Refused),
                vec![PASSWORD],
                vec![format!("{name} error proven")],
            ),
            ("it serves", "running", None, vec![PASSWORD], vec![format!("{name} info possible")]),
            (
                "another id's line",
                "restarting",
                Some(Reach::Refused),
                vec!["Caught error error: missing _tables.by_id global"],
                vec![],
            ),
            (
                "the database went away",
                "running",
                Some(Reach::AnswerTimeout),
                vec!["ERROR postgres::connection: connection error: connection closed"],
                vec![format!("{name} warning possible")],
            ),
        ] {
            let mut evidence = build::healthy();
            if let Some(reach) = reach {
                build::unreachable(&mut evidence, reach);
            }
            let container = build::expected(&mut evidence);
            container.state = state.into();
            container.log = build::log(&log);
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&evidence)), expected, "{case}");
        }
    }

    #[test]
    fn an_unread_log_is_no_pass_unless_the_backend_serves() {
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        build::expected(&mut evidence).state = "exited".into();
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
        build::expected(&mut evidence).state = "running".into();
        evidence.endpoint = Observation::unavailable("x");
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
