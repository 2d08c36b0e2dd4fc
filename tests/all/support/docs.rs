//! What the pages of the documentation tell people to type.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads the repository")]

use std::path::Path;

use serde_yaml::Value;

/// The fenced blocks of a page in one language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    let parts = page.split(&open).skip(1);
    parts.filter_map(|part| part.split_once("\n```")).map(|(block, _)| block.to_owned()).collect()
}

/// Our own commands among the lines of a shell script, in pipes and `$(…)` too, as words.
pub(crate) fn own_commands(script: &str) -> Vec<Vec<String>> {
    script
        .lines()
        .filter_map(|line| line.split(" #").next())
        .flat_map(|line| line.split(['|', ';', ')']))
        .flat_map(|part| part.split("$(").flat_map(|part| part.split("&&")))
        .filter_map(|part| part.split('>').next())
        .map(str::trim)
        .filter(|part| *part == "convex-doctor" || part.starts_with("convex-doctor "))
        .map(words)
        .collect()
}

/// A command line as a shell splits it, as far as quotes without blanks inside of double ones go.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(|word| word.replace('"', "")));
        }
    }
    words
}

/// The script of the GitHub Action that diagnoses.
pub(crate) const ACTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/action/run.sh");

/// The variables of that script, for a step of a job that uses the Action: what the step says, else
/// the defaults of `action.yml`.
pub(crate) fn action_inputs(step: &Value) -> Option<Vec<(String, String)>> {
    step["uses"].as_str().filter(|uses| uses.contains("/convex-self-hosted-doctor@"))?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml");
    let action: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let inputs = action["inputs"].as_mapping().unwrap();
    let with = step["with"].as_mapping().cloned().unwrap_or_default();
    for name in with.keys() {
        assert!(inputs.contains_key(name), "the Action has no input {name:?}");
    }
    let variable = |(name, input): (&Value, &Value)| {
        let name = name.as_str().unwrap();
        let value = match with.get(name).unwrap_or(&input["default"]) {
            Value::Bool(value) => value.to_string(),
            value => value.as_str().unwrap().to_owned(),
        };
        (format!("INPUT_{}", name.to_uppercase().replace('-', "_")), value)
    };
    Some(inputs.iter().map(variable).collect())
}
