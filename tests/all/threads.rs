//! The report where people paste it: GitHub's own renderer and a real browser show the Markdown, and
//! the message for a chat makes nothing there that it should not. What programs read is read by a
//! program that people use.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests write pages and start other programs"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use convex_doctor::render::{brief, json, junit, markdown};
use convex_doctor::report::{Level, Link, LinkState, Report};
use convex_doctor::secret::{sanitize, sanitize_lines};

use crate::{formats, html, screens};

/// Names that would be markup, a link, a mention, a picture or a formula, or end what they are in.
const FOREIGN: &[&str] = &[
    "<script>alert(1)</script></summary></details></td></table> | x | \\| `a` ``b`` ```c``` \\",
    "@everyone @octocat, me@evil.example, <@123> #12 GH-3 octocat/hello#4 gh-5 (#6)",
    "![i](http://evil.example/x.png) [l](http://evil.example) ](http://evil.example) [^1]",
    "<http://evil.example> http://evil.example www.evil.example WWW.evil.example ftp://evil.example",
    "https://github.com/o/r/issues/1 mailto:me@evil.example xmpp:me@evil.example HTTPS://evil.example",
    "--> \"] end --- %%{init: {'theme':'dark'}}%% x\n```\n# x\n| a | b |\n|---|---|\n",
    "A:octocat: :+1: $x$ $`x`$ _a_ **b** ~~c~~ &lt; &amp; &#64; &copy; \\$",
    "<!-- <![CDATA[ <?x <!X",
    "- x",
    "+ x",
    "1. x",
    "12) x",
    "# x",
    "> x",
    "---",
    "===",
    "***",
    "~~~",
    "    xylo",
    "[ ] x",
    "[x]: http://evil.example",
    "`xylo",
    "` xylo `",
    "||x||",
    "-# x",
    "\u{1f4a5}\u{1f4a5}",
];

/// [`html::full`] with a chain whose nodes are different ones.
fn full(foreign: &str) -> Report {
    let mut report = html::full(foreign);
    let names = [foreign.to_owned(), format!("2 {foreign}"), format!("{foreign} 3"), "end".into()];
    let states = [LinkState::Broken, LinkState::Unknown, LinkState::Holds];
    let link = |index: usize| Link {
        from: names[index].clone(),
        to: names[index + 1].clone(),
        relation: foreign.to_owned(),
        state: states[index],
        why: foreign.to_owned(),
    };
    report.chain = (0..3).map(link).collect();
    report
}

/// Where the packages are that `.ci/run` installs.
fn installed(what: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/cache").join(what)
}

fn said(command: &mut Command) -> String {
    let ended = command.env("PYTHONPATH", installed("python")).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}\n{said}{errors}");
    said
}

/// The eight screens, and every foreign text wherever one can be.
#[tokio::test]
#[ignore = "needs Chromium, Node and GitHub's renderer"]
async fn github_shows_every_report() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().unwrap();
    // `SHOTS=DIRECTORY` keeps the pages, and pictures of them.
    let shots = std::env::var_os("SHOTS").map(PathBuf::from);
    let pages = shots.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(pages).unwrap();
    let write = |name: &str, report: &Report, foreign: Option<&str>| {
        let ends = report.chain.iter().flat_map(|link| [&link.from, &link.to]);
        let nodes: BTreeSet<String> = ends.map(|name| sanitize(name)).collect();
        let edges = report.chain.iter().map(|link| {
            let mark = match link.state {
                LinkState::Broken => "✗ ",
                LinkState::Unknown => "? ",
                LinkState::Holds => "",
            };
            format!("{mark}{}", sanitize(&link.relation))
        });
        let expected = serde_json::json!({
            "nodes": nodes,
            "edges": edges.collect::<Vec<_>>(),
            "foreign": foreign.map(sanitize_lines),
        });
        std::fs::write(pages.join(format!("{name}.json")), expected.to_string()).unwrap();
        std::fs::write(pages.join(format!("{name}.md")), markdown::render(report)).unwrap();
    };
    let reports = screens::sketched().await;
    assert_eq!(reports.len(), 8);
    for (name, report) in &reports {
        write(name, report, None);
    }
    write("plain", &full("Xylophone"), Some("Xylophone"));
    for (index, foreign) in FOREIGN.iter().enumerate() {
        write(&format!("foreign-{index}"), &full(foreign), Some(foreign));
    }
    let modules = installed("npm-html/node_modules");
    let style = modules.join("github-markdown-css/github-markdown-light.css");
    said(Command::new("python3").arg(root.join("tests/github/page.py")).arg(pages).arg(style));
    let check = root.join("tests/github/check.mjs");
    let said = said(Command::new("node").arg(check).arg(modules).arg(pages).args(&shots));
    let count = reports.len() + 1 + FOREIGN.len();
    assert!(said.ends_with(&format!("{count} reports are in order\n")), "{said}");
}

/// The eight screens, every fixture's report being too many to write again, and the hostile one.
#[tokio::test]
#[ignore = "needs Python's junitparser"]
async fn another_reader_of_junit_agrees_with_the_json() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut reports = screens::sketched().await;
    reports.push(("foreign", formats::report()));
    for (level, word) in
        [(Some(Level::Error), "error"), (Some(Level::Warning), "warning"), (None, "never")]
    {
        let place = tempfile::tempdir().unwrap();
        for (name, report) in &reports {
            let write = |ending: &str, text: String| {
                std::fs::write(place.path().join(format!("{name}.{ending}")), text).unwrap();
            };
            write("xml", junit::render(report, level));
            write("json", json::render(report));
        }
        let script = root.join("tests/junit/read.py");
        let said = said(Command::new("python3").arg(script).arg(place.path()).arg(word));
        assert_eq!(said, "9 reports are in order\n");
    }
}

/// What Discord takes: it may count in units of UTF-16.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What is wrong with a message for Discord, whatever it reports.
fn faults(message: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if units(message) > 2_000 {
        faults.push(format!("{} units", units(message)));
    }
    // In code, too: a server that looks for mentions does not parse Markdown.
    for mention in ["@everyone", "@here", "<@", "<#"] {
        if message.contains(mention) {
            faults.push(format!("{mention} mentions"));
        }
    }
    let mut in_code = false;
    for line in message.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            continue;
        }
        let start = line.trim_start();
        let digits = start.trim_start_matches(|c: char| c.is_ascii_digit());
        let numbered = digits.len() < start.len() && digits.starts_with(['.', ')']);
        if numbered || start.starts_with(['#', '>', '-', '+', '|']) || start.starts_with("* ") {
            faults.push(format!("a heading, a quote or a list: {line}"));
        }
        // Without code spans and escaped signs, no markup is left but the bold of our own.
        let (mut left, mut is_code) = (String::new(), false);
        let mut signs = line.chars();
        while let Some(c) = signs.next() {
            match c {
                '`' => is_code = !is_code,
                _ if is_code => {}
                '\\' => drop(signs.next()),
                c => left.push(c),
            }
        }
        if is_code {
            faults.push(format!("a code span is open: {line}"));
        }
        for markup in ["<", "||", "~~", "__", "](", "[", "https://", "http://", "|---"] {
            if left.contains(markup) {
                faults.push(format!("{markup} is markup: {line}"));
            }
        }
        if left.matches("**").count() % 2 == 1 || left.replace("**", "").contains(['*', '_']) {
            faults.push(format!("a stray star: {line}"));
        }
    }
    for markup in ["<details", "<summary", "```mermaid", "<sub"] {
        if message.contains(markup) {
            faults.push(format!("Discord has no {markup}"));
        }
    }
    if in_code {
        faults.push("a block of code is open".to_owned());
    }
    faults
}

/// The eight screens: the cause, its fix, the path and the versions are there.
#[tokio::test]
async fn a_chat_gets_cause_fix_path_and_versions() {
    for (name, report) in screens::sketched().await {
        let message = brief::render(&report);
        assert_eq!(faults(&message), [""; 0], "{name}: {message}");
        assert!(message.contains(concat!("convex-doctor ", env!("CARGO_PKG_VERSION"))), "{name}");
        if let Some(short) = &report.summary.chain {
            assert!(message.contains(&format!("`{} ", short.first)), "{name}: {message}");
            let last = &short.steps.last().unwrap().1;
            assert!(message.contains(&format!(" {last}`")), "{name}: {message}");
        }
        for field in ["cli_version", "node_version"] {
            let version = report.evidence["surroundings"][field].as_str();
            assert!(version.is_none_or(|it| message.contains(it)), "{name}: {message}");
        }
        if let Some(cause) = report.causes.first() {
            assert!(message.contains(&format!("(`{}`, ", cause.id)), "{name}: {message}");
            let remedy = &cause.remedies[0];
            assert!(message.contains("\nFix: "), "{name}: {message}");
            for command in &remedy.commands {
                assert!(message.contains(&format!("\n{command}\n")), "{name}: {message}");
            }
        }
    }
}

/// Foreign text of any kind and any length makes nothing in a chat, and the versions still fit.
#[test]
fn a_chat_makes_nothing_of_foreign_text() {
    let long =
        ["\u{1f4a5}", "`", "``` ", "\\", "@everyone", "a b ", "*", "\u{1f468}\u{200d}\u{1f469}"];
    let long = long.map(|part| part.repeat(4_000));
    for foreign in FOREIGN.iter().copied().chain(long.iter().map(String::as_str)) {
        let message = brief::render(&full(foreign));
        assert_eq!(faults(&message), [""; 0], "{message}");
        assert!(
            message.contains(concat!("`convex-doctor ", env!("CARGO_PKG_VERSION"))),
            "{message}"
        );
        assert!(message.contains("(`key-foreign`, "), "{message}");
    }
}
