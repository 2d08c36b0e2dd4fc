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
///
/// Almost all are small, and a `BTreeMap` takes the memory of eleven entries for one: eight
/// megabytes of mappings with one entry would be six hundred.
#[derive(Clone)]
pub(super) enum Map {
    /// Sorted by key.
    Small(Vec<(String, MapEntry)>),
    #[allow(clippy::box_collection, reason = "in place it would make each node larger")]
    Large(Box<BTreeMap<String, MapEntry>>),
}

/// From here on a map is a large one.
const SMALL: usize = 12;

impl Map {
    pub(super) const fn new() -> Self {
        Self::Small(Vec::new())
    }

    fn small(&self) -> &[(String, MapEntry)] {
        match self {
            Self::Small(small) => small,
            Self::Large(_) => &[],
        }
    }

    fn large(&self) -> Option<&BTreeMap<String, MapEntry>> {
        match self {
            Self::Small(_) => None,
            Self::Large(large) => Some(large),
        }
    }

    fn place(small: &[(String, MapEntry)], key: &str) -> Result<usize, usize> {
        small.binary_search_by(|(known, _)| known.as_str().cmp(key))
    }

    pub(super) fn len(&self) -> usize {
        self.small().len() + self.large().map_or(0, BTreeMap::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get(&self, key: &str) -> Option<&MapEntry> {
        match self {
            Self::Small(small) => Some(&small.get(Self::place(small, key).ok()?)?.1),
            Self::Large(large) => large.get(key),
        }
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut MapEntry> {
        match self {
            Self::Small(small) => {
                let at = Self::place(small, key).ok()?;
                Some(&mut small.get_mut(at)?.1)
            }
            Self::Large(large) => large.get_mut(key),
        }
    }

    pub(super) fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn insert(&mut self, key: String, entry: MapEntry) -> Option<MapEntry> {
        let small = match self {
            Self::Large(large) => return large.insert(key, entry),
            Self::Small(small) => small,
        };
        match Self::place(small, &key) {
            Ok(at) => small.get_mut(at).map(|known| std::mem::replace(&mut known.1, entry)),
            Err(at) if small.len() < SMALL => {
                if small.len() == small.capacity() {
                    small.reserve_exact(small.len().clamp(1, SMALL / 2));
                }
                small.insert(at, (key, entry));
                None
            }
            Err(_) => {
                let mut large: BTreeMap<_, _> = std::mem::take(small).into_iter().collect();
                large.insert(key, entry);
                *self = Self::Large(Box::new(large));
                None
            }
        }
    }

    /// The entry of that name, which is made where there is none.
    pub(super) fn get_or_insert_with(
        &mut self,
        key: &str,
        make: impl FnOnce() -> MapEntry,
    ) -> Option<&mut MapEntry> {
        if !self.contains_key(key) {
            self.insert(key.to_owned(), make());
        }
        self.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<MapEntry> {
        match self {
            Self::Small(small) => Some(small.remove(Self::place(small, key).ok()?).1),
            Self::Large(large) => large.remove(key),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &MapEntry)> {
        let small = self.small().iter().map(|(key, entry)| (key, entry));
        small.chain(self.large().into_iter().flatten())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut MapEntry)> {
        let (small, large) = match self {
            Self::Small(small) => (Some(small), None),
            Self::Large(large) => (None, Some(large)),
        };
        let small = small.into_iter().flatten().map(|(key, entry)| (&*key, entry));
        small.chain(large.into_iter().flat_map(|large| large.iter_mut()))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(key, _)| key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &MapEntry> {
        self.iter().map(|(_, entry)| entry)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut MapEntry> {
        self.iter_mut().map(|(_, entry)| entry)
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl IntoIterator for Map {
    type Item = (String, MapEntry);
    type IntoIter = Box<dyn Iterator<Item = (String, MapEntry)>>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::Small(small) => Box::new(small.into_iter()),
            Self::Large(large) => Box::new(large.into_iter()),
        }
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = (&'m String, &'m MapEntry);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'm>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl<'m> IntoIterator for &'m mut Map {
    type Item = (&'m String, &'m mut MapEntry);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'm>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter_mut())
    }
}

impl FromIterator<(String, MapEntry)> for Map {
    fn from_iter<I: IntoIterator<Item = (String, MapEntry)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, entry) in entries {
            map.insert(key, entry);
        }
        map
    }
}

impl<const N: usize> From<[(String, MapEntry); N]> for Map {
    fn from(entries: [(String, MapEntry); N]) -> Self {
        entries.into_iter().collect()
    }
}

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

    /// How many nodes this is.
    pub(super) fn size(&self) -> usize {
        match &self.value {
            Value::List(list) => 1 + list.iter().map(Node::size).sum::<usize>(),
            Value::Map(map) => 1 + map.values().map(|entry| entry.node.size()).sum::<usize>(),
            _ => 1,
        }
    }

    /// What this takes in memory.
    pub(super) fn weight(&self) -> usize {
        let used = self.used.iter().flatten().map(|used| NODE + used.name.len());
        used.sum::<usize>()
            + match &self.value {
                Value::List(list) => NODE + list.iter().map(Node::weight).sum::<usize>(),
                Value::Map(map) => {
                    let entries = map.iter();
                    NODE + entries
                        .map(|(key, entry)| NODE + key.len() + entry.node.weight())
                        .sum::<usize>()
                }
                Value::Text(text) | Value::Timestamp(text) => NODE + text.len(),
                _ => NODE,
            }
    }

    /// How many collections are open in it where most are.
    pub(super) fn depth(&self) -> usize {
        match &self.value {
            Value::List(list) => 1 + list.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(map) => 1 + map.values().map(|entry| entry.node.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// What a node takes, or a key: its place in its collection, half of which may be empty, and the
/// allocation of its text.
pub(super) const NODE: usize = 96;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: i128) -> MapEntry {
        let pos = Pos { file: 0, line: 1, column: 1 };
        MapEntry { key: pos, node: Node::new(pos, Value::Int(number)) }
    }

    #[test]
    fn a_map_is_sorted_and_holds_each_key_once_however_large_it_is() {
        for count in [0_i128, 1, 11, 12, 13, 40] {
            let mut map = Map::new();
            for number in (0..count).rev() {
                assert!(map.insert(format!("k{number:02}"), entry(0)).is_none());
                assert!(map.insert(format!("k{number:02}"), entry(number)).is_some());
            }
            let keys: Vec<&String> = map.keys().collect();
            assert!(keys.is_sorted() && keys.len() == map.len(), "{count}");
            let copy: Map = map.clone().into_iter().collect();
            assert!(copy == map);
            for number in 0..count {
                assert!(
                    map.get(&format!("k{number:02}")).unwrap().node.value == Value::Int(number)
                );
                assert!(map.remove(&format!("k{number:02}")).is_some());
            }
            assert!(map.is_empty() && map == Map::new());
        }
    }

    #[test]
    fn a_map_of_one_entry_takes_the_memory_of_one() {
        let Map::Small(small) = Map::from([("k".to_owned(), entry(1))]) else { panic!("large") };
        assert_eq!(small.capacity(), 1);
        assert!(size_of::<Node>() <= 64 && size_of::<(String, MapEntry)>() <= 112);
    }
}
