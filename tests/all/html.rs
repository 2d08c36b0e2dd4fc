//! The report as a page: foreign text makes no markup, nothing is loaded, and a real browser shows
//! it, on a telephone as on a desktop, with and without scripts, and on paper.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests write pages and start a browser"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use convex_doctor::render::html;
use convex_doctor::report::{
    Columns, Edit, Errand, Fact, Fate, Link, LinkState, Location, NextStep, Operation, Price,
    Remedy, Report, ShortChain, StoryEntry,
};

use crate::formats;

/// Elements that have no end.
const VOID: &[&str] = &["meta", "link", "br"];

/// What is wrong with a page, whatever it reports.
pub(crate) fn faults(page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut heading = 0;
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let Some(end) = rest.find('>') else { break };
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                faults.push(format!("</{name}> closes another element"));
            }
            continue;
        }
        if tag.starts_with('!') {
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            faults.push(format!("<{tag}> is not an element"));
        }
        let loads = ["src=", "srcset=", "href=\"http", "action=", "style=", "url(", " on"];
        if loads.iter().any(|one| format!(" {attributes}").contains(one)) {
            faults.push(format!("<{tag}> loads or runs something"));
        }
        if let Some(level) = name.strip_prefix('h').and_then(|level| level.parse::<u8>().ok()) {
            if level > heading + 1 {
                faults.push(format!("<{tag}> comes after a heading of level {heading}"));
            }
            heading = level;
        }
        // Their text is no markup.
        if ["style", "script", "title"].contains(&name) {
            rest = rest.find(&format!("</{name}>")).map_or("", |at| &rest[at..]);
        }
        if !VOID.contains(&name) && !attributes.ends_with('/') {
            // A paragraph ends before these, and its own end then closes nothing.
            let blocks = ["div", "p", "pre", "ul", "ol", "table", "figure", "article", "details"];
            if open.last().is_some_and(|last| last == "p") && blocks.contains(&name) {
                faults.push(format!("<{tag}> in a paragraph"));
            }
            open.push(name.to_owned());
        }
    }
    faults.extend(open.iter().map(|name| format!("<{name}> is not closed")));
    for once in ["<main>", "<h1>", "<html lang=\"en\">", "http-equiv=\"Content-Security-Policy\""] {
        if page.matches(once).count() != 1 {
            faults.push(format!("{once} is there {} times", page.matches(once).count()));
        }
    }
    faults
}

/// A report in which every part of the page has `foreign` in it, wherever it can be.
pub(crate) fn full(foreign: &str) -> Report {
    let mut report = formats::report();
    let text = || foreign.to_owned();
    let summary = &mut report.summary;
    let fact = Fact { label: text(), text: text(), source: text() };
    let step = NextStep { title: text(), command: Some(text()) };
    summary.headline = text();
    summary.facts = vec![fact.clone()];
    summary.fates = vec![fact];
    summary.before = Some(step.clone());
    summary.retry = Some(step);
    summary.caution = Some(text());
    summary.not_checked = vec![text()];
    summary.only = vec![text()];
    summary.passed = vec![(text(), 3)];
    summary.chain = Some(ShortChain { first: text(), steps: vec![(LinkState::Broken, text())] });
    let link = |state| Link { from: text(), to: text(), relation: text(), state, why: text() };
    report.chain = [LinkState::Broken, LinkState::Unknown, LinkState::Holds].map(link).into();
    let fates = [Fate::Lost, Fate::Recoverable, Fate::Unknown, Fate::Kept];
    report.persistence = fates
        .map(|fate| Operation {
            id: "up".to_owned(),
            command: text(),
            keys: fate,
            data: Fate::Kept,
            why: text(),
        })
        .into();
    report.story =
        vec![StoryEntry { at: "2026-11-27T11:00:00Z".to_owned(), what: text(), source: text() }];
    report.unknown.iter_mut().for_each(|one| one.reason = text());
    let edit = |new| Edit { file: text(), line: 3, line_hash: None, new };
    let errand = Errand { title: text(), places: vec![text()], commands: vec![text()] };
    let mut costly = Remedy::careful(text()).run(text()).edit([edit(Some(text())), edit(None)]);
    costly.price = Some(Price { dies: text(), stays: text() });
    let remedies = [
        Remedy::safe(text()).run(text()).step(),
        Remedy::safe(text()).step(),
        costly,
        Remedy::safe(text()).then([errand]),
    ];
    for finding in report.findings.iter_mut().chain(&mut report.causes) {
        finding.title = text();
        finding.detail = foreign.into();
        finding.evidence.clear();
        let marked = Location::File {
            file: text(),
            line: 7,
            column: 2,
            text: Some(text()),
            mark: Some(Columns { start: 2, end: 9 }),
        };
        *finding =
            finding.clone().because(foreign, foreign).at(Location::container(foreign)).at(marked);
        finding.remedies = remedies.to_vec();
    }
    report.causes[0].explains = vec!["url-refused".to_owned(), "image-unpinned".to_owned()];
    report
}

/// Names that would be an element, an attribute, the end of what they are in, or code.
const FOREIGN: &[&str] = &[
    "<script>alert(1)</script>",
    "\" onload=\"alert(1)\" x='",
    "</title></style></pre></svg><img src=http://evil.example/x>",
    "&lt;script&gt;",
    "a `b` <c> `d`",
    "]]> --> <!--",
];

#[test]
fn a_foreign_name_is_shown_and_makes_no_markup() {
    // However it is drawn, the elements are those of a name without any markup.
    let elements = |page: &str| {
        let name = |tag: &str| tag.split([' ', '>']).next().unwrap_or_default().to_owned();
        let body = page.split("<script>").next().unwrap();
        // A name takes as many lines of the picture as it needs, and its own code spans.
        let left_out = ["text", "/text", "code", "/code"];
        let tags = body.split('<').skip(1).map(name);
        tags.filter(|tag| !left_out.contains(&tag.as_str())).collect::<Vec<_>>()
    };
    let plain = html::render(&full("name"));
    assert_eq!(faults(&plain), [""; 0]);
    for foreign in FOREIGN {
        let page = html::render(&full(foreign));
        assert_eq!(faults(&page), [""; 0], "{foreign}");
        assert_eq!(elements(&page), elements(&plain), "{foreign}");
    }
}

#[test]
fn what_is_typed_is_there_as_it_is() {
    let command = "docker compose -f 'a&b <c>.yml' up -d";
    let page = html::render(&full(command));
    let written =
        "<pre class=\"command\">docker compose -f &#39;a&amp;b &lt;c&gt;.yml&#39; up -d</pre>";
    assert!(page.contains(written), "{page}");
}

#[test]
fn a_mark_splits_no_secret() {
    let _known = convex_doctor::secret::Secret::new("sw0rdfish-and-more");
    let page = html::render(&full("PW=sw0rdfish-and-more"));
    assert!(page.contains("PW=***"));
    assert!(!page.contains("ish-and-more"), "{page}");
}

#[test]
fn the_faults_of_a_page_are_seen() {
    let page = html::render(&full("name"));
    for (from, to) in [
        ("</main>", ""),
        ("<h2>", "<h4>"),
        ("<p class=\"detail\">", "<p class=\"detail\"><div>"),
        ("<dl>", "<dl style=\"color: red\">"),
        ("</figure>", "</figure><img src=\"x\">"),
        ("<html lang=\"en\">", "<html>"),
    ] {
        assert!(page.contains(from), "{from}");
        assert_ne!(faults(&page.replacen(from, to, 1)), [""; 0], "{from}");
    }
}

/// The eight screens, and a page of names without a space to break at.
#[tokio::test]
#[ignore = "needs Chromium and Node"]
async fn a_real_browser_shows_every_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().unwrap();
    // `SHOTS=DIRECTORY` keeps the pages, and pictures of them.
    let shots = std::env::var_os("SHOTS").map(PathBuf::from);
    let pages = shots.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(pages).unwrap();
    let mut reports = crate::screens::sketched().await;
    assert_eq!(reports.len(), 8);
    reports.push(("foreign", full(FOREIGN[0])));
    reports.push(("wide", full(&"0123456789abcdef".repeat(16))));
    for (name, report) in &reports {
        std::fs::write(pages.join(format!("{name}.html")), html::render(report)).unwrap();
    }
    let modules = std::env::var_os("HTML_MODULES")
        .map_or_else(|| root.join(".ci/cache/npm-html/node_modules"), Into::into);
    let ended = Command::new("node")
        .arg(root.join("tests/html/check.mjs"))
        .arg(&modules)
        .arg(pages)
        .args(&shots)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.ends_with("10 pages are in order\n"), "{said}");
}
