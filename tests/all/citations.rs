//! What a comment or a page cites is there: every citation `docs/PAGE.md, NAME` is a heading of that
//! page, every fact of `docs/facts.md` is cited by the code, nothing cites a file that is not in the
//! repository, and the paths that the pages for contributors name exist.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the files of the repository"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Where citations are looked for.
const ROOTS: &[&str] = &[
    "src",
    "tests",
    "benches",
    "docs",
    ".ci",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "Cargo.toml",
    "clippy.toml",
];

/// Names of files and sections that exist outside the repository only.
const OUTSIDE: &[&str] = &[
    r"\bfacts/\w+",
    r"\bcatalogue §",
    r"\b(?:attacks|crates|design|distribution|failures|house|reports|screens|style|voice)\.md\b",
    r"\b(?:design|style|voice|house|screens)(?: |, )§",
];

/// The files of the repository that may cite, each with its text on one line: the marks of comments
/// are taken off, because a citation may be wrapped.
static TEXTS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for name in ROOTS {
        walk(&root.join(name), &mut paths);
    }
    // This file has the patterns.
    paths.retain(|path| !path.ends_with(Path::new(file!()).file_name().unwrap()));
    let mark = Regex::new(r"(?m)^[ \t]*(?://[/!]?|#+|\*)?[ \t]*").unwrap();
    let read = |path: PathBuf| {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        (name, mark.replace_all(&text, "").split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let texts: Vec<(String, String)> = paths.into_iter().map(read).collect();
    assert!(texts.len() > 200, "the files are where they were: {}", texts.len());
    texts
});

fn walk(path: &Path, paths: &mut Vec<PathBuf>) {
    if path.is_dir() {
        // `.ci` keeps downloads, and the fuzz crate what git ignores.
        let ignored = ["cache", "target", "corpus", "artifacts"];
        if path.file_name().is_some_and(|name| ignored.iter().any(|one| name == *one)) {
            return;
        }
        for entry in std::fs::read_dir(path).unwrap() {
            walk(&entry.unwrap().path(), paths);
        }
    } else {
        paths.push(path.to_owned());
    }
}

/// The headings of a page, or `None` if the page does not exist.
fn headings(page: &str) -> Option<BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(path).ok()?;
    let heading = |line: &str| {
        let name = line.trim_start_matches('#');
        (line.starts_with("##") && name.starts_with(' ')).then(|| name.trim().to_owned())
    };
    Some(text.lines().filter_map(heading).collect())
}

/// Each citation `docs/PAGE.md, NAME` with the file that has it. A name is one word with hyphens, or,
/// from a capital letter on, what a closing parenthesis, a comma or a full stop ends.
fn citations() -> Vec<(String, String, String)> {
    let pattern =
        Regex::new(r"`?(docs/[\w-]+\.md)`?, (?:([a-z]+(?:-[a-z0-9]+)+)|([A-Z][\w ]*)[).,;:])")
            .unwrap();
    let mut found = Vec::new();
    for (file, text) in TEXTS.iter() {
        for captures in pattern.captures_iter(text) {
            let name = captures.get(2).or_else(|| captures.get(3)).unwrap();
            found.push((file.clone(), captures[1].to_owned(), name.as_str().to_owned()));
        }
    }
    found
}

#[test]
fn every_citation_is_a_heading_of_its_page() {
    let mut pages: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    let mut complaints = Vec::new();
    let citations = citations();
    assert!(citations.len() > 20, "they are found: {citations:?}");
    for (file, page, name) in citations {
        let known = pages.entry(page.clone()).or_insert_with(|| headings(&page));
        if !known.as_ref().is_some_and(|known| known.contains(&name)) {
            complaints.push(format!("{file} cites {page}, {name}"));
        }
    }
    assert!(complaints.is_empty(), "no such heading:\n{}", complaints.join("\n"));
}

#[test]
fn every_fact_is_cited_by_the_code() {
    let page = "docs/facts.md";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let facts: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("### ")).map(str::trim).collect();
    assert!(facts.len() > 10, "the facts are found: {facts:?}");
    let citations = citations();
    let is_code = |file: &str| file.starts_with("src/") || file.starts_with("tests/");
    let in_code = citations.iter().filter(|(file, cited, _)| cited == page && is_code(file));
    let cited: BTreeSet<&str> = in_code.map(|(_, _, name)| name.as_str()).collect();
    let uncited: Vec<&&str> = facts.difference(&cited).collect();
    assert!(uncited.is_empty(), "no comment cites {uncited:?}: cite them, or delete them");
}

#[test]
fn nothing_cites_a_file_that_is_not_in_the_repository() {
    let outside: Vec<Regex> = OUTSIDE.iter().map(|text| Regex::new(text).unwrap()).collect();
    let page = Regex::new(r"\bdocs/[\w/-]+\.(?:md|json)\b").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut complaints = BTreeSet::new();
    for (file, text) in TEXTS.iter() {
        for found in outside.iter().flat_map(|pattern| pattern.find_iter(text)) {
            complaints.insert(format!("{file}: {}", found.as_str()));
        }
        for found in page.find_iter(text) {
            if !text[..found.start()].ends_with('/') && !root.join(found.as_str()).exists() {
                complaints.insert(format!("{file}: {}", found.as_str()));
            }
        }
    }
    let list: Vec<String> = complaints.into_iter().collect();
    assert!(list.is_empty(), "not in the repository:\n{}", list.join("\n"));
}

/// A page that names a path outlives the move of that file otherwise. A part in capitals is a
/// placeholder; what comes before it must exist.
#[test]
fn every_path_that_a_page_names_exists() {
    let pattern = Regex::new(r"`((?:src|tests|docs|fixtures|benches|\.ci)/[\w./-]*)`").unwrap();
    let placeholder = Regex::new(r"\b(?:ID|NAME|FAMILY|PAGE)\b.*$").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = BTreeSet::new();
    let mut seen = 0;
    for page in
        ["CONTRIBUTING.md", "README.md", "SECURITY.md", "docs/architecture.md", "docs/facts.md"]
    {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for captures in pattern.captures_iter(&text) {
            seen += 1;
            let path = placeholder.replace(&captures[1], "").into_owned();
            let path = path
                .rsplit_once('/')
                .filter(|(_, last)| last.ends_with('-'))
                .map_or(path.as_str(), |(folder, _)| folder);
            if !root.join(path).exists() {
                missing.insert(format!("{page}: {}", &captures[1]));
            }
        }
    }
    let list: Vec<String> = missing.into_iter().collect();
    assert!(seen > 40, "the paths are found: {seen}");
    assert!(list.is_empty(), "no such file or folder:\n{}", list.join("\n"));
}
