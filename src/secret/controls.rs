//! Characters that no report shows as they are: controls, and what turns a line's direction or
//! hides in it.

use crate::docs::link_sequence;

/// `text` with every control, bidirectional and invisible formatting character written as `\u001b`:
/// for foreign text on its way into a report, where even a colour sequence has no place.
pub fn sanitize(text: &str) -> String {
    // A line end in a container's name could begin a line of its own and forge a verdict.
    sanitize_lines(text).replace('\n', "\\u000a").replace('\t', "\\u0009")
}

/// [`sanitize`] for texts of our own, whose line ends and tabs stay.
pub fn sanitize_lines(text: &str) -> String {
    escape(text, false)
}

/// The text with those characters escaped; the colours, and the links to our own pages, that the
/// renderers write stay where `keep_colour` says so.
pub(super) fn escape(text: &str, keep_colour: bool) -> String {
    let is_odd = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_invisible(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_odd) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if keep_colour && let Some(length) = colour_sequence(rest).or_else(|| link_sequence(rest)) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let c = rest.chars().next().unwrap_or_default();
        let mut units = [0u16; 2];
        for unit in c.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
        rest = &rest[c.len_utf8()..];
    }
    out.push_str(rest);
    out
}

/// The length of an SGR sequence (`ESC [ digits ; m`) at the start of `text`.
fn colour_sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    body[end..].starts_with('m').then_some(2 + end + 1)
}

/// The characters of the general category Cf, and the others that Unicode 17 lets a font leave out
/// (`Default_Ignorable_Code_Point`): a container's name could rewrite what the reader sees, or look
/// like another.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_foreign_text_do_not_reach_the_terminal() {
        assert_eq!(sanitize("a\u{1b}[2Jb\r"), "a\\u001b[2Jb\\u000d");
        assert_eq!(sanitize("x\u{202e}y"), "x\\u202ey");
        assert_eq!(sanitize("x\nHEALTHY"), "x\\u000aHEALTHY");
        assert_eq!(sanitize_lines("x\n\u{7}y"), "x\n\\u0007y");
        assert_eq!(
            escape("\u{1b}[31mred\u{1b}[0m\u{1b}[2J", true),
            "\u{1b}[31mred\u{1b}[0m\\u001b[2J"
        );
        for odd in [
            '\u{61c}',
            '\u{ad}',
            '\u{180e}',
            '\u{fff9}',
            '\u{206a}',
            '\u{e0041}',
            '\u{1d173}',
            '\u{3164}',
            '\u{85}',
            '\u{7f}',
        ] {
            assert!(sanitize(&format!("a{odd}b")).starts_with("a\\u"), "{odd:?}");
        }
        for plain in ["größe", "日本語", "→ ✓ … 🙂", "a b"] {
            assert_eq!(sanitize(plain), plain);
        }
    }
}
