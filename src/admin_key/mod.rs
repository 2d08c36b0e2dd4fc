//! Placeholder of the types that other modules name; the module itself is being written.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a key's text says without any secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shape {}

/// What an opened key says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claims {
    /// When it was issued, in seconds since 1970.
    pub issued_s: u64,
    /// x
    pub read_only: bool,
}
