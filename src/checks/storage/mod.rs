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
