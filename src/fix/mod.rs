//! Changes as text: what a file should hold afterwards. Nothing is written here.

pub mod env_file;
