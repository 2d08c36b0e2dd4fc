//! Reading the parts of a node.

use super::merge::sequence;
use super::source::Pos;
use super::tree::{Node, Value};

pub(super) fn entries(node: Option<&Node>) -> impl Iterator<Item = (&String, Pos, &Node)> {
    let map = node.and_then(Node::as_map);
    map.into_iter().flatten().map(|(name, entry)| (name, entry.key, &entry.node))
}

pub(super) fn list(node: Option<&Node>) -> Vec<String> {
    let items = node.map(|node| sequence(node.clone())).unwrap_or_default();
    items.iter().filter_map(Node::scalar).collect()
}

/// A boolean, false when there is none.
pub(super) fn flag(node: Option<&Node>) -> bool {
    node.is_some_and(|node| node.value == Value::Bool(true))
}

pub(super) fn field(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::scalar)
}

pub(super) fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).and_then(Node::as_list).unwrap_or_default()
}

/// A map or list of `KEY=value` as pairs with their places; a key alone has an empty value.
pub(super) fn pairs(node: Option<&Node>) -> Vec<(String, String, Pos)> {
    let Some(node) = node else { return Vec::new() };
    sequence(node.clone())
        .into_iter()
        .filter_map(|item| {
            let text = item.scalar()?;
            let (key, value) = text.split_once('=').unwrap_or((&text, ""));
            Some((key.to_owned(), value.to_owned(), item.pos))
        })
        .collect()
}
