//! What a script of package.json, or a command line, says to the Convex CLI that it runs: the
//! options, and the variables that are set for it.
//!
//! Read as a POSIX shell splits words: `next dev & convex dev --env-file .env.docker`, `cross-env
//! CONVEX_…=… convex deploy`, `dotenv -e .env.docker -- convex dev`, `. ./.env.docker && convex dev`.
//! A variable is expanded where its value is known; of what a command prints (`$(…)`) nothing is
//! known.

use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use zeroize::Zeroizing;

use crate::names::{ADMIN_KEY, URL};
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
    /// `--env-file`, of the CLI or of a program that fills the environment for it; also a file that
    /// the shell reads before it.
    pub env_file: Option<String>,
    /// The variables that are set for it, with their values.
    pub variables: Vec<(String, Zeroizing<String>)>,
    /// Of these, the ones whose value is not known, as it is written; `--url` and `--admin-key` are
    /// here by the names of their variables.
    pub unknown: Vec<String>,
    /// Whether the name of that file is not known.
    pub unknown_file: bool,
    /// Whether variables are set before it in a way that does not show which.
    pub opaque: bool,
}

/// The value of a variable, where it is known.
pub type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// Every call of the Convex CLI in `script`, no variable expanded.
pub fn calls(script: &str) -> Vec<CliCall> {
    calls_with(script, &|_| None)
}

/// Every call of the Convex CLI in `script`, in a shell with these variables.
pub fn calls_with(script: &str, lookup: Lookup<'_>) -> Vec<CliCall> {
    let mut found = Vec::new();
    if script.len() <= LONGEST {
        read(script, DEPTH, lookup, &mut found);
    }
    found
}

/// The shell scripts that `script` runs, as they are named: `bash dev.sh`, `./scripts/dev.sh`.
pub fn shell_scripts(script: &str) -> Vec<String> {
    if script.len() > LONGEST {
        return Vec::new();
    }
    let is_script = |word: &str| Path::new(word).extension().is_some_and(|it| it == "sh");
    let named = |words: Vec<Word>| {
        let mut words = words.into_iter().map(|word| word.text.as_str().to_owned());
        let first = words.find(|word| !is_assignment(word))?;
        match first.as_str() {
            "sh" | "bash" | "zsh" | "dash" => words.find(|word| !word.starts_with('-')),
            _ => is_script(&first).then_some(first),
        }
    };
    commands(script, &|_| None).into_iter().filter_map(named).collect()
}

/// What the commands before a call set for it.
#[derive(Default)]
struct ShellState {
    variables: Vec<(String, Zeroizing<String>)>,
    unknown: Vec<String>,
    file: Option<String>,
    unknown_file: bool,
    opaque: bool,
}

impl ShellState {
    /// Takes what a command of the shell itself sets.
    fn take(&mut self, words: &[Word]) {
        let Some((first, rest)) = words.split_first() else { return };
        match first.text.as_str() {
            "." | "source" => {
                let Some(file) = rest.first() else { return };
                // Several files are not told apart.
                self.opaque |= self.file.is_some();
                self.unknown_file |= file.open;
                self.file = Some(file.text.as_str().to_owned());
            }
            "eval" | "read" => self.opaque = true,
            "export" => self.assign(rest),
            _ => {}
        }
    }

    fn assign(&mut self, words: &[Word]) {
        for word in words.iter().filter(|word| is_assignment(&word.text)) {
            let Some((name, value)) = word.text.split_once('=') else { continue };
            if word.open {
                self.unknown.push(name.to_owned());
            }
            self.variables.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        }
    }
}

fn read(script: &str, depth: usize, lookup: Lookup<'_>, found: &mut Vec<CliCall>) {
    let unknown: Lookup<'_> = &|_| None;
    let sets = |words: &Vec<Word>| {
        let first = words.first().map(|word| word.text.as_str());
        matches!(first, Some("." | "source" | "eval" | "read" | "export"))
    };
    let mut read_commands = commands(script, lookup);
    // What the script itself may have changed is not known by its environment.
    let lookup = if read_commands.iter().any(sets) {
        read_commands = commands(script, unknown);
        unknown
    } else {
        lookup
    };
    let mut state = ShellState::default();
    for words in read_commands {
        state.take(&words);
        if let Some(at) = words.iter().position(|word| is_convex(&word.text)) {
            found.push(call(&words[..at], &words[at + 1..], &state));
        } else if depth > 0 {
            let texts = words.iter().map(|word| word.text.as_str());
            for word in texts.filter(|word| word.contains("convex") && word.contains(' ')) {
                read(word, depth - 1, lookup, found);
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

fn call(before: &[Word], after: &[Word], state: &ShellState) -> CliCall {
    let mut own = ShellState::default();
    own.assign(before);
    let texts = |words: &[Word]| -> Vec<Zeroizing<String>> {
        words.iter().map(|word| word.text.clone()).collect()
    };
    let (texts_before, texts_after) = (texts(before), texts(after));
    let before_words: Vec<&str> = texts_before.iter().map(|text| text.as_str()).collect();
    let after_words: Vec<&str> = texts_after.iter().map(|text| text.as_str()).collect();
    // `dotenv -e FILE`, `dotenvx run -f FILE`, `env-cmd -f FILE`, `node --env-file=FILE`.
    let fills = |word: &&str| {
        let name = Path::new(word).file_name().and_then(|name| name.to_str());
        matches!(name, Some("dotenv" | "dotenvx" | "env-cmd" | "node" | "bun" | "tsx"))
    };
    let filled = before_words.iter().position(fills).and_then(|at| {
        let short: &[&str] = match before_words[at] {
            "node" | "bun" | "tsx" => &["--env-file", "--env-file-if-exists"],
            _ => &["-e", "-f", "--env", "--file", "--env-file"],
        };
        let (text, index) = value_at(&before_words[at + 1..], short)?;
        Some((text, before[at + 1 + index].open))
    });
    let option = |name: &str| {
        let (text, index) = value_at(&after_words, &[name])?;
        Some((text, after[index].open))
    };
    let (url, admin_key) = (option("--url"), option("--admin-key"));
    let sourced = state.file.as_deref().map(|file| (file, state.unknown_file));
    let env_file = option("--env-file").or(filled).or(sourced);
    let mut unknown = [state.unknown.as_slice(), own.unknown.as_slice()].concat();
    for (given, name) in [(url, URL), (admin_key, ADMIN_KEY)] {
        unknown.extend(given.filter(|(_, open)| *open).map(|_| name.to_owned()));
    }
    CliCall {
        url: url.map(|(text, _)| text.to_owned()),
        admin_key: admin_key.map(|(text, _)| Secret::new(text)),
        env_file: env_file.map(|(text, _)| text.to_owned()),
        variables: [state.variables.as_slice(), own.variables.as_slice()].concat(),
        unknown,
        unknown_file: env_file.is_some_and(|(_, open)| open),
        opaque: state.opaque,
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The value of the last of these options, as `--option value` or `--option=value`.
pub fn value<'w>(words: &[&'w str], options: &[&str]) -> Option<&'w str> {
    value_at(words, options).map(|(value, _)| value)
}

/// The same, and which word it is in.
fn value_at<'w>(words: &[&'w str], options: &[&str]) -> Option<(&'w str, usize)> {
    let mut found = None;
    for (index, word) in words.iter().enumerate() {
        if options.contains(word) {
            found = words.get(index + 1).map(|value| (*value, index + 1)).or(found);
        } else if let Some((option, value)) = word.split_once('=')
            && options.contains(&option)
        {
            found = Some((value, index));
        }
    }
    found
}

/// A word of a command, quotes removed.
#[derive(Clone, Default)]
struct Word {
    text: Zeroizing<String>,
    /// Whether something in it is not expanded, because its value is not known.
    open: bool,
}

impl Word {
    /// Takes what is behind a `$` that the shell expands.
    fn expand(&mut self, characters: &mut Peekable<Chars<'_>>, lookup: Lookup<'_>) {
        let of_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        let braced = characters.peek() == Some(&'{');
        let mut raw = String::from("$");
        let mut name = String::new();
        if braced {
            raw.extend(characters.next());
            for c in characters.by_ref() {
                raw.push(c);
                if c == '}' {
                    break;
                }
                name.push(c);
            }
        } else {
            while let Some(c) = characters.next_if(of_name) {
                raw.push(c);
                name.push(c);
            }
        }
        // What `${NAME:-x}` is for a variable that is not empty is clear.
        let plain = name.split_once(":-").map_or(name.as_str(), |(name, _)| name);
        let known = lookup(plain).filter(|value| plain == name || !value.is_empty());
        match known.filter(|_| is_name(plain)) {
            Some(value) => self.text.push_str(&Zeroizing::new(value)),
            None => {
                let special = characters.peek().is_some_and(|c| matches!(c, '(' | '@' | '*'));
                self.open |= !name.is_empty() || braced || special;
                self.text.push_str(&raw);
            }
        }
    }
}

/// The words of each command.
fn commands(script: &str, lookup: Lookup<'_>) -> Vec<Vec<Word>> {
    let (mut commands, mut current) = (Vec::new(), Vec::new());
    let mut word: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => {
                if let Some(next) = characters.next() {
                    word.get_or_insert_default().text.push(next);
                }
            }
            (None | Some('"'), '$') => {
                word.get_or_insert_default().expand(&mut characters, lookup);
            }
            (None | Some('"'), '`') => {
                let word = word.get_or_insert_default();
                word.open = true;
                word.text.push(character);
            }
            (Some(_), character) => word.get_or_insert_default().text.push(character),
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
            (None, character) => word.get_or_insert_default().text.push(character),
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
            parts.extend(call.unknown.iter().map(|name| format!("unknown {name}")));
            parts.extend(call.unknown_file.then(|| "unknown file".to_owned()));
            parts.extend(call.opaque.then(|| "opaque".to_owned()));
            parts.join(", ")
        };
        let lookup = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        calls_with(script, &lookup).into_iter().map(told).collect()
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
            ("convex dev --url $SET --admin-key \"${SET}1\"", &["url value, key value1"]),
            (
                "convex dev --url '$SET' --admin-key $K",
                &["url $SET, key $K, unknown CONVEX_SELF_HOSTED_ADMIN_KEY"],
            ),
            (
                "A=${K:-x} B=${SET:-x} C=${EMPTY:-x} D=$EMPTY convex dev",
                &["A=${K:-x}, B=value, C=${EMPTY:-x}, D=, unknown A, unknown C"],
            ),
            ("A=\\$SET B=5$ C=`x` convex dev", &["A=$SET, B=5$, C=`x`, unknown C"]),
            ("set -a && . ./.env.stage && set +a && convex dev", &["file ./.env.stage"]),
            (". ./e; A=$SET convex dev --env-file f", &["A=$SET, file f, unknown A"]),
            ("export A=b C=$K\nconvex dev", &["A=b, C=$K, unknown C"]),
            ("eval \"$(vault env)\" && convex dev", &["opaque"]),
            ("source $F && convex dev", &["file $F, unknown file"]),
            ("sh -c 'convex dev --env-file $SET'", &["file value"]),
        ] {
            assert_eq!(told(script), expected, "{script}");
        }
        assert!(calls(&"convex dev;".repeat(LONGEST)).is_empty());
    }

    #[test]
    fn the_shell_scripts_that_are_run() {
        for (script, expected) in [
            ("bash dev.sh", &["dev.sh"][..]),
            ("A=b sh -e ./x/dev && ./y.sh", &["./x/dev", "./y.sh"]),
            ("next dev & convex dev", &[]),
            ("echo dev.sh", &[]),
        ] {
            assert_eq!(shell_scripts(script), expected, "{script}");
        }
    }
}
