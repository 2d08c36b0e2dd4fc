//! The stage for `scenarios.rs`, `causes.rs` and others: a fixture read from its directory,
//! raised as real sockets, and the real binary run in it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files and start the binary"
)]

pub(crate) mod compose;
pub(crate) mod docs;
pub(crate) mod gate;
pub(crate) mod kept;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use convex_doctor::bundle;
use convex_doctor::demo::Stage;
use convex_doctor::demo::world::World;
use convex_doctor::diagnosis::{Choices, diagnose};
use convex_doctor::evidence::Evidence;
use convex_doctor::foreign::Admitted;
use convex_doctor::render::{
    Detail, Screen, github, gitlab, html, json, junit, markdown, persistence, sarif, text,
};
use convex_doctor::report::{Level, Report};
use serde_json::{Map, Value, json as value};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpSocket;

/// A directory `fixtures/<name>/` with a `world.json`.
pub(crate) struct Fixture {
    /// The directory's name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    world: World,
    files: Vec<(String, String)>,
    /// A digest of its world and files.
    made_of: String,
}

/// Every fixture, by name.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let wanted = std::env::var("SCENARIO").ok();
    let mut found: Vec<Fixture> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("world.json").exists())
        .map(Fixture::read)
        .filter(|one| wanted.as_ref().is_none_or(|wanted| one.name.contains(wanted)))
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// A change of one of a fixture's files: the file, what stands there, what is to stand there.
pub(crate) type Change = (&'static str, &'static str, &'static str);

impl Fixture {
    fn read(path: PathBuf) -> Self {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Self::changed(path, name, &[])
    }

    /// The fixture `base` with some of its text changed; what is to be changed must be there.
    pub(crate) fn variant(base: &str, name: &str, changes: &[Change]) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(base);
        Self::changed(path, format!("{base}, {name}"), changes)
    }

    fn changed(path: PathBuf, name: String, changes: &[Change]) -> Self {
        let change = |file: &str, mut text: String| {
            for (_, from, to) in changes.iter().filter(|(wanted, ..)| *wanted == file) {
                assert!(text.contains(from), "{name}: {file} does not hold {from}");
                text = text.replace(from, to);
            }
            text
        };
        let text = std::fs::read_to_string(path.join("world.json")).unwrap();
        let text = change("world.json", text);
        let mut digest = Sha256::new_with_prefix(&text);
        let world = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut files = Vec::new();
        for (file, bytes) in snapshot(&path) {
            if file != "world.json" && file != "bundle.json" && !file.starts_with("expected.") {
                let text = change(&file, String::from_utf8(bytes).unwrap());
                digest.update(format!("\0{file}\0{text}"));
                files.push((file, text));
            }
        }
        let made_of = hex::encode(&digest.finalize()[..8]);
        Self { name, path, world, files, made_of }
    }

    /// The fixture with something else in its world.
    pub(crate) fn in_world(&self, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut world = serde_json::to_value(&self.world).unwrap();
        change(&mut world);
        let name = format!("{}, {name}", self.name);
        let world = serde_json::from_value(world).unwrap_or_else(|error| panic!("{name}: {error}"));
        let made_of = String::new();
        Self { name, path: self.path.clone(), world, files: self.files.clone(), made_of }
    }

    /// The fixture's world, raised.
    pub(crate) async fn raise(&self) -> Stage {
        Stage::raise(&self.world, &self.files)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:#}", self.name))
    }

    /// What this fixture's run is to come to on this machine; `None` before `UPDATE=1` has written
    /// it.
    pub(crate) fn expected(&self) -> Option<Value> {
        let inside = Some(self.in_container()).filter(|path| in_container() && path.exists());
        self.read_expected(&inside.unwrap_or_else(|| self.path.join("expected.json")))
    }

    /// What it is to come to outside of a container, where its bundle was written.
    pub(crate) fn expected_of_bundle(&self) -> Option<Value> {
        self.read_expected(&self.path.join("expected.json"))
    }

    fn read_expected(&self, path: &Path) -> Option<Value> {
        let text = std::fs::read_to_string(path).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name)))
    }

    /// Rewrites it. What differs in a container alone has a file of its own.
    pub(crate) fn update(&self, found: &Value) {
        if self.expected().as_ref() == Some(found) {
            return;
        }
        let path = self.path.join("expected.json");
        let path = if in_container() && path.exists() { self.in_container() } else { path };
        std::fs::write(path, serde_json::to_string_pretty(found).unwrap() + "\n").unwrap();
    }

    /// What is kept of a run in it.
    pub(crate) fn bundle(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.path.join("bundle.json")).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name)))
    }

    /// Whether its bundle is of the files that it has now.
    pub(crate) fn is_in_bundle(&self, bundle: &Value) -> bool {
        bundle["made_of"] == self.made_of.as_str()
    }

    fn in_container(&self) -> PathBuf {
        self.path.join("expected.in-container.json")
    }

    /// The ids of the findings in `expected.json`.
    pub(crate) fn ids_elsewhere(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let findings = expected["findings"].as_array().unwrap().iter();
        findings.map(|one| one.as_str().unwrap().split(' ').next().unwrap().to_owned()).collect()
    }

    /// Whether it comes to something else because the tests themselves run in a container.
    pub(crate) fn differs_here(&self) -> bool {
        in_container() && self.in_container().exists()
    }
}

/// Whether the tests run in a container, by the marks that the doctor goes by: there the loopback
/// address is not the engine's, and it judges otherwise.
pub(crate) fn in_container() -> bool {
    let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    marked && name.trim().len() == 12 && name.trim().bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A port of the loopback address at which every connection is refused, and what holds it: bound
/// and never listened at, so that nothing else can come to have it.
pub(crate) fn held_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Every file below a directory, by its path from there.
pub(crate) fn snapshot(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// One run of the binary.
pub(crate) struct Run {
    /// What distinguishes it: a format, or the source that was taken away.
    pub(crate) what: &'static str,
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// How long it took.
    pub(crate) took: Duration,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    /// The report, once it has been asked for.
    parsed: OnceLock<Value>,
}

impl Run {
    /// The report, where it was JSON.
    pub(crate) fn report(&self) -> &Value {
        self.parsed.get_or_init(|| {
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
                panic!("{}: {error}\n{}\n{}", self.what, self.stdout, self.stderr)
            })
        })
    }
}

/// All runs of one fixture, and what they left behind.
pub(crate) struct Played {
    /// The fixture.
    pub(crate) fixture: Fixture,
    /// The run that `expected.json` speaks of: JSON, and every other format that a program reads to
    /// a file of its own.
    pub(crate) main: Run,
    /// Formats that people read.
    pub(crate) formats: Vec<Run>,
    /// The files that the main run wrote: the file's text is its standard output.
    pub(crate) files: Vec<Run>,
    /// JSON runs with one source of evidence taken away.
    pub(crate) ablated: Vec<Run>,
    /// Every secret in the world.
    pub(crate) secrets: Vec<String>,
    /// What the engine was asked: method and path.
    pub(crate) engine: Vec<(String, String)>,
    /// The heads of the requests to servers that are no Convex backend.
    pub(crate) strangers: Vec<String>,
    /// Files of the project that a run added, changed or took away.
    pub(crate) touched: Vec<String>,
    /// Port to the server's name.
    ports: BTreeMap<u16, String>,
    /// The project's directory while it lasted.
    directory: String,
    /// What of its evidence is its own.
    own: kept::Own,
}

/// The fixtures whose `expected.json` holds the whole table of what survives: each holds its data
/// otherwise.
const WITH_TABLE: [&str; 12] = [
    "credentials-outside-volume",
    "data-mount-wrong-path",
    "data-on-tmpfs",
    "data-volume-anonymous",
    "data-volume-missing",
    "data-volume-missing--pinned",
    "data-volume-not-attached",
    "docker-unreachable",
    "healthy",
    "healthy-bare-binary",
    "healthy-bind-mount",
    "sql-without-secret-persistence",
];

/// The sources that are taken away, each with the option that does it.
const SOURCES: [(&str, &[&str]); 2] =
    [("without Docker", &["--no-docker"]), ("without the network", &["--no-network"])];

/// The source that is a file, and is taken away by deleting it.
const WITHOUT_COMPOSE: &str = "without the compose file";

/// Raises the fixture and runs the binary in it, once per format and once per source taken away.
pub(crate) async fn play(fixture: Fixture) -> Played {
    let stage = fixture.raise().await;
    let root = stage.project.clone();
    let before = snapshot(&root);
    let (main, files) = all_machine_formats(&stage).await;
    let mut formats = Vec::new();
    for (what, options) in [
        ("text", &[][..]),
        ("the table", &["persistence"]),
        ("all formats, verbose", &["-v", "--format", "text", "--format", "markdown"][..]),
    ] {
        formats.push(run(&stage, what, options).await);
    }
    let mut ablated = Vec::new();
    for (what, options) in SOURCES {
        let options = [&["--format", "json"], options].concat();
        ablated.push(run(&stage, what, &options).await);
    }
    let after = snapshot(&root);
    let touched = before
        .keys()
        .chain(after.keys())
        .filter(|file| before.get(*file) != after.get(*file))
        .cloned()
        .collect();
    let compose: Vec<_> =
        after.keys().filter(|file| is_compose(file)).map(|file| root.join(file)).collect();
    if !compose.is_empty() {
        for file in compose {
            std::fs::remove_file(file).unwrap();
        }
        ablated.push(run(&stage, WITHOUT_COMPOSE, &["--format", "json"]).await);
    }
    let heads = stage.strangers.lock().unwrap();
    Played {
        main,
        formats,
        files,
        ablated,
        touched,
        engine: stage.requests.lock().unwrap().clone(),
        strangers: heads.iter().map(|(_, head)| head.clone()).collect(),
        secrets: stage.secrets.clone(),
        ports: stage.ports.iter().map(|(name, port)| (*port, name.clone())).collect(),
        directory: root.display().to_string(),
        own: kept::Own::of(&stage),
        fixture,
    }
}

/// Every format that is written to a file, beside JSON.
const TO_FILES: [&str; 5] = ["sarif", "junit", "github", "gitlab", "html"];

/// One run that writes JSON, and every other machine format to a file.
pub(crate) async fn all_machine_formats(stage: &Stage) -> (Run, Vec<Run>) {
    let place = tempfile::tempdir().unwrap();
    let path = |format: &str| place.path().join(format).to_str().unwrap().to_owned();
    let paths = TO_FILES.map(path);
    let mut options = Vec::new();
    for (format, path) in TO_FILES.iter().zip(&paths) {
        options.extend(["--format", format, "-o", path]);
    }
    // The files are those of the first formats; the last one goes to standard output.
    options.extend(["--format", "json"]);
    let main = run(stage, "json", &options).await;
    let file = |(what, path): (&'static str, &String)| Run {
        what,
        code: main.code,
        took: main.took,
        stdout: std::fs::read_to_string(path).unwrap(),
        stderr: String::new(),
        parsed: OnceLock::new(),
    };
    let files = TO_FILES.into_iter().zip(&paths).map(file).collect();
    (main, files)
}

/// The reports of one fixture as a reader could get them: the whole one, and one without Docker.
pub(crate) async fn reports(fixture: &Fixture) -> Vec<(&'static str, Value)> {
    let stage = fixture.raise().await;
    let mut reports = Vec::new();
    for (what, options) in [("whole", &[][..]), SOURCES[0]] {
        let options = [&["--format", "json"], options].concat();
        reports.push((what, run(&stage, what, &options).await.report().clone()));
    }
    reports
}

/// What one command says in the fixture's world.
pub(crate) async fn asked(fixture: &Fixture, arguments: &[&str]) -> Run {
    let stage = Stage::raise(&fixture.world, &fixture.files)
        .await
        .unwrap_or_else(|error| panic!("{}: {error:#}", fixture.name));
    run(&stage, "asked", arguments).await
}

fn is_compose(file: &str) -> bool {
    let path = Path::new(file);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_yaml =
        path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    is_yaml && (stem.starts_with("docker-compose") || stem.starts_with("compose"))
}

/// The real binary in the stage's directory and in nothing but the stage's environment.
pub(crate) async fn run(stage: &Stage, what: &'static str, options: &[&str]) -> Run {
    let begun = Instant::now();
    let child = tokio::process::Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(&stage.arguments)
        .args(options)
        .env_clear()
        .envs(&stage.environment)
        .current_dir(&stage.directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(Duration::from_mins(2), child)
        .await
        .unwrap_or_else(|_| panic!("{what}: no end after two minutes"))
        .unwrap();
    Run {
        what,
        code: done.status.code(),
        took: begun.elapsed(),
        stdout: String::from_utf8(done.stdout).unwrap(),
        stderr: String::from_utf8(done.stderr).unwrap(),
        parsed: OnceLock::new(),
    }
}

/// One judgement of a fixture with a source of evidence taken away.
pub(crate) struct Less<'a> {
    /// The source.
    pub(crate) what: &'static str,
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// The report.
    pub(crate) report: &'a Value,
}

/// What the doctor says of a fixture: of its kept bundle, or live.
pub(crate) trait Told: Sync {
    /// The fixture.
    fn fixture(&self) -> &Fixture;
    /// Whether its world was raised, and the real binary run in it.
    fn is_live(&self) -> bool;
    /// The report.
    fn report(&self) -> &Value;
    /// The exit code.
    fn code(&self) -> Option<i32>;
    /// The report in this format.
    fn page(&self, format: &str) -> Cow<'_, str>;
    /// The same with one source of evidence taken away.
    fn less(&self) -> Vec<Less<'_>>;
    /// Port to the server's name.
    fn ports(&self) -> &BTreeMap<u16, String>;
    /// The project's directory.
    fn directory(&self) -> &str;

    /// What complaints call it.
    fn name(&self) -> String {
        let how = if self.is_live() { " (live)" } else { "" };
        format!("{}{how}", self.fixture().name)
    }

    /// The report of the main run, reduced to what does not depend on wording, ports and
    /// directories.
    fn summary(&self) -> Value {
        let report = self.report();
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
        let ids = |list: &str| -> Vec<String> {
            let mut ids: Vec<String> =
                report[list].as_array().unwrap().iter().map(|one| text(one, "id")).collect();
            ids.sort();
            ids
        };
        let causes: Vec<String> = report["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", text(one, "id"), text(one, "certainty")))
            .collect();
        let mut findings: Vec<String> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                format!(
                    "{} {} {} {}",
                    text(one, "id"),
                    text(one, "level"),
                    text(one, "certainty"),
                    place(self.directory(), self.ports(), &one["locations"][0])
                )
            })
            .collect();
        findings.sort();
        let mut summary = serde_json::json!({
            "verdict": report["verdict"],
            "exit": self.code(),
            "causes": causes,
            "findings": findings,
            "unknown": ids("unknown"),
        });
        if WITH_TABLE.contains(&self.fixture().name.as_str()) {
            let operations = report["persistence"]["operations"].as_array().unwrap();
            let rows = operations.iter().map(|one| {
                let fates = format!("{} {}", text(one, "keys"), text(one, "data"));
                (text(one, "id"), Value::from(fates))
            });
            summary["persistence"] = Value::Object(rows.collect());
        }
        summary
    }
}

/// A location in a form that is the same in every run.
fn place(directory: &str, ports: &BTreeMap<u16, String>, location: &Value) -> String {
    let one = |name: &str| location[name].as_str();
    let text = match (one("file"), one("container"), one("volume"), one("url"), one("env")) {
        (Some(file), ..) => format!("{file}:{}", location["line"]),
        (_, Some(container), ..) => format!("container {container}"),
        (_, _, Some(volume), ..) => format!("volume {volume}"),
        (_, _, _, Some(url), _) => url.to_owned(),
        (.., Some(variable)) => format!("${variable}"),
        _ => "-".to_owned(),
    };
    let root = directory.trim_end_matches("/app");
    let text = text.replace(directory, "{dir}").replace(root, "{root}");
    ports
        .iter()
        .fold(text, |text, (port, name)| text.replace(&format!(":{port}"), &format!(":{{{name}}}")))
}

impl Told for Played {
    fn fixture(&self) -> &Fixture {
        &self.fixture
    }

    fn is_live(&self) -> bool {
        true
    }

    fn report(&self) -> &Value {
        self.main.report()
    }

    fn code(&self) -> Option<i32> {
        self.main.code
    }

    fn page(&self, format: &str) -> Cow<'_, str> {
        let found = self.runs().find(|run| run.what == format);
        Cow::Borrowed(&found.unwrap_or_else(|| panic!("no {format}")).stdout)
    }

    fn less(&self) -> Vec<Less<'_>> {
        let runs = self.ablated.iter();
        runs.map(|run| Less { what: run.what, code: run.code, report: run.report() }).collect()
    }

    fn ports(&self) -> &BTreeMap<u16, String> {
        &self.ports
    }

    fn directory(&self) -> &str {
        &self.directory
    }
}

impl Played {
    /// All runs.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        let formats = self.formats.iter().chain(&self.files);
        std::iter::once(&self.main).chain(formats).chain(&self.ablated)
    }

    /// What is to be kept of it.
    pub(crate) fn bundle(&self) -> Value {
        let evidence = |run: &Run| self.own.replaced(&run.report()["evidence"]);
        let whole = evidence(&self.main);
        let less = self.ablated.iter().map(|run| {
            let difference = kept::difference(&whole, &evidence(run));
            (run.what.to_owned(), Value::Object(difference))
        });
        let less: Map<String, Value> = less.collect();
        value!({
            "bundle_version": bundle::VERSION,
            "evidence": whole,
            "less": less,
            "made_of": self.fixture.made_of,
        })
    }

    /// Writes it, unless it is there already.
    pub(crate) fn keep(&self) {
        let bundle = self.bundle();
        if self.fixture.bundle().as_ref() != Some(&bundle) {
            let mut bundle = bundle;
            bundle.sort_all_objects();
            let text = serde_json::to_string_pretty(&bundle).unwrap() + "\n";
            std::fs::write(self.fixture.path.join("bundle.json"), text).unwrap();
        }
    }

    /// `host:port` of the URL that this fixture's own configuration selects, as the report has it.
    pub(crate) fn selected_origin(&self) -> Option<String> {
        let report = self.main.report();
        let endpoint = report["evidence"]["endpoint"].to_string();
        let endpoint: Value = serde_json::from_str(&endpoint).unwrap();
        let facts = find(&endpoint, "host")?;
        Some(format!("{}:{}", facts["host"].as_str()?, facts["port"]))
    }
}

/// A fixture judged by its kept bundle, in this process.
pub(crate) struct Kept {
    /// The fixture.
    pub(crate) fixture: Fixture,
    /// What was seen.
    pub(crate) evidence: Admitted<Evidence>,
    /// What is made of it.
    pub(crate) judged: Report,
    /// The bundle.
    pub(crate) bundle: Value,
    report: OnceLock<Value>,
    less: OnceLock<Vec<(&'static str, Option<i32>, Value)>>,
    ports: BTreeMap<u16, String>,
}

/// What the doctor says as JSON, as a value.
fn told(report: &Report) -> Value {
    serde_json::to_value(json::JsonDocument::from(report)).unwrap()
}

/// The exit code of a report, as without `--fail-on`.
fn exit(report: &Report) -> Option<i32> {
    Some(i32::from(report.reaches(Level::Error)))
}

impl Kept {
    /// Reads and judges it.
    pub(crate) fn read(fixture: Fixture) -> Self {
        let name = &fixture.name;
        let bundle = fixture.bundle().unwrap_or_else(|| panic!("{name}: no bundle.json: UPDATE=1"));
        let read = bundle::read(&bundle.to_string()).unwrap_or_else(|no| panic!("{name}: {no}"));
        let judged = diagnose(&read.evidence, &Choices::default());
        let ports = kept::ports(fixture.world.servers.keys());
        let (report, less) = (OnceLock::new(), OnceLock::new());
        Self { fixture, evidence: read.evidence, judged, bundle, report, less, ports }
    }
}

impl Told for Kept {
    fn fixture(&self) -> &Fixture {
        &self.fixture
    }

    fn is_live(&self) -> bool {
        false
    }

    fn report(&self) -> &Value {
        self.report.get_or_init(|| told(&self.judged))
    }

    fn code(&self) -> Option<i32> {
        exit(&self.judged)
    }

    fn page(&self, format: &str) -> Cow<'_, str> {
        let report = &self.judged;
        let screen = |detail| Screen { width: 80, detail, ascii: false, links: false };
        Cow::Owned(match format {
            "json" => json::render(report),
            "sarif" => sarif::render(report),
            "junit" => junit::render(report, Some(Level::Error)),
            "github" => github::render(report),
            "gitlab" => gitlab::render(report),
            "html" => html::render(report),
            "text" => text::render(report, screen(Detail::Normal)),
            "the table" => persistence::table(&report.persistence, 80),
            "all formats, verbose" => {
                text::render(report, screen(Detail::Verbose)) + &markdown::render(report)
            }
            other => panic!("no {other}"),
        })
    }

    fn less(&self) -> Vec<Less<'_>> {
        let all = self.less.get_or_init(|| {
            let names = SOURCES.map(|(what, _)| what).into_iter().chain([WITHOUT_COMPOSE]);
            let kept = names.filter_map(|what| Some((what, self.bundle["less"].get(what)?)));
            let judged = kept.map(|(what, difference)| {
                let less = kept::applied(&self.bundle["evidence"], difference.as_object().unwrap());
                let less = bundle::read(&value!({ "evidence": less }).to_string()).unwrap();
                let report = diagnose(&less.evidence, &Choices::default());
                (what, exit(&report), told(&report))
            });
            judged.collect()
        });
        all.iter().map(|(what, code, report)| Less { what, code: *code, report }).collect()
    }

    fn ports(&self) -> &BTreeMap<u16, String> {
        &self.ports
    }

    fn directory(&self) -> &str {
        kept::DIRECTORY
    }
}

/// What becomes of each, by several threads, in order.
pub(crate) fn side_by_side<T: Send, U: Send>(
    threads: usize,
    all: Vec<T>,
    work: impl Fn(T) -> U + Sync,
) -> Vec<U> {
    let queue = Mutex::new(all.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((at, one)) = next else { break };
                    let made = work(one);
                    done.lock().unwrap().push((at, made));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, made)| made).collect()
}

/// Runs a test in a process of its own, and says whether this is not that process: what it learns as
/// a secret would be cut out of the texts of the other tests.
pub(crate) fn apart(test: &str) -> bool {
    const TEST: &str = "TEST_APART";
    if std::env::var(TEST).is_ok_and(|running| running == test) {
        return false;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(TEST, test)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{words}");
    true
}

/// So many threads as there are processors.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// The object that has this member, wherever an observation wraps it.
fn find<'a>(value: &'a Value, member: &str) -> Option<&'a Value> {
    if value.get(member).is_some() {
        return Some(value);
    }
    value.as_object()?.values().find_map(|inner| find(inner, member))
}
