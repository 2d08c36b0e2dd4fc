//! convex-doctor looks at a self-hosted Convex deployment, proves what is wrong with it and says it in one screen.
//!
//! The modules form five floors; every import points down (`tests/floors.rs` keeps it so):
//!
//! 5. `main.rs`: arguments in, exit code out
//! 4. [`cli`], [`output`]: one story per command; the only writer of reports
//! 3. [`collect`], [`diagnosis`], [`demo`]: all looking; all judging together; the recorded world
//! 2. [`checks`], [`render`], [`admin_key`], [`compose`], [`selection`]: pure
//! 1. [`evidence`], [`report`], [`secret`]: plain data that knows nobody

pub mod admin_key;
pub mod checks;
pub mod cli;
pub mod collect;
pub mod compose;
pub mod demo;
pub mod diagnosis;
pub mod evidence;
pub mod output;
pub mod render;
pub mod report;
pub mod secret;
pub mod selection;
