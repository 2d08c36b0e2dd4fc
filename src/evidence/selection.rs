//! Placeholder of the types that other modules name; the module itself is being written.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `npx convex` would use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SelectionFacts {
    /// x
    pub url: Option<String>,
    /// x
    pub admin_key_source: Option<ValueSource>,
}
impl std::fmt::Display for ValueSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "x")
    }
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueSource {
    /// In a file.
    File {
        /// As named.
        path: String,
        /// From 1.
        line: usize,
    },
    /// In the process environment.
    Env {
        /// The variable.
        name: String,
    },
    /// On the command line.
    Flag {
        /// The option.
        name: String,
    },
}
