//! The recorded cases: texts as Node's dotenv 16.6.1 reads them, and projects as the real CLI selects in them.

use std::collections::BTreeMap;

use convex_doctor::secret::Secret;
use convex_doctor::selection::node_dotenv::parse;
use convex_doctor::selection::{
    FileText, Flags, PackageJson, Sources, facts, inspect_json, select,
};
use serde_json::Value;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the fixture is a list")
}

#[test]
fn every_text_is_read_as_node_reads_it() {
    for case in cases(include_str!("../fixtures/env-cases/dotenv-parse.json")) {
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
        package_json: if has_package { PackageJson::WithConvex } else { PackageJson::Missing },
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
    for case in cases(include_str!("../fixtures/env-cases/selection.json")) {
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
