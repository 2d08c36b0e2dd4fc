//! What a script of package.json, or a command line, says to the Convex CLI that it runs: the
//! options, and the variables that are set for it.
//!
//! Read as a POSIX shell splits words, without expanding anything: `next dev & convex dev
//! --env-file .env.docker`, `cross-env CONVEX_…=… convex deploy`, `dotenv -e .env.docker -- convex
//! dev`. What another script contains is not read.

use std::path::Path;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Longer scripts are not read.
const LONGEST: usize = 16 * 1024;
/// How deep commands in quotes are read: `concurrently "convex dev" "next dev"`.
const DEPTH: usize = 2;

/// One call of the Convex CLI.
#[derive(Default)]
pub struct CliCall {
    /// `--url`.
    pub url: Option<String>,
    /// `--admin-key`.
    pub admin_key: Option<Secret>,
    /// `--env-file`, of the CLI or of a program that fills the environment for it.
    pub env_file: Option<String>,
    /// The variables that are set for it, with their values.
    pub variables: Vec<(String, Zeroizing<String>)>,
}

/// Every call of the Convex CLI in `script`.
pub fn calls(script: &str) -> Vec<CliCall> {
    let mut found = Vec::new();
    if script.len() <= LONGEST {
        read(script, DEPTH, &mut found);
    }
    found
}

fn read(script: &str, depth: usize, found: &mut Vec<CliCall>) {
    for words in commands(script) {
        let words: Vec<&str> = words.iter().map(|word| word.as_str()).collect();
        if let Some(at) = words.iter().position(|word| is_convex(word)) {
            found.push(call(&words[..at], &words[at + 1..]));
        } else if depth > 0 {
            for word in words.iter().filter(|word| word.contains("convex") && word.contains(' ')) {
                read(word, depth - 1, found);
            }
        }
    }
}

/// Whether a word runs the CLI: `convex`, `convex@latest`, `./node_modules/.bin/convex`,
/// `node_modules/convex/bin/main.js`.
pub fn is_convex(word: &str) -> bool {
    let name = Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "convex" || name.starts_with("convex@") || word.ends_with("convex/bin/main.js")
}

fn call(before: &[&str], after: &[&str]) -> CliCall {
    let assigned = before.iter().filter_map(|word| word.split_once('='));
    let variables = assigned
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())))
        .collect();
    // `dotenv -e FILE`, `dotenvx run -f FILE`, `env-cmd -f FILE`, `node --env-file=FILE`.
    let fills = |word: &str| {
        let name = Path::new(word).file_name().and_then(|name| name.to_str());
        matches!(name, Some("dotenv" | "dotenvx" | "env-cmd" | "node" | "bun" | "tsx"))
    };
    let filled = before.iter().position(|word| fills(word)).and_then(|at| {
        let short: &[&str] = match before[at] {
            "node" | "bun" | "tsx" => &["--env-file", "--env-file-if-exists"],
            _ => &["-e", "-f", "--env", "--file", "--env-file"],
        };
        value(&before[at + 1..], short)
    });
    CliCall {
        url: value(after, &["--url"]).map(str::to_owned),
        admin_key: value(after, &["--admin-key"]).map(Secret::new),
        env_file: value(after, &["--env-file"]).or(filled).map(str::to_owned),
        variables,
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The value of the last of these options, as `--option value` or `--option=value`.
pub fn value<'w>(words: &[&'w str], options: &[&str]) -> Option<&'w str> {
    let mut found = None;
    for (index, word) in words.iter().enumerate() {
        if options.contains(word) {
            found = words.get(index + 1).copied().or(found);
        } else if let Some((option, value)) = word.split_once('=')
            && options.contains(&option)
        {
            found = Some(value);
        }
    }
    found
}

/// The words of each command, quotes removed.
fn commands(script: &str) -> Vec<Vec<Zeroizing<String>>> {
    let (mut commands, mut current) = (Vec::new(), Vec::new());
    let mut word: Option<Zeroizing<String>> = None;
    let mut quote: Option<char> = None;
    let mut characters = script.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => {
                if let Some(next) = characters.next() {
                    word.get_or_insert_default().push(next);
                }
            }
            (Some(_), character) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '&' | '|' | ';' | '(' | ')' | '\n') => {
                current.extend(word.take());
                commands.push(std::mem::take(&mut current));
            }
            (None, space) if space.is_whitespace() => {
                current.extend(word.take());
            }
            (None, character) => word.get_or_insert_default().push(character),
        }
    }
    current.extend(word);
    commands.push(current);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said to the CLI, in one line each.
    fn told(script: &str) -> Vec<String> {
        let told = |call: CliCall| {
            let mut parts: Vec<String> =
                call.variables.iter().map(|(name, value)| format!("{name}={}", **value)).collect();
            parts.extend(call.env_file.map(|file| format!("file {file}")));
            parts.extend(call.url.map(|url| format!("url {url}")));
            parts.extend(call.admin_key.map(|key| format!("key {}", key.expose())));
            parts.join(", ")
        };
        calls(script).into_iter().map(told).collect()
    }

    #[test]
    fn what_a_script_says_to_the_cli() {
        for (script, expected) in [
            ("convex dev", &[""][..]),
            ("convex dev --env-file .env.docker", &["file .env.docker"]),
            ("npx convex@latest dev --env-file=.env.docker", &["file .env.docker"]),
            (
                "pnpm exec convex dev --url 'http://h:1' --admin-key \"a|01\"",
                &["url http://h:1, key a|01"],
            ),
            ("A=b CONVEX_X='c d' convex dev", &["A=b, CONVEX_X=c d"]),
            ("cross-env A=b npx convex deploy", &["A=b"]),
            ("dotenv -e .env.docker -- convex dev", &["file .env.docker"]),
            ("env-cmd -f ./.env.docker npx convex dev", &["file ./.env.docker"]),
            ("node --env-file=e node_modules/convex/bin/main.js dev", &["file e"]),
            ("next dev & convex dev --env-file e", &["file e"]),
            ("convex codegen && convex dev --env-file e", &["", "file e"]),
            ("concurrently 'next dev' \"convex dev --env-file e\"", &["file e"]),
            ("convex dev --env-file \"my file\"", &["file my file"]),
            ("next dev --env-file e", &[]),
            ("echo convexity", &[]),
            ("", &[]),
            ("convex dev --env-file", &[""]),
            ("\"convex dev", &[""]),
        ] {
            assert_eq!(told(script), expected, "{script}");
        }
        assert!(calls(&"convex dev;".repeat(LONGEST)).is_empty());
    }
}
