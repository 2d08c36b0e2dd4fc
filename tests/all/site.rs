//! The published pages: each finding and topic has one, what links to it leads there, and a line that
//! the CLI or the backend printed is on the page that explains it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests write and read pages"
)]

#[path = "../../docs/site/pages.rs"]
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use convex_doctor::checks;
use convex_doctor::deployment::log_lines;
use convex_doctor::docs;
use convex_doctor::topics::TOPICS;
use convex_doctor::transcript;
use serde_json::Value;

static ALL: LazyLock<BTreeMap<String, String>> = LazyLock::new(pages::all);

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// What a reader sees.
fn text(page: &str) -> String {
    let body = page.split("<main>").nth(1).unwrap();
    let texts: String =
        body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    signs.into_iter().fold(texts, |text, (escaped, sign)| text.replace(escaped, sign))
}

fn html() -> impl Iterator<Item = (&'static str, &'static str)> {
    let pages = ALL.iter().filter(|(_, page)| page.starts_with("<!DOCTYPE html>"));
    pages.map(|(name, page)| (name.as_str(), page.as_str()))
}

fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_finding_and_topic_has_its_page() {
    let slugs = TOPICS.iter().map(|topic| topic.slug);
    let mut complaints = Vec::new();
    for name in checks::rules().map(|rule| rule.id).chain(slugs).chain(["index"]) {
        let address = docs::page(name);
        let file = address.rsplit('/').next().unwrap();
        if !ALL.contains_key(file) {
            complaints.push(format!("{address} is no page"));
        }
    }
    none(&complaints);
}

#[test]
fn every_link_leads_somewhere_and_every_page_is_led_to() {
    let mut complaints = Vec::new();
    let mut led_to = BTreeSet::from(["index.html"]);
    for (name, page) in html() {
        let ids: Vec<&str> = values(page, "id");
        if ids.len() != ids.iter().collect::<BTreeSet<_>>().len() {
            complaints.push(format!("{name}: an id twice: {ids:?}"));
        }
        for link in values(page, "href").into_iter().chain(values(page, "src")) {
            if link.starts_with("https://") || link.starts_with("http://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name } else { file };
            match ALL.get(file) {
                None => complaints.push(format!("{name}: {link} leads nowhere")),
                Some(target)
                    if !fragment.is_empty() && !values(target, "id").contains(&fragment) =>
                {
                    complaints.push(format!("{name}: {link}: there is no such heading"));
                }
                Some(_) => {
                    if file != name {
                        led_to.insert(file);
                    }
                }
            }
        }
        if page.matches("<h1").count() != 1 || page.contains("<title> ·") {
            complaints.push(format!("{name} has no heading, or several"));
        }
        if page.contains("<script") || page.contains(" style=") {
            complaints.push(format!("{name} holds what its policy forbids"));
        }
    }
    let alone = ALL.keys().filter(|name| !led_to.contains(name.as_str()));
    complaints.extend(alone.map(|name| format!("no page leads to {name}")));
    none(&complaints);
}

/// What was recorded of the CLI, and known, is text on a page; so is the part of every known line
/// that is the same in every version, and every known line of the backend's log.
#[test]
fn a_search_for_a_message_finds_what_explains_it() {
    let recorded: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/cli-transcripts.json")).unwrap();
    let texts: BTreeMap<&str, String> = html().map(|(name, page)| (name, text(page))).collect();
    let mut complaints = Vec::new();
    let mut met = 0;
    for run in &recorded {
        for line in ["stderr", "stdout"].iter().flat_map(|it| run[*it].as_str().unwrap().lines()) {
            let Some(known) = transcript::known(line) else { continue };
            met += 1;
            let explained: Vec<&str> = checks::rules()
                .filter(|rule| rule.is_cause && checks::explains(rule.id, known.failure))
                .map(|rule| rule.id)
                .collect();
            for part in known.text().split('…').filter(|part| !part.is_empty()) {
                let missing = explained
                    .iter()
                    .filter(|id| !texts[format!("{id}.html").as_str()].contains(part));
                complaints.extend(missing.map(|id| format!("{id}.html has no `{part}`")));
            }
        }
    }
    assert!(met > 40, "the transcripts hold known lines: {met}");
    for known in transcript::KNOWN {
        let parts = known.text().split('…');
        if !parts.into_iter().all(|part| texts["messages.html"].contains(part)) {
            complaints.push(format!("messages.html has no `{}`", known.text()));
        }
    }
    for (line, _, id) in log_lines::examples() {
        for page in ["messages.html".to_owned(), format!("{id}.html")] {
            if !line.lines().all(|line| texts[page.as_str()].contains(line)) {
                complaints.push(format!("{page} has no `{line}`"));
            }
        }
    }
    // What people type into a search, word by word.
    for (line, page) in [
        ("BadAdminKey: The provided admin key was invalid for this instance", "bad-admin-key.html"),
        ("BadAdminKey: The provided admin key was invalid for this instance", "key-foreign.html"),
        ("TypeError: fetch failed", "fetch-failed.html"),
        ("TypeError: fetch failed", "url-refused.html"),
    ] {
        if !texts[page].contains(line) {
            complaints.push(format!("{page} has no `{line}`"));
        }
    }
    complaints.sort();
    complaints.dedup();
    none(&complaints);
}

/// Writes the pages, as `cargo run --example convex-pages` does, and shows some of each kind to a
/// real browser.
#[test]
#[ignore = "needs Chromium and two npm packages; .ci/run has them"]
fn a_real_browser_shows_the_pages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    for (name, page) in ALL.iter() {
        std::fs::write(directory.path().join(name), page).unwrap();
    }
    let modules = std::env::var("HTML_MODULES")
        .unwrap_or_else(|_| root.join(".ci/cache/npm-html/node_modules").display().to_string());
    let status = Command::new("node")
        .arg(root.join("tests/html/site.mjs"))
        .args([Path::new(&modules), directory.path()])
        .status()
        .unwrap();
    assert!(status.success());
}
