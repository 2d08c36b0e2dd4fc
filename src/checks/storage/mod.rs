//! Where documents and files are stored: SQLite or a SQL server, the disk or S3, and whether the
//! backend works with it.
//!
//! Only the backend's log shows most of it (the table is in `deployment/log_lines`). The compose
//! file and the container's environment show whether a variable is set, never its value.

pub mod logged;
pub mod s3_incomplete;
pub mod sql_database_missing;
pub mod sql_url;
pub mod sql_url_loopback;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &sql_url::HAS_PATH,
    &sql_url_loopback::CHECK,
    &sql_database_missing::CHECK,
    &logged::TLS,
    &sql_url::NOT_PASSED,
    &logged::SWITCHED,
    &s3_incomplete::CHECK,
    &logged::LEASE,
    &logged::CORRUPT,
];
