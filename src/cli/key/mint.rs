//! `convex-doctor key mint`: generates a key for this deployment's instance, as
//! `generate_admin_key.sh` does, but without running anything in the container.

use std::path::{Path, PathBuf};

use super::{Exit, Options};
use crate::act::edit::{self, Changes};
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
use crate::selection::names::{ADMIN_KEY as KEY, URL};

/// What to generate.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  convex-doctor key mint --write     saved in .env.local and tested\n  \
                        convex-doctor key mint --write=other.env\n  \
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
    /// Rejected: it would stay in the shell's history
    #[arg(long, visible_alias = "instance-secret", hide = true, value_parser = never, value_name = "-")]
    secret: Option<String>,
}

/// A secret on the command line would be in the shell's history and in every process list.
fn never(text: &str) -> Result<String, String> {
    drop(Secret::new(text));
    Err("an instance secret must not be an argument (it would stay in the shell's history and in every process list); \
         use --secret-file FILE or --secret-stdin"
        .to_owned())
}

/// Generates the key, and shows or writes it.
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
            output::note(&format!("convex-doctor: no key was generated: {error:#}"));
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
        "key {} for instance {}, generated with {whose} ({}); existing keys stay valid",
        fingerprint.as_ref().map_or("", |it| it.as_str()),
        sanitize(&minted.instance_name),
        minted.secret
    )
}

fn write(file: &Path, minted: &Minted, request: &Request) -> anyhow::Result<Exit> {
    let root = request.project.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let path = root.join(file);
    let old = match collect::env_text(&path) {
        Ok(old) => old,
        Err(error) => {
            output::note(&format!(
                "convex-doctor: the key was not saved, nothing has changed: {error}"
            ));
            return Ok(Exit::Found);
        }
    };
    let before = collect::run_files_only(request)?;
    let Some(quoted) = env_file::quoted(minted.key.expose()) else {
        anyhow::bail!(
            "the instance name contains a quote, so the key cannot be saved in an env file: add it yourself"
        );
    };
    let mut text = env_file::set(old.as_deref().unwrap_or_default(), KEY, &quoted);
    let shown = sanitize(&file.display().to_string());
    let mut set = format!("{shown}: {KEY} is set");
    // Without a key the URL selects nothing, but it may be set.
    let has_url = before.selection.variables.iter().any(|variable| {
        variable.name == URL && variable.definitions.iter().any(|one| one.wins && !one.empty)
    });
    if !has_url && let Some(url) = &minted.url {
        text = env_file::set(&text, URL, &format!("'{url}'"));
        set = format!("{set}\n{shown}: {URL} is set to {url}");
    }
    output::note(&described(minted));
    // Ctrl-C waits until the file is restored or kept.
    let interrupt = Interrupt::watch();
    let Some(hold) = interrupt.hold() else { return Ok(Exit::Child(130)) };
    crate::cli::fix::report_leftovers(&[&root], false);
    for lost in edit::lost(&path) {
        output::note(&format!("note: {shown} {lost}"));
    }
    let mut edit = Changes::of(&root);
    if let Err(error) = edit.replace(&path, old.as_deref(), &text) {
        output::note(&format!(
            "convex-doctor: the key was not saved, nothing has changed: {error}"
        ));
        return Ok(Exit::Found);
    }
    output::note(&set);
    let after = collect::run(request)?;
    let result =
        if interrupt.came() { TestResult::Interrupted } else { test_result(&after, &minted.key) };
    let exit = match result {
        TestResult::Accepted => {
            keep(edit);
            output::note("the backend accepts the key");
            warn_of_git(&after, file);
            Exit::Fine
        }
        TestResult::Rejected => {
            let back = roll_back(edit);
            output::note(&format!(
                "the backend rejects the key: {back}. The URL points to another backend than the one the key is for. \
                 Run: convex-doctor"
            ));
            Exit::Found
        }
        TestResult::Interrupted => {
            output::note(&format!("interrupted: {}", roll_back(edit)));
            Exit::Found
        }
        TestResult::Shadowed(source) => {
            keep(edit);
            output::note(&format!(
                "saved, but npx convex will not read it: {source} overrides the file. Unset it"
            ));
            Exit::Found
        }
        TestResult::NotTested(reason) => {
            keep(edit);
            output::note(&format!("saved, but not tested: {}", sanitize(&reason)));
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
fn roll_back(edit: Changes) -> String {
    let notes = edit.take_back();
    if notes.is_empty() { "the file is restored".to_owned() } else { sanitize(&notes.join("; ")) }
}

/// What came of testing the key.
enum TestResult {
    Accepted,
    Rejected,
    /// By Ctrl-C.
    Interrupted,
    /// The CLI uses the value of another source.
    Shadowed(String),
    NotTested(String),
}

fn test_result(after: &Evidence, key: &Secret) -> TestResult {
    let selected = after.selection.admin_key.as_ref().and_then(|it| it.fingerprint.clone());
    if selected.is_none() || selected != admin_key::fingerprint(key) {
        return match &after.selection.admin_key_source {
            Some(source @ (ValueSource::Env { .. } | ValueSource::Flag { .. })) => {
                TestResult::Shadowed(source.to_string())
            }
            Some(source) => TestResult::Shadowed(source.to_string()),
            None => TestResult::NotTested("the URL is not set".to_owned()),
        };
    }
    let answer = match after.endpoint.seen() {
        Ok(Some(endpoint)) => endpoint.key.check_admin_key.seen(),
        Ok(None) => return TestResult::NotTested("the URL is not set".to_owned()),
        Err(unseen) => return TestResult::NotTested(unseen.reason),
    };
    match answer {
        Ok(answer) if matches!(answer.body, Body::KeyAccepted { .. }) => TestResult::Accepted,
        Ok(answer) if matches!(answer.status, 401 | 403) => TestResult::Rejected,
        Ok(answer) => TestResult::NotTested(format!("the URL answers {}", answer.status)),
        Err(unseen) => TestResult::NotTested(unseen.reason),
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
