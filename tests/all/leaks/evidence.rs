//! Half of the test in this process: the evidence of every fixture with secrets in it passes the
//! gate, is judged, and is rendered in every format.
//!
//! The scrubber is one for the whole process, and what it knows is bounded: so that the secrets of
//! one fixture do not help another, and no other test is disturbed, each share of the fixtures is
//! judged by this program started anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use convex_doctor::diagnosis::{Choices, diagnose};
use convex_doctor::evidence::Evidence;
use convex_doctor::foreign::Admitted;
use convex_doctor::render::{
    Detail, Screen, github, gitlab, html, inspect, instances, json, junit, markdown, persistence,
    sarif, text,
};
use convex_doctor::report::{Level, Report};
use convex_doctor::secret::scrub;
use convex_doctor::selection::facts;
use serde_json::Value;

use super::secrets::{ALL, FORMS, IN_NAMES, NAMES, Planted, Rng, Search};
use super::{cases, none, seed};
use crate::scenarios;

/// The directory with the evidence; set, this program is a share.
const EVIDENCE: &str = "LEAKS_EVIDENCE";
/// Which share, of how many.
const SHARE: &str = "LEAKS_SHARE";

/// So many fixtures are a share at most.
const FIXTURES: usize = 24;

/// Fields that hold sentences of other programs: of them, words alone are shown.
const SENTENCES: &[&str] = &[
    "alert",
    "error",
    "extra_fault",
    "health_output",
    "line",
    "message",
    "notes",
    "problem",
    "reason",
    "server",
    "start_error",
    "tail",
    "title",
    "unanswered",
    "unparsable",
    "unverified",
];

/// Fields that hold the name of something, an id, or a path made of it: 64 hex digits stay readable.
const NAMED: &[&str] = &[
    "absent_volumes",
    "attached_to",
    "chosen",
    "container",
    "containers",
    "copy_of",
    "id",
    "key",
    "name",
    "project",
    "own_name",
    "plain_project",
    "by_project",
    "service",
    "services",
    "source",
    "volume",
    "volumes_by_name",
];

/// Every text in the evidence: the pointer to it, and the field it is in.
fn texts(value: &Value, at: &str, field: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(_) => found.push((at.to_owned(), field.to_owned())),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                texts(value, &format!("{at}/{index}"), field, found);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                texts(value, &format!("{at}/{escaped}"), name, found);
            }
        }
        _ => {}
    }
}

/// The place without the numbers of lists: what may stand there is the same in all of them.
fn shape(at: &str) -> String {
    let parts = at.split('/');
    let parts = parts.map(|part| if part.parse::<usize>().is_ok() { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The places where any text may stand, and not one of a few words of ours.
#[derive(Default)]
struct Open(BTreeMap<String, bool>);

impl Open {
    fn is(&mut self, evidence: &Value, at: &str) -> bool {
        *self.0.entry(shape(at)).or_insert_with(|| {
            let mut changed = evidence.clone();
            *changed.pointer_mut(at).unwrap() = "any text".into();
            serde_json::from_value::<Evidence>(changed).is_ok()
        })
    }
}

/// The secret as it may stand in such a field.
fn plant(at: &str, field: &str, was: &str, rng: &mut Rng) -> (Planted, String) {
    if SENTENCES.contains(&field) {
        let planted = Planted::of(ALL, at, rng);
        let text = &planted.text;
        let said = match rng.below(6) {
            0 => text.clone(),
            1 => format!("{was} {text}"),
            2 => format!("cannot do it with '{text}' here"),
            3 => format!("password={text} refused"),
            4 => format!("{{\"adminKey\":\"{text}\",\"a\":1}}"),
            _ => format!("{text}: {was}"),
        };
        return (planted, said);
    }
    let kinds = if NAMED.contains(&field) { IN_NAMES } else { FORMS };
    match rng.below(5) {
        0 => {
            let planted = Planted::of(NAMES, at, rng);
            let named = format!("{was}-{}", planted.text);
            (planted, named)
        }
        1 => {
            let planted = Planted::of(kinds, at, rng);
            let spoken = format!("{was} {} x", planted.text);
            (planted, spoken)
        }
        2 => {
            let planted = Planted::of(NAMES, at, rng);
            let path = format!("/srv/app/{}/x.yml", planted.text);
            (planted, path)
        }
        _ => {
            let planted = Planted::of(kinds, at, rng);
            let text = planted.text.clone();
            (planted, text)
        }
    }
}

/// Every page that the commands make of a report, as it leaves the program.
fn pages(evidence: &Admitted<Evidence>, report: &Report) -> Vec<(&'static str, String)> {
    let screen = |detail, ascii| Screen { width: 80, detail, ascii, links: true };
    let mut pages = vec![
        ("text", text::render(report, screen(Detail::Normal, false))),
        ("text, verbose", text::render(report, screen(Detail::Verbose, true))),
        ("text, quiet", text::render(report, screen(Detail::Quiet, false))),
        ("json", json::render(report)),
        ("markdown", markdown::render(report)),
        ("sarif", sarif::render(report)),
        ("junit", junit::render(report, Some(Level::Error))),
        ("github", github::render(report)),
        ("gitlab", gitlab::render(report)),
        ("html", html::render(report)),
        ("persistence", persistence::table(&report.persistence, 80)),
        ("persistence, markdown", persistence::markdown(&report.persistence)),
        ("inspect selection", inspect::selection(&evidence.selection)),
        ("inspect selection, json", json::to_text(&facts::inspect_json(&evidence.selection))),
    ];
    if let Ok(docker) = evidence.docker.seen() {
        let value = instances::json(docker, &evidence.keys);
        pages.push(("inspect instances, json", json::to_text(&value)));
        pages.push(("inspect instances", instances::text(docker, &evidence.keys, 80)));
    }
    pages.into_iter().map(|(name, page)| (name, scrub(&page))).collect()
}

/// What the outputs of this evidence give away.
fn leaks(name: &str, evidence: Value, planted: &[Planted]) -> Vec<String> {
    let evidence: Evidence = match serde_json::from_value(evidence) {
        Ok(evidence) => evidence,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let admitted = Admitted::of(&evidence);
    let report = diagnose(&admitted, &Choices::default());
    let search = Search::new(planted);
    let pages = pages(&admitted, &report);
    let shown = pages.iter().flat_map(|(format, page)| {
        search.leaks(page).into_iter().map(move |leak| format!("{name}, {format}: {leak}"))
    });
    shown.collect()
}

/// One fixture: many secrets at once, so that in time each place has had one; then one alone, which
/// no other may hide.
fn judge(name: &str, evidence: &Value, open: &mut Open, singles: u64, rng: &mut Rng) -> Tally {
    let mut places = Vec::new();
    texts(evidence, "", "", &mut places);
    places.retain(|(at, _)| open.is(evidence, at));
    let mut tally = Tally::default();
    let run = |chosen: Vec<&(String, String)>, rng: &mut Rng, tally: &mut Tally| {
        let mut changed = evidence.clone();
        let mut planted = Vec::new();
        for (at, field) in chosen {
            let was = evidence.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let (secret, text) = plant(at, field, was, rng);
            tally.shapes.insert(shape(at));
            *changed.pointer_mut(at).unwrap() = text.into();
            planted.push(secret);
        }
        tally.secrets += planted.len();
        tally.complaints.extend(leaks(name, changed, &planted));
    };
    let many: Vec<_> = places.iter().filter(|_| rng.chance(15)).collect();
    run(many, rng, &mut tally);
    for _ in 0..singles {
        let one = rng.below(places.len());
        run(places.get(one).into_iter().collect(), rng, &mut tally);
    }
    tally
}

#[derive(Default)]
struct Tally {
    complaints: Vec<String>,
    shapes: BTreeSet<String>,
    secrets: usize,
}

/// Judges one share, and writes what it came to beside the evidence.
fn judge_share(directory: &Path, share: &str) {
    let (share, shares) = share.split_once('/').unwrap();
    let (share, shares): (usize, usize) = (share.parse().unwrap(), shares.parse().unwrap());
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let singles = cases(1).min(40);
    let mut open = Open::default();
    let mut all = Tally::default();
    for (index, path) in files.iter().enumerate().filter(|(index, _)| index % shares == share) {
        let evidence = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut rng = Rng::new(seed(), u64::try_from(index).unwrap());
        let found = judge(name, &evidence, &mut open, singles, &mut rng);
        all.complaints.extend(found.complaints);
        all.shapes.extend(found.shapes);
        all.secrets += found.secrets;
    }
    let mut said = format!("SECRETS {}\n", all.secrets);
    said.extend(all.complaints.iter().map(|complaint| format!("LEAK {complaint}\n")));
    said.extend(all.shapes.iter().map(|shape| format!("SHAPE {shape}\n")));
    std::fs::write(directory.join(format!("{share}.said")), said).unwrap();
}

#[test]
fn no_place_of_the_evidence_shows_a_secret() {
    if let (Some(directory), Ok(share)) = (std::env::var_os(EVIDENCE), std::env::var(SHARE)) {
        return judge_share(Path::new(&directory), &share);
    }
    let directory = tempfile::tempdir().unwrap();
    for kept in scenarios::KEPT.iter() {
        let path = directory.path().join(format!("{}.json", kept.fixture.name));
        std::fs::write(path, kept.bundle["evidence"].to_string()).unwrap();
    }
    let shares = scenarios::KEPT.len().div_ceil(FIXTURES);
    let name = concat!(module_path!(), "::no_place_of_the_evidence_shows_a_secret");
    let name = name.split_once("::").unwrap().1;
    let said = std::sync::Mutex::new(Vec::new());
    super::all(u64::try_from(shares).unwrap(), |share| {
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(EVIDENCE, directory.path())
            .env(SHARE, format!("{share}/{shares}"))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr));
        let path = directory.path().join(format!("{share}.said"));
        said.lock().unwrap().push(std::fs::read_to_string(path).unwrap());
        Vec::new()
    });
    let said = said.into_inner().unwrap().concat();
    let lines = |mark: &str| -> Vec<String> {
        said.lines().filter_map(|line| line.strip_prefix(mark)).map(str::to_owned).collect()
    };
    none(&lines("LEAK "));
    let shapes: BTreeSet<String> = lines("SHAPE ").into_iter().collect();
    let secrets: usize =
        lines("SECRETS ").iter().map(|count| count.parse::<usize>().unwrap()).sum();
    if std::env::var_os("SCENARIO").is_none() {
        assert!(secrets > 2000 && shapes.len() > 200, "{secrets} secrets at {shapes:#?}");
    }
}
