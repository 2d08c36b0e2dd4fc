//! The command line: what can be asked, and one short story per command.

mod bundle;
mod demo;
mod diagnose;
mod env;
mod explain;
mod fix;
mod formats;
mod inspect;
mod key;
mod options;
mod packaging;
mod persistence;
mod progress;
mod redact;
mod run;
pub mod settings;
mod version;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches as _, Parser, Subcommand};

use crate::collect;
use crate::foreign::is_plain;
use crate::output;
use crate::render;
use options::Format;
pub use options::{Exit, Options};

const ABOUT: &str = "Finds out why your self-hosted Convex deployment fails, and how to fix it";
const MORE_ABOUT: &str = "Finds out why your self-hosted Convex deployment fails, and how to fix it.\n\n\
                          Run it in your project directory. It only reads; it shows no secrets.";

/// The whole command line.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print the version; with -v, of Docker, Node and others too
    #[arg(short = 'V', long)]
    version: bool,
    #[command(flatten)]
    options: Options,
}

impl CommandFactory for Arguments {
    fn command() -> clap::Command {
        let command = clap::Command::new("convex-doctor").max_term_width(80);
        let command = <Self as clap::Args>::augment_args(command)
            .version(env!("CARGO_PKG_VERSION"))
            .about(ABOUT)
            .long_about(MORE_ABOUT)
            .disable_help_subcommand(true)
            .disable_version_flag(true)
            .after_help(packaging::HELP);
        options::tailor(command)
    }

    fn command_for_update() -> clap::Command {
        Self::command()
    }
}

impl Parser for Arguments {}

#[derive(Debug, Subcommand)]
enum Command {
    /// Diagnose the deployment in this directory (default)
    #[command(after_help = diagnose::HELP)]
    Diagnose,
    /// Diagnose a built-in broken deployment, to see how it works
    Demo(demo::Arguments),
    /// Run a command; if it fails, explain why
    Run(run::Arguments),
    /// Explain a finding, or answer a question
    Explain(explain::Arguments),
    /// Show which Docker commands keep or delete keys and data
    Persistence(persistence::Arguments),
    /// Show the changes that would fix it; --apply makes them
    #[command(after_help = fix::HELP)]
    Fix(fix::Arguments),
    /// Write all that was seen to a file, without secrets
    Bundle(bundle::BundleArguments),
    /// Diagnose from a bundle or a JSON report
    Replay(bundle::ReplayArguments),
    /// Show what changed between two bundles
    Diff(bundle::DiffArguments),
    /// Hide the secrets in a log or file, to paste it
    Redact(redact::Arguments),
    /// Inspect or generate admin keys
    #[command(subcommand)]
    Key(key::Command),
    /// Show what convex-doctor detected
    #[command(subcommand)]
    Inspect(inspect::Command),
    /// Print the JSON Schema of --format json
    Schema,
    /// Print shell completions
    #[command(after_help = packaging::COMPLETIONS_HELP)]
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = packaging::MAN_HELP)]
    Man,
}

/// Parses the arguments and carries out the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let typed: Vec<OsString> = arguments.into_iter().collect();
    if let Some(exit) = version::alone(&typed) {
        return exit;
    }
    hide_keys(&typed, looks_like_key);
    let arguments = match understand(&typed) {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    let mut options = arguments.options;
    options.typed = typed.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    output::set_color(options.report.color);
    output::set_characters();
    if let Err(problem) = formats::check(arguments.command.as_ref(), &options) {
        output::note(&format!("error: {problem}"));
        return Exit::Usage;
    }
    let result = match arguments.command {
        _ if arguments.version => version::run(&options),
        None | Some(Command::Diagnose) => diagnose::run(&options),
        Some(Command::Demo(demo)) => demo::run(&demo, &options),
        Some(Command::Run(arguments)) => run::run(&arguments, &options),
        Some(Command::Explain(arguments)) => explain::run(&arguments),
        Some(Command::Fix(command)) => fix::run(&command, &options),
        Some(Command::Bundle(command)) => bundle::write(&command, &options),
        Some(Command::Replay(command)) => bundle::replay(&command, &options),
        Some(Command::Diff(command)) => bundle::diff(&command, &options),
        Some(Command::Redact(command)) => redact::run(&command),
        Some(Command::Persistence(command)) => persistence::run(&command, &options),
        Some(Command::Key(command)) => key::run(&command, &options),
        Some(Command::Inspect(command)) => inspect::run(&command, &options),
        Some(Command::Schema) => print(render::json::schema()),
        Some(Command::Completions { shell }) => print(&packaging::completions(shell)),
        Some(Command::Man) => packaging::man().map_err(Into::into).and_then(|page| print(&page)),
    };
    result.unwrap_or_else(|error| failed(&error))
}

/// The arguments with the defaults of `convex-doctor.toml`, for the commands that look at a
/// project.
fn understand(typed: &[OsString]) -> Result<Arguments, Exit> {
    let refuse = |error: clap::Error| {
        // What clap did not take may be any secret, and its sentence quotes it.
        hide_keys(typed, |value| value.len() >= 64 || !is_plain(value));
        usage(&error.format(&mut Arguments::command()))
    };
    let matches = Arguments::command().try_get_matches_from(typed).map_err(refuse)?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(refuse)?;
    let looks_at_a_project = matches!(
        arguments.command,
        None | Some(
            Command::Diagnose
                | Command::Fix(_)
                | Command::Persistence(_)
                | Command::Bundle(_)
                | Command::Run(_)
                | Command::Key(_)
                | Command::Inspect(_)
        )
    );
    if arguments.version || !looks_at_a_project {
        return Ok(arguments);
    }
    let file = collect::settings_file(arguments.options.project.directory.as_deref())
        .map_err(|error| failed(&error))?;
    let Some(file) = file else { return Ok(arguments) };
    let mut settings = settings::parse(&file).map_err(|fault| {
        output::note(&format!("error: {}", fault.0));
        Exit::Usage
    })?;
    if !formats::writes_reports(arguments.command.as_ref()) {
        settings.forget("format");
    }
    let all = settings::with_defaults(typed, &matches, &settings);
    let mut arguments = Arguments::try_parse_from(all).map_err(refuse)?;
    arguments.options.suppressions = settings.suppressions;
    Ok(arguments)
}

fn failed(error: &anyhow::Error) -> Exit {
    output::note(&format!("error: {error:#}"));
    Exit::Failed
}

fn print(text: &str) -> anyhow::Result<Exit> {
    output::print(text)?;
    Ok(Exit::Fine)
}

/// Makes what may be a key known to the scrubber: a key may be typed by mistake, and a message about
/// an unknown argument quotes it.
fn hide_keys(arguments: &[OsString], suspicious: fn(&str) -> bool) {
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        for text in [argument, argument.split_once('=').map_or(argument, |(_, value)| value)] {
            if suspicious(text) {
                drop(crate::secret::Secret::new(text));
            }
        }
        // Clap's sentences quote it.
        drop(crate::foreign::mask(argument));
    }
}

fn looks_like_key(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    text.contains('|') || (digits.len() >= 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Clap's own answer: help is asked for; anything else is wrong usage.
fn usage(error: &clap::Error) -> Exit {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        output::note(text.trim_end());
        return Exit::Usage;
    }
    match output::show(&text) {
        Ok(()) => Exit::Fine,
        Err(_) => Exit::Failed,
    }
}
