//! convex-doctor looks at a self-hosted Convex deployment, proves what is wrong with it and says it
//! in one screen.
//!
//! The modules form six floors; every import points down (`tests/all/floors.rs` keeps it so):
//!
//! 6. `main.rs`, [`cli`], [`output`]: arguments in, exit code out; one story per command; the only
//!    writer of reports
//! 5. [`collect`], [`diagnosis`], [`act`], [`demo`]: all looking; all judging together; all doing;
//!    the recorded world
//! 4. [`selection`], [`checks`], [`topics`], [`fix`], [`render`], [`transcript`]: pure
//! 3. [`evidence`]: plain data without secrets
//! 2. [`admin_key`], [`compose`]: libraries that know nothing of the rest
//! 1. [`secret`], [`report`]: know nobody; [`mask`]: what to hide of a foreign text; [`docker`]:
//!    what looking and doing on an engine have in common

pub mod act;
pub mod admin_key;
pub mod checks;
pub mod cli;
pub mod collect;
pub mod compose;
pub mod demo;
pub mod deployment;
pub mod diagnosis;
pub mod docker;
pub mod evidence;
pub mod fix;
pub mod mask;
pub mod names;
pub mod output;
pub mod remedies;
pub mod render;
pub mod report;
pub mod secret;
pub mod selection;
pub mod topics;
pub mod transcript;
