//! All doing: what changes something outside of the doctor, or runs something.
#![allow(clippy::disallowed_methods, reason = "what is done is done here")]

pub mod child;
pub mod edit;
pub mod engine;
