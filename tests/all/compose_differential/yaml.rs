//! YAML as a person writes it: a tree that can be changed, and is printed in one of several ways.

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Y {
    /// A scalar, an alias: as it stands in the file. With line ends it becomes a block of text.
    Raw(String),
    List(Vec<Y>),
    Map(Vec<(String, Y)>),
    /// A collection on one line.
    Flow(Box<Y>),
    /// What stands behind a tag or an anchor.
    Tagged(String, Box<Y>),
}

pub(crate) fn raw(text: impl Into<String>) -> Y {
    Y::Raw(text.into())
}

pub(crate) fn map<const N: usize>(entries: [(&str, Y); N]) -> Y {
    Y::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Y {
    /// The document's text.
    pub(crate) fn print(&self) -> String {
        let mut out = String::new();
        self.block(0, &mut out);
        let out = out.strip_prefix('\n').unwrap_or(&out).trim_start_matches(' ');
        if out.ends_with('\n') { out.to_owned() } else { format!("{out}\n") }
    }

    /// Behind a key or a dash: on the same line, or on the next ones.
    fn block(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match self {
            Self::Raw(text) if text.contains('\n') => {
                out.push_str(" |\n");
                for line in text.lines() {
                    out.push_str(&format!("{pad}  {line}\n"));
                }
            }
            Self::Raw(text) => out.push_str(&format!(" {text}\n")),
            Self::List(list) if list.is_empty() => out.push_str(" []\n"),
            Self::Map(map) if map.is_empty() => out.push_str(" {}\n"),
            Self::List(list) => {
                out.push('\n');
                for item in list {
                    out.push_str(&format!("{pad}-"));
                    item.block(indent + 2, out);
                }
            }
            Self::Map(map) => {
                out.push('\n');
                for (key, value) in map {
                    out.push_str(&format!("{pad}{key}:"));
                    value.block(indent + 2, out);
                }
            }
            Self::Flow(inner) => {
                out.push(' ');
                inner.flow(out);
                out.push('\n');
            }
            Self::Tagged(tag, inner) => {
                out.push_str(&format!(" {tag}"));
                inner.block(indent, out);
            }
        }
    }

    fn flow(&self, out: &mut String) {
        match self {
            Self::Raw(text) if text.contains('\n') => {
                out.push_str(&format!("{:?}", text.trim_end()));
            }
            // A brace would end the collection.
            Self::Raw(text) if text.contains("${") && !text.starts_with(['"', '\'', '{', '[']) => {
                out.push_str(&format!("{text:?}"));
            }
            Self::Raw(text) => out.push_str(text),
            Self::List(list) => {
                out.push('[');
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    item.flow(out);
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push('{');
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(&format!("{key}: "));
                    value.flow(out);
                }
                out.push('}');
            }
            Self::Flow(inner) => inner.flow(out),
            Self::Tagged(tag, inner) => {
                out.push_str(&format!("{tag} "));
                inner.flow(out);
            }
        }
    }

    /// How many nodes there are, this one included.
    pub(crate) fn size(&self) -> usize {
        1 + match self {
            Self::Raw(_) => 0,
            Self::List(list) => list.iter().map(Self::size).sum(),
            Self::Map(map) => map.iter().map(|(_, value)| value.size()).sum(),
            Self::Flow(inner) | Self::Tagged(_, inner) => inner.size(),
        }
    }

    /// The node with this number, counted from the root (0) downwards.
    pub(crate) fn nth(&mut self, number: usize) -> Option<&mut Self> {
        if number == 0 {
            return Some(self);
        }
        let mut rest = number - 1;
        let children: Vec<&mut Self> = match self {
            Self::Raw(_) => Vec::new(),
            Self::List(list) => list.iter_mut().collect(),
            Self::Map(map) => map.iter_mut().map(|(_, value)| value).collect(),
            Self::Flow(inner) | Self::Tagged(_, inner) => vec![inner],
        };
        for child in children {
            let size = child.size();
            if rest < size {
                return child.nth(rest);
            }
            rest -= size;
        }
        None
    }
}
