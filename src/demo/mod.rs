//! (to be written)

pub mod backend;
