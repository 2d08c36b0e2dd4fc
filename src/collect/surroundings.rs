//! The project around the deployment: package.json, env files that the CLI does not read from here,
//! the machine.
#![allow(clippy::disallowed_methods, reason = "the collector looks at the machine")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::endpoint;
use super::files::{self, FileText};
use super::texts::FileTexts;
use crate::deployment::selection::is_cloud_url;
use crate::evidence::Observation;
use crate::evidence::selection::ValueSource;
use crate::evidence::surroundings::{
    CliScript, CloudUrl, EnvFileElsewhere, NameInFile, PackageJson,
};
use crate::names::{ADMIN_KEY, NODE_TRUST, URL};
use crate::secret::sanitize;
use crate::selection::names::SELECTING;
use crate::selection::{node_dotenv, script};

/// How far up and down other files are looked for.
const LEVELS: usize = 4;
/// How many entries of a directory are read.
const ENTRIES: usize = 500;
/// At most so many env files elsewhere are read.
const ELSEWHERE: usize = 40;

/// The directory's `package.json`, or the nearest one.
pub(super) fn package_json(directory: &Path, texts: &FileTexts) -> Observation<PackageJson> {
    match &*texts.read_as_node(&directory.join("package.json")) {
        FileText::Text(text) => {
            Observation::Seen(PackageJson::Here { depends_on_convex: depends_on_convex(text) })
        }
        FileText::Missing => {
            Observation::Seen(PackageJson::Missing { nearest: nearest(directory) })
        }
        FileText::Unreadable(reason) => Observation::unavailable(format!("package.json: {reason}")),
    }
}

fn depends_on_convex(text: &str) -> bool {
    let Ok(package) =
        serde_json::from_str::<serde_json::Value>(text.trim_start_matches('\u{feff}'))
    else {
        return false;
    };
    ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"]
        .iter()
        .any(|table| package.get(table).and_then(|table| table.get("convex")).is_some())
}

/// The scripts of package.json that tell the CLI by themselves which deployment to use.
pub(super) fn cli_scripts(directory: &Path, texts: &FileTexts) -> Vec<CliScript> {
    let text = texts.read_as_node(&directory.join("package.json"));
    let text = text.text().unwrap_or_default().trim_start_matches('\u{feff}');
    let Ok(package) = serde_json::from_str::<serde_json::Value>(text) else { return vec![] };
    let Some(scripts) = package.get("scripts").and_then(serde_json::Value::as_object) else {
        return vec![];
    };
    let calls = scripts.iter().take(ENTRIES).flat_map(|(name, script)| {
        let script = script.as_str().unwrap_or_default();
        // A shell script that is run is read as if it were there.
        let below = script::shell_scripts(script).into_iter().flat_map(|file| {
            let text = texts.read_as_node(&directory.join(file));
            script::calls(text.text().unwrap_or_default())
        });
        let calls: Vec<_> = script::calls(script).into_iter().chain(below).collect();
        calls.into_iter().map(move |call| (name, call))
    });
    // A file that is not there is no place for settings; one that a variable names is not known.
    let is_there = |file: &String| file.contains('$') || files::exists(&directory.join(file));
    calls
        .map(|(name, call)| CliScript {
            name: sanitize(name),
            env_file: call.env_file.filter(is_there).map(|file| sanitize(&file)),
            flags: call.url.is_some() && call.admin_key.is_some(),
            opaque: call.opaque,
            trust: among(&call.variables, &NODE_TRUST),
            variables: among(&call.variables, &SELECTING),
        })
        .filter(|script| {
            let says = script.env_file.is_some() || script.flags || script.opaque;
            says || !script.variables.is_empty() || !script.trust.is_empty()
        })
        .take(ELSEWHERE)
        .collect()
}

/// The names of the variables that are among `wanted`.
fn among(variables: &[(String, Zeroizing<String>)], wanted: &[&str]) -> Vec<String> {
    let names = variables.iter().map(|(name, _)| name);
    names.filter(|name| wanted.contains(&name.as_str())).cloned().collect()
}

/// Parents first: a person who is lost is usually in a subdirectory.
fn nearest(directory: &Path) -> Option<String> {
    let mut up = PathBuf::new();
    let mut parent = directory.parent();
    for _ in 0..LEVELS {
        up.push("..");
        let candidate = parent?;
        if files::exists(&candidate.join("package.json")) {
            return Some(up.display().to_string());
        }
        parent = candidate.parent();
        if parent.is_none() {
            break;
        }
    }
    children(directory)
        .into_iter()
        .find(|child| files::exists(&directory.join(child).join("package.json")))
}

/// Directories one and two levels down, without the usual heaps.
fn children(directory: &Path) -> Vec<String> {
    let skip = |name: &str| {
        name.starts_with('.') || matches!(name, "node_modules" | "target" | "dist" | "build")
    };
    let mut found = Vec::new();
    for name in files::names(directory, ENTRIES) {
        if skip(&name) || !files::is_dir(&directory.join(&name)) {
            continue;
        }
        found.push(name.clone());
        if found.len() > ENTRIES {
            break;
        }
    }
    let mut below = Vec::new();
    for name in found.iter().take(50) {
        for inner in files::names(&directory.join(name), ENTRIES) {
            let path = format!("{name}/{inner}");
            if !skip(&inner) && files::is_dir(&directory.join(&path)) {
                below.push(path);
            }
        }
    }
    found.extend(below);
    found.truncate(ENTRIES);
    found
}

/// Env files that set the pair or half of it and that the CLI does not read from `directory`: in
/// parents, in child packages, under other names.
pub(super) fn env_files_elsewhere(directory: &Path, read: &[&str]) -> Vec<EnvFileElsewhere> {
    let mut candidates: Vec<String> = files::names(directory, ENTRIES)
        .into_iter()
        .filter(|name| is_env_name(name) && !read.contains(&name.as_str()))
        .collect();
    let mut up = String::new();
    let mut parent = directory.parent();
    for _ in 0..LEVELS {
        let Some(above) = parent else { break };
        up.push_str("../");
        candidates.extend([".env.local", ".env"].map(|name| format!("{up}{name}")));
        // The work tree's top is where a project ends.
        if files::exists(&above.join(".git")) {
            break;
        }
        parent = above.parent();
    }
    for child in children(directory) {
        candidates.extend([".env.local", ".env"].map(|name| format!("{child}/{name}")));
    }
    candidates
        .into_iter()
        .filter(|name| files::exists(&directory.join(name)))
        .take(ELSEWHERE)
        .filter_map(|file| {
            let FileText::Text(text) = files::read_as_node(&directory.join(&file)) else {
                return None;
            };
            let assignments = node_dotenv::parse(&text);
            let sets = |name: &str| {
                let set = |one: &&node_dotenv::Assignment| {
                    one.name == name && !one.value.expose().is_empty()
                };
                assignments.iter().find(set).map(|one| one.line)
            };
            let url = sets(URL);
            let key = sets(ADMIN_KEY);
            let line = [url, key].into_iter().flatten().min()?;
            Some(EnvFileElsewhere { file, line, has_url: url.is_some(), has_key: key.is_some() })
        })
        .collect()
}

/// The app's URLs of Convex Cloud in the directory's env files that the CLI does not read.
pub(super) fn cloud_urls_elsewhere(directory: &Path, read: &[&str]) -> Vec<CloudUrl> {
    let names = files::names(directory, ENTRIES).into_iter();
    let names = names.filter(|name| is_env_name(name) && !read.contains(&name.as_str()));
    let mut found = Vec::new();
    for file in names.take(ELSEWHERE) {
        let text = files::read_as_node(&directory.join(&file));
        let assignments = node_dotenv::parse(text.text().unwrap_or_default());
        let is_cloud = |one: &&node_dotenv::Assignment| {
            one.name.ends_with("CONVEX_URL") && is_cloud_url(one.value.expose())
        };
        found.extend(assignments.iter().find(is_cloud).map(|one| CloudUrl {
            variable: one.name.clone(),
            source: ValueSource::File { file: file.clone(), line: one.line },
        }));
    }
    found
}

/// The compose files in the directory and below it that use one of `names`, also those that Compose
/// would read only when it is told to.
pub(super) fn names_in_compose_files(
    directory: &Path,
    texts: &FileTexts,
    names: &[&str],
) -> Vec<NameInFile> {
    if names.is_empty() {
        return Vec::new();
    }
    let is_yaml = |name: &String| {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yml" | "yaml"))
    };
    let places = std::iter::once(String::new())
        .chain(children(directory).into_iter().map(|child| format!("{child}/")));
    let yaml = places.flat_map(|place| {
        let names = files::names(&directory.join(&place), ENTRIES).into_iter().filter(is_yaml);
        names.map(move |name| format!("{place}{name}")).collect::<Vec<_>>()
    });
    let mut found = Vec::new();
    for file in yaml.take(ELSEWHERE) {
        let read = texts.read(&directory.join(&file));
        let Some(text) = read.text().filter(|text| text.contains("services:")) else { continue };
        for name in names.iter().filter(|name| has_word(text, name)) {
            found.push(NameInFile { name: (*name).to_owned(), file: file.clone() });
        }
    }
    found
}

/// Whether the name is in the text and not a part of a longer one.
fn has_word(text: &str, name: &str) -> bool {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        !text[..at].ends_with(in_name) && !text[at + name.len()..].starts_with(in_name)
    })
}

/// An env file by its name, but no example.
fn is_env_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let example = ["example", "sample", "template", "dist"].iter().any(|word| lower.contains(word));
    !example && is_env_file(name)
}

/// `.env`, `.env.anything` and `anything.env`.
pub(super) fn is_env_file(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let extension = Path::new(&lower).extension().is_some_and(|extension| extension == "env");
    lower.starts_with(".env") || extension
}

/// Whether convex-doctor itself runs in a container next to others, so that loopback is not the
/// host's. The mark that Docker and Podman leave is not enough: images of virtual machines are made
/// in containers and keep it. The name of the machine is a container's id, too, or a devcontainer
/// says so itself.
pub(super) fn in_container(environment: &BTreeMap<String, String>) -> bool {
    // Its image speaks for the host.
    !environment.contains_key(endpoint::here::VARIABLE) && is_apart(environment)
}

/// Whether this process has another loopback than the host.
pub(super) fn is_apart(environment: &BTreeMap<String, String>) -> bool {
    let marked =
        files::exists(Path::new("/.dockerenv")) || files::exists(Path::new("/run/.containerenv"));
    let name = files::of_the_kernel("/proc/sys/kernel/hostname");
    let name = name.trim();
    let is_id = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let says_so = ["REMOTE_CONTAINERS", "CODESPACES", "DEVCONTAINER"]
        .iter()
        .any(|variable| environment.get(*variable).is_some_and(|value| value == "true"));
    marked && (is_id || says_so)
}

/// The user's numeric id.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, clippy::allow_attributes, reason = "its twin has none")]
pub(super) fn uid() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// Systems without numeric user ids.
#[cfg(not(unix))]
pub(super) fn uid() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_every_compose_file_near_by() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("docker-compose.prod.yml", "services: {a: {environment: [K=${CONVEX_ADMIN_KEY}]}}"),
            ("infra/convex/compose.yaml", "services: {a: {environment: [CONVEX_ADMIN_KEY]}}"),
            ("other.yml", "services: {a: {environment: [MY_CONVEX_ADMIN_KEY=x]}}"),
            ("ci.yml", "jobs: {a: {env: {K: $CONVEX_ADMIN_KEY}}}"),
            ("notes.txt", "services: CONVEX_ADMIN_KEY"),
        ] {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let texts = FileTexts::default();
        let found = |names: &[&str]| -> Vec<String> {
            let found = names_in_compose_files(directory.path(), &texts, names);
            found.into_iter().map(|one| one.file).collect()
        };
        assert_eq!(
            found(&["CONVEX_ADMIN_KEY"]),
            ["docker-compose.prod.yml", "infra/convex/compose.yaml"]
        );
        assert!(found(&["CONVEX_HOSTED_URL"]).is_empty() && found(&[]).is_empty());
    }

    #[test]
    fn a_url_of_the_cloud_is_found_in_the_other_env_files() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            (".env.production", "A=1\nVITE_CONVEX_URL=https://a-b-1.convex.cloud\n"),
            (".env.staging", "VITE_CONVEX_URL=http://127.0.0.1:3210\n"),
            (".env.example", "VITE_CONVEX_URL=https://a-b-1.convex.cloud\n"),
            (".env.local", "VITE_CONVEX_URL=https://a-b-1.convex.cloud\n"),
        ] {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let found = cloud_urls_elsewhere(directory.path(), &[".env.local", ".env"]);
        let places: Vec<String> = found.iter().map(|one| one.source.to_string()).collect();
        assert_eq!(places, [".env.production:2"]);
    }

    #[test]
    fn only_scripts_that_pass_settings_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(".env.docker"), "").unwrap();
        let scripts = serde_json::json!({ "scripts": {
            "file": "convex dev --env-file .env.docker",
            "flags": "next dev & convex dev --url http://h --admin-key 'a|01'",
            "variables": "CONVEX_SELF_HOSTED_URL=http://h OTHER=1 convex dev",
            "gone": "convex dev --env-file .env.gone",
            "half": "convex dev --url http://h",
            "plain": "convex dev --once",
            "other": "next dev --env-file .env.docker",
            "app": "NODE_ENV=production convex deploy",
            "number": 1,
            "sourced": "set -a && . ./.env.docker && set +a && convex dev",
            "shell": "bash dev.sh",
            "missing": "bash gone.sh",
            "secret": "eval $(vault env) && convex dev",
            "trust": "NODE_EXTRA_CA_CERTS=/ca.crt convex dev",
        }});
        let dev = "#!/bin/sh\nset -a\n. ./.env.docker\nset +a\nnpx convex dev\n";
        std::fs::write(directory.path().join("dev.sh"), dev).unwrap();
        std::fs::write(directory.path().join("package.json"), scripts.to_string()).unwrap();
        let found = cli_scripts(directory.path(), &FileTexts::default());
        let names: Vec<&str> = found.iter().map(|script| script.name.as_str()).collect();
        let expected = ["file", "flags", "secret", "shell", "sourced", "trust", "variables"];
        assert_eq!(names, expected);
        assert_eq!(found[0].env_file.as_deref(), Some(".env.docker"));
        assert!(found[1].flags && found[6].variables == [URL] && found[2].opaque);
        assert_eq!(found[3].env_file.as_deref(), Some("./.env.docker"));
        assert_eq!(found[4].env_file.as_deref(), Some("./.env.docker"));
        assert_eq!(found[5].trust, ["NODE_EXTRA_CA_CERTS"]);
    }
}
