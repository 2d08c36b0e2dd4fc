//! The YAML tree as Compose's reader makes it: every node knows its place, aliases are expanded,
//! merge keys applied, `!reset` and `!override` noted, duplicates reported.
//!
//! It is bounded: nesting, and the memory that nodes, keys and paths take, those that aliases add
//! among them.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::error::{Error, ErrorKind, MOST_ERRORS};
use super::scalar::{scalar, short};
use super::source::{Pos, SourceFiles};
use super::tabs;
use super::tree::{Map, MapEntry, NODE, Node, Removal, Value, YamlDocument};
use crate::budget::{self, Exceeded, Spending};

/// What was read of a text; an empty one has no document.
#[derive(Default)]
pub(super) struct YamlStream {
    /// The documents before the first that is broken: Compose reads one after the other.
    pub(super) documents: Vec<YamlDocument>,
    /// The broken one, as far as it is YAML.
    pub(super) broken: Option<YamlDocument>,
    /// What is wrong with it.
    pub(super) problems: Vec<Error>,
}

/// Reads the documents of a text.
pub(super) fn parse(text: &str, file: u32, sources: &SourceFiles, budget: &Spending) -> YamlStream {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let settled = match tabs::settle(text) {
        Ok(settled) => settled,
        Err(tab) => {
            let at = Some(sources.at(place(file, tab.line, tab.column)));
            let message = format!("yaml: line {}: {}", tab.line, tab.message);
            // What Compose finds wrong with a document before, it says before it comes to this one.
            let before = text.get(..tab.document).unwrap_or_default();
            let mut stream = parse(before, file, sources, budget);
            if stream.problems.is_empty() {
                stream.problems.push(Error { message, at, kind: ErrorKind::Syntax });
            }
            return stream;
        }
    };
    let text = &*settled;
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = YamlBuilder {
        parser: Parser::new_from_str_with_options(text, options),
        text,
        file,
        sources,
        anchors: BTreeMap::new(),
        open: Vec::new(),
        budget,
        path: Vec::new(),
        removals: Vec::new(),
        overrides: Vec::new(),
        tags: Vec::new(),
        problems: Vec::new(),
        closed: 0,
    };
    let mut stream = YamlStream::default();
    if let Err(error) = builder.documents(&mut stream) {
        builder.problems.push(error);
    }
    stream.problems = builder.problems;
    stream
}

/// A place as the parser counts it: lines from 1, columns from 0.
fn place(file: u32, line: usize, column: usize) -> Pos {
    let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Pos { file, line: short(line.max(1)), column: short(column + 1) }
}

struct YamlBuilder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    file: u32,
    sources: &'t SourceFiles,
    anchors: BTreeMap<usize, Anchored>,
    /// Anchors whose node is not complete yet: an alias to one is a cycle.
    open: Vec<usize>,
    budget: &'t Spending,
    path: Vec<String>,
    removals: Vec<Removal>,
    /// Where of those an `!override` is.
    overrides: Vec<Vec<String>>,
    /// Those of [`YamlDocument`].
    tags: Vec<(Pos, String)>,
    problems: Vec<Error>,
    /// How many `!override` and `!reset` are open: tags inside of them are not obeyed.
    closed: usize,
}

/// A node with an anchor. What is reset in it is gone when an alias comes to it, what overrides
/// does so there too.
struct Anchored {
    node: Node,
    order: Option<KeyOrder>,
    /// Where in the node an `!override` is.
    overrides: Vec<Vec<String>>,
    /// What all of this takes in memory.
    weight: usize,
    /// How many collections are open in the node where most are.
    depth: usize,
}

/// What a path takes in memory.
fn weight_of(path: &[String]) -> usize {
    path.iter().map(|step| NODE / 2 + step.len()).sum()
}

/// What replaces a node once its tag is applied.
enum Built {
    Node(Node),
    /// `!reset`: nothing.
    Gone,
}

/// What a tag wants of the file below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyOrder {
    Reset,
    Override,
}

fn order(tag: Option<&Tag>) -> Option<KeyOrder> {
    match tag.map(Tag::suffix) {
        Some("reset") => Some(KeyOrder::Reset),
        Some("override") => Some(KeyOrder::Override),
        _ => None,
    }
}

impl<'t> YamlBuilder<'t> {
    fn documents(&mut self, stream: &mut YamlStream) -> Result<(), Error> {
        loop {
            let (event, pos) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => {
                    self.anchors.clear();
                    let built = self.node(event, pos)?;
                    let removals = std::mem::take(&mut self.removals);
                    let tags = std::mem::take(&mut self.tags);
                    let Built::Node(root) = built else { continue };
                    let document = YamlDocument { root, removals, tags };
                    if !self.problems.is_empty() {
                        stream.broken = Some(document);
                        return Ok(());
                    }
                    stream.documents.push(document);
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Pos), Error> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, self.pos(1, 0))),
            Some(Ok((event, span))) => Ok((event, self.pos(span.start.line(), span.start.col()))),
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    fn pos(&self, line: usize, column: usize) -> Pos {
        place(self.file, line, column)
    }

    /// The parser's complaint in the words Compose's own parser has for it. Neither quotes the
    /// text.
    fn syntax(&self, error: &ScanError) -> Error {
        let (line, column) = (error.marker().line(), error.marker().col());
        let pos = self.pos(line, column);
        let mut message = error.kind().to_string();
        for (ours, theirs) in [
            ("unclosed bracket '{'", "did not find expected ',' or '}'"),
            ("unclosed bracket '['", "did not find expected ',' or ']'"),
            ("unclosed quote", "found unexpected end of stream"),
        ] {
            if message.contains(ours) {
                theirs.clone_into(&mut message);
            }
        }
        if message.contains("unknown anchor") {
            let rest = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            let rest: String = rest.chars().skip(column).collect();
            let name = rest.trim_start_matches('*');
            let end = name.find(|char: char| !(char.is_alphanumeric() || "_-".contains(char)));
            let name = &name[..end.unwrap_or(name.len())];
            let message = format!("yaml: unknown anchor '{name}' referenced");
            return self.error(ErrorKind::Syntax, pos, message);
        }
        // The parser says what it was doing; Compose does not.
        if message.starts_with("while ")
            && let Some((_, what)) = message.split_once(", ")
        {
            message = what.to_owned();
        }
        self.error(ErrorKind::Syntax, pos, format!("yaml: line {}: {message}", pos.line))
    }

    fn error(&self, kind: ErrorKind, pos: Pos, message: String) -> Error {
        Error { message, at: Some(self.sources.at(pos)), kind }
    }

    fn node(&mut self, event: Event<'t>, pos: Pos) -> Result<Built, Error> {
        if self.open.len() > budget::DEPTH {
            return Err(self.exceeded(self.budget.exceed(Exceeded::Depth), pos));
        }
        let text = if let Event::Scalar(text, ..) = &event { text.len() } else { 0 };
        self.spend(NODE + text, pos)?;
        let closed = self.closed > 0;
        let obeyed = |tag: Option<&Tag>| order(tag).filter(|_| !closed);
        if self.path.len() <= 1
            && let Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, _, Some(tag))
            | Event::MappingStart(_, _, Some(tag)) = &event
        {
            self.tags.push((pos, short(tag)));
        }
        let known = self.overrides.len();
        let (value, anchor, tag) = match event {
            Event::Alias(id) => return self.alias(id, pos),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref()).unwrap_or_else(|what| {
                    self.note(pos, self.undecodable(&what));
                    Value::Null
                });
                (value, anchor, obeyed(tag.as_deref()))
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = obeyed(tag.as_deref());
                let list = self.inside(anchor, tag, Self::list)?;
                (Value::List(list), anchor, tag)
            }
            Event::MappingStart(_, anchor, tag) => {
                let tag = obeyed(tag.as_deref());
                let map = self.inside(anchor, tag, |builder| builder.map(pos))?;
                (Value::Map(map), anchor, tag)
            }
            _ => (Value::Null, 0, None),
        };
        let node = Node::new(pos, value);
        // A whole file is dropped only where there is something to drop it from.
        let root = self.path.is_empty() && node.as_map().is_none();
        let order = tag.filter(|_| !root);
        if anchor != 0 {
            let depth = self.path.len();
            let inside = self.overrides.iter().skip(known);
            let overrides: Vec<Vec<String>> =
                inside.map(|path| path.iter().skip(depth).cloned().collect()).collect();
            let weight =
                node.weight() + overrides.iter().map(|path| weight_of(path)).sum::<usize>();
            self.spend(weight, pos)?;
            let (node, depth) = (node.clone(), node.depth());
            self.anchors.insert(anchor, Anchored { node, order, overrides, weight, depth });
        }
        self.obey(order, node, pos)
    }

    fn exceeded(&self, what: Exceeded, pos: Pos) -> Error {
        Error::exceeded(what, Some(self.sources.at(pos)))
    }

    fn spend(&self, bytes: usize, pos: Pos) -> Result<(), Error> {
        self.budget.bytes(bytes).map_err(|what| self.exceeded(what, pos))
    }

    /// Notes a path that a tag is about.
    fn remove(&mut self, path: Vec<String>, pos: Pos) -> Result<(), Error> {
        let spent = self.budget.removal().and_then(|()| self.budget.bytes(weight_of(&path)));
        spent.map_err(|what| self.exceeded(what, pos))?;
        self.removals.push(Removal(path));
        Ok(())
    }

    /// Notes what a tag wants, and leaves what it leaves.
    fn obey(&mut self, order: Option<KeyOrder>, node: Node, pos: Pos) -> Result<Built, Error> {
        match order {
            Some(KeyOrder::Reset) => {
                self.remove(self.path.clone(), pos)?;
                Ok(Built::Gone)
            }
            Some(KeyOrder::Override) => {
                self.remove(self.path.clone(), pos)?;
                self.overrides.push(self.path.clone());
                Ok(Built::Node(node))
            }
            None => Ok(Built::Node(node)),
        }
    }

    /// Builds what is in a collection.
    fn inside<T>(
        &mut self,
        anchor: usize,
        order: Option<KeyOrder>,
        build: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let known = self.problems.len();
        self.open.push(anchor);
        self.closed += usize::from(order.is_some());
        let built = build(self)?;
        self.closed -= usize::from(order.is_some());
        self.open.pop();
        if order == Some(KeyOrder::Reset) {
            // Compose does not look into what it drops.
            self.problems.truncate(known);
        }
        Ok(built)
    }

    fn alias(&mut self, id: usize, pos: Pos) -> Result<Built, Error> {
        let Some(Anchored { node, order, overrides, weight, depth }) = self.anchors.get(&id) else {
            let message = format!(
                "failed to parse {}: cycle detected: node at path {} references itself",
                self.sources.path(self.file).display(),
                self.path.join(".")
            );
            return Err(self.error(ErrorKind::Invalid, pos, message));
        };
        if self.open.len() + depth > budget::DEPTH {
            return Err(self.exceeded(self.budget.exceed(Exceeded::Depth), pos));
        }
        self.spend(*weight, pos)?;
        let (node, order) = (node.clone(), *order);
        if self.closed > 0 {
            return Ok(Built::Node(node));
        }
        for inside in overrides.clone() {
            let path: Vec<String> = self.path.iter().cloned().chain(inside).collect();
            self.remove(path.clone(), pos)?;
            self.overrides.push(path);
        }
        self.obey(order, node, pos)
    }

    fn list(&mut self) -> Result<Vec<Node>, Error> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(list),
                (event, pos) => {
                    self.path.push(format!("[{}]", list.len()));
                    if let Built::Node(node) = self.node(event, pos)? {
                        list.push(node);
                    }
                    self.path.pop();
                }
            }
        }
    }

    fn map(&mut self, start: Pos) -> Result<Map, Error> {
        let mut map = Map::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, key_pos) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let key = self.key(event, key_pos)?;
            let (event, pos) = self.next()?;
            let Some((key, merge)) = key else {
                self.node(event, pos)?;
                continue;
            };
            if merge {
                if let Built::Node(node) = self.node(event, pos)? {
                    match node.value {
                        Value::List(list) => merged.extend(list),
                        _ => merged.push(node),
                    }
                }
                continue;
            }
            self.path.push(key.clone());
            let built = self.node(event, pos)?;
            self.path.pop();
            if let Some(first) = map.get(&key) {
                self.duplicate(&key, first.key, key_pos);
            } else if let Built::Node(node) = built {
                map.insert(key, MapEntry { key: key_pos, node });
            }
        }
        for node in merged {
            let Value::Map(other) = node.value else {
                let message = format!(
                    "failed to parse {}: yaml: map merge requires map or sequence of maps as the value",
                    self.sources.path(self.file).display()
                );
                return Err(self.error(ErrorKind::Invalid, start, message));
            };
            for (key, entry) in other {
                if !map.contains_key(&key) {
                    map.insert(key, entry);
                }
            }
        }
        Ok(map)
    }

    /// A key and whether it is a merge key; `None` when it is not a text, which is noted.
    fn key(&mut self, event: Event<'t>, pos: Pos) -> Result<Option<(String, bool)>, Error> {
        let plain = matches!(&event, Event::Scalar(_, ScalarStyle::Plain, _, None));
        let node = match self.node(event, pos)? {
            Built::Node(node) => node,
            Built::Gone => return Ok(None),
        };
        if let Value::Text(text) = node.value {
            if text.len() > budget::KEY_BYTES {
                return Err(self.exceeded(self.budget.exceed(Exceeded::Key), pos));
            }
            let merge = plain && text == "<<";
            return Ok(Some((text, merge)));
        }
        if matches!(node.value, Value::List(_) | Value::Map(_)) {
            let file = self.sources.path(self.file);
            let message = if self.path.is_empty() {
                let what = format!("cannot unmarshal !!{} into string", node.value.yaml_type());
                format!("yaml: unmarshal errors:\n  line {}: {what}", pos.line)
            } else {
                format!("failed to parse {}: yaml: invalid map key", file.display())
            };
            self.note(pos, message);
            return Ok(None);
        }
        let shown = node.value.print().unwrap_or_else(|| "<nil>".to_owned());
        let message = if self.path.is_empty() {
            format!("non-string key at top level: {shown}")
        } else {
            format!("non-string key in {}: {shown}", self.path.join(".").replace(".[", "["))
        };
        self.note(pos, message);
        Ok(None)
    }

    fn note(&mut self, pos: Pos, message: String) {
        if self.problems.len() < MOST_ERRORS {
            self.problems.push(self.error(ErrorKind::Invalid, pos, message));
        }
    }

    /// Whether this is the root or its name, which Compose looks at before it reads the files,
    /// without naming them.
    fn is_looked_at(&self) -> bool {
        self.path.is_empty() || self.path == ["name"]
    }

    fn undecodable(&self, what: &str) -> String {
        if self.is_looked_at() {
            return format!("yaml: {what}");
        }
        format!("failed to parse {}: yaml: {what}", self.sources.path(self.file).display())
    }

    fn duplicate(&mut self, key: &str, first: Pos, pos: Pos) {
        let what = format!(
            "line {}: mapping key {key:?} already defined at line {}",
            pos.line, first.line
        );
        let message = if self.is_looked_at() {
            format!("yaml: unmarshal errors:\n  {what}")
        } else {
            format!("failed to parse {}: {what}", self.sources.path(self.file).display())
        };
        self.note(pos, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<Vec<YamlDocument>, Vec<Error>> {
        let mut sources = SourceFiles::default();
        let file = sources.number(Path::new("/p/compose.yaml"));
        let stream = parse(text, file, &sources, &Spending::default());
        if stream.problems.is_empty() { Ok(stream.documents) } else { Err(stream.problems) }
    }

    fn error(text: &str) -> (String, usize) {
        let found = read(text).err().unwrap().remove(0);
        (found.message, found.at.unwrap().line)
    }

    #[test]
    fn nodes_know_their_place() {
        let documents = read("\u{feff}a:\r\n  b: é\r\n  c: [1, x]\r\n").unwrap();
        let root = &documents[0].root;
        let a = root.get("a").unwrap();
        assert_eq!((a.get("b").unwrap().pos.line, a.get("b").unwrap().pos.column), (2, 6));
        let list = a.get("c").unwrap().as_list().unwrap();
        assert_eq!((list[1].pos.line, list[1].pos.column), (3, 10));
    }

    #[test]
    fn merge_keys_fill_in_what_is_not_there() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\n";
        let documents = read(text).unwrap();
        let c = documents[0].root.get("c").unwrap();
        let value = |key: &str| c.get(key).unwrap().scalar().unwrap();
        assert_eq!((value("x"), value("y"), value("z")), ("3".into(), "1".into(), "2".into()));
    }

    #[test]
    fn broken_texts_are_told_with_their_line() {
        for (text, message, line) in [
            ("a:\n  b: x\n\tc: y\n", "found a tab character", 3),
            ("a: {b: 1,\n", "did not find expected ',' or '}'", 1),
            ("a: b: c\n", "mapping values", 1),
            ("x: {a: 1}\ny:\n  a: 1\n  a: 2\n", "\"a\" already defined at line 3", 4),
            ("a: 1\na: 2\n", "yaml: unmarshal errors:\n  line 2", 2),
            ("a:\n  1: x\n", "non-string key in a: 1", 2),
            ("a: &a\n  - *a\n", "cycle detected", 2),
            ("a: *b\n", "unknown anchor", 1),
        ] {
            let (found, at) = error(text);
            assert!(found.contains(message), "{text}: {found}");
            assert_eq!(at, line, "{text}: {found}");
        }
    }

    #[test]
    fn bombs_end_early() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let refs = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{refs}]\n");
        }
        assert!(error(&bomb).0.contains("with its aliases"));
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"- ".repeat(100_000)).is_err());
        assert!(error(&format!("{}{}", "[".repeat(200), "]".repeat(200))).0.contains("deeper"));
    }

    #[test]
    fn reset_and_override_are_noted() {
        let documents = read("s:\n  a: !reset null\n  b: !override [1]\n").unwrap();
        let paths: Vec<String> =
            documents[0].removals.iter().map(|removal| removal.0.join(".")).collect();
        assert_eq!(paths, ["s.a", "s.b"]);
        assert!(documents[0].root.get("s").unwrap().get("a").is_none());
        assert!(documents[0].root.get("s").unwrap().get("b").is_some());
    }
}
