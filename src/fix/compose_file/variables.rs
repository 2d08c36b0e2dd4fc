//! The environment of a service.

use super::page::{New, Page};
use super::tree::{Kind, Node, Style};
use super::words::{Origin, origin};
use super::{Refusal, merged, resolved, service};

/// A service's environment and where it says something of one variable.
struct Environment<'n> {
    page: Page,
    service: Vec<usize>,
    /// The number of `environment` among the service's keys.
    block: Option<usize>,
    name: &'n str,
    of: String,
    /// The numbers of the entries.
    found: Vec<usize>,
}

/// How an environment takes variables from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `- NAME`, `NAME:`.
    Bare,
    /// `- NAME=${NAME}`, `NAME: ${NAME}`, the latter in quotes of this style.
    Braces(Style),
}

impl<'n> Environment<'n> {
    fn read(text: &str, name_of_service: &str, name: &'n str) -> Result<Self, Refusal> {
        let page = Page::read(text)?;
        let path = service(&page, name_of_service)?;
        let of = format!("`environment` of service {name_of_service}");
        let node = page.own(&path)?;
        let block = node.index("environment");
        let mut found = Vec::new();
        if let Some(index) = block {
            let environment = [&path[..], &[index]].concat();
            let environment = page.own(&environment).map_err(|refusal| refusal.of(&of))?;
            let line = page.line_of(environment);
            match &environment.kind {
                Kind::Map(_) => {
                    found.extend(environment.index(name));
                    let given = merged(&page, environment, name).is_some();
                    if given && found.is_empty() {
                        let why = format!("{of} has {name} from a merge key (`<<`)");
                        return Err(Refusal::at(line, why));
                    }
                }
                Kind::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let line = page.line_of(item);
                        let Some(text) = resolved(&page, item).text() else {
                            let why = format!("{of} has an entry that is not a text");
                            return Err(Refusal::at(line, why));
                        };
                        if text.split('=').next() == Some(name) {
                            found.push(index);
                        }
                    }
                }
                _ if environment.is_null() => {}
                _ => {
                    return Err(Refusal::at(line, format!("{of} is neither a mapping nor a list")));
                }
            }
        } else if merged(&page, node, "environment").is_some() {
            let why = format!("{of} comes from a merge key (`<<`)");
            return Err(Refusal::at(page.line_of(node), why));
        }
        Ok(Self { page, service: path, block, name, of, found })
    }

    fn path(&self, rest: &[usize]) -> Vec<usize> {
        let block = self.block.into_iter();
        self.service.iter().copied().chain(block).chain(rest.iter().copied()).collect()
    }

    fn node(&self) -> Option<&Node> {
        self.block.and_then(|_| self.page.tree.root.at(&self.path(&[])))
    }

    /// The number of the variable's one entry.
    fn one(&self) -> Result<Option<usize>, Refusal> {
        match self.found.as_slice() {
            [] => Ok(None),
            [index] => Ok(Some(*index)),
            [_, second, ..] => {
                let why = format!("{} has {} twice", self.of, self.name);
                Err(Refusal::at(self.line(*second), why))
            }
        }
    }

    /// The line of an entry.
    fn line(&self, index: usize) -> usize {
        let node = self.node().and_then(|node| match &node.kind {
            Kind::Map(entries) => entries.get(index).map(|(key, _)| key),
            _ => node.child(index),
        });
        node.map_or(1, |node| self.page.line_of(node))
    }

    /// How the value of an entry comes about.
    fn origin(&self, index: usize) -> Result<Origin, Refusal> {
        let refusal = |refusal: Refusal| refusal.of(&format!("{} in {}", self.name, self.of));
        let node = self.page.own(&self.path(&[index])).map_err(refusal)?;
        let is_list = self.node().is_some_and(|node| matches!(node.kind, Kind::List(_)));
        let line = self.line(index);
        let text = node.text().ok_or_else(|| refusal(Refusal::at(line, "it is not a text")))?;
        let value = if is_list {
            text.split_once('=').map(|(_, value)| value)
        } else {
            Some(text).filter(|_| !node.is_null())
        };
        Ok(origin(value, self.name))
    }

    /// Gives an entry that has a value one from outside.
    fn take(&self, index: usize) -> Result<String, Refusal> {
        let name = self.name;
        let path = self.path(&[index]);
        // A text behind a `|` begins on another line than its key.
        let of_entry = |refusal: Refusal| {
            Refusal { line: self.line(index), ..refusal }.of(&format!("{name} in {}", self.of))
        };
        let is_list = self.node().is_some_and(|node| matches!(node.kind, Kind::List(_)));
        let new = match (is_list, way(self.node(), self.node())) {
            (false, _) => format!("${{{name}}}"),
            (true, Way::Bare) => name.to_owned(),
            (true, Way::Braces(_)) => format!("{name}=${{{name}}}"),
        };
        self.page.replace(&path, &new).map_err(of_entry)
    }
}

/// How most of an environment's entries do it: by those of `node`, and where there are none by
/// those of `near`.
fn way(node: Option<&Node>, near: Option<&Node>) -> Way {
    let count = |node: Option<&Node>| {
        let mut bare = 0;
        let mut braces = Vec::new();
        for item in node.map(Node::items).unwrap_or_default() {
            match item.text().map(|text| text.split_once('=')) {
                Some(None) => bare += 1,
                Some(Some((name, value))) if origin(Some(value), name) == Origin::Same => {
                    braces.push(Style::Plain);
                }
                _ => {}
            }
        }
        for (key, value) in node.map(Node::entries).unwrap_or_default() {
            let (Some(key), Some(text)) = (key.text(), value.text()) else { continue };
            if value.is_null() {
                bare += 1;
            } else if origin(Some(text), key) == Origin::Same {
                braces.push(value.style().unwrap_or(Style::Plain));
            }
        }
        (bare, braces)
    };
    let (bare, braces) = match count(node) {
        (0, braces) if braces.is_empty() => count(near),
        counted => counted,
    };
    let is_list = node.or(near).is_none_or(|node| matches!(node.kind, Kind::List(_)));
    match braces.last() {
        Some(style) if braces.len() > bare => Way::Braces(*style),
        None if bare == 0 && !is_list => Way::Braces(quotes(node.or(near))),
        _ => Way::Bare,
    }
}

/// The quotes round the values of a mapping.
fn quotes(node: Option<&Node>) -> Style {
    let entries = node.map(Node::entries).unwrap_or_default();
    let styles = entries.iter().rev().filter(|(_, value)| !value.is_null());
    styles
        .filter_map(|(_, value)| value.style())
        .find(|style| *style != Style::Block)
        .unwrap_or(Style::Plain)
}

pub(super) fn pass(text: &str, service: &str, name: &str) -> Result<String, Refusal> {
    let environment = Environment::read(text, service, name)?;
    let Some(index) = environment.one()? else { return add(&environment) };
    let line = environment.line(index);
    let of = &environment.of;
    match environment.origin(index)? {
        Origin::Passed | Origin::Same => Ok(text.to_owned()),
        Origin::Empty => environment.take(index),
        Origin::Literal => {
            Err(Refusal::at(line, format!("{of} has a value of its own for {name}")))
        }
        Origin::Made => Err(Refusal::at(line, format!("{of} builds {name} from other variables"))),
    }
}

/// Adds an entry that takes the variable from outside.
fn add(environment: &Environment<'_>) -> Result<String, Refusal> {
    let Environment { page, service, block, name, of, .. } = environment;
    let of_entry = |refusal: Refusal| refusal.of(of);
    let node = environment.node();
    let is_there = node.is_some_and(|node| !node.is_null());
    // A new block looks like the first one of another service.
    let services = page.tree.root.get("services").map(Node::entries).unwrap_or_default();
    let near = services.iter().find_map(|(_, service)| {
        service.get("environment").filter(|near| !near.is_null() && !near.is_empty())
    });
    let own = node.filter(|_| is_there);
    let way = way(own, near);
    let is_list = own.or(near).is_none_or(|node| matches!(node.kind, Kind::List(_)));
    let braces = format!("${{{name}}}");
    let item = match way {
        Way::Bare => (*name).to_owned(),
        Way::Braces(_) => format!("{name}={braces}"),
    };
    let value = match way {
        Way::Bare => New::Nothing,
        Way::Braces(style) => New::Text(braces, style),
    };
    let whole = |value: New| {
        if is_list {
            New::List(vec![(item.clone(), Style::Plain)])
        } else {
            New::Map(vec![((*name).to_owned(), value)])
        }
    };
    match (block, own) {
        (None, _) => page.add_entry(service, None, "environment", &whole(value)).map_err(of_entry),
        (Some(block), None) => page.fill(service, *block, &whole(value)).map_err(of_entry),
        (Some(block), Some(own)) if own.is_empty() => {
            page.fill(service, *block, &whole(value)).map_err(of_entry)
        }
        (Some(_), Some(_)) if is_list => {
            page.add_item(&environment.path(&[]), &item).map_err(of_entry)
        }
        (Some(_), Some(own)) => {
            // `{}` is not a text: within braces an empty value cannot be written.
            let value = match value {
                New::Nothing if own.flow => New::Text(format!("${{{name}}}"), Style::Plain),
                value => value,
            };
            page.add_entry(&environment.path(&[]), None, name, &value).map_err(of_entry)
        }
    }
}

pub(super) fn interpolate(text: &str, service: &str, name: &str) -> Result<String, Refusal> {
    let environment = Environment::read(text, service, name)?;
    let of = &environment.of;
    let Some(index) = environment.one()? else {
        let line = environment.page.line_of(environment.page.own(&environment.service)?);
        return Err(Refusal::at(line, format!("{of} does not set {name}")));
    };
    match environment.origin(index)? {
        Origin::Passed | Origin::Same => Ok(text.to_owned()),
        Origin::Empty | Origin::Literal => environment.take(index),
        Origin::Made => {
            let why = format!("{of} builds {name} from other variables");
            Err(Refusal::at(environment.line(index), why))
        }
    }
}

pub(super) fn remove(text: &str, service: &str, name: &str) -> Result<String, Refusal> {
    let environment = Environment::read(text, service, name)?;
    let Some(index) = environment.found.last().copied() else { return Ok(text.to_owned()) };
    let of_entry = |refusal: Refusal| refusal.of(&environment.of);
    let page = &environment.page;
    let path = environment.path(&[]);
    let node = page.own(&path).map_err(of_entry)?;
    // An anchor that goes with the entry may be needed elsewhere.
    page.own(&environment.path(&[index])).map_err(of_entry)?;
    let count = node.items().len() + node.entries().len();
    if let (1, Some(block)) = (count, environment.block) {
        let entry = page.own(&environment.service)?.entries().get(block);
        if entry.is_some_and(|entry| page.has_comment(entry)) {
            let why = format!("{name} is the only entry of {}, next to comments", environment.of);
            return Err(Refusal::at(page.line_of(node), why));
        }
        return page.remove(&environment.service, block).map_err(of_entry);
    }
    let text = page.remove(&path, index).map_err(of_entry)?;
    // A list may hold it more than once.
    remove(&text, service, name)
}
