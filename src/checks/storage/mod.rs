//! Where documents and files lie: SQLite or a SQL server, the disk or S3, and whether the backend
//! gets on with it.
//!
//! Most of it is said by the backend's log alone (the table is in `engine/log_lines`); what the
//! compose file and the container's environment show is whether a variable is set, never its value.

pub mod logged;
pub mod s3_incomplete;
pub mod sql_database_missing;
pub mod sql_url;

use super::Check;
use super::compose;
use super::engine::{self, log_lines};
use crate::evidence::compose::{BackendService, EntryValue, EnvironmentEntry};
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &sql_url::HAS_PATH,
    &sql_database_missing::CHECK,
    &logged::TLS,
    &sql_url::NOT_PASSED,
    &logged::SWITCHED,
    &s3_incomplete::CHECK,
    &logged::LEASE,
    &logged::CORRUPT,
];

/// The variables by which `run_backend.sh` takes the URL of a SQL server.
const SQL_VARIABLES: [&str; 3] = ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"];

/// The variable of the service where it has a value that is not blank.
fn set<'a>(service: &'a BackendService, name: &str) -> Option<&'a EnvironmentEntry> {
    let entry = service.variable(name)?;
    let has_opinion = match &entry.value {
        EntryValue::Unset | EntryValue::Blank => false,
        EntryValue::Plain(text) => !text.is_empty(),
        EntryValue::Secret(_) | EntryValue::Hidden => true,
    };
    has_opinion.then_some(entry)
}

/// The container of this run; `None` where there is none, also where nobody could look.
fn container(evidence: &Evidence) -> Option<&Container> {
    let docker = engine::asked(evidence).ok()?;
    Some(engine::subject(evidence, docker).ok()??.0)
}

/// The backend service; `Err` where the file could not be read.
fn service(evidence: &Evidence) -> Result<Option<&BackendService>, Unseen> {
    Ok(compose::project(evidence)?.and_then(|project| project.backend()))
}
