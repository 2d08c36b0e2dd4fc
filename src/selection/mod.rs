//! What `npx convex` would use, and where each value came from: the texts of the environment files
//! in, a selection out.
//!
//! [`node_dotenv`] reads a file exactly as the CLI does, [`strict`] says where that differs from
//! what the lines seem to say, [`mod@meant`] what such a line was meant to say, [`choose`] applies
//! the CLI's order, and [`mod@facts`] reduces the outcome to what may be shown. Nothing here does
//! I/O.

pub mod choose;
pub mod facts;
pub mod meant;
pub mod names;
pub mod node_dotenv;
pub mod script;
pub mod strict;
pub use choose::{FileText, Flags, PackageJson, Selection, Sources, select};
pub use facts::{facts, inspect_json};
