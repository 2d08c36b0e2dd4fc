//! What is generated and kept in the repository says what the code says. `UPDATE=1 cargo test
//! --test generated` rewrites it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test compares files of the repository"
)]

use std::fmt::Write as _;
use std::path::Path;

use convex_doctor::checks::{self, REGISTRY, RETIRED};
use convex_doctor::topics::TOPICS;

fn compare(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let line = kept.lines().zip(expected.lines()).position(|(one, other)| one != other);
    assert!(
        kept == expected,
        "{name} is not what the code says (first at line {:?}); UPDATE=1 cargo test generated",
        line.map(|line| line + 1)
    );
}

/// The list of all ids: a renamed or lost one shows here in review.
#[test]
fn the_table_of_findings_is_the_registry() {
    let total = checks::rules();
    let mut page = format!(
        "# Findings\n\n\
         Generated from the registry by `UPDATE=1 cargo test generated`; do not edit.\n\n\
         {} ids. An id is public and stable: `--ignore ID` and scripts may rely on it. `convex-doctor explain ID` says what a \
         finding means, how to fix it, what not to do, and how it is detected.\n\n\
         **Level** is the usual one; a finding may have a lower one. **Cause** ● can be the answer to \"why does my key fail, why does \
         the CLI not reach my backend\"; those of level error compete for the top of the report. **Explains** names the findings that follow \
         from this one and are folded under it.\n",
        total.count()
    );
    for family in REGISTRY {
        let mut rules: Vec<_> = family.rules().collect();
        rules.sort_by_key(|rule| rule.id);
        let _infallible = write!(
            page,
            "\n## {}\n\nFamily `{}`, {} ids.\n\n| id | level | cause | title | explains |\n|---|---|---|---|---|\n",
            family.heading,
            family.name,
            rules.len()
        );
        for rule in rules {
            let causes: Vec<String> = rule.causes.iter().map(|id| format!("`{id}`")).collect();
            let _infallible = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                rule.id,
                rule.level,
                if rule.is_cause { "●" } else { "" },
                rule.title.replace('|', "\\|").replace('<', "&lt;"),
                causes.join(", ")
            );
        }
    }
    if !RETIRED.is_empty() {
        page.push_str("\n## Renamed\n\n| old id | now |\n|---|---|\n");
        for (old, new) in RETIRED {
            let _infallible = writeln!(page, "| `{old}` | `{new}` |");
        }
    }
    compare("docs/findings.md", &page);
}

/// The list of all topics, with the phrases that find them.
#[test]
fn the_table_of_topics_is_the_registry() {
    let mut page = format!(
        "# Topics\n\n\
         Generated from the registry by `UPDATE=1 cargo test generated`; do not edit.\n\n\
         {} answers to common questions. `convex-doctor explain TOPIC` prints one, and so does a question that holds one of its \
         phrases: `convex-doctor explain why does my key change`.\n\n\
         | topic | question | phrases |\n|---|---|---|\n",
        TOPICS.len()
    );
    for topic in TOPICS {
        let _infallible = writeln!(
            page,
            "| [`{0}`](../src/topics/{0}.md) | {1} | {2} |",
            topic.slug,
            topic.title(),
            topic.aliases.join(", ")
        );
    }
    compare("docs/topics.md", &page);
}

/// `page` with other lines between `<!-- name -->` and `<!-- /name -->`.
fn between(page: &str, name: &str, text: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = page.find(&open).expect("the page has the mark") + open.len();
    let end = page.find(&close).expect("the page has the mark's end");
    format!("{}{text}{}", &page[..start], &page[end..])
}

/// The report of the demo, but for its port and its duration, and the families with their counts.
#[test]
fn the_readme_shows_what_the_program_shows() {
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(["demo", "--color", "never"])
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let port = report.split("127.0.0.1:").nth(1).unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let time = report.rsplit("· ").next().unwrap();
    let report = report.replace(&port, "38457").replace(time, "0.01 s\n");
    let lines: String = report.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let page = between(&kept, "report", &format!("```text\n{lines}```\n"));

    let mut table = String::from("| family | ids |\n|---|---|\n");
    let mut total = 0;
    for family in REGISTRY {
        let count = family.rules().count();
        total += count;
        if count > 0 {
            let _infallible = writeln!(table, "| {} | {count} |", family.heading);
        }
    }
    let table =
        format!("{total} findings; [docs/findings.md](docs/findings.md) lists them:\n\n{table}");
    compare("README.md", &between(&page, "families", &table));
}
