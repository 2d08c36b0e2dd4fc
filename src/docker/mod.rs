//! What looking at a Docker engine ([`crate::collect`]) and changing something on it
//! ([`crate::act`]) have in common: the recipe of a helper container, the words of a failed call,
//! and the care for Ctrl-C while something of ours is there.

pub mod helper;
pub mod interrupt;

use std::error::Error as _;

use bollard::errors::Error;

use crate::secret::{sanitize, scrub};

/// Foreign error texts are cut at this length, in characters.
const LONGEST: usize = 300;

/// What follows the name of a container that was set aside while its successor is not yet accepted.
pub const SET_ASIDE: &str = ".before-convex-doctor";

/// What a successor is called before it has the name.
pub const NEW: &str = ".new-by-convex-doctor";

/// What follows the name of one that was replaced and could not be removed, because data is in
/// itself.
pub const KEPT: &str = ".kept-by-convex-doctor";

/// A failed call in few words, safe to show.
pub fn words(error: &Error) -> String {
    let text = match error {
        Error::RequestTimeoutError => "no answer in time".to_owned(),
        Error::DockerResponseServerError { status_code, message } => {
            format!("the engine answers {status_code}: {}", message.trim())
        }
        // serde quotes the value that it stumbled over, which may be anything.
        Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => {
            "the answer could not be understood".to_owned()
        }
        error => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    };
    let mut text = sanitize(&scrub(&text));
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push('…');
    }
    text
}
