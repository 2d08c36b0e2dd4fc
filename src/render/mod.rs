//! Renderers: `fn(&Report, …) -> String`. None decides anything, none writes.

mod chain;
pub mod excerpt;
pub mod explain;
pub mod fix;
pub mod github;
pub mod gitlab;
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

/// How much a person wants to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The verdict and the causes' titles.
    Quiet,
    /// One screen.
    #[default]
    Normal,
    /// Passes, evidence and durations as well.
    Verbose,
}
