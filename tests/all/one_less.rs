//! One answer less: each observation of each recorded deployment fails once, by itself. What was
//! found is then never a pass, nothing is surer than before, and nothing is kept that was not.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read reports"
)]

use std::collections::BTreeMap;

use convex_doctor::diagnosis::{Choices, diagnose};
use convex_doctor::evidence::Evidence;
use convex_doctor::report::{Certainty, Fate, Report};
use serde_json::{Value, json};

use crate::scenarios::KEPT;
use crate::support;

/// Whole sources: without the engine, persistence is predicted by the compose file, and says so;
/// without the file, there is no project. `scenarios::less_evidence_never_says_more` has these.
const SOURCES: [&str; 3] = ["/compose", "/docker", "/endpoint"];

/// Why a key is rejected may be known by another answer; this id is what is left without it.
const LEFT: &str = "key-rejected";

/// The pointers to everything in the evidence that was observed.
fn observed(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if map.len() == 1 && map.contains_key("seen") {
                found.push(at.to_owned());
            }
            for (name, value) in map {
                observed(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                observed(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// What the engine's list alone tells of a container, as when the inspection of it fails.
fn listed(container: &Value) -> Value {
    let unseen = || json!({"unavailable": {"reason": "x"}});
    let places = || json!({"process": unseen(), "environment": unseen(), "file": unseen()});
    let mut listed = container.clone();
    let blank = json!({
        "upstream_entrypoint": false, "exit_code": null, "health": null, "oom_killed": false,
        "restarts": 0, "started_at": null, "finished_at": null, "start_error": null,
        "network_mode": null, "addresses": [], "ports": [], "networks": [], "mounts": [],
        "volumes_by_name": [], "data_dir": "", "credentials_dir": "", "uses_sql": false,
        "uses_s3": false, "sql_url": null, "storage_variables": [], "cloud_origin": null,
        "site_origin": null, "health_output": [], "revision": null, "log": unseen(),
        "secret": places(), "instance_name": places(),
    });
    for (name, value) in blank.as_object().unwrap() {
        listed[name] = value.clone();
    }
    listed
}

/// The evidence with each answer failing once, and what failed.
fn all_less(evidence: &Value) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    observed(evidence, "", &mut pointers);
    let fails = |at: String| {
        let mut less = evidence.clone();
        *less.pointer_mut(&at).unwrap() = json!({"unavailable": {"reason": "it failed"}});
        (at, less)
    };
    pointers.retain(|at| !SOURCES.contains(&at.as_str()));
    let mut all: Vec<_> = pointers.into_iter().map(fails).collect();
    let backends = evidence.pointer("/docker/seen/backends").and_then(Value::as_array);
    for (index, container) in backends.into_iter().flatten().enumerate() {
        let mut less = evidence.clone();
        less["docker"]["seen"]["backends"][index] = listed(container);
        all.push((format!("the inspection of {}", container["name"]), less));
    }
    all
}

fn judged(evidence: Value) -> Report {
    let evidence: Evidence = serde_json::from_value(evidence).unwrap();
    diagnose(&convex_doctor::foreign::Admitted::of(&evidence), &Choices::default())
}

/// The highest certainty of each id.
fn certainties(report: &Report) -> BTreeMap<&str, Certainty> {
    let mut found = BTreeMap::new();
    for one in &report.findings {
        let most = found.entry(one.id.as_str()).or_insert(one.certainty);
        *most = one.certainty.max(*most);
    }
    found
}

fn complaints(full: &Report, less: &Report) -> Vec<String> {
    let mut complaints = Vec::new();
    let (before, after) = (certainties(full), certainties(less));
    for (id, _) in before.iter().filter(|(id, _)| less.passed.iter().any(|one| one == *id)) {
        complaints.push(format!("{id} passes"));
    }
    for (id, certainty) in &after {
        match before.get(id) {
            Some(earlier) if certainty > earlier => complaints.push(format!("{id} is surer")),
            None if *certainty == Certainty::Proven
                && *id != LEFT
                && full.passed.iter().any(|one| one == id) =>
            {
                complaints.push(format!("{id} is proven, and passed before"));
            }
            _ => {}
        }
    }
    let kept = |fate: Fate| fate == Fate::Kept;
    for (one, earlier) in less.persistence.iter().zip(&full.persistence) {
        if (kept(one.keys) && !kept(earlier.keys)) || (kept(one.data) && !kept(earlier.data)) {
            complaints.push(format!("{} keeps more: {}", one.id, one.why));
        }
    }
    complaints
}

#[test]
fn an_answer_that_fails_never_says_more() {
    let all = KEPT.iter().flat_map(|kept| {
        let less = all_less(&kept.bundle["evidence"]).into_iter();
        less.map(move |(what, less)| (kept, what, less))
    });
    let all: Vec<_> = all.collect();
    let judgements = all.len();
    let found = support::side_by_side(support::processors(), all, |(kept, what, less)| {
        let said = complaints(&kept.judged, &judged(less)).into_iter();
        let name = &kept.fixture.name;
        said.map(|it| format!("{name}, without {what}: {it}")).collect::<Vec<_>>()
    });
    let found = found.concat();
    assert!(judgements > 1000 || std::env::var_os("SCENARIO").is_some(), "only {judgements}");
    assert!(found.is_empty(), "{} complaints:\n{}", found.len(), found.join("\n"));
}
