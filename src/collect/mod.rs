//! All looking: every file, process and socket is opened below this module, and reduced to [`crate::evidence`] at once.

pub mod endpoint;
