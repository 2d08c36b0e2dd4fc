//! `fix` over the fixtures: the plan changes nothing and shows no secret; what is applied changes the intended lines alone, helps, or is
//! taken back.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these tests run the binary and read files"
)]

mod support;

use std::collections::BTreeMap;

use convex_doctor::demo::Stage;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use support::{Change, Fixture, fixtures, snapshot};

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

/// The files that differ, each with its lines of before that are gone and its lines of now that are new.
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
        let well = text.stdout.contains("Nothing to mend.");
        assert_eq!(code, Some(i32::from(!well)), "{}: {}", fixture.name, text.stdout);
        assert!(states(&story).iter().all(|state| state.ends_with(" planned")), "{story}");
        let steps = story["fixes"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|fix| fix["steps"].as_array().unwrap().clone());
        let of_files = steps.filter(|step| step["kind"] == "file").count();
        let shown = text.stdout.lines().filter(|line| line.trim_start().starts_with("@@ ")).count();
        assert!(shown >= of_files, "{}: {}", fixture.name, text.stdout);
        plans += usize::from(!states(&story).is_empty());
        diffs += of_files;
    }
    assert!(plans > 30 && diffs > 30 || std::env::var_os("SCENARIO").is_some(), "{plans} {diffs}");
}

/// A fixture, what is changed in it, what `.env.local` is to hold afterwards, and what is said of each fix.
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
        |old| old.replace("\"", "").replace(": ", ":").replace("  #", " #"),
        &["url-invalid applied"],
    ),
    ("url-has-path", &[], |old| old.replace("/\n", "\n"), &["url-has-path applied"]),
    // One after the other, the second seen by itself once the first is mended.
    (
        "several-name-mismatch-and-slash",
        &[],
        |old| {
            quoted(&old.replace("/\n", "\n").replace("self-hosted-convex|", "convex-self-hosted|"))
        },
        &["key-name-mismatch applied", "url-has-path applied"],
    ),
    // Told only: no file can mend what a shell exports.
    ("shell-shadows-file", &[], str::to_owned, &[]),
    ("healthy", &[], str::to_owned, &[]),
];

/// A fixture, what is changed in it, what its files are to hold afterwards by what they held, and what is said of each fix.
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
        let stage = Fixture::variant(name, "mended", changes).raise().await;
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
        let fixture = Fixture::variant(name, "mended", changes);
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
        assert!(states(&again).is_empty(), "{name}: what is mended stays so: {again:#}");
    }
}

/// Whatever the world is: no secret is shown, what is not applied is as before, and nothing is left beside it.
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
