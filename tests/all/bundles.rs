//! Bundles: what a live run says, its bundle says elsewhere; and what older versions wrote is still
//! read.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files and start the binary"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use convex_doctor::bundle::{self, Bundle};
use convex_doctor::diagnosis::{Choices, diagnose};
use convex_doctor::evidence::Evidence;
use convex_doctor::foreign::Admitted;
use convex_doctor::render::{Detail, Screen, json, text};
use convex_doctor::report::Report;
use serde_json::{Value, json};

use crate::scenarios::{KEPT, PLAYED};
use crate::support::Told as _;

fn judged(bundle: &Bundle) -> Report {
    diagnose(&bundle.evidence, &Choices::default())
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Every fixture's live report, read back and judged again, is that report to the last byte.
#[test]
fn a_live_run_is_the_replay_of_its_bundle() {
    let mut complaints = Vec::new();
    for played in PLAYED.iter() {
        let name = &played.fixture.name;
        let live = bundle::read(&played.main.stdout).unwrap();
        // A key that is a word of our own texts is cut out of them at the door.
        let without_texts = |report: &str| {
            let mut report = parsed(report);
            report["rules"].take();
            serde_json::to_string_pretty(&report).unwrap()
        };
        let again = without_texts(&json::render(&judged(&live)));
        let said = without_texts(&played.main.stdout);
        if again != said {
            let first = again.lines().zip(said.lines()).find(|(one, other)| one != other);
            complaints.push(format!("{name}: the report of the report is another: {first:?}"));
        }
        let written = bundle::read(&bundle::write(&live.evidence, false)).unwrap();
        if written.evidence != live.evidence {
            complaints.push(format!("{name}: the bundle holds something else"));
        }
        let secret =
            |text: &str| played.secrets.iter().any(|secret| text.contains(secret.as_str()));
        if secret(&bundle::write(&live.evidence, false)) {
            complaints.push(format!("{name}: a secret is in the bundle"));
        }
        if !bundle::difference(&live.evidence, &written.evidence).is_empty() {
            complaints.push(format!("{name}: differs from itself"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// An evidence without its names: what is written of it, what is made of that, and its first screen.
fn anonymous(evidence: &Admitted<Evidence>) -> (String, Report, String, Vec<String>) {
    let screen = Screen { width: 80, detail: Detail::Normal, ascii: false, links: false };
    let (anonymous, names) = bundle::anonymize(evidence);
    let text = bundle::write(&anonymous, true);
    let report = judged(&bundle::read(&text).unwrap());
    let page = text::render(&report, screen);
    let Value::Object(table) = serde_json::to_value(&names).unwrap() else { panic!("a table") };
    (text, report, page, table.into_iter().map(|(name, _)| name).collect())
}

/// The places of a name in a text: as a word, or where Compose adds something to it.
fn places_of(name: &str, text: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let places = text.match_indices(name).map(|(at, _)| at);
    let is_whole = |at: &usize| {
        !text[..*at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part)
    };
    places.filter(is_whole).collect()
}

/// Another name wherever this one is.
fn rename(value: &mut Value, name: &str, other: &str) {
    match value {
        Value::String(text) => {
            for at in places_of(name, text).into_iter().rev() {
                text.replace_range(at..at + name.len(), other);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| rename(one, name, other)),
        Value::Object(map) => map.values_mut().for_each(|one| rename(one, name, other)),
        _ => {}
    }
}

/// Without the names of its owner a deployment is judged the same. A name that is a word of ours as
/// well, such as `other`, is looked for once more under one that is not.
#[test]
fn what_is_anonymous_is_judged_the_same() {
    let mut complaints = Vec::new();
    for kept in KEPT.iter() {
        let name = &kept.fixture.name;
        let (text, is, page, names) = anonymous(&kept.evidence);
        let ids = |report: &Report| {
            let found = report.findings.iter();
            let mut ids: Vec<_> =
                found.map(|it| format!("{} {} {}", it.id, it.level, it.certainty)).collect();
            ids.sort();
            ids
        };
        let (was_found, is_found) = (ids(&kept.judged), ids(&is));
        if kept.judged.verdict != is.verdict || was_found != is_found {
            complaints.push(format!("{name}: {was_found:?} became {is_found:?}"));
        }
        let is_shown = |hidden: &String| {
            !places_of(hidden, &text).is_empty() || !places_of(hidden, &page).is_empty()
        };
        for hidden in names.iter().filter(|hidden| is_shown(hidden)) {
            let mut renamed = kept.bundle["evidence"].clone();
            let other = format!("zq{hidden}");
            rename(&mut renamed, hidden, &other);
            assert!(renamed.to_string().contains(&other), "{name}: {hidden} is nowhere");
            let renamed = bundle::read(&json!({ "evidence": renamed }).to_string()).unwrap();
            let (text, _, page, _) = anonymous(&renamed.evidence);
            for (what, text) in [("the bundle", text), ("the first screen", page)] {
                if text.contains(&other) {
                    complaints.push(format!("{name}: {hidden} is still in {what}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The kept bundles.
fn places() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bundles");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// One of them, of a broken deployment.
fn broken() -> PathBuf {
    places().into_iter().find(|path| path.ends_with("0.1.0-key-foreign.json")).unwrap()
}

fn doctor(arguments: &[&str], input: Option<&str>) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(arguments)
        .env_clear()
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that does not read its input ends before all of it is written.
    let _ended = stdin.write_all(input.unwrap_or_default().as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Writes what this version says of some fixtures, where that is not kept yet: what an older version
/// wrote stays.
fn write_missing() {
    let kept = [
        "healthy-no-docker",
        "key-foreign",
        "key-name-mismatch",
        "data-volume-anonymous",
        "url-port-not-published",
        "several-renamed-and-detached",
    ];
    for one in KEPT.iter().filter(|one| kept.contains(&one.fixture.name.as_str())) {
        let name = format!("{}-{}.json", env!("CARGO_PKG_VERSION"), one.fixture.name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bundles");
        if root.join(&name).exists() {
            continue;
        }
        let mut written = parsed(&bundle::write(&one.evidence, false));
        let causes = one.judged.causes.iter().map(|cause| json!(cause.id)).collect();
        written["causes"] = Value::Array(causes);
        std::fs::write(root.join(name), serde_json::to_string_pretty(&written).unwrap() + "\n")
            .unwrap();
    }
}

/// What each version wrote is judged by this one as by that: its causes stand in it.
#[test]
fn bundles_of_older_versions_are_read() {
    if std::env::var_os("UPDATE").is_some() {
        write_missing();
    }
    assert!(!places().is_empty());
    for path in places() {
        let text = std::fs::read_to_string(&path).unwrap();
        let known = parsed(&text);
        let bundle = bundle::read(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(!bundle.is_newer, "{path:?}");
        let report = judged(&bundle);
        let causes: Vec<&str> = report.causes.iter().map(|cause| cause.id.as_str()).collect();
        assert_eq!(json!(causes), known["causes"], "{path:?}");
    }
}

#[test]
fn replay_reads_a_file_the_input_and_a_thread() {
    let path = &broken();
    let text = std::fs::read_to_string(path).unwrap();
    let by_file = doctor(&["replay", path.to_str().unwrap()], None);
    let by_input = doctor(&["replay", "-"], Some(&text));
    let thread = format!("> it fails since yesterday\n```json\n{text}\n```\nany idea?");
    let by_thread = doctor(&["replay", "-"], Some(&thread));
    assert_eq!(by_file.status.code(), Some(1), "{by_file:?}");
    assert!(String::from_utf8_lossy(&by_file.stdout).starts_with("BROKEN"), "{by_file:?}");
    assert_eq!(by_file.stdout, by_input.stdout);
    assert_eq!(by_file.stdout, by_thread.stdout);

    let refused = doctor(&["replay", "-"], Some("what is wrong?"));
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("it does not contain a bundle"), "{said}");
    let missing = doctor(&["replay", "/nowhere/bundle.json"], None);
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn a_newer_bundle_is_read_with_a_note() {
    let text = std::fs::read_to_string(broken()).unwrap();
    let mut newer = parsed(&text);
    newer["bundle_version"] = json!(2);
    newer["tool"]["version"] = json!("9.9.9");
    newer["evidence"]["moon"] = json!("full");
    let read = doctor(&["replay", "-", "--format", "json"], Some(&newer.to_string()));
    let said = String::from_utf8_lossy(&read.stderr).into_owned();
    assert!(said.contains("was written by convex-doctor 9.9.9"), "{said}");
    let report = parsed(&String::from_utf8(read.stdout).unwrap());
    assert_eq!(report["evidence"]["moon"], "full");
    assert_eq!(report["causes"][0]["id"], newer["causes"][0]);
}

/// The first line of the page, and the change that it is to name.
type Expected = (&'static str, Box<dyn Fn(&mut Value)>);

#[test]
fn diff_names_what_changed_first() {
    let place = tempfile::tempdir().unwrap();
    let healthy = KEPT.iter().find(|one| one.fixture.name == "healthy").unwrap();
    let old = place.path().join("old.json");
    std::fs::write(&old, healthy.page("json").as_bytes()).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut report = healthy.report().clone();
        change(&mut report["evidence"]);
        let new = place.path().join("new.json");
        std::fs::write(&new, report.to_string()).unwrap();
        let ended = doctor(&["diff", old.to_str().unwrap(), new.to_str().unwrap()], None);
        let page = String::from_utf8(ended.stdout).unwrap();
        (ended.status.code(), page.lines().next().unwrap_or_default().to_owned())
    };
    let (code, first) = changed(&|_| {});
    assert_eq!(code, Some(0));
    assert!(first.starts_with("Nothing changed"), "{first}");
    let backend = |evidence: &mut Value, path: &str, value: Value| {
        *evidence.pointer_mut(&format!("/docker/seen/backends/0/{path}")).unwrap() = value;
    };
    let cases: Vec<Expected> = vec![
        (
            "compose project: app → shop",
            Box::new(move |it| {
                it["compose"]["seen"]["project"] = json!("shop");
                backend(it, "id", json!("0123456789ab"));
            }),
        ),
        (
            "volume of the data: app_data → shop_data",
            Box::new(move |it| {
                backend(it, "mounts/0/source", json!("shop_data"));
                backend(it, "id", json!("0123456789ab"));
            }),
        ),
        (
            "instance secret: secret ",
            Box::new(move |it| {
                // `down -v` and up: the same names, another secret.
                backend(it, "secret/process/seen", json!({"valid": "0f0f0f0f"}));
                backend(it, "secret/file/seen", json!({"valid": "0f0f0f0f"}));
                backend(it, "id", json!("0123456789ab"));
            }),
        ),
        (
            "volume app_data: created earlier → created 2026-11-30 00:01 UTC",
            Box::new(move |it| {
                // The same with an engine that was asked what happened, as only where it is broken.
                let begun = it["collected_at"].as_i64().unwrap();
                let event = |at: i64, action: &str| {
                    json!({"at": at, "subject": "volume", "name": "app_data", "action": action,
                        "exit_code": null, "signal": null})
                };
                it["collected_at"] = json!(begun + 120);
                it["docker"]["seen"]["events"] = json!({"seen": [
                    event(begun - 60, "create"), event(begun + 50, "destroy"), event(begun + 60, "create")]});
                backend(it, "secret/process/seen", json!({"valid": "0f0f0f0f"}));
            }),
        ),
        (
            "instance secret: secret ",
            Box::new(move |it| {
                // What happened before both is no difference.
                let at = it["collected_at"].as_i64().unwrap() - 60;
                it["docker"]["seen"]["events"] = json!({"seen": [{"at": at, "subject": "volume",
                    "name": "app_data", "action": "create", "exit_code": null, "signal": null}]});
                backend(it, "secret/process/seen", json!({"valid": "0f0f0f0f"}));
            }),
        ),
        (
            "image:",
            Box::new(move |it| {
                backend(it, "image", json!("ghcr.io/get-convex/convex-backend:other"));
                backend(it, "id", json!("0123456789ab"));
            }),
        ),
        (
            "URL: http://127.0.0.1:",
            Box::new(|it| {
                it["selection"]["url"]["text"] = json!("http://127.0.0.1:4321");
            }),
        ),
        (
            "admin key: key ",
            Box::new(|it| {
                it["selection"]["admin_key"]["fingerprint"] = json!("0f0f0f0f");
            }),
        ),
    ];
    for (expected, change) in cases {
        let (code, first) = changed(&*change);
        assert_eq!(code, Some(1), "{expected}");
        assert!(first.starts_with(expected), "{first:?} for {expected:?}");
    }
}

#[test]
fn the_table_of_names_is_a_file() {
    let run = doctor(&["bundle", "--anonymize", "--keep-table", "-"], None);
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8(run.stderr).unwrap().contains("name a file"));
}

#[test]
fn a_bundle_is_not_fixed() {
    let path = broken();
    let refused = doctor(&["fix", path.to_str().unwrap(), "--apply"], None);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("`convex-doctor replay FILE` reads a bundle"), "{said}");
}

#[test]
fn redact_says_what_it_hid() {
    let text = "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: zq7HunterVeryLong42\n";
    let ended = doctor(&["redact"], Some(text));
    assert_eq!(ended.status.code(), Some(0));
    let shown = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(shown, text.replace("zq7HunterVeryLong42", "***"));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(said, "convex-doctor: hid 1 value: POSTGRES_PASSWORD (line 4)\n");
    let checked = doctor(&["redact", "--check", "-"], Some(text));
    assert_eq!((checked.status.code(), checked.stdout.as_slice()), (Some(1), &b""[..]));
    assert_eq!(doctor(&["redact", "--check"], Some(&shown)).status.code(), Some(0));
}
