//! The floors of the crate (`src/lib.rs`): every import points down, and the outside is touched
//! only where that is said.
//!
//! It reads the sources as text: doc comments, comments and the trailing `#[cfg(test)] mod tests`
//! of a file do not count.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reads the sources"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each module at the top of the crate with those it may import. What is not named here may not be
/// imported.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // 1: know nothing of the rest
    ("docs", &[]),
    ("secret", &["docs"]),
    ("names", &[]),
    ("report", &["docs"]),
    ("foreign", &["secret", "budget"]),
    ("budget", &[]),
    ("files", &["budget"]),
    ("signals", &["files"]),
    ("docker", &["secret", "names", "budget"]),
    // 1: libraries that could be crates of their own
    ("admin_key", &["secret"]),
    ("compose", &["budget"]),
    ("topics", &[]),
    // 2: plain data
    ("evidence", &["secret", "report", "admin_key", "names"]),
    // 3: what the evidence means
    ("deployment", &["secret", "names", "report", "admin_key", "evidence"]),
    // 4: fixes as typed data
    ("remedies", &["secret", "names", "report", "evidence", "deployment"]),
    // 4: pure
    ("selection", &["secret", "budget", "foreign", "names", "report", "admin_key", "evidence"]),
    ("bundle", &["budget", "foreign", "evidence", "deployment"]),
    ("render", &["secret", "docs", "report", "admin_key", "evidence", "bundle"]),
    (
        "fix",
        &["secret", "foreign", "names", "report", "admin_key", "compose", "evidence", "selection"],
    ),
    ("transcript", &["secret", "budget", "foreign", "report", "evidence"]),
    // 5: one file per check
    ("checks", &["secret", "names", "report", "admin_key", "evidence", "deployment", "remedies"]),
    // 6: looking, and judging together; neither knows the other
    (
        "collect",
        &[
            "secret",
            "budget",
            "files",
            "foreign",
            "names",
            "docker",
            "report",
            "admin_key",
            "compose",
            "evidence",
            "selection",
            "deployment",
        ],
    ),
    (
        "diagnosis",
        &["secret", "foreign", "names", "report", "evidence", "deployment", "remedies", "checks"],
    ),
    ("act", &["secret", "budget", "files", "signals", "names", "docker", "transcript"]),
    ("demo", &["secret", "names", "admin_key"]),
    // 7
    ("output", &["secret", "budget"]),
    (
        "cli",
        &[
            "secret",
            "budget",
            "files",
            "foreign",
            "names",
            "report",
            "admin_key",
            "compose",
            "evidence",
            "selection",
            "deployment",
            "remedies",
            "checks",
            "topics",
            "render",
            "transcript",
            "bundle",
            "fix",
            "docker",
            "collect",
            "diagnosis",
            "act",
            "demo",
            "output",
        ],
    ),
];

/// Where the outside is touched: files, the environment, processes, clocks, sockets, the terminal.
const MAY_DO_IO: &[&str] =
    &["budget", "files", "docker", "collect", "act", "demo", "output", "main"];

/// What touches the outside, as it stands in a source.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::process::",
    "std::env::",
    "std::net::Tcp",
    "std::os::unix::net",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "dbg!",
    "io::stdin",
    "io::stdout",
    "io::stderr",
];

/// A source file without its tests and comments.
struct Source {
    path: String,
    /// The module at the top of the crate that it belongs to; `main` and `lib` are themselves.
    module: String,
    /// Line number and text.
    lines: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths.retain(|path| !is_for_tests(path));
    let sources: Vec<Source> = paths.iter().map(|path| read(&root, path)).collect();
    assert!(sources.len() > 50, "the sources are where they were");
    sources
}

/// Whether the file's own module, or one that it is in, is declared under `#[cfg(test)]` in the
/// `mod.rs` next to it.
fn is_for_tests(path: &Path) -> bool {
    let declared = |path: &Path| {
        let parent = std::fs::read_to_string(path.with_file_name("mod.rs")).ok()?;
        let declaration = format!("mod {};", path.file_stem()?.to_string_lossy());
        let lines: Vec<&str> = parent.lines().collect();
        let under_test =
            |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].ends_with(&declaration);
        Some(lines.windows(2).any(under_test))
    };
    path.ancestors().take_while(|it| !it.ends_with("src")).any(|it| declared(it) == Some(true))
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(root: &Path, path: &Path) -> Source {
    let relative = path.strip_prefix(root).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
    let module = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    Source { path: relative.display().to_string(), module, lines: production(&text) }
}

/// The lines that end up in the program. An item under `#[cfg(test)]` ends with the brace in the
/// attribute's own column (rustfmt puts it there), or is one line.
fn production(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut all = text.lines().enumerate();
    while let Some((number, line)) = all.next() {
        let bare = line.trim_start();
        if bare.starts_with("#[cfg(test)]") || bare.starts_with("#[cfg(all(test") {
            let indent = &line[..line.len() - bare.len()];
            let close = format!("{indent}}}");
            for (_, line) in all.by_ref() {
                let own_column = line.len() - line.trim_start().len() == indent.len();
                if line == close || (own_column && line.ends_with(';')) {
                    break;
                }
            }
            continue;
        }
        if !bare.starts_with("//") {
            lines.push((number + 1, without_trailing_comment(line).to_owned()));
        }
    }
    lines
}

/// A `//` behind code; one inside of a text (`http://`) follows a colon.
fn without_trailing_comment(line: &str) -> &str {
    line.find(" // ").map_or(line, |at| &line[..at])
}

/// Every module named after `crate::`, the braces of `use crate::{a, b::c}` opened.
fn imports(source: &Source) -> BTreeSet<(usize, String)> {
    let mut text = String::new();
    let mut starts = Vec::new();
    for (number, line) in &source.lines {
        starts.push((text.len(), *number));
        text.push_str(line);
        text.push('\n');
    }
    let line_at = |at: usize| starts.iter().rev().find(|(start, _)| *start <= at).unwrap().1;
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue; // some_crate::
        }
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                found.insert((line_at(at), word(rest)));
            }
            Some(group) => {
                for name in top_level(group) {
                    found.insert((line_at(at), word(name.trim_start())));
                }
            }
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The parts of `a, b::{c, d}, e}` that no inner brace holds.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[test]
fn every_import_points_down() {
    let mut faults = Vec::new();
    for source in sources() {
        if matches!(source.module.as_str(), "main" | "lib") {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == source.module) else {
            faults.push(format!("src/{}: on which floor is {}?", source.path, source.module));
            continue;
        };
        for (line, name) in imports(&source) {
            // A macro or a constant of the crate's root would have no floor.
            if name != source.module && !allowed.contains(&name.as_str()) {
                faults
                    .push(format!("src/{}:{line}: {} imports {name}", source.path, source.module));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// A check family imports no other family: what two of them ask is answered in `deployment`.
#[test]
fn no_check_family_imports_another() {
    let mut faults = Vec::new();
    for source in sources() {
        let mut parts = source.path.split('/');
        let (Some("checks"), Some(family), Some(_)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        for (line, text) in &source.lines {
            for (at, _) in text.match_indices("crate::checks::") {
                let name = word(&text[at + "crate::checks::".len()..]);
                let is_family = name.chars().next().is_some_and(char::is_lowercase)
                    && name != family
                    && !matches!(name.as_str(), "run_all_but" | "rules");
                if is_family {
                    faults.push(format!("src/{}:{line}: imports family {name}", source.path));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_outside_is_touched_only_where_it_is_said() {
    let mut faults = Vec::new();
    for source in sources() {
        if MAY_DO_IO.contains(&source.module.as_str()) {
            continue;
        }
        for (line, text) in &source.lines {
            for word in OUTSIDE {
                let found = text.match_indices(word).any(|(at, _)| {
                    let before = text[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                });
                if found {
                    faults.push(format!("src/{}:{line}: {}", source.path, text.trim()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let text = "//! crate::cli\nuse crate::{report::{A, B}, secret};\n#[cfg(test)]\nuse crate::demo;\nfn f() { crate::evidence::x() }\n\
                #[cfg(test)]\nmod tests {\n    use crate::collect;\n}\nfn g() {} // crate::cli\nuse foo_crate::cli;\n";
    let source = Source { path: String::new(), module: String::new(), lines: production(text) };
    let found: Vec<(usize, String)> = imports(&source).into_iter().collect();
    let expected = [(2, "report"), (2, "secret"), (5, "evidence")];
    assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
}
