//! What the text of compose files shows that Compose cannot read.

use std::path::{Path, PathBuf};

use super::super::ProjectRequest;
use super::super::texts::FileTexts;
use crate::compose::Errors;

/// The names that Compose looks for.
const FOUND: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// What only a Convex backend is called: its images, and what they run.
const BACKEND: [&str; 4] =
    ["convex-backend", "self-hosted-backend", "run_backend.sh", "convex-local-backend"];

/// Whether one of the files that were to be read names a Convex backend.
pub(super) fn names_backend(
    asked: &ProjectRequest,
    errors: &Errors,
    directory: &Path,
    texts: &FileTexts,
) -> bool {
    let at_fault = errors.iter().filter_map(|error| Some(error.at.as_ref()?.file.to_path_buf()));
    let mut files: Vec<PathBuf> = at_fault.collect();
    if asked.compose_files.is_empty() {
        files.extend(FOUND.iter().map(|name| directory.join(name)));
    } else {
        files.extend(asked.compose_files.iter().map(|file| directory.join(file)));
    }
    are_named(&files, texts)
}

/// Whether one of the files names a Convex backend.
pub(super) fn are_named(files: &[PathBuf], texts: &FileTexts) -> bool {
    files.iter().any(|file| texts.read_as_node(file).text().is_some_and(is_named))
}

/// Whether a line that is not a comment names a Convex backend as a whole word.
fn is_named(text: &str) -> bool {
    let is_word = |rest: &str| {
        !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || matches!(next, '-' | '_'))
    };
    let code = |line: &&str| !line.trim_start().starts_with('#');
    text.lines().filter(code).any(|line| {
        BACKEND.iter().any(|name| {
            line.match_indices(name).any(|(at, found)| is_word(&line[at + found.len()..]))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_named_as_a_whole_word_outside_of_comments() {
        for (text, expected) in [
            ("    image: ghcr.io/get-convex/convex-backend:latest", true),
            ("    image: \"${IMAGE:-me/convex-backend}\"", true),
            ("{services: {b: {image: ghcr.io/get-convex/convex-backend}}", true),
            ("    command: ./run_backend.sh", true),
            ("    # image: ghcr.io/get-convex/convex-backend", false),
            ("    image: me/convex-backend-tools", false),
            ("    image: ghcr.io/get-convex/convex-dashboard", false),
            ("", false),
        ] {
            assert_eq!(is_named(text), expected, "{text}");
        }
    }
}
