//! What survives which operation: the table, and the answer to `persistence --before`.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use super::markdown::{code, escape};
use super::text::wrap;
use crate::report::{Fate, Foresight, Operation};
use crate::secret::sanitize_lines as sanitize;

/// The table for a terminal of `width` columns: operations that come to the same, and for the same
/// reason, stand together.
pub fn table(operations: &[Operation], width: usize) -> String {
    let mut out = String::new();
    if operations.is_empty() {
        out.push_str("No backend was seen, neither in a compose file nor on the engine: there is nothing to predict.\n");
        return out;
    }
    for (index, group) in groups(operations).into_iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let _infallible =
            writeln!(out, "keys {}, data {}", word(group[0].keys), word(group[0].data));
        let mut rest = group.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|one| one.why == first.why).count();
            for one in &rest[..same] {
                hanging(&mut out, "  ", "      ", &one.command, width);
            }
            let mut why = String::new();
            hanging(&mut why, "    ", "    ", &first.why, width);
            for line in why.lines() {
                let _infallible = writeln!(out, "{}", line.dimmed());
            }
            rest = &rest[same..];
        }
    }
    out
}

/// By what they come to, what is kept first; within, those with the same reason next to each other.
fn groups(operations: &[Operation]) -> Vec<Vec<&Operation>> {
    let mut groups: Vec<Vec<&Operation>> = Vec::new();
    for one in operations {
        match groups.iter_mut().find(|group| (group[0].keys, group[0].data) == (one.keys, one.data))
        {
            Some(group) => {
                let same = group.iter().rposition(|other| other.why == one.why);
                group.insert(same.map_or(group.len(), |at| at + 1), one);
            }
            None => groups.push(vec![one]),
        }
    }
    groups.sort_by_key(|group| {
        let (keys, data) = (group[0].keys as u8, group[0].data as u8);
        (keys.max(data), keys, data)
    });
    groups
}

fn word(fate: Fate) -> String {
    match fate {
        Fate::Kept => "kept".green().to_string(),
        Fate::Recoverable => "recoverable".yellow().to_string(),
        Fate::Lost => "LOST".red().bold().to_string(),
        Fate::Unknown => "unknown".cyan().to_string(),
    }
}

/// The answer to `--before`.
pub fn foresight(foresight: &Foresight, width: usize) -> String {
    let mut out = String::new();
    hanging(&mut out, "", "  ", &foresight.command, width);
    let _infallible =
        writeln!(out, "  keys {}, data {}", word(foresight.keys), word(foresight.data));
    hanging(&mut out, "  ", "  ", &foresight.why, width);
    if !foresight.deletes.is_empty() {
        hanging(&mut out, "  deletes ", "          ", &foresight.deletes.join(", "), width);
    }
    for note in &foresight.notes {
        hanging(&mut out, "  note: ", "        ", note, width);
    }
    out
}

/// The table as GitHub-flavoured Markdown.
pub fn markdown(operations: &[Operation]) -> String {
    let mut out = String::from("| operation | keys | data | why |\n|---|---|---|---|\n");
    for one in operations {
        let _infallible = writeln!(
            out,
            "| {} | {} | {} | {} |",
            // A bar ends a cell even inside of a code span.
            code(&one.command).replace('|', "\\|"),
            bold(one.keys),
            bold(one.data),
            escape(&one.why)
        );
    }
    out
}

/// The answer to `--before` as Markdown.
pub fn foresight_markdown(foresight: &Foresight) -> String {
    let mut out = format!(
        "{}: keys {}, data {}\n\n{}\n",
        code(&foresight.command),
        bold(foresight.keys),
        bold(foresight.data),
        escape(&foresight.why)
    );
    if !foresight.deletes.is_empty() {
        let _infallible = write!(out, "\nDeletes {}\n", escape(&foresight.deletes.join(", ")));
    }
    for note in &foresight.notes {
        let _infallible = write!(out, "\n{}\n", escape(note));
    }
    out
}

fn bold(fate: Fate) -> String {
    match fate {
        Fate::Lost => "**lost**".to_owned(),
        other => other.to_string(),
    }
}

fn hanging(out: &mut String, first: &str, rest: &str, text: &str, width: usize) {
    let text = sanitize(text);
    for (index, line) in wrap(&text, width.saturating_sub(rest.width())).iter().enumerate() {
        let start = if index == 0 { first } else { rest };
        let _infallible = writeln!(out, "{}", format!("{start}{line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(command: &str, keys: Fate, data: Fate, why: &str) -> Operation {
        Operation {
            id: command.to_owned(),
            command: command.to_owned(),
            keys,
            data,
            why: why.to_owned(),
        }
    }

    #[test]
    fn equal_outcomes_stand_together_and_every_line_fits() {
        use Fate::{Kept, Lost, Recoverable};
        let long = format!("docker compose -f {} up -d", "some/very/long/path.yml ".repeat(5));
        let operations = [
            operation("down -v", Lost, Lost, "deleted"),
            operation("restart", Kept, Kept, "stays"),
            operation("down", Recoverable, Lost, "memory"),
            operation(&long, Kept, Kept, "another reason | `with` <marks>"),
            operation("up", Kept, Kept, "stays"),
        ];
        let text = anstream::adapter::strip_str(&table(&operations, 80)).to_string();
        let order: Vec<_> = ["restart", "up\n", "-f some", "memory", "deleted"]
            .iter()
            .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}")))
            .collect();
        assert!(order.is_sorted(), "{text}");
        assert_eq!(text.matches("stays").count(), 1, "{text}");
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
        let page = markdown(&operations);
        assert_eq!(page.lines().count(), 7);
        assert!(page.contains("another reason \\| \\`with\\` &lt;marks&gt;"), "{page}");
        assert!(table(&[], 80).contains("nothing to predict"));
    }
}
