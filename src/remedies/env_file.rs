//! The edits of env files that remedies share: whole lines, known again by their hashes, and no
//! value that a report may not hold.

use crate::evidence::selection::{DefinitionFacts, SelectionFacts, ValueSource, Written};
use crate::report::{Edit, Remedy, shell_word};

use crate::deployment::selection::counts;
use crate::names::URL;

/// The assignment that counts gets `value`, which is text and placeholders ([`Edit::new`]). Nothing
/// where it stands in no file, or in lines that cannot be named.
pub(crate) fn set(selection: &SelectionFacts, name: &str, value: &str) -> Vec<Edit> {
    let definitions = selection.definitions(name);
    let Some(winner) = definitions.iter().find(|definition| definition.wins) else { return vec![] };
    rewrite(&winner.source, winner.lines.as_ref(), name, value)
}

/// Gives the variable that stands there the name and the value.
pub(crate) fn rewrite(
    source: &ValueSource,
    lines: Option<&Written>,
    name: &str,
    value: &str,
) -> Vec<Edit> {
    let (ValueSource::File { file, line }, Some(lines)) = (source, lines) else { return vec![] };
    let export = if lines.export { "export " } else { "" };
    let comment = if lines.comment { " {comment}" } else { "" };
    let edit = |at: usize, hash: &String| Edit {
        file: file.clone(),
        line: line + at,
        line_hash: Some(hash.clone()),
        new: (at == 0).then(|| format!("{export}{name}={value}{comment}")),
    };
    lines.hashes.iter().enumerate().map(|(at, hash)| edit(at, hash)).collect()
}

/// Each of these definitions becomes a comment.
pub(crate) fn comment_out(definition: &DefinitionFacts) -> Vec<Edit> {
    each_line(&definition.source, definition.lines.as_ref(), Some("# {line}"))
}

/// The definition goes.
pub(crate) fn delete(definition: &DefinitionFacts) -> Vec<Edit> {
    each_line(&definition.source, definition.lines.as_ref(), None)
}

fn each_line(source: &ValueSource, lines: Option<&Written>, new: Option<&str>) -> Vec<Edit> {
    let (ValueSource::File { file, line }, Some(lines)) = (source, lines) else { return vec![] };
    let edit = |(at, hash): (usize, &String)| Edit {
        file: file.clone(),
        line: line + at,
        line_hash: Some(hash.clone()),
        new: new.map(str::to_owned),
    };
    lines.hashes.iter().enumerate().map(edit).collect()
}

/// To set the URL that the CLI uses, and the edit of its line where that stands in a file that
/// counts.
pub(crate) fn set_url(selection: &SelectionFacts, url: &str, also: &str) -> Remedy {
    let remedy = Remedy::safe(format!("set {URL} to {url}{also}"));
    // A `***` stands for a password, which is no part of any URL that works.
    let plain = !url.contains("***")
        && url.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c));
    if !plain {
        return remedy;
    }
    let definitions = selection.definitions(URL);
    let winner = definitions.iter().find(|definition| definition.wins);
    match winner.filter(|winner| counts(selection, &winner.source)) {
        Some(_) => remedy.edit(set(selection, URL, url)),
        None => remedy,
    }
}

/// What takes a definition away: `unset` in this shell, or the line of its file, which is named and
/// not touched.
pub(crate) fn without(name: &str, definition: &DefinitionFacts) -> Remedy {
    match &definition.source {
        ValueSource::File { file, line } => {
            Remedy::safe(format!("delete line {line} of {file} ({name}), or put `#` before it"))
                .edit(comment_out(definition))
        }
        ValueSource::Env { env } => Remedy::safe(format!("take {env} out of the shell"))
            .run(format!("unset {}", shell_word(env))),
        ValueSource::Flag { flag } => Remedy::safe(format!("leave {flag} out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection::evidence;
    use crate::report::line_hash;

    fn told(edits: &[Edit]) -> Vec<(usize, Option<&str>)> {
        edits.iter().map(|edit| (edit.line, edit.new.as_deref())).collect()
    }

    #[test]
    fn a_line_is_named_and_its_value_is_not() {
        let local = "# x\nexport CONVEX_SELF_HOSTED_URL=http://a/ # why\n";
        let selection = evidence(&[], local, "").selection;
        let remedy = set_url(&selection, "http://a", "");
        assert_eq!(
            told(&remedy.edits),
            [(2, Some("export CONVEX_SELF_HOSTED_URL=http://a {comment}"))]
        );
        let line = "export CONVEX_SELF_HOSTED_URL=http://a/ # why";
        assert_eq!(remedy.edits[0].line_hash, Some(line_hash(line)));
        assert!(set_url(&selection, "http://a#b", "").edits.is_empty());
    }

    #[test]
    fn a_value_over_several_lines_goes_with_all_of_them() {
        let text = format!("CONVEX_SELF_HOSTED_ADMIN_KEY=\"app|\n01{}\"\n", "ab".repeat(36));
        let selection = evidence(&[], &text, "").selection;
        let edits = set(&selection, "CONVEX_SELF_HOSTED_ADMIN_KEY", "'x'");
        assert_eq!(told(&edits), [(1, Some("CONVEX_SELF_HOSTED_ADMIN_KEY='x'")), (2, None)]);
    }

    #[test]
    fn what_could_be_guessed_or_misread_has_no_hash() {
        for local in [
            "CONVEX_SELF_HOSTED_ADMIN_KEY=hunter2\n",
            "CONVEX_SELF_HOSTED_ADMIN_KEY= # hunter2\n",
            "CONVEX_SELF_HOSTED_ADMIN_KEY=#hunter2\n",
            "CONVEX_SELF_HOSTED_URL=http://u:hunter2@h\n",
            "CONVEX_SELF_HOSTED_URL=http://a\rA=1\r",
            "export\nCONVEX_SELF_HOSTED_URL=http://a\n",
        ] {
            let selection = evidence(&[], local, "").selection;
            let lines = selection.variables[0].definitions[0].lines.as_ref();
            assert!(lines.is_none(), "{local:?}");
        }
        let selection = evidence(&[("CONVEX_SELF_HOSTED_URL", "http://a/")], "", "").selection;
        assert!(set_url(&selection, "http://a", "").edits.is_empty(), "a shell's is no line");
    }
}
