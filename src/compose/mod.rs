//! The Compose specification, as Docker Compose v2.40 reads it: from files to a resolved project.
//!
//! It knows neither Convex nor Docker and asks no engine. [`load`] finds the files ([`Request`]
//! says where to look), reads them through [`Files`], and gives a [`Project`] in which every value
//! knows its place, or [`Errors`] close to Compose's own. [`to_json`] shows a project as `docker
//! compose config --format json` does.
//!
//! The steps, one file each: `discover` (which files), `dotenv` (`.env`), `tabs`, `yaml`, `scalar`,
//! `number` and `time` (YAML as Compose's reader sees it, into a `tree`), `interpolate` and `cast`,
//! `layers` (extends, overrides), `include`, `merge`, `unify`, `schema` and `shapes`, `canonical`
//! (long forms), `paths`, `validate`, `decode` (types), `resolve` (names), `service` and
//! `env_files` (environments), `consistent` (references).
//!
//! Positions come from `granit-parser`'s events, which carry line and column; the `tree` keeps them
//! at every key and value, and merging, interpolation and `extends` move them along with what they
//! belong to. `serde_yaml`, which the rest of the crate writes YAML with, does not read the
//! documents: its values have no positions, it drops the place of a duplicate key, and 100,000 open
//! brackets keep it busy for ten seconds.
//!
//! All of them spend from one budget (`crate::budget`): what is read, what is made of it in memory,
//! how deep it goes, and the time. A file that exceeds it is refused, with the limit that it met.

mod canonical;
mod cast;
mod consistent;
mod decode;
mod discover;
mod dotenv;
mod duration;
mod env_files;
mod environment;
mod error;
mod include;
mod interpolate;
mod json;
mod layers;
mod merge;
mod model;
mod mount;
mod number;
mod paths;
mod port;
mod read;
mod resolve;
mod scalar;
mod schema;
mod service;
mod shapes;
mod size;
mod source;
mod tabs;
mod time;
mod tree;
mod unify;
mod validate;
mod words;
mod yaml;

#[cfg(test)]
mod bounds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use discover::PROJECT;
pub use error::{Error, ErrorKind, Errors, Warning, WarningKind};
pub use json::to_json;
pub use model::{
    Dependency, Healthcheck, Mount, MountKind, NameSource, Port, Project, Service, Variable,
    VariableSource, Volume,
};
pub use source::{At, FileError, Files, Spanned};

use discover::ProjectReader;
use environment::ServiceEnvironment;
use interpolate::Variables;
use layers::Parsed;
use tree::{Map, Node, Value};

use crate::budget::{Deadline, Spending};

/// What to load: the options of `docker compose`, and its surroundings.
#[derive(Clone, Default)]
pub struct Request {
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// `-f`, in order.
    pub files: Vec<PathBuf>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// Compose's `--env-file`, in order.
    pub env_files: Vec<PathBuf>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// The process environment.
    pub environment: BTreeMap<String, String>,
    /// When reading has to be over; without one it may take as long as the other limits let it.
    pub deadline: Deadline,
    /// The home directory, for `~`; `HOME` of [`Request::environment`] when `None`.
    pub home: Option<PathBuf>,
}

/// Finds, reads and resolves a project.
///
/// # Errors
/// Everything Compose would refuse, with its place; [`Errors::is_not_found`] when there is no
/// compose file at all.
pub fn load(request: &Request, files: &dyn Files) -> Result<Project, Errors> {
    let mut reader = ProjectReader::new(files, Spending::until(request.deadline));
    let mut found = discover::find(request, &mut reader)?;
    let mut parsed = Vec::new();
    for path in &found.files {
        parsed.push(layers::parse(path, path, &mut reader));
    }
    let (name, name_source) =
        project_name(request, &found.directory, &found.environment, &parsed, &mut reader)?;
    found.environment.set("COMPOSE_PROJECT_NAME", name.value.clone());
    let home = request.environment.get("HOME").map(PathBuf::from);
    let home = request.home.clone().or(home);
    let mut level = layers::ExtendsLevel {
        environment: &found.environment,
        directory: &found.directory,
        way: found.directory.clone(),
        env_files_from: None,
        cwd: &request.directory,
        seen_from_cwd: false,
        home: home.as_deref(),
        stack: Vec::new(),
        extended: BTreeMap::new(),
    };
    let mut tree = layers::model(parsed, &mut level, &mut reader)?;
    if tree.as_map().is_none_or(Map::is_empty) {
        let at = found.files.first().map(|path| reader.start(path));
        return Err(Errors::one(ErrorKind::Invalid, at, "empty compose file"));
    }
    if name.value.is_empty() {
        return Err(Errors::one(ErrorKind::Invalid, name.at, discover::bad_name("")));
    }
    Errors::check(decode::decode(&mut tree, &mut reader))?;
    let resolved =
        resolve::resolve(&tree, &name.value, &found.profiles, &found.environment, &mut reader)?;
    let included_files =
        reader.sources.paths().filter(|path| !found.files.contains(path)).collect();
    Ok(Project {
        name,
        name_source,
        directory: found.directory,
        files: found.files,
        included_files,
        env_files: found.env_files,
        own_env_file: found.own_env_file,
        services: resolved.services,
        disabled: resolved.disabled,
        volumes: resolved.volumes,
        unused_volumes: resolved.unused_volumes,
        volumes_block: resolved.volumes_block,
        undecided: reader.undecided.iter().map(|pos| reader.sources.at(*pos)).collect(),
        unset: reader
            .unset
            .iter()
            .flat_map(|(pos, names)| {
                names.iter().map(|name| (name.clone(), reader.sources.at(*pos)))
            })
            .collect(),
        names: reader.names,
        warnings: reader.warnings,
    })
}

/// Compose looks for a name before all else unless `-p` gives one, up to the first file that has
/// one: faults there are reported first.
fn unreadable_name(
    parsed: &[Result<Parsed, Errors>],
    reader: &ProjectReader<'_>,
) -> Result<(), Errors> {
    for file in parsed {
        let Ok(file) = file else { continue };
        let stream = &file.stream;
        if stream.documents.is_empty() {
            let problems = stream.problems.iter();
            let first = problems.filter(|error| error.message.starts_with("yaml:"));
            Errors::check(first.cloned().collect())?;
        }
        let document = stream.documents.first().or(stream.broken.as_ref());
        let Some(document) = document else { continue };
        let root = &document.root;
        let (node, into) = match (&root.value, root.get("name")) {
            (Value::Null, _) | (Value::Map(_), None) => continue,
            (Value::Map(_), Some(name)) => match &name.value {
                Value::List(_) | Value::Map(_) => (name, "string"),
                _ if name.scalar().is_some_and(|name| !name.is_empty()) => break,
                _ => continue,
            },
            _ => (root, "cli.named"),
        };
        let at = reader.sources.at(node.pos);
        let what = format!("cannot unmarshal {} into {into}", document.type_of(node));
        let message = format!("yaml: unmarshal errors:\n  line {}: {what}", at.line);
        return Err(Errors::one(ErrorKind::Invalid, Some(at), message));
    }
    Ok(())
}

/// `-p`, else `COMPOSE_PROJECT_NAME`, else the last `name:`, else the directory. Only the last two
/// are normalised.
fn project_name(
    request: &Request,
    directory: &Path,
    environment: &ServiceEnvironment,
    parsed: &[Result<Parsed, Errors>],
    reader: &mut ProjectReader<'_>,
) -> Result<(Spanned<String>, NameSource), Errors> {
    let flag = request.project_name.as_deref().filter(|name| !name.is_empty());
    if flag.is_none() {
        unreadable_name(parsed, reader)?;
    }
    let variable = environment.lookup("COMPOSE_PROJECT_NAME").filter(|(name, _)| !name.is_empty());
    let given = match (flag, variable) {
        (Some(name), _) => Some((name, None, NameSource::Flag)),
        (_, Some((name, pos))) => Some((name, pos, NameSource::Variable)),
        _ => None,
    };
    if let Some((name, pos, source)) = given {
        let at = pos.map(|pos| reader.sources.at(pos));
        if discover::normalize(name) != name {
            return Err(Errors::one(ErrorKind::Invalid, at, discover::bad_name(name)));
        }
        return Ok((Spanned { value: name.to_owned(), at }, source));
    }
    let files = parsed.iter().filter_map(|file| file.as_ref().ok());
    let documents = files.flat_map(|file| file.stream.documents.iter().enumerate());
    let mut written: Vec<(usize, Node)> = documents
        .filter_map(|(index, document)| Some((index, document.root.get("name")?.clone())))
        .filter(|(_, name)| name.as_text().is_some_and(|name| !name.is_empty()))
        .collect();
    // A name in the first document of any file keeps the directory from giving one.
    let named = written.iter().any(|(index, _)| *index == 0);
    if let Some((_, mut name)) = written.pop() {
        layers::fill_at(vec!["name".to_owned()], &mut name, environment, reader)?;
        // Without a name that is left the project is refused once its files are known to be right.
        let value = discover::normalize(name.as_text().unwrap_or(""));
        if !value.is_empty() || named {
            let at = Some(reader.sources.at(name.pos));
            return Ok((Spanned { value, at }, NameSource::File));
        }
    }
    let value = discover::normalize(&discover::base(directory));
    Ok((Spanned { value, at: None }, NameSource::Directory))
}
