//! The tree of a document: every node knows its place, and the variables that were put into it.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Pos;

/// A variable that was put into a text, and where its value was written (`None`: the process
/// environment).
#[derive(Clone, PartialEq)]
pub(super) struct Used {
    pub(super) name: String,
    pub(super) origin: Option<Pos>,
}

/// What a node holds.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// A time, as Go prints it.
    Timestamp(String),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

impl Value {
    /// YAML's name of the type.
    pub(super) fn yaml_type(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Timestamp(_) => "timestamp",
            Self::Text(_) => "str",
            Self::List(_) => "seq",
            Self::Map(_) => "map",
        }
    }

    /// Go's `%v` of a scalar; `None` for null and for collections.
    pub(super) fn print(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(print_float(*value)),
            Self::Text(text) | Self::Timestamp(text) => Some(text.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

/// Go's `%v` of a float: the shortest digits, with an exponent below 1e-4 and from 1e6 on.
fn print_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{value}")
}

/// A node, its place, and the variables that were put into it.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) pos: Pos,
    pub(super) value: Value,
    pub(super) used: Option<Box<[Used]>>,
    /// A path that was relative before it was resolved.
    pub(super) relative: bool,
}

impl PartialEq for Node {
    /// Equal by content: an include may define the same thing twice in different places.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A mapping, sorted by key (Go's maps have no order either), with the place of each key.
pub(super) type Map = BTreeMap<String, MapEntry>;

/// A value of a mapping and the place of its key.
#[derive(Clone)]
pub(super) struct MapEntry {
    pub(super) key: Pos,
    pub(super) node: Node,
}

impl PartialEq for MapEntry {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl Node {
    /// The places of this node and all below it, and of the values that were put into their texts.
    pub(super) fn places(&self, into: &mut BTreeSet<Pos>) {
        into.insert(self.pos);
        into.extend(self.used.iter().flatten().filter_map(|used| used.origin));
        match &self.value {
            Value::List(list) => list.iter().for_each(|node| node.places(into)),
            Value::Map(map) => map.values().for_each(|entry| entry.node.places(into)),
            _ => {}
        }
    }

    pub(super) fn new(pos: Pos, value: Value) -> Self {
        Self { pos, value, used: None, relative: false }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The entry of a mapping; `None` also when this is not a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key).map(|entry| &entry.node)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// A scalar as text; null is `None`.
    pub(super) fn scalar(&self) -> Option<String> {
        self.value.print()
    }

    pub(super) fn size(&self) -> usize {
        match &self.value {
            Value::List(list) => 1 + list.iter().map(Node::size).sum::<usize>(),
            Value::Map(map) => 1 + map.values().map(|entry| entry.node.size()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// A path that an overriding file wants gone from what it is laid over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removal(pub(super) Vec<String>);

/// One YAML document.
pub(super) struct YamlDocument {
    pub(super) root: Node,
    /// Where `!reset` and `!override` are.
    pub(super) removals: Vec<Removal>,
    /// The tags of the root and of its values.
    pub(super) tags: Vec<(Pos, String)>,
}

impl YamlDocument {
    /// The tag of the root or of one of its values: the one that is written, or that
    /// of the value's type.
    pub(super) fn type_of(&self, node: &Node) -> String {
        let written = self.tags.iter().find(|(pos, _)| *pos == node.pos);
        written.map_or_else(|| format!("!!{}", node.value.yaml_type()), |(_, tag)| tag.clone())
    }
}
