//! SQL servers, as compose files and containers name them.
use serde::{Deserialize, Serialize};

/// What the URL of a SQL server says, apart from who may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SqlUrl {
    /// The variable that holds it.
    pub variable: String,
    /// The host; `None` where it cannot be told apart from a password.
    pub host: Option<String>,
    /// Whether anything follows the host, apart from a `/` alone.
    pub has_path: bool,
}

/// Which SQL server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlKind {
    /// PostgreSQL, and what is compatible with it.
    Postgres,
    /// MySQL, MariaDB, and what is compatible with them.
    Mysql,
}
