//! The words that a reader meets: one word for one thing, and plain English. Titles, pages, topics,
//! help, screens and documents are read for words that have a better one, and for their lengths.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads the repository")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::CommandFactory as _;
use convex_doctor::checks;
use convex_doctor::cli::Arguments;
use convex_doctor::render::explain;
use convex_doctor::topics::TOPICS;
use regex::Regex;

/// What is not written, and what is written instead.
const BETTER: &[(&str, &str)] = &[
    (r"mend(?:s|ed|ing)?", "fix"),
    (r"(?:made|makes|make) anew|anew|afresh", "recreate, again"),
    (r"nameless volumes?|volumes? without a name", "anonymous volume"),
    (r"(?:detached|unattached) volumes?", "unused volume"),
    (r"durable", "persistent"),
    (r"(?:stands|stand) in|(?:lies|lie) (?:in|at|outside)", "is in, is stored in"),
    (r"beside", "next to"),
    (r"nobody|somebody|whoever", "a noun, or the passive"),
    (
        r"is no (?:duration|directory|key|URL|valid|good|file|port|number|name|secret|JSON)",
        "is not a",
    ),
    (r"are no (?:keys|URLs|volumes|files)", "are not"),
    (r"comes? to nothing", "resolves to nothing"),
    (r"speaks? of", "points to, means"),
    (r"is told", "is reported, is configured with"),
    (r"in force", "the backend is running with"),
    (r"in (?:the )?place of", "instead of"),
    (r"seldom", "rarely"),
    (r"for ever", "endlessly"),
    (r"mostly", "usually"),
    (r"throw-away", "temporary"),
    (r"taken back", "rolled back"),
    (r"errands?", "step"),
    (r"log-in", "login"),
    (r"worth knowing", "for information"),
    (r"without a verdict|unseen", "not checked"),
    (r"not (?:seen|looked at)", "not checked"),
    (r"upstream(?:'s)?", "the official image"),
    (r"minting|mints|minted", "generate"),
    (r"the pair", "the self-hosted settings"),
    (r"no opinion", "counts as not set"),
    (r"goes on", "keeps running"),
    (r"opens with", "matches"),
    (r"(?:doesn|don|can|isn|aren|won|couldn|didn|hasn)'t", "no contractions"),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    // A word of an id, of an option or of a path has its hyphens and slashes.
    let whole = |words: &str| format!(r"(?i)(?:^|[^\w/-])(?:{words})(?:$|[^\w/-])");
    BETTER.iter().map(|(words, better)| (Regex::new(&whole(words)).unwrap(), *better)).collect()
});

/// The places of `text` that have a better word.
fn faults(what: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (pattern, better) in PATTERNS.iter() {
            if let Some(word) = pattern.find(line) {
                found.push(format!("{what}:{}: {:?}: {better}", number + 1, word.as_str().trim()));
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{directory}");
    files
}

#[test]
fn titles_and_pages_are_short_and_in_plain_words() {
    let mut found = Vec::new();
    for rule in checks::rules() {
        let title = rule.title;
        if title.chars().count() > 60 || title.ends_with('.') {
            found.push(format!("{}: a title has at most 60 characters, no stop: {title}", rule.id));
        }
        found.extend(faults(&format!("{}: title", rule.id), title));
        found.extend(faults(&format!("{}.md", rule.id), rule.explain));
        let page = explain::page(rule.id, &rule.level.to_string(), title, rule.explain, 80);
        if page.lines().count() > 30 {
            found.push(format!("{}.md: {} lines at 80 columns", rule.id, page.lines().count()));
        }
    }
    for topic in TOPICS {
        found.extend(faults(topic.slug, topic.text));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn help_is_in_plain_words_and_its_lines_are_short() {
    let mut found = Vec::new();
    let command = Arguments::command();
    let mut open = vec![command];
    while let Some(mut command) = open.pop() {
        let name = command.get_name().to_owned();
        found.extend(faults(&format!("help of {name}"), &command.render_long_help().to_string()));
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            // The limits that an option has are written behind it by the parser.
            if help.lines().next().unwrap_or_default().chars().count() > 100 {
                found.push(format!("{name}: {}: {help}", argument.get_id()));
            }
        }
        open.extend(command.get_subcommands().cloned());
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn screens_and_documents_are_in_plain_words() {
    let mut paths: Vec<PathBuf> = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(|it| root().join(it))
        .into();
    paths.extend(files("docs", "md"));
    paths.extend(files("tests/screens", "txt"));
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        // The rows of the topics hold the phrases that people type.
        let text = text.replace("| minting revoke,", "|");
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        found.extend(faults(&name, &text));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_list_finds_words_and_leaves_ids_alone() {
    let found = |text: &str| faults("x", text).len();
    assert_eq!(found("How to mend it"), 1);
    assert_eq!(found("The volume is durable, and stands in app_data."), 2);
    assert_eq!(found("key-not-minted, key-from-detached-volume, amendment"), 0);
}
