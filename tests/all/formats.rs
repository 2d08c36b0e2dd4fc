//! The formats for other programs over one report with every level and certainty, every kind of
//! place, and foreign text that tries to be more than text.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reads the repository's own files"
)]

use convex_doctor::checks;
use convex_doctor::render::{github, gitlab, html, junit, markdown, sarif};
use convex_doctor::report::{
    Certainty, Finding, Level, Location, Remedy, Report, Summary, Suppressed, Tree, UnknownCheck,
    Verdict,
};
use convex_doctor::secret::Secret;
use quick_junit::TestCaseStatus;
use serde_json::Value;

/// A container whose name would forge a verdict, an annotation, a tag, a link and a colour.
const HOSTILE: &str = "x\n::error title=forged::\r\n##[error]forged\n]]></failure><b>&\u{1b}[31m \
                       %0A, [a](http://evil) \u{202e}\u{fffe}\0";

pub(crate) fn report() -> Report {
    let finding = |id: &str, level, certainty| {
        let detail = format!("what is the case with {HOSTILE}");
        checks::rule(id).unwrap().finding(certainty, detail).level(level)
    };
    let findings: Vec<Finding> = vec![
        finding("key-foreign", Level::Error, Certainty::Proven)
            .at(Location::line(".env.local", 3))
            .at(Location::container(HOSTILE))
            .because(HOSTILE, HOSTILE)
            .remedy(Remedy::safe(HOSTILE).run("docker compose up -d")),
        finding("data-volume-anonymous", Level::Warning, Certainty::Likely)
            .at(Location::volume(HOSTILE)),
        finding("data-volume-anonymous", Level::Warning, Certainty::Likely)
            .at(Location::volume(HOSTILE)),
        finding("image-unpinned", Level::Info, Certainty::Possible)
            .at(Location::line("../a b:#%,c.yml", 0)),
        finding("url-has-path", Level::Error, Certainty::Proven).at(Location::url("http://h/x")),
        finding("url-refused", Level::Error, Certainty::Proven).at(Location::line("..", 0)),
        finding("shell-shadows-file", Level::Info, Certainty::Proven)
            .at(Location::Environment { env: "CONVEX_SELF_HOSTED_URL".to_owned() }),
    ];
    let suppressed = finding("env-not-ignored", Level::Warning, Certainty::Proven)
        .at(Location::line(".env.local", 1));
    let suppressed = Suppressed {
        id: suppressed.id.clone(),
        reason: Some(HOSTILE.to_owned()),
        until: Some("2027-01-31".to_owned()),
        source: "convex-doctor.toml:4".to_owned(),
        in_source: false,
        finding: suppressed,
    };
    let ids = findings.iter().map(|one| one.id.as_str()).chain(["env-not-ignored"]);
    let mut rules: Vec<_> = ids.map(|id| checks::rule(id).unwrap()).collect();
    rules.dedup_by_key(|rule| rule.id);
    Report {
        generated_at: "2026-11-27T12:00:00Z".to_owned(),
        verdict: Verdict::Broken,
        summary: Summary { headline: HOSTILE.to_owned(), elapsed_ms: 1234, ..Summary::default() },
        causes: vec![findings[0].clone()],
        findings,
        passed: vec!["key-mangled".to_owned()],
        unknown: vec![
            UnknownCheck { id: "secret-drift".to_owned(), reason: HOSTILE.to_owned() },
            UnknownCheck { id: "name-drift".to_owned(), reason: HOSTILE.to_owned() },
        ],
        suppressed: vec![suppressed],
        rules,
        chain: Vec::new(),
        persistence: Vec::new(),
        story: Vec::new(),
        tree: Tree {
            directory: "/repo/app".to_owned(),
            root: Some("/repo".to_owned()),
            main_file: "/repo/docker-compose.yml".to_owned(),
        },
        evidence: Value::Null,
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Every text in a document as its reader has it, escapes undone.
fn strings(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(values) => values.iter().map(strings).collect(),
        Value::Object(members) => members.values().map(strings).collect(),
        _ => String::new(),
    }
}

/// Neither raw control characters nor those that turn a line's direction.
#[test]
fn no_format_hands_on_control_characters() {
    let report = report();
    for (format, text) in [
        ("sarif", strings(&json(&sarif::render(&report)))),
        ("junit", junit::render(&report, Some(Level::Error))),
        ("github", github::render(&report)),
        ("gitlab", strings(&json(&gitlab::render(&report)))),
        ("markdown", markdown::render(&report)),
        ("html", html::render(&report)),
    ] {
        let raw = text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(raw, None, "{format}");
    }
}

/// The scrubber at the door does not know a secret in another format's spelling.
#[test]
fn a_secret_is_cut_out_before_it_is_escaped() {
    let _known = Secret::new("p&ss%w[rd<1>");
    let mut report = report();
    report.findings[0].detail = "the server said p&ss%w[rd<1>!".into();
    for (format, text) in [
        ("sarif", sarif::render(&report)),
        ("junit", junit::render(&report, Some(Level::Error))),
        ("github", github::render(&report)),
        ("gitlab", gitlab::render(&report)),
        ("markdown", markdown::render(&report)),
        ("html", html::render(&report)),
    ] {
        assert!(text.contains("the server said"), "{format}");
        assert!(!text.contains("rd<1") && !text.contains("rd&lt;1"), "{format}: {text}");
    }
}

#[test]
fn sarif_is_what_the_standard_asks_for() {
    let text = sarif::render(&report());
    let schema = json(include_str!("../../fixtures/sarif-schema.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let sarif = json(&text);
    let faults: Vec<String> = validator
        .iter_errors(&sarif)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");

    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 8);
    let mut prints = std::collections::BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(prints.insert(result["partialFingerprints"]["convexDoctor/v1"].as_str()));
        for place in result["locations"].as_array().unwrap() {
            assert!(place["physicalLocation"].is_object(), "GitHub refuses it: {result}");
        }
    }
    let first = &results[0];
    assert_eq!(
        (&first["level"], &first["properties"]["certainty"]),
        (&"error".into(), &"proven".into())
    );
    let place = &first["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "app/.env.local");
    assert_eq!(place["region"]["startLine"], 3);
    assert_eq!(first["locations"][0]["logicalLocations"][0]["kind"], "container");
    assert!(first["message"]["text"].as_str().unwrap().contains("\\[a\\](http"), "no link");
    let volume = &results[1]["locations"][0];
    assert_eq!(volume["physicalLocation"]["artifactLocation"]["uri"], "docker-compose.yml");
    assert_eq!(volume["logicalLocations"][0]["kind"], "volume");
    let odd = &results[3]["locations"][0]["physicalLocation"];
    assert_eq!(odd["artifactLocation"]["uri"], "a%20b%3A%23%25%2Cc.yml");
    assert_eq!(odd.get("region"), None, "no line is known");
    for result in &results[..7] {
        assert_eq!(result["suppressions"].as_array().unwrap().len(), 0);
    }
    let root = &results[5]["locations"][0];
    assert_eq!(root["physicalLocation"]["artifactLocation"]["uri"], "docker-compose.yml");
    assert_eq!(root["logicalLocations"][0]["kind"], "directory");
    let suppression = &results[7]["suppressions"][0];
    assert_eq!(suppression["kind"], "external");
    assert!(suppression["justification"].as_str().unwrap().contains("convex-doctor.toml:4"));
    let notes = &run["invocations"][0]["toolExecutionNotifications"];
    assert_eq!(notes[0]["descriptor"]["id"], "secret-drift");
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
}

/// A line added above a finding does not make it another one.
#[test]
fn a_fingerprint_outlives_an_edit() {
    let prints = |report: &Report| -> Vec<String> {
        let entries = json(&gitlab::render(report));
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| entry["fingerprint"].as_str().unwrap().to_owned()).collect()
    };
    let one = report();
    let mut other = report();
    other.findings[0].locations[0] = Location::line(".env.local", 7);
    assert_eq!(prints(&one), prints(&other));
    other.findings[0].locations[0] = Location::line(".env", 3);
    assert_ne!(prints(&one)[0], prints(&other)[0]);
}

/// The steps are counted from one, whatever stands before them.
#[test]
fn markdown_counts_steps_and_parts_them_from_the_other_way() {
    let mut report = report();
    let step = |title: &str| Remedy::safe(title).step();
    report.causes[0].remedies = vec![Remedy::safe("Let it"), step("One"), step("Two")];
    let text = markdown::render(&report);
    let ways = "\nFix: Let it\n\nOr, in this order:\n\nStep 1: One\n\nStep 2: Two\n";
    assert!(text.contains(ways), "{text}");
    report.causes[0].remedies.remove(0);
    let text = markdown::render(&report);
    assert!(text.contains("\nFix, in this order:\n\nStep 1: One\n\nStep 2: Two\n"), "{text}");
}

/// What is wrong with a report for GitLab.
fn gitlab_faults(text: &str) -> Vec<String> {
    let schema = json(include_str!("../../fixtures/gitlab-code-quality-schema.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let entries = json(text);
    let errors = validator.iter_errors(&entries);
    let mut faults: Vec<String> =
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
    let mut prints = std::collections::BTreeSet::new();
    for entry in entries.as_array().into_iter().flatten() {
        if !prints.insert(entry["fingerprint"].as_str()) {
            faults.push(format!("GitLab drops the second of {}", entry["fingerprint"]));
        }
    }
    faults
}

#[test]
fn the_faults_of_a_report_for_gitlab_are_seen() {
    let text = gitlab::render(&report());
    assert_eq!(gitlab_faults(&text), [""; 0]);
    for (from, to) in [
        ("\"minor\"", "\"warning\""),
        ("\"check_name\"", "\"name\""),
        ("\"path\": \"app/", "\"path\": \"/app/"),
        ("\"path\": \"app/", "\"path\": \"./app/"),
        ("\"begin\": 3", "\"begin\": 0"),
        ("\"begin\": 3", "\"begin\": 3, \"column\": 1"),
        ("\"begin\"", "\"start\""),
    ] {
        assert!(text.contains(from), "{from}");
        assert_ne!(gitlab_faults(&text.replacen(from, to, 1)), [""; 0], "{from}");
    }
    let entries = json(&text);
    let print = entries[0]["fingerprint"].as_str().unwrap();
    let twice = text.replace(entries[1]["fingerprint"].as_str().unwrap(), print);
    assert_eq!(gitlab_faults(&twice).len(), 1);
}

#[test]
#[cfg(unix)]
fn gitlab_takes_the_report_of_every_fixture() {
    for kept in crate::scenarios::KEPT.iter() {
        assert_eq!(gitlab_faults(&gitlab::render(&kept.judged)), [""; 0], "{}", kept.fixture.name);
    }
}

/// Three comments above what is found move it, and it stays the same finding: in one fixture of ten.
#[test]
#[cfg(unix)]
fn a_finding_that_moves_keeps_its_fingerprint() {
    if crate::support::apart("formats::a_finding_that_moves_keeps_its_fingerprint") {
        return;
    }
    let fixtures: Vec<_> = crate::support::fixtures();
    let names: Vec<&str> = fixtures
        .iter()
        .filter(|fixture| crate::scenarios::is_one_in_ten(fixture))
        .map(|fixture| fixture.name.as_str())
        .collect();
    let queue = std::sync::Mutex::new(names.clone());
    let complaints = std::sync::Mutex::new(Vec::new());
    let seen = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let Some(name) = queue.lock().unwrap().pop() else { break };
                    let (moved, faults) = runtime.block_on(Box::pin(with_comments(name)));
                    seen.fetch_add(moved, std::sync::atomic::Ordering::Relaxed);
                    complaints.lock().unwrap().extend(faults);
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(seen.into_inner() >= names.len() / 4, "few findings moved in {names:?}");
}

/// How many findings of a fixture moved with their line, and what is wrong with their fingerprints.
#[cfg(unix)]
async fn with_comments(name: &str) -> (usize, Vec<String>) {
    use convex_doctor::collect::{self, Request};
    use convex_doctor::diagnosis::{Choices, diagnose};
    let stage = crate::support::Fixture::variant(name, "moved", &[]).raise().await;
    if !stage.arguments.is_empty() {
        return (0, Vec::new());
    }
    let mut request = Request {
        environment: Some(stage.environment.clone()),
        timeout: std::time::Duration::from_mins(1),
        ..Request::default()
    };
    request.project.directory = Some(stage.directory.clone());
    let look = async || {
        let evidence = collect::look_at_all(&request).await.unwrap();
        diagnose(&evidence, &Choices::default())
    };
    let before = look().await;
    let mut edited = std::collections::BTreeSet::new();
    for location in before.findings.iter().flat_map(|finding| &finding.locations) {
        let Location::File { file, line: 1.., .. } = location else { continue };
        let path = stage.directory.join(file);
        // These have no comments.
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        if is_json || !path.is_file() || edited.contains(&before.tree.path(file)) {
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        let (mark, rest) = match text.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => (&b"\xef\xbb\xbf"[..], rest),
            None => (&b""[..], &text[..]),
        };
        std::fs::write(&path, [mark, b"# one\n# two\n# three\n", rest].concat()).unwrap();
        edited.insert(before.tree.path(file));
    }
    let after = look().await;
    // Fingerprint, file and line of each result.
    let places = |report: &Report| {
        let (sarif, gitlab) = (json(&sarif::render(report)), json(&gitlab::render(report)));
        let results = sarif["runs"][0]["results"].as_array().unwrap().iter().map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            let line = place["region"]["startLine"].as_u64();
            let print = &result["partialFingerprints"]["convexDoctor/v1"];
            (format!("SARIF {print}"), place["artifactLocation"]["uri"].clone(), line)
        });
        let entries = gitlab.as_array().unwrap().iter().map(|entry| {
            let place = &entry["location"];
            let print = format!("GitLab {}", entry["fingerprint"]);
            (print, place["path"].clone(), place["lines"]["begin"].as_u64())
        });
        results.chain(entries).collect::<Vec<_>>()
    };
    let (mut moved, mut faults) = (0, Vec::new());
    let known = before.findings.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>();
    let now = places(&after);
    let in_a_line = |print: &str, file: &str| print.starts_with("SARIF") && edited.contains(file);
    for (print, file, line) in places(&before) {
        match now.iter().find(|(other, ..)| *other == print) {
            None => faults.push(format!("{name}: {print} is lost, of {known:?}")),
            Some((_, _, there)) if in_a_line(&print, file.as_str().unwrap()) && line.is_some() => {
                if *there == line.map(|line| line + 3) {
                    moved += 1;
                } else {
                    faults.push(format!("{name}: {print} at {line:?} is at {there:?}"));
                }
            }
            Some(_) => {}
        }
    }
    (moved, faults)
}

#[test]
fn gitlab_entries_have_what_gitlab_requires() {
    let entries = json(&gitlab::render(&report()));
    let entries = entries.as_array().unwrap();
    let mut prints = std::collections::BTreeSet::new();
    for entry in entries {
        assert!(!entry["description"].as_str().unwrap().is_empty());
        assert!(!entry["check_name"].as_str().unwrap().is_empty());
        assert!(prints.insert(entry["fingerprint"].as_str().unwrap()), "GitLab drops the second");
        let severity = entry["severity"].as_str().unwrap();
        assert!(["info", "minor", "major", "critical", "blocker"].contains(&severity));
        let path = entry["location"]["path"].as_str().unwrap();
        assert!(!path.is_empty() && !path.starts_with("./") && !path.starts_with('/'), "{path}");
        assert!(entry["location"]["lines"]["begin"].as_u64().unwrap() >= 1);
    }
    let has = |index: usize, id: &str, severity: &str, path: &str, line: u64| {
        let entry = &entries[index];
        assert_eq!(entry["check_name"], id);
        assert_eq!(entry["severity"], severity, "{id}");
        assert_eq!(entry["location"]["path"], path, "{id}");
        assert_eq!(entry["location"]["lines"]["begin"], line, "{id}");
    };
    has(0, "key-foreign", "critical", "app/.env.local", 3);
    has(1, "data-volume-anonymous", "minor", "docker-compose.yml", 1);
    has(7, "env-not-ignored", "info", "app/.env.local", 1);
    has(8, "not-seen", "info", "docker-compose.yml", 1);
    let text = |index: usize| entries[index]["description"].as_str().unwrap();
    assert!(text(7).starts_with("Suppressed, "), "{}", text(7));
    assert!(text(8).starts_with("Not checked: 2 checks could not run"), "{}", text(8));
    assert_eq!(entries.len(), 9);
}

/// The runner takes a line that begins with `::`, and one with `##[` anywhere.
#[test]
fn foreign_text_makes_no_workflow_command() {
    let text = github::render(&report());
    let commands: Vec<&str> =
        text.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    assert_eq!(commands.len(), 8 + 2, "eight findings and a group: {text}");
    assert!(text.lines().filter(|line| !line.starts_with("::")).all(|line| !line.contains("##[")));
    assert!(!text.contains('\r'));
    assert!(text.starts_with("convex-doctor: BROKEN x\\u000a::error title=forged::"), "{text}");
    assert!(
        commands[0].starts_with("::error file=app/.env.local,line=3,col=1,title=key-foreign::"),
        "{}",
        commands[0]
    );
    assert!(commands[0].contains("%0A- at x"), "line ends of our own are escaped");
    assert!(commands[0].contains("%250A"), "and a percent sign means itself");
    assert!(
        commands[3].contains("file=a b%3A#%25%2Cc.yml,title=image-unpinned::"),
        "{}",
        commands[3]
    );
    assert!(commands[1].starts_with("::warning title=data-volume-anonymous::"), "{}", commands[1]);
    assert!(commands[7].starts_with(
        "::notice file=app/.env.local,line=1,col=1,title=env-not-ignored (suppressed)::"
    ));
    assert!(text.contains("\nunknown secret-drift: x"), "{text}");
    assert!(text.ends_with("convex-doctor: 1 passed, 2 unknown, 1 suppressed\n"), "{text}");
}

#[test]
fn junit_agrees_with_the_exit_code() {
    let report = report();
    let kinds = |fail_from| {
        let text = junit::render(&report, fail_from);
        let read = quick_junit::Report::deserialize_from_str(&text).unwrap();
        assert_eq!(read.test_suites.len(), 1);
        assert_eq!(read.test_suites[0].name.as_str(), "convex-doctor");
        let cases = read.test_suites[0].test_cases.iter();
        cases
            .map(|case| {
                let kind = match &case.status {
                    TestCaseStatus::NonSuccess { description, message, .. } => {
                        assert!(message.is_some());
                        assert!(description.as_ref().unwrap().contains("what is the case"));
                        "failed"
                    }
                    TestCaseStatus::Skipped { message, .. } => {
                        assert!(message.as_ref().unwrap().contains("</failure><b>&"), "as it was");
                        "skipped"
                    }
                    TestCaseStatus::Success { .. } if case.system_out.is_some() => "said",
                    TestCaseStatus::Success { .. } => "passed",
                };
                format!("{} {kind}", case.name.as_str())
            })
            .collect::<Vec<_>>()
    };
    let errors = kinds(Some(Level::Error));
    assert_eq!(
        errors,
        [
            "key-foreign failed",
            "data-volume-anonymous said",
            "image-unpinned said",
            "url-has-path failed",
            "url-refused failed",
            "shell-shadows-file said",
            "env-not-ignored skipped",
            "secret-drift skipped",
            "name-drift skipped",
            "key-mangled passed",
        ]
    );
    assert_eq!(kinds(Some(Level::Warning))[1], "data-volume-anonymous failed");
    assert!(kinds(None).iter().all(|kind| !kind.ends_with("failed")));
    let text = junit::render(&report, Some(Level::Error));
    assert!(!text.contains('\u{fffe}'), "no character of XML");
}

/// A file that may not grow fails the write; without a handler its signal would end the program.
#[test]
#[cfg(unix)]
fn a_file_that_may_not_grow_is_an_error_and_no_signal() {
    let place = tempfile::tempdir().unwrap();
    let script = "ulimit -f 0; exec \"$0\" --no-docker --no-network \"$@\"";
    for arguments in [&["--format", "json", "-o", "out"][..], &[]] {
        let stdout = std::fs::File::create(place.path().join("stdout")).unwrap();
        let ended = std::process::Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_convex-doctor")])
            .args(arguments)
            .current_dir(place.path())
            .stdout(stdout)
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(3), "{arguments:?}: {ended:?}");
    }
}

/// One message of a chat takes 2,000 characters, whatever the report is about.
#[test]
#[cfg(unix)]
fn the_brief_report_fits_one_message() {
    use convex_doctor::bundle;
    use convex_doctor::diagnosis::{Choices, diagnose};
    use convex_doctor::render::brief;
    for kept in crate::scenarios::KEPT.iter() {
        let name = &kept.fixture.name;
        let mut bundle = kept.bundle.clone();
        stretch(&mut bundle["evidence"], "");
        let stretched = bundle::read(&bundle.to_string()).unwrap();
        let stretched = diagnose(&stretched.evidence, &Choices::default());
        for report in [&kept.judged, &stretched] {
            let message = brief::render(report);
            assert!(message.encode_utf16().count() <= 2_000, "{name}: {message}");
            assert!(message.starts_with("**"), "{name}: {message}");
            assert_eq!(message.matches("```").count() % 2, 0, "{name}: {message}");
            let cause = report.causes.first().map(|cause| format!("(`{}`, ", cause.id));
            assert!(cause.is_none_or(|cause| message.contains(&cause)), "{name}: {message}");
            assert!(message.contains("convex-doctor 0."), "{name}: {message}");
            let remedy = report.causes.first().and_then(|cause| cause.remedies.first());
            if remedy.is_some_and(|remedy| remedy.price.is_some()) {
                // Before the command: what was pasted already is too late to be told.
                let price = message.find("Stops working: ").expect(name);
                let command = message.find("```sh").unwrap_or(message.len());
                assert!(price < command, "{name}: {message}");
            }
        }
    }
}

/// Makes each path and image as long as it may be.
#[cfg(unix)]
fn stretch(value: &mut serde_json::Value, field: &str) {
    match value {
        serde_json::Value::String(text)
            if ["directory", "file", "image", "detail"].contains(&field) =>
        {
            text.push_str(&"/long`er*".repeat(400));
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(|one| stretch(one, field)),
        serde_json::Value::Object(map) => {
            map.iter_mut().for_each(|(key, value)| stretch(value, key));
        }
        _ => {}
    }
}
