//! What differs between two texts, in whole lines: as edits that a report can carry and anybody can
//! check before applying them, and as the diff that a person reads.
//!
//! # Line ends
//! A line is its content and its end: `\n`, `\r\n`, or none for a last line without one (a lone
//! `\r` is content). An [`Edit`]'s hash is of the content alone, and its new line says no end where
//! the usual one is meant: that of the line it replaces; for an inserted line the file's kind,
//! which is its first line's (`\n` for a text without any). The last line keeps the end that the
//! file's last line had. Any other end is written out: the new line ends with `\n` or `\r\n`, or,
//! for a last line without an end where the usual one would be there, with `\n` and
//! [`NO_LINE_END`], as `diff` has it. No content holds a `\n`, so none can be taken for that.

use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::report::{Edit, line_hash};

/// What `diff` says below a last line that has no line end.
pub const NO_LINE_END: &str = "\\ No newline at end of file";

/// How many unchanged lines a diff shows round a change.
const CONTEXT: usize = 3;

/// Why edits do not fit a text. Lines are counted from 1, in the text that was to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The line is another than the one the edit was made for, or there is none.
    Changed {
        /// Its number.
        line: usize,
    },
    /// Two edits replace or delete the same line.
    Twice {
        /// Its number.
        line: usize,
    },
    /// There is no value for a placeholder.
    Unfilled {
        /// The placeholder, without its braces.
        placeholder: String,
    },
}

impl fmt::Display for Conflict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { line } => write!(out, "line {line} has changed in the meantime"),
            Self::Twice { line } => write!(out, "line {line} would be changed twice"),
            Self::Unfilled { placeholder } => {
                write!(out, "there is no value for {{{placeholder}}}")
            }
        }
    }
}

impl std::error::Error for Conflict {}

/// The edits that make `new` of `old`, in order, all with the line numbers of `old`. `file` is what
/// they name.
pub fn edits(file: &str, old: &str, new: &str) -> Vec<Edit> {
    let (olds, news) = (lines(old), lines(new));
    let usual = usual_end(&olds);
    let mut made = Edits { file, olds: &olds, news: &news, usual, found: Vec::new() };
    for operation in compare(&olds, &news) {
        match operation {
            DiffOp::Equal { old_index, new_index, len } => {
                for step in 0..len {
                    made.replace(old_index + step, new_index + step);
                }
            }
            DiffOp::Delete { old_index, old_len, .. } => {
                (old_index..old_index + old_len).for_each(|line| made.delete(line));
            }
            DiffOp::Insert { old_index, new_index, new_len } => {
                (new_index..new_index + new_len).for_each(|line| made.insert(old_index, line));
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                let pairs = old_len.min(new_len);
                for step in 0..pairs {
                    made.replace(old_index + step, new_index + step);
                }
                (old_index + pairs..old_index + old_len).for_each(|line| made.delete(line));
                let rest = new_index + pairs..new_index + new_len;
                rest.for_each(|line| made.insert(old_index + old_len, line));
            }
        }
    }
    made.found
}

struct Edits<'t> {
    file: &'t str,
    olds: &'t [Line<'t>],
    news: &'t [Line<'t>],
    usual: &'static str,
    found: Vec<Edit>,
}

impl Edits<'_> {
    fn add(&mut self, index: usize, line_hash: Option<String>, new: Option<String>) {
        let file = self.file.to_owned();
        self.found.push(Edit { file, line: index + 1, line_hash, new });
    }

    fn hash(&self, index: usize) -> Option<String> {
        self.olds.get(index).map(|line| line_hash(line.content))
    }

    fn delete(&mut self, index: usize) {
        self.add(index, self.hash(index), None);
    }

    fn insert(&mut self, before: usize, index: usize) {
        let new = self.written(index, self.usual);
        self.add(before, None, new);
    }

    /// Nothing, when the line is the same and so is its end.
    fn replace(&mut self, old: usize, new: usize) {
        let (Some(before), Some(after)) = (self.olds.get(old), self.news.get(new)) else { return };
        let written = self.written(new, before.end);
        if before.content != after.content || written.as_deref() != Some(after.content) {
            self.add(old, self.hash(old), written);
        }
    }

    /// The new line of this number as an edit says it when it would get `own` as its end.
    fn written(&self, index: usize, own: &'static str) -> Option<String> {
        let line = self.news.get(index)?;
        let is_last = index + 1 == self.news.len();
        let default = default_end(own, is_last, self.olds, self.usual);
        let content = line.content;
        Some(match line.end {
            end if end == default => content.to_owned(),
            "" => format!("{content}\n{NO_LINE_END}"),
            end => format!("{content}{end}"),
        })
    }
}

/// The end of a line that says none itself.
fn default_end(
    own: &'static str,
    is_last: bool,
    olds: &[Line<'_>],
    usual: &'static str,
) -> &'static str {
    match olds.last() {
        Some(last) if is_last && last.end.is_empty() => "",
        _ if own.is_empty() => usual,
        _ => own,
    }
}

/// Applies edits of one file (all of them are taken for edits of this one). Each placeholder in a
/// new line ([`Edit::new`]) is replaced with what `fill` has for it, `key ab12cd34` for `{key
/// ab12cd34}`.
///
/// # Errors
/// Nothing is applied when a line is not the one that an edit was made for, or a placeholder is not
/// known.
pub fn apply(
    text: &str,
    edits: &[Edit],
    fill: &dyn Fn(&Edit, &str) -> Option<String>,
) -> Result<String, Conflict> {
    let olds = lines(text);
    let usual = usual_end(&olds);
    let mut inserted: Vec<Vec<&Edit>> = vec![Vec::new(); olds.len() + 1];
    let mut replaced: Vec<Option<&Edit>> = vec![None; olds.len()];
    for edit in edits {
        let line = edit.line;
        let changed = Conflict::Changed { line };
        let index = line.checked_sub(1).ok_or_else(|| changed.clone())?;
        let Some(expected) = &edit.line_hash else {
            let place = inserted.get_mut(index).ok_or(changed)?;
            place.push(edit);
            continue;
        };
        let is_it = olds.get(index).is_some_and(|line| line_hash(line.content) == *expected);
        let place = replaced.get_mut(index).filter(|_| is_it).ok_or(changed)?;
        if place.replace(edit).is_some() {
            return Err(Conflict::Twice { line });
        }
    }
    // Content and end of each line; `None`: the usual one.
    let mut made: Vec<(String, Option<&'static str>, &'static str)> = Vec::new();
    for (index, before) in inserted.iter().enumerate() {
        for edit in before {
            if let Some((content, end)) = edit.new.as_deref().map(split_end) {
                made.push((filled(content, edit, fill)?, end, usual));
            }
        }
        let Some(old) = olds.get(index) else { continue };
        match replaced.get(index).copied().flatten() {
            Some(edit) => {
                if let Some((content, end)) = edit.new.as_deref().map(split_end) {
                    made.push((filled(content, edit, fill)?, end, old.end));
                }
            }
            None => made.push((old.content.to_owned(), None, old.end)),
        }
    }
    let mut out = String::with_capacity(text.len());
    let count = made.len();
    for (index, (content, end, own)) in made.into_iter().enumerate() {
        out.push_str(&content);
        let is_last = index + 1 == count;
        out.push_str(end.unwrap_or_else(|| default_end(own, is_last, &olds, usual)));
    }
    Ok(out)
}

/// A new line and the end that it says itself.
fn split_end(new: &str) -> (&str, Option<&'static str>) {
    if let Some(content) = new.strip_suffix(NO_LINE_END).and_then(|rest| rest.strip_suffix('\n')) {
        (content, Some(""))
    } else if let Some(content) = new.strip_suffix("\r\n") {
        (content, Some("\r\n"))
    } else if let Some(content) = new.strip_suffix('\n') {
        (content, Some("\n"))
    } else {
        (new, None)
    }
}

fn filled(
    content: &str,
    edit: &Edit,
    fill: &dyn Fn(&Edit, &str) -> Option<String>,
) -> Result<String, Conflict> {
    static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\{((?:key|hex) [0-9a-f]{8}|rest|value|comment|line)\}")
            .expect("a pattern of this file is valid")
    });
    let mut unfilled = None;
    let text = PLACEHOLDER.replace_all(content, |found: &Captures<'_>| {
        let placeholder = found.get(1).map_or("", |name| name.as_str());
        fill(edit, placeholder).unwrap_or_else(|| {
            unfilled = Some(placeholder.to_owned());
            String::new()
        })
    });
    match unfilled {
        Some(placeholder) => Err(Conflict::Unfilled { placeholder }),
        None => Ok(text.into_owned()),
    }
}

/// The change as `diff -u` shows it, every shown line passed through `mask`, which gets whether it
/// is of the new text, its number from 1, and the line; nothing when the texts are the same. Of a
/// line end only a missing last one is shown: a `\r` would move a terminal's cursor.
pub fn unified(
    file: &str,
    old: &str,
    new: &str,
    mask: &dyn Fn(bool, usize, &str) -> String,
) -> Diff {
    let (olds, news) = (lines(old), lines(new));
    let groups = group_diff_ops(compare(&olds, &news), CONTEXT);
    let mut hunks = vec![];
    for group in &groups {
        let mut out = String::new();
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |start: Range<usize>, end: Range<usize>| shown(start.start..end.end);
        let olds_shown = range(first.old_range(), last.old_range());
        let news_shown = range(first.new_range(), last.new_range());
        let header = format!("@@ -{olds_shown} +{news_shown} @@");
        let changed = group.iter().find(|part| !matches!(part, DiffOp::Equal { .. }));
        let line = changed.map_or(0, |part| part.old_range().start) + 1;
        for operation in group {
            let (before, after) = (operation.old_range(), operation.new_range());
            let mut show = |sign: char, lines: &[Line<'_>], range: Range<usize>| {
                for (at, line) in range.clone().zip(lines.get(range).unwrap_or_default()) {
                    let _ = writeln!(out, "{sign}{}", mask(sign == '+', at + 1, line.content));
                    if line.end.is_empty() {
                        let _ = writeln!(out, "{NO_LINE_END}");
                    }
                }
            };
            if matches!(operation, DiffOp::Equal { .. }) {
                show(' ', &olds, before);
            } else {
                show('-', &olds, before);
                show('+', &news, after);
            }
        }
        hunks.push(Hunk { line, header, text: out });
    }
    Diff { file: file.to_owned(), hunks }
}

/// The change of a file, with three unchanged lines round each change.
pub struct Diff {
    file: String,
    /// The changed parts, in order.
    pub hunks: Vec<Hunk>,
}

/// A part of a [`Diff`].
pub struct Hunk {
    /// The first line that changes, counted in the old text.
    pub line: usize,
    header: String,
    /// Its lines, each with ` `, `-` or `+` before it.
    pub text: String,
}

/// As `diff -u` prints it; empty where nothing changes.
impl fmt::Display for Diff {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.hunks.is_empty() {
            writeln!(out, "--- a/{file}\n+++ b/{file}", file = self.file)?;
        }
        self.hunks.iter().try_for_each(|hunk| write!(out, "{}\n{}", hunk.header, hunk.text))
    }
}

/// A range of lines in the words of `diff`.
fn shown(range: Range<usize>) -> String {
    match range.len() {
        // An empty range is placed after the line before it.
        0 => format!("{},0", range.start),
        1 => (range.start + 1).to_string(),
        count => format!("{},{count}", range.start + 1),
    }
}

/// A line of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Line<'t> {
    content: &'t str,
    end: &'static str,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    text.split_inclusive('\n')
        .map(|line| {
            let (content, end) = split_end(line);
            Line { content, end: end.unwrap_or("") }
        })
        .collect()
}

fn usual_end(lines: &[Line<'_>]) -> &'static str {
    lines.first().map(|line| line.end).filter(|end| !end.is_empty()).unwrap_or("\n")
}

/// The steps from one text to the other, in order; lines with another end are other lines. The
/// lengths of the steps are right, but where something is inserted `similar` says one line too low
/// at times: the places are counted here.
fn compare(olds: &[Line<'_>], news: &[Line<'_>]) -> Vec<DiffOp> {
    let (mut old_index, mut new_index) = (0, 0);
    let mut steps = capture_diff_slices(Algorithm::Myers, olds, news);
    for step in &mut steps {
        let (old_len, new_len) = (step.old_range().len(), step.new_range().len());
        *step = match step {
            DiffOp::Equal { len, .. } => DiffOp::Equal { old_index, new_index, len: *len },
            DiffOp::Delete { .. } => DiffOp::Delete { old_index, old_len, new_index },
            DiffOp::Insert { .. } => DiffOp::Insert { old_index, new_index, new_len },
            DiffOp::Replace { .. } => DiffOp::Replace { old_index, old_len, new_index, new_len },
        };
        old_index += old_len;
        new_index += new_len;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The placeholders stay.
    fn keep(_: &Edit, placeholder: &str) -> Option<String> {
        Some(format!("{{{placeholder}}}"))
    }

    fn said(old: &str, new: &str) -> Vec<(usize, bool, Option<String>)> {
        let edits = edits("f", old, new).into_iter();
        edits.map(|edit| (edit.line, edit.line_hash.is_some(), edit.new)).collect()
    }

    #[test]
    fn changes_are_said_line_by_line() {
        let new = |text: &str| Some(text.to_owned());
        for (old, after, expected) in [
            ("a\nb\n", "a\nb\n", vec![]),
            ("a\nb\n", "a\nc\n", vec![(2, true, new("c"))]),
            ("a\nb\n", "b\n", vec![(1, true, None)]),
            ("a\nb\n", "a\nx\nb\n", vec![(2, false, new("x"))]),
            ("a\nb\n", "a\nb\nx\n", vec![(3, false, new("x"))]),
            ("a\r\nb\r\n", "a\r\nx\r\nb\r\n", vec![(2, false, new("x"))]),
            ("", "x\n", vec![(1, false, new("x"))]),
            ("", "x", vec![(1, false, new("x\n\\ No newline at end of file"))]),
            ("a\n", "a", vec![(1, true, new("a\n\\ No newline at end of file"))]),
            ("a", "a\n", vec![(1, true, new("a\n"))]),
            ("a\r\nb\r\n", "a\r\nb\n", vec![(2, true, new("b\n"))]),
            (
                "a\nb\n",
                "b\nc\nb\n",
                vec![(1, true, None), (3, false, new("c")), (3, false, new("b"))],
            ),
        ] {
            assert_eq!(said(old, after), expected, "{old:?} {after:?}");
            let applied = apply(old, &edits("f", old, after), &keep);
            assert_eq!(applied.as_deref(), Ok(after), "{old:?}");
        }
    }

    #[test]
    fn an_edit_by_hand_keeps_the_ends_of_the_file() {
        let edit = |line, old: Option<&str>, new: Option<&str>| Edit {
            file: "f".to_owned(),
            line,
            line_hash: old.map(line_hash),
            new: new.map(str::to_owned),
        };
        for (text, edits, expected) in [
            ("a\r\nb", vec![edit(3, None, Some("c"))], "a\r\nb\r\nc"),
            ("a\r\nb", vec![edit(2, Some("b"), Some("c"))], "a\r\nc"),
            ("a\nb", vec![edit(2, Some("b"), None), edit(1, None, Some("x"))], "x\na"),
            ("", vec![edit(1, None, Some("x")), edit(1, None, Some("y"))], "x\ny\n"),
        ] {
            assert_eq!(apply(text, &edits, &keep).as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_applied() {
        let edit = |line, old: Option<&str>, new: Option<&str>| Edit {
            file: "f".to_owned(),
            line,
            line_hash: old.map(line_hash),
            new: new.map(str::to_owned),
        };
        let changed = |line| Err(Conflict::Changed { line });
        let apply = |edits: &[Edit]| {
            apply("a\nb\n", edits, &|_, name| (name == "key ab12cd34").then(|| "K".to_owned()))
        };
        assert_eq!(apply(&[edit(1, Some("x"), None)]), changed(1));
        assert_eq!(apply(&[edit(3, Some("a"), None)]), changed(3));
        assert_eq!(apply(&[edit(0, None, Some("x"))]), changed(0));
        assert_eq!(apply(&[edit(4, None, Some("x"))]), changed(4));
        let twice = [edit(1, Some("a"), None), edit(1, Some("a"), Some("x"))];
        assert_eq!(apply(&twice), Err(Conflict::Twice { line: 1 }));
        let filled = apply(&[edit(1, Some("a"), Some("A='{key ab12cd34}' {secret}"))]);
        assert_eq!(filled.as_deref(), Ok("A='K' {secret}\nb\n"));
        let placeholder = "hex 00000000".to_owned();
        let unfilled = apply(&[edit(1, Some("a"), Some("{hex 00000000}"))]);
        assert_eq!(unfilled, Err(Conflict::Unfilled { placeholder }));
    }

    #[test]
    fn the_diff_is_that_of_diff_u() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13";
        let expected = "--- a/f\n+++ b/f\n@@ -2,11 +2,12 @@\n 2\n 3\n 4\n-5\n+**ve\n 6\n 7\n 8\n 9\n 10\n 11\n-12\n\
                        \\ No newline at end of file\n+12\n+13\n\\ No newline at end of file\n";
        let mask = |_: bool, _: usize, line: &str| line.replace("fi", "**");
        let diff = unified("f", old, new, &mask);
        assert_eq!(diff.to_string(), expected);
        assert_eq!(diff.hunks.iter().map(|hunk| hunk.line).collect::<Vec<_>>(), [5]);
        let added = unified("f", "", "a\n", &mask).to_string();
        assert_eq!(added, "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("f", old, old, &mask).to_string(), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn applied_edits_make_the_new_text(
            old in "([ab{}\r \\\\]{0,2}(\r\n|\n|\r)){0,6}[ab\r]{0,2}",
            new in "([ab{}\r \\\\]{0,2}(\r\n|\n|\r)){0,6}[ab\r]{0,2}",
        ) {
            let edits = edits("f", &old, &new);
            prop_assert_eq!(apply(&old, &edits, &keep), Ok(new));
            prop_assert!(edits.is_sorted_by_key(|edit| edit.line));
        }

        #[test]
        fn applied_edits_make_any_text(old in any::<String>(), new in any::<String>()) {
            prop_assert_eq!(apply(&old, &edits("f", &old, &new), &keep), Ok(new));
        }
    }
}
