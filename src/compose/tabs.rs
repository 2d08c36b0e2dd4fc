//! Where YAML allows a tab: Compose's reader is stricter than YAML 1.2 in blocks, and laxer
//! in brackets.
//!
//! It is the part of yaml.v3's `scannerc.go` that decides about tabs. A tab must not be where a key
//! could begin: at the beginning of a line, and behind the dash of a list. In brackets it is a
//! blank, as behind a `key:`.

use std::borrow::Cow;

/// A tab that Compose refuses. Line and column count from 1 and 0, as the parser's do.
pub(super) struct Misplaced {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: &'static str,
    /// Where in the text its document begins.
    pub(super) document: usize,
}

const NO_TOKEN: &str = "found character that cannot start any token: a tab";
const INDENTATION: &str = "found a tab character that violates indentation";
const BLOCK: &str = "found a tab character where an indentation space is expected";

/// The text with blanks for the tabs that only Compose's reader takes for blanks.
pub(super) fn settle(text: &str) -> Result<Cow<'_, str>, Misplaced> {
    if !text.contains('\t') {
        return Ok(Cow::Borrowed(text));
    }
    let mut scanner = Scanner {
        text: text.as_bytes().to_vec(),
        at: 0,
        line: 1,
        start: 0,
        document: 0,
        brackets: 0,
        indent: -1,
        fresh: true,
        key: None,
    };
    scanner.tokens()?;
    Ok(String::from_utf8(scanner.text).map_or(Cow::Borrowed(text), Cow::Owned))
}

struct Scanner {
    text: Vec<u8>,
    at: usize,
    line: usize,
    /// Where the line starts.
    start: usize,
    /// Where the document starts.
    document: usize,
    /// How many brackets are open.
    brackets: usize,
    /// The column of the innermost mapping or list that is written without brackets; -1 outside of
    /// all.
    indent: isize,
    /// Whether a key could begin here.
    fresh: bool,
    /// The column of what may turn out to be a key.
    key: Option<isize>,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn column(&self) -> isize {
        isize::try_from(self.at - self.start).unwrap_or(isize::MAX)
    }

    fn refused<T>(&self, message: &'static str) -> Result<T, Misplaced> {
        let column = self.at - self.start;
        Err(Misplaced { line: self.line, column, message, document: self.document })
    }

    fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), Some(b' ' | b'\t'))
    }

    fn is_break(&self) -> bool {
        matches!(self.peek(0), Some(b'\n' | b'\r'))
    }

    /// Whether a word ends there.
    fn ends(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), None | Some(b' ' | b'\t' | b'\n' | b'\r'))
    }

    fn newline(&mut self) {
        let both = self.peek(0) == Some(b'\r') && self.peek(1) == Some(b'\n');
        self.at += if both { 2 } else { 1 };
        self.line += 1;
        self.start = self.at;
    }

    fn rest_of_line(&mut self) {
        while self.peek(0).is_some() && !self.is_break() {
            self.at += 1;
        }
    }

    /// A tab that is a blank here becomes one.
    fn blank(&mut self) {
        if let Some(byte) = self.text.get_mut(self.at) {
            *byte = b' ';
        }
        self.at += 1;
    }

    fn tokens(&mut self) -> Result<(), Misplaced> {
        loop {
            self.between()?;
            let Some(next) = self.peek(0) else { return Ok(()) };
            let column = self.column();
            let block = self.brackets == 0;
            if column == 0 && self.document_mark() {
                (self.indent, self.fresh, self.brackets) = (-1, false, 0);
                self.document = self.at;
                self.at += 3;
            } else if column == 0 && next == b'%' {
                self.rest_of_line();
            } else if block && matches!(next, b'-' | b'?') && self.ends(1) {
                (self.indent, self.fresh) = (column, true);
                self.at += 1;
            } else if next == b':' && (self.ends(1) || !block) {
                if block {
                    // Without a key in front of it the value is that of a `?`.
                    self.fresh = self.key.is_none();
                    self.indent = self.key.take().unwrap_or(column);
                }
                self.at += 1;
            } else if block && matches!(next, b'|' | b'>') {
                self.block_scalar()?;
            } else {
                if block && self.fresh {
                    self.key = Some(column);
                }
                self.fresh = false;
                self.word(next)?;
            }
        }
    }

    /// What is not a block: something in brackets, in quotes, or a word.
    fn word(&mut self, first: u8) -> Result<(), Misplaced> {
        match first {
            b'[' | b'{' => self.brackets += 1,
            b']' | b'}' => self.brackets = self.brackets.saturating_sub(1),
            b',' | b'-' | b'?' if self.brackets > 0 && (first == b',' || self.ends(1)) => {}
            b'&' | b'*' | b'!' => {
                while !(self.ends(0) || self.brackets > 0 && self.is_bracket()) {
                    self.at += 1;
                }
                return Ok(());
            }
            b'"' | b'\'' => {
                self.quoted(first);
                return Ok(());
            }
            _ => return self.plain(),
        }
        self.at += 1;
        Ok(())
    }

    fn is_bracket(&self) -> bool {
        matches!(self.peek(0), Some(b',' | b'[' | b']' | b'{' | b'}'))
    }

    fn document_mark(&self) -> bool {
        let mark = self.text.get(self.at..self.at + 3);
        matches!(mark, Some(b"---" | b"...")) && self.ends(3)
    }

    /// Goes to the next token.
    fn between(&mut self) -> Result<(), Misplaced> {
        loop {
            match self.peek(0) {
                Some(b' ') => self.at += 1,
                Some(b'\t') if self.brackets > 0 => self.blank(),
                Some(b'\t') if !self.fresh => self.at += 1,
                Some(b'\t') => return self.refused(NO_TOKEN),
                Some(b'#') => self.rest_of_line(),
                Some(b'\n' | b'\r') => {
                    self.newline();
                    if self.brackets == 0 {
                        self.fresh = true;
                        self.key = None;
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn quoted(&mut self, quote: u8) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            if byte == quote && !(quote == b'\'' && self.peek(1) == Some(b'\'')) {
                self.at += 1;
                return;
            }
            let escaped = byte == quote || (quote == b'"' && byte == b'\\');
            self.at += usize::from(escaped && !matches!(self.peek(1), Some(b'\n' | b'\r')));
            if self.is_break() {
                self.newline();
            } else {
                self.at += 1;
            }
        }
    }

    /// A text without quotes, with the blanks and empty lines behind it.
    fn plain(&mut self) -> Result<(), Misplaced> {
        let mut next_line = false;
        let begin = self.at;
        loop {
            if (self.column() == 0 && self.document_mark()) || self.peek(0) == Some(b'#') {
                break;
            }
            while !self.ends(0) {
                let value = self.peek(0) == Some(b':')
                    && (self.ends(1)
                        || (self.brackets > 0
                            && matches!(self.peek(1), Some(b',' | b'[' | b']' | b'{' | b'}'))));
                if value || (self.brackets > 0 && self.is_bracket()) {
                    break;
                }
                self.at += 1;
            }
            if self.peek(0).is_none() || !self.ends(0) {
                break;
            }
            while self.is_blank(0) || self.is_break() {
                if self.is_break() {
                    self.newline();
                    next_line = true;
                } else if next_line && self.peek(0) == Some(b'\t') {
                    if self.column() <= self.indent {
                        return self.refused(INDENTATION);
                    }
                    self.blank();
                } else {
                    self.at += 1;
                }
            }
            if self.brackets == 0 && self.column() <= self.indent {
                break;
            }
        }
        if self.at == begin {
            self.at += 1;
        }
        if next_line && self.brackets == 0 {
            self.fresh = true;
            self.key = None;
        }
        Ok(())
    }

    /// A text behind `|` or `>`.
    fn block_scalar(&mut self) -> Result<(), Misplaced> {
        self.at += 1;
        let mut indent = 0;
        while let Some(sign) = self.peek(0).filter(|sign| matches!(sign, b'+' | b'-' | b'1'..=b'9'))
        {
            if sign.is_ascii_digit() {
                indent = self.indent.max(0) + isize::from(sign - b'0');
            }
            self.at += 1;
        }
        self.rest_of_line();
        if self.is_break() {
            self.newline();
        }
        self.empty_lines(&mut indent)?;
        while self.column() == indent && self.peek(0).is_some() {
            self.rest_of_line();
            if self.is_break() {
                self.newline();
            }
            self.empty_lines(&mut indent)?;
        }
        self.fresh = true;
        self.key = None;
        Ok(())
    }

    /// The empty lines of a block, and the indentation of what follows, which is the block's when
    /// it is 0.
    fn empty_lines(&mut self, indent: &mut isize) -> Result<(), Misplaced> {
        let mut most = 0;
        loop {
            while self.peek(0) == Some(b' ') && (*indent == 0 || self.column() < *indent) {
                self.at += 1;
            }
            most = most.max(self.column());
            if self.peek(0) == Some(b'\t') && (*indent == 0 || self.column() < *indent) {
                return self.refused(BLOCK);
            }
            if !self.is_break() {
                break;
            }
            self.newline();
        }
        if *indent == 0 {
            *indent = most.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_are_refused_where_a_key_could_begin() {
        for (text, line, message) in [
            ("\ta: x\n", 1, NO_TOKEN),
            ("\t# c\na: x\n", 1, NO_TOKEN),
            ("a:\n  b: x\n\tc: y\n", 3, INDENTATION),
            ("a: x\n\t\n", 2, INDENTATION),
            ("a: 'x'\n\t\n", 2, NO_TOKEN),
            ("a:\n-\tb\n", 2, NO_TOKEN),
            ("a:\n  - b # c\n \t- c\n", 3, NO_TOKEN),
            ("? a\n:\tb\n", 2, NO_TOKEN),
            ("a: |\n  \tb\n", 2, BLOCK),
            ("a: |\n    b\n  \t\n", 3, BLOCK),
            ("a: [b\n\t, c]\n", 2, INDENTATION),
        ] {
            let found = settle(text).err().map(|tab| (tab.line, tab.message));
            assert_eq!(found, Some((line, message)), "{text:?}");
        }
    }

    #[test]
    fn tabs_are_blanks_elsewhere() {
        for (text, settled) in [
            ("a:\tb\t# c\n", "a:\tb\t# c\n"),
            ("a: [b,\n\tc]\n", "a: [b,\n c]\n"),
            ("a: 'b\n\tc'\n", "a: 'b\n\tc'\n"),
            ("a: b\n   \tc\n", "a: b\n    c\n"),
            ("a: |\n  b\n  \tc\n", "a: |\n  b\n  \tc\n"),
            ("a: |2\n  \tc\n", "a: |2\n  \tc\n"),
            ("---\ta\n", "---\ta\n"),
            ("a: \"b\\\"\tc\"\nd: [\n\t'e''f']\n", "a: \"b\\\"\tc\"\nd: [\n 'e''f']\n"),
            ("a: &x\tb\nc: *x\t\n", "a: &x\tb\nc: *x\t\n"),
        ] {
            assert_eq!(settle(text).ok().as_deref(), Some(settled), "{text:?}");
        }
    }
}
