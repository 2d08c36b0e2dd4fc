//! From a [`Selection`], which holds secrets, to [`SelectionFacts`], which hold none.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::choose::{Definition, FoundText, FoundVariable, Selection};
use super::names::ADMIN_KEY;
use crate::evidence::selection::{
    DefinitionFacts, DuplicateFacts, KeyText, MisreadingFacts, NearMissFacts, SelectionFacts,
    SelectionKind, UrlFacts, ValueSource, VariableFacts,
};
use crate::secret::{Fingerprint, Secret};

/// What may be known about `selection`. `fingerprint` gives one for well-shaped keys only.
pub fn facts(
    selection: &Selection,
    fingerprint: &dyn Fn(&Secret) -> Option<Fingerprint>,
) -> SelectionFacts {
    let key_facts = |key: &str| key_facts(key, fingerprint);
    let url = selection.url.as_ref();
    let key = selection.admin_key.as_ref();
    let variables: Vec<VariableFacts> =
        selection.variables.iter().map(|variable| variable_facts(variable, &key_facts)).collect();
    let winner = variables
        .iter()
        .find(|variable| variable.name == ADMIN_KEY)
        .and_then(|variable| variable.definitions.iter().find(|definition| definition.wins));
    SelectionFacts {
        kind: selection.kind,
        error: selection.error,
        message: selection.message.clone(),
        cli_says: selection.cli_says.clone(),
        url: url.map(|(text, source)| UrlFacts { text: masked(text), source: source.clone() }),
        admin_key: key.and_then(|_| winner?.key.clone()),
        admin_key_source: key.map(|key| key.source.clone()),
        split_sources: url
            .zip(key)
            .is_some_and(|((_, source), key)| !source.same_place(&key.source)),
        ignored_flag: selection.ignored_flag.map(str::to_owned),
        env_file: selection.env_file.clone(),
        package_json: selection.package_json,
        ignores_token: selection.ignores_token,
        duplicates: selection.variables.iter().flat_map(duplicates).collect(),
        near_misses: selection
            .near_misses
            .iter()
            .map(|miss| NearMissFacts {
                written: miss.name.clone(),
                meant: miss.meant.to_owned(),
                source: miss.source.clone(),
                empty: miss.empty,
                fits: miss.fits,
                lines: miss.lines.clone(),
            })
            .collect(),
        variables,
        misreadings: selection
            .misreadings
            .iter()
            .map(|(file, misread)| MisreadingFacts {
                file: file.clone(),
                line: misread.line,
                name: misread.name.clone(),
                kind: misread.kind,
                corrected: misread.corrected.clone(),
                lines: misread.lines.clone(),
            })
            .collect(),
    }
}

/// The object of `inspect selection --format json`.
pub fn inspect_json(facts: &SelectionFacts) -> Value {
    let selected = facts.kind == SelectionKind::SelfHosted;
    let url = facts.url.as_ref().filter(|_| selected);
    let key = facts.admin_key.as_ref().zip(facts.admin_key_source.as_ref()).filter(|_| selected);
    json!({
        "kind": facts.kind,
        "url": url.map(|url| &url.text),
        "admin_key": key.map(|(key, source)| json!({
            "fingerprint": key.fingerprint,
            "length": key.length,
            "source": source,
        })),
        "message": facts.message,
    })
}

fn key_facts(key: &str, fingerprint: &dyn Fn(&Secret) -> Option<Fingerprint>) -> KeyText {
    let sent = Secret::new(super::choose::sent(key));
    KeyText { fingerprint: fingerprint(&sent), length: sent.chars(), empty: key.is_empty() }
}

fn variable_facts(variable: &FoundVariable, key_facts: &dyn Fn(&str) -> KeyText) -> VariableFacts {
    let winner = variable.definitions.iter().find(|definition| definition.wins);
    let fact = |definition: &Definition| {
        let value = definition.value.expose();
        let (text, key) = match &definition.value {
            FoundText::Plain(text) => (Some(masked(text)), None),
            FoundText::Key(key) => (None, Some(key_facts(key.expose()))),
            FoundText::Unknown => (None, None),
        };
        DefinitionFacts {
            source: definition.source.clone(),
            empty: definition.value.is_empty(),
            wins: definition.wins,
            same_as_winner: winner.is_some_and(|winner| winner.value.expose() == value),
            text,
            key,
            lines: definition.lines.clone(),
        }
    };
    VariableFacts {
        name: variable.name.clone(),
        definitions: variable.definitions.iter().map(fact).collect(),
    }
}

/// The files that define the variable more than once.
fn duplicates(variable: &FoundVariable) -> impl Iterator<Item = DuplicateFacts> {
    let mut files: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for definition in &variable.definitions {
        if let ValueSource::File { file, line } = &definition.source {
            files.entry(file).or_default().push((*line, definition.value.expose()));
        }
    }
    files.into_iter().filter(|(_, places)| places.len() > 1).map(|(file, mut places)| {
        places.sort_unstable();
        DuplicateFacts {
            name: variable.name.clone(),
            file: file.to_owned(),
            equal: places.windows(2).all(|pair| pair[0].1 == pair[1].1),
            lines: places.into_iter().map(|(line, _)| line).collect(),
        }
    })
}

/// The text with `***` for a password, a key and what else may be secret in it.
pub fn masked(text: &str) -> String {
    crate::foreign::url(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::choose::{FileText, Sources, select};

    const KEY: &str = "app|01aaaabbbbccccddddeeeeffff0000111122223333";

    fn of(local: &str, env: &str) -> SelectionFacts {
        let sources = Sources {
            env_local: Some(FileText::new(".env.local", local)),
            env: Some(FileText::new(".env", env)),
            ..Sources::default()
        };
        facts(&select(&sources), &|key| {
            key.expose().starts_with("app|").then(|| Fingerprint::of_text(key.expose()))
        })
    }

    #[test]
    fn the_public_object() {
        let local = "CONVEX_SELF_HOSTED_URL=http://u:hunter2@h:3210";
        let facts = of(local, &format!("\n{ADMIN_KEY}=\"{KEY}\\n\"\n"));
        assert!(facts.split_sources);
        let print = Fingerprint::of_text(KEY);
        assert_eq!(
            inspect_json(&facts),
            json!({
                "kind": "self-hosted",
                "url": "http://u:***@h:3210",
                "admin_key": {
                    "fingerprint": print.as_str(),
                    "length": 46,
                    "source": {"file": ".env", "line": 2},
                },
                "message": null,
            })
        );
    }

    #[test]
    fn facts_hold_no_secret_and_survive_a_bundle() {
        let text = format!(
            "CONVEX_SELF_HOSTED_URL={KEY}\n{ADMIN_KEY}={KEY}\n{ADMIN_KEY}=\"{KEY}\nCONVEX_ADMIN_KEY={KEY}\n"
        );
        let facts = of(&text, &format!("CONVEX_DEPLOY_KEY={KEY}"));
        let bundle = serde_json::to_string(&facts).unwrap();
        assert!(!bundle.contains("aaaabbbb"), "{bundle}");
        assert_eq!(serde_json::from_str::<SelectionFacts>(&bundle).unwrap(), facts);
        assert_eq!(facts.duplicates[0].lines, [2, 3]);
        assert_eq!(facts.near_misses[0].written, "CONVEX_ADMIN_KEY");
        assert_eq!(facts.misreadings.len(), 1);
    }

    #[test]
    fn what_is_not_selected_is_null() {
        let json = inspect_json(&of("CONVEX_SELF_HOSTED_URL=http://h", ""));
        assert_eq!(json["kind"], "none");
        assert!(json["url"].is_null() && json["admin_key"].is_null());
    }
}
