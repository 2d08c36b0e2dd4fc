//! Changes as text: what a file should hold afterwards. Nothing is written here.

pub mod compose_file;
pub mod env_file;
pub mod git_ignore;
pub mod lines;
