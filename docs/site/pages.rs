//! The pages: one for each finding and topic, from the texts next to the checks, and one for each
//! document of the repository. A search for a line that the CLI or the backend printed finds the
//! findings that explain it, because the line is on their pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use convex_doctor::checks::{self, REGISTRY};
use convex_doctor::deployment::log_lines;
use convex_doctor::report::{CliFailure, Rule};
use convex_doctor::topics::{self, TOPICS, Topic};
use convex_doctor::transcript::{self, KnownLine};
use pulldown_cmark::{
    CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html,
};
use serde_json::Value;

const STYLE: &str = include_str!("style.css");
const TRANSCRIPTS: &str = include_str!("../../fixtures/cli-transcripts.json");
const SCHEMA: &str = include_str!("../report.schema.json");

/// A document of the repository: its path, and the name of its page.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    ("README.md", "index", include_str!("../../README.md")),
    ("docs/findings.md", "findings", include_str!("../findings.md")),
    ("docs/topics.md", "topics", include_str!("../topics.md")),
    ("docs/ci.md", "in-ci", include_str!("../ci.md")),
    ("docs/image.md", "in-a-container", include_str!("../image.md")),
    ("docs/support.md", "helping-others", include_str!("../support.md")),
    ("docs/architecture.md", "architecture", include_str!("../architecture.md")),
    ("docs/facts.md", "facts", include_str!("../facts.md")),
    ("SECURITY.md", "security", include_str!("../../SECURITY.md")),
    ("CONTRIBUTING.md", "contributing", include_str!("../../CONTRIBUTING.md")),
    ("CHANGELOG.md", "changelog", include_str!("../../CHANGELOG.md")),
];

/// Files that are published as they are.
const FILES: &[(&str, &str, &str)] = &[
    ("docs/report.schema.json", "report.schema.json", SCHEMA),
    ("LICENSE-MIT", "LICENSE-MIT.txt", include_str!("../../LICENSE-MIT")),
    ("LICENSE-APACHE", "LICENSE-APACHE.txt", include_str!("../../LICENSE-APACHE")),
];

/// The links above every page.
const NAVIGATION: &[(&str, &str)] = &[
    ("index", "convex-doctor"),
    ("messages", "Error messages"),
    ("topics", "Questions"),
    ("findings", "Findings"),
    ("in-ci", "CI"),
    ("in-a-container", "Container"),
    ("helping-others", "Support"),
    ("schema", "JSON"),
    ("security", "Security"),
    ("architecture", "Architecture"),
    ("facts", "Facts"),
    ("contributing", "Contributing"),
    ("changelog", "Changes"),
];

/// The kind of a block whose long lines are broken.
const MESSAGE: &str = "message";

/// Every file by its name.
pub(crate) fn all() -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("style.css".to_owned(), STYLE.to_owned())]);
    for (_, name, text) in FILES {
        files.insert((*name).to_owned(), (*text).to_owned());
    }
    let said = Said::new();
    let mut add = |name: &str, from: &str, text: &str| {
        files.insert(format!("{name}.html"), page(name, from, text));
    };
    for (path, name, text) in DOCUMENTS {
        add(name, path, text);
    }
    for rule in checks::rules() {
        add(rule.id, "", &of_rule(rule, &said));
    }
    for topic in TOPICS {
        add(topic.slug, "", &of_topic(topic, &said));
    }
    add("messages", "", &said.page());
    add("schema", "", &schema());
    files
}

/// What the CLI is known to print, each line as it was recorded where it was.
struct Said {
    lines: Vec<(&'static KnownLine, String)>,
}

impl Said {
    fn new() -> Self {
        let transcripts: Vec<Value> =
            serde_json::from_str(TRANSCRIPTS).expect("the recorded transcripts are JSON");
        let recorded: Vec<&str> = transcripts
            .iter()
            .flat_map(|one| ["stderr", "stdout"].map(|name| one[name].as_str().unwrap_or("")))
            .flat_map(str::lines)
            .collect();
        let lines = transcript::KNOWN.iter().map(|known| {
            let line = recorded.iter().find(|line| {
                transcript::known(line).is_some_and(|found| std::ptr::eq(found, known))
            });
            (known, line.map_or(known.text(), |line| line.trim()).to_owned())
        });
        Self { lines: lines.collect() }
    }

    /// The lines that report one of those failures, as a block of text.
    fn block(&self, reports: impl Fn(&KnownLine, &str) -> bool) -> String {
        let lines = self.lines.iter().filter(|(known, line)| reports(known, line));
        fenced(lines.map(|(_, line)| line.as_str()))
    }

    /// All of them, and what explains each.
    fn page(&self) -> String {
        let mut text = "# Error messages, and what explains them\n\n\
            What `npx convex` and a self-hosted backend print, and the findings of `convex-doctor` that can \
            explain it. `convex-doctor`, typed in the directory where `npx convex` fails, says which of them it \
            is. `…` stands for what differs.\n\n## Printed by `npx convex`\n"
            .to_owned();
        // Lines that mean the same, together.
        let mut meanings: Vec<(&KnownLine, Vec<&str>)> = Vec::new();
        for (known, line) in &self.lines {
            let same = |(one, _): &&mut (&KnownLine, Vec<&str>)| {
                (one.means, one.failure) == (known.means, known.failure)
            };
            match meanings.iter_mut().find(same) {
                Some((_, lines)) => lines.push(line),
                None => meanings.push((known, vec![line])),
            }
        }
        for (known, lines) in meanings {
            let block = fenced(lines.into_iter());
            let _infallible = write!(text, "\n{block}\n{}.\n", sentence(known.means));
            let causes = links(explaining(known.failure));
            if !causes.is_empty() {
                let _infallible = writeln!(text, "\nCan be: {causes}");
            }
        }
        text.push_str("\n## In the backend's log\n");
        for (example, means, id) in log_lines::examples() {
            let _infallible = write!(
                text,
                "\n{}\n{}.\n\nSee {}\n",
                fenced(example.lines()),
                sentence(means),
                link(id)
            );
        }
        text
    }
}

/// The causes that explain a failure of the CLI: first those that are about it alone.
fn explaining(failure: CliFailure) -> Vec<&'static str> {
    let causes = checks::rules().filter(|rule| rule.is_cause);
    let mut found: Vec<&Rule> = causes.filter(|rule| checks::explains(rule.id, failure)).collect();
    found.sort_by_key(|rule| !rule.explains.contains(&failure));
    found.into_iter().map(|rule| rule.id).collect()
}

/// A text of ours as a sentence begins.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// Lines as a block; nothing if there is none.
fn fenced<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> = lines.collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("````{MESSAGE}\n{}\n````\n", lines.join("\n"))
    }
}

fn link(name: &str) -> String {
    format!("[{name}]({name}.html)")
}

fn links<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(link).collect::<Vec<_>>().join(", ")
}

fn of_rule(rule: &Rule, said: &Said) -> String {
    let title = sentence(rule.title);
    let family = REGISTRY.iter().find(|family| family.rules().any(|one| one.id == rule.id));
    let heading = family.map_or("", |family| family.heading);
    // The heading of the text is the id.
    let body = rule.explain.trim_start_matches(&format!("# {}", rule.id));
    let mut text = format!("# {title}\n\n`{}` · {} · {heading}\n{body}\n", rule.id, rule.level);
    let printed = said.block(|known, _| rule.is_cause && checks::explains(rule.id, known.failure));
    let logged: Vec<&str> = log_lines::examples()
        .filter(|(_, _, id)| *id == rule.id)
        .map(|(line, _, _)| line)
        .collect();
    if !printed.is_empty() {
        let _infallible = write!(text, "\n## What `npx convex` may print\n\n{printed}");
    }
    if !logged.is_empty() {
        let lines = fenced(logged.into_iter().flat_map(str::lines));
        let _infallible = write!(text, "\n## What the backend's log may say\n\n{lines}");
    }
    let follows: Vec<&str> =
        checks::rules().filter(|one| one.causes.contains(&rule.id)).map(|one| one.id).collect();
    let topics: Vec<&str> = topics::naming(rule.id).map(|topic| topic.slug).collect();
    for (what, names) in
        [("Explains", rule.causes.to_vec()), ("Can follow from", follows), ("See also", topics)]
    {
        if !names.is_empty() {
            let _infallible = write!(text, "\n{what}: {}\n", links(names));
        }
    }
    text
}

fn of_topic(topic: &Topic, said: &Said) -> String {
    let body = topic.text.split("\nSee also:").next().unwrap_or_default();
    let printed =
        said.block(|_, line| topics::asked(line).iter().any(|found| found.slug == topic.slug));
    let mut text = body.to_owned();
    if !printed.is_empty() {
        let _infallible = write!(text, "\n## What `npx convex` may print\n\n{printed}");
    }
    let _infallible = write!(text, "\nSee also: {}\n", links(topic.see_also()));
    text
}

/// The fields of the report, from its schema.
fn schema() -> String {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut text = "# The JSON report\n\nWhat `convex-doctor --format json` prints follows \
        [this JSON Schema](report.schema.json). Within a `schema_version`, fields are only added.\n"
        .to_owned();
    fields(&mut text, "The report", &schema);
    for (name, one) in schema["$defs"].as_object().into_iter().flatten() {
        fields(&mut text, name, one);
    }
    text
}

/// One object of the schema, or one enumeration.
fn fields(text: &mut String, name: &str, object: &Value) {
    let about = |one: &Value| {
        one["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
    };
    let _infallible = write!(text, "\n## {name}\n\n{}\n", about(object));
    let Some(members) = object["properties"].as_object() else {
        let values = |one: &Value| match (&one["const"], &one["enum"]) {
            (Value::String(value), _) => vec![value.clone()],
            (_, Value::Array(all)) => {
                all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        let variants = object["oneOf"].as_array().into_iter().flatten();
        let mut all: Vec<(String, String)> = Vec::new();
        for one in std::iter::once(object).chain(variants) {
            all.extend(values(one).into_iter().map(|value| (value, about(one))));
        }
        for (value, means) in all {
            let means = if means == about(object) { String::new() } else { format!(": {means}") };
            let _infallible = write!(text, "\n- `{value}`{means}");
        }
        text.push('\n');
        return;
    };
    text.push_str("\n| field | meaning |\n|---|---|\n");
    for (field, one) in members {
        let _infallible = writeln!(text, "| `{field}` | {} |", about(one));
    }
}

/// The name of the page of a path in the repository, or of a file that is published.
fn address_of(path: &Path) -> Option<String> {
    let path = path.to_str()?;
    if let Some((_, name, _)) = DOCUMENTS.iter().find(|(known, _, _)| *known == path) {
        return Some(format!("{name}.html"));
    }
    if let Some((_, name, _)) = FILES.iter().find(|(known, _, _)| *known == path) {
        return Some((*name).to_owned());
    }
    let slug = path.strip_prefix("src/topics/")?.strip_suffix(".md")?;
    topics::topic(slug).map(|topic| format!("{}.html", topic.slug))
}

/// Where a link of a document leads: what is relative is a page, or a place in the repository of
/// which there is none.
fn resolve(from: &str, address: &str) -> String {
    if address.contains("://") || address.starts_with('#') || from.is_empty() {
        return address.to_owned();
    }
    let (path, fragment) = match address.split_once('#') {
        Some((path, fragment)) => (path, format!("#{fragment}")),
        None => (address, String::new()),
    };
    let mut joined = PathBuf::new();
    let parent = Path::new(from).parent().unwrap_or(Path::new(""));
    for part in parent.join(path).components() {
        match part {
            Component::ParentDir => {
                joined.pop();
            }
            part => joined.push(part),
        }
    }
    match address_of(&joined) {
        Some(page) => format!("{page}{fragment}"),
        None => address.to_owned(),
    }
}

/// Whether there is a page of a finding or a topic of that name.
fn is_page(name: &str) -> bool {
    checks::rules().any(|rule| rule.id == name) || topics::topic(name).is_some()
}

/// A heading's words as the end of an address.
fn fragment(words: &str) -> String {
    let kept = words.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// Markdown as a whole page. `from` is the path of the document, from which its links start.
fn page(name: &str, from: &str, text: &str) -> String {
    let events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES)
        // Marks for what is generated.
        .filter(|event| !matches!(event, Event::Html(_) | Event::InlineHtml(_)))
        .collect();
    let words = |events: &[Event<'_>]| -> String {
        let texts = events.iter().filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
            Event::SoftBreak => Some(" "),
            _ => None,
        });
        texts.collect()
    };
    let inside = |start: usize, end: &dyn Fn(&Event<'_>) -> bool| {
        let length = events[start..].iter().position(end).unwrap_or(0);
        words(&events[start..start + length])
    };
    let is_heading_end = |event: &Event<'_>| matches!(event, Event::End(TagEnd::Heading(_)));
    let is_paragraph_end = |event: &Event<'_>| matches!(event, Event::End(TagEnd::Paragraph));
    let first = |start: &dyn Fn(&Event<'_>) -> bool| events.iter().position(start);
    let title =
        first(&|event| matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })))
            .map_or_else(String::new, |at| inside(at, &is_heading_end));
    let description =
        first(&|event| matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H2, .. })))
            .filter(|_| is_page(name))
            .and_then(|at| {
                let next = events[at..]
                    .iter()
                    .position(|event| matches!(event, Event::Start(Tag::Paragraph)))?;
                Some(inside(at + next, &is_paragraph_end))
            })
            .unwrap_or_else(|| title.clone());

    let mut in_link = false;
    let mut shown = Vec::with_capacity(events.len());
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let id = fragment(&inside(at, &is_heading_end));
                shown.push(Event::Html(format!("<{level} id=\"{id}\">").into()));
            }
            Event::End(TagEnd::Heading(level)) => {
                shown.push(Event::Html(format!("</{level}>\n").into()));
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                in_link = true;
                shown.push(Event::Start(Tag::Link {
                    link_type: *link_type,
                    dest_url: CowStr::from(resolve(from, dest_url)),
                    title: title.clone(),
                    id: id.clone(),
                }));
            }
            Event::End(TagEnd::Link) => {
                in_link = false;
                shown.push(event.clone());
            }
            Event::Code(code) if !in_link && code.as_ref() != name && is_page(code) => {
                shown.push(Event::Html(
                    format!("<a href=\"{code}.html\"><code>{code}</code></a>").into(),
                ));
            }
            // What is wide scrolls by itself, also without a mouse.
            Event::Start(Tag::Table(_)) => {
                shown.push(Event::Html(
                    "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">"
                        .into(),
                ));
                shown.push(event.clone());
            }
            Event::End(TagEnd::Table) => {
                shown.push(event.clone());
                shown.push(Event::Html("</div>\n".into()));
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let message =
                    matches!(kind, CodeBlockKind::Fenced(what) if what.as_ref() == MESSAGE);
                let class = if message { " class=\"message\"" } else { "" };
                shown.push(Event::Html(format!("<pre{class} tabindex=\"0\"><code>").into()));
            }
            Event::End(TagEnd::CodeBlock) => shown.push(Event::Html("</code></pre>\n".into())),
            _ => shown.push(event.clone()),
        }
    }
    let mut body = String::new();
    html::push_html(&mut body, shown.into_iter());
    let mut navigation = String::new();
    for (page, words) in NAVIGATION {
        let here = if *page == name { " aria-current=\"page\"" } else { "" };
        let _infallible = writeln!(navigation, "<a href=\"{page}.html\"{here}>{words}</a>");
    }
    let title =
        if title.contains("convex-doctor") { title } else { format!("{title} · convex-doctor") };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"description\" content=\"{}\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n<nav aria-label=\"Pages\">\n{navigation}</nav>\n\
         <main>\n{body}</main>\n</body>\n</html>\n",
        escaped(&description),
        escaped(&title),
    )
}

/// Text in which HTML's own characters mean themselves.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    html::push_html(&mut out, std::iter::once(Event::Text(text.into())));
    out
}
