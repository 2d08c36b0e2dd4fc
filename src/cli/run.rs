//! `convex-doctor run -- npx convex dev`: runs the command unchanged; if it fails, the diagnosis.

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

/// Runs it. The exit code is the command's own, or 1 where that hides a failure.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    if let Err(problem) = diagnose::check(options) {
        output::note(&format!("convex-doctor: {problem}"));
        return Ok(Exit::Usage);
    }
    let outputs = diagnose::outputs(options);
    diagnose::check_outputs(&outputs)?;
    let mut seen = invocation::read(&arguments.command);
    let heard = Arc::new(Mutex::new(Transcript::with_proxies(proxies(&seen))));
    let mut is_reported = false;
    let mut report_live = || {
        is_reported = true;
        let mut seen = invocation::read(&arguments.command);
        hear(&mut seen, &heard);
        if let Err(error) = report(options, &seen, facts(&seen, &heard, None)) {
            output::note(&format!("convex-doctor: {error:#}"));
        }
    };
    let command = Invocation {
        words: arguments.command.clone(),
        directory: options.project.directory.clone(),
    };
    let ended = match child::run(&command, &heard, &mut report_live) {
        Ok(ended) => ended,
        Err(error) => {
            output::note(&format!("convex-doctor: cannot run {}: {error}", seen.shown));
            // As a shell has it: 127 not found, 126 not executable.
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            return Ok(Exit::Child(if missing { 127 } else { 126 }));
        }
    };
    let Ended { code, stopped } = ended;
    hear(&mut seen, &heard);
    let facts = facts(&seen, &heard, Some(code));
    let failed = facts.said.iter().any(|line| line.fails);
    let hidden = code == 0 && failed && !arguments.trust_exit_code;
    if !is_reported && (failed || (code != 0 && !stopped)) {
        report(options, &seen, facts)?;
    }
    Ok(Exit::Child(if hidden { 1 } else { code }))
}

/// The values that the command's proxy variables have.
fn proxies(seen: &invocation::Seen) -> Vec<String> {
    let own = collect::process_environment();
    let set = seen.environment.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let is_proxy = |name: &String| name.to_ascii_lowercase().ends_with("_proxy");
    let all = own.iter().chain(set).filter(|(name, _)| is_proxy(name));
    all.map(|(_, value)| value.clone()).collect()
}

/// Adds what the command printed of the deployment that its CLI will use.
fn hear(seen: &mut invocation::Seen, heard: &Mutex<Transcript>) {
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    seen.hear(heard.echoes(), &collect::process_environment());
}

/// What the command printed so far.
fn facts(seen: &invocation::Seen, heard: &Mutex<Transcript>, code: Option<i32>) -> CommandFacts {
    let said = heard.lock().unwrap_or_else(PoisonError::into_inner).lines().to_vec();
    CommandFacts { command: seen.shown.clone(), exit_code: code, said }
}

/// What came of the command, before the report. It quotes the line that shows the failure.
fn headline(facts: &CommandFacts) -> String {
    let command = sanitize(&facts.command);
    let line = facts.said.iter().find(|line| line.fails);
    let outcome = match (facts.exit_code, line) {
        (None, _) => format!("`{command}` reported an error and keeps running"),
        (Some(0), Some(_)) => format!("`{command}` exited with 0, but its output shows a failure"),
        (Some(code), _) => format!("`{command}` failed (exit code {code})"),
    };
    match line {
        Some(line) => format!(
            "\nconvex-doctor: {outcome}.\n  error    {}\n  meaning  {}\n",
            line.text, line.means
        ),
        None => format!("\nconvex-doctor: {outcome}. Diagnosis:\n"),
    }
}

/// Collects, judges, and writes the report: text to stderr, other formats to their files.
fn report(options: &Options, seen: &invocation::Seen, facts: CommandFacts) -> anyhow::Result<()> {
    output::note(&headline(&facts));
    let mut request = options.request()?;
    request.project.directory = match (&options.project.directory, &seen.directory) {
        (Some(base), Some(inner)) => Some(base.join(inner)),
        (base, inner) => base.clone().or_else(|| inner.clone()),
    };
    if seen.env_file.is_some() {
        request.cli.env_file.clone_from(&seen.env_file);
    }
    if let (Some(url), Some(key)) = (&seen.url, &seen.admin_key) {
        request.cli.url = Some(url.clone());
        request.cli.admin_key = Some(crate::secret::Secret::new(key.expose()));
    }
    request.cli.unknown.clone_from(&seen.unknown);
    request.overrides.clone_from(&seen.environment);
    request.read_log = facts.got_internal_error();
    let collected = collect::run_apart(request)?;
    let evidence = collected.with(|evidence| evidence.command = Some(facts));
    if let Err(fault) = super::settings::check_comments(&evidence.asked.suppressions) {
        output::note(&format!("note: {}", fault.0));
    }
    let choices =
        Choices { ignore: options.report.ignore.clone(), only: options.report.only.clone() };
    let report = diagnosis::diagnose(&evidence, &choices);
    diagnose::write_with_command(options, &report)
}
