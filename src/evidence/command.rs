//! The command that was run, and what it said of its failure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::CliFailure;

/// A command that `convex-doctor run` ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandFacts {
    /// Its words, keys masked.
    pub command: String,
    /// Its exit code, 128 and the signal's number when a signal ended it; `None` while it runs.
    pub exit_code: Option<i32>,
    /// The lines of its output that are known, in their order.
    pub said: Vec<SaidLine>,
}

impl CommandFacts {
    /// Whether it failed with an internal error of the backend.
    pub fn got_internal_error(&self) -> bool {
        let kinds = [CliFailure::Backend, CliFailure::FileStorage];
        let failures = self.said.iter().filter(|line| line.fails).filter_map(|line| line.failure);
        failures.into_iter().any(|failure| kinds.contains(&failure))
    }
}

/// A known line of the Convex CLI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SaidLine {
    /// The line, keys masked, without colours.
    pub text: String,
    /// What it means.
    pub means: String,
    /// Which kind of failure it speaks of; which rules explain that, they say themselves.
    #[serde(default)]
    pub failure: Option<CliFailure>,
    /// The findings, or their families, that explain it.
    #[serde(default)]
    pub explained_by: Vec<String>,
    /// Whether the command failed with it.
    pub fails: bool,
}
