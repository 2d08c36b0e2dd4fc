//! The recorded cases: texts as Node's dotenv 16.6.1 reads them, and projects as the real CLI
//! selects in them.

#![allow(clippy::unwrap_used, reason = "a fixture of the wrong shape may end the test")]

use std::collections::BTreeMap;

use convex_doctor::fix::{env_file, lines};
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

/// Texts with lines as people write them and as nobody does, of a few names.
fn env_text() -> impl Strategy<Value = String> {
    const LINES: &[&str] = &[
        "A=1",
        "B='two words'",
        "C=\"x\\ny\"",
        "export A=x",
        "A = y # why",
        "B=`t`",
        "C=a#b",
        "A=",
        "# A=old",
        "",
        "  B=1  ",
        "C='a",
        "b'",
        "A=it's",
        "B=\"",
        "no line of ours",
        "C: yaml",
        "\u{feff}A=1",
    ];
    let line =
        (proptest::sample::select(LINES), proptest::sample::select(vec!["\n", "\r\n", "\r"]));
    (proptest::collection::vec(line, 0..10), any::<bool>()).prop_map(|(lines, has_end)| {
        let text: String = lines.iter().flat_map(|(line, end)| [*line, *end]).collect();
        if has_end { text } else { text.trim_end_matches(['\r', '\n']).to_owned() }
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(
        pairs in proptest::collection::vec(("[A-Za-z_][A-Za-z0-9_.-]{0,6}", "\\PC{0,12}|[a\n\t '\"`$#\\\\é|=]{0,8}"), 0..8),
    ) {
        let quotable = |value: &String| env_file::quoted(value).is_some();
        let pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| quotable(value)).collect();
        let line = |(name, value): &(String, String)| {
            format!("{name}={}\n", env_file::quoted(value).unwrap())
        };
        let printed: String = pairs.iter().map(line).collect();
        let read = parse(&printed).into_iter();
        let read: Vec<_> = read.map(|one| (one.name, one.value.expose().to_owned())).collect();
        prop_assert_eq!(read, pairs);
    }

    #[test]
    fn an_edit_of_an_env_file_changes_the_lines_of_its_variable(
        text in env_text(),
        name in proptest::sample::select(vec!["A", "B", "NEW"]),
    ) {
        let new = env_file::set(&text, name, "'a new value'");
        let all = parse(&text);
        let edits = lines::edits(".env.local", &text, &new);
        let keep = |_: &_, _: &str| Some(String::new());
        prop_assert_eq!(lines::apply(&text, &edits, &keep), Ok(new.clone()));
        // A lone carriage return ends no line of an edit.
        let line_of = |at: usize| text[..at].matches('\n').count() + 1;
        match all.iter().rfind(|one| one.name == name) {
            Some(one) => {
                let own = line_of(one.span.start)..=line_of(one.span.end);
                for edit in &edits {
                    prop_assert!(own.contains(&edit.line), "{:?} in {:?}", edit, own);
                }
            }
            None => {
                let begins = text.trim_end_matches(['\r', '\n']);
                prop_assert!(new.starts_with(begins), "{:?}", new);
                prop_assert_eq!(parse(&new).len().max(all.len()), all.len() + 1);
            }
        }
        // A second time changes nothing.
        prop_assert_eq!(env_file::set(&new, name, "'a new value'"), new);
    }
}
