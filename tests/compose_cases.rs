//! Compose projects against what the real `docker compose config` made of them: the cases kept in `fixtures/compose-cases`, and, where
//! it lies beside the repository, a corpus of public files.
#![allow(clippy::disallowed_methods, reason = "a test reads its fixtures")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convex_doctor::compose::{self, FileError, Files, Request};
use serde_json::{Value, json};

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::NotFound,
            _ => FileError::Unreadable(error.to_string()),
        })
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }
}

/// The fields that the model has (design §1).
const SERVICE: &[&str] = &[
    "image",
    "build",
    "entrypoint",
    "command",
    "environment",
    "volumes",
    "ports",
    "network_mode",
    "profiles",
    "labels",
    "depends_on",
    "healthcheck",
];
const VOLUME: &[&str] = &["name", "external", "driver_opts"];

fn only(value: &Value, keys: &[&str]) -> Value {
    let map = value.as_object().cloned().unwrap_or_default();
    map.into_iter().filter(|(key, _)| keys.contains(&key.as_str())).collect()
}

fn reduced(value: &Value) -> Value {
    let each = |section: &str, keys: &[&str]| -> Value {
        let map = value[section].as_object().cloned().unwrap_or_default();
        map.iter().map(|(name, one)| (name.clone(), only(one, keys))).collect()
    };
    json!({"name": value["name"], "services": each("services", SERVICE), "volumes": each("volumes", VOLUME)})
}

/// `config` escapes `$` in what it prints; the model does not.
fn unescaped(value: &Value, own: &Path, parent: &Path) -> Value {
    match value {
        Value::String(text) => text
            .replace("$$", "$")
            .replace("@DIR@", &own.display().to_string())
            .replace("@PARENT@", &parent.display().to_string())
            .into(),
        Value::Array(list) => list.iter().map(|one| unescaped(one, own, parent)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, one)| (key.clone(), unescaped(one, own, parent))).collect()
        }
        other => other.clone(),
    }
}

fn request(directory: &Path, args: &[String], environment: BTreeMap<String, String>) -> Request {
    let home = environment.get("HOME").map(PathBuf::from);
    let mut request =
        Request { directory: directory.to_owned(), environment, home, ..Request::default() };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let value = args.next().cloned().unwrap_or_default();
        match option.as_str() {
            "-f" | "--file" => request.files.push(value.into()),
            "-p" | "--project-name" => request.project_name = Some(value),
            "--project-directory" => request.project_directory = Some(value.into()),
            "--env-file" => request.env_files.push(value.into()),
            "--profile" => request.profiles.push(value),
            other => panic!("option {other} is not known to the test"),
        }
    }
    request
}

fn resolve(request: &Request) -> Result<Value, String> {
    compose::load(request, &Disk)
        .map(|project| compose::to_json(&project, &|_, value| value.into()))
        .map_err(|errors| errors.first().message.clone())
}

fn differences(expected: &Value, found: &Value, path: &str, out: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                let at = format!("{path}.{key}");
                differences(&expected[key], &found[key], &at, out);
            }
        }
        _ if expected == found => {}
        _ => out.push(format!("{path}: expected {expected}, found {found}")),
    }
}

#[test]
fn every_case_comes_out_as_docker_compose_has_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/compose-cases");
    let mut failures = Vec::new();
    let mut count = 0;
    let mut cases: Vec<_> =
        std::fs::read_dir(&root).unwrap().map(|it| it.unwrap().path()).collect();
    cases.sort();
    for case in cases {
        let about: Value =
            serde_json::from_str(&std::fs::read_to_string(case.join("case.json")).unwrap())
                .unwrap();
        let cwd = about["cwd"].as_str().unwrap_or(".");
        let directory = if cwd == "." { case.clone() } else { case.join(cwd) };
        let mut environment: BTreeMap<String, String> = about["env"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        environment.entry("HOME".to_owned()).or_insert_with(|| "/root".to_owned());
        let args: Vec<String> = about["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|arg| {
                let arg = arg.as_str().unwrap();
                arg.replace("@DIR@", &case.display().to_string())
            })
            .collect();
        let found = resolve(&request(&directory, &args, environment));
        let title = format!("{} {}", case.file_name().unwrap().to_string_lossy(), about["title"]);
        count += 1;
        match std::fs::read_to_string(case.join("expected.json")) {
            Ok(expected) => {
                let expected: Value = serde_json::from_str(&expected).unwrap();
                let expected = unescaped(&reduced(&expected), &case, case.parent().unwrap());
                match found {
                    Err(message) => failures.push(format!("{title}: {message}")),
                    Ok(found) => {
                        let mut out = Vec::new();
                        differences(&expected, &reduced(&found), "", &mut out);
                        failures.extend(out.into_iter().map(|line| format!("{title}: {line}")));
                    }
                }
            }
            Err(_) => {
                let expected = std::fs::read_to_string(case.join("expected.stderr")).unwrap();
                let expected = expected.replace("@DIR@", &case.display().to_string());
                let wanted = expected.lines().last().unwrap_or_default();
                match found {
                    Ok(_) => failures.push(format!("{title}: no error, expected {wanted}")),
                    Err(message) if message.contains(wanted) || wanted.contains(&message) => {}
                    Err(message) => failures.push(format!("{title}: {message:?}, not {wanted:?}")),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 38, "only {count} cases");
}

#[test]
fn every_file_of_the_corpus_comes_out_as_docker_compose_has_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(entries) = std::fs::read_dir(&root) else {
        eprintln!("the corpus does not lie beside this repository: nothing compared");
        return;
    };
    let mut failures = Vec::new();
    for case in entries.map(|entry| entry.unwrap().path()) {
        let Ok(expected) = std::fs::read_to_string(case.join("expected.json")) else { continue };
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let temporary = tempfile::tempdir().unwrap();
        // The project's name is the directory's; the corpus was resolved in directories of these names.
        let directory = temporary.path().join(case.file_name().unwrap());
        std::fs::create_dir(&directory).unwrap();
        std::fs::copy(case.join("docker-compose.yml"), directory.join("docker-compose.yml"))
            .unwrap();
        let environment = BTreeMap::from([("HOME".to_owned(), "/root".to_owned())]);
        let found = resolve(&request(&directory, &[], environment));
        let title = case.file_name().unwrap().to_string_lossy().into_owned();
        match (expected["rc"].as_i64(), found) {
            (Some(0), Ok(found)) => {
                let expected =
                    unescaped(&reduced(&expected["expected"]), &directory, temporary.path());
                let mut out = Vec::new();
                differences(&expected, &reduced(&found), "", &mut out);
                failures.extend(out.into_iter().map(|line| format!("{title}: {line}")));
            }
            (Some(0), Err(message)) => failures.push(format!("{title}: {message}")),
            (_, Ok(_)) => failures.push(format!("{title}: no error, and Compose has one")),
            (_, Err(_)) => {}
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
