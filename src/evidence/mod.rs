//! (to be written)

pub mod selection;
