//! Where else the selected key and the secret are that a rotation would end: searched for only
//! where a rotation is called for, so that an ordinary run reads none of it. What is compared here
//! does not leave: [`OtherPlaces`] has files, lines and names.

mod variables;
mod walk;

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use regex::Regex;

use super::files::{self, FileText};
use super::repository;
use super::surroundings::is_env_file;
use crate::admin_key::{BinaryKey, InstanceSecret};
use crate::evidence::Observation;
use crate::evidence::docker::DockerFacts;
use crate::evidence::key::SecretPlace;
use crate::evidence::places::{Held, HeldAt, OtherPlaces};
use crate::evidence::surroundings::Git;
use crate::secret::{Fingerprint, Secret};
use crate::selection::choose::Selection;
use crate::selection::node_dotenv;

/// So many files are read.
const FILES: usize = 2_000;
/// So many bytes of all files together.
const BYTES: u64 = 64 * 1024 * 1024;
/// So many places of each kind are reported.
const TOLD: usize = 60;
/// So many texts that look like a key are tried on the secrets.
const TRIALS: usize = 200;
/// Longer lines are data, and no place where a person put a key.
const LONGEST_LINE: usize = 64 * 1024;

/// A whole key: a name, `|`, and at least as many hex digits as the shortest has.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    #[allow(clippy::expect_used, reason = "a constant")]
    Regex::new(r"[A-Za-z0-9_.:-]+\|[0-9A-Fa-f]{60,}").expect("a constant pattern")
});
/// The variable that a line sets, in an env file, a compose file, a script, a Dockerfile.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    #[allow(clippy::expect_used, reason = "a constant")]
    Regex::new(r#"(?:^|[\s'"{-])([A-Za-z_][A-Za-z0-9_]*)['"]?\s*[:=]\s*['"]?$"#)
        .expect("a constant pattern")
});

/// What a rotation would end.
pub(super) struct OldSecrets<'a> {
    key: Option<&'a Secret>,
    /// The hex digits of the key.
    digits: Option<&'a str>,
    secrets: Vec<(&'a Secret, InstanceSecret)>,
}

impl<'a> OldSecrets<'a> {
    /// The selected key, and the secrets of the backend that is meant: of the container that
    /// answers or should, and what Compose would give it.
    pub(super) fn of(
        selection: &'a Selection,
        docker: &Observation<DockerFacts>,
        found: &'a [(Secret, SecretPlace)],
    ) -> Self {
        let key = selection.admin_key.as_ref().map(|key| &key.as_sent);
        let digits =
            key.and_then(|key| key.expose().rsplit('|').next()).filter(|digits| digits.len() >= 60);
        let docker = docker.seen().ok();
        let own: Vec<&str> = docker
            .into_iter()
            .flat_map(|docker| {
                let answering = docker.answering().map(|(container, _)| container.name.as_str());
                docker.expected.as_deref().into_iter().chain(answering)
            })
            .collect();
        let is_own = |place: &SecretPlace| match place {
            SecretPlace::Process { container }
            | SecretPlace::Environment { container }
            | SecretPlace::File { container, .. } => own.contains(&container.as_str()),
            SecretPlace::Compose { .. } => true,
            SecretPlace::Volume { .. } | SecretPlace::PublicDevelopment | SecretPlace::Given => {
                false
            }
        };
        let mut secrets: Vec<(&Secret, InstanceSecret)> = vec![];
        for (text, _) in found.iter().filter(|(_, place)| is_own(place)) {
            if let Ok(secret) = InstanceSecret::parse(text)
                && secrets.iter().all(|(known, _)| known.expose() != text.expose())
            {
                secrets.push((text, secret));
            }
        }
        Self { key, digits, secrets }
    }

    /// Whether the checks will ask for a rotation: a tracked file holds one of them, or the secret
    /// is the public one.
    pub(super) fn is_to_be_rotated(&self, git: &Observation<Option<Git>>) -> bool {
        let public =
            Fingerprint::of_instance_secret(&Secret::new(super::credentials::PUBLIC_DEVELOPMENT));
        let in_git =
            git.seen().ok().and_then(Option::as_ref).is_some_and(|git| !git.secrets.is_empty());
        in_git || self.secrets.iter().any(|(_, secret)| Some(secret.fingerprint()) == public)
    }

    /// What a line holds.
    fn held(&self, line: &str, trials: &mut usize) -> Option<(Held, usize)> {
        if let Some(at) = self.digits.and_then(|digits| line.find(digits)) {
            let name = line[..at].strip_suffix('|').map_or(at, |before| {
                before
                    .rfind(|c: char| !(c.is_ascii_alphanumeric() || "_.-:".contains(c)))
                    .map_or(0, |end| end + 1)
            });
            return Some((Held::Key, name));
        }
        for (secret, _) in &self.secrets {
            if let Some(at) = line.find(secret.expose().trim()) {
                return Some((Held::Secret, at));
            }
        }
        for found in KEY.find_iter(line) {
            if *trials == 0 {
                return None;
            }
            *trials -= 1;
            let key = Secret::new(found.as_str());
            let key = BinaryKey::of(&key);
            if self.secrets.iter().any(|(_, secret)| key.open(secret).is_some()) {
                return Some((Held::OtherKey, found.start()));
            }
        }
        None
    }
}

/// Where they are, in the project around `directory`.
pub(super) async fn look(
    directory: &Path,
    repository: Option<&Path>,
    home: Option<&str>,
    old: &OldSecrets<'_>,
    timeout: Duration,
) -> OtherPlaces {
    let deadline = Instant::now() + timeout;
    // A home directory under git is not a project.
    let is_home = |root: &Path| home.is_some_and(|home| Path::new(home).starts_with(root));
    let root = repository.filter(|root| !is_home(root)).unwrap_or(directory);
    let walked = walk::walk(&[directory, root], deadline);
    let mut places = OtherPlaces::default();
    let mut nested = vec![];
    let mut trials = TRIALS;
    let mut bytes = 0;
    let mut is_cut = walked.is_cut || walked.files.len() > FILES;
    for file in walked.files.iter().take(FILES) {
        if bytes > BYTES || Instant::now() > deadline {
            is_cut = true;
            break;
        }
        // What is not text holds no line.
        let FileText::Text(text) = files::read(&file.path) else { continue };
        bytes += text.len() as u64;
        let shown = relative(&file.path, directory);
        places.variables.extend(variables::named(&file.inside, &shown, &text));
        let lines = lines(&shown, &text, old, &mut trials);
        if file.is_nested && !lines.is_empty() {
            nested.push(shown);
        }
        places.lines.extend(lines);
    }
    if is_cut {
        places.left_out.push("the project is large: not every file was looked through".to_owned());
    }
    if places.lines.len() > TOLD || places.variables.len() > TOLD {
        let more =
            places.lines.len().saturating_sub(TOLD) + places.variables.len().saturating_sub(TOLD);
        places.left_out.push(format!("{more} further places"));
        places.lines.truncate(TOLD);
        places.variables.truncate(TOLD);
    }
    let mut names: Vec<&str> = places.lines.iter().map(|at| at.file.as_str()).collect();
    names.retain(|name| !nested.iter().any(|inner| inner == name));
    names.dedup();
    if !names.is_empty() {
        match repository::standing(directory, &names, timeout).await {
            Ok(Some(standing)) => {
                for at in places.lines.iter_mut().filter(|at| !nested.contains(&at.file)) {
                    at.git = Some(standing.of(&at.file));
                }
            }
            Ok(None) => {}
            Err(reason) => places.left_out.push(format!("what git ignores: {reason}")),
        }
    }
    places
}

/// The lines of one file that hold one of them.
fn lines(file: &str, text: &str, old: &OldSecrets<'_>, trials: &mut usize) -> Vec<HeldAt> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let assignments = if is_env_file(name) { node_dotenv::parse(text) } else { vec![] };
    let mut found = vec![];
    for (index, line) in text.lines().enumerate() {
        if line.len() > LONGEST_LINE || variables::is_comment(line) {
            continue;
        }
        let Some((what, at)) = old.held(line, trials) else { continue };
        let first = assignments.partition_point(|one| one.line <= index);
        let assignment = assignments.get(first).filter(|one| one.line == index + 1);
        let variable = match assignment {
            Some(assignment) => Some(assignment.name.clone()),
            None => {
                ASSIGNED.captures(&line[..at]).and_then(|it| Some(it.get(1)?.as_str().to_owned()))
            }
        };
        let value = match what {
            Held::Key => old.key.map(Secret::expose),
            Held::OtherKey | Held::Secret => None,
        };
        let is_plain = assignment.is_some_and(|one| {
            let last = assignments.iter().rfind(|other| other.name == one.name);
            let counts = last.is_some_and(|last| last.line == one.line);
            counts && value == Some(one.value.expose())
        });
        found.push(HeldAt {
            file: file.to_owned(),
            line: index + 1,
            what,
            variable,
            is_plain,
            git: None,
        });
    }
    found
}

/// The path from the directory, upwards where it is not inside.
fn relative(path: &Path, directory: &Path) -> String {
    let mut up = String::new();
    for above in directory.ancestors() {
        if let Ok(inside) = path.strip_prefix(above) {
            return format!("{up}{}", inside.display());
        }
        up.push_str("../");
    }
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin_key::mint;
    use crate::selection::choose::{FileText as Text, Sources, select};
    use crate::selection::names::ADMIN_KEY;

    const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    struct Known {
        key: String,
        other: String,
        selection: Selection,
        secrets: Vec<(Secret, SecretPlace)>,
    }

    fn world() -> Known {
        let text = Secret::new(DIGITS);
        let secret = InstanceSecret::parse(&text).unwrap();
        let key = |issued| mint(&secret, "app", issued, [7; 12], false).expose().to_owned();
        let pair = format!("CONVEX_SELF_HOSTED_URL=http://h\n{ADMIN_KEY}={}\n", key(1));
        let sources =
            Sources { env_local: Some(Text::new(".env.local", pair)), ..Sources::default() };
        let at = SecretPlace::Compose { file: ".env".to_owned(), line: 1 };
        Known { key: key(1), other: key(2), selection: select(&sources), secrets: vec![(text, at)] }
    }

    fn told(world: &Known, file: &str, text: &str) -> Vec<String> {
        let unseen = Observation::unavailable("no engine");
        let old = OldSecrets::of(&world.selection, &unseen, &world.secrets);
        let tell = |at: HeldAt| {
            let plain = if at.is_plain { " plain" } else { "" };
            format!("{} {:?} {}{plain}", at.line, at.what, at.variable.as_deref().unwrap_or("-"))
        };
        lines(file, text, &old, &mut 10).into_iter().map(tell).collect()
    }

    #[test]
    fn what_a_line_holds_and_under_which_name() {
        let world = world();
        let (key, other) = (world.key.as_str(), world.other.as_str());
        let hex = key.split_once('|').unwrap().1;
        let foreign = format!("app|01{}", "ab".repeat(36));
        for (file, text, expected) in [
            (".env", format!("{ADMIN_KEY}='{key}' # x"), vec![format!("1 Key {ADMIN_KEY} plain")]),
            (
                ".env",
                format!("\n# {ADMIN_KEY}={key}\nA={foreign}\nB={DIGITS}"),
                vec!["4 Secret B".to_owned()],
            ),
            // The last one counts.
            (
                ".env",
                format!("{ADMIN_KEY}={key}\n{ADMIN_KEY}={other}"),
                vec![format!("1 Key {ADMIN_KEY}"), format!("2 OtherKey {ADMIN_KEY}")],
            ),
            // More than the key alone.
            (".env", format!("{ADMIN_KEY}=Key: {key}"), vec![format!("1 Key {ADMIN_KEY}")]),
            (
                "deploy.sh",
                format!("export {ADMIN_KEY}=\"{key}\""),
                vec![format!("1 Key {ADMIN_KEY}")],
            ),
            (
                "deploy.sh",
                format!("npx convex run --admin-key '{key}'"),
                vec!["1 Key -".to_owned()],
            ),
            ("a.yml", format!("  {ADMIN_KEY}: '{key}'"), vec![format!("1 Key {ADMIN_KEY}")]),
            ("a.yml", format!("  - {ADMIN_KEY}={key}"), vec![format!("1 Key {ADMIN_KEY}")]),
            ("a.json", format!("{{\"key\": \"{key}\"}}"), vec!["1 Key key".to_owned()]),
            (
                "Dockerfile",
                format!("ENV INSTANCE_SECRET={DIGITS}"),
                vec!["1 Secret INSTANCE_SECRET".to_owned()],
            ),
            // With another name before it, or none, it is the same key.
            ("a.ts", format!("const key = \"{hex}\""), vec!["1 Key key".to_owned()]),
            ("a.ts", format!("const key = \"{}\"", &foreign), vec![]),
            ("a.ts", format!("{}{key}", " ".repeat(LONGEST_LINE)), vec![]),
        ] {
            assert_eq!(told(&world, file, &text), expected, "{file}: {text}");
        }
    }

    #[test]
    fn names_lead_from_the_directory() {
        for (path, directory, expected) in [
            ("/p/.env", "/p", ".env"),
            ("/p/apps/web/.env", "/p", "apps/web/.env"),
            ("/p/.env", "/p/apps/web", "../../.env"),
            ("/p/apps/api/.env", "/p/apps/web", "../api/.env"),
        ] {
            assert_eq!(relative(Path::new(path), Path::new(directory)), expected);
        }
    }

    #[test]
    fn a_home_directory_under_git_is_not_searched() {
        let world = world();
        let home = tempfile::tempdir().unwrap();
        let project = home.path().join("projects/app");
        std::fs::create_dir_all(&project).unwrap();
        std::fs::write(home.path().join("notes.txt"), &world.key).unwrap();
        std::fs::write(project.join(".env.old"), &world.key).unwrap();
        let unseen = Observation::unavailable("no engine");
        let old = OldSecrets::of(&world.selection, &unseen, &world.secrets);
        let runtime = super::super::runtime().unwrap();
        let files = |home_is: &str| {
            let look =
                look(&project, Some(home.path()), Some(home_is), &old, Duration::from_secs(30));
            let places = runtime.block_on(look);
            places.lines.into_iter().map(|at| at.file).collect::<Vec<_>>()
        };
        assert_eq!(files(home.path().to_str().unwrap()), [".env.old"]);
        assert_eq!(files("/nowhere"), [".env.old", "../../notes.txt"]);
    }
}
