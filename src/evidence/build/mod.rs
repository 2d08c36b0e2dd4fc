//! Small, valid evidence for unit tests: a healthy deployment, to be broken in one place.

pub(crate) mod endpoint;
pub(crate) mod key;
pub(crate) mod selection;
