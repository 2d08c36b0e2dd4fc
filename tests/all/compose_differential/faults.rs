//! What people get wrong: one fault, somewhere in the project.

use super::case::{Case, Text};
use super::rng::Rng;
use super::yaml::{Y, raw};

/// Breaks something, or at least makes it odd.
pub(crate) fn inject(r: &mut Rng, case: &mut Case) {
    let yaml: Vec<String> = case
        .files
        .iter()
        .filter(|(_, text)| matches!(text, Text::Yaml(_)))
        .map(|(name, _)| name.clone())
        .collect();
    let main: Vec<String> = yaml
        .iter()
        .filter(|name| !["base.yaml", "/inc/"].iter().any(|other| name.contains(other)))
        .cloned()
        .collect();
    let from = if r.chance(80) && !main.is_empty() { &main } else { &yaml };
    let Some(name) = from.get(r.below(from.len())).cloned() else { return };
    if r.chance(12) {
        let text = case.files.get(&name).unwrap().print();
        case.files.insert(name, in_text(r, &text));
        return;
    }
    if r.chance(5) {
        let files: Vec<String> = case.files.keys().cloned().collect();
        case.files.remove(&files[r.below(files.len())]);
        return;
    }
    let Some(Text::Yaml(documents)) = case.files.get_mut(&name) else { return };
    let Some(document) = documents.first_mut() else { return };
    let size = document.size();
    let Some(node) = document.nth(r.below(size)) else { return };
    in_tree(r, node);
}

/// Lines with one of them broken.
fn in_text(r: &mut Rng, text: &str) -> Text {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = r.below(lines.len());
    match r.below(8) {
        0 => lines[at] = format!("\t{}", lines[at].trim_start()),
        1 => lines[at].insert(0, ' '),
        2 => lines[at].push_str(" \"open"),
        3 => lines.insert(at, lines[at].clone()),
        4 => lines[at].push_str(": x"),
        5 => lines[at] = lines[at].replacen(':', "", 1),
        6 => lines.truncate(at),
        _ => lines[at].push_str(" [x"),
    }
    Text::Lines(lines, true)
}

fn in_tree(r: &mut Rng, node: &mut Y) {
    let odd = [
        "null", "", "''", "3", "1.5", "true", "[]", "{}", "[x]", "{a: b}", "2024-01-01", "0123", "x", "[[x]]",
        "[null]", "{a: null}", "[{a: b}]", "[1]", "[true]", "'a=b'", "-1", "[x, x]", "*nope", "!!str 5",
        "!!int '5'", "!odd x", "99999999999999999999", "[a, 1]", "{1: x}", "{? [a] : b}", "{true: x}",
        "{null: x}", "{'': x}", "{<<: {a: b}}", "{<<: x}", "'${U1:?gone}'", "'${A'",
    ];
    match node {
        Y::Map(entries) if !entries.is_empty() && r.chance(70) => {
            let at = r.below(entries.len());
            match r.below(6) {
                0 => entries[at].0.push('x'),
                1 => {
                    let twice = entries[at].clone();
                    entries.push(twice);
                }
                2 => drop(entries.remove(at)),
                3 => entries.push(("foo".to_owned(), raw(r.pick(&["1", "null", "x"])))),
                4 => {
                    let key = r.pick(&[
                        "1", "true", "null", "''", "a b", "x-y", "\"q\"", "~", "1.5", "'1'",
                    ]);
                    key.clone_into(&mut entries[at].0);
                }
                _ => entries[at].1 = raw(r.pick(&odd)),
            }
        }
        Y::List(list) if !list.is_empty() && r.chance(70) => {
            let at = r.below(list.len());
            if r.chance(30) {
                let twice = list[at].clone();
                list.push(twice);
            } else {
                list[at] = raw(r.pick(&odd));
            }
        }
        node => *node = raw(r.pick(&odd)),
    }
}
