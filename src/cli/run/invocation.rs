//! What a command line says of the deployment that its Convex CLI will use: `npx convex deploy
//! --url … --admin-key …`, `env A=b npx convex dev`, `npm --prefix app run dev`. What a
//! shell script contains is not read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::names::{ADMIN_KEY, URL};
use crate::secret::Secret;
use crate::selection::names::SELECTING;
use crate::selection::script::{self, is_convex, value};

/// What is said there.
#[derive(Default)]
pub(super) struct Seen {
    /// The command for a reader, keys masked.
    pub(super) shown: String,
    /// `--url` of the Convex CLI.
    pub(super) url: Option<String>,
    /// `--admin-key`.
    pub(super) admin_key: Option<Secret>,
    /// `--env-file`.
    pub(super) env_file: Option<PathBuf>,
    /// The directory given to a package manager.
    pub(super) directory: Option<PathBuf>,
    /// Variables that `env` sets; `None` unsets one.
    pub(super) environment: Vec<(String, Option<String>)>,
    /// The variables of the CLI whose value is set there, and does not show.
    pub(super) unknown: Vec<String>,
}

/// Reads a command line; [`Seen::hear`] adds what is printed by it.
pub(super) fn read(words: &[OsString]) -> Seen {
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let mut seen = Seen::default();
    let mut rest = texts.as_slice();
    if is(rest.first(), &["env"]) {
        rest = environment(&rest[1..], &mut seen);
    }
    if is(rest.first(), &["npm", "pnpm", "yarn", "bun", "npx", "bunx"]) {
        seen.directory = directory(rest);
    }
    if let Some(at) = rest.iter().position(|word| is_convex(word)) {
        options(&rest[at + 1..], &mut seen);
    } else if let Some(at) = rest.iter().position(|word| *word == "--") {
        // `npm run dev -- --url …`
        options(&rest[at + 1..], &mut seen);
    }
    seen.shown = shown(&texts);
    seen
}

/// Whether a word is one of these programs, with or without its path.
fn is(word: Option<&&str>, names: &[&str]) -> bool {
    let name = word.and_then(|word| std::path::Path::new(OsStr::new(word)).file_name()?.to_str());
    name.is_some_and(|name| names.contains(&name))
}

/// The assignments of `env`; the command that is left.
fn environment<'w>(mut rest: &'w [&'w str], seen: &mut Seen) -> &'w [&'w str] {
    while let Some((word, after)) = rest.split_first() {
        match *word {
            "-u" | "--unset" => {
                let Some((name, after)) = after.split_first() else { return after };
                seen.environment.push(((*name).to_owned(), None));
                rest = after;
                continue;
            }
            word if word.starts_with("--unset=") => {
                seen.environment.push((word["--unset=".len()..].to_owned(), None));
            }
            word if word.starts_with('-') => {}
            word => match word.split_once('=') {
                Some((name, value)) => {
                    seen.environment.push((name.to_owned(), Some(value.to_owned())));
                }
                None => return rest,
            },
        }
        rest = after;
    }
    rest
}

fn directory(words: &[&str]) -> Option<PathBuf> {
    value(words, &["--prefix", "--cwd", "--dir", "-C"]).map(PathBuf::from)
}

impl Seen {
    /// Adds what the commands say that a package manager printed before it ran them, where the
    /// command line itself says nothing of the deployment. The first call of the CLI that says
    /// something counts.
    /// The package manager prints them as they are written: variables are those of `environment`.
    pub(super) fn hear(
        &mut self,
        echoes: &[Zeroizing<String>],
        environment: &BTreeMap<String, String>,
    ) {
        if self.url.is_some() || self.admin_key.is_some() || self.env_file.is_some() {
            return;
        }
        let says = |call: &script::CliCall| {
            let flags = call.url.is_some() && call.admin_key.is_some();
            flags || call.env_file.is_some() || !call.variables.is_empty()
        };
        let changed = self.environment.clone();
        let lookup = |name: &str| match changed.iter().rfind(|(changed, _)| changed == name) {
            Some((_, value)) => value.clone(),
            None => environment.get(name).cloned(),
        };
        let calls = echoes.iter().flat_map(|echo| script::calls_with(echo, &lookup));
        let Some(call) = calls.into_iter().find(says) else { return };
        self.unknown = call.unknown;
        if call.unknown_file {
            // It may set both; any text stands for them.
            self.unknown = vec![URL.to_owned(), ADMIN_KEY.to_owned()];
            self.url = call.env_file.clone();
            self.admin_key = call.env_file.as_deref().map(Secret::new);
        } else {
            self.url = call.url;
            self.admin_key = call.admin_key;
            self.env_file = call.env_file.map(PathBuf::from);
        }
        // A variable of the CLI counts as set also where its value does not show; another does not.
        let is_known =
            |name: &String| SELECTING.contains(&name.as_str()) || !self.unknown.contains(name);
        let variables = call.variables.into_iter().filter(|(name, _)| is_known(name));
        self.environment
            .extend(variables.map(|(name, value)| (name, Some(value.as_str().to_owned()))));
    }
}

fn options(words: &[&str], seen: &mut Seen) {
    seen.url = value(words, &["--url"]).map(str::to_owned);
    seen.admin_key = value(words, &["--admin-key"]).map(Secret::new);
    seen.env_file = value(words, &["--env-file"]).map(PathBuf::from);
}

/// The words without a key.
fn shown(words: &[&str]) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut hide = false;
    for word in words {
        let masked = if hide && !word.starts_with('-') {
            "***".to_owned()
        } else if let Some((name, _)) = word.split_once('=')
            && crate::foreign::names_a_secret(name)
        {
            format!("{name}=***")
        } else {
            crate::foreign::words(word)
        };
        hide = word.starts_with('-') && crate::foreign::names_a_secret(word);
        out.push(masked);
    }
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> Seen {
        read(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_flags_of_the_convex_cli_are_read() {
        let it =
            seen("npx convex deploy -y --url http://x:1 --admin-key=app|01ab --env-file e.env");
        assert_eq!(it.url.as_deref(), Some("http://x:1"));
        assert_eq!(it.admin_key.as_ref().map(Secret::expose), Some("app|01ab"));
        assert_eq!(it.env_file, Some(PathBuf::from("e.env")));
        assert!(!it.shown.contains("01ab"), "{}", it.shown);
        let it = seen("npx convex dev --admin-key app|01ab");
        assert_eq!(it.shown, "npx convex dev --admin-key ***");
        // Another program's flag of that name.
        assert_eq!(seen("curl --url http://x:1").url, None);
        assert_eq!(seen("npm run dev -- --url http://x:1").url.as_deref(), Some("http://x:1"));
    }

    #[test]
    fn the_command_that_npm_printed_says_what_the_script_says() {
        let heard = |line: &str, echo: &str| {
            let mut it = seen(line);
            let environment = [("KEY".to_owned(), "a|01".to_owned())].into();
            it.hear(&[Zeroizing::new(echo.to_owned())], &environment);
            it
        };
        let it = heard("npm run convex:dev", "convex dev --env-file .env.docker");
        assert_eq!(it.env_file, Some(PathBuf::from(".env.docker")));
        let it = heard("npm run dev", "convex deploy --url http://x:1 --admin-key 'a|01'");
        assert_eq!(it.url.as_deref(), Some("http://x:1"));
        assert_eq!(it.admin_key.as_ref().map(Secret::expose), Some("a|01"));
        let it = heard("yarn dev", "CONVEX_SELF_HOSTED_URL=http://x:1 convex dev");
        assert_eq!(it.environment.len(), 1);
        // What npm prints is not expanded.
        let it = heard("npm run dev", "convex dev --url http://x:1 --admin-key $KEY");
        assert_eq!(it.admin_key.as_ref().map(Secret::expose), Some("a|01"));
        assert!(it.unknown.is_empty());
        let it = heard("env KEY=b npm run dev", "convex dev --url http://x:1 --admin-key $KEY");
        assert_eq!(it.admin_key.as_ref().map(Secret::expose), Some("b"));
        let it = heard("npm run dev", "CONVEX_SELF_HOSTED_ADMIN_KEY=$NONE OTHER=$NONE convex dev");
        assert!(it.unknown.iter().any(|name| name == ADMIN_KEY));
        assert_eq!(it.environment.len(), 1);
        let it = heard("npm run dev", "convex dev --env-file $NONE");
        assert_eq!((it.env_file, it.unknown.len()), (None, 2));
        // What the command line says counts; another program's options do not.
        let it = heard("npm run dev -- --env-file mine", "convex dev --env-file other");
        assert_eq!(it.env_file, Some(PathBuf::from("mine")));
        assert_eq!(heard("npm run dev", "next dev --env-file x").env_file, None);
    }

    #[test]
    fn the_environment_and_the_directory_count() {
        let it = seen(
            "env -i -u A CONVEX_SELF_HOSTED_ADMIN_KEY=k B=c ./node_modules/.bin/convex dev --url u",
        );
        assert_eq!(it.url.as_deref(), Some("u"));
        let names: Vec<_> =
            it.environment.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(
            names,
            [("A", None), ("CONVEX_SELF_HOSTED_ADMIN_KEY", Some("k")), ("B", Some("c"))]
        );
        assert!(it.shown.contains("CONVEX_SELF_HOSTED_ADMIN_KEY=***"), "{}", it.shown);
        for line in
            ["npm --prefix app run dev", "pnpm -C app dev", "yarn --cwd=app dev", "bun --cwd app x"]
        {
            assert_eq!(seen(line).directory, Some(PathBuf::from("app")), "{line}");
        }
        assert_eq!(seen("git -C app log").directory, None);
    }
}
