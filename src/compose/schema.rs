//! Whether a tree is what the Compose specification's schema allows. Messages are Compose's; they
//! name paths and types, and a value only where the schema gives its pattern.
//!
//! Of all faults Compose reports the deepest one, so it comes first here.

use super::error::{Error, ErrorKind, MOST_ERRORS};
use super::number;
use super::shapes::{Mapping, ROOT, Rest, Type, ValueShape};
use super::source::{Pos, SourceFiles};
use super::tree::{Map, Node, Value};

/// Checks a whole tree; `file` is the file Compose would name, each fault has its own place.
pub(super) fn validate(root: &Node, file: u32, sources: &SourceFiles) -> Vec<Error> {
    let mut check = SchemaCheck { path: Vec::new(), found: Vec::new() };
    check.shape(root, &ROOT);
    let mut found = check.found;
    found.sort_by_key(|fault| std::cmp::Reverse(fault.depth));
    let file = sources.path(file);
    let errors = found.into_iter().map(|fault| Error {
        message: format!("validating {}: {}", file.display(), fault.message),
        at: Some(sources.at(fault.pos)),
        kind: ErrorKind::Invalid,
    });
    errors.collect()
}

struct SchemaFault {
    message: String,
    pos: Pos,
    /// How deep it is: an unknown key one below the mapping that has it.
    depth: usize,
}

struct SchemaCheck {
    path: Vec<String>,
    found: Vec<SchemaFault>,
}

impl SchemaCheck {
    fn say(&mut self, pos: Pos, what: &str) {
        self.fault(pos, what, self.path.len());
    }

    fn fault(&mut self, pos: Pos, what: &str, depth: usize) {
        if self.found.len() < MOST_ERRORS {
            let message = format!("{} {what}", self.path.join("."));
            self.found.push(SchemaFault { message, pos, depth });
        }
    }

    fn inside(&mut self, step: &str, node: &Node, shape: &ValueShape) {
        self.path.push(step.to_owned());
        self.shape(node, shape);
        self.path.pop();
    }

    fn shape(&mut self, node: &Node, shape: &ValueShape) {
        if let ValueShape::Any = shape {
            return;
        }
        if let Value::Timestamp(_) = node.value {
            return self.say(node.pos, "invalid jsonType time.Time");
        }
        match shape {
            ValueShape::Any => {}
            ValueShape::Or(options) => self.one_of(node, options),
            ValueShape::Scalar(types) => {
                if !types.iter().any(|&wanted| is(node, wanted)) {
                    self.wrong(node, types.iter().map(|&name| word(name)).collect());
                }
            }
            ValueShape::Within(least, most) => match node.value {
                Value::Int(number) if number < *least => {
                    self.say(node.pos, &format!("must be greater than or equal to {least}"));
                }
                Value::Int(number) if number > *most => {
                    self.say(node.pos, &format!("must be less than or equal to {most}"));
                }
                _ if is(node, Type::Integer) => {}
                _ => self.wrong(node, vec!["integer"]),
            },
            ValueShape::OneOf(words) => match &node.value {
                Value::Text(text) if words.contains(&text.as_str()) => {}
                Value::Text(_) => {
                    let quoted: Vec<String> =
                        words.iter().map(|word| format!("'{word}'")).collect();
                    let one = if quoted.len() == 1 { "" } else { "one of " };
                    self.say(node.pos, &format!("value must be {one}{}", quoted.join(", ")));
                }
                _ => self.wrong(node, vec!["string"]),
            },
            ValueShape::ContainerName => {
                self.pattern(node, "[a-zA-Z0-9][a-zA-Z0-9_.-]+", is_container_name);
            }
            ValueShape::PullPolicy => self.pattern(
                node,
                "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+",
                is_pull_policy,
            ),
            ValueShape::List(item, unique) => {
                let Value::List(list) = &node.value else {
                    return self.wrong(node, vec!["array"]);
                };
                for (index, element) in list.iter().enumerate() {
                    self.inside(&index.to_string(), element, item);
                }
                if *unique {
                    self.unique(node.pos, list);
                }
            }
            ValueShape::Map(mapping) => match &node.value {
                Value::Map(map) => self.mapping(node.pos, map, mapping),
                _ if mapping.also.iter().any(|&wanted| is(node, wanted)) => {}
                _ => {
                    let also = mapping.also.iter().map(|&name| word(name));
                    self.wrong(node, also.chain(["mapping"]).collect());
                }
            },
        }
    }

    fn wrong(&mut self, node: &Node, mut wanted: Vec<&str>) {
        wanted.sort_unstable();
        let wanted = match wanted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => wanted.concat(),
        };
        self.say(node.pos, &format!("must be a {wanted}"));
    }

    /// What is wrong with the alternative that is wrong deepest: it is the one that was meant.
    fn one_of(&mut self, node: &Node, options: &[&ValueShape]) {
        let mut meant: Option<(usize, Vec<SchemaFault>)> = None;
        for option in options {
            let mut check = SchemaCheck { path: std::mem::take(&mut self.path), found: Vec::new() };
            check.shape(node, option);
            self.path = check.path;
            let Some(depth) = check.found.iter().map(|fault| fault.depth).max() else { return };
            if meant.as_ref().is_none_or(|(deepest, _)| depth > *deepest) {
                meant = Some((depth, check.found));
            }
        }
        let room = MOST_ERRORS.saturating_sub(self.found.len());
        self.found.extend(meant.into_iter().flat_map(|(_, found)| found).take(room));
    }

    fn pattern(&mut self, node: &Node, pattern: &str, matches: fn(&str) -> bool) {
        match &node.value {
            Value::Text(text) if matches(text) => {}
            Value::Text(text) => {
                self.say(node.pos, &format!("'{text}' does not match pattern '{pattern}'"));
            }
            _ => self.wrong(node, vec!["string"]),
        }
    }

    fn mapping(&mut self, pos: Pos, map: &Map, mapping: &Mapping) {
        let missing: Vec<String> = mapping
            .required
            .iter()
            .filter(|name| !map.contains_key(name))
            .map(|name| format!("'{name}'"))
            .collect();
        match missing.as_slice() {
            [] => {}
            [one] => self.say(pos, &format!("missing property {one}")),
            several => self.say(pos, &format!("missing properties {}", several.join(", "))),
        }
        for (key, entry) in map {
            if let Some((_, shape)) = mapping.keys.iter().find(|(name, _)| name == key) {
                self.inside(key, &entry.node, shape);
                continue;
            }
            let (fits, shape, closed) = match &mapping.rest {
                Rest::Closed => (false, &ValueShape::Any, true),
                Rest::Open => (false, &ValueShape::Any, false),
                Rest::Extensions => (key.starts_with("x-"), &ValueShape::Any, true),
                Rest::Names(shape, closed) => (is_name(key), *shape, *closed),
                Rest::Keys(shape, closed) => (!key.is_empty(), *shape, *closed),
                Rest::Lower(shape) => {
                    let lower = key.bytes().all(|byte| byte.is_ascii_lowercase());
                    (lower && !key.is_empty(), *shape, false)
                }
            };
            if fits {
                self.inside(key, &entry.node, shape);
            } else if closed {
                let what = format!("additional properties '{key}' not allowed");
                self.fault(entry.key, &what, self.path.len() + 1);
            }
        }
    }

    fn unique(&mut self, pos: Pos, list: &[Node]) {
        let mut seen = std::collections::BTreeMap::new();
        for (index, item) in list.iter().enumerate() {
            let mut first = seen.insert(same(item), index);
            if list.len() <= PAIRS {
                first = list.iter().take(index).position(|earlier| equal(item, earlier));
            }
            if let Some(first) = first {
                let at = if item.as_text().is_some() { item.pos } else { pos };
                self.say(at, &format!("items at {first} and {index} are equal"));
                return;
            }
        }
    }
}

/// Lists up to this length are compared as Compose does, each element with all before it.
const PAIRS: usize = 100;

/// Whether an element is equal to an earlier one: for Compose a number is equal to an earlier text
/// of it, not the other way round.
fn equal(later: &Node, earlier: &Node) -> bool {
    match (&later.value, &earlier.value) {
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, entry)| {
                    other.get(key).is_some_and(|other| equal(&entry.node, &other.node))
                })
        }
        (Value::Int(_) | Value::Float(_), Value::Text(text)) => {
            let number = number::resolve(text);
            matches!(number, Value::Int(_) | Value::Float(_)) && number.print() == later.scalar()
        }
        _ => same(later) == same(earlier),
    }
}

/// A text that two nodes have in common when they are equal.
pub(super) fn same(node: &Node) -> String {
    match &node.value {
        Value::Text(text) | Value::Timestamp(text) => format!("{text:?}"),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(same).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, entry)| format!("{key:?}:{}", same(&entry.node))).collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Null => "null".to_owned(),
        other => other.print().unwrap_or_default(),
    }
}

fn is_name(key: &str) -> bool {
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Two characters of a name next to each other: Compose's pattern is not anchored.
fn is_container_name(name: &str) -> bool {
    name.as_bytes().windows(2).any(|pair| {
        pair.first().is_some_and(u8::is_ascii_alphanumeric)
            && pair.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
    })
}

fn is_pull_policy(text: &str) -> bool {
    let words =
        ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let every = |rest: &str| {
        let unit = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        unit.len() < rest.len() && unit.starts_with(['w', 'd', 'h', 'm', 's'])
    };
    words.iter().any(|word| text.contains(word)) || text.split("every_").skip(1).any(every)
}

fn is(node: &Node, wanted: Type) -> bool {
    match &node.value {
        Value::Null => wanted == Type::Null,
        Value::Bool(_) => wanted == Type::Boolean,
        Value::Int(_) => matches!(wanted, Type::Integer | Type::Number),
        Value::Float(value) => {
            wanted == Type::Number || (wanted == Type::Integer && value.fract() == 0.0)
        }
        Value::Text(_) => wanted == Type::String,
        Value::Timestamp(_) | Value::List(_) | Value::Map(_) => false,
    }
}

fn word(name: Type) -> &'static str {
    match name {
        Type::Boolean => "boolean",
        Type::Integer => "integer",
        Type::Null => "null",
        Type::Number => "number",
        Type::String => "string",
    }
}
