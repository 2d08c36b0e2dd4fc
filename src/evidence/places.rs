//! Where else the key and the secret are that a rotation would end. Looked for only where a
//! rotation is called for.
use serde::{Deserialize, Serialize};

/// Files with the key or the secret in them, and stores of variables that hold them out of sight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OtherPlaces {
    /// Lines that hold one of them literally, those in comments left out. The files that the CLI
    /// and Compose read are among them.
    pub lines: Vec<HeldAt>,
    /// Variables that are kept elsewhere (a CI's secrets, a host's settings) and that files name.
    pub variables: Vec<NamedVariable>,
    /// What was not looked through, in words; empty where everything was.
    pub left_out: Vec<String>,
}

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The selected key.
    Key,
    /// Another key that opens with the same secret.
    OtherKey,
    /// The instance secret.
    Secret,
}

/// What git does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InGit {
    /// It is in the index.
    Tracked,
    /// It is ignored.
    Ignored,
    /// The next `git add .` takes it along.
    Neither,
}

/// A line that literally holds a key or the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldAt {
    /// The file, relative to the project's directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What it holds.
    pub what: Held,
    /// The variable that the line sets, where it looks like an assignment.
    pub variable: Option<String>,
    /// Whether the file is an env file, and this the assignment that counts for the variable, with
    /// nothing else in its value.
    pub is_plain: bool,
    /// What git does with the file; `None` outside of a work tree, and where git did not say.
    pub git: Option<InGit>,
}

/// A variable that is kept where no file shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedVariable {
    /// What keeps it, like `GitHub Actions secret`.
    pub store: String,
    /// Its name there.
    pub name: String,
    /// What it holds: the key, or the secret.
    pub what: Held,
    /// The file that names it, relative to the project's directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Whether the file names it; else it only runs the CLI, which needs the variable from
    /// somewhere.
    pub is_named: bool,
}
