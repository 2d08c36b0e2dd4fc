//! The files of the project that may hold a key: each directory to a depth, within bounds, nothing
//! behind a link.
#![allow(clippy::disallowed_methods, reason = "the collector lists directories")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::surroundings::is_env_file;
use super::variables;

/// So many directories below a top are gone into.
const LEVELS: usize = 4;
/// So many entries of all directories are read.
const ENTRIES: usize = 20_000;
/// Directories that hold what was fetched or made, and git's own.
const HEAPS: &[&str] = &[
    "node_modules",
    ".git",
    "target",
    ".next",
    ".nuxt",
    ".turbo",
    ".cache",
    ".venv",
    "venv",
    "__pycache__",
    ".yarn",
    ".pnpm-store",
];
/// Endings of files that are not text, or that are generated.
const NO_TEXT: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "pdf", "zip", "gz", "tgz", "tar", "xz",
    "zst", "woff", "woff2", "ttf", "otf", "mp3", "mp4", "mov", "webm", "wasm", "so", "dylib",
    "dll", "exe", "node", "sqlite3", "db", "lock", "map",
];

/// A file that may hold a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WalkedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path from the top, with `/`.
    pub inside: String,
    /// Whether it is in a work tree within the work tree, of which the outer git says nothing.
    pub is_nested: bool,
}

/// What was found, the likeliest first.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub files: Vec<WalkedFile>,
    /// Whether a bound was met.
    pub is_cut: bool,
}

/// The files below each of `tops`, each once; the names are from the last top, which is above the
/// others or the same.
pub(super) fn walk(tops: &[&Path], deadline: Instant) -> Walked {
    let mut walked = Walked::default();
    let Some(root) = tops.last() else { return walked };
    let mut seen = BTreeSet::new();
    let mut entries = 0;
    for top in tops {
        // Breadth first: what is near counts more where a bound is met.
        let mut level = vec![(top.to_path_buf(), false)];
        for depth in 0..=LEVELS {
            let mut below = vec![];
            for (directory, is_nested) in level {
                if !seen.insert(directory.clone()) && depth > 0 {
                    continue;
                }
                let listed = std::fs::read_dir(&directory).into_iter().flatten().flatten();
                for entry in listed {
                    entries += 1;
                    if entries > ENTRIES || Instant::now() > deadline {
                        walked.is_cut = true;
                        return sorted(walked);
                    }
                    // Of the entry itself: a link is neither.
                    let Ok(kind) = entry.file_type() else { continue };
                    let path = entry.path();
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if kind.is_dir() && !HEAPS.contains(&name.as_str()) {
                        let is_nested = is_nested || path != **root && path.join(".git").exists();
                        below.push((path, is_nested));
                    } else if kind.is_file() && !is_no_text(&name) && !seen.contains(&path) {
                        let inside = path.strip_prefix(root).unwrap_or(&path);
                        let inside = inside.to_string_lossy().replace('\\', "/");
                        seen.insert(path.clone());
                        walked.files.push(WalkedFile { path, inside, is_nested });
                    }
                }
            }
            level = below;
        }
        // Deeper than that is not looked at, and usually code.
    }
    sorted(walked)
}

fn sorted(mut walked: Walked) -> Walked {
    walked.files.sort_by_cached_key(|file| {
        let depth = file.inside.matches('/').count();
        (rank(&file.inside), depth, file.inside.clone())
    });
    walked
}

/// Env files, then what machines read, then all the rest.
fn rank(path: &str) -> u8 {
    let name = path.rsplit('/').next().unwrap_or(path);
    let read_by_machines = [
        "yml", "yaml", "toml", "json", "sh", "bash", "zsh", "fish", "ps1", "bat", "cmd", "tf",
        "tfvars",
    ];
    if is_env_file(name) {
        0
    } else if variables::is_of_interest(path)
        || has_extension(name, &read_by_machines)
        || !name.contains('.')
    {
        1
    } else {
        2
    }
}

fn is_no_text(name: &str) -> bool {
    has_extension(name, NO_TEXT)
}

fn has_extension(name: &str, known: &[&str]) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| known.iter().any(|one| extension.eq_ignore_ascii_case(one)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn what_is_walked_and_in_which_order() {
        let top = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.env"), "x").unwrap();
        for file in [
            "src/a.ts",
            "apps/web/.env.local",
            ".github/workflows/deploy.yml",
            ".env.production",
            "node_modules/x/.env",
            ".git/config",
            "sub/target/x.env",
            "a/b/c/d/.env",
            "a/b/c/d/e/.env",
            "logo.PNG",
            "inner/.git/HEAD",
            "inner/.env",
        ] {
            let path = top.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.path(), top.path().join("linked")).unwrap();
            std::os::unix::fs::symlink(outside.path().join("secret.env"), top.path().join("l.env"))
                .unwrap();
        }
        let web = top.path().join("apps/web");
        let walked = walk(&[&web, top.path()], soon());
        let names: Vec<_> = walked.files.iter().map(|file| file.inside.as_str()).collect();
        assert_eq!(
            names,
            [
                ".env.production",
                "inner/.env",
                "apps/web/.env.local",
                "a/b/c/d/.env",
                ".github/workflows/deploy.yml",
                "src/a.ts"
            ]
        );
        let nested: Vec<_> = walked
            .files
            .iter()
            .filter(|file| file.is_nested)
            .map(|file| file.inside.as_str())
            .collect();
        assert_eq!(nested, ["inner/.env"]);
        assert!(!walked.is_cut);
        // Its own four levels count for the directory, those of the top for the rest.
        let deep = top.path().join("a/b/c/d");
        assert!(
            walk(&[&deep, top.path()], soon())
                .files
                .iter()
                .any(|file| file.inside == "a/b/c/d/e/.env")
        );
        let late = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        assert!(walk(&[top.path()], late).is_cut);
    }
}
