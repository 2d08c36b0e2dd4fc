//! The CLI's own order (1.48.0): which deployment `npx convex` would use, from which line, and what
//! that line hides.
//!
//! Source: `deploymentSelection.ts` and `utils.ts` of npm-packages/convex, checked against runs of
//! the real CLI. Texts come in, nothing is read here. What comes out still holds secrets;
//! [`mod@super::facts`] makes the showable form.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::names::{
    ADMIN_KEY, DEPLOY_KEY, DEPLOYMENT, DEPLOYMENT_TOKEN, SELECTING, URL, holds_key, matters, meant,
    secret_parts,
};
use super::node_dotenv::{self, Assignment, Comment};
use super::strict::{self, Misreading};
use crate::admin_key::{Form, shape};
pub use crate::evidence::selection::PackageJsonState as PackageJson;
use crate::evidence::selection::{SelectionError, SelectionKind, ValueSource, Written};
use crate::report::line_hash;
use crate::secret::Secret;

/// Of one variable in one file, only the last few definitions are kept: a hostile file may have a
/// million.
const MOST_DEFINITIONS: usize = 64;
/// A run of so many letters and digits was not chosen by a person, and cannot be guessed.
const LEAST_RUN: usize = 24;
/// More near misses than this do not help.
const MOST_NEAR_MISSES: usize = 50;

/// The text of a file that was read, with its path as typed.
pub struct FileText {
    /// As typed, relative to the project's directory: `.env.local`.
    pub path: String,
    /// The whole text.
    pub text: Zeroizing<String>,
}

impl FileText {
    /// A file's text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: Zeroizing::new(text.into()) }
    }
}

/// What the CLI gets on its command line.
#[derive(Default)]
pub struct Flags {
    /// `--url`.
    pub url: Option<String>,
    /// `--admin-key`; the doctor's own name for it is `--admin-key-stdin`.
    pub admin_key: Option<Secret>,
}

/// Everything that the CLI looks at.
#[derive(Default)]
pub struct Sources {
    /// The environment of the process.
    pub process_env: Vec<(String, String)>,
    /// `.env.local` of the current directory.
    pub env_local: Option<FileText>,
    /// `.env` of the current directory.
    pub env: Option<FileText>,
    /// `--env-file`: the name as typed, and the file unless it is missing.
    pub env_file: Option<(String, Option<FileText>)>,
    /// `--url` and `--admin-key`.
    pub flags: Flags,
    /// The variables to which the command gives a value that is not known, by an option or in its
    /// environment; any text stands for it there.
    pub unknown: Vec<String>,
    /// What is known of package.json.
    pub package_json: PackageJson,
    /// Whether the installed CLI does not read CONVEX_DEPLOYMENT_TOKEN yet.
    pub ignores_token: bool,
}

/// A value: a key, or something else.
pub enum FoundText {
    /// Not secret in itself; a password in a URL is known to the scrubber.
    Plain(String),
    /// Known to the scrubber as a whole.
    Key(Secret),
    /// A command sets it, to a value that does not show there.
    Unknown,
}

impl FoundText {
    fn new(name: &str, text: &str) -> Self {
        if holds_key(name) {
            return Self::Key(Secret::new(text));
        }
        for part in secret_parts(text) {
            drop(Secret::new(&text[part]));
        }
        Self::Plain(text.to_owned())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Key(key) => key.expose(),
            Self::Unknown => "",
        }
    }

    /// Whether there is nothing in it, which the CLI takes for unset.
    pub fn is_empty(&self) -> bool {
        !self.is_unknown() && self.expose().is_empty()
    }

    /// Whether there is a value that is not known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// One place that defines a variable.
pub struct Definition {
    /// Where.
    pub source: ValueSource,
    /// The value as read.
    pub value: FoundText,
    /// Whether this is the one that counts.
    pub wins: bool,
    /// Its lines, where they may be named.
    pub lines: Option<Written>,
}

/// A variable and all its definitions, in order of precedence; of one file, the last line comes
/// first.
pub struct FoundVariable {
    /// The name.
    pub name: String,
    /// Where it is defined.
    pub definitions: Vec<Definition>,
}

/// A name that the CLI does not read, and the one that was probably meant.
pub struct NearMiss {
    /// As typed, such as `./CONVEX_SELF_HOSTED_URL`.
    pub name: String,
    /// One of the pair's names.
    pub meant: &'static str,
    /// Where.
    pub source: ValueSource,
    /// Whether nothing is assigned to it.
    pub empty: bool,
    /// Whether the value has the form of what belongs under the right name, damaged or not.
    pub fits: bool,
    /// Its lines, where they may be named.
    pub lines: Option<Written>,
}

/// The admin key in use.
pub struct AdminKey {
    /// As dotenv or the environment gives it.
    pub as_read: Secret,
    /// As it arrives in the header: `fetch` cuts spaces and line ends behind it.
    pub as_sent: Secret,
    /// Where it is written.
    pub source: ValueSource,
}

/// What `npx convex` would use. Holds secrets, so it can be neither printed nor serialised.
pub struct Selection {
    /// What the CLI would talk to.
    pub kind: SelectionKind,
    /// Why it refuses, with kind `Error`.
    pub error: Option<SelectionError>,
    /// One line about the outcome.
    pub message: Option<String>,
    /// What the CLI prints, where that is known.
    pub cli_says: Option<String>,
    /// The URL in use, as typed. Also there when only package.json is missing.
    pub url: Option<(String, ValueSource)>,
    /// The key in use, under the same conditions.
    pub admin_key: Option<AdminKey>,
    /// The flag that was given alone and is ignored.
    pub ignored_flag: Option<&'static str>,
    /// The name given to `--env-file`.
    pub env_file: Option<String>,
    /// As in the sources.
    pub package_json: PackageJson,
    /// As in the sources.
    pub ignores_token: bool,
    /// The variables that matter and are defined somewhere.
    pub variables: Vec<FoundVariable>,
    /// Names that look like the pair's, in the sources that count.
    pub near_misses: Vec<NearMiss>,
    /// Misread lines of the files that count, each with its file.
    pub misreadings: Vec<(String, Misreading)>,
}

impl Selection {
    /// The URL variable's value that counts, also where half a pair selects nothing; with its
    /// source, unless it is empty.
    pub fn url_in_force(&self) -> Option<(&str, &ValueSource)> {
        let variable = self.variables.iter().find(|variable| variable.name == URL)?;
        let winner = variable.definitions.iter().find(|definition| definition.wins)?;
        (!winner.value.is_empty()).then(|| (winner.value.expose(), &winner.source))
    }
}

/// Applies the CLI's order to `sources`.
pub fn select(sources: &Sources) -> Selection {
    let world = LayeredSources::read(sources);
    let outcome = world.outcome(sources);
    let by_flags = sources.flags.url.is_some() && sources.flags.admin_key.is_some();
    let ignored_flag = match &sources.flags {
        Flags { url: Some(_), admin_key: None } => Some("--url"),
        Flags { url: None, admin_key: Some(_) } => Some("--admin-key"),
        _ => None,
    };
    let variables = world.variables(by_flags.then_some(&sources.flags), &sources.unknown);
    let counts = outcome.kind == SelectionKind::SelfHosted || outcome.pair_despite_error;
    let winner = |name: &str| {
        let variable = variables.iter().find(|variable| variable.name == name)?;
        let winner = variable.definitions.iter().find(|definition| definition.wins)?;
        (!winner.value.is_unknown()).then_some(winner)
    };
    let url = winner(URL)
        .filter(|_| counts)
        .map(|winner| (winner.value.expose().to_owned(), winner.source.clone()));
    let admin_key = winner(ADMIN_KEY).filter(|_| counts).map(|winner| AdminKey {
        as_read: Secret::new(winner.value.expose()),
        as_sent: Secret::new(sent(winner.value.expose())),
        source: winner.source.clone(),
    });
    Selection {
        kind: outcome.kind,
        error: outcome.error,
        message: outcome.message,
        cli_says: outcome.cli_says,
        url,
        admin_key,
        ignored_flag,
        env_file: sources.env_file.as_ref().map(|(name, _)| name.clone()),
        package_json: sources.package_json,
        ignores_token: sources.ignores_token,
        // With both flags the CLI reads no file at all.
        near_misses: if by_flags { Vec::new() } else { world.near_misses() },
        misreadings: if by_flags { Vec::new() } else { world.misreadings() },
        variables,
    }
}

/// A key as `fetch` sends it behind `Convex `: without HTTP white space at the end.
pub(super) fn sent(key: &str) -> &str {
    key.trim_end_matches([' ', '\t', '\r', '\n'])
}

/// The sources as read, those that count apart from those that are ignored.
struct LayeredSources<'a> {
    process_env: &'a [(String, String)],
    /// In order of precedence.
    files: Vec<ReadFile<'a>>,
    /// With `--env-file`, which is then the first of `files`, nothing else counts.
    exclusive: bool,
    /// `--env-file` names a file that is not there.
    env_file_missing: bool,
}

struct ReadFile<'a> {
    file: &'a FileText,
    read: Vec<Assignment>,
}

struct SelectionOutcome {
    kind: SelectionKind,
    error: Option<SelectionError>,
    message: Option<String>,
    cli_says: Option<String>,
    pair_despite_error: bool,
}

impl SelectionOutcome {
    fn of(kind: SelectionKind, message: Option<&str>) -> Self {
        let message = message.map(str::to_owned);
        Self { kind, error: None, message, cli_says: None, pair_despite_error: false }
    }

    /// An error in the CLI's own words.
    fn refused(error: SelectionError, cli_says: impl Into<String>) -> Self {
        let cli_says = cli_says.into();
        Self {
            error: Some(error),
            message: Some(cli_says.replace('\n', " / ")),
            cli_says: Some(cli_says),
            ..Self::of(SelectionKind::Error, None)
        }
    }
}

impl<'a> LayeredSources<'a> {
    fn read(sources: &'a Sources) -> Self {
        let env_file = sources.env_file.as_ref();
        let files = [
            env_file.and_then(|(_, file)| file.as_ref()),
            sources.env_local.as_ref(),
            sources.env.as_ref(),
        ];
        let read = |file: &'a FileText| ReadFile { file, read: node_dotenv::parse(&file.text) };
        Self {
            process_env: &sources.process_env,
            files: files.into_iter().flatten().map(read).collect(),
            exclusive: env_file.is_some(),
            env_file_missing: env_file.is_some_and(|(_, file)| file.is_none()),
        }
    }

    /// The files that the CLI takes into account.
    fn counting_files(&self) -> &[ReadFile<'a>] {
        match (self.exclusive, self.env_file_missing) {
            (false, _) => &self.files,
            (true, false) => &self.files[..1],
            (true, true) => &[],
        }
    }

    fn of_process(&self, name: &str) -> Option<&str> {
        self.process_env.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// What `process.env` holds once dotenv has filled it: with `--env-file`, only what it held
    /// before.
    fn of_environment(&self, name: &str) -> Option<&str> {
        let of_files = || if self.exclusive { None } else { self.of_files(name) };
        self.of_process(name).or_else(of_files)
    }

    fn of_files(&self, name: &str) -> Option<&str> {
        self.counting_files().iter().find_map(|file| {
            let last = file.read.iter().rev().find(|assignment| assignment.name == name)?;
            Some(last.value.expose())
        })
    }

    /// The CLI's `getEnv`: an empty value counts as none, and still hides the ones below.
    fn get(&self, name: &str) -> Option<&str> {
        let value = if self.exclusive { self.of_files(name) } else { self.of_environment(name) };
        value.filter(|value| !value.is_empty())
    }

    fn outcome(&self, sources: &Sources) -> SelectionOutcome {
        if let Some((name, None)) = &sources.env_file {
            // Node itself takes the option, before the CLI runs at all.
            return SelectionOutcome {
                message: Some("env file not found".to_owned()),
                ..SelectionOutcome::refused(
                    SelectionError::EnvFileMissing,
                    format!("node: {name}: not found"),
                )
            };
        }
        let chosen = self.chosen(sources);
        let (error, message, cli_says) = match sources.package_json {
            PackageJson::WithConvex | PackageJson::WithoutConvex => return chosen,
            PackageJson::Missing => (
                SelectionError::PackageJsonMissing,
                "not a Convex app root: no package.json in the current directory",
                Some(
                    "Unable to read your package.json: Error: ENOENT: no such file or directory, open \
                     'package.json'. Make sure you're running this command from the root directory of a \
                     Convex app that contains the package.json",
                ),
            ),
            PackageJson::Unreadable => (
                SelectionError::PackageJsonUnreadable,
                "package.json in the current directory cannot be read as JSON",
                None,
            ),
        };
        SelectionOutcome {
            error: Some(error),
            cli_says: cli_says.map(str::to_owned),
            pair_despite_error: chosen.kind == SelectionKind::SelfHosted,
            ..SelectionOutcome::of(SelectionKind::Error, Some(message))
        }
    }

    /// The selection proper: flags, deploy key, pair, deployment.
    fn chosen(&self, sources: &Sources) -> SelectionOutcome {
        if sources.flags.url.is_some() && sources.flags.admin_key.is_some() {
            return SelectionOutcome::of(SelectionKind::SelfHosted, None);
        }
        if let Some(outcome) = self.by_deploy_key(sources.ignores_token) {
            return outcome;
        }
        let deployment = self.get(DEPLOYMENT);
        match (self.get(URL), self.get(ADMIN_KEY), deployment) {
            (Some(_), Some(_), None) => {
                return SelectionOutcome::of(SelectionKind::SelfHosted, None);
            }
            (Some(_), Some(_), Some(_)) => {
                return SelectionOutcome::refused(
                    SelectionError::DeploymentBesidePair,
                    format!("{DEPLOYMENT} must not be set when {URL} and {ADMIN_KEY} are set"),
                );
            }
            (None, None, _) | (_, _, None) => {}
            _ => {
                return SelectionOutcome::refused(
                    SelectionError::DeploymentBesideHalf,
                    format!("{URL} and {ADMIN_KEY} must not be set when {DEPLOYMENT} is set"),
                );
            }
        }
        let known = match deployment {
            Some(deployment) => self.by_deployment(deployment),
            None => self.by_build_environment(),
        };
        known.unwrap_or_else(|| match &sources.env_file {
            Some((name, _)) => SelectionOutcome::refused(
                SelectionError::EnvFileWithoutDeployment,
                format!(
                    "env file `{name}` did not contain environment variables for a Convex deployment. \
                     Expected `{DEPLOY_KEY}`, `{DEPLOYMENT}`, or both `{URL}` and `{ADMIN_KEY}` to be set."
                ),
            ),
            None => SelectionOutcome::of(
                SelectionKind::None,
                Some("the CLI leaves self-hosted mode: anonymous or login flow"),
            ),
        })
    }

    /// CONVEX_DEPLOY_KEY beats the pair, and its two sentinels.
    fn by_deploy_key(&self, ignores_token: bool) -> Option<SelectionOutcome> {
        let (name, key) = [DEPLOY_KEY, DEPLOYMENT_TOKEN]
            .into_iter()
            .filter(|name| !(ignores_token && *name == DEPLOYMENT_TOKEN))
            .find_map(|name| Some((name, self.get(name)?)))?;
        if key == "<ignore_deploy_key>" {
            return None;
        }
        let sentinel = key
            .strip_prefix("<missing_deploy_key:")
            .and_then(|rest| rest.strip_suffix('>'))
            .filter(|said| !said.is_empty())
            .filter(|said| !said.contains(['\n', '\r', '\u{2028}', '\u{2029}']));
        if let Some(said) = sentinel {
            return Some(SelectionOutcome::refused(SelectionError::DeployKeyMissing, said));
        }
        if !key.contains('|') {
            return Some(SelectionOutcome::refused(
                SelectionError::DeployKeyMalformed,
                format!(
                    "Please set {DEPLOY_KEY} to a new key which you can find on your Convex dashboard."
                ),
            ));
        }
        let message = format!("{name} is set: the CLI goes to Convex Cloud, whatever else is set");
        Some(SelectionOutcome::of(SelectionKind::CloudDeployKey, Some(&message)))
    }

    /// CONVEX_DEPLOYMENT; nothing when anonymous deployments are turned off.
    fn by_deployment(&self, deployment: &str) -> Option<SelectionOutcome> {
        let name = deployment.rsplit(':').next().unwrap_or(deployment);
        if name.starts_with("anonymous-") {
            let allowed = self.of_environment("CONVEX_ALLOW_ANONYMOUS") != Some("false");
            return allowed.then(|| {
                SelectionOutcome::of(SelectionKind::Local, Some("an anonymous local deployment"))
            });
        }
        let kind = deployment.split(':').next().unwrap_or_default();
        Some(if matches!(kind, "local" | "anonymous") {
            SelectionOutcome::of(SelectionKind::Local, Some("a local deployment"))
        } else {
            SelectionOutcome::of(
                SelectionKind::CloudDeployment,
                Some("a deployment of Convex Cloud"),
            )
        })
    }

    /// The CLI refuses to guess where a build runs unattended.
    fn by_build_environment(&self) -> Option<SelectionOutcome> {
        let platform = [
            ("VERCEL", "Vercel"),
            ("NETLIFY", "Netlify"),
            ("CF_PAGES", "Cloudflare"),
            ("WORKERS_CI", "Cloudflare"),
        ]
        .into_iter()
        .find(|(name, _)| self.of_environment(name).is_some_and(|value| !value.is_empty()))?
        .1;
        Some(SelectionOutcome::refused(
            SelectionError::BuildEnvironment,
            format!(
                "{platform} build environment detected but no Convex deployment configuration found.\n\
                 Set one of:\n  • {DEPLOY_KEY} for Convex Cloud deployments\n  \
                 • {URL} and {ADMIN_KEY} for self-hosted deployments\n\
                 See https://docs.convex.dev/production/hosting or https://docs.convex.dev/self-hosting"
            ),
        ))
    }

    /// Every definition of every variable that matters, whether the CLI takes its source into
    /// account or not.
    fn variables(&self, flags: Option<&Flags>, unknown: &[String]) -> Vec<FoundVariable> {
        let mut found: BTreeMap<(usize, &str), Vec<Definition>> = BTreeMap::new();
        let mut add = |name, text: &str, source, counts: bool, lines| {
            let rank = SELECTING.iter().position(|known| *known == name);
            let definitions = found.entry((rank.unwrap_or(SELECTING.len()), name)).or_default();
            let wins = counts && !definitions.iter().any(|definition| definition.wins);
            let of_command = !matches!(source, ValueSource::File { .. });
            let value = if of_command && unknown.iter().any(|one| one == name) {
                FoundText::Unknown
            } else {
                FoundText::new(name, text)
            };
            definitions.push(Definition { source, value, wins, lines });
        };
        if let Some(flags) = flags {
            let flag = |flag: &str| ValueSource::Flag { flag: flag.to_owned() };
            add(URL, flags.url.as_deref().unwrap_or_default(), flag("--url"), true, None);
            let key = flags.admin_key.as_ref().map_or("", Secret::expose);
            add(ADMIN_KEY, key, flag("--admin-key"), true, None);
        }
        let (first, rest) =
            self.files.split_at(usize::from(self.exclusive && !self.env_file_missing));
        for (assignment, source, lines) in first.iter().flat_map(ReadFile::last_first) {
            add(&assignment.name, assignment.value.expose(), source, flags.is_none(), lines);
        }
        let counts = flags.is_none() && !self.exclusive;
        for (name, value) in self.process_env.iter().filter(|(name, _)| matters(name)) {
            add(name, value, ValueSource::Env { env: name.clone() }, counts, None);
        }
        for (assignment, source, lines) in rest.iter().flat_map(ReadFile::last_first) {
            add(&assignment.name, assignment.value.expose(), source, counts, lines);
        }
        found
            .into_iter()
            .map(|((_, name), definitions)| FoundVariable { name: name.to_owned(), definitions })
            .collect()
    }

    fn near_misses(&self) -> Vec<NearMiss> {
        let mut found = Vec::new();
        let process_env = if self.exclusive { &[] } else { self.process_env };
        for (name, value) in process_env {
            if let Some(meant) = meant(name) {
                let source = ValueSource::Env { env: name.clone() };
                let empty = known_to_scrubber(value).is_empty();
                let fits = fits(meant, value);
                found.push(NearMiss {
                    name: name.clone(),
                    meant,
                    source,
                    empty,
                    fits,
                    lines: None,
                });
            }
        }
        for file in self.counting_files() {
            for assignment in &file.read {
                if let Some(meant) = meant(&assignment.name) {
                    let value = assignment.value.expose();
                    let empty = known_to_scrubber(value).is_empty();
                    let fits = fits(meant, value);
                    let source = file.source(assignment.line);
                    let lines = written(&file.file.text, assignment, meant);
                    let name = assignment.name.clone();
                    found.push(NearMiss { name, meant, source, empty, fits, lines });
                }
                if found.len() >= MOST_NEAR_MISSES {
                    return found;
                }
            }
            found.extend(file.with_path_before());
        }
        found.truncate(MOST_NEAR_MISSES);
        found
    }

    fn misreadings(&self) -> Vec<(String, Misreading)> {
        let mut found = Vec::new();
        for file in self.counting_files() {
            let misread = strict::misreadings(&file.file.text, &file.read, &SELECTING);
            found.extend(misread.into_iter().map(|misread| (file.file.path.clone(), misread)));
        }
        found
    }
}

impl ReadFile<'_> {
    fn source(&self, line: usize) -> ValueSource {
        ValueSource::File { file: self.file.path.clone(), line }
    }

    /// The assignments that matter, the last one first because it counts; only so many of each
    /// name, and of the app's names all together, of which there may be any number.
    fn last_first(&self) -> impl Iterator<Item = (&Assignment, ValueSource, Option<Written>)> {
        let mut kept: BTreeMap<&str, usize> = BTreeMap::new();
        self.read.iter().rev().filter(|assignment| matters(&assignment.name)).filter_map(
            move |assignment| {
                let selecting = SELECTING.iter().find(|name| **name == assignment.name);
                let number = kept.entry(selecting.copied().unwrap_or_default()).or_default();
                *number += 1;
                (*number <= MOST_DEFINITIONS).then(|| {
                    let lines = written(&self.file.text, assignment, &assignment.name);
                    (assignment, self.source(assignment.line), lines)
                })
            },
        )
    }

    /// `./CONVEX_…=`: what is left when a name is pasted behind a path; dotenv takes `/` for no
    /// name.
    fn with_path_before(&self) -> impl Iterator<Item = NearMiss> {
        strict::misreadings(&self.file.text, &self.read, &[URL, ADMIN_KEY])
            .into_iter()
            .filter(|misread| misread.kind == strict::MisreadingKind::NotAssigned)
            .filter_map(|misread| {
                let text = strict::line(&self.file.text, misread.line)?;
                let rest = text.trim_start().strip_prefix("./")?.strip_prefix(&misread.name)?;
                let value = rest.trim_start_matches([' ', '\t', '=', ':']);
                let empty = known_to_scrubber(value.trim()).is_empty();
                let meant = if misread.name == URL { URL } else { ADMIN_KEY };
                let source = self.source(misread.line);
                let lines = misread.lines.clone();
                let (name, fits) = (format!("./{meant}"), fits(meant, value.trim()));
                Some(NearMiss { name, meant, source, empty, fits, lines })
            })
    }
}

/// Whether a value may be what `meant` names: a key that is whole or was one, or any text as a URL
/// but a key or a secret.
fn fits(meant: &str, value: &str) -> bool {
    if meant == ADMIN_KEY {
        matches!(shape(&Secret::new(value)).form, Form::WellShaped | Form::Mangled)
    } else {
        let is_hex = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        !is_hex && !value.contains("|01")
    }
}

/// The lines of an assignment, where naming them by a hash gives nothing away: of a key only where
/// it is long enough to be one or is not there, of anything else only what is shown anyway.
fn written(text: &str, assignment: &Assignment, name: &str) -> Option<Written> {
    let value = assignment.value.expose();
    let tellable = if holds_key(name) {
        let nothing = value.is_empty() && assignment.comment == Comment::None;
        let runs = value.split(|c: char| !c.is_ascii_alphanumeric());
        nothing || runs.map(str::len).any(|length| length >= LEAST_RUN)
    } else {
        secret_parts(value).is_empty()
    };
    let span = &assignment.span;
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let rest = &text[span.end..];
    let end = span.end + rest.find('\n').map_or(rest.len(), |at| at + 1);
    let lines: Vec<&str> = text[start..end].lines().collect();
    // Behind a lone carriage return, or with `export` on a line of its own, no other reader would
    // count the lines alike.
    let odd = lines.iter().any(|line| line.contains('\r'))
        || lines.len() != assignment.end_line + 1 - assignment.line
        || lines.first().is_some_and(|line| line.starts_with('\u{feff}'));
    (tellable && !odd).then(|| Written {
        hashes: lines.iter().map(|line| line_hash(line)).collect(),
        export: text[span.clone()].starts_with("export"),
        comment: assignment.comment == Comment::Apart,
    })
}

/// The value of a misnamed variable may be a key: it is not kept, but it must not be shown by
/// anybody either.
fn known_to_scrubber(value: &str) -> &str {
    if value.contains('|') {
        drop(Secret::new(value));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(local: &str, env: &str) -> Sources {
        Sources {
            env_local: Some(FileText::new(".env.local", local)),
            env: Some(FileText::new(".env", env)),
            ..Sources::default()
        }
    }

    #[test]
    fn every_definition_is_listed_and_one_wins() {
        let mut sources = files(
            "CONVEX_SELF_HOSTED_URL=http://a\nCONVEX_SELF_HOSTED_URL=http://b\n",
            "CONVEX_SELF_HOSTED_URL=http://c",
        );
        sources.process_env.push((URL.to_owned(), String::new()));
        let selection = select(&sources);
        let url = &selection.variables[0];
        let places: Vec<_> = url.definitions.iter().map(|d| (d.value.expose(), d.wins)).collect();
        assert_eq!(
            places,
            [("", true), ("http://b", false), ("http://a", false), ("http://c", false)]
        );
        assert!(selection.kind == SelectionKind::None && selection.url.is_none());
    }

    #[test]
    fn deploy_key_sentinels() {
        let pair = "CONVEX_SELF_HOSTED_URL=http://a\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|01ab\n";
        for (key, kind, message) in [
            ("<ignore_deploy_key>", SelectionKind::SelfHosted, None),
            ("<missing_deploy_key:ask Ann>", SelectionKind::Error, Some("ask Ann")),
            ("<missing_deploy_key:>", SelectionKind::Error, Some("Please set CONVEX_DEPLOY_KEY")),
            ("garbage", SelectionKind::Error, Some("Please set CONVEX_DEPLOY_KEY to a new key")),
            ("prod:a-b-1|xyz", SelectionKind::CloudDeployKey, Some("CONVEX_DEPLOY_KEY")),
        ] {
            let selection = select(&files(&format!("{pair}CONVEX_DEPLOY_KEY={key}"), ""));
            assert!(selection.kind == kind, "{key}");
            let got = selection.message.unwrap_or_default();
            assert!(got.starts_with(message.unwrap_or_default()), "{key}: {got}");
        }
    }

    #[test]
    fn deployments_local_and_in_the_cloud() {
        for (deployment, kind) in [
            ("local:local-team-app", SelectionKind::Local),
            ("anonymous:anonymous-app", SelectionKind::Local),
            ("anonymous-app", SelectionKind::Local),
            ("dev:happy-animal-123", SelectionKind::CloudDeployment),
            ("happy-animal-123", SelectionKind::CloudDeployment),
        ] {
            let selection = select(&files(&format!("CONVEX_DEPLOYMENT={deployment}"), ""));
            assert!(selection.kind == kind, "{deployment}");
        }
        let off = "CONVEX_DEPLOYMENT=anonymous:anonymous-app\nCONVEX_ALLOW_ANONYMOUS=false";
        assert!(select(&files(off, "")).kind == SelectionKind::None);
    }
}
