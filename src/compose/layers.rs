//! From texts to one tree: each file is filled in, extended, given its includes and laid over the
//! files before it.
//!
//! The order of the steps is that of compose-go's `loadYamlFile`; it decides what an override can
//! see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::canonical;
use super::cast::{self, Cast, CastValue};
use super::discover::{PROJECT, ProjectReader, Template};
use super::environment::ServiceEnvironment;
use super::error::{Error, ErrorKind, Errors, MOST_ERRORS, WarningKind};
use super::include;
use super::interpolate::{self, Filled, InterpolationRefusal, Variables};
use super::merge::{self, MergeConflict};
use super::paths;
use super::schema;
use super::source::{Pos, join, join_written, relative};
use super::tree::{Map, Node, Removal, Used, Value, YamlDocument};
use super::unify::unify;
use super::validate;
use super::yaml::{self, YamlStream};
use crate::budget::{self, Exceeded, Spending};

/// The variable that Compose sets to the project's name.
const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// What is noted of a text with variables, in bytes.
pub(super) const TEMPLATE: usize = 256;

/// One model: the files of the project, or of one include.
pub(super) struct ExtendsLevel<'e> {
    pub(super) environment: &'e ServiceEnvironment,
    pub(super) directory: &'e Path,
    /// The way there from the model that includes this one: paths are absolute only in the end,
    /// because what is imported is compared with what is there. For the project itself its
    /// directory.
    pub(super) way: PathBuf,
    /// Where the `env_file`s of includes are looked for, when that is elsewhere: Compose takes
    /// those of included files from the working directory, as if it were the project directory.
    pub(super) env_files_from: Option<PathBuf>,
    /// The working directory.
    pub(super) cwd: &'e Path,
    /// Whether Compose has the directory as a way from the working directory, and names files so.
    pub(super) seen_from_cwd: bool,
    pub(super) home: Option<&'e Path>,
    /// The files whose include led here.
    pub(super) stack: Vec<PathBuf>,
    /// The services of files that are extended from, read once each.
    pub(super) extended: BTreeMap<PathBuf, Rc<Map>>,
}

impl ExtendsLevel<'_> {
    /// A file as Compose names it.
    pub(super) fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        let way = path.strip_prefix(self.cwd).ok();
        way.filter(|_| self.seen_from_cwd).unwrap_or(path)
    }
}

/// A parsed file.
pub(super) struct Parsed {
    pub(super) path: PathBuf,
    pub(super) file: u32,
    pub(super) stream: YamlStream,
}

impl Parsed {
    /// What is wrong with the document behind the last good one.
    pub(super) fn check(&self) -> Result<(), Errors> {
        Errors::check(self.stream.problems.clone())
    }
}

/// Reads and parses a file, which Compose names in one way or another.
pub(super) fn parse(
    path: &Path,
    shown: &Path,
    reader: &mut ProjectReader<'_>,
) -> Result<Parsed, Errors> {
    let (text, file) = reader.read(path, shown)?;
    let stream = yaml::parse(&text, file, &reader.sources, &reader.budget);
    Ok(Parsed { path: path.to_path_buf(), file, stream })
}

/// Lays files over each other; the result is canonical, valid and has absolute paths.
pub(super) fn model(
    files: Vec<Result<Parsed, Errors>>,
    level: &mut ExtendsLevel<'_>,
    reader: &mut ProjectReader<'_>,
) -> Result<Node, Errors> {
    let mut tree: Option<Node> = None;
    let mut first = None;
    for file in files {
        let file = file?;
        first = first.or(Some(Pos { file: file.file, line: 1, column: 1 }));
        let checked = file.check();
        for document in file.stream.documents {
            tree = Some(layer(tree, document, &file.path, file.file, level, reader)?);
        }
        checked?;
    }
    let start = first.unwrap_or(Pos { file: u32::MAX, line: 1, column: 1 });
    let mut tree = tree.unwrap_or_else(|| Node::new(start, Value::Map(Map::new())));
    canonical::defaults(&mut tree);
    check_conflicts(validate::check(&tree), reader)?;
    check_conflicts(paths::resolve(&mut tree, &level.way, level.home), reader)?;
    Ok(tree)
}

/// Lays one document over what is there.
fn layer(
    base: Option<Node>,
    document: YamlDocument,
    path: &Path,
    file: u32,
    level: &mut ExtendsLevel<'_>,
    reader: &mut ProjectReader<'_>,
) -> Result<Node, Errors> {
    let YamlDocument { mut root, removals, .. } = document;
    if root.as_map().is_none() {
        let at = Some(reader.sources.at(root.pos));
        return Err(Errors::one(ErrorKind::Invalid, at, "top-level object must be a mapping"));
    }
    // Each step below walks over all that is there so far.
    let nodes = root.size() + base.as_ref().map_or(0, Node::size);
    let spent = reader.budget.walk(nodes);
    spent.map_err(|what| reader.exceeded(what, Some(root.pos)))?;
    fill(&mut root, level.environment, reader)?;
    extend_all(&mut root, path, &removals, level, reader)?;
    let mut tree = base.unwrap_or_else(|| Node::new(root.pos, Value::Map(Map::new())));
    merge::remove(&mut tree, &removals);
    include::obey(&mut root, path, level, reader)?;
    tree = merged(tree, root, &mut Vec::new(), reader)?;
    check_conflicts(unify(&mut tree), reader)?;
    Errors::check(schema::validate(&tree, file, &reader.sources))?;
    if let Some(entry) = tree.as_map_mut().and_then(|map| map.remove("version")) {
        let message = format!(
            "{}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion",
            path.display()
        );
        reader.warn(WarningKind::Obsolete, Some(entry.key), message);
    }
    canonical(&mut tree, reader)?;
    check_conflicts(unify(&mut tree), reader)?;
    Ok(tree)
}

pub(super) fn conflict_errors(conflict: MergeConflict, reader: &ProjectReader<'_>) -> Errors {
    Errors::one(ErrorKind::Invalid, Some(reader.sources.at(conflict.pos)), conflict.message)
}

pub(super) fn check_conflicts(
    conflicts: Vec<MergeConflict>,
    reader: &ProjectReader<'_>,
) -> Result<(), Errors> {
    if !conflicts.is_empty() {
        let pos = conflicts.first().map(|it| it.pos);
        reader.budget.check().map_err(|what| reader.exceeded(what, pos))?;
    }
    let errors = conflicts.into_iter().take(MOST_ERRORS);
    Errors::check(errors.flat_map(|it| conflict_errors(it, reader).into_iter()).collect())
}

fn merged(
    base: Node,
    over: Node,
    path: &mut Vec<String>,
    reader: &ProjectReader<'_>,
) -> Result<Node, Errors> {
    merge::merge(base, over, path).or_else(|conflicts| {
        check_conflicts(conflicts, reader)?;
        Ok(Node::new(Pos { file: u32::MAX, line: 1, column: 1 }, Value::Null))
    })
}

/// The long forms, with what Compose warns about.
fn canonical(tree: &mut Node, reader: &mut ProjectReader<'_>) -> Result<(), Errors> {
    let (warnings, conflicts) = canonical::canonical(tree, &reader.budget);
    for (pos, warning) in warnings {
        reader.warn(WarningKind::Deprecated, Some(pos), warning);
    }
    check_conflicts(conflicts, reader)
}

/// Fills in all texts of a tree.
pub(super) fn fill(
    root: &mut Node,
    environment: &dyn Variables,
    reader: &mut ProjectReader<'_>,
) -> Result<(), Errors> {
    fill_at(Vec::new(), root, environment, reader)
}

/// Fills in all texts of the node at a path.
pub(super) fn fill_at(
    path: Vec<String>,
    root: &mut Node,
    environment: &dyn Variables,
    reader: &mut ProjectReader<'_>,
) -> Result<(), Errors> {
    let mut filling = Filling { environment, reader, path, found: Vec::new() };
    filling.node(root);
    Errors::check(filling.found)
}

/// What the value of a text is made of; `filled` is what it came to.
fn template(
    text: &str,
    filled: &Filled,
    environment: &dyn Variables,
    budget: &Spending,
) -> Template {
    let entry = text.split_once('=').filter(|(name, _)| !name.contains('$'));
    let is_project = |used: &Used| used.name == PROJECT_NAME;
    let by_project = filled.used.iter().any(is_project).then(|| {
        let environment = AnyProject(environment);
        interpolate::fill(text, &environment, budget).ok().map(|filled| filled.text)
    });
    Template {
        whole: interpolate::whole(text, environment),
        whole_entry: entry.and_then(|(_, value)| interpolate::whole(value, environment)),
        by_project: by_project.flatten(),
    }
}

/// The variables, with [`PROJECT`] for the project's name.
struct AnyProject<'a>(&'a dyn Variables);

impl Variables for AnyProject<'_> {
    fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)> {
        if name == PROJECT_NAME { Some((PROJECT, None)) } else { self.0.lookup(name) }
    }
}

struct Filling<'a, 'f> {
    environment: &'a dyn Variables,
    reader: &'a mut ProjectReader<'f>,
    path: Vec<String>,
    found: Vec<Error>,
}

impl Filling<'_, '_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Text(text) => {
                let cast = cast::at(&self.path);
                if text.contains('$') && !self.text(node) {
                    return;
                }
                if let Some(cast) = cast {
                    self.cast(node, cast);
                }
            }
            Value::List(list) => {
                self.path.push("[]".to_owned());
                for item in list {
                    self.node(item);
                }
                self.path.pop();
            }
            Value::Map(map) => {
                for (key, entry) in map {
                    self.path.push(key.clone());
                    self.node(&mut entry.node);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }

    fn cast(&mut self, node: &mut Node, cast: Cast) {
        let Value::Text(text) = &node.value else { return };
        match cast::cast(text, cast) {
            Ok(CastValue::Value(value)) => node.value = value,
            Ok(CastValue::Old(value, warning)) => {
                node.value = Value::Bool(value);
                self.reader.warn(WarningKind::Deprecated, Some(node.pos), warning);
            }
            Err(why) if self.found.len() < MOST_ERRORS => {
                let path = self.path.join(".");
                let message = format!(
                    "error while interpolating {path}: failed to cast to expected type: {why}"
                );
                let at = Some(self.reader.sources.at(node.pos));
                self.found.push(Error { message, at, kind: ErrorKind::Invalid });
            }
            Err(_) => {}
        }
    }

    /// Fills in a text; whether it could be.
    fn text(&mut self, node: &mut Node) -> bool {
        let Value::Text(text) = &mut node.value else { return false };
        let budget = &self.reader.budget;
        let filled = interpolate::fill(text, self.environment, budget).and_then(|filled| {
            budget.bytes(TEMPLATE)?;
            Ok(filled)
        });
        match filled {
            Ok(filled) => {
                let pos = node.pos;
                self.reader.names.extend(filled.names.iter().cloned());
                if filled.undecided {
                    self.reader.undecided.insert(pos);
                }
                let template = template(text, &filled, self.environment, &self.reader.budget);
                self.reader.templates.insert(pos, template);
                self.reader.warn_unset(filled.unset.iter().map(|name| (name.clone(), pos)));
                let unset = filled.unset.into_iter().map(|name| Used { name, origin: None });
                let used: Vec<Used> = filled.used.into_iter().chain(unset).collect();
                *text = filled.text;
                node.used = (!used.is_empty()).then(|| used.into_boxed_slice());
                return true;
            }
            Err(_) if self.found.len() >= MOST_ERRORS => {}
            Err(refusal) => {
                let path = self.path.join(".");
                // Compose quotes the text here; it may hold a password.
                let (kind, message) = match refusal {
                    InterpolationRefusal::Malformed => (
                        ErrorKind::Invalid,
                        format!(
                            "invalid interpolation format for {path}.\n\
                             You may need to escape any $ with another $."
                        ),
                    ),
                    InterpolationRefusal::Exceeded(what) => {
                        let at = Some(self.reader.sources.at(node.pos));
                        self.found = vec![Error::exceeded(what, at)];
                        return false;
                    }
                    InterpolationRefusal::TooLong => {
                        (ErrorKind::Limit, format!("{path} becomes too long with its variables"))
                    }
                    InterpolationRefusal::Missing { name, sentence } => (
                        ErrorKind::RequiredVariable { name },
                        format!("error while interpolating {path}: {sentence}"),
                    ),
                };
                let at = Some(self.reader.sources.at(node.pos));
                self.found.push(Error { message, at, kind });
            }
        }
        false
    }
}

/// Obeys `extends` in all services of a document.
fn extend_all(
    root: &mut Node,
    path: &Path,
    removals: &[Removal],
    level: &mut ExtendsLevel<'_>,
    reader: &mut ProjectReader<'_>,
) -> Result<(), Errors> {
    let Some(entry) = root.as_map_mut().and_then(|map| map.get_mut("services")) else {
        return Ok(());
    };
    let pos = entry.node.pos;
    let Some(services) = entry.node.as_map_mut() else {
        let at = Some(reader.sources.at(pos));
        return Err(Errors::one(ErrorKind::Invalid, at, "services must be a mapping"));
    };
    let names: Vec<String> = services.keys().cloned().collect();
    let mut found = Vec::new();
    for name in names {
        let node = services.get(&name).map(|entry| &entry.node);
        if let Some(node) = node.filter(|node| node.as_map().is_none() && !node.is_null()) {
            let at = Some(reader.sources.at(node.pos));
            let message = format!("services.{name} must be a mapping");
            return Err(Errors::one(ErrorKind::Invalid, at, message));
        }
        if node.is_some_and(|node| node.get("extends").is_some()) {
            let mut extending =
                Extending { main: path, removals, level: &mut *level, reader: &mut *reader };
            let mut here = ExtendableServices::Own(services);
            if let Err(errors) = extending.service(&name, &mut here, &mut Vec::new()) {
                extending.reader.budget.check().or(Err(errors.clone()))?;
                found.extend(errors.into_iter().take(MOST_ERRORS - found.len()));
                if found.len() >= MOST_ERRORS {
                    break;
                }
            }
        }
    }
    Errors::check(found)
}

/// The services of a file, and what has become of those that were extended.
enum ExtendableServices<'s> {
    /// Of the file itself.
    Own(&'s mut Map),
    /// Of another, which others extend from too: what becomes of them here is kept apart.
    Other(Rc<Map>, BTreeMap<String, Node>),
}

impl ExtendableServices<'_> {
    fn get(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Own(services) => services.get(name).map(|entry| &entry.node),
            Self::Other(services, done) => {
                done.get(name).or_else(|| services.get(name).map(|entry| &entry.node))
            }
        }
    }

    fn set(&mut self, name: &str, node: Node) {
        match self {
            Self::Own(services) => {
                if let Some(entry) = services.get_mut(name) {
                    entry.node = node;
                }
            }
            Self::Other(_, done) => {
                done.insert(name.to_owned(), node);
            }
        }
    }
}

struct Extending<'a, 'e, 'f> {
    /// The file whose services are extended: Compose names it also for those of other files.
    main: &'a Path,
    removals: &'a [Removal],
    level: &'a mut ExtendsLevel<'e>,
    reader: &'a mut ProjectReader<'f>,
}

impl Extending<'_, '_, '_> {
    fn fail<T>(&self, pos: Pos, message: String) -> Result<T, Errors> {
        Err(Errors::one(ErrorKind::Invalid, Some(self.reader.sources.at(pos)), message))
    }

    /// The service with all it extends laid below it; noted in `services`, so that each is done
    /// once.
    fn service(
        &mut self,
        name: &str,
        services: &mut ExtendableServices<'_>,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Result<Node, Errors> {
        let Some(node) = services.get(name) else {
            return Ok(Node::new(Pos { file: 0, line: 1, column: 1 }, Value::Null));
        };
        // All that a service extends becomes a part of it.
        let spent = self.reader.budget.bytes(node.weight());
        spent.map_err(|what| self.reader.exceeded(what, Some(node.pos)))?;
        let mut node = node.clone();
        let Some(extends) = node.as_map_mut().and_then(|map| map.remove("extends")) else {
            return Ok(node);
        };
        let pos = extends.key;
        let reference = match &extends.node.value {
            Value::Map(map) => match map.get("service").and_then(|entry| entry.node.as_text()) {
                Some(reference) => reference.to_owned(),
                None => return self.fail(pos, format!("extends.{name}.service is required")),
            },
            Value::Text(reference) => reference.clone(),
            _ => String::new(),
        };
        let file = extends.node.get("file").and_then(Node::as_text).map(str::to_owned);
        let mut base = if let Some(file) = file {
            let other = join_written(self.level.directory, &file);
            let others = self.file(&other, name, pos)?;
            let mut others = ExtendableServices::Other(others, BTreeMap::new());
            if others.get(&reference).is_none() {
                let message = format!(
                    "cannot extend service {name:?} in {}: service {reference:?} not found in {file}",
                    self.main.display()
                );
                return self.fail(pos, message);
            }
            self.link(PathBuf::from(file), name, pos, chain)?;
            self.service(&reference, &mut others, chain)?
        } else {
            if services.get(&reference).is_none() {
                let message = format!(
                    "cannot extend service {name:?} in {}: service {reference:?} not found",
                    self.main.display()
                );
                return self.fail(pos, message);
            }
            self.link(self.main.to_path_buf(), name, pos, chain)?;
            self.service(&reference, services, chain)?
        };
        chain.pop();
        if base.as_map().is_some() {
            let here: Vec<Removal> = self
                .removals
                .iter()
                .filter_map(|removal| match removal.0.as_slice() {
                    [services, service, rest @ ..] if services == "services" && service == name => {
                        Some(Removal(rest.to_vec()))
                    }
                    _ => None,
                })
                .collect();
            merge::remove(&mut base, &here);
            let at = node.pos;
            // Compose's name for a service whose own it does not know here.
            let mut place = vec!["services".to_owned(), "x".to_owned()];
            node = merged(base, node, &mut place, self.reader)?;
            node.pos = at;
        }
        services.set(name, node.clone());
        Ok(node)
    }

    /// Notes that a service extends another; twice the same is a circle. The file is, as with
    /// Compose, the one that the other service is looked for in, as it is written.
    fn link(
        &self,
        file: PathBuf,
        name: &str,
        pos: Pos,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Result<(), Errors> {
        let link = (file, name.to_owned());
        let round = chain.contains(&link);
        if !round && chain.len() >= budget::CHAIN {
            let what = self.reader.budget.exceed(Exceeded::Extends);
            return Err(self.reader.exceeded(what, Some(pos)));
        }
        chain.push(link);
        if !round {
            return Ok(());
        }
        let mut lines = vec!["Circular reference:".to_owned()];
        for (index, (file, service)) in chain.iter().enumerate() {
            let verb = if index == 0 { "" } else { "extends " };
            lines.push(format!("  {verb}{service} in {}", file.display()));
        }
        self.fail(pos, lines.join("\n"))
    }

    /// The services of another file, filled in, canonical, with paths that start in its directory.
    fn file(&mut self, path: &Path, name: &str, pos: Pos) -> Result<Rc<Map>, Errors> {
        if let Some(known) = self.level.extended.get(path) {
            return Ok(Rc::clone(known));
        }
        let shown = self.level.shown(path);
        let parsed =
            parse(path, shown, self.reader).map_err(|errors| placed(errors, pos, self.reader))?;
        let mut tree: Option<Node> = None;
        let checked = parsed.check().map_err(|errors| placed(errors, pos, self.reader));
        for document in parsed.stream.documents {
            let mut root = document.root;
            fill(&mut root, self.level.environment, self.reader)?;
            tree = Some(match tree {
                None => root,
                Some(mut base) => {
                    merge::remove(&mut base, &document.removals);
                    merged(base, root, &mut Vec::new(), self.reader)?
                }
            });
        }
        checked?;
        let message = format!("cannot extend service {name:?} in {}: ", shown.display());
        let Some(mut tree) = tree else {
            return self.fail(pos, message + "no services section");
        };
        check_conflicts(unify(&mut tree), self.reader)?;
        canonical(&mut tree, self.reader)?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        // What a file of a file extends is relative to that file.
        let way = relative(self.level.directory, directory);
        extends_from(&mut tree, &way);
        // Not absolute yet: they are compared with others that are not.
        check_conflicts(paths::resolve(&mut tree, &way, self.level.home), self.reader)?;
        let Some(entry) = tree.as_map_mut().and_then(|map| map.remove("services")) else {
            return self.fail(pos, message + "no services section");
        };
        let Value::Map(services) = entry.node.value else {
            return self.fail(pos, message + "services must be a mapping");
        };
        let services = Rc::new(services);
        self.level.extended.insert(path.to_path_buf(), Rc::clone(&services));
        Ok(services)
    }
}

fn extends_from(tree: &mut Node, directory: &Path) {
    let Some(services) = merge::section(tree, "services") else { return };
    for service in services.values_mut() {
        if let Some(entry) = service.node.as_map_mut().and_then(|map| map.get_mut("extends"))
            && let Some(file) = entry.node.as_map_mut().and_then(|map| map.get_mut("file"))
            && let Value::Text(path) = &mut file.node.value
        {
            *path = join(directory, path).display().to_string();
        }
    }
}

/// Gives errors without a place the place that led to them.
pub(super) fn placed(errors: Errors, pos: Pos, reader: &ProjectReader<'_>) -> Errors {
    let with_place = errors.iter().map(|error| {
        let mut error = error.clone();
        error.at.get_or_insert_with(|| reader.sources.at(pos));
        error
    });
    Errors::check(with_place.collect()).err().unwrap_or(errors)
}
