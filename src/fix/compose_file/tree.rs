//! The compose file as a tree that knows where each thing is in the text, to the byte. It is
//! made of the same parser's events as `crate::compose`'s, which keeps less of the places (no ends,
//! no order of keys) and more of the meaning.
//!
//! Aliases stay aliases: what is compared is what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag};

use super::Refusal;

/// How deep collections may nest, as in `crate::compose`.
const DEEPEST: usize = 128;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Without quotes.
    Plain,
    /// In `'`.
    Single,
    /// In `"`.
    Double,
    /// Behind `|` or `>`.
    Block,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A text, a number, nothing.
    Scalar(String, Style),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<(Node, Node)>),
    /// `*name`, by the number of the anchor.
    Alias(usize),
}

/// A node and its place. Two are equal when the same is written there, wherever that is.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Collections in brackets or braces.
    pub(super) flow: bool,
    /// The number of `&name`; 0 is none.
    pub(super) anchor: usize,
    pub(super) tag: Option<String>,
    /// Bytes of the text, quotes and brackets included. A block collection's begins with its first
    /// child and ends anywhere behind its last.
    pub(super) span: Range<usize>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.anchor == other.anchor && self.tag == other.tag
    }
}

impl Node {
    /// A scalar that is nowhere yet.
    pub(super) fn scalar(text: &str, style: Style) -> Self {
        Self::new(Kind::Scalar(text.to_owned(), style))
    }

    /// A node that is nowhere yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, flow: false, anchor: 0, tag: None, span: 0..0 }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    pub(super) fn style(&self) -> Option<Style> {
        match self.kind {
            Kind::Scalar(_, style) => Some(style),
            _ => None,
        }
    }

    /// Nothing behind a key or a dash, or one of YAML's words for it. The parser has a `~` for
    /// nothing, of no length.
    pub(super) fn is_null(&self) -> bool {
        let word = matches!(&self.kind, Kind::Scalar(text, Style::Plain)
            if ["", "~", "null", "Null", "NULL"].contains(&text.as_str()));
        word && self.tag.is_none()
    }

    /// `{}` or `[]`.
    pub(super) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    pub(super) fn entries(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The number of a key among the mapping's own.
    pub(super) fn index(&self, key: &str) -> Option<usize> {
        self.entries().iter().position(|(name, _)| name.text() == Some(key))
    }

    /// The value of a mapping's own key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value after the key or the dash of this number.
    pub(super) fn child(&self, index: usize) -> Option<&Node> {
        match &self.kind {
            Kind::List(items) => items.get(index),
            Kind::Map(entries) => entries.get(index).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The node at a path of such numbers.
    pub(super) fn at(&self, path: &[usize]) -> Option<&Node> {
        path.iter().try_fold(self, |node, index| node.child(*index))
    }

    pub(super) fn at_mut(&mut self, path: &[usize]) -> Option<&mut Node> {
        path.iter().try_fold(self, |node, index| match &mut node.kind {
            Kind::List(items) => items.get_mut(*index),
            Kind::Map(entries) => entries.get_mut(*index).map(|(_, value)| value),
            _ => None,
        })
    }

    /// Calls `look` with this and every node below, until one answers.
    pub(super) fn find<'n, T>(&'n self, look: &mut dyn FnMut(&'n Node) -> Option<T>) -> Option<T> {
        if let Some(found) = look(self) {
            return Some(found);
        }
        match &self.kind {
            Kind::List(items) => items.iter().find_map(|item| item.find(look)),
            Kind::Map(entries) => {
                entries.iter().find_map(|(key, value)| key.find(look).or_else(|| value.find(look)))
            }
            _ => None,
        }
    }
}

/// A text of one document, a mapping.
pub(super) struct Tree {
    pub(super) root: Node,
    /// The nodes with an anchor, by its number.
    pub(super) anchors: BTreeMap<usize, Node>,
    /// The anchors that an alias refers to.
    pub(super) used: BTreeSet<usize>,
}

/// Reads a text without a byte order mark.
pub(super) fn parse(text: &str) -> Result<Tree, Refusal> {
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder {
        text,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: BTreeMap::new(),
        used: BTreeSet::new(),
        depth: 0,
    };
    let mut root = None;
    while let Some((event, span)) = builder.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            event => {
                let line = span.start.line();
                if root.replace(builder.node(event, &span)?).is_some() {
                    return Err(Refusal::at(line, "the file has several documents"));
                }
            }
        }
    }
    match root {
        Some(root) if matches!(root.kind, Kind::Map(_)) => {
            Ok(Tree { root, anchors: builder.anchors, used: builder.used })
        }
        Some(_) => Err(Refusal::at(1, "the file is not a mapping")),
        None => Err(Refusal::at(1, "the file is empty")),
    }
}

struct Builder<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    anchors: BTreeMap<usize, Node>,
    used: BTreeSet<usize>,
    depth: usize,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Refusal> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                // The parser's sentence quotes nothing of the text.
                let why = format!("the file is not valid YAML: {}", error.kind());
                Err(Refusal::at(error.marker().line(), why))
            }
        }
    }

    /// The next event inside of a collection.
    fn inside(&mut self) -> Result<(Event<'t>, Span), Refusal> {
        self.next()?.ok_or_else(|| Refusal::at(1, "the file is not valid YAML: it ends too early"))
    }

    fn bytes(&self, span: &Span) -> Range<usize> {
        let byte = |marker: granit_parser::Marker| {
            marker.byte_offset().unwrap_or(self.text.len()).min(self.text.len())
        };
        byte(span.start)..byte(span.end)
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Node, Refusal> {
        if self.depth > DEEPEST {
            return Err(Refusal::at(span.start.line(), "the file is nested too deeply"));
        }
        let tag = |tag: Option<std::borrow::Cow<'_, Tag>>| tag.map(|tag| tag.to_string());
        let mut place = self.bytes(span);
        let (kind, flow, anchor, tag) = match event {
            Event::Alias(anchor) => {
                self.used.insert(anchor);
                (Kind::Alias(anchor), false, 0, None)
            }
            Event::Scalar(text, style, anchor, given) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                (Kind::Scalar(text.into_owned(), style), false, anchor, tag(given))
            }
            Event::SequenceStart(style, anchor, given) => {
                self.depth += 1;
                let mut items = Vec::new();
                loop {
                    match self.inside()? {
                        (Event::SequenceEnd, end) => {
                            place.end = place.end.max(self.bytes(&end).end);
                            break;
                        }
                        (event, span) => items.push(self.node(event, &span)?),
                    }
                }
                self.depth -= 1;
                (Kind::List(items), style == StructureStyle::Flow, anchor, tag(given))
            }
            Event::MappingStart(style, anchor, given) => {
                self.depth += 1;
                let mut entries = Vec::new();
                let mut keys = BTreeSet::new();
                loop {
                    let (event, span) = self.inside()?;
                    if event == Event::MappingEnd {
                        place.end = place.end.max(self.bytes(&span).end);
                        break;
                    }
                    let key = self.node(event, &span)?;
                    let text = key.text().map(str::to_owned);
                    if text.is_some_and(|text| !keys.insert(text)) {
                        let why = "a key is there twice";
                        return Err(Refusal::at(span.start.line(), why));
                    }
                    let (event, span) = self.inside()?;
                    let value = self.node(event, &span)?;
                    entries.push((key, value));
                }
                self.depth -= 1;
                (Kind::Map(entries), style == StructureStyle::Flow, anchor, tag(given))
            }
            _ => (Kind::Scalar(String::new(), Style::Plain), false, 0, None),
        };
        let node = Node { kind, flow, anchor, tag, span: place };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
}
