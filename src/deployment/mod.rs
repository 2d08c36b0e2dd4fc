//! What the evidence means: each question about the deployment is answered here, once.
//!
//! Which container is meant ([`container`]), what the backend says to the key ([`key`]) and why it
//! rejects it ([`key_judgement`]), what answers at the URL ([`endpoint`], [`answers`]), what the
//! compose file declares ([`compose`], [`variable`]), where data and keys are kept ([`data`],
//! [`candidates`]), what the CLI selects ([`selection`]), what a log line means ([`log_lines`]), who
//! runs the container ([`platform`]), and how much a fault weighs ([`weight`]).
//!
//! Nothing here makes a finding of its own: the checks do.

pub mod answers;
pub mod candidates;
pub mod compose;
pub mod container;
pub mod data;
pub mod endpoint;
pub mod key;
pub mod key_judgement;
pub mod log_lines;
pub mod platform;
pub mod selection;
pub mod variable;
pub mod weight;
