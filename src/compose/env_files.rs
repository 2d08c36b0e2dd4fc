//! The files that a service names: `env_file` below its `environment`, `label_file` below its
//! `labels`.
//!
//! Source: compose-go `types/project.go` as Compose v2.40 carries it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dotenv::{self, Sets};
use super::environment::Overlay;
use super::error::{Error, ErrorKind};
use super::model::{Service, Variable, VariableSource};
use super::read::{field, flag, items};
use super::resolve::Resolver;
use super::service::VARIABLE;
use super::source::{At, FileError, Pos, Spanned, env_text};
use super::tree::Node;

/// A file that a service names.
struct WantedFile<'a> {
    path: &'a Path,
    /// What it holds, in Compose's word.
    what: &'a str,
    /// How Compose begins to say that it cannot be read.
    verb: &'a str,
    /// Whether it is a fault when it is not there.
    needed: bool,
}

impl Resolver<'_, '_> {
    /// Reads a service's `env_file`s below its `environment`.
    pub(super) fn env_files(&mut self, node: &Node, service: &mut Service) {
        let own: BTreeMap<String, String> = service
            .environment
            .iter()
            .filter_map(|(name, variable)| Some((name.clone(), variable.value.clone()?)))
            .collect();
        let mut sets = Sets::new();
        for item in items(node, "env_file") {
            let Some(path) = field(item, "path") else { continue };
            let at = self.at(item.get("path").map_or(item.pos, |node| node.pos));
            let file = PathBuf::from(&path);
            let needed = item.get("required").is_none() || flag(item.get("required"));
            let format = field(item, "format").unwrap_or_default();
            if !["", "raw"].contains(&format.as_str()) && self.reader.files.exists(&file) {
                self.say(at, format!("unsupported env_file format {format:?}"));
                continue;
            }
            // The parser of a format of its own opens the file itself.
            let verb =
                if format.is_empty() { "failed to read" } else { "failed to parse env_file" };
            let wanted = WantedFile { path: &file, what: "env", verb, needed };
            let Some(bytes) = self.named_file(&wanted, &at) else { continue };
            let number = self.reader.sources.number(&file);
            if !format.is_empty()
                && let Err(error) = std::str::from_utf8(&bytes)
            {
                let ends = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n');
                let line = ends.count() + 1;
                let pos = Pos { file: number, line: u32::try_from(line).unwrap_or(1), column: 1 };
                let path = file.display();
                let message = format!("{verb} {path}: invalid utf8 bytes at line {line}");
                self.say(self.at(pos), message);
                continue;
            }
            let text = env_text(bytes);
            let outer = Overlay { first: self.environment, second: &own };
            let budget = &self.reader.budget;
            let read = if format.is_empty() {
                dotenv::parse(&text, number, &outer, &mut sets, budget)
            } else {
                dotenv::parse_raw(&text, number, &outer, &mut sets, budget)
                    .map(|()| dotenv::Unset::default())
            };
            match read {
                Ok(unset) => {
                    let places = unset.names.iter().map(|(_, pos)| self.at(*pos));
                    service.unset.extend(places);
                    self.reader.note_unset(unset);
                }
                Err(fault) => {
                    let errors = self.reader.env_fault(&file, number, &fault);
                    self.found.extend(errors.iter().cloned());
                }
            }
        }
        for (name, set) in sets {
            if self.reader.budget.bytes(VARIABLE).is_err() {
                return;
            }
            let at = self.at(set.pos);
            // What `environment` names wins, also when it names it without a value.
            service.environment.entry(name).or_insert_with(|| Variable {
                value: Some(set.value),
                at,
                origin: None,
                variable: None,
                composed: false,
                source: VariableSource::EnvFile,
            });
        }
    }

    /// What is in a file that a service names; a missing one is a fault when it is needed.
    fn named_file(&mut self, wanted: &WantedFile<'_>, at: &At) -> Option<Vec<u8>> {
        let WantedFile { path: file, what, verb, needed } = wanted;
        let path = file.display();
        let message = match self.reader.files.read_bytes(file) {
            _ if self.reader.files.is_dir(file) => {
                format!("{verb} {path}: read {path}: is a directory")
            }
            Ok(bytes) => match self.reader.budget.text(bytes.len()) {
                Ok(()) => return Some(bytes),
                Err(what) => {
                    self.found.push(Error::exceeded(what, Some(at.clone())));
                    return None;
                }
            },
            Err(FileError::NotFound) if !needed => return None,
            Err(FileError::NotFound) => {
                format!("{what} file {path} not found: stat {path}: no such file or directory")
            }
            Err(error) => format!("{verb} {path}: {error}"),
        };
        let kind = ErrorKind::Unreadable;
        self.found.push(Error { message, at: Some(at.clone()), kind });
        None
    }

    /// Reads a service's `label_file`s below its `labels`. Their variables are those that they set
    /// themselves.
    pub(super) fn label_files(&mut self, node: &Node, service: &mut Service) {
        let mut sets = Sets::new();
        for item in items(node, "label_file") {
            let file = PathBuf::from(item.scalar().unwrap_or_default());
            let at = self.at(item.pos);
            let wanted =
                WantedFile { path: &file, what: "label", verb: "failed to read", needed: true };
            let Some(bytes) = self.named_file(&wanted, &at) else { continue };
            let text = env_text(bytes);
            let number = self.reader.sources.number(&file);
            // What the files before set comes before what this one sets.
            let mut own = Sets::new();
            let read = dotenv::parse(&text, number, &sets, &mut own, &self.reader.budget);
            sets.extend(own);
            match read {
                Ok(unset) => self.reader.note_unset(unset),
                Err(fault) => {
                    let errors = self.reader.env_fault(&file, number, &fault);
                    self.found.extend(errors.iter().cloned());
                }
            }
        }
        for (name, set) in sets {
            let at = Some(self.at(set.pos));
            service.labels.entry(name).or_insert(Spanned { value: set.value, at });
        }
    }
}
