//! Changes of a compose file as text: comments, order, indentation, quotes and line ends stay, and
//! only the lines that are meant change. No document is ever written again as a whole.
//!
//! Each edit proves itself. The new text must read as the old tree with the one change made
//! (`page`), and, where the project can be resolved from the file alone, as the same project but
//! for what was meant (`proof`). What cannot be shown so is a [`NoSafeEdit`], which says why,
//! where, and what to write by hand: flow mappings of services, shared anchors, aliases, tags,
//! several documents, and whatever else would need a guess.
//!
//! An edit that is made already gives the text as it is.

mod page;
mod proof;
mod tree;
mod variables;
mod volumes;
mod words;

use std::fmt;

use page::Page;
use proof::IntendedChange;
use tree::{Kind, Node};

/// Why no safe edit exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSafeEdit {
    /// A sentence without its end: `service backend is written in one line`.
    pub why: String,
    /// The line of the file, from 1.
    pub line: usize,
    /// What to write instead of the edit, as the end of the sentence "do this yourself: …".
    pub by_hand: String,
}

impl NoSafeEdit {
    /// The sentence with the file's name: `service backend is written in one line (compose.yml:3);
    /// do this yourself: …`.
    pub fn in_words(&self, file: &str) -> String {
        format!("{} ({file}:{}); do this yourself: {}", self.why, self.line, self.by_hand)
    }
}

impl fmt::Display for NoSafeEdit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (line {}); do this yourself: {}", self.why, self.line, self.by_hand)
    }
}

impl std::error::Error for NoSafeEdit {}

/// Service `service` mounts the top-level volume `key` at `target`: the entry over the same target
/// is replaced, else one is added in the style of the list that is there. A short form loses its
/// options, since they were those of what was mounted there before.
///
/// # Errors
/// Besides what is written unusually: a `tmpfs` over the target, several entries over it, an entry
/// whose target depends on a variable, a long form with options of its kind.
pub fn mount_volume(
    text: &str,
    service: &str,
    key: &str,
    target: &str,
) -> Result<String, NoSafeEdit> {
    let by_hand = || format!("add `- {key}:{target}` under `volumes:` of service {service}");
    let change = IntendedChange::Mount { service, key, target };
    edit(text, &[(Word::Key, key), (Word::Path, target)], &change, by_hand, |text| {
        volumes::mount_over(text, service, key, target)
    })
}

/// The top-level volume `key` is declared; with `adopt`, as one that exists under that name already
/// (`external: true` and `name`). A `driver: local` is removed then: Compose rejects
/// it next to `external`, and it is the default anyway.
///
/// # Errors
/// Besides what is written unusually: a declaration to adopt with another driver, with options or
/// labels.
pub fn declare_volume(text: &str, key: &str, adopt: Option<&str>) -> Result<String, NoSafeEdit> {
    let by_hand = || match adopt {
        None => format!("add `{key}:` under the top-level `volumes:`"),
        Some(name) => format!(
            "add `external: true` and `name: {name}` under `{key}:` of the top-level `volumes:`"
        ),
    };
    let words = [(Word::Key, key), (Word::Key, adopt.unwrap_or(key))];
    edit(text, &words, &IntendedChange::Declare { key, adopt }, by_hand, |text| {
        volumes::declare(text, key, adopt)
    })
}

/// The container of `service` gets the variable `name` from the shell or `.env`, in the way the
/// others of its environment do (`- NAME`, `- NAME=${NAME}`, `NAME:`, `NAME: ${NAME}`). An empty
/// value is replaced; what takes it from there already, with a default or without, stays.
///
/// # Errors
/// Besides what is written unusually: the variable has a value of its own ([`interpolate_variable`]
/// is for that), or one made of other variables.
pub fn pass_variable(text: &str, service: &str, name: &str) -> Result<String, NoSafeEdit> {
    let by_hand = || format!("add `{name}: ${{{name}}}` under `environment:` of service {service}");
    let change = IntendedChange::Passed { service, name };
    edit(text, &[(Word::Variable, name)], &change, by_hand, |text| {
        variables::pass(text, service, name)
    })
}

/// The value of `name` in `service`'s environment becomes `${NAME}`, or a bare name in a list of
/// bare names; the value itself has to be in `.env` by then.
///
/// # Errors
/// Besides what is written unusually: the environment does not set it, sets it twice, or makes it
/// of variables.
pub fn interpolate_variable(text: &str, service: &str, name: &str) -> Result<String, NoSafeEdit> {
    let by_hand = || format!("add `{name}: ${{{name}}}` under `environment:` of service {service}");
    let change = IntendedChange::Passed { service, name };
    edit(text, &[(Word::Variable, name)], &change, by_hand, |text| {
        variables::interpolate(text, service, name)
    })
}

/// The entry of `name` in `service`'s environment goes, and with the last entry the whole block.
///
/// # Errors
/// What is written unusually, among it a value that comes from a merge key.
pub fn remove_variable(text: &str, service: &str, name: &str) -> Result<String, NoSafeEdit> {
    let by_hand = || format!("remove {name} from `environment:` of service {service}");
    let change = IntendedChange::Gone { service, name };
    edit(text, &[(Word::Variable, name)], &change, by_hand, |text| {
        variables::remove(text, service, name)
    })
}

/// Why an edit is refused, before it is known what could be written by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    line: usize,
    why: String,
}

impl Refusal {
    fn at(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }

    /// The same of something: `service backend: there is an alias`.
    fn of(self, what: &str) -> Self {
        Self { why: format!("{what}: {}", self.why), ..self }
    }
}

/// What a word given to an edit must be made of.
#[derive(Clone, Copy)]
enum Word {
    /// The key or the name of a volume.
    Key,
    /// An absolute path without a colon.
    Path,
    Variable,
}

impl Word {
    fn fits(self, word: &str) -> bool {
        let made_of = |more: &str| {
            word.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(char))
        };
        let begins = |with: fn(char) -> bool| word.starts_with(with);
        match self {
            Self::Key => made_of("_.-") && begins(|char| char.is_ascii_alphanumeric()),
            Self::Path => made_of("_.-/") && begins(|char| char == '/') && word.len() > 1,
            Self::Variable => {
                made_of("_") && begins(|char| char == '_' || char.is_ascii_alphabetic())
            }
        }
    }
}

/// Makes an edit, proves it, and puts the byte order mark back.
fn edit(
    text: &str,
    words: &[(Word, &str)],
    change: &IntendedChange<'_>,
    by_hand: impl Fn() -> String,
    make: impl Fn(&str) -> Result<String, Refusal>,
) -> Result<String, NoSafeEdit> {
    let (mark, bare) = match text.strip_prefix('\u{feff}') {
        Some(bare) => ("\u{feff}", bare),
        None => ("", text),
    };
    let unfit = words.iter().find(|(kind, word)| !kind.fits(word));
    let made = match unfit {
        Some((_, word)) => Err(Refusal::at(1, format!("{word:?} is not a valid name here"))),
        None => make(bare).and_then(|new| {
            if new != bare {
                proof::check(bare, &new, change)?;
            }
            Ok(new)
        }),
    };
    match made {
        Ok(new) => Ok(format!("{mark}{new}")),
        Err(Refusal { line, why }) => Err(NoSafeEdit { why, line, by_hand: by_hand() }),
    }
}

/// The path of a service that may be edited.
fn service(page: &Page, name: &str) -> Result<Vec<usize>, Refusal> {
    let root = &page.tree.root;
    let missing = || Refusal::at(1, format!("service {name} does not exist"));
    let services = root.index("services").ok_or_else(missing)?;
    let all = page.own(&[services]).map_err(|refusal| refusal.of("`services`"))?;
    let path = vec![services, all.index(name).ok_or_else(missing)?];
    let what = format!("service {name}");
    let node = page.own(&path).map_err(|refusal| refusal.of(&what))?;
    let is_one_line = node.flow || all.flow || root.flow;
    match node.kind {
        Kind::Map(_) if is_one_line => {
            Err(Refusal::at(page.line_of(node), format!("{what} is written on one line")))
        }
        Kind::Map(_) => Ok(path),
        _ => Err(Refusal::at(page.line_of(node), format!("{what} is not a mapping"))),
    }
}

/// What a merge key (`<<:`) of a mapping would give for `key`.
fn merged<'p>(page: &'p Page, map: &'p Node, key: &str) -> Option<&'p Node> {
    merged_to(page, map, key, 0)
}

fn merged_to<'p>(page: &'p Page, map: &'p Node, key: &str, depth: usize) -> Option<&'p Node> {
    let own = map.entries().iter().filter(|(name, _)| name.text() == Some("<<"));
    own.flat_map(|(_, value)| match resolved(page, value) {
        Node { kind: Kind::List(items), .. } => items.iter().collect(),
        other => vec![other],
    })
    .filter(|_| depth < 100)
    .find_map(|base| {
        let base = resolved(page, base);
        base.get(key).or_else(|| merged_to(page, base, key, depth + 1))
    })
}

/// What an alias refers to.
fn resolved<'p>(page: &'p Page, node: &'p Node) -> &'p Node {
    match node.kind {
        Kind::Alias(anchor) => page.tree.anchors.get(&anchor).unwrap_or(node),
        _ => node,
    }
}

#[cfg(test)]
mod tests;
