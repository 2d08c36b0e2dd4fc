//! What the text of a key is made of: spaces, quotes, and the type before the name.

use serde::{Deserialize, Serialize};

/// What is before the first `:` of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TypePrefix {
    /// `prod:`
    Prod,
    /// `dev:`
    Dev,
    /// `preview:`
    Preview,
    /// `project:`
    Project,
    /// Any other text.
    Other,
}

impl TypePrefix {
    pub(super) fn of(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "prod" => Self::Prod,
            "dev" => Self::Dev,
            "preview" => Self::Preview,
            "project" => Self::Project,
            _ => Self::Other,
        }
    }

    /// Whether the header drops the whole name for it, in either case.
    pub(super) fn drops_the_name(self) -> bool {
        matches!(self, Self::Preview | Self::Project)
    }
}

/// Whether it shows nothing: white space, control characters, and those of no width.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Whether it is a quote, straight or curly.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\u{2018}'..='\u{201f}')
}
