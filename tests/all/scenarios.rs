//! Every fixture, judged by replay: what a run in its world saw is kept beside it, and this process
//! makes the report of it. One in ten is also played: its world is raised as real sockets, the real
//! binary diagnoses it, and the verdict and what was seen have to be the same
//! (`tests/all/support/kept.rs` says what is normalised in that).
//!
//! `SOCKETS=all` plays every fixture, so that a kept bundle that is out of date is found.
//! `UPDATE=1` does that and rewrites each `expected.json` and `bundle.json`; read what it wrote
//! before you commit it.
//! `SCENARIO=text` takes only the fixtures whose name holds that text, and plays them all.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files and start the binary"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use crate::support::{self, Fixture, Kept, Less, Played, Told};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// So many fixtures are played at a time.
const SIDE_BY_SIDE: usize = 4;

/// Ids without a fixture in which they fire, and why.
const WITHOUT_FIXTURE: &[(&str, &str)] = &[
    ("docker-permission-denied", "no permission is denied to root, and tests may run as root"),
    ("url-tls-failure", "the recorded world speaks no TLS; `tests/all/endpoint_collect.rs` does"),
    ("url-localhost-ipv6", "depends on what this machine's `localhost` is"),
    ("key-accepted", "a pass, not a finding"),
    ("url-loopback-in-container", "only where the tests run in a container"),
];

/// Fixtures whose `expected.json` says what is right, and what the doctor says instead. One that
/// has come right is to be taken off.
const WAITING: &[(&str, &str)] = &[];

/// Ids that are surer without the compose file, against the rule: with it, another container or
/// finding is in the way of being sure.
const SURER_WITHOUT_COMPOSE: &[(&str, &str)] = &[
    // Without the file nothing says that it is the directory of a server.
    ("package-json-missing", "package-json-missing"),
    ("backend-not-created", "url-refused"),
    ("compose-file-elsewhere--below", "url-refused"),
    ("compose-file-elsewhere--beside", "url-refused"),
    ("data-volume-missing-external", "url-refused"),
    ("several-backend-elsewhere-and-stale-key", "key-foreign"),
    ("compose-invalid--refused", "url-refused"),
    ("compose-variable-unset--required", "url-refused"),
    ("docker-other-context", "url-refused"),
    ("docker-other-context--not", "url-refused"),
    ("several-backends-on-port", "key-from-detached-volume"),
    ("several-stopped-and-wrong-port", "url-refused"),
    ("url-reaches-another-backend", "key-from-detached-volume"),
];

/// That Docker could not be asked is certain; that a URL is refused because of it is not.
const NOTE_ELSE_CAUSE: &str = "docker-unreachable";

/// Healthy deployments whose engine nobody can ask: there, much is unknown.
const WITHOUT_ENGINE: &[&str] =
    &["healthy-no-docker", "healthy-remote-docker", "healthy-url-and-key"];

/// Fixtures that are always played: what they are about is in what goes through the sockets and not
/// in what is made of it.
const BY_NATURE: &[&str] = &[
    // The kept bundle says nothing of what a stranger was sent.
    "dashboard-key-exposed",
    "http-proxy-intercepts",
    "proxy-login-wall",
    "proxy-strips-authorization",
    "url-is-not-convex",
    "url-reaches-another-backend",
    "url-redirects",
    // A limit ends them.
    "docker-unresponsive",
    "url-timeout",
    // The binary reads its own settings.
    "suppression-expired--not",
    "suppression-unused--not",
];

/// Whether every fixture is to be played.
fn plays_all() -> bool {
    std::env::var_os("SCENARIO").is_some()
        || std::env::var_os("UPDATE").is_some()
        || std::env::var("SOCKETS").is_ok_and(|sockets| sockets == "all")
}

/// Whether it is one in ten, always the same.
pub(crate) fn is_one_in_ten(fixture: &Fixture) -> bool {
    Sha256::digest(&fixture.name)[0] % 10 == 0
}

/// Whether this one is played.
fn is_played(fixture: &Fixture) -> bool {
    plays_all() || BY_NATURE.contains(&fixture.name.as_str()) || is_one_in_ten(fixture)
}

/// Those that are played, once; each test judges the same runs.
pub(crate) static PLAYED: LazyLock<Vec<Played>> = LazyLock::new(|| {
    let fixtures = support::fixtures().into_iter().filter(is_played).collect();
    support::side_by_side(SIDE_BY_SIDE, fixtures, play)
});

fn play(fixture: Fixture) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(support::play(fixture))
}

/// Every fixture, by its kept bundle.
pub(crate) static KEPT: LazyLock<Vec<Kept>> = LazyLock::new(|| {
    // What is read is what is written then.
    if std::env::var_os("UPDATE").is_some() && !support::in_container() {
        PLAYED.iter().for_each(Played::keep);
    }
    support::side_by_side(support::processors(), support::fixtures(), Kept::read)
});

/// Every fixture by its kept bundle, and those that are played once more as they are live.
fn all() -> impl Iterator<Item = &'static dyn Told> {
    let played = PLAYED.iter().map(|played| played as &dyn Told);
    KEPT.iter().map(|kept| kept as &dyn Told).chain(played)
}

fn is_waiting(name: &str) -> bool {
    WAITING.iter().any(|(waiting, _)| *waiting == name)
}

/// Fails with every complaint at once.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_fixture_comes_to_what_it_expects() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut complaints = Vec::new();
    for played in PLAYED.iter() {
        let name = &played.fixture.name;
        let found = played.summary();
        if is_waiting(name) {
            // Its file in a container is that of the fault.
            if played.fixture.expected().as_ref() == Some(&found) && !played.fixture.differs_here()
            {
                complaints.push(format!("{name} has come right: take it off WAITING"));
            }
        } else if update {
            played.fixture.update(&found);
        } else if played.fixture.expected().as_ref() != Some(&found) {
            complaints.push(format!("{name} (live): {found:#}\n{}", played.main.stderr));
        }
    }
    for kept in KEPT.iter().filter(|kept| !is_waiting(&kept.fixture.name)) {
        let found = kept.summary();
        if kept.fixture.expected_of_bundle().as_ref() != Some(&found) {
            complaints.push(format!("{}: {found:#}", kept.fixture.name));
        }
    }
    none(&complaints);
}

/// Where a live run saw something else than is kept.
fn unlike_its_bundle(played: &Played) -> Vec<String> {
    let name = &played.fixture.name;
    let (seen, bundle) = (played.bundle(), played.fixture.bundle().unwrap());
    let differences = support::kept::difference(&bundle, &seen).into_iter();
    let mut complaints: Vec<_> = differences
        .map(|(at, value)| {
            let was = bundle.pointer(&at).unwrap();
            format!("{name}{at}: {was} is kept, and seen is {value}")
        })
        .collect();
    if played.secrets.iter().any(|secret| seen.to_string().contains(secret.as_str())) {
        complaints.push(format!("{name}: a secret is in its bundle"));
    }
    complaints
}

/// A bundle is of the fixture's files as they are, and holds what a live run sees, and no more.
#[test]
fn every_kept_bundle_is_what_a_live_run_sees() {
    let mut complaints = Vec::new();
    for kept in KEPT.iter() {
        if !kept.fixture.is_in_bundle(&kept.bundle) {
            complaints.push(format!("{}: its files are others now: UPDATE=1", kept.fixture.name));
        }
    }
    // In a container the same world is seen otherwise, and the bundles are of outside.
    for played in PLAYED.iter().filter(|_| !support::in_container()) {
        let mut found = unlike_its_bundle(played);
        if !found.is_empty() {
            // A limit of time may have ended it, for several are played at once.
            let alone = support::fixtures().into_iter();
            let alone = alone.filter(|one| one.name == played.fixture.name).map(play).next();
            found = unlike_its_bundle(&alone.unwrap());
        }
        complaints.extend(found);
    }
    none(&complaints);
}

/// `fixtures/<id>/` shows its id, `fixtures/<id>--not/` does not, and every id is shown somewhere.
#[test]
fn a_fixture_named_by_an_id_shows_it() {
    let ids: BTreeSet<&str> = convex_doctor::checks::rules().map(|rule| rule.id).collect();
    let mut shown = BTreeSet::new();
    let mut complaints = Vec::new();
    for told in all() {
        let name = told.fixture().name.as_str();
        let mut found = ids_of(told.report(), "findings");
        if told.is_live() && told.fixture().differs_here() || is_waiting(name) {
            // `expected.json` says what the run comes to elsewhere, or once it has come right.
            found.extend(told.fixture().ids_elsewhere());
        }
        match name.split_once("--") {
            _ if is_waiting(name) => {}
            Some((id, "not")) if found.contains(id) => complaints.push(format!("{name}: {id}")),
            Some((id, variant)) if variant != "not" && !found.contains(id) => {
                complaints.push(format!("{name}: no {id}"));
            }
            None if ids.contains(name) && !found.contains(name) => {
                complaints.push(format!("{name}: no {name}"));
            }
            _ => {}
        }
        shown.extend(found);
    }
    if std::env::var_os("SCENARIO").is_none() {
        let excused: BTreeSet<&str> = WITHOUT_FIXTURE.iter().map(|(id, _)| *id).collect();
        for id in ids.iter().filter(|id| !shown.contains(**id) && !excused.contains(*id)) {
            complaints.push(format!("{id} fires in no fixture"));
        }
        for id in excused.iter().filter(|id| !ids.contains(*id)) {
            complaints.push(format!("{id} needs no excuse"));
        }
    }
    none(&complaints);
}

/// Another world is not a broken one (docs/facts.md, rule-other-worlds).
#[test]
fn other_worlds_are_no_error() {
    let mut complaints = Vec::new();
    for told in all() {
        let name = told.fixture().name.as_str();
        if !["cloud-project", "not-self-hosted", "server-directory"].contains(&name) {
            continue;
        }
        let report = told.report();
        let loud = report["findings"].as_array().unwrap().iter().any(|one| one["level"] != "info");
        if report["verdict"] != "unknown" || loud || told.code() != Some(0) {
            complaints.push(format!("{name}: {}", report["verdict"]));
        }
    }
    none(&complaints);
}

/// An error that is suppressed fails nothing until its last day is over, and stays counted on the
/// first screen.
#[test]
fn a_suppressed_error_is_green_and_counted() {
    let mut complaints = Vec::new();
    for told in all() {
        let (name, report) = (told.fixture().name.as_str(), told.report());
        let text = told.page("text");
        let suppressed = report["suppressed"].as_array().unwrap();
        let first = suppressed.first().map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default();
            (text("id").to_owned(), text("reason").to_owned(), text("source").to_owned())
        });
        let expected = match name {
            "suppression-expired--not" => {
                Some(("data-volume-missing", "a throw-away instance", "convex-doctor.toml:3"))
            }
            "suppression-unused--not" => {
                Some(("image-unpinned", "pulled on purpose every night", "docker-compose.yml:3"))
            }
            _ => None,
        };
        let expected = expected
            .map(|(id, reason, source)| (id.to_owned(), reason.to_owned(), source.to_owned()));
        let verbose = told.page("all formats, verbose");
        let listed = first.as_ref().is_none_or(|(id, reason, source)| {
            text.contains("1 suppressed")
                && verbose.contains(&format!("suppressed: {id}: {reason} ({source}"))
        });
        if first != expected || !listed || (expected.is_some() && told.code() != Some(0)) {
            complaints.push(format!("{name}: {first:?}\n{text}\n{verbose}"));
        }
    }
    none(&complaints);
}

/// No error and no warning in a healthy deployment, whatever was not seen; and nothing unknown
/// where everything was.
#[test]
fn healthy_deployments_are_left_in_peace() {
    let mut complaints = Vec::new();
    let mut count = 0;
    for told in all().filter(|told| told.fixture().name.starts_with("healthy")) {
        count += 1;
        let name = told.fixture().name.as_str();
        let report = told.report();
        let unknown = ids_of(report, "unknown");
        let unseen = WITHOUT_ENGINE.contains(&name);
        if report["verdict"] != "healthy" || unknown.is_empty() == unseen {
            complaints.push(format!("{name}: {}, unknown {unknown:?}", report["verdict"]));
        }
        let whole = Less { what: "whole", code: told.code(), report };
        for run in std::iter::once(whole).chain(told.less()) {
            let all = run.report["findings"].as_array().unwrap().iter();
            let loud: Vec<&Value> =
                all.filter(|one| one["level"] != "info").map(|one| &one["id"]).collect();
            if !loud.is_empty() || run.code != Some(0) {
                complaints.push(format!("{name}, {}: says {loud:?}, {:?}", run.what, run.code));
            }
        }
    }
    assert!(count >= 15 || std::env::var_os("SCENARIO").is_some(), "only {count} are healthy");
    none(&complaints);
}

/// No secret of the world in any output of any format: not whole, not its hex part, not encoded.
#[test]
fn no_output_holds_a_secret() {
    let mut complaints = Vec::new();
    for played in PLAYED.iter() {
        let needles: BTreeSet<String> = played.secrets.iter().flat_map(|s| forms(s)).collect();
        for run in played.runs() {
            for (stream, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
                if needles.iter().any(|needle| text.contains(needle.as_str())) {
                    let name = &played.fixture.name;
                    complaints.push(format!("{name}, {}, {stream}: holds a secret", run.what));
                }
            }
        }
    }
    none(&complaints);
}

/// A secret in every form in which it could get out.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.rsplit('|').next().unwrap_or(secret);
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![secret.to_owned(), encoded, base64(secret), base64(hex)];
    if hex.len() >= 16 {
        forms.push(hex.to_owned());
        forms.push(hex.to_ascii_uppercase());
    }
    forms
}

/// Without the last, unfinished group: what surrounds the secret would change it.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for group in text.as_bytes().chunks_exact(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        encoded.extend([18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63])));
    }
    encoded
}

#[test]
fn a_run_only_reads() {
    let mut complaints = Vec::new();
    for played in PLAYED.iter() {
        let name = &played.fixture.name;
        let writes = played.engine.iter().filter(|(method, _)| method != "GET" && method != "HEAD");
        complaints.extend(writes.map(|(method, path)| format!("{name}: {method} {path}")));
        complaints.extend(played.touched.iter().map(|file| format!("{name}: touched {file}")));
        let posts = played
            .strangers
            .iter()
            .filter(|head| !head.starts_with("GET ") && !head.starts_with("HEAD "));
        complaints.extend(
            posts.map(|head| format!("{name}: {}", head.lines().next().unwrap_or_default())),
        );
    }
    none(&complaints);
}

/// Only the origin that the user's own configuration selects ever sees the key, or any part of it.
#[test]
fn strangers_never_see_the_key() {
    let mut complaints = Vec::new();
    for played in PLAYED.iter() {
        let selected = played.selected_origin();
        for head in &played.strangers {
            let header = |wanted: &str| {
                head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
                })
            };
            let is_selected = header("host").is_some() && header("host") == selected;
            let holds_key = played
                .secrets
                .iter()
                .any(|secret| forms(secret).iter().any(|form| head.contains(form.as_str())));
            if (header("authorization").is_some() || holds_key) && !is_selected {
                complaints.push(format!(
                    "{}: {}",
                    played.fixture.name,
                    header("host").unwrap_or_default()
                ));
            }
        }
    }
    none(&complaints);
}

/// With a source taken away, what was found is never a pass, and nothing is surer than before.
#[test]
fn less_evidence_never_says_more() {
    let mut complaints = Vec::new();
    for told in all() {
        let full = told.report();
        let certainties = certainties(full);
        for run in told.less() {
            let less = run.report;
            let place = format!("{}, {}", told.name(), run.what);
            let passed = strings(&less["passed"]);
            for id in certainties.keys().filter(|id| passed.contains(*id)) {
                // A project whose file is gone is no project: what the file says, and what would
                // run by it, do not apply.
                if run.what == "without the compose file" {
                    continue;
                }
                complaints.push(format!("{place}: {id} passes"));
            }
            for (id, certainty) in self::certainties(less) {
                let known = SURER_WITHOUT_COMPOSE
                    .contains(&(told.fixture().name.as_str(), id.as_str()))
                    && run.what == "without the compose file";
                let is_note = id == NOTE_ELSE_CAUSE && run.what == "without the network";
                if let Some(before) = certainties.get(&id)
                    && certainty > *before
                    && !known
                    && !is_note
                {
                    complaints.push(format!("{place}: {id} is surer"));
                }
            }
        }
    }
    none(&complaints);
}

/// The highest certainty of each id that was found; 2 is proven.
fn certainties(report: &Value) -> BTreeMap<String, u8> {
    let mut found = BTreeMap::new();
    for one in report["findings"].as_array().unwrap() {
        let certainty = match one["certainty"].as_str() {
            Some("proven") => 2,
            Some("likely") => 1,
            _ => 0,
        };
        let id = one["id"].as_str().unwrap().to_owned();
        let most = found.entry(id).or_insert(certainty);
        *most = certainty.max(*most);
    }
    found
}

/// The chain of custody of a report: what it leads from and to, and its state.
fn chain(report: &Value) -> Vec<(String, String)> {
    let text = |link: &Value, name: &str| link[name].as_str().unwrap().to_owned();
    let links = report["chain"].as_array().unwrap().iter();
    links
        .map(|link| {
            assert!(!text(link, "why").is_empty(), "{link}");
            let ends = format!("{} {} {}", text(link, "from"), link["relation"], text(link, "to"));
            (ends, text(link, "state"))
        })
        .collect()
}

/// The links of the chain, in order.
const LINKS: [&str; 8] = ["key", "secret", "file", "volume", "mount", "port", "url", "source"];

/// Which links of the chain each recorded deployment breaks. Written anew with `UPDATE=1`; read
/// beside the first cause before it is kept.
const BROKEN_LINKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/broken-links.json");

/// The picture and the report tell one story.
#[test]
fn the_chain_breaks_where_the_first_cause_says() {
    let mut complaints = Vec::new();
    let mut broken = BTreeMap::new();
    for told in all() {
        let name = told.fixture().name.as_str();
        let report = told.report();
        let chain = chain(report);
        let links: Vec<&str> = (0..chain.len())
            .filter(|index| chain[*index].1 == "broken")
            .map(|index| LINKS[index])
            .collect();
        let selected = report["evidence"]["selection"]["url"].is_object()
            || !report["evidence"]["keys"].as_array().unwrap().is_empty();
        if chain.is_empty() && (selected || report["verdict"] != "unknown") {
            complaints.push(format!("{name}: no chain"));
        }
        // The chain shows what is suppressed, too.
        let is_whole = report["suppressed"].as_array().unwrap().is_empty();
        if report["verdict"] == "healthy" && !links.is_empty() && is_whole {
            complaints.push(format!("{name} is healthy, and broken: {links:?} {chain:#?}"));
        }
        let first = report["causes"][0]["id"].as_str().unwrap_or("");
        let shows = !links.is_empty() || (!first.is_empty() && !chain.is_empty());
        if shows && !told.is_live() {
            broken.insert(name.to_owned(), format!("{first}: {}", links.join(", ")));
        }
    }
    none(&complaints);
    if std::env::var_os("SCENARIO").is_some() {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&broken).unwrap() + "\n";
        std::fs::write(BROKEN_LINKS, text).unwrap();
    }
    let kept: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(BROKEN_LINKS).unwrap()).unwrap();
    assert_eq!(broken, kept);
}

/// What was not seen holds in no picture, and what was seen broken does not come right by looking
/// less.
#[test]
fn a_link_that_was_not_seen_is_unknown() {
    let mut complaints = Vec::new();
    for told in all() {
        let full = chain(told.report());
        for run in told.less() {
            let less = chain(run.report);
            let place = format!("{}, {}", told.name(), run.what);
            let unseen: &[&str] = match run.what {
                "without Docker" => &["secret", "file", "volume", "mount", "port"],
                "without the network" => &["url"],
                _ => &[],
            };
            for (name, link) in LINKS.iter().zip(&less) {
                if unseen.contains(name) && link.1 == "holds" {
                    complaints.push(format!("{place}: {} holds", link.0));
                }
            }
            // Without its file it is another project, or none.
            let same = run.what != "without the compose file";
            for (before, after) in full.iter().zip(&less).filter(|_| same) {
                if before.1 == "broken" && after.1 == "holds" {
                    complaints.push(format!("{place}: {} has come right", after.0));
                }
            }
        }
    }
    none(&complaints);
}

#[test]
fn every_run_ends_soon_and_with_0_or_1() {
    let mut complaints = Vec::new();
    for played in PLAYED.iter() {
        for run in played.runs() {
            if run.took > Duration::from_mins(1) || !matches!(run.code, Some(0 | 1)) {
                let name = &played.fixture.name;
                complaints.push(format!("{name}, {}: {:?}, {:?}", run.what, run.code, run.took));
            }
        }
    }
    none(&complaints);
}

/// Every id is judged in every fixture, once: it was found (and perhaps suppressed), it passed, or
/// it was not seen.
#[test]
fn every_check_runs_on_every_fixture() {
    let mut complaints = Vec::new();
    for told in all() {
        let report = told.report();
        let found = &ids_of(report, "findings") | &ids_of(report, "suppressed");
        let passed = strings(&report["passed"]);
        let unknown = ids_of(report, "unknown");
        for rule in convex_doctor::checks::rules() {
            let id = rule.id;
            let places = [found.contains(id), passed.contains(id), unknown.contains(id)];
            let silent = !places.contains(&true);
            // A pass alone; where the key is refused, it is neither that nor unseen.
            let silent = silent && id != "key-accepted";
            if silent || passed.contains(id) && (found.contains(id) || unknown.contains(id)) {
                complaints.push(format!("{}: {id} {places:?}", told.name()));
            }
        }
    }
    none(&complaints);
}

/// The id and the level of each finding, sorted; as SARIF, GitHub and GitLab have them too.
fn listed(pairs: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort();
    pairs
}

#[test]
fn each_format_lists_the_findings_of_the_report() {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut complaints = Vec::new();
    for told in all() {
        let report: Value = serde_json::from_str(&told.page("json")).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let suppressed = report["suppressed"].as_array().unwrap();
        // What is suppressed is listed too, and is never louder than a note.
        let expected = |levels: [&str; 3]| {
            let shown = findings.iter().map(|one| {
                let level = match one["level"].as_str() {
                    Some("error") => levels[0],
                    Some("warning") => levels[1],
                    _ => levels[2],
                };
                (text(&one["id"]), level.to_owned())
            });
            let hidden = suppressed.iter().map(|one| (text(&one["id"]), "suppressed".to_owned()));
            listed(shown.chain(hidden))
        };
        let mut differs = |format: &str, found: Vec<(String, String)>, levels| {
            let expected = expected(levels);
            if found != expected {
                let name = &told.name();
                complaints.push(format!("{name}, {format}: {found:?}, not {expected:?}"));
            }
        };

        let sarif: Value = serde_json::from_str(&told.page("sarif")).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        let found = listed(results.iter().map(|one| {
            let is_shown = one["suppressions"].as_array().unwrap().is_empty();
            let level = if is_shown { text(&one["level"]) } else { "suppressed".to_owned() };
            (text(&one["ruleId"]), level)
        }));
        differs("sarif", found, ["error", "warning", "note"]);

        let github = told.page("github");
        let commands = github.lines().filter_map(|line| {
            let (command, rest) = line.strip_prefix("::")?.split_once(' ')?;
            let title = rest.split("title=").nth(1)?.split("::").next()?;
            Some(match title.strip_suffix(" (suppressed)") {
                Some(id) if command == "notice" => (id.to_owned(), "suppressed".to_owned()),
                _ => (title.to_owned(), command.to_owned()),
            })
        });
        differs("github", listed(commands), ["error", "warning", "notice"]);

        let gitlab: Value = serde_json::from_str(&told.page("gitlab")).unwrap();
        let entries = gitlab.as_array().unwrap().iter();
        let entries = entries.map(|one| {
            let is_hidden =
                text(&one["description"]).starts_with("Suppressed, ") && one["severity"] == "info";
            let level = if is_hidden { "suppressed".to_owned() } else { text(&one["severity"]) };
            (text(&one["check_name"]), level)
        });
        let found = listed(entries.filter(|(id, _)| id != "not-seen"));
        differs("gitlab", found, ["critical", "minor", "info"]);

        // GitHub and GitLab refuse or lose what has no path from the repository's root.
        let uris = results.iter().flat_map(|one| one["locations"].as_array().unwrap());
        let uris = uris.map(|one| text(&one["physicalLocation"]["artifactLocation"]["uri"]));
        let paths = gitlab.as_array().unwrap().iter().map(|one| text(&one["location"]["path"]));
        for path in uris.chain(paths).filter(|path| path.is_empty() || path.starts_with("./")) {
            complaints.push(format!("{}: the path {path:?}", told.name()));
        }

        // An id is one test case; that it fails says that one of its findings is an error.
        let junit = quick_junit::Report::deserialize_from_str(&told.page("junit")).unwrap();
        let mut cases: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for case in &junit.test_suites[0].test_cases {
            let place = match &case.status {
                quick_junit::TestCaseStatus::NonSuccess { .. } => "failed",
                quick_junit::TestCaseStatus::Skipped { .. } => "skipped",
                quick_junit::TestCaseStatus::Success { .. } if case.system_out.is_some() => {
                    "milder"
                }
                quick_junit::TestCaseStatus::Success { .. } => "passed",
            };
            cases.entry(place).or_default().insert(case.name.to_string());
        }
        let by = |error: bool| -> BTreeSet<String> {
            let those = findings.iter().filter(|one| (one["level"] == "error") == error);
            those.map(|one| text(&one["id"])).collect()
        };
        let failed = by(true);
        let milder = &by(false) - &failed;
        let skipped = &ids_of(&report, "unknown") | &ids_of(&report, "suppressed");
        let skipped = &skipped - &ids_of(&report, "findings");
        let passed: BTreeSet<String> = strings(&report["passed"]);
        let expected =
            [("failed", failed), ("milder", milder), ("skipped", skipped), ("passed", passed)];
        for (place, ids) in expected {
            let found = cases.remove(place).unwrap_or_default();
            if found != ids {
                complaints.push(format!("{}, junit, {place}: {found:?}, not {ids:?}", told.name()));
            }
        }
    }
    none(&complaints);
}

#[test]
fn each_page_is_whole_and_loads_nothing() {
    let mut complaints = Vec::new();
    for told in all() {
        let name = &told.name();
        let page = told.page("html");
        complaints
            .extend(crate::html::faults(&page).iter().map(|fault| format!("{name}: {fault}")));
        let report = told.report();
        for list in ["findings", "suppressed"] {
            let ids = ids_of(report, list).into_iter();
            let missing = ids.filter(|id| !page.contains(&format!("<code>{id}</code>")));
            complaints.extend(missing.map(|id| format!("{name}: {id} of {list} is not there")));
        }
    }
    none(&complaints);
}

fn ids_of(report: &Value, list: &str) -> BTreeSet<String> {
    let list = report[list].as_array().unwrap();
    list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn strings(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}
