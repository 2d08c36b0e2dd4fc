//! `convex-doctor key mint`: a key for this deployment's own instance, as `generate_admin_key.sh`
//! would make it, without running anything in the container.

use std::path::{Path, PathBuf};

use super::{Exit, Options};
use crate::act::edit::Changes;
use crate::admin_key;
use crate::collect::minting::{self, MintOptions, Minted};
use crate::collect::{self, Request};
use crate::docker::interrupt::Interrupt;
use crate::evidence::Evidence;
use crate::evidence::endpoint::Body;
use crate::evidence::selection::ValueSource;
use crate::fix::env_file;
use crate::output;
use crate::secret::{Secret, sanitize};

const KEY: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";
const URL: &str = "CONVEX_SELF_HOSTED_URL";

/// What to make.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  convex-doctor key mint --write     saved in .env.local and tested\n  \
                        convex-doctor key mint | pbcopy\n  \
                        eval \"$(convex-doctor key mint --format env)\"\n  \
                        convex-doctor key mint --secret-file secret.txt --instance-name app\n\n\
                        Earlier keys stay valid: a new key revokes nothing."
)]
pub(in crate::cli) struct Arguments {
    /// Generate a read-only key
    #[arg(long)]
    read_only: bool,
    /// Member that the key names
    #[arg(long, value_name = "N", default_value_t = 0)]
    member_id: u64,
    /// Save the key in FILE (default .env.local) and test it
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = ".env.local")]
    pub(in crate::cli) write: Option<PathBuf>,
    /// File with the instance secret; else Docker is asked
    #[arg(long, value_name = "FILE", requires = "instance_name", conflicts_with = "secret_stdin")]
    secret_file: Option<PathBuf>,
    /// Read the instance secret from stdin
    #[arg(long, requires = "instance_name")]
    secret_stdin: bool,
    /// Name of the instance that the secret belongs to
    #[arg(long, value_name = "NAME")]
    instance_name: Option<String>,
    /// Refused: it would stay in the shell's history
    #[arg(long, visible_alias = "instance-secret", hide = true, value_parser = never, value_name = "-")]
    secret: Option<String>,
}

/// A secret on the command line would stand in the shell's history and in every process list.
fn never(text: &str) -> Result<String, String> {
    drop(Secret::new(text));
    Err("an instance secret is never an argument (it would stay in the shell's history and in every process list); \
         use --secret-file FILE or --secret-stdin"
        .to_owned())
}

/// Makes the key, and shows or writes it.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    let wish = MintOptions { read_only: arguments.read_only, member_id: arguments.member_id };
    let request = options.request()?;
    let given = match (&arguments.secret_file, arguments.secret_stdin) {
        (Some(path), _) => Some(collect::secret_file(path)?),
        (None, true) => Some(collect::stdin_line()?),
        (None, false) => None,
    };
    let made = match (&given, arguments.instance_name.as_deref()) {
        (Some(secret), Some(name)) => minting::with_secret(secret, name, wish),
        _ => minting::with_docker(&request, wish),
    };
    let minted = match made {
        Ok(minted) => minted,
        Err(error) => {
            output::note(&format!("convex-doctor: no key was made: {error:#}"));
            return Ok(Exit::Found);
        }
    };
    match &arguments.write {
        None if options.wants_env() => {
            output::note(&described(&minted));
            crate::cli::env::minted(&minted, &request)
        }
        None => {
            output::note(&described(&minted));
            output::print_key(&minted.key)?;
            Ok(Exit::Fine)
        }
        Some(file) => write(file, &minted, &request),
    }
}

/// What the key is, for the reader on standard error.
fn described(minted: &Minted) -> String {
    let fingerprint = admin_key::fingerprint(&minted.key);
    let whose = minted.container.as_ref().map_or_else(
        || "the secret given".to_owned(),
        |name| format!("the secret of {}", sanitize(name)),
    );
    format!(
        "key {} for instance {}, made with {whose} ({}); earlier keys stay valid",
        fingerprint.as_ref().map_or("", |it| it.as_str()),
        sanitize(&minted.instance_name),
        minted.secret
    )
}

fn write(file: &Path, minted: &Minted, request: &Request) -> anyhow::Result<Exit> {
    let root = request.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let path = root.join(file);
    let old = match collect::env_text(&path) {
        Ok(old) => old,
        Err(error) => {
            output::note(&format!(
                "convex-doctor: no key was written, nothing was changed: {error}"
            ));
            return Ok(Exit::Found);
        }
    };
    let before = collect::run_files_only(request)?;
    let Some(quoted) = env_file::quoted(minted.key.expose()) else {
        anyhow::bail!(
            "the instance name holds a quote: no env file can hold its key; write it by hand"
        );
    };
    let mut text = env_file::set(old.as_deref().unwrap_or_default(), KEY, &quoted);
    let shown = sanitize(&file.display().to_string());
    let mut set = format!("{shown}: {KEY} is set");
    // Half a pair selects nothing, and its URL is there all the same.
    let has_url = before.selection.variables.iter().any(|variable| {
        variable.name == URL && variable.definitions.iter().any(|one| one.wins && !one.empty)
    });
    if !has_url && let Some(url) = &minted.url {
        text = env_file::set(&text, URL, &format!("'{url}'"));
        set = format!("{set}\n{shown}: {URL} is set to {url}");
    }
    output::note(&described(minted));
    // Ctrl-C waits until the file is as it was, or stays.
    let interrupt = Interrupt::watch();
    let Some(hold) = interrupt.hold() else { return Ok(Exit::Child(130)) };
    crate::cli::fix::report_leftovers(&[&root], false);
    let mut edit = Changes::of(&root);
    if let Err(error) = edit.replace(&path, old.as_deref(), &text) {
        output::note(&format!("convex-doctor: no key was written, nothing was changed: {error}"));
        return Ok(Exit::Found);
    }
    output::note(&set);
    let after = collect::run(request)?;
    let came_of_it = if interrupt.came() { Tried::Interrupted } else { tried(&after, &minted.key) };
    let exit = match came_of_it {
        Tried::Accepted => {
            keep(edit);
            output::note("the backend accepts it: npx convex can work");
            warn_of_git(&after, file);
            Exit::Fine
        }
        Tried::Refused => {
            let back = taken_back(edit);
            output::note(&format!(
                "the backend refuses it: {back}. The URL leads to another backend than the one the key is for; \
                 see: convex-doctor"
            ));
            Exit::Found
        }
        Tried::Interrupted => {
            output::note(&format!("interrupted: {}", taken_back(edit)));
            Exit::Found
        }
        Tried::Shadowed(source) => {
            keep(edit);
            output::note(&format!(
                "written, but the CLI will not read it: {source} comes before the file. Unset it"
            ));
            Exit::Found
        }
        Tried::Not(reason) => {
            keep(edit);
            output::note(&format!("written, and not tried: {}", sanitize(&reason)));
            warn_of_git(&after, file);
            Exit::Fine
        }
    };
    drop(hold);
    interrupt.end();
    Ok(exit)
}

fn keep(edit: Changes) {
    for note in edit.keep() {
        output::note(&format!("note: {}", sanitize(&note)));
    }
}

/// What became of the file.
fn taken_back(edit: Changes) -> String {
    let notes = edit.take_back();
    if notes.is_empty() { "the old file is back".to_owned() } else { sanitize(&notes.join("; ")) }
}

/// What came of trying the key.
enum Tried {
    Accepted,
    Refused,
    /// By Ctrl-C.
    Interrupted,
    /// Another source's value is what the CLI would use.
    Shadowed(String),
    Not(String),
}

fn tried(after: &Evidence, key: &Secret) -> Tried {
    let selected = after.selection.admin_key.as_ref().and_then(|it| it.fingerprint.clone());
    if selected.is_none() || selected != admin_key::fingerprint(key) {
        return match &after.selection.admin_key_source {
            Some(source @ (ValueSource::Env { .. } | ValueSource::Flag { .. })) => {
                Tried::Shadowed(source.to_string())
            }
            Some(source) => Tried::Shadowed(source.to_string()),
            None => Tried::Not("the URL is still missing".to_owned()),
        };
    }
    let answer = match after.endpoint.seen() {
        Ok(Some(endpoint)) => endpoint.check_admin_key.seen(),
        Ok(None) => return Tried::Not("there is no URL".to_owned()),
        Err(unseen) => return Tried::Not(unseen.reason),
    };
    match answer {
        Ok(answer) if matches!(answer.body, Body::KeyAccepted { .. }) => Tried::Accepted,
        Ok(answer) if matches!(answer.status, 401 | 403) => Tried::Refused,
        Ok(answer) => Tried::Not(format!("the URL answers {}", answer.status)),
        Err(unseen) => Tried::Not(unseen.reason),
    }
}

fn warn_of_git(after: &Evidence, file: &Path) {
    let name = file.display().to_string();
    if let Ok(Some(git)) = after.surroundings.git.seen()
        && git.not_ignored.contains(&name)
    {
        output::note(&format!(
            "warning: git does not ignore {}: add it to .gitignore",
            sanitize(&name)
        ));
    }
}
