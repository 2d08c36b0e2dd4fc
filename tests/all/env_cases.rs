//! The recorded cases: texts as Node's dotenv 16.6.1 reads them, and projects as the real CLI
//! selects in them.

#![allow(clippy::unwrap_used, reason = "a fixture of the wrong shape may end the test")]

use std::collections::BTreeMap;

use convex_doctor::secret::Secret;
use convex_doctor::selection::node_dotenv::parse;
use convex_doctor::selection::{
    FileText, Flags, PackageJson, Sources, facts, inspect_json, select,
};
use proptest::prelude::*;
use serde_json::Value;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the fixture is a list")
}

#[test]
fn every_text_is_read_as_node_reads_it() {
    for case in cases(include_str!("../../fixtures/env-cases/dotenv-parse.json")) {
        let text = case["text"].as_str().unwrap();
        let read: BTreeMap<String, Value> = parse(text)
            .into_iter()
            .map(|assignment| (assignment.name, Value::from(assignment.value.expose())))
            .collect();
        let expected: BTreeMap<String, Value> =
            case["values"].as_object().unwrap().clone().into_iter().collect();
        assert_eq!(read, expected, "{text:?}");
    }
}

/// The project of a case, as seen from its working directory.
fn sources(case: &Value) -> Sources {
    let cwd = case["cwd"].as_str().unwrap();
    let file = |name: &str| {
        let path = if cwd == "." { name.to_owned() } else { format!("{cwd}/{name}") };
        case["files"][path].as_str().map(|text| FileText::new(name, text))
    };
    let args: Vec<&str> =
        case["cli_args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    let option = |name: &str| Some(args[args.iter().position(|arg| *arg == name)? + 1]);
    // The recorded projects have a package.json in their root unless the case says otherwise.
    let has_package = cwd == "." || file("package.json").is_some();
    Sources {
        process_env: case["process_env"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        env_local: file(".env.local"),
        env: file(".env"),
        env_file: option("--env-file").map(|name| (name.to_owned(), file(name))),
        flags: Flags {
            url: option("--url").map(str::to_owned),
            admin_key: option("--admin-key").map(Secret::new),
        },
        unknown: Vec::new(),
        package_json: if has_package { PackageJson::WithConvex } else { PackageJson::Missing },
        ignores_token: false,
    }
}

fn host(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    })
}

#[test]
fn every_project_selects_what_the_cli_selects() {
    for case in cases(include_str!("../../fixtures/env-cases/selection.json")) {
        let name = case["name"].as_str().unwrap();
        let expect = &case["expect"];
        let selection = select(&sources(&case));
        assert_eq!(selection.kind.as_str(), expect["selection"].as_str().unwrap(), "{name}");
        if let Some(message) = expect["message"].as_str() {
            assert_eq!(selection.message.as_deref(), Some(message), "{name}");
        }
        let url = selection.url.as_ref().map(|(url, _)| url.as_str());
        if let Some(expected) = expect["url_host"].as_str() {
            assert_eq!(url.and_then(host).as_deref(), Some(expected), "{name}");
        }
        if expect["url_unparsable"] == true {
            assert_eq!(url.and_then(host), None, "{name}");
        }
        let key = selection.admin_key.as_ref().map(|key| key.as_sent.expose());
        if let Some(expected) = expect["admin_key"].as_str() {
            assert!(key == Some(expected), "{name}");
            let json = inspect_json(&facts(&selection, &|_| None));
            assert_eq!(json["admin_key"]["length"], expected.chars().count(), "{name}");
            assert!(!json.to_string().contains(expected), "{name}");
        }
    }
}

/// What lines of such files are made of, the traps more often than in life.
fn hostile_text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "CONVEX_SELF_HOSTED_URL",
        "CONVEX_SELF_HOSTED_ADMIN_KEY",
        "CONVEX_DEPLOY_KEY",
        "./",
        "export ",
        "=",
        ":",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\u{feff}",
        "\u{2028}",
        "\u{a0}",
        "\"",
        "'",
        "`",
        "\\",
        "#",
        "$",
        "{",
        "|",
        "http://u:p@h",
        "n|01deadbeefdeadbeef",
        "é",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES), 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_gives_facts_without_a_key(local in hostile_text(), env in hostile_text()) {
        for assignment in parse(&local) {
            let raw = &local[assignment.span.clone()];
            prop_assert!(raw.contains(&assignment.name));
            prop_assert!(assignment.line <= assignment.end_line);
            let above = &local[..assignment.span.start + raw.find(&assignment.name).unwrap()];
            let lines = above.replace("\r\n", "\n").matches(['\n', '\r']).count();
            if !raw.starts_with("export") {
                prop_assert_eq!(lines + 1, assignment.line);
            }
        }
        let sources = Sources {
            env_local: Some(FileText::new(".env.local", local)),
            env: Some(FileText::new(".env", env)),
            ..Sources::default()
        };
        let facts = facts(&select(&sources), &|_| None);
        let bundle = serde_json::to_string(&facts).unwrap();
        prop_assert!(!bundle.contains("deadbeef"), "{}", bundle);
    }
}
