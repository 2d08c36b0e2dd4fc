//! JUnit XML, through the library that nextest writes it with: one suite, one test case per id that
//! was judged.
//!
//! It agrees with the exit code: an id fails where it has a finding at or above `--fail-on`. One
//! with milder findings passes and carries them in its `system-out`. An id that could not be
//! judged, or all of whose findings are suppressed, is skipped with the reason.

use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::machine;
use crate::report::{Finding, Level, Report, Suppressed};

/// The report; `fail_from` is the level from which a finding fails the run, `None` if none does.
pub fn render(report: &Report, fail_from: Option<Level>) -> String {
    let mut suite = TestSuite::new("convex-doctor");
    suite.set_time(Duration::from_millis(report.summary.elapsed_ms));
    let mut done: Vec<&str> = Vec::new();
    for finding in &report.findings {
        let id = finding.id.as_str();
        if done.contains(&id) {
            continue;
        }
        done.push(id);
        let found: Vec<&Finding> = report.findings.iter().filter(|one| one.id == id).collect();
        suite.add_test_case(of_findings(id, &found, &suppressed(report, id), fail_from));
    }
    for one in &report.suppressed {
        if !done.contains(&one.id.as_str()) {
            done.push(&one.id);
            let reasons: Vec<String> =
                suppressed(report, &one.id).into_iter().map(machine::excuse).collect();
            suite.add_test_case(skipped(&one.id, &format!("suppressed: {}", reasons.join("; "))));
        }
    }
    for unknown in &report.unknown {
        if !done.contains(&unknown.id.as_str()) {
            done.push(&unknown.id);
            suite.add_test_case(skipped(&unknown.id, &format!("not checked: {}", unknown.reason)));
        }
    }
    for id in &report.passed {
        suite.add_test_case(case(id, TestCaseStatus::success()));
    }
    let mut all = quick_junit::Report::new("convex-doctor");
    all.set_time(Duration::from_millis(report.summary.elapsed_ms)).add_test_suite(suite);
    all.to_string().expect("memory takes every byte")
}

fn suppressed<'a>(report: &'a Report, id: &str) -> Vec<&'a Suppressed> {
    report.suppressed.iter().filter(|one| one.id == id).collect()
}

fn of_findings(
    id: &str,
    found: &[&Finding],
    suppressed: &[&Suppressed],
    fail_from: Option<Level>,
) -> TestCase {
    let fails = found.iter().find(|finding| fail_from.is_some_and(|level| finding.level >= level));
    let mut status = match fails {
        Some(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        None => TestCaseStatus::success(),
    };
    let mut text: Vec<String> = found
        .iter()
        .map(|finding| {
            format!(
                "{}, {}: {}\n{}",
                finding.level,
                finding.certainty,
                machine::message(finding),
                machine::particulars(finding)
            )
        })
        .collect();
    text.extend(suppressed.iter().map(|one| {
        format!("suppressed, {}: {}", machine::excuse(one), machine::message(&one.finding))
    }));
    let text = xml(&text.join("\n\n"));
    if let Some(finding) = fails {
        status
            .set_type(finding.level.to_string())
            .set_message(xml(&machine::clean(&machine::message(finding))))
            .set_description(text);
        return case(id, status);
    }
    let mut case = case(id, status);
    case.set_system_out(text);
    case
}

fn skipped(id: &str, reason: &str) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(xml(&machine::clean(reason)));
    case(id, status)
}

fn case(id: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(id, status);
    case.set_classname("convex-doctor");
    case
}

/// Two characters that XML does not know and the library lets through.
fn xml(text: &str) -> String {
    text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}
