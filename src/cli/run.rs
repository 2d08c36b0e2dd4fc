//! `convex-doctor run -- npx convex dev`: the command as if nothing stood before it; when it fails,
//! the diagnosis.

mod invocation;

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Exit, Options, diagnose};
use crate::act::child::{self, Ended, Invocation};
use crate::diagnosis::{self, Choices};
use crate::evidence::command::CommandFacts;
use crate::secret::sanitize;
use crate::transcript::Transcript;
use crate::{collect, output};

/// The command to run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  convex-doctor run -- npx convex dev\n  \
                        convex-doctor run -- npx convex deploy -y\n  convex-doctor run -- npm run dev\n\n\
                        The exit code is the command's; 1 if that was 0 and the output shows a known\n\
                        failure of the Convex CLI. The diagnosis goes to standard error.")]
pub(super) struct Arguments {
    /// Keep exit code 0, whatever the command printed
    #[arg(long)]
    trust_exit_code: bool,
    /// The command and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "CMD"
    )]
    command: Vec<OsString>,
}

/// Runs it. The exit code is the command's own, or 1 when that hid a failure.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    if let Err(problem) = diagnose::check(options) {
        output::note(&format!("convex-doctor: {problem}"));
        return Ok(Exit::Usage);
    }
    let outputs = diagnose::outputs(options);
    diagnose::check_outputs(&outputs)?;
    let seen = invocation::read(&arguments.command);
    let heard = Arc::new(Mutex::new(Transcript::default()));
    let live = || {
        output::note("\nconvex-doctor: the command failed and goes on. What is wrong:\n");
        if let Err(error) = tell(options, &seen, facts(&seen, &heard, None)) {
            output::note(&format!("convex-doctor: {error:#}"));
        }
    };
    let mut told = false;
    let mut live_once = || {
        told = true;
        live();
    };
    let command =
        Invocation { words: arguments.command.clone(), directory: options.directory.clone() };
    let ended = match child::run(&command, &heard, &mut live_once) {
        Ok(ended) => ended,
        Err(error) => {
            output::note(&format!("convex-doctor: cannot run {}: {error}", seen.shown));
            // As a shell has it: 127 not found, 126 not executable.
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            return Ok(Exit::Child(if missing { 127 } else { 126 }));
        }
    };
    let Ended { code, stopped } = ended;
    let facts = facts(&seen, &heard, Some(code));
    let failed = facts.said.iter().any(|line| line.fails);
    let hidden = code == 0 && failed && !arguments.trust_exit_code;
    if !told && (failed || (code != 0 && !stopped)) {
        output::note(&headline(&facts));
        tell(options, &seen, facts)?;
    }
    Ok(Exit::Child(if hidden { 1 } else { code }))
}

/// What was heard so far.
fn facts(seen: &invocation::Seen, heard: &Mutex<Transcript>, code: Option<i32>) -> CommandFacts {
    let said = heard.lock().unwrap_or_else(PoisonError::into_inner).lines().to_vec();
    CommandFacts { command: seen.shown.clone(), exit_code: code, said }
}

/// What came of the command, before the report.
fn headline(facts: &CommandFacts) -> String {
    let code = facts.exit_code.unwrap_or_default();
    let mut text = format!("\nconvex-doctor: `{}` ended with {code}", sanitize(&facts.command));
    if let Some(line) = facts.said.iter().find(|line| line.fails) {
        if code == 0 {
            text.push_str(", and failed all the same");
        }
        text.push_str(&format!(".\n  it said  {}\n  that is  {}\n", line.text, line.means));
    } else {
        text.push_str(", with no line that is known. What can be seen:\n");
    }
    text
}

/// Looks, judges, and writes the report: text to the standard error, whose reader waits for it,
/// other formats to their files.
fn tell(options: &Options, seen: &invocation::Seen, facts: CommandFacts) -> anyhow::Result<()> {
    let mut request = options.request()?;
    request.directory = match (&options.directory, &seen.directory) {
        (Some(base), Some(inner)) => Some(base.join(inner)),
        (base, inner) => base.clone().or_else(|| inner.clone()),
    };
    if seen.env_file.is_some() {
        request.env_file.clone_from(&seen.env_file);
    }
    if let (Some(url), Some(key)) = (&seen.url, &seen.admin_key) {
        request.url = Some(url.clone());
        request.admin_key = Some(crate::secret::Secret::new(key.expose()));
    }
    request.overrides.clone_from(&seen.environment);
    let mut evidence = collect::run_apart(request)?;
    evidence.command = Some(facts);
    if let Err(fault) = super::settings::check_comments(&evidence.asked.suppressions) {
        output::note(&format!("note: {}", fault.0));
    }
    let choices = Choices { ignore: options.ignore.clone(), only: options.only.clone() };
    let report = diagnosis::diagnose(&evidence, &choices);
    diagnose::write_beside(options, &report)
}
