//! What survives which operation, for this deployment: the mechanism is simulated, not looked up.
//!
//! `setup` builds a `world` from the evidence (of the parts in `model`), `operations` act on it as
//! the engine and Compose do, `fate` says what became of the keys and the data, `play` puts them
//! together; `before` does the same with a command line. What could not be checked is simulated
//! with both answers; where the outcomes differ, the outcome is unknown.

mod before;
mod command;
mod compose;
mod fate;
mod model;
mod operations;
mod pin;
mod play;
mod setup;
mod shell;
mod world;

pub use before::{before, flags, other_project};
pub use command::UNDERSTOOD;
pub use operations::is_everyday;
pub use play::operations;
pub use shell::NotUnderstood;

#[cfg(test)]
mod tests;
