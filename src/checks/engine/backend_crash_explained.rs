//! The backend's log contains a known line that no other id explains: what it means, and how to
//! fix it.

use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::log_lines::{EXPLAINED, log_match};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Finding, Level, Rule, Waiting};

static BACKEND_CRASH_EXPLAINED: Rule = Rule::new(
    EXPLAINED,
    Level::Error,
    "the backend's log shows why it fails",
    include_str!("backend-crash-explained.md"),
)
.cause(BACKEND_DOWN)
.waiting(Waiting::IfRestarted);

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
    use crate::evidence::command::{CommandFacts, SaidLine};
    use crate::evidence::endpoint::Reach;
    use crate::report::CliFailure;

    const PASSWORD: &str = "ERROR common::errors: Caught error error (x): db error: FATAL: password authentication failed for user \"postgres\"";

    #[test]
    fn a_known_line_counts_if_the_backend_fails() {
        let name = "backend-crash-explained";
        for (case, state, reach, log, expected) in [
            (
                "crashed",
                "restarting",
                Some(Reach::Refused),
                vec![PASSWORD],
                vec![format!("{name} error proven")],
            ),
            (
                "running between two crashes",
                "running",
                Some(Reach::Refused),
                vec![PASSWORD],
                vec![format!("{name} error proven")],
            ),
            ("it answers", "running", None, vec![PASSWORD], vec![format!("{name} info possible")]),
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
            container.life.state = state.into();
            container.log = build::log(&log);
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&evidence)), expected, "{case}");
        }
    }

    #[test]
    fn an_internal_error_of_the_backend_is_explained_by_its_log() {
        const UPLOAD: &str = "ERROR common::errors: Caught error error (x): Failed to create multipart upload: dns error";
        const OTHER: &str = "ERROR common::errors: Caught error error (x): no such shard";
        const BEACON: &str =
            "ERROR common::errors: Caught error error (x): Beacon coroutine error: dns error";
        let name = "backend-crash-explained";
        let likely = format!("{name} error likely app-backend-1");
        for (case, failure, log, expected) in [
            ("known", Some(CliFailure::Backend), vec![UPLOAD], vec![likely.clone()]),
            ("the upload", Some(CliFailure::FileStorage), vec![UPLOAD], vec![likely.clone()]),
            ("unknown", Some(CliFailure::Backend), vec![OTHER, BEACON], vec![likely]),
            ("noise", Some(CliFailure::Backend), vec![BEACON], vec![]),
            ("another failure", Some(CliFailure::KeyRejected), vec![OTHER], vec![]),
            ("no command", None, vec![OTHER], vec![]),
        ] {
            let mut evidence = build::healthy();
            build::expected(&mut evidence).log = build::log(&log);
            evidence.command = failure.map(|failure| CommandFacts {
                said: vec![SaidLine {
                    text: String::new(),
                    means: String::new(),
                    failure: Some(failure),
                    explained_by: vec![],
                    fails: true,
                }],
                ..CommandFacts::default()
            });
            assert_eq!(build::told(run(&evidence)), expected, "{case}");
        }
    }

    #[test]
    fn an_unread_log_is_not_a_pass_unless_the_backend_answers() {
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        build::expected(&mut evidence).life.state = "exited".into();
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
        build::expected(&mut evidence).life.state = "running".into();
        evidence.endpoint = Observation::unavailable("x");
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
