//! `fix` over the fixtures: the plan changes nothing and shows no secret; what is applied changes
//! the intended lines alone, helps, or is taken back.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these tests run the binary and read files"
)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use crate::support::{self, Change, Fixture, fixtures, snapshot};
use convex_doctor::demo::Stage;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// One run of `fix`: its exit code, its story.
async fn fix(stage: &Stage, options: &[&str]) -> (Option<i32>, Value) {
    let all = [&["fix", "--format", "json"], options].concat();
    let run = support::run(stage, "fix", &all).await;
    for secret in &stage.secrets {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{}", run.stdout);
    }
    let story = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
    (run.code, story)
}

/// `id state: why` of each fix.
fn states(story: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = |fix: &Value| {
        let outcome = &fix["outcome"];
        match text(&outcome["why"]) {
            why if why.is_empty() => format!("{} {}", text(&fix["id"]), text(&outcome["state"])),
            why => format!("{} {}: {why}", text(&fix["id"]), text(&outcome["state"])),
        }
    };
    story["fixes"].as_array().unwrap().iter().map(state).collect()
}

/// The files that differ, each with its lines of before that are gone and its lines of now that are
/// new.
type Changed = BTreeMap<String, (Vec<String>, Vec<String>)>;

fn changed(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Changed {
    let mut changed = Changed::new();
    for file in before.keys().chain(after.keys()) {
        if before.get(file) == after.get(file) {
            continue;
        }
        let lines = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
            let text = files.get(file).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            text.unwrap_or_default().split_inclusive('\n').map(str::to_owned).collect()
        };
        let (old, new) = (lines(before), lines(after));
        let start = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
        let end = old[start..]
            .iter()
            .rev()
            .zip(new[start..].iter().rev())
            .take_while(|(one, other)| one == other)
            .count();
        let differing = |lines: &[String]| lines[start..lines.len() - end].to_vec();
        changed.insert(file.clone(), (differing(&old), differing(&new)));
    }
    changed
}

#[tokio::test]
async fn a_plan_changes_nothing_and_shows_no_secret() {
    let (mut plans, mut diffs) = (0, 0);
    for fixture in fixtures() {
        let stage = fixture.raise().await;
        let before = snapshot(&stage.project);
        let text = support::run(&stage, "fix", &["fix"]).await;
        let (code, story) = fix(&stage, &[]).await;
        assert!(changed(&before, &snapshot(&stage.project)).is_empty(), "{}", fixture.name);
        for secret in &stage.secrets {
            assert!(!text.stdout.contains(secret), "{}: {}", fixture.name, text.stdout);
        }
        let requests = stage.requests.lock().unwrap().clone();
        let reads = |method: &str| matches!(method, "GET" | "HEAD");
        assert!(requests.iter().all(|(method, _)| reads(method)), "{}: {requests:?}", fixture.name);
        assert_eq!(text.code, code, "{}", fixture.name);
        let well = text.stdout.contains("Nothing to fix.");
        assert_eq!(code, Some(i32::from(!well)), "{}: {}", fixture.name, text.stdout);
        assert!(states(&story).iter().all(|state| state.ends_with(" planned")), "{story}");
        let steps = story["fixes"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|fix| fix["steps"].as_array().unwrap().clone());
        let of_files = steps.filter(|step| step["kind"] == "file").count();
        let is_heading = |line: &&str| {
            let place = line.strip_prefix("    ").and_then(|line| line.rsplit_once(':'));
            place.is_some_and(|(file, line)| !file.contains(' ') && line.parse::<usize>().is_ok())
        };
        let shown = text.stdout.lines().filter(is_heading).count();
        assert!(!text.stdout.contains("@@"), "{}: {}", fixture.name, text.stdout);
        assert!(shown >= of_files, "{}: {}", fixture.name, text.stdout);
        plans += usize::from(!states(&story).is_empty());
        diffs += of_files;
    }
    assert!(plans > 30 && diffs > 30 || std::env::var_os("SCENARIO").is_some(), "{plans} {diffs}");
}

/// A fixture, what is changed in it, what `.env.local` is to hold afterwards, and what is said of
/// each fix.
type Case = (&'static str, &'static [Change], fn(&str) -> String, &'static [&'static str]);

/// Where files are all that is to be changed.
const APPLIED: &[Case] = &[
    (
        "key-name-mismatch",
        &[],
        |old| quoted(&old.replace("self-hosted-convex|", "convex-self-hosted|")),
        &["key-name-mismatch applied"],
    ),
    (
        "key-name-mismatch",
        &[(
            ".env.local",
            "CONVEX_SELF_HOSTED_ADMIN_KEY={{key:app:self-hosted-convex}}\n",
            "\r\n export  CONVEX_SELF_HOSTED_ADMIN_KEY = \"{{key:app:self-hosted-convex}}\"  # mine\r\n#x\r\n\r\nA=1",
        )],
        |old| {
            old.replace("self-hosted-convex|", "convex-self-hosted|")
                .replace(
                    " export  CONVEX_SELF_HOSTED_ADMIN_KEY = \"",
                    "export CONVEX_SELF_HOSTED_ADMIN_KEY='",
                )
                .replace("\"  # mine", "' # mine")
        },
        &["key-name-mismatch applied"],
    ),
    (
        "key-mangled",
        &[],
        |old| old.replace("\"Admin key: ", "'").replace("\"\n", "'\n"),
        &["key-mangled applied"],
    ),
    (
        "key-prefix-refused",
        &[],
        |old| quoted(&old.replace("preview:", "")),
        &["key-prefix-refused applied"],
    ),
    (
        "cloud-deployment-set",
        &[],
        |old| old.replace("CONVEX_DEPLOYMENT=", "# CONVEX_DEPLOYMENT="),
        &["cloud-deployment-set applied"],
    ),
    (
        "misnamed-variable",
        &[],
        |old| old.replace("CONVEX_ADMIN_KEY", "CONVEX_SELF_HOSTED_ADMIN_KEY"),
        &["misnamed-variable applied"],
    ),
    (
        "line-misread",
        &[],
        |old| old.replace("KEY=\"", "KEY='").replace("\nVITE", "'\nVITE"),
        &["line-misread applied"],
    ),
    (
        "line-misread",
        &[(".env.local", "CONVEX_SELF_HOSTED_ADMIN_KEY=\"", "set CONVEX_SELF_HOSTED_ADMIN_KEY=")],
        |old| old.replace("set ", "").replace("KEY=", "KEY='").replace("\nVITE", "'\nVITE"),
        &["line-misread applied"],
    ),
    (
        "misnamed-variable",
        &[(".env.local", "CONVEX_ADMIN_KEY", "./CONVEX_SELF_HOSTED_ADMIN_KEY")],
        |old| quoted(&old.replace("./", "")),
        &["misnamed-variable applied"],
    ),
    (
        "split-sources",
        &[(
            ".env.local",
            "CONVEX_SELF_HOSTED_URL",
            "CONVEX_SELF_HOSTED_ADMIN_KEY=\nCONVEX_SELF_HOSTED_URL",
        )],
        |old| old.replace("CONVEX_SELF_HOSTED_ADMIN_KEY", "# CONVEX_SELF_HOSTED_ADMIN_KEY"),
        &["empty-value-shadows applied"],
    ),
    ("url-invalid", &[], |old| old.replace("URL=", "URL=http://"), &["url-invalid applied"]),
    (
        "url-invalid",
        &[(
            ".env.local",
            "URL=127.0.0.1:{{port:backend}}",
            "URL=\"http://127.0.0.1: {{port:backend}} \" # here",
        )],
        |old| old.replace('"', "").replace(": ", ":").replace("  #", " #"),
        &["url-invalid applied"],
    ),
    ("url-has-path", &[], |old| old.replace("/\n", "\n"), &["url-has-path applied"]),
    // One after the other, the second reported by itself once the first is fixed.
    (
        "several-name-mismatch-and-slash",
        &[],
        |old| {
            quoted(&old.replace("/\n", "\n").replace("self-hosted-convex|", "convex-self-hosted|"))
        },
        &["key-name-mismatch applied", "url-has-path applied"],
    ),
    // Told only: no file can fix what a shell exports.
    ("shell-shadows-file", &[], str::to_owned, &[]),
    ("healthy", &[], str::to_owned, &[]),
];

/// A fixture, what is changed in it, what its files are to hold afterwards by what they held, and
/// what is said of each fix.
type ByFile = (
    &'static str,
    &'static [Change],
    &'static [(&'static str, fn(&BTreeMap<String, String>) -> String)],
    &'static [&'static str],
);

/// Where files of the server are changed.
const SERVER: &[ByFile] = &[
    (
        "secret-drift",
        &[],
        &[(".env", |old| {
            let secret = |file: &str| old[file].trim_end().to_owned();
            format!("# {}\nINSTANCE_SECRET='{}'\n", secret(".env"), secret("in force"))
        })],
        &["secret-drift applied"],
    ),
    (
        "name-drift",
        &[],
        &[(".env", |_| "INSTANCE_NAME=convex-self-hosted\n".to_owned())],
        &["name-drift applied"],
    ),
    (
        "secret-in-compose",
        &[],
        &[
            (".env", |old| format!("INSTANCE_SECRET='{}'\n", old["in force"])),
            ("docker-compose.yml", |old| {
                let line = format!("INSTANCE_SECRET={}", old["in force"]);
                old["docker-compose.yml"].replace(&line, "INSTANCE_SECRET")
            }),
        ],
        &["secret-in-compose applied"],
    ),
    // A shell that exports another comes before the file: nothing is moved.
    (
        "secret-in-compose",
        &[(
            "world.json",
            "\"engine\":",
            "\"environment\": {\"INSTANCE_SECRET\": \"{{secret:new}}\"}, \"engine\":",
        )],
        &[],
        &["secret-in-compose taken_back"],
    ),
    (
        "secret-in-compose",
        &[(
            "world.json",
            "\"engine\":",
            "\"environment\": {\"COMPOSE_DISABLE_ENV_FILE\": \"1\"}, \"engine\":",
        )],
        &[],
        &[],
    ),
    (
        "selection-incomplete",
        &[(
            ".env.local",
            "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{{port:backend}}",
            "# mine\nCONVEX_SELF_HOSTED_ADMIN_KEY={{key:app:convex-self-hosted}}",
        )],
        &[(".env.local", |old| {
            format!(
                "{}CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{}\n",
                old[".env.local"], old["port"]
            )
        })],
        &["selection-incomplete applied"],
    ),
    (
        "selection-incomplete",
        &[(
            ".env.local",
            "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{{port:backend}}",
            "CONVEX_SELF_HOSTED_ADMIN_KEY={{key:other:convex-self-hosted}}",
        )],
        &[],
        &[],
    ),
];

#[tokio::test]
async fn files_of_the_server_change_in_the_intended_lines() {
    for (name, changes, expected, said) in SERVER {
        let stage = Fixture::variant(name, "fixed", changes).raise().await;
        let before = snapshot(&stage.project);
        let (_, story) = fix(&stage, &["--apply", name]).await;
        let states: Vec<_> = states(&story)
            .into_iter()
            .map(|state| state.split(": ").next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(states, *said, "{name}: {story:#}");
        let mut after = before.clone();
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
        let mut old: BTreeMap<String, String> =
            before.iter().map(|(file, bytes)| (file.clone(), text(bytes))).collect();
        let secret = Sha256::digest("convex-doctor recorded secret app");
        old.insert("in force".to_owned(), hex::encode(secret));
        old.insert("port".to_owned(), stage.ports["backend"].to_string());
        for (file, new) in *expected {
            after.insert((*file).to_owned(), new(&old).into_bytes());
        }
        let lossy = |files: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, String> {
            files.iter().map(|(file, bytes)| (file.clone(), text(bytes))).collect()
        };
        assert_eq!(lossy(&snapshot(&stage.project)), lossy(&after), "{name}: and nothing else");
        let applied = said.iter().all(|one| one.ends_with(" applied"));
        let (_, again) = fix(&stage, &["--apply"]).await;
        let nothing = again["fixes"].as_array().unwrap().is_empty();
        assert!(!applied || nothing, "{name}: it stays so: {again:#}");
    }
}

/// The key's value in single quotes, at the end of the text.
fn quoted(text: &str) -> String {
    let (before, key) = text.rsplit_once('=').unwrap();
    format!("{before}='{}'\n", key.trim_end())
}

#[tokio::test]
async fn only_the_intended_lines_change_and_the_cli_gets_through() {
    for (name, changes, expected, said) in APPLIED {
        let fixture = Fixture::variant(name, "fixed", changes);
        let stage = fixture.raise().await;
        let before = snapshot(&stage.project);
        let text = |files: &BTreeMap<String, Vec<u8>>| {
            String::from_utf8(files.get(".env.local").unwrap().clone()).unwrap()
        };
        let (code, story) = fix(&stage, &["--apply"]).await;
        let after = snapshot(&stage.project);
        assert_eq!(states(&story), *said, "{name}: {story:#}");
        assert_eq!(text(&after), expected(&text(&before)), "{name}");
        let others = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
            let others = files.iter().filter(|(file, _)| *file != ".env.local");
            others.map(|(file, bytes)| format!("{file} {bytes:?}")).collect()
        };
        assert_eq!(
            others(&before),
            others(&after),
            "{name}: nothing else, and nothing left beside it"
        );
        let told_only = *name == "shell-shadows-file";
        assert_eq!(code, Some(i32::from(told_only)), "{name}: {story:#}");
        let verdict = story["after"]["verdict"].as_str();
        assert_eq!(verdict, Some(if told_only { "broken" } else { "healthy" }), "{name}");
        let (_, again) = fix(&stage, &["--apply"]).await;
        assert!(states(&again).is_empty(), "{name}: what is fixed stays so: {again:#}");
    }
}

/// The shell sets it as well: without the file's line the finding stays, so the line comes back.
#[tokio::test]
async fn what_does_not_help_is_taken_back() {
    let shell = [(
        "world.json",
        "\"title\": ",
        "\"environment\": { \"CONVEX_DEPLOYMENT\": \"dev:happy-animal-123\" },\n  \"title\": ",
    )];
    let stage = Fixture::variant("cloud-deployment-set", "in the shell too", &shell).raise().await;
    let before = snapshot(&stage.project);
    let (code, story) = fix(&stage, &["--apply"]).await;
    let said = ["cloud-deployment-set taken_back: cloud-deployment-set is still found"];
    assert_eq!(states(&story), said, "{story:#}");
    assert!(changed(&before, &snapshot(&stage.project)).is_empty());
    assert_eq!((code, story["after"]["verdict"].as_str()), (Some(1), Some("broken")));
}

#[tokio::test]
async fn an_id_that_is_none_is_wrong_usage_and_one_that_is_not_found_is_said() {
    let stage = Fixture::variant("key-name-mismatch", "by name", &[]).raise().await;
    let run = |options: &'static [&str]| support::run(&stage, "fix", options);
    let none = run(&["fix", "key-foriegn"]).await;
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("key-foreign"), "{}", none.stderr);
    assert_eq!(run(&["fix", "--yes"]).await.code, Some(2), "--yes is nothing without --apply");
    assert_eq!(run(&["fix", "--format", "sarif"]).await.code, Some(2));
    let (code, story) = fix(&stage, &["url-has-path", "--apply"]).await;
    assert_eq!(story["not_found"], serde_json::json!(["url-has-path"]));
    assert!(states(&story).is_empty() && code == Some(1), "another error stands: {story:#}");
    // Only what was named is done.
    let (_, story) = fix(&stage, &["key-name-mismatch"]).await;
    assert_eq!(states(&story), ["key-name-mismatch planned"]);
    assert_eq!(story["command"], "convex-doctor fix key-name-mismatch --apply");
}

/// Types each answer as soon as it is asked for, on a real terminal. What stood on the screen comes
/// back, with the exit code.
fn on_a_terminal(stage: &Stage, options: &[&str], answers: &[&str]) -> (Option<i32>, String) {
    let (screen, pts) = pty_process::blocking::open().unwrap();
    screen.resize(pty_process::Size::new(40, 80)).unwrap();
    let mut child = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(&stage.arguments)
        .args(options)
        .env_clear()
        .envs(&stage.environment)
        .current_dir(&stage.directory)
        .spawn(pts)
        .unwrap();
    let mut screen = screen;
    let (mut said, mut answers, mut part) = (String::new(), answers.iter(), [0; 4096]);
    let mut asked = 0;
    // The last one that has the terminal open is gone when reading fails.
    while let Ok(count @ 1..) = screen.read(&mut part) {
        said.push_str(&String::from_utf8_lossy(&part[..count]));
        if said.matches("[y/N]").count() > asked {
            asked += 1;
            writeln!(screen, "{}", answers.next().unwrap_or(&"")).unwrap();
        }
    }
    (child.wait().unwrap().code(), said)
}

#[tokio::test(flavor = "current_thread")]
async fn at_a_terminal_each_is_asked_for() {
    for (options, answers, code, applied) in [
        (&["fix", "--apply"][..], &["y", "y"][..], 0, 2),
        (&["fix", "--apply"], &["n", ""], 1, 0),
        (&["fix", "--apply"], &["no", "y"], 1, 1),
        (&["fix", "--apply", "--yes"], &[], 0, 2),
    ] {
        let fixture = Fixture::variant("several-name-mismatch-and-slash", "asked", &[]);
        let stage = std::sync::Arc::new(fixture.raise().await);
        let before = snapshot(&stage.project);
        let one = std::sync::Arc::clone(&stage);
        let (exit, said) =
            tokio::task::spawn_blocking(move || on_a_terminal(&one, options, answers))
                .await
                .unwrap();
        assert_eq!(exit, Some(code), "{said}");
        assert_eq!(said.matches("fixed and verified").count(), applied, "{said}");
        assert_eq!(
            said.matches("skipped").count(),
            answers.len().saturating_sub(applied),
            "{said}"
        );
        let unchanged = changed(&before, &snapshot(&stage.project)).is_empty();
        assert_eq!(unchanged, applied == 0);
        for secret in &stage.secrets {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

/// Whatever the world is: no secret is shown, what is not applied is as before, and nothing is left
/// beside it.
#[tokio::test]
async fn what_does_not_help_is_taken_back_everywhere() {
    let mut seen = BTreeMap::new();
    for fixture in fixtures() {
        let stage = fixture.raise().await;
        let before = snapshot(&stage.project);
        let (code, story) = fix(&stage, &["--apply"]).await;
        let changed = changed(&before, &snapshot(&stage.project));
        let mut written: Vec<&str> = vec![];
        for fix in story["fixes"].as_array().unwrap() {
            let state = fix["outcome"]["state"].as_str().unwrap();
            *seen.entry(state.to_owned()).or_insert(0) += 1;
            if state == "applied" {
                let steps = fix["steps"].as_array().unwrap().iter();
                written.extend(steps.filter_map(|step| step["file"].as_str()));
            }
        }
        for file in changed.keys() {
            assert!(written.contains(&file.as_str()), "{}: {file}: {story:#}", fixture.name);
        }
        let left = story["fixes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|fix| fix["outcome"]["state"] != "applied");
        let errors = story["after"]["has_errors"] == true;
        let by_hand = !story["by_hand"].as_array().unwrap().is_empty();
        assert_eq!(code, Some(i32::from(left || errors || by_hand)), "{}: {story:#}", fixture.name);
    }
    let some = |state: &str| seen.get(state).is_some_and(|count| *count > 2);
    let all = some("applied") && (some("failed") || some("taken_back"));
    assert!(all || std::env::var_os("SCENARIO").is_some(), "{seen:?}");
}

/// The plan of a rotation: what it ends, what it writes, and where else the old key and the old
/// secret stand.
#[tokio::test]
async fn a_rotation_names_every_other_place() {
    let stage = Fixture::variant("secret-public-elsewhere", "rotated", &[]).raise().await;
    let (code, story) = fix(&stage, &["secret-public"]).await;
    assert_eq!(
        (code, states(&story).as_slice()),
        (Some(1), &["secret-public planned".to_owned()][..])
    );
    let fix = &story["fixes"][0];
    assert!(fix["price"]["dies"].as_str().unwrap().starts_with("every admin key"), "{fix:#}");
    assert!(fix["price"]["stays"].as_str().unwrap().starts_with("documents"), "{fix:#}");
    let files: Vec<_> =
        fix["steps"].as_array().unwrap().iter().filter_map(|step| step["file"].as_str()).collect();
    // Ignored by git, under the same name, in an env file: nothing else can be meant.
    assert_eq!(files, [".env", ".env.local", ".env.production"], "{fix:#}");
    let errands = serde_json::json!([
        {
            "title": "Save the new key here, too",
            "places": [
                "apps/web/.env.staging:1 (CONVEX_SELF_HOSTED_ADMIN_KEY)",
                "scripts/seed.sh:2: git tracks the file; move the value to one that git ignores",
                "variable of a Compose service SEED_KEY (docker-compose.ci.yml:5)",
                "GitHub Actions secret CONVEX_KEY (.github/workflows/deploy.yml:10)",
                "Vercel environment variable CONVEX_SELF_HOSTED_ADMIN_KEY, if it is set (apps/web/vercel.json:1 runs the CLI)",
            ],
        },
        {
            "title": "Replace these keys, too: they stop working with the old secret",
            "places": [".env.production:4 (CI_KEY)"],
        },
        {
            "title": "Replace or delete the old secret here, too",
            "places": [
                "docker-compose.ci.yml:6 (BACKEND_SECRET): git tracks the file; move the value to one that git ignores",
            ],
        },
    ]);
    assert_eq!(fix["errands"], errands, "{fix:#}");
    let text = support::run(&stage, "fix", &["fix", "secret-public"]).await.stdout;
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
    assert!(
        at("  stops working ") < at("  is kept ") && at("  is kept ") < at("+INSTANCE_SECRET"),
        "{text}"
    );
    assert!(at("+INSTANCE_SECRET") < at("Save the new key here, too:"), "{text}");
    assert!(at("Save the new key here, too:") < at("GitHub Actions secret CONVEX_KEY"), "{text}");
    // The report has them as well.
    let run = support::run(&stage, "json", &["--format", "json"]).await.stdout;
    let report: Value = serde_json::from_str(&run).unwrap();
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == "secret-public")
        .unwrap();
    assert_eq!(finding["remedies"][0]["errands"], errands, "{finding:#}");
}

/// What nothing calls for is not searched for.
#[tokio::test]
async fn without_a_rotation_no_other_place_is_looked_for() {
    let probes = |report: &Value| -> Vec<String> {
        let timings = report["evidence"]["timings"].as_array().unwrap().iter();
        timings.map(|one| one["probe"].as_str().unwrap().to_owned()).collect()
    };
    for (name, expected) in [
        ("healthy", false),
        ("key-foreign", false),
        ("secret-public", true),
        ("secret-in-git", true),
    ] {
        let stage = Fixture::variant(name, "looked into", &[]).raise().await;
        let run = support::run(&stage, "json", &["--format", "json"]).await.stdout;
        let report: Value = serde_json::from_str(&run).unwrap();
        let looked = probes(&report).iter().any(|probe| probe == "files: other places");
        assert_eq!(looked, expected, "{name}: {report:#}");
    }
}

fn git(stage: &Stage, arguments: &[&str]) {
    let done = std::process::Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(arguments)
        .current_dir(&stage.project)
        .output()
        .unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A new key never gets into a file that git tracks: first it is taken out of the index, which is a
/// person's to do, and then the history shows that a rotation is needed all the same.
#[tokio::test]
async fn a_tracked_file_is_untracked_before_its_key_is_rotated() {
    let stage = Fixture::variant("secret-in-git", "untracked", &[]).raise().await;
    git(&stage, &["commit", "-qm", "all of it"]);
    let before = snapshot(&stage.project);
    for options in [&["secret-in-git"][..], &["secret-in-git", "--apply"]] {
        let (code, story) = fix(&stage, options).await;
        assert_eq!(code, Some(1), "{story:#}");
        assert!(states(&story).is_empty(), "{story:#}");
        let by_hand = &story["by_hand"][0];
        let why = by_hand["why"].as_str().unwrap();
        assert!(why.starts_with("git tracks .env.local, so a secret"), "{why}");
        assert!(why.contains("`git rm --cached .env.local`"), "{why}");
        assert_eq!(
            by_hand["remedies"][0][1],
            serde_json::json!([
                "echo .env.local >> .gitignore",
                "git rm --cached .env.local",
                "convex-doctor fix secret-in-git --apply",
            ])
        );
        let commit = serde_json::json!(["git commit -m 'Keep secrets out of the repository'"]);
        assert_eq!(by_hand["errands"].as_array().unwrap().last().unwrap()["commands"], commit);
    }
    assert!(changed(&before, &snapshot(&stage.project)).is_empty());
    // As the commands have it.
    std::fs::write(stage.project.join(".gitignore"), ".env.local\n").unwrap();
    git(&stage, &["rm", "-q", "--cached", ".env.local"]);
    for committed in [false, true] {
        if committed {
            git(&stage, &["commit", "-qm", "Keep secrets out of the repository"]);
        }
        let (_, story) = fix(&stage, &["secret-in-git"]).await;
        assert_eq!(states(&story), ["secret-in-git planned"], "{committed}: {story:#}");
        // Unasked, nobody searches the history.
        let (_, story) = fix(&stage, &[]).await;
        assert!(!story.to_string().contains("secret-in-git"), "{committed}: {story:#}");
    }
    let run = support::run(&stage, "deep", &["--deep", "--format", "json"]).await.stdout;
    let report: Value = serde_json::from_str(&run).unwrap();
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == "secret-in-git")
        .unwrap();
    let detail = finding["detail"].as_str().unwrap();
    let (commit, rest) = detail.strip_prefix("Commit ").unwrap().split_once(' ').unwrap();
    assert!(commit.len() >= 7 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{detail}");
    assert!(rest.starts_with("contains the admin key in use, in .env.local."), "{detail}");
}

/// The literal in the compose file goes, and what git then has to be told comes in order.
#[tokio::test]
async fn a_literal_secret_leaves_the_compose_file() {
    let stage = Fixture::variant("secret-in-git-compose", "rotated", &[]).raise().await;
    let (_, story) = fix(&stage, &["secret-in-git"]).await;
    assert_eq!(states(&story), ["secret-in-git planned"], "{story:#}");
    let fix = &story["fixes"][0];
    let files: Vec<_> =
        fix["steps"].as_array().unwrap().iter().filter_map(|step| step["file"].as_str()).collect();
    assert_eq!(files, ["docker-compose.yml", ".env", ".env.local"], "{fix:#}");
    assert_eq!(
        fix["errands"][0]["commands"],
        serde_json::json!([
            "git add docker-compose.yml",
            "git commit -m 'Keep secrets out of the repository'"
        ]),
        "{fix:#}"
    );
}
