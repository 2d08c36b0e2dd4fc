//! The chain of custody as a picture: one line for a terminal, one line and a graph for Markdown.

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use crate::report::{Link, LinkState, ShortChain};
use crate::secret::{ascii, sanitize};

/// The chain in one line, broken between its links where it is wider than `width` columns.
pub(super) fn lines(chain: &ShortChain, width: usize, coloured: bool, plain: bool) -> Vec<String> {
    let clean = |text: &str| if plain { ascii(&sanitize(text)) } else { sanitize(text) };
    let mut lines = Vec::new();
    let mut line = clean(&chain.first);
    let mut columns = line.width();
    for (state, label) in &chain.steps {
        let (arrow, label) = (clean(arrow(*state)), clean(label));
        let needed = 1 + arrow.width() + 1 + label.width();
        if columns + needed > width {
            lines.push(std::mem::take(&mut line));
            line.push_str("  ");
            columns = 1;
        } else {
            line.push(' ');
        }
        let arrow = if coloured { paint(*state, &arrow) } else { arrow };
        line.push_str(&format!("{arrow} {label}"));
        columns += needed;
    }
    lines.push(line);
    lines
}

fn arrow(state: LinkState) -> &'static str {
    match state {
        LinkState::Holds => "→",
        LinkState::Broken => "✗",
        LinkState::Unknown => "?",
    }
}

/// A text about a link in the colour of its state.
pub(super) fn paint(state: LinkState, text: &str) -> String {
    match state {
        LinkState::Holds => text.to_owned(),
        LinkState::Broken => text.red().bold().to_string(),
        LinkState::Unknown => text.dimmed().to_string(),
    }
}

/// The state of a link as one sign.
pub(super) fn sign(state: LinkState) -> &'static str {
    match state {
        LinkState::Holds => "✓",
        LinkState::Broken => "✗",
        LinkState::Unknown => "?",
    }
}

/// The chain as a Mermaid flow chart, from top to bottom: side by side, its nodes shrink to the width
/// of the page until they are illegible. A dotted arrow is a link that was not checked, a crossed one a
/// link that is broken.
pub(super) fn mermaid(links: &[Link]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut arrows = String::new();
    for link in links {
        let mut node = |name| {
            names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        };
        let (from, to) = (node(link.from.as_str()), node(link.to.as_str()));
        let (arrow, mark) = match link.state {
            LinkState::Holds => ("-->", ""),
            LinkState::Broken => ("--x", "✗ "),
            LinkState::Unknown => ("-.->", "? "),
        };
        let relation = label(&link.relation);
        arrows.push_str(&format!("  n{from} {arrow}|\"{mark}{relation}\"| n{to}\n"));
    }
    let broken = links.iter().enumerate().filter(|(_, link)| link.state == LinkState::Broken);
    for (index, _) in broken {
        arrows.push_str(&format!("  linkStyle {index} stroke:#d00,stroke-width:3px\n"));
    }
    let nodes: String = names
        .iter()
        .enumerate()
        .map(|(index, name)| format!("  n{index}[\"{}\"]\n", label(name)))
        .collect();
    format!("flowchart TD\n{nodes}{arrows}")
}

/// Text inside a Mermaid label: everything that could mean something to Mermaid, HTML or the fence
/// becomes a character code.
fn label(text: &str) -> String {
    let mut out = String::new();
    for c in sanitize(text).chars() {
        if c.is_alphanumeric() || " .,:/_-()…".contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("#{};", u32::from(c)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> ShortChain {
        ShortChain {
            first: "URL .env.local:1".to_owned(),
            steps: vec![
                (LinkState::Holds, ":3210".to_owned()),
                (LinkState::Unknown, "new-backend-1".to_owned()),
                (LinkState::Holds, "new_data".to_owned()),
                (LinkState::Holds, "secret".to_owned()),
                (LinkState::Broken, "key .env.local:2".to_owned()),
            ],
        }
    }

    #[test]
    fn the_line_breaks_between_links_and_colour_takes_no_room() {
        let whole =
            "URL .env.local:1 → :3210 ? new-backend-1 → new_data → secret ✗ key .env.local:2";
        assert_eq!(lines(&chain(), 80, false, false), [whole]);
        let narrow = lines(&chain(), 42, false, false);
        assert_eq!(
            narrow,
            [
                "URL .env.local:1 → :3210 ? new-backend-1",
                "  → new_data → secret ✗ key .env.local:2",
            ]
        );
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
        let coloured = lines(&chain(), 42, true, false);
        assert_ne!(coloured, narrow);
        assert_eq!(coloured.iter().map(plain).collect::<Vec<_>>(), narrow);
    }

    #[test]
    fn without_utf_8_the_signs_are_ascii_and_the_line_still_fits() {
        let lines = lines(&chain(), 42, false, true);
        assert_eq!(
            lines,
            [
                "URL .env.local:1 -> :3210 ? new-backend-1",
                "  -> new_data -> secret x key .env.local:2",
            ]
        );
    }

    #[test]
    fn foreign_names_draw_nothing_in_mermaid() {
        let hostile = Link {
            from: "a\"] --> b```\n<img>".to_owned(),
            to: "end".to_owned(),
            relation: "x\"|y;%%".to_owned(),
            state: LinkState::Broken,
            why: String::new(),
        };
        let drawn = mermaid(&[hostile]);
        assert_eq!(
            drawn,
            "flowchart TD\n  n0[\"a#34;#93; --#62; b#96;#96;#96;#92;u000a#60;img#62;\"]\n  n1[\"end\"]\n  \
             n0 --x|\"✗ x#34;#124;y#59;#37;#37;\"| n1\n  linkStyle 0 stroke:#d00,stroke-width:3px\n"
        );
    }
}
