//! Fixes as typed data, shared by the checks: what to run, what to edit, what `convex-doctor fix`
//! does. They are worded for the platform at hand at the end ([`platform`]).

pub mod command;
pub mod engine;
pub mod env_file;
pub mod mint;
pub mod platform;
mod platform_steps;
pub mod rescue;
pub mod rotation;
pub mod script;
pub mod secret;
pub mod volumes;
pub mod way_back;
