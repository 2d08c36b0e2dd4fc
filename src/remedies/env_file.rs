//! The edits of env files that remedies share: whole lines, recognised by their hashes, without any
//! value that a report must not contain.

use crate::evidence::selection::{DefinitionFacts, SelectionFacts, ValueSource, Written};
use crate::report::{Edit, Remedy, shell_word};

use crate::deployment::endpoint::{is_loopback, published_url};
use crate::deployment::selection::{counts, winner};
use crate::evidence::Evidence;
use crate::names::URL;

/// Gives the assignment that counts the value `value`, which is text and placeholders
/// ([`Edit::new`]). Empty if it is not in a file, or in lines that cannot be named.
pub(crate) fn set(selection: &SelectionFacts, name: &str, value: &str) -> Vec<Edit> {
    let definitions = selection.definitions(name);
    let Some(winner) = definitions.iter().find(|definition| definition.wins) else { return vec![] };
    rewrite(&winner.source, winner.lines.as_ref(), name, value)
}

/// Gives the variable in that place the name and the value.
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

/// Adds a line that gives the variable the same value under another name, and leaves the old line
/// as it is. Empty if the value goes over several lines.
pub(crate) fn add_under_name(
    source: &ValueSource,
    lines: Option<&Written>,
    name: &str,
) -> Vec<Edit> {
    let (ValueSource::File { file, line }, Some(lines)) = (source, lines) else { return vec![] };
    let [hash] = lines.hashes.as_slice() else { return vec![] };
    let edit = |line_hash: Option<&String>, new: String| Edit {
        file: file.clone(),
        line: *line,
        line_hash: line_hash.cloned(),
        new: Some(new),
    };
    // The second one only makes sure that it is still the line.
    vec![edit(None, format!("{name}={{rest}}")), edit(Some(hash), "{line}".to_owned())]
}

/// Makes the definition a comment.
pub(crate) fn comment_out(definition: &DefinitionFacts) -> Vec<Edit> {
    each_line(&definition.source, definition.lines.as_ref(), Some("# {line}"))
}

/// Deletes the definition.
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

/// Sets the URL that the CLI uses; with the edit of its line if that is in a file that counts.
pub(crate) fn set_url(selection: &SelectionFacts, url: &str, also: &str) -> Remedy {
    let source = winner(selection, URL).filter(|source| counts(selection, source));
    let remedy = Remedy::safe(match source {
        Some(place @ ValueSource::File { .. }) => format!("Set {place} to {url}{also}"),
        _ => format!("Set {URL} to {url}{also}"),
    });
    // `***` replaces a password, which is not part of any URL that works.
    let plain = !url.contains("***")
        && url.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c));
    match source.filter(|_| plain) {
        Some(_) => remedy.edit(set(selection, URL, url)),
        None => remedy,
    }
}

/// Sets the URL to that of the backend of this project, where the typed one leaves open what it
/// means (`http://127.0.0.1:${PORT}`); `None` if it is for another host, or the backend's is not
/// known.
pub(crate) fn set_open_url(evidence: &Evidence, typed: &str) -> Option<Remedy> {
    let url = published_url(evidence).filter(|_| may_be_this_machine(typed))?;
    Some(set_url(&evidence.selection, &url, ""))
}

/// Whether the host is this machine, or left open: then the port that the backend publishes here
/// was meant.
fn may_be_this_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority =
        rest.trim_matches(['"', '\'', '`']).split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        // `${PORT:-3210}` has a colon of its own.
        _ if authority.starts_with('$') => return true,
        Some((host, _)) => host.split_once(":$").map_or(host, |(host, _)| host),
        None => authority,
    };
    let host = host.trim_matches(['[', ']']);
    host.is_empty() || is_loopback(host)
}

/// Removes a definition: with `unset` in this shell, or by making its line a comment.
pub(crate) fn without(definition: &DefinitionFacts) -> Remedy {
    match &definition.source {
        place @ ValueSource::File { .. } => {
            Remedy::safe(format!("Comment out {place}")).edit(comment_out(definition))
        }
        ValueSource::Env { env } => Remedy::safe(format!("Unset {env} in this shell"))
            .run(format!("unset {}", shell_word(env))),
        ValueSource::Flag { flag } => Remedy::safe(format!("Run the command without {flag}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection::evidence;
    use crate::report::line_hash;

    fn new_lines(edits: &[Edit]) -> Vec<(usize, Option<&str>)> {
        edits.iter().map(|edit| (edit.line, edit.new.as_deref())).collect()
    }

    #[test]
    fn a_line_is_named_and_its_value_is_not() {
        let local = "# x\nexport CONVEX_SELF_HOSTED_URL=http://a/ # why\n";
        let selection = evidence(&[], local, "").selection;
        let remedy = set_url(&selection, "http://a", "");
        assert_eq!(
            new_lines(&remedy.edits),
            [(2, Some("export CONVEX_SELF_HOSTED_URL=http://a {comment}"))]
        );
        let line = "export CONVEX_SELF_HOSTED_URL=http://a/ # why";
        assert_eq!(remedy.edits[0].line_hash, Some(line_hash(line)));
        assert_eq!(remedy.title, "Set .env.local:2 to http://a");
        assert!(set_url(&selection, "http://a#b", "").edits.is_empty());
    }

    #[test]
    fn a_value_over_several_lines_goes_with_all_of_them() {
        let text = format!("CONVEX_SELF_HOSTED_ADMIN_KEY=\"app|\n01{}\"\n", "ab".repeat(36));
        let selection = evidence(&[], &text, "").selection;
        let edits = set(&selection, "CONVEX_SELF_HOSTED_ADMIN_KEY", "'x'");
        assert_eq!(new_lines(&edits), [(1, Some("CONVEX_SELF_HOSTED_ADMIN_KEY='x'")), (2, None)]);
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
        let remedy = set_url(&selection, "http://a", "");
        assert!(remedy.edits.is_empty(), "not a line of a file");
        assert_eq!(remedy.title, "Set CONVEX_SELF_HOSTED_URL to http://a");
    }
}
