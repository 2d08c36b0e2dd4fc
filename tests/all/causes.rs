//! The graph of causes (`Rule::causes`) against what really happens: for each edge, a fixture in
//! which the consequence is folded under the cause, and one in which it stands alone. An edge
//! without either stands in a table below, which must shrink.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files and start the binary"
)]

mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::scenarios::KEPT;
use crate::support::{self, Fixture, Told as _};
use serde_json::Value;

/// Edges that no fixture shows folded yet, by their cause, and why.
const NOT_FOLDED: &[(&str, &[&str], &str)] = &[
    ("url-loopback-in-container", &["url-refused"], "only where the tests run in a container"),
    ("http-proxy-intercepts", &["url-tls-failure"], "the recorded world speaks no TLS"),
    (
        "http-proxy-intercepts",
        &["url-is-not-convex", "url-redirects"],
        "an answer came through the proxy, so that what answers is proven and the proxy only likely",
    ),
];

/// Consequences that no fixture shows alone, and why.
const NEVER_ALONE: &[(&str, &str)] = &[
    ("url-tls-failure", "the recorded world speaks no TLS"),
    (
        "sql-without-secret-persistence",
        "nothing durable holds the credentials, which is always an id of its own",
    ),
];

/// So many fixtures are played at a time.
const SIDE_BY_SIDE: usize = 4;

/// Each run: the fixture, what was left out, the report.
static RUNS: LazyLock<Vec<(String, &'static str, Value)>> = LazyLock::new(|| {
    let variants =
        variants::all().map(|(base, name, _, changes)| Fixture::variant(base, name, changes));
    let is_whole = std::env::var_os("SCENARIO").is_none();
    let variants: Vec<Fixture> = variants.filter(|_| is_whole).collect();
    let played = support::side_by_side(SIDE_BY_SIDE, variants, |fixture| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reports = runtime.block_on(support::reports(&fixture)).into_iter();
        reports.map(|(what, report)| (fixture.name.clone(), what, report)).collect::<Vec<_>>()
    });
    let mut all = played.concat();
    // The fixtures themselves have been played already.
    for kept in KEPT.iter() {
        let less = kept.less();
        let without_docker = less.iter().find(|one| one.what == "without Docker").unwrap().report;
        for (what, report) in [("whole", kept.report()), ("without Docker", without_docker)] {
            all.push((kept.fixture.name.clone(), what, report.clone()));
        }
    }
    all
});

/// Every edge of the graph: a cause and one of its direct consequences.
fn edges() -> impl Iterator<Item = (&'static str, &'static str)> {
    convex_doctor::checks::rules().flat_map(|rule| rule.causes.iter().map(|to| (rule.id, *to)))
}

fn id(one: &Value) -> &str {
    one["id"].as_str().unwrap()
}

/// The root causes of a run with what each explains.
fn roots(report: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    let causes = report["causes"].as_array().unwrap().iter();
    causes
        .map(|root| {
            let explains = root["explains"].as_array().unwrap().iter();
            (id(root), explains.map(|one| one.as_str().unwrap()).collect())
        })
        .collect()
}

fn is_found(report: &Value, wanted: &str) -> bool {
    report["findings"].as_array().unwrap().iter().any(|finding| id(finding) == wanted)
}

#[test]
fn every_edge_folds_somewhere() {
    let mut complaints = Vec::new();
    for (cause, effect) in edges() {
        let shown = RUNS.iter().any(|(_, _, report)| {
            roots(report).get(cause).is_some_and(|explains| explains.contains(effect))
        });
        let excused = NOT_FOLDED.iter().any(|(from, to, _)| *from == cause && to.contains(&effect));
        match (shown, excused) {
            (false, false) => complaints.push(format!("{cause} -> {effect}: never folded")),
            (true, true) => complaints.push(format!("{cause} -> {effect}: needs no excuse")),
            _ => {}
        }
    }
    for (cause, effects, _) in NOT_FOLDED {
        for effect in effects.iter().filter(|effect| !edges().any(|it| it == (cause, **effect))) {
            complaints.push(format!("{cause} -> {effect}: no such edge"));
        }
    }
    none(&complaints);
}

#[test]
fn every_consequence_stands_alone_somewhere() {
    let mut complaints = Vec::new();
    for (cause, effect) in edges() {
        let alone = RUNS
            .iter()
            .any(|(_, _, report)| roots(report).contains_key(effect) && !is_found(report, cause));
        let excused = NEVER_ALONE.iter().any(|(id, _)| *id == effect);
        match (alone, excused) {
            (false, false) => complaints.push(format!("{effect}: never alone (of {cause})")),
            (true, true) => complaints.push(format!("{effect}: needs no excuse (of {cause})")),
            _ => {}
        }
    }
    none(&complaints);
}

/// Only an error of a rule that is a cause competes for the top: an edge from or to another one
/// folds nothing, ever.
#[test]
fn edges_join_causes() {
    let rule = |id| convex_doctor::checks::rule(id).unwrap();
    let idle: Vec<String> = edges()
        .filter(|(cause, effect)| !rule(*cause).is_cause || !rule(*effect).is_cause)
        .map(|(cause, effect)| format!("{cause} -> {effect}"))
        .collect();
    none(&idle);
    for rule in convex_doctor::checks::rules() {
        let distinct: BTreeSet<_> = rule.causes.iter().collect();
        assert_eq!(distinct.len(), rule.causes.len(), "{} names one twice", rule.id);
    }
}

/// Several things wrong at once: the first cause is the true one, and what follows from it is told
/// with it.
#[test]
fn the_first_cause_of_several_faults_is_the_root() {
    let mut complaints = Vec::new();
    for (base, what, first, _) in variants::all() {
        let name = format!("{base}, {what}");
        let runs = || RUNS.iter().filter(|(run, ..)| *run == name);
        let found = runs().find(|(_, what, _)| *what == "whole").map(|(.., report)| report);
        let cause = found.and_then(|report| report["causes"].get(0)).map(id);
        if cause != Some(*first) {
            complaints.push(format!("{name}: {cause:?} comes first, not {first}"));
        }
        if !runs().any(|(.., report)| roots(report).values().any(|folded| !folded.is_empty())) {
            complaints.push(format!("{name}: folds nothing, and so shows no edge"));
        }
    }
    for (name, _, report) in RUNS.iter() {
        let ids: Vec<&str> = report["causes"].as_array().unwrap().iter().map(id).collect();
        if ids.len() > 3 {
            complaints.push(format!("{name}: {} root causes: {ids:?}", ids.len()));
        }
    }
    none(&complaints);
}

/// What is folded is not told again, so the first cause has to say what becomes of a key that is
/// refused for good.
#[test]
fn a_refused_key_under_a_lost_volume_is_still_minted_anew() {
    let loses = |id: &str| id.starts_with("data-") || id == "credentials-outside-volume";
    let mut judged = 0;
    for (name, what, report) in RUNS.iter() {
        for root in report["causes"].as_array().unwrap() {
            if !loses(id(root)) || !root["explains"].to_string().contains("key-") {
                continue;
            }
            judged += 1;
            let remedies = root["remedies"].to_string();
            assert!(
                remedies.contains("key mint --write") || remedies.contains("generate_admin_key"),
                "{name}, {what}: {remedies}"
            );
        }
    }
    assert!(judged > 5 || std::env::var_os("SCENARIO").is_some(), "{judged}");
}

/// Fails with every complaint at once.
fn none(complaints: &[String]) {
    if std::env::var_os("SCENARIO").is_none() {
        assert!(
            complaints.is_empty(),
            "{} complaints:\n{}",
            complaints.len(),
            complaints.join("\n")
        );
    }
}
