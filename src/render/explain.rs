//! `explain`: what a finding means, or the answer to a question, from the Markdown text next to its
//! check or in `topics`.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use super::words::{sentence, wrap};

/// A group of the list: names with their titles.
#[derive(Debug)]
pub struct Section<'a> {
    /// What a reader calls the group.
    pub heading: &'a str,
    /// Each name (an id, a slug) with its title.
    pub entries: Vec<(String, String)>,
}

/// An explanation for a terminal of `width` columns. `kind` says what the name is; `text` is
/// Markdown of the few forms that the explanations use: headings, paragraphs, lists, fenced
/// commands. Commands keep their lines, and a code span is not broken.
pub fn page(name: &str, kind: &str, title: &str, text: &str, width: usize) -> String {
    let mut page = Page { out: String::new(), width, open: String::new(), headed: false };
    for line in wrap(&format!("{kind} {name}: {}", sentence(title)), width) {
        page.line(&line.bold().to_string());
    }
    let mut fenced = false;
    for line in text.lines() {
        let mark = line.split(' ').next().unwrap_or_default();
        if mark.starts_with("```") {
            page.flush();
            fenced = !fenced;
        } else if fenced {
            page.line(&format!("  {line}"));
        } else if mark == "#" {
            // The title is above.
        } else if mark == "##" || mark == "###" {
            page.flush();
            page.heading(line.trim_start_matches('#').trim_start());
        } else if line.is_empty() {
            page.flush();
            page.gap();
        } else if mark == "-" || is_number(mark) {
            page.flush();
            page.open.push_str(line);
        } else {
            if !page.open.is_empty() {
                page.open.push(' ');
            }
            page.open.push_str(line.trim_start());
        }
    }
    page.flush();
    page.out
}

/// Every name with its title, by sections, for a terminal of `width` columns.
pub fn list(sections: &[Section<'_>], width: usize) -> String {
    let mut page = Page { out: String::new(), width, open: String::new(), headed: false };
    page.open.push_str(
        "convex-doctor explain NAME, where NAME is a name below; or a question in your own words: \
         `convex-doctor explain why does my key change`",
    );
    page.flush();
    for section in sections {
        page.heading(section.heading);
        let column = section.entries.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        for (name, title) in &section.entries {
            let start = format!("  {name:<column$}  ");
            // A narrow terminal breaks the rest itself: better than a word per line.
            let room = width.saturating_sub(start.width()).max(20);
            for (index, line) in wrap(title, room).iter().enumerate() {
                let indent = " ".repeat(start.width());
                page.line(&format!("{}{line}", if index == 0 { &start } else { &indent }));
            }
        }
    }
    page.out
}

struct Page {
    out: String,
    width: usize,
    /// The paragraph or list item that is being read.
    open: String,
    /// Whether the last line is a heading.
    headed: bool,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.headed = false;
        let _infallible = writeln!(self.out, "{}", text.trim_end());
    }

    fn heading(&mut self, text: &str) {
        self.gap();
        self.line(&text.bold().to_string());
        self.headed = true;
    }

    /// A blank line, unless there is one already or a heading is right above.
    fn gap(&mut self) {
        if !self.headed && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Writes the open paragraph; the lines of a list item hang under its first.
    fn flush(&mut self) {
        let text = unbroken(&std::mem::take(&mut self.open));
        if text.is_empty() {
            return;
        }
        let mark = text.split(' ').next().unwrap_or_default();
        let indent = if mark == "-" || is_number(mark) { mark.len() + 1 } else { 0 };
        for (index, line) in
            wrap(&text[indent..], self.width.saturating_sub(indent)).iter().enumerate()
        {
            let start = if index == 0 { &text[..indent] } else { &" ".repeat(indent) };
            self.line(&format!("{start}{}", line.replace(HARD, " ")));
        }
    }
}

/// Stands for a blank at which no line is broken.
const HARD: char = '\u{a0}';

/// The text with hard blanks inside of its code spans.
fn unbroken(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts
        .map(|(at, part)| if at % 2 == 1 { part.replace(' ', "\u{a0}") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}

fn is_number(mark: &str) -> bool {
    mark.strip_suffix('.')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}
