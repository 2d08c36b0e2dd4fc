//! `include`: other models, each with its own directory and `.env`, taken into a file.
//!
//! Source: compose-go `loader/include.go` as Compose v2.40 carries it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::discover::{ProjectReader, Template};
use super::environment::ServiceEnvironment;
use super::error::{ErrorKind, Errors};
use super::interpolate::{Variables, Whole};
use super::layers::{ExtendsLevel, TEMPLATE, check_conflicts, model, parse, placed};
use super::merge::{self, MergeConflict};
use super::source::{join, join_written, relative};
use super::tree::{Map, MapEntry, Node, Used, Value};
use super::unify::is_unified;
use crate::budget::{self, Exceeded};

/// Obeys the top-level `include`.
pub(super) fn obey(
    root: &mut Node,
    path: &Path,
    level: &ExtendsLevel<'_>,
    reader: &mut ProjectReader<'_>,
) -> Result<(), Errors> {
    let Some(include) = root.as_map_mut().and_then(|map| map.remove("include")) else {
        return Ok(());
    };
    let Value::List(items) = include.node.value else {
        if include.node.is_null() {
            return Ok(());
        }
        let at = Some(reader.sources.at(include.node.pos));
        let message = format!("`include` must be a list, got {}", shown(&include.node));
        return Err(Errors::one(ErrorKind::Invalid, at, message));
    };
    let mut stack = level.stack.clone();
    stack.push(path.to_path_buf());
    for (index, item) in items.into_iter().enumerate() {
        let imported = include_one(&item, index, &stack, level, reader)
            .map_err(|errors| placed(errors, item.pos, reader))?;
        check_conflicts(import(imported, root), reader)?;
    }
    Ok(())
}

/// Go's `%v` of what is not a list, as far as it has no value.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Map(_) => "map[".to_owned(),
        _ => node.scalar().unwrap_or_default(),
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    match node.map(|node| &node.value) {
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::List(list)) => {
            list.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// What in an include is not of its type, in Compose's words.
fn wrong_include(item: &Node, index: usize) -> Option<String> {
    let place = format!("'[{index}]");
    match &item.value {
        Value::Text(_) | Value::Null => None,
        Value::List(_) => Some(format!("{place}' expected a map or struct, got \"slice\"")),
        Value::Map(map) => map.iter().find_map(|(key, entry)| {
            let value = &entry.node.value;
            let name = merge::go_type(value);
            match (key.as_str(), value) {
                (_, Value::Null | Value::Text(_)) | ("project_directory", Value::Int(_)) => None,
                ("project_directory", _) => Some(format!(
                    "{place}.{key}' expected type 'string', got unconvertible type '{name}'"
                )),
                ("path" | "env_file", Value::List(list))
                    if list.iter().all(|item| item.as_text().is_some()) =>
                {
                    None
                }
                ("path" | "env_file", _) => {
                    Some(format!("{place}.{key}' invalid type {name} for string list"))
                }
                _ => None,
            }
        }),
        value => {
            let name = merge::go_type(value);
            Some(format!("{place}' expected a map or struct, got {name:?}"))
        }
    }
}

fn include_one(
    item: &Node,
    index: usize,
    stack: &[PathBuf],
    level: &ExtendsLevel<'_>,
    reader: &mut ProjectReader<'_>,
) -> Result<Node, Errors> {
    let at = || Some(reader.sources.at(item.pos));
    if let Some(what) = wrong_include(item, index) {
        return Err(Errors::one(ErrorKind::Invalid, at(), what));
    }
    let paths = match &item.value {
        Value::Text(path) => vec![path.clone()],
        _ => texts(item.get("path")),
    };
    let paths: Vec<PathBuf> =
        paths.iter().map(|path| join_written(level.directory, path)).collect();
    let Some(first) = paths.first() else { return Ok(Node::new(item.pos, Value::Null)) };
    if stack.len() > budget::CHAIN && !stack.contains(first) {
        let what = reader.budget.exceed(Exceeded::Includes);
        return Err(reader.exceeded(what, Some(item.pos)));
    }
    if stack.contains(first) {
        let mut files = stack.iter().chain([first]).map(|path| path.display().to_string());
        let head = files.next().unwrap_or_default();
        let rest: Vec<String> = files.collect();
        let message =
            format!("include cycle detected:\n{head}\n include {}", rest.join("\n include "));
        return Err(Errors::one(ErrorKind::Invalid, at(), message));
    }
    let looked_from = level.env_files_from.as_deref().unwrap_or(level.directory);
    let given = item.get("project_directory").and_then(Node::as_text).unwrap_or_default();
    let seen_from_cwd = if given.is_empty() {
        level.seen_from_cwd
    } else {
        !given.starts_with('/') && level.env_files_from.is_some()
    };
    let (directory, way) = if given.starts_with('/') {
        (join(looked_from, given), PathBuf::from(given))
    } else if given.is_empty() {
        let directory = first.parent().unwrap_or(Path::new("/")).to_path_buf();
        let way = relative(level.directory, &directory);
        (directory, way)
    } else {
        // If it is not a directory, Compose uses its parent, but only for paths.
        let mut base = join(level.directory, given);
        if !reader.files.is_dir(&base) {
            let above = Path::new(given).parent().unwrap_or(Path::new(""));
            base = join(level.directory, &above.display().to_string());
        }
        (join(looked_from, given), relative(level.directory, &base))
    };
    let mut named: Vec<PathBuf> = Vec::new();
    for written in texts(item.get("env_file")).iter().filter(|path| *path != "/dev/null") {
        let path = join(looked_from, written);
        let relative = level.env_files_from.as_ref().and(path.strip_prefix(level.cwd).ok());
        let shown_path = relative.unwrap_or(&path);
        // Compose looks at relative ones alone.
        let message = if written.starts_with('/') {
            None
        } else if reader.files.is_dir(&path) {
            Some(format!("{} is not a file", shown_path.display()))
        } else if !reader.files.exists(&path) {
            Some(format!("stat {}: no such file or directory", shown_path.display()))
        } else {
            None
        };
        if let Some(message) = message {
            return Err(Errors::one(ErrorKind::Unreadable, at(), message));
        }
        named.push(path);
    }
    let env_files = if texts(item.get("env_file")).is_empty() {
        let default = directory.join(".env");
        let present = reader.files.exists(&default) && !reader.files.is_dir(&default);
        if present { vec![default] } else { Vec::new() }
    } else {
        named
    };
    let mut environment = level.environment.clone();
    let sets = reader.read_env(&env_files, &environment)?;
    environment.add(sets);
    let mut parsed = Vec::new();
    for path in &paths {
        parsed.push(parse(path, level.shown(path), reader));
    }
    let mut inner = ExtendsLevel {
        environment: &environment,
        directory: &directory,
        env_files_from: Some(join(level.cwd, &way.display().to_string())),
        way,
        cwd: level.cwd,
        seen_from_cwd,
        home: level.home,
        stack: stack.to_vec(),
        extended: BTreeMap::new(),
    };
    let mut tree = model(parsed, &mut inner, reader)?;
    pass_through(&mut tree, &environment, reader)
        .map_err(|what| reader.exceeded(what, Some(item.pos)))?;
    Ok(tree)
}

/// Bare names in the lists of an included file take their value from that file's environment.
fn pass_through(
    tree: &mut Node,
    environment: &ServiceEnvironment,
    reader: &mut ProjectReader<'_>,
) -> Result<(), Exceeded> {
    let Some(services) = merge::section(tree, "services") else { return Ok(()) };
    for service in services.values_mut() {
        let Some(entry) = service.node.as_map_mut().and_then(|map| map.get_mut("environment"))
        else {
            continue;
        };
        // In a mapping Compose leaves them to the project.
        let Value::List(list) = &mut entry.node.value else { continue };
        for item in list {
            if let Value::Text(text) = &mut item.value
                && !text.contains('=')
                && let Some((value, origin)) = environment.lookup(text)
            {
                reader.budget.bytes(TEMPLATE + 4 * text.len() + value.len())?;
                let used = Used { name: text.clone(), origin };
                let whole = Whole { variable: text.clone(), value_of: Some(text.clone()) };
                let template = Template { whole_entry: Some(whole), ..Template::default() };
                reader.templates.insert(item.pos, template);
                *text = format!("{text}={value}");
                item.used = Some(Box::new([used]));
            }
        }
    }
    Ok(())
}

/// Whether there is an empty list that Compose finds different from an empty list: in what is
/// imported only those lists that are unified are what they were.
fn has_empty_list<'n>(node: &'n Node, path: &mut Vec<&'n str>) -> bool {
    match &node.value {
        Value::List(list) if list.is_empty() => !is_unified(path),
        Value::List(list) => list.iter().any(|item| has_empty_list(item, &mut vec!["[]"])),
        Value::Map(map) => map.iter().any(|(key, entry)| {
            path.push(key);
            let found = has_empty_list(&entry.node, path);
            path.pop();
            found
        }),
        _ => false,
    }
}

/// Takes an included model's resources in; the same name twice is a conflict unless both are equal.
fn import(imported: Node, root: &mut Node) -> Vec<MergeConflict> {
    let mut conflicts = Vec::new();
    let (Value::Map(mut from), Some(to)) = (imported.value, root.as_map_mut()) else {
        return conflicts;
    };
    for key in ["services", "volumes", "networks", "secrets", "configs", "models"] {
        let Some(MapEntry { key: pos, node }) = from.remove(key) else { continue };
        let Value::Map(resources) = node.value else { continue };
        let target = to.get_or_insert_with(key, || MapEntry {
            key: pos,
            node: Node::new(pos, Value::Map(Map::new())),
        });
        let Some(target) = target else { continue };
        if target.node.is_null() {
            target.node.value = Value::Map(Map::new());
        }
        let Some(target) = target.node.as_map_mut() else { continue };
        for (name, entry) in resources {
            match target.get(&name) {
                Some(known)
                    if known.node == entry.node
                        && !has_empty_list(&entry.node, &mut vec![key, &name]) => {}
                Some(known) => {
                    let message = format!("{key}.{name} conflicts with imported resource");
                    conflicts.push(MergeConflict { message, pos: known.key });
                }
                None => {
                    target.insert(name, entry);
                }
            }
        }
    }
    conflicts
}
