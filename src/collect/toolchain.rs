//! The programs around the deployment: which Convex CLI `npx convex` would run here, and which
//! Node.
//!
//! Found as npx and the shell find them: `node_modules/.bin` of the directory and of its parents,
//! then PATH (npm/cli, `workspaces/libnpmexec/lib/index.js`); for Yarn's Plug'n'Play, which has no
//! `node_modules`, its own map. No program is run but by [`answer_of`], and never one of the project.
#![allow(clippy::disallowed_methods, reason = "the collector looks at the machine")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::files::{self, FileText};
use crate::evidence::Observation;
use crate::secret::sanitize;

mod node;

pub(super) use node::{Node, reads_system_ca};

/// How many directories upwards are searched: more than any project is deep.
const LEVELS: usize = 32;
/// How far above its program a package's own `package.json` is at most (`convex/bin/main.js`).
const ABOVE_PROGRAM: usize = 4;
/// A longer text is not a version.
const LONGEST_VERSION: usize = 40;
/// What no program that only says its version takes.
const PATIENCE: Duration = Duration::from_secs(1);

/// The Convex CLI that would run.
#[derive(Debug, PartialEq)]
pub(super) struct Cli {
    /// Its version, where it is known.
    pub(super) version: Option<String>,
    /// Where it was found; `None` where none is installed.
    pub(super) found: Observation<Option<String>>,
    /// Which Node its package asks for, as written in `engines`.
    pub(super) needs_node: Option<String>,
}

impl Cli {
    fn found(version: Option<String>, place: String) -> Self {
        Self { version, found: Observation::Seen(Some(place)), needs_node: None }
    }

    fn unreadable(place: &str, reason: &str) -> Self {
        let found = Observation::unavailable(format!("{place}: {reason}"));
        Self { version: None, found, needs_node: None }
    }
}

/// The Convex CLI that `npx convex` would run in `directory`.
pub(super) fn cli(directory: &Path, environment: &BTreeMap<String, String>) -> Cli {
    let mut up = String::new();
    for level in directory.ancestors().take(LEVELS) {
        if let Some(cli) = in_node_modules(level, &up).or_else(|| in_yarn(level, &up, directory)) {
            return cli;
        }
        up.push_str("../");
    }
    match on_path("convex", environment) {
        Some(program) => target_of(&program)
            .and_then(|target| package_of(&target))
            .unwrap_or_else(|| Cli::found(None, sanitize(&program.display().to_string()))),
        None => Cli { version: None, found: Observation::Seen(None), needs_node: None },
    }
}

/// The CLI in `node_modules` of one directory; `up` leads there from the project.
fn in_node_modules(level: &Path, up: &str) -> Option<Cli> {
    let modules = level.join("node_modules");
    let program = modules.join(".bin/convex");
    // The usual place has the shorter name; a package that is only linked elsewhere (a workspace, a
    // store) is found by its program.
    let package = modules.join("convex");
    let usual = || {
        read_package(
            &package.join("package.json"),
            &format!("{up}node_modules/convex/package.json"),
        )
    };
    let linked = || {
        let target = target_of(&program)?;
        if std::fs::canonicalize(&package).is_ok_and(|package| target.starts_with(package)) {
            return usual();
        }
        let mut cli = package_of(&target)?;
        if let Observation::Seen(Some(place)) = &mut cli.found
            && let Ok(level) = std::fs::canonicalize(level)
            && let Ok(inside) = Path::new(place.as_str()).strip_prefix(level)
        {
            *place = format!("{up}{}", inside.display());
        }
        Some(cli)
    };
    let bare = || {
        let name = format!("{up}node_modules/.bin/convex");
        files::exists(&program).then(|| Cli::found(None, name))
    };
    linked().or_else(usual).or_else(bare)
}

/// The file that an entry of `.bin` leads to: a symbolic link with npm, Yarn and Bun, a shell
/// script with pnpm.
fn target_of(program: &Path) -> Option<PathBuf> {
    let target = std::fs::canonicalize(program).ok()?;
    if std::fs::symlink_metadata(program).ok()?.is_symlink() {
        return Some(target);
    }
    let FileText::Text(text) = files::read(&target) else { return Some(target) };
    // pnpm/cmd-shim: `exec node "$basedir/../convex/bin/main.js" "$@"`.
    let called = text.split("\"$basedir/").skip(1).filter_map(|rest| rest.split('"').next());
    let mut called = called.filter(|path| path.contains("/convex/")).take(8);
    let script = called.find_map(|path| std::fs::canonicalize(program.parent()?.join(path)).ok());
    Some(script.unwrap_or(target))
}

/// The package that a program belongs to, by its own `package.json`.
fn package_of(program: &Path) -> Option<Cli> {
    program.ancestors().skip(1).take(ABOVE_PROGRAM).find_map(|directory| {
        let file = directory.join("package.json");
        read_package(&file, &sanitize(&file.display().to_string()))
    })
}

/// The CLI whose `package.json` this is; `None` where there is no such file, or it is of another
/// package.
fn read_package(file: &Path, place: &str) -> Option<Cli> {
    let text = match files::read_as_node(file) {
        FileText::Text(text) => text,
        FileText::Missing => return None,
        FileText::Unreadable(reason) => return Some(Cli::unreadable(place, &reason)),
    };
    let Ok(package) = serde_json::from_str::<Value>(&text) else {
        return Some(Cli::unreadable(place, "it is not JSON"));
    };
    // An alias (`"convex": "npm:other"`) or another tool's program.
    if package.get("name").is_some_and(|name| name != "convex") {
        return None;
    }
    let needs_node = version(package.pointer("/engines/node"));
    Some(Cli { needs_node, ..Cli::found(version(package.get("version")), place.to_owned()) })
}

fn version(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(sanitize).filter(|version| version.len() <= LONGEST_VERSION)
}

/// The CLI in the map of Yarn's Plug'n'Play: unpacked, or in a zip archive, whose version
/// `yarn.lock` tells.
fn in_yarn(level: &Path, up: &str, directory: &Path) -> Option<Cli> {
    for name in [".pnp.data.json", ".pnp.cjs", ".pnp.js"] {
        let place = format!("{up}{name}");
        let text = match files::read(&level.join(name)) {
            FileText::Text(text) => text,
            FileText::Missing => continue,
            FileText::Unreadable(reason) => return Some(Cli::unreadable(&place, &reason)),
        };
        // `"packageLocation": "./.yarn/cache/convex-npm-1.48.0-….zip/node_modules/convex/"`
        let locations = text.match_indices("/node_modules/convex/\"").take(64);
        let locations: Vec<&str> =
            locations.filter_map(|(end, _)| text[..end].rsplit('"').next()).collect();
        if locations.is_empty() {
            continue;
        }
        let unpacked = locations.iter().find_map(|location| {
            let file = format!("{location}/node_modules/convex/package.json");
            read_package(&level.join(&file), &format!("{up}{}", file.trim_start_matches("./")))
        });
        return Some(unpacked.unwrap_or_else(|| {
            let lock = files::read(&level.join("yarn.lock"));
            let range = wanted_range(directory);
            let version = lock.text().and_then(|lock| locked(lock, range.as_deref()));
            Cli::found(version, place)
        }));
    }
    None
}

/// What the directory's `package.json` asks of `convex`: `^1.48.0`.
fn wanted_range(directory: &Path) -> Option<String> {
    let text = files::read(&directory.join("package.json"));
    let package: Value = serde_json::from_str(text.text()?).ok()?;
    ["dependencies", "devDependencies"]
        .iter()
        .find_map(|table| package.get(table)?.get("convex")?.as_str().map(str::to_owned))
}

/// The version of `convex` in a `yarn.lock`: the only one, or the one for `range`.
fn locked(lock: &str, range: Option<&str>) -> Option<String> {
    let mut versions: Vec<(Vec<&str>, &str)> = Vec::new();
    let mut descriptors: Option<Vec<&str>> = None;
    for line in lock.lines() {
        if !line.starts_with(' ') {
            let names = line.trim_end_matches(':').split(',');
            let names: Vec<&str> = names.map(|name| name.trim().trim_matches('"')).collect();
            descriptors = names.iter().any(|name| name.starts_with("convex@")).then_some(names);
        } else if let Some(version) = line.strip_prefix("  version")
            && let Some(names) = descriptors.take()
        {
            versions.push((names, version.trim_matches([':', ' ', '"'])));
        }
    }
    let first = versions.first()?.1;
    let found = if versions.iter().all(|(_, version)| *version == first) {
        first
    } else {
        let range = range?;
        let wanted = [format!("convex@{range}"), format!("convex@npm:{range}")];
        let is_wanted = |name: &&str| wanted.iter().any(|one| one == name);
        versions.iter().find(|(names, _)| names.iter().any(&is_wanted))?.1
    };
    Some(sanitize(found)).filter(|found| found.len() <= LONGEST_VERSION)
}

/// The program of this name that the shell would run.
pub(super) fn on_path(name: &str, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let extensions = environment.get("PATHEXT").map_or("", String::as_str);
    files::program(name, environment.get("PATH")?, extensions)
}

/// The version of the Compose plug-in that `docker compose` runs.
pub(super) async fn compose_version(environment: &BTreeMap<String, String>) -> Option<String> {
    let docker = on_path("docker", environment)?;
    answer_of(&docker, &["compose", "version", "--short"], environment).await
}

/// The version that a program says, without a leading `v`; it is given a second. It is started at
/// the root, so that nothing in the project tells it what to do.
async fn answer_of(
    program: &Path,
    arguments: &[&str],
    environment: &BTreeMap<String, String>,
) -> Option<String> {
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(std::env::temp_dir().ancestors().last()?)
        .env("PATH", environment.get("PATH")?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, child).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim();
    let version = version.strip_prefix('v').unwrap_or(version);
    version.split('.').next()?.parse::<u32>().ok()?;
    Some(sanitize(version)).filter(|version| version.len() <= LONGEST_VERSION)
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
