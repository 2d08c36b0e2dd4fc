//! The five things that are done to a text: a scalar replaced, an item or an entry added, an empty
//! value filled, a child removed. Each gives a new text, and only if that reads as the old tree
//! with this one change.

use std::ops::Range;

use super::tree::{self, Kind, Node, Style, Tree};
use super::words::{Form, written};
use super::{Refusal, proof};

/// What is put into a text.
#[derive(Clone)]
pub(super) enum New {
    /// A text, in quotes of this style where it can be.
    Text(String, Style),
    /// `true`.
    True,
    /// Nothing: `key:`.
    Nothing,
    /// A mapping.
    Map(Vec<(String, New)>),
    /// A list of texts.
    List(Vec<(String, Style)>),
}

/// A text with its tree.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) tree: Tree,
    eol: &'static str,
}

/// Bytes of the text and what comes in their place.
type Splice = (Range<usize>, String);

impl Page {
    /// Reads a text; it must have no byte order mark.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let tree = tree::parse(text).map_err(|refusal| proof::syntax(text).unwrap_or(refusal))?;
        let lone = text.split("\r\n").position(|part| part.contains('\r'));
        if lone.is_some() {
            return Err(Refusal::at(1, "the file uses carriage returns as line ends"));
        }
        let eol = match text.find('\n') {
            Some(at) if text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        };
        Ok(Self { text: text.to_owned(), tree, eol })
    }

    /// From 1.
    pub(super) fn line(&self, byte: usize) -> usize {
        self.text[..byte].matches('\n').count() + 1
    }

    pub(super) fn line_of(&self, node: &Node) -> usize {
        self.line(node.span.start)
    }

    fn line_start(&self, byte: usize) -> usize {
        self.text[..byte].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Behind the line's content: its line end, or the text's end.
    fn line_end(&self, byte: usize) -> usize {
        let end = self.text[byte..].find('\n').map_or(self.text.len(), |at| byte + at);
        if self.text[byte..end].ends_with('\r') { end - 1 } else { end }
    }

    /// What precedes a node on its line.
    fn before(&self, node: &Node) -> &str {
        &self.text[self.line_start(node.span.start)..node.span.start]
    }

    /// In characters, from 0.
    pub(super) fn column(&self, node: &Node) -> usize {
        self.before(node).chars().count()
    }

    /// Where what belongs to a node ends; comments do not.
    fn end(&self, node: &Node) -> usize {
        match &node.kind {
            Kind::List(items) if !node.flow => {
                items.last().map_or(node.span.start, |item| self.end(item))
            }
            Kind::Map(entries) if !node.flow => {
                entries.last().map_or(node.span.start, |entry| self.entry_end(entry))
            }
            Kind::Scalar(_, Style::Block) => {
                self.text[..node.span.end].trim_end().len().max(node.span.start)
            }
            _ => node.span.end,
        }
    }

    fn entry_end(&self, (key, value): &(Node, Node)) -> usize {
        self.end(value).max(key.span.end)
    }

    /// The columns by which the file indents its services.
    fn step(&self) -> usize {
        let entries = self.tree.root.entries().iter();
        let mut steps = entries.filter(|(_, value)| !value.flow).filter_map(|(key, value)| {
            let (first, _) = value.entries().first()?;
            self.column(first).checked_sub(self.column(key)).filter(|step| *step > 0)
        });
        steps.next().unwrap_or(2)
    }

    /// The columns by which `node` indents the first list below one of its keys: none, or some.
    fn list_step(&self, node: &Node) -> Option<usize> {
        node.find(&mut |node| {
            node.entries().iter().find_map(|(key, value)| {
                let first = value.items().first().filter(|_| !value.flow)?;
                let dash = self.before(first).find('-').filter(|_| !node.flow)?;
                dash.checked_sub(self.column(key))
            })
        })
    }

    /// The text with these changes, if it reads as `want`.
    fn change(&self, mut splices: Vec<Splice>, want: &Node) -> Result<String, Refusal> {
        splices.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = self.text.clone();
        let line = splices.last().map_or(1, |(range, _)| self.line(range.start));
        for (range, new) in splices {
            text.replace_range(range, &new);
        }
        match tree::parse(&text) {
            Ok(tree) if tree.root == *want => Ok(text),
            _ => Err(Refusal::at(line, "the lines around it would be read differently")),
        }
    }

    /// Whole lines behind the line that `byte` is on.
    fn lines_behind(&self, byte: usize, lines: &[String]) -> Splice {
        let end = self.line_end(byte);
        let joined = lines.join(self.eol);
        (end..end, format!("{}{joined}", self.eol))
    }

    /// Replaces a scalar, in its own quotes where they will do.
    pub(super) fn replace(&self, path: &[usize], new: &str) -> Result<String, Refusal> {
        let old = self.own(path)?;
        let line = self.line_of(old);
        let style = old.style().filter(|style| *style != Style::Block);
        let style = style.ok_or_else(|| Refusal::at(line, "its value is not a short text"))?;
        if self.text[old.span.clone()].contains('\n') {
            return Err(Refusal::at(line, "its value spans several lines"));
        }
        let form = if self.is_in_flow(path) { Form::Flow } else { Form::Block };
        let (shown, style) =
            written(new, style, form).ok_or_else(|| Refusal::at(line, "it needs escapes"))?;
        self.put(path, old, shown, Node::scalar(new, style))
    }

    /// Replaces a scalar with `true`.
    pub(super) fn replace_with_true(&self, path: &[usize]) -> Result<String, Refusal> {
        let node = Node::scalar("true", Style::Plain);
        self.put(path, self.own(path)?, "true".to_owned(), node)
    }

    fn put(&self, path: &[usize], old: &Node, shown: String, new: Node) -> Result<String, Refusal> {
        let mut want = self.tree.root.clone();
        if let Some(node) = want.at_mut(path) {
            *node = Node { anchor: old.anchor, ..new };
        }
        self.change(vec![(old.span.clone(), shown)], &want)
    }

    /// Adds an item behind a list's last.
    pub(super) fn add_item(&self, path: &[usize], new: &str) -> Result<String, Refusal> {
        let list = self.own(path)?;
        let line = self.line_of(list);
        let items = list.items();
        let last = items.last().ok_or_else(|| Refusal::at(line, "its list is empty"))?;
        let style = items.iter().rev().find_map(Node::style).filter(|it| *it != Style::Block);
        let form = if list.flow { Form::Flow } else { Form::Block };
        let (text, style) = written(new, style.unwrap_or(Style::Plain), form)
            .ok_or_else(|| Refusal::at(line, "it needs escapes"))?;
        let end = self.end(last);
        let splice = if list.flow {
            (end..end, format!(", {text}"))
        } else {
            let dash = items.iter().rev().map(|item| self.before(item)).find(|before| {
                let rest = before.trim_start_matches(' ').strip_prefix('-');
                rest.is_some_and(|rest| !rest.is_empty() && rest.trim_matches(' ').is_empty())
            });
            let dash = dash.ok_or_else(|| Refusal::at(line, "its list is written unusually"))?;
            self.lines_behind(end, &[format!("{dash}{text}")])
        };
        let mut want = self.tree.root.clone();
        if let Some(Node { kind: Kind::List(items), .. }) = want.at_mut(path) {
            items.push(Node::scalar(new, style));
        }
        self.change(vec![splice], &want)
    }

    /// Adds an entry to a mapping: behind the entry of this number, or behind its last with the
    /// comments that are indented as its keys are.
    pub(super) fn add_entry(
        &self,
        path: &[usize],
        behind: Option<usize>,
        key: &str,
        new: &New,
    ) -> Result<String, Refusal> {
        let map = self.own(path)?;
        let line = self.line_of(map);
        let entries = map.entries();
        let unusual = || Refusal::at(line, "its keys are written unusually");
        let index = behind.unwrap_or(entries.len().saturating_sub(1));
        let last = entries.get(index).ok_or_else(unusual)?;
        let end = self.entry_end(last);
        let (splice, value) = if map.flow {
            let (text, value) = in_flow(new).ok_or_else(unusual)?;
            ((end..end, format!(", {key}: {text}")), value)
        } else {
            let column = self.column(&last.0);
            if entries.iter().any(|(key, _)| self.column(key) != column) {
                return Err(unusual());
            }
            let (lines, value) = self.in_block(column, key, new, map).ok_or_else(unusual)?;
            let end = if behind.is_some() { end } else { self.comments_behind(end, column) };
            (self.lines_behind(end, &lines), value)
        };
        let mut want = self.tree.root.clone();
        if let Some(Node { kind: Kind::Map(entries), .. }) = want.at_mut(path) {
            entries.insert(index + 1, (Node::scalar(key, Style::Plain), value));
        }
        self.change(vec![splice], &want)
    }

    /// The end of the comments right behind a line that are indented by `column` at least. At the
    /// first column stand those that belong to no entry.
    fn comments_behind(&self, byte: usize, column: usize) -> usize {
        let mut end = self.line_end(byte);
        while let Some(next) = self.text[end..].find('\n').map(|at| end + at + 1) {
            let line = &self.text[next..self.line_end(next)];
            let bare = line.trim_start_matches(' ');
            if !bare.starts_with('#') || line.len() - bare.len() < column.max(1) {
                break;
            }
            end = self.line_end(next);
        }
        end
    }

    /// Adds an entry at the file's end. A blank line comes before it unless the file has none
    /// between its keys.
    pub(super) fn add_at_end(&self, key: &str, new: &New) -> Result<String, Refusal> {
        let root = self.own(&[])?;
        let unusual = || Refusal::at(1, "the file is written on one line");
        if root.flow || root.entries().iter().any(|(key, _)| self.column(key) != 0) {
            return Err(unusual());
        }
        let (mut lines, value) = self.in_block(0, key, new, root).ok_or_else(unusual)?;
        // A line of dots ends the document: the entry goes before it.
        let rest = root.entries().last().map_or(0, |entry| self.entry_end(entry));
        let dots = self.text[rest..].find("\n...").map_or(self.text.len(), |at| rest + at);
        let end = self.text[..dots].trim_end().len();
        let blank = !self.text[end..dots].trim_end_matches(' ').is_empty()
            && self.text[end..dots].matches('\n').count() > 1;
        let airy = |pair: &[(Node, Node)]| {
            let [before, (key, _)] = pair else { return false };
            let between = &self.text[self.entry_end(before)..key.span.start];
            between.lines().skip(1).any(|line| line.trim().is_empty())
        };
        let pairs = root.entries().windows(2);
        let is_airy = pairs.len() == 0 || pairs.into_iter().any(airy);
        let splice = if blank && dots == self.text.len() {
            // Behind the blank lines that are there already.
            let last = self.text.trim_end_matches(' ').len();
            (last..last, format!("{}{}", lines.join(self.eol), self.eol))
        } else {
            if is_airy && !blank {
                lines.insert(0, String::new());
            }
            self.lines_behind(end, &lines)
        };
        let mut want = self.tree.root.clone();
        if let Kind::Map(entries) = &mut want.kind {
            entries.push((Node::scalar(key, Style::Plain), value));
        }
        self.change(vec![splice], &want)
    }

    /// Gives a value to an entry whose value is nothing, `{}` or `[]`.
    pub(super) fn fill(&self, path: &[usize], index: usize, new: &New) -> Result<String, Refusal> {
        let map = self.own(path)?;
        let (key, old) =
            map.entries().get(index).ok_or_else(|| Refusal::at(1, "it does not exist"))?;
        let line = self.line_of(key);
        let unusual = || Refusal::at(line, "its key is written unusually");
        let colon = self.text[key.span.end..].find(':').map(|at| key.span.end + at);
        let colon = colon.ok_or_else(unusual)?;
        let word = old.span.clone();
        let is_there = !word.is_empty();
        if !self.text[key.span.end..colon].trim_matches(' ').is_empty()
            || (is_there && !self.text[colon + 1..word.start].trim_matches(' ').is_empty())
            || self.text[word.clone()].contains('\n')
            || old.anchor != 0
            || old.tag.is_some()
        {
            return Err(unusual());
        }
        let gone = colon + 1..if is_there { word.end } else { colon + 1 };
        let (splices, value) = match new {
            New::Map(_) | New::List(_) if !map.flow => {
                let column = self.column(key);
                let (mut lines, value) = self.in_block(column, "", new, map).ok_or_else(unusual)?;
                lines.remove(0);
                (vec![(gone, String::new()), self.lines_behind(colon, &lines)], value)
            }
            _ => {
                let (text, value) = in_flow(new).ok_or_else(unusual)?;
                (vec![(gone, format!(" {text}"))], value)
            }
        };
        let mut want = self.tree.root.clone();
        if let Some(Node { kind: Kind::Map(entries), .. }) = want.at_mut(path)
            && let Some((_, place)) = entries.get_mut(index)
        {
            *place = value;
        }
        self.change(splices, &want)
    }

    /// Takes a child out of a collection that has others.
    pub(super) fn remove(&self, path: &[usize], index: usize) -> Result<String, Refusal> {
        let parent = self.own(path)?;
        let line = self.line_of(parent);
        let mut want = self.tree.root.clone();
        let place = |node: &Node| (node.span.start, self.end(node));
        let spans: Vec<(usize, usize)> = match (&parent.kind, want.at_mut(path)) {
            (Kind::List(items), Some(Node { kind: Kind::List(wanted), .. })) => {
                wanted.remove(index);
                items.iter().map(place).collect()
            }
            (Kind::Map(entries), Some(Node { kind: Kind::Map(wanted), .. })) => {
                wanted.remove(index);
                let ends = entries.iter().map(|entry| (entry.0.span.start, self.entry_end(entry)));
                ends.collect()
            }
            _ => return Err(Refusal::at(line, "it is empty")),
        };
        let Some((start, end)) = spans.get(index).copied() else {
            return Err(Refusal::at(line, "it does not exist"));
        };
        let next = spans.get(index + 1).map(|(start, _)| *start);
        let before = index.checked_sub(1).and_then(|index| spans.get(index)).map(|(_, end)| *end);
        let gone = match (parent.flow, before, next) {
            (true, Some(before), _) => before..end,
            (true, None, Some(next)) => start..next,
            (true, None, None) => start..end,
            (false, ..) => self.whole_lines(start, end)?,
        };
        self.change(vec![(gone, String::new())], &want)
    }

    /// The lines from one byte to another with one line end.
    fn whole_lines(&self, start: usize, end: usize) -> Result<Range<usize>, Refusal> {
        let first = self.line_start(start);
        let indent = self.text[first..start].trim_matches([' ', '-']);
        if !indent.is_empty() {
            return Err(Refusal::at(self.line(start), "it shares its line with something else"));
        }
        let last = self.line_end(end);
        Ok(match self.text[last..].find('\n') {
            Some(at) => first..last + at + 1,
            // Without a last line end there is none before either.
            None if first > 0 => self.line_end(self.line_start(first - 1))..last,
            None => first..last,
        })
    }

    /// Whether a comment is on a line of its own in an entry, or right behind it and further in
    /// than its key.
    pub(super) fn has_comment(&self, entry: &(Node, Node)) -> bool {
        let (start, end) = (entry.0.span.start, self.entry_end(entry));
        let end = self.comments_behind(end, self.column(&entry.0) + 1);
        self.text[start..end].lines().any(|line| line.trim_start().starts_with('#'))
    }

    fn is_in_flow(&self, path: &[usize]) -> bool {
        (0..path.len()).any(|end| self.tree.root.at(&path[..end]).is_some_and(|node| node.flow))
    }

    /// The node at a path, unless it or one above is shared, named, tagged, or not written there.
    pub(super) fn own(&self, path: &[usize]) -> Result<&Node, Refusal> {
        let mut node = &self.tree.root;
        let mut rest = path.iter();
        loop {
            let line = self.line_of(node);
            if let Kind::Alias(_) = node.kind {
                return Err(Refusal::at(line, "there is an alias (`*…`)"));
            }
            if let Some(tag) = &node.tag {
                return Err(Refusal::at(line, format!("there is a tag ({tag})")));
            }
            if self.tree.used.contains(&node.anchor) {
                return Err(Refusal::at(line, "other places use it by its anchor (`&…`)"));
            }
            let Some(index) = rest.next() else { return Ok(node) };
            node = node.child(*index).ok_or_else(|| Refusal::at(line, "it does not exist"))?;
        }
    }

    /// The lines of a new entry at a column. Lists are indented as those of `near` are.
    fn in_block(
        &self,
        column: usize,
        key: &str,
        new: &New,
        near: &Node,
    ) -> Option<(Vec<String>, Node)> {
        let indent = " ".repeat(column);
        match new {
            New::Text(text, style) => {
                let (shown, style) = written(text, *style, Form::Block)?;
                Some((vec![format!("{indent}{key}: {shown}")], Node::scalar(text, style)))
            }
            New::True => {
                Some((vec![format!("{indent}{key}: true")], Node::scalar("true", Style::Plain)))
            }
            New::Nothing => {
                Some((vec![format!("{indent}{key}:")], Node::scalar("~", Style::Plain)))
            }
            New::Map(entries) => {
                let mut lines = vec![format!("{indent}{key}:")];
                let mut nodes = Vec::new();
                for (key, value) in entries {
                    let (more, node) = self.in_block(column + self.step(), key, value, near)?;
                    lines.extend(more);
                    nodes.push((Node::scalar(key, Style::Plain), node));
                }
                Some((lines, Node::new(Kind::Map(nodes))))
            }
            New::List(items) => {
                let step = self.list_step(near).or_else(|| self.list_step(&self.tree.root));
                let dash = " ".repeat(column + step.unwrap_or_else(|| self.step()));
                let mut lines = vec![format!("{indent}{key}:")];
                let mut nodes = Vec::new();
                for (text, style) in items {
                    let (shown, style) = written(text, *style, Form::Block)?;
                    lines.push(format!("{dash}- {shown}"));
                    nodes.push(Node::scalar(text, style));
                }
                Some((lines, Node::new(Kind::List(nodes))))
            }
        }
    }
}

/// A new value within braces or behind a key.
fn in_flow(new: &New) -> Option<(String, Node)> {
    match new {
        New::Text(text, style) => {
            let (shown, style) = written(text, *style, Form::Flow)?;
            Some((shown, Node::scalar(text, style)))
        }
        New::True => Some(("true".to_owned(), Node::scalar("true", Style::Plain))),
        New::Nothing => Some(("{}".to_owned(), Node::new(Kind::Map(Vec::new())))),
        New::Map(entries) => {
            let mut shown = Vec::new();
            let mut nodes = Vec::new();
            for (key, value) in entries {
                let (text, node) = in_flow(value)?;
                shown.push(format!("{key}: {text}"));
                nodes.push((Node::scalar(key, Style::Plain), node));
            }
            Some((format!("{{{}}}", shown.join(", ")), Node::new(Kind::Map(nodes))))
        }
        New::List(items) => {
            let mut shown = Vec::new();
            let mut nodes = Vec::new();
            for (text, style) in items {
                let (text_shown, style) = written(text, *style, Form::Flow)?;
                shown.push(text_shown);
                nodes.push(Node::scalar(text, style));
            }
            Some((format!("[{}]", shown.join(", ")), Node::new(Kind::List(nodes))))
        }
    }
}
