//! What can be wrong with a Compose project, and what Compose only warns about.
//!
//! Messages are Compose's own where it has one, so that a search for them finds its documentation.
//! They quote keys and names; a value is quoted only where Compose's rules make it a name, a path
//! or a port.

use std::fmt;

use super::source::At;
use crate::budget::Exceeded;

/// How many faults of one step are collected: more would not be read, and a hostile file has
/// millions.
pub(super) const MOST_ERRORS: usize = 100;

/// What kind of fault an [`Error`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no compose file: nothing is wrong, but there is no project here.
    NotFound,
    /// A file that is asked for by name is missing or cannot be read.
    Unreadable,
    /// The text is not YAML, or not a `.env` file.
    Syntax,
    /// The text is YAML and not a Compose project.
    Invalid,
    /// A variable that the file declares required (`${NAME:?}`) is missing.
    RequiredVariable {
        /// Its name.
        name: String,
    },
    /// It is too large for this reader, which Compose need not mind: the message says in which way.
    Limit,
    /// Reading it took too long.
    Time,
}

/// One fault, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The sentence, close to Compose's.
    pub message: String,
    /// The place; `None` where there is none (no compose file, a bad `-p`).
    pub at: Option<At>,
    /// What kind of fault it is.
    pub kind: ErrorKind,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(out, "{at}: {}", self.message),
            None => out.write_str(&self.message),
        }
    }
}

impl Error {
    pub(super) fn exceeded(what: Exceeded, at: Option<At>) -> Self {
        let kind = if what == Exceeded::Time { ErrorKind::Time } else { ErrorKind::Limit };
        Self { message: what.to_string(), at, kind }
    }
}

/// The faults found, at least one. Compose stops at the first; this collects those that do not
/// follow from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// The fault that Compose would report.
    #[expect(clippy::indexing_slicing, reason = "never empty: made by `one` and `check` alone")]
    pub fn first(&self) -> &Error {
        &self.0[0]
    }

    /// All faults, the one Compose would report first.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.0.iter()
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Error> {
        self.0.into_iter()
    }

    /// Whether there is no compose file.
    pub fn is_not_found(&self) -> bool {
        self.first().kind == ErrorKind::NotFound
    }

    /// Whether a limit of this reader was met: what Compose would say is not known.
    pub fn is_limit(&self) -> bool {
        matches!(self.first().kind, ErrorKind::Limit | ErrorKind::Time)
    }

    pub(super) fn one(kind: ErrorKind, at: Option<At>, message: impl Into<String>) -> Self {
        Self(vec![Error { message: message.into(), at, kind }])
    }

    pub(super) fn exceeded(what: Exceeded, at: Option<At>) -> Self {
        Self(vec![Error::exceeded(what, at)])
    }

    /// `Err` when there is any.
    pub(super) fn check(found: Vec<Error>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// What a [`Warning`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarningKind {
    /// A variable is used, set nowhere and has no default: it became an empty text.
    UnsetVariable {
        /// Its name.
        name: String,
    },
    /// Several files with names Compose looks for; the first is used.
    MultipleFiles,
    /// A key without effect (`version`).
    Obsolete,
    /// A key or a word with a newer spelling (`external: {name: …}`, `yes` for `true`).
    Deprecated,
}

/// Something Compose warns about and goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Compose's sentence.
    pub message: String,
    /// The place, where there is one.
    pub at: Option<At>,
    /// What it is about.
    pub kind: WarningKind,
}
