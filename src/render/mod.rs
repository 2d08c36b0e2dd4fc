//! Renderers: `fn(&Report, …) -> String`. None decides anything, none writes.

pub mod brief;
mod chain;
pub mod difference;
pub mod excerpt;
pub mod explain;
pub mod fix;
pub mod github;
pub mod gitlab;
pub mod html;
pub mod inspect;
pub mod instances;
pub mod json;
pub mod junit;
pub mod key;
pub mod markdown;
pub mod persistence;
pub mod sarif;
pub mod text;
pub mod versions;

mod machine;
mod words;

/// What a text is written for.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// In columns.
    pub width: usize,
    /// How much is to be said.
    pub detail: Detail,
    /// Whether UTF-8 is not to be shown.
    pub ascii: bool,
    /// Whether it can show a text as a link (OSC 8).
    pub links: bool,
}

/// How much a person wants to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The verdict.
    Quiet,
    /// One screen.
    #[default]
    Normal,
    /// Every finding, evidence, counts of what passed, and timings as well.
    Verbose,
}
