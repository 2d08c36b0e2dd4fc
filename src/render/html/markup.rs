//! A page that grows. Markup is what this program's own source holds; everything else is escaped.

use super::super::machine::clean_lines;
use super::super::words::code_parts;

/// The page so far.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Markup of this program: no other text lives as long.
    pub(super) fn markup(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Any text, which means itself.
    pub(super) fn text(&mut self, text: &str) {
        self.0.push_str(&escape(&clean_lines(text)));
    }

    /// A text of this program, in which backticks enclose what is typed or written in a file.
    pub(super) fn prose(&mut self, text: &str) {
        // Whole: a secret is not found in pieces.
        let text = clean_lines(text);
        for (is_code, part) in code_parts(&text) {
            let part = escape(part);
            if is_code {
                self.0.push_str(&format!("<code>{part}</code>"));
            } else {
                self.0.push_str(&part);
            }
        }
    }

    /// A text as code.
    pub(super) fn code(&mut self, text: &str) {
        self.markup("<code>");
        self.text(text);
        self.markup("</code>");
    }

    /// A number.
    pub(super) fn number(&mut self, number: usize) {
        self.0.push_str(&number.to_string());
    }

    /// A text in an element without attributes.
    pub(super) fn element(&mut self, open: &'static str, text: &str, close: &'static str) {
        self.markup(open);
        self.text(text);
        self.markup(close);
    }

    /// What is folded until it is opened.
    pub(super) fn folded(&mut self, summary: &str, write: impl FnOnce(&mut Self)) {
        self.element("<details><summary>", summary, "</summary>\n");
        write(self);
        self.markup("</details>\n");
    }

    /// The page.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Text in which HTML's own characters mean themselves, in an element as in an attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_makes_no_markup() {
        for (text, written) in [
            ("<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
            ("&lt; \" onload=x", "&amp;lt; &quot; onload=x"),
            ("a\u{202e}b\u{1b}[31m", "a\\u202eb\\u001b[31m"),
        ] {
            let mut page = Page::default();
            page.text(text);
            assert_eq!(page.into_text(), written);
        }
    }

    #[test]
    fn backticks_of_a_pair_are_code_and_a_single_one_is_itself() {
        for (text, written) in [
            ("after `down <x>`, `up`", "after <code>down &lt;x&gt;</code>, <code>up</code>"),
            ("a ` b", "a ` b"),
        ] {
            let mut page = Page::default();
            page.prose(text);
            assert_eq!(page.into_text(), written);
        }
    }
}
