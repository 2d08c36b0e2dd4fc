//! Reads what `npx convex` would read, and leaves the choice to [`crate::selection`].

use std::collections::BTreeMap;
use std::path::Path;

use super::Request;
use super::files::{self, FileText};
use super::repository::CheckedFile;
use super::texts::FileTexts;
use crate::budget::VARIABLES;
use crate::deployment::endpoint::is_at_least;
use crate::evidence::selection::PackageJsonState;
use crate::evidence::surroundings::UnreadableFile;
use crate::secret::Secret;
use crate::selection::choose::{self, Flags, Selection, Sources};
use crate::selection::node_dotenv;

/// The selection with what was read for it.
pub(super) struct Selected {
    pub selection: Selection,
    /// The files that were read.
    pub files: Vec<CheckedFile>,
    /// The files that are there and could not be read.
    pub unreadable: Vec<UnreadableFile>,
}

/// The minor release 1.x that first reads CONVEX_DEPLOYMENT_TOKEN.
const TOKEN_SINCE: u32 = 38;

/// What the CLI of version `cli` would use in `directory`.
pub(super) fn select(
    request: &Request,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
    cli: Option<&str>,
) -> Selected {
    let mut unreadable = Vec::new();
    let mut read_files = Vec::new();
    let mut read = |name: &str| match &*texts.read_as_node(&directory.join(name)) {
        FileText::Text(text) if node_dotenv::is_too_long(text) => {
            let reason = format!("it has more than {VARIABLES} variables");
            unreadable.push(UnreadableFile { file: name.to_owned(), reason, utf16: false });
            None
        }
        FileText::Text(text) => {
            let file = CheckedFile { name: name.to_owned(), text: text.clone(), is_env: true };
            read_files.push(file);
            Some(choose::FileText::new(name, text.clone()))
        }
        FileText::Missing => None,
        FileText::Unreadable(reason) => {
            let reason = reason.clone();
            let utf16 = reason == files::UTF16;
            unreadable.push(UnreadableFile { file: name.to_owned(), reason, utf16 });
            None
        }
    };
    let env_file = request.cli.env_file.as_ref().map(|path| {
        let name = path.to_string_lossy().into_owned();
        let file = read(&name);
        (name, file)
    });
    let sources = Sources {
        process_env: environment.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
        env_local: read(".env.local"),
        env: read(".env"),
        env_file,
        flags: Flags {
            url: request.cli.url.clone(),
            admin_key: request.cli.admin_key.as_ref().map(|key| Secret::new(key.expose())),
        },
        unknown: request.cli.unknown.clone(),
        package_json: package_json(directory, texts),
        ignores_token: cli.and_then(|cli| is_at_least(cli, TOKEN_SINCE)) == Some(false),
    };
    Selected { selection: choose::select(&sources), files: read_files, unreadable }
}

fn package_json(directory: &Path, texts: &FileTexts) -> PackageJsonState {
    use crate::evidence::Observation;
    use crate::evidence::surroundings::PackageJson;
    match super::surroundings::package_json(directory, texts) {
        Observation::Seen(PackageJson::Here { depends_on_convex: true }) => {
            PackageJsonState::WithConvex
        }
        Observation::Seen(PackageJson::Here { depends_on_convex: false }) => {
            PackageJsonState::WithoutConvex
        }
        Observation::Seen(PackageJson::Missing { .. }) => PackageJsonState::Missing,
        Observation::Unavailable { .. } => PackageJsonState::Unreadable,
    }
}
