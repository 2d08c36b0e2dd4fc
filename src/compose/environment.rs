//! The variables of a project: the process environment, and below it what `.env` files set.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::dotenv::Sets;
use super::interpolate::Variables;
use super::source::Pos;

/// What `${…}` and bare names are looked up in. What is set first wins: shell, then each `.env` in
/// turn. An included file has that of the file which includes it, and its own below: it shares what
/// is there.
#[derive(Clone, Default)]
pub(super) struct ServiceEnvironment {
    process: Rc<BTreeMap<String, String>>,
    files: Vec<Rc<Sets>>,
}

impl ServiceEnvironment {
    pub(super) fn new(process: BTreeMap<String, String>) -> Self {
        Self { process: Rc::new(process), files: Vec::new() }
    }

    /// Puts a value above all others.
    pub(super) fn set(&mut self, name: &str, value: String) {
        Rc::make_mut(&mut self.process).insert(name.to_owned(), value);
    }

    /// Adds below what is there.
    pub(super) fn add(&mut self, sets: Sets) {
        if !sets.is_empty() {
            self.files.push(Rc::new(sets));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.lookup(name).map(|(value, _)| value)
    }
}

impl Variables for ServiceEnvironment {
    fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)> {
        if let Some(value) = self.process.get(name) {
            return Some((value, None));
        }
        let set = self.files.iter().find_map(|sets| sets.get(name));
        set.map(|set| (set.value.as_str(), Some(set.pos)))
    }
}

/// One set of variables, and below it another.
pub(super) struct Overlay<'a> {
    pub(super) first: &'a dyn Variables,
    pub(super) second: &'a BTreeMap<String, String>,
}

impl Variables for Overlay<'_> {
    fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)> {
        self.first
            .lookup(name)
            .or_else(|| self.second.get(name).map(|value| (value.as_str(), None)))
    }
}
