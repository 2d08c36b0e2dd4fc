//! Changes as text: what a file should hold afterwards, and the plan of a fix. Nothing is written here.

pub mod env_file;
pub mod git_ignore;
pub mod lines;
pub mod placeholders;
pub mod plan;
pub mod show;

use crate::report::Action;

/// The compose file with what the action wants of it.
fn compose_edit(_text: &str, action: &Action) -> Result<String, String> {
    Err(format!("not yet: {action:?}"))
}
