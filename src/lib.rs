//! convex-doctor looks at a self-hosted Convex deployment, proves what is wrong with it and says it
//! in one screen.
//!
//! The modules form floors; every import points down (`tests/all/floors.rs` keeps it so, and
//! `docs/architecture.md` shows them):
//!
//! - `main.rs`, [`cli`], [`output`]: arguments in, exit code out; a story per command; the only
//!   writer of reports
//! - [`collect`], [`diagnosis`], [`act`], [`demo`]: all reading; all judging together; all changing;
//!   the recorded world
//! - [`checks`]: one file per check; no family imports another
//! - [`remedies`], [`selection`], [`fix`], [`render`], [`transcript`], [`bundle`]: pure
//! - [`deployment`]: what the evidence means, each question answered once
//! - [`evidence`]: plain data without secrets
//! - [`report`], [`names`], [`secret`], [`foreign`], [`budget`], [`docker`], [`docs`], [`signals`],
//!   [`topics`]: what all of them use;
//!   [`admin_key`], [`compose`]: libraries that know nothing of the rest

pub mod act;
pub mod admin_key;
pub mod budget;
pub mod bundle;
pub mod checks;
pub mod cli;
pub mod collect;
pub mod compose;
pub mod demo;
pub mod deployment;
pub mod diagnosis;
pub mod docker;
pub mod docs;
pub mod evidence;
pub mod files;
pub mod fix;
pub mod foreign;
pub mod names;
pub mod output;
pub mod remedies;
pub mod render;
pub mod report;
pub mod secret;
pub mod selection;
#[cfg(unix)]
pub mod signals;
pub mod topics;
pub mod transcript;
