//! Which files make the project: compose files, `.env` files, the project directory and the name.
//!
//! The order is that of Compose v2.40: the `.env` of the working directory first (it may set
//! `COMPOSE_FILE`), then the compose files, then the `.env` of the project directory, then profiles
//! and name. What is set first wins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Request;
use super::dotenv::{self, Sets};
use super::environment::ServiceEnvironment;
use super::error::{Error, ErrorKind, Errors, Warning, WarningKind};
use super::interpolate::{Variables, Whole};
use super::source::{At, FileError, Files, Pos, SourceFiles, clean, env_text, join, yaml_text};
use crate::budget::{self, Exceeded, Spending};

/// The names Compose looks for, in its order.
const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// The names of the file laid over it.
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What a profile takes in memory.
const PROFILE: usize = 96;

/// What was found.
pub(super) struct Found {
    pub(super) files: Vec<PathBuf>,
    pub(super) directory: PathBuf,
    pub(super) environment: ServiceEnvironment,
    pub(super) env_files: Vec<PathBuf>,
    /// Whether those are the project's own `.env`, if it is there.
    pub(super) own_env_file: bool,
    pub(super) profiles: Vec<String>,
}

/// Reads files, numbers them, and notes what Compose would warn about.
pub(super) struct ProjectReader<'f> {
    pub(super) files: &'f dyn Files,
    pub(super) sources: SourceFiles,
    /// What reading the project may still take.
    pub(super) budget: Spending,
    /// No more than [`budget::WARNINGS`].
    pub(super) warnings: Vec<Warning>,
    /// What was warned of.
    warned: BTreeSet<String>,
    /// The places of texts with a variable that is set nowhere, also one with a default.
    pub(super) undecided: BTreeSet<Pos>,
    /// The variables that became nothing, by the place of each text in which they did.
    pub(super) unset: BTreeMap<Pos, BTreeSet<String>>,
    /// The names of the variables in the texts of the files.
    pub(super) names: BTreeSet<String>,
    /// What is known of a text by its template, by the place of the text.
    pub(super) templates: BTreeMap<Pos, Template>,
}

/// What the value of a text was made of.
#[derive(Default)]
pub(super) struct Template {
    /// The variable that the text is, where it is one and nothing else.
    pub(super) whole: Option<Whole>,
    /// The same for what follows the first `=`, as in the list form of an environment.
    pub(super) whole_entry: Option<Whole>,
    /// The text with [`PROJECT`] in place of the project's name, where `COMPOSE_PROJECT_NAME` is
    /// used in it.
    pub(super) by_project: Option<String>,
}

/// Stands for the project's name in a text that is made of it: neither a name of a volume nor
/// a path has braces.
pub const PROJECT: &str = "{project}";

impl<'f> ProjectReader<'f> {
    pub(super) fn new(files: &'f dyn Files, budget: Spending) -> Self {
        Self {
            files,
            sources: SourceFiles::default(),
            budget,
            warnings: Vec::new(),
            warned: BTreeSet::new(),
            undecided: BTreeSet::new(),
            unset: BTreeMap::new(),
            names: BTreeSet::new(),
            templates: BTreeMap::new(),
        }
    }
}

impl ProjectReader<'_> {
    /// Notes what the templates of a `.env` file or an `env_file` leave open.
    pub(super) fn note_unset(&mut self, unset: dotenv::Unset) {
        self.undecided.extend(unset.undecided);
        self.warn_unset(unset.names);
    }

    pub(super) fn warn(&mut self, kind: WarningKind, pos: Option<Pos>, message: String) {
        if self.warnings.len() >= budget::WARNINGS {
            return;
        }
        let at = pos.map(|pos| self.sources.at(pos));
        // Each unset variable is said once: Compose repeats itself.
        if kind == WarningKind::MultipleFiles || self.warned.insert(message.clone()) {
            self.warnings.push(Warning { message, at, kind });
        }
    }

    /// Says where a limit of this reader was met.
    pub(super) fn exceeded(&self, what: Exceeded, pos: Option<Pos>) -> Errors {
        Errors::exceeded(what, pos.map(|pos| self.sources.at(pos)))
    }

    pub(super) fn warn_unset(&mut self, unset: impl IntoIterator<Item = (String, Pos)>) {
        for (name, pos) in unset {
            let message =
                format!("The {name:?} variable is not set. Defaulting to a blank string.");
            self.unset.entry(pos).or_default().insert(name.clone());
            self.warn(WarningKind::UnsetVariable { name }, Some(pos), message);
        }
    }

    /// A compose file's text and number; `shown` is how Compose names it.
    pub(super) fn read(&mut self, path: &Path, shown: &Path) -> Result<(String, u32), Errors> {
        if self.files.is_dir(path) {
            let message = format!("read {}: is a directory", shown.display());
            return Err(Errors::one(ErrorKind::Unreadable, None, message));
        }
        match self.files.read_bytes(path) {
            Ok(bytes) => {
                let file = self.sources.number(path);
                let start = Pos { file, line: 1, column: 1 };
                let spent = self.budget.file(bytes.len());
                spent.map_err(|what| self.exceeded(what, Some(start)))?;
                let text = yaml_text(bytes).map_err(|refused| {
                    let at = self.sources.at(Pos { file, line: refused.line, column: 1 });
                    let message =
                        format!("failed to parse {}: yaml: {}", path.display(), refused.message);
                    Errors::one(ErrorKind::Syntax, Some(at), message)
                })?;
                Ok((text, file))
            }
            Err(error) => {
                let kind = match error {
                    FileError::TooLarge => ErrorKind::Limit,
                    _ => ErrorKind::Unreadable,
                };
                let message = format!("open {}: {error}", shown.display());
                let there = !matches!(error, FileError::NotFound);
                let at = there.then(|| self.start(path));
                Err(Errors::one(kind, at, message))
            }
        }
    }

    /// The beginning of a file that is there: what is wrong with it as a whole is shown there.
    pub(super) fn start(&mut self, path: &Path) -> At {
        let file = self.sources.number(path);
        self.sources.at(Pos { file, line: 1, column: 1 })
    }

    /// Reads `.env` files over each other.
    pub(super) fn read_env(
        &mut self,
        paths: &[PathBuf],
        environment: &ServiceEnvironment,
    ) -> Result<Sets, Errors> {
        let mut sets = Sets::new();
        for path in paths {
            if self.files.is_dir(path) {
                let message = format!("{} is a directory", path.display());
                return Err(Errors::one(ErrorKind::Unreadable, None, message));
            }
            let bytes = self.files.read_bytes(path).map_err(|error| match error {
                FileError::NotFound => {
                    let message = format!("couldn't find env file: {}", path.display());
                    Errors::one(ErrorKind::Unreadable, None, message)
                }
                error => {
                    let message = format!("failed to read {}: {error}", path.display());
                    Errors::one(ErrorKind::Unreadable, Some(self.start(path)), message)
                }
            })?;
            let text = env_text(bytes);
            let file = self.sources.number(path);
            let start = Pos { file, line: 1, column: 1 };
            let spent = self.budget.text(text.len());
            spent.map_err(|what| self.exceeded(what, Some(start)))?;
            let unset = dotenv::parse(&text, file, environment, &mut sets, &self.budget)
                .map_err(|fault| self.env_fault(path, file, &fault))?;
            self.note_unset(unset);
        }
        Ok(sets)
    }

    pub(super) fn env_fault(&self, path: &Path, file: u32, fault: &dotenv::DotenvFault) -> Errors {
        let pos = Pos { file, line: fault.line, column: fault.column };
        if let Some(what) = fault.exceeded {
            return self.exceeded(what, Some(pos));
        }
        let kind = match &fault.required {
            Some(name) => ErrorKind::RequiredVariable { name: name.clone() },
            None => ErrorKind::Syntax,
        };
        let message = format!("{} {}: {}", fault.verb, path.display(), fault.message);
        Errors::one(kind, Some(self.sources.at(pos)), message)
    }
}

/// Finds the project's files.
pub(super) fn find(request: &Request, reader: &mut ProjectReader<'_>) -> Result<Found, Errors> {
    let cwd = &request.directory;
    let mut environment = ServiceEnvironment::new(request.environment.clone());
    environment.set("PWD", cwd.display().to_string());
    let explicit = explicit_env_files(request);
    let disabled = explicit.is_none() && env_files_disabled(request)?;
    let mut directory = request.project_directory.as_ref().map(|path| absolute(cwd, path));
    let mut files: Vec<PathBuf> = request.files.iter().map(|path| absolute(cwd, path)).collect();
    let mut env_files = Vec::new();

    let mut load = |directory: &Path,
                    environment: &mut ServiceEnvironment,
                    reader: &mut ProjectReader<'_>|
     -> Result<(), Errors> {
        let paths = match &explicit {
            Some(paths) => paths.clone(),
            None if disabled => Vec::new(),
            None => vec![directory.join(".env")],
        };
        let present = |path: &PathBuf| {
            explicit.is_some() || (reader.files.exists(path) && !reader.files.is_dir(path))
        };
        let paths: Vec<PathBuf> =
            paths.into_iter().filter(present).filter(|path| !env_files.contains(path)).collect();
        let sets = reader.read_env(&paths, environment)?;
        environment.add(sets);
        env_files.extend(paths);
        Ok(())
    };

    let working = |directory: &Option<PathBuf>, files: &[PathBuf]| {
        directory.clone().unwrap_or_else(|| {
            files.first().and_then(|file| file.parent()).unwrap_or(cwd).to_path_buf()
        })
    };
    let start = working(&directory, &files);
    if let Err(fault) = load(&start, &mut environment, reader) {
        // Where there is no compose file, the `.env` is none of Compose's.
        let is_named = explicit.is_some()
            || request.project_name.is_some()
            || !files.is_empty()
            || environment.get("COMPOSE_FILE").is_some_and(|list| !list.is_empty());
        return Err(search(&start, reader).err().filter(|_| !is_named).unwrap_or(fault));
    }
    // Compose asks for the files of a list before it opens them.
    let mut listed: Option<Option<Pos>> = None;
    if files.is_empty()
        && let Some(list) = environment.get("COMPOSE_FILE").filter(|list| !list.is_empty())
    {
        let separator = environment.get("COMPOSE_PATH_SEPARATOR").unwrap_or(":");
        let separator = if separator.is_empty() { ":" } else { separator };
        listed = Some(environment.lookup("COMPOSE_FILE").and_then(|(_, pos)| pos));
        let all = list.split(separator);
        files =
            all.take(budget::COMPOSE_FILES + 1).map(|it| absolute(cwd, Path::new(it))).collect();
        if files.len() > budget::COMPOSE_FILES {
            let what = reader.budget.exceed(Exceeded::Files);
            return Err(reader.exceeded(what, listed.flatten()));
        }
    }
    // `-p` is looked at once the `.env` files are read, and before a file is missed that is not of
    // a list.
    let named = match &request.project_name {
        Some(name) if normalize(name) != *name => {
            Err(Errors::one(ErrorKind::Invalid, None, bad_name(name)))
        }
        _ => Ok(()),
    };
    if files.is_empty() {
        let found = search(&working(&directory, &files), reader);
        files = found.or_else(|missing| named.clone().and(Err(missing)))?;
    }
    let verb = if listed.is_some() { "stat" } else { "open" };
    let missing: Vec<Error> = files
        .iter()
        .filter(|path| !reader.files.exists(path))
        .map(|path| Error {
            message: format!("{verb} {}: no such file or directory", path.display()),
            at: listed.flatten().map(|pos| reader.sources.at(pos)),
            kind: ErrorKind::Unreadable,
        })
        .collect();
    let missing = Errors::check(missing);
    if listed.is_some() {
        missing.clone()?;
    }
    let directory = directory.take().unwrap_or_else(|| working(&None, &files));
    load(&directory, &mut environment, reader)?;
    named.and(missing)?;
    let profiles = if request.profiles.is_empty() {
        // Without a list that is the profile "", which a service may have.
        let list = environment.get("COMPOSE_PROFILES").unwrap_or("");
        let pos = environment.lookup("COMPOSE_PROFILES").and_then(|(_, pos)| pos);
        let spent = reader.budget.bytes(PROFILE * list.split(',').count());
        spent.map_err(|what| reader.exceeded(what, pos))?;
        list.split(',').map(|profile| profile.trim().to_owned()).collect()
    } else {
        request.profiles.clone()
    };
    let own_env_file = explicit.is_none() && !disabled;
    Ok(Found { files, directory, environment, env_files, own_env_file, profiles })
}

fn absolute(cwd: &Path, path: &Path) -> PathBuf {
    join(cwd, &path.display().to_string())
}

/// `--env-file`, else `COMPOSE_ENV_FILES` of the shell.
fn explicit_env_files(request: &Request) -> Option<Vec<PathBuf>> {
    let cwd = &request.directory;
    if !request.env_files.is_empty() {
        return Some(request.env_files.iter().map(|path| absolute(cwd, path)).collect());
    }
    let list = request.environment.get("COMPOSE_ENV_FILES").filter(|list| !list.is_empty())?;
    Some(list.split(',').map(|path| absolute(cwd, Path::new(path))).collect())
}

/// `COMPOSE_DISABLE_ENV_FILE`, read as Go reads a boolean.
fn env_files_disabled(request: &Request) -> Result<bool, Errors> {
    match request.environment.get("COMPOSE_DISABLE_ENV_FILE").map(String::as_str) {
        None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
        Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
        Some(_) => Err(Errors::one(
            ErrorKind::Invalid,
            None,
            "COMPOSE_DISABLE_ENV_FILE must be a boolean: strconv.ParseBool: invalid syntax",
        )),
    }
}

/// Looks for a compose file here and in all parents.
fn search(start: &Path, reader: &mut ProjectReader<'_>) -> Result<Vec<PathBuf>, Errors> {
    for directory in start.ancestors() {
        let mut present = |names: [&str; 4], what: &str| -> Option<PathBuf> {
            let found: Vec<PathBuf> = names
                .iter()
                .map(|name| directory.join(name))
                .filter(|path| reader.files.exists(path))
                .collect();
            let winner = found.first()?.clone();
            if found.len() > 1 {
                let list: Vec<String> =
                    found.iter().map(|path| path.display().to_string()).collect();
                let message = format!(
                    "Found multiple {what} files with supported names: {}",
                    list.join(", ")
                );
                reader.warn(WarningKind::MultipleFiles, None, message);
                let message = format!("Using {}", winner.display());
                reader.warn(WarningKind::MultipleFiles, None, message);
            }
            Some(winner)
        };
        if let Some(file) = present(NAMES, "config") {
            let over = present(OVERRIDES, "override");
            return Ok([Some(file), over].into_iter().flatten().collect());
        }
    }
    let message = "no configuration file provided: not found";
    Err(Errors::one(ErrorKind::NotFound, None, message))
}

/// The name a directory gives: lower case, only `a-z0-9_-`, no `_` or `-` in front.
pub(super) fn normalize(name: &str) -> String {
    let kept: String = name
        .to_lowercase()
        .chars()
        .filter(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_-".contains(*char))
        .collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// Compose's sentence about a name that is not one.
pub(super) fn bad_name(name: &str) -> String {
    if name.is_empty() {
        return "project name must not be empty".to_owned();
    }
    format!(
        "invalid project name {name:?}: must consist only of lowercase alphanumeric characters, hyphens, and underscores \
         as well as start with a letter or number"
    )
}

/// The last part of a directory's path.
pub(super) fn base(directory: &Path) -> String {
    let clean = clean(&directory.display().to_string());
    clean.rsplit('/').next().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_give_names() {
        for (directory, name) in
            [("My Convex.App_1-X", "myconvexapp_1-x"), ("___", ""), ("01", "01"), ("-_a", "a")]
        {
            assert_eq!(normalize(directory), name);
        }
    }
}
