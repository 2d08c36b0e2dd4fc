//! The comparison of a project as `compose::load` resolves it with what `docker compose config
//! --format json` shows.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files"
)]

use std::collections::BTreeSet;
use std::path::Path;

use convex_doctor::compose::{self, Errors, FileError, Files, Project, Request};
use regex::Regex;
use serde_json::{Map, Value, json};

/// The file system itself.
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        match std::fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| FileError::NotText),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(FileError::NotFound),
            Err(error) => Err(FileError::Unreadable(error.to_string())),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }
}

const SERVICE: [&str; 15] = [
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
    "container_name",
    "restart",
    "tmpfs",
];
const VOLUME: [&str; 5] = ["name", "driver", "external", "driver_opts", "labels"];

fn some(object: &Value, keys: &[&str]) -> Value {
    let present = keys.iter().filter_map(|key| Some((*key, object.get(key)?)));
    let present = present.filter(|(_, value)| !value.is_null());
    present.map(|(key, value)| (key.to_owned(), value.clone())).collect::<Map<_, _>>().into()
}

/// The fields that count.
fn compared(shown: &Value) -> Value {
    let each = |section: &str, keys: &[&str]| -> Value {
        let items = shown.get(section).and_then(Value::as_object).into_iter().flatten();
        items.map(|(name, item)| (name.clone(), some(item, keys))).collect::<Map<_, _>>().into()
    };
    json!({
        "name": shown["name"],
        "services": each("services", &SERVICE),
        "volumes": each("volumes", &VOLUME),
    })
}

/// `$` for `$$`: Compose doubles each in what it shows.
pub(crate) fn unescaped(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace("$$", "$").into(),
        Value::Array(list) => list.into_iter().map(unescaped).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key.replace("$$", "$"), unescaped(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

fn shown(project: &Project) -> Value {
    let mut shown = compose::to_json(project, &|_, value| value.into());
    for (name, service) in &project.services {
        let rest = shown["services"][name].as_object_mut().unwrap();
        let text =
            |text: &Option<compose::Spanned<String>>| json!(text.as_ref().map(|it| &it.value));
        rest.insert("container_name".to_owned(), text(&service.container_name));
        rest.insert("restart".to_owned(), text(&service.restart));
        if !service.tmpfs.is_empty() {
            let paths = service.tmpfs.iter().map(|path| json!(path.value));
            rest.insert("tmpfs".to_owned(), paths.collect());
        }
    }
    compared(&shown)
}

/// The options of a command line of `docker compose`.
pub(crate) fn request(directory: &Path, args: &[&str], environment: &Value) -> Request {
    let mut request = Request { directory: directory.to_path_buf(), ..Request::default() };
    request.environment.insert("HOME".to_owned(), "/root".to_owned());
    for (name, value) in environment.as_object().into_iter().flatten() {
        request.environment.insert(name.clone(), value.as_str().unwrap().to_owned());
    }
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let value = (*args.next().unwrap()).to_owned();
        match *flag {
            "-f" | "--file" => request.files.push(value.into()),
            "-p" | "--project-name" => request.project_name = Some(value),
            "--project-directory" => request.project_directory = Some(value.into()),
            "--env-file" => request.env_files.push(value.into()),
            "--profile" => request.profiles.push(value),
            other => panic!("unknown option {other}"),
        }
    }
    request
}

/// What Compose says on stderr, without the warnings.
fn complaint(stderr: &str, directory: &Path) -> String {
    let lines = stderr.lines().filter(|line| !line.starts_with("time=") && !line.is_empty());
    lines.collect::<Vec<_>>().join("\n").replace("@DIR@", &directory.display().to_string())
}

/// What Compose warned about, each sentence once: it repeats itself.
fn warned(stderr: &str, directory: &Path) -> BTreeSet<String> {
    let stderr = stderr.replace("@DIR@", &directory.display().to_string());
    let logged = stderr.lines().filter(|line| line.starts_with("time="));
    let messages = logged.filter_map(|line| line.split_once(" level=warning msg="));
    messages
        .map(|(_, text)| serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()))
        .collect()
}

/// How what was loaded differs from what Compose showed, or refused with `stderr`.
pub(crate) fn difference(
    loaded: &Result<Project, Errors>,
    expected: Option<&Value>,
    stderr: &str,
    directory: &Path,
) -> Option<Difference> {
    match (loaded, expected) {
        (Ok(project), Some(expected)) => {
            let (shown, expected) = (shown(project), compared(expected));
            if shown != expected {
                return Some(Difference::Content(differing("", &shown, &expected)));
            }
            let ours: BTreeSet<String> =
                project.warnings.iter().map(|warning| warning.message.clone()).collect();
            let theirs = warned(stderr, directory);
            (ours != theirs)
                .then(|| Difference::Warnings(format!("\n  ours   {ours:?}\n  theirs {theirs:?}")))
        }
        (Err(errors), Some(_)) => Some(Difference::Refused(errors.to_string())),
        (_, None) if fell_over(stderr) => None,
        (Ok(_), None) => Some(Difference::Accepted(complaint(stderr, directory))),
        (Err(errors), None) => {
            let ours: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            let theirs = complaint(stderr, directory);
            let ours_shown = ours.join("\n");
            let same = ours.iter().any(|fault| same_fault(fault, &theirs));
            (!same)
                .then(|| Difference::Message(format!("\n  ours   {ours_shown}\n  theirs {theirs}")))
        }
    }
}

/// Whether Compose fell over, or could not write what it read: what it would have said is not
/// known.
pub(crate) fn fell_over(stderr: &str) -> bool {
    ["panic: ", "json: unsupported value", "json: error calling"]
        .iter()
        .any(|it| stderr.contains(it))
}

/// In what way a project is read differently.
#[derive(Debug)]
pub(crate) enum Difference {
    /// Both accept it, and come to something else.
    Content(String),
    /// Both come to the same, and warn about something else.
    Warnings(String),
    /// Only Compose accepts it.
    Refused(String),
    /// Only Compose refuses it.
    Accepted(String),
    /// Both refuse it, for other reasons.
    Message(String),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Content(what) => write!(out, "another project: {what}"),
            Self::Warnings(what) => write!(out, "other warnings: {what}"),
            Self::Refused(why) => write!(out, "refused: {why}"),
            Self::Accepted(why) => write!(out, "accepted; Compose: {why}"),
            Self::Message(what) => write!(out, "refused for another reason: {what}"),
        }
    }
}

/// The places where two values differ, with what stands there.
fn differing(place: &str, ours: &Value, theirs: &Value) -> String {
    if ours == theirs {
        return String::new();
    }
    let (Value::Object(mine), Value::Object(other)) = (ours, theirs) else {
        return format!("\n  {place}\n    ours   {ours}\n    theirs {theirs}");
    };
    let keys: BTreeSet<&String> = mine.keys().chain(other.keys()).collect();
    let each = keys.into_iter().map(|key| {
        let at = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
        differing(&format!("{place}/{key}"), &at(mine), &at(other))
    });
    each.collect()
}

/// Whether Compose's reason is this one of ours. Of several in one step it reports one, by chance
/// of the order in which Go walks a map.
fn same_fault(ours: &str, theirs: &str) -> bool {
    let ours = bare(ours);
    let theirs = bare(theirs);
    if let Some((before, rest)) = theirs.split_once("additional properties ")
        && let Some((keys, after)) = rest.split_once(" not allowed")
    {
        let one = |key| format!("{before}additional properties {key} not allowed{after}");
        return keys.split(", ").any(|key| ours.contains(&one(key)));
    }
    // Each parser has its own words for what is no YAML.
    let syntax = |text: &str| {
        let meaning = ["unmarshal errors", "unknown anchor", "invalid map key", "map merge"];
        text.starts_with("yaml: ") && !meaning.iter().any(|it| text.contains(it))
    };
    if syntax(&theirs) {
        return syntax(&ours);
    }
    match theirs.strip_prefix("decoding failed due to the following error(s):\n") {
        Some(faults) => faults.lines().any(|fault| ours.contains(fault)),
        None => ours.contains(&theirs),
    }
}

/// A sentence without what only Compose says: values, which may be secrets, and the line, which it
/// counts one too low at times.
pub(crate) fn bare(sentence: &str) -> String {
    let mut text = sentence.to_owned();
    for (said, left) in [
        (r"(?s)(You may need to escape any \$ with another \$\.)\n.*", "$1"),
        (r#"parsing "([^"\\]|\\.)*": "#, ""),
        ("(?s)(invalid boolean|Invalid template|invalid map key): .*", "$1"),
        (r#"unexpected character ".*" in variable name ".*"#, "unexpected character"),
        ("(variable) '.*' (contains whitespaces)", "$1 $2"),
        ("(no variable name on line) '.*'", "$1"),
        ("(unterminated quoted value) .*", "$1"),
        ("(unsupported expose value) .*", "$1"),
        (r"(?s)(cannot unmarshal \S+) `.*?`", "$1"),
        (r"(?s)(cannot decode !!\w+) `.*` (as a)", "$1 $2"),
        ("(?s)(environment variable) .*?(is declared with a trailing space)", "$1 $2"),
        // Which of the two is named is chance, and not its name.
        (r"services\.\S+ (container name .* is already in use by) .*", "$1"),
        // Before Compose reads the files it looks for a name in them.
        (r"failed to parse \S+: yaml:", "yaml:"),
        (r"yaml: line \d+: ", "yaml: "),
        (r#"(invalid project name) ".*":"#, "$1:"),
        // Rust and Go have different escapes.
        (r"\\(u\{[0-9a-f]*\}|x[0-9a-f]{2}|[abfvrnt])", ""),
        (r"[\\\r]", ""),
        ("[0-9]", ""),
    ] {
        text = Regex::new(said).unwrap().replace_all(&text, left).into_owned();
    }
    text
}
