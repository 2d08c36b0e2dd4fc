//! The path from the URL to the key: a picture, and the same in words.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::machine::clean;
use super::super::words::{self, wrap};
use super::markup::Page;
use crate::report::{Link, LinkState};

/// The width of the picture; it fits a telephone.
const WIDTH: usize = 320;
/// So many columns of the picture's type fit a box, and so many lines of it are shown.
const COLUMNS: usize = 36;
const LINES: usize = 3;
/// The height of a line, of a box without its lines, and of an arrow.
const LINE: usize = 18;
const PADDING: usize = 16;
const ARROW: usize = 40;

/// A link in the direction in which a reader follows the path.
struct Step<'a> {
    from: &'a str,
    to: &'a str,
    state: LinkState,
    why: &'a str,
}

/// The steps from the URL to the key. The first link of a report leads from the key to the secret:
/// there the path runs against it.
fn steps(links: &[Link]) -> Vec<Step<'_>> {
    links
        .iter()
        .enumerate()
        .rev()
        .map(|(index, link)| {
            let (from, to) =
                if index == 0 { (&link.to, &link.from) } else { (&link.from, &link.to) };
            Step { from, to, state: link.state, why: &link.why }
        })
        .collect()
}

/// The name of a state in the style sheet.
fn class(state: LinkState) -> &'static str {
    match state {
        LinkState::Holds => "holds",
        LinkState::Broken => "broken",
        LinkState::Unknown => "unknown",
    }
}

/// The picture, and every link with its state and the reason.
pub(super) fn write(page: &mut Page, links: &[Link]) {
    let steps = steps(links);
    page.markup("<div class=\"path\">\n");
    draw(page, &steps);
    page.markup("<ol>\n");
    for step in &steps {
        page.markup("<li class=\"");
        page.markup(class(step.state));
        page.markup("\"><span class=\"state\">");
        page.markup(words::state(step.state));
        page.markup("</span>: ");
        page.text(&format!("{} → {}", step.from, step.to));
        page.markup("<br><span class=\"source\">");
        page.prose(step.why);
        page.markup("</span></li>\n");
    }
    page.markup("</ol>\n</div>\n");
}

/// A box for each place, an arrow for each link, from top to bottom.
fn draw(page: &mut Page, steps: &[Step<'_>]) {
    let Some(first) = steps.first() else { return };
    let places: Vec<Vec<String>> =
        std::iter::once(first.from).chain(steps.iter().map(|step| step.to)).map(rows).collect();
    let boxes: usize = places.iter().map(|rows| height(rows)).sum();
    let whole = boxes + steps.len() * ARROW + 2;
    page.markup("<svg role=\"img\" aria-labelledby=\"path-title\" width=\"");
    page.number(WIDTH);
    page.markup("\" height=\"");
    page.number(whole);
    page.markup("\" viewBox=\"0 0 ");
    page.number(WIDTH);
    page.markup(" ");
    page.number(whole);
    page.markup("\">\n<title id=\"path-title\">");
    let broken = steps.iter().filter(|step| step.state == LinkState::Broken);
    let broken: Vec<String> = broken.map(|step| format!("{} → {}", step.from, step.to)).collect();
    page.text(&match broken.as_slice() {
        [] => "The path from the URL to the key. No link is known to be broken.".to_owned(),
        links => format!("The path from the URL to the key. Broken: {}.", links.join("; ")),
    });
    page.markup("</title>\n");
    let mut top = 1;
    for (index, rows) in places.iter().enumerate() {
        if let Some(step) = index.checked_sub(1).and_then(|before| steps.get(before)) {
            arrow(page, top, step.state);
            top += ARROW;
        }
        place(page, top, rows);
        top += height(rows);
    }
    page.markup("</svg>\n");
}

/// How high a box is.
fn height(rows: &[String]) -> usize {
    rows.len() * LINE + PADDING
}

fn place(page: &mut Page, top: usize, rows: &[String]) {
    page.markup("<rect class=\"box\" x=\"1\" y=\"");
    page.number(top);
    page.markup("\" width=\"");
    page.number(WIDTH - 2);
    page.markup("\" height=\"");
    page.number(height(rows));
    page.markup("\" rx=\"5\"/>");
    for (index, row) in rows.iter().enumerate() {
        page.markup("<text x=\"13\" y=\"");
        page.number(top + PADDING / 2 + index * LINE + 13);
        page.markup("\">");
        page.text(row);
        page.markup("</text>");
    }
    page.markup("\n");
}

/// An arrow with its state as a word; a broken one is crossed.
fn arrow(page: &mut Page, top: usize, state: LinkState) {
    page.markup("<g transform=\"translate(26 ");
    page.number(top);
    page.markup(")\" class=\"");
    page.markup(class(state));
    page.markup("\"><path");
    page.markup(match state {
        LinkState::Broken => " d=\"M0 2V11M0 29V36M-8 12L8 28M8 12L-8 28\"/>",
        LinkState::Holds | LinkState::Unknown => {
            " d=\"M0 2V36\"/><path class=\"head\" d=\"M-5 30L0 37L5 30\"/>"
        }
    });
    page.markup("<text x=\"18\" y=\"24\">");
    page.markup(words::state(state));
    page.markup("</text></g>\n");
}

/// A name in as many lines as it needs, or as are there.
fn rows(name: &str) -> Vec<String> {
    let name = clean(name);
    let mut rows = Vec::new();
    for line in wrap(&name, COLUMNS) {
        let mut row = String::new();
        for c in line.chars() {
            if row.width() + c.width().unwrap_or(0) > COLUMNS {
                rows.push(std::mem::take(&mut row));
            }
            row.push(c);
        }
        rows.push(row);
    }
    if rows.len() > LINES {
        rows.truncate(LINES);
        if let Some(last) = rows.last_mut() {
            last.pop();
            last.push('…');
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_takes_the_lines_that_are_there() {
        assert_eq!(rows("volume app_data"), ["volume app_data"]);
        assert_eq!(rows(&"x".repeat(40)), ["x".repeat(36), "x".repeat(4)]);
        let long = rows(&"字".repeat(100));
        assert_eq!(long.len(), LINES);
        assert!(long.iter().all(|row| row.width() <= COLUMNS), "{long:?}");
        assert!(long[2].ends_with('…'));
    }
}
