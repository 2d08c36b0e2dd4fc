//! What survives which operation: the table, and the answer to `persistence --before`.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use super::markdown::{code, code_cell, prose, prose_cell};
use super::text::wrap;
use crate::report::{Fate, Foresight, Operation};
use crate::secret::sanitize_lines as sanitize;

/// The table for a terminal of `width` columns, worst outcome first. Commands are never wrapped.
pub fn table(operations: &[Operation], width: usize) -> String {
    let mut out = String::new();
    if operations.is_empty() {
        out.push_str(
            "No backend was found, neither in a compose file nor in Docker: nothing to predict.\n",
        );
        return out;
    }
    for (index, group) in groups(operations).into_iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let _infallible = writeln!(out, "{}", outcome(group[0].keys, group[0].data));
        let mut rest = group.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|one| one.why == first.why).count();
            for one in &rest[..same] {
                let (command, condition) = one.command.split_once(" # ").unzip();
                let command = sanitize(command.unwrap_or(&one.command));
                let _infallible = writeln!(out, "  {command}");
                if let Some(condition) = condition {
                    hanging(&mut out, "    (", "     ", &format!("{condition})"), width);
                }
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

/// By outcome, the worst first; within a group, those with the same reason next to each other.
pub(super) fn groups(operations: &[Operation]) -> Vec<Vec<&Operation>> {
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
        let (keys, data) = (rank(group[0].keys), rank(group[0].data));
        (keys.min(data), keys, data)
    });
    groups
}

/// The order of the groups.
fn rank(fate: Fate) -> u8 {
    match fate {
        Fate::Lost => 0,
        Fate::Recoverable => 1,
        Fate::Unknown => 2,
        Fate::Kept => 3,
    }
}

/// What becomes of both, in one line.
fn outcome(keys: Fate, data: Fate) -> String {
    let word = |fate: Fate| match fate {
        Fate::Lost => "Deleted".red().bold().to_string(),
        Fate::Recoverable => "Left behind, recoverable".yellow().bold().to_string(),
        Fate::Unknown => "Could not tell".cyan().bold().to_string(),
        Fate::Kept => "Kept".green().bold().to_string(),
    };
    match (rank(keys), rank(data)) {
        (of_keys, of_data) if of_keys == of_data => format!("{}: keys and data", word(keys)),
        (of_keys, of_data) if of_keys < of_data => {
            format!("{}: keys. {}: data", word(keys), word(data))
        }
        _ => format!("{}: data. {}: keys", word(data), word(keys)),
    }
}

/// The answer to `--before`.
pub fn foresight(foresight: &Foresight, width: usize) -> String {
    let mut out = format!("{}\n", sanitize(&foresight.command));
    let _infallible = writeln!(out, "  {}", outcome(foresight.keys, foresight.data));
    hanging(&mut out, "  ", "  ", &foresight.why, width);
    if !foresight.deletes.is_empty() {
        hanging(&mut out, "  deletes: ", "           ", &foresight.deletes.join(", "), width);
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
            code_cell(&one.command),
            bold(one.keys),
            bold(one.data),
            prose_cell(&one.why)
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
        prose(&foresight.why)
    );
    if !foresight.deletes.is_empty() {
        let _infallible = write!(out, "\nDeletes {}\n", prose(&foresight.deletes.join(", ")));
    }
    for note in &foresight.notes {
        let _infallible = write!(out, "\n{}\n", prose(note));
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
    fn the_worst_is_first_and_no_command_is_wrapped() {
        use Fate::{Kept, Lost, Recoverable, Unknown};
        let long = format!("docker compose -f {} up -d", "some/very/long/path.yml ".repeat(5));
        let operations = [
            operation("restart", Kept, Kept, "stays"),
            operation("prune", Unknown, Unknown, "version"),
            operation("up -p other", Recoverable, Recoverable, "left"),
            operation("down -v", Lost, Lost, "deleted"),
            operation("down", Recoverable, Lost, "memory"),
            operation(&long, Kept, Kept, "another reason | `with` <marks>"),
            operation("up # after an edit", Kept, Kept, "stays"),
        ];
        let text = anstream::adapter::strip_str(&table(&operations, 80)).to_string();
        let parts = [
            "Deleted: keys and data\n  down -v\n    deleted\n",
            "Deleted: data. Left behind, recoverable: keys\n  down\n",
            "Left behind, recoverable: keys and data\n",
            "Could not tell: keys and data\n",
            "Kept: keys and data\n  restart\n  up\n    (after an edit)\n    stays\n",
            long.as_str(),
        ];
        let order: Vec<_> = parts
            .iter()
            .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}")))
            .collect();
        assert!(order.is_sorted(), "{text}");
        assert_eq!(text.matches("stays").count(), 1, "{text}");
        let page = markdown(&operations);
        assert_eq!(page.lines().count(), 9);
        assert!(page.contains("another reason \\| `with` &lt;marks&gt;"), "{page}");
        assert!(table(&[], 80).contains("nothing to predict"));
    }
}
