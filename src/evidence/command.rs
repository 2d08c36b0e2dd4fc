//! The command that was run, and what it said of its failure.
use serde::{Deserialize, Serialize};

use crate::report::CliFailure;

/// A command that `convex-doctor run` ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommandFacts {
    /// Its words, keys masked.
    pub command: String,
    /// Its exit code, 128 and the signal's number when a signal ended it; `None` while it runs.
    pub exit_code: Option<i32>,
    /// The lines of its output that are known, in their order.
    pub said: Vec<SaidLine>,
}

impl CommandFacts {
    /// Whether the CLI got an answer about its key from a server that is not Convex Cloud's: it had
    /// a URL and a key, wherever they came from.
    pub fn had_pair(&self) -> bool {
        use CliFailure::{
            KeyLost, KeyMissingInHeader, KeyReadOnly, KeyRejected, KeyUnsendable, WrongServer,
        };
        let kinds =
            [KeyLost, KeyMissingInHeader, KeyReadOnly, KeyRejected, KeyUnsendable, WrongServer];
        self.said.iter().filter(|line| line.fails).any(|line| {
            let is_cloud = line.text.contains(".convex.cloud") || line.text.contains("convex.dev/");
            line.failure.is_some_and(|failure| kinds.contains(&failure)) && !is_cloud
        })
    }

    /// Whether it failed with an internal error of the backend.
    pub fn got_internal_error(&self) -> bool {
        let kinds = [CliFailure::Backend, CliFailure::FileStorage];
        let failures = self.said.iter().filter(|line| line.fails).filter_map(|line| line.failure);
        failures.into_iter().any(|failure| kinds.contains(&failure))
    }
}

/// A known line of the Convex CLI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
