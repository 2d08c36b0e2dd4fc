//! The command line: what can be asked, and one short story per command.

mod demo;
mod diagnose;
mod env;
mod explain;
mod fix;
mod inspect;
mod key;
mod packaging;
mod persistence;
mod progress;
mod run;
mod settings;
mod version;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::collect;
use crate::evidence::suppression::Suppression;
use crate::output::{self, Color};
use crate::render;
use crate::report::Level;

/// Proves what is wrong with a self-hosted Convex deployment, and how to mend it.
///
/// Without a command it diagnoses the deployment of the current directory: what `npx convex` would
/// use, the compose project, the containers and volumes, the backend over HTTP. It only reads, and
/// no secret appears in what it writes.
#[derive(Debug, Parser)]
#[command(
    name = "convex-doctor",
    version,
    disable_help_subcommand = true,
    disable_version_flag = true,
    max_term_width = 80,
    after_help = packaging::HELP
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Show the version; with -v those of the CLI, Node, Docker, Compose and the backend as well
    #[arg(short = 'V', long)]
    version: bool,
    #[command(flatten)]
    options: Options,
}

/// Options of a diagnosis; the other commands take those that make sense for them.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Look at the project in DIR
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// A compose file (repeatable), as in `docker compose -f`
    #[arg(short = 'f', long = "file", global = true, value_name = "COMPOSE")]
    files: Vec<PathBuf>,
    /// The compose project's name, as in `docker compose -p`
    #[arg(short = 'p', long, global = true, value_name = "NAME")]
    project_name: Option<String>,
    /// The compose project's directory, as in `docker compose --project-directory`
    #[arg(long, global = true, value_name = "DIR")]
    project_directory: Option<PathBuf>,
    /// An env file for Compose itself (repeatable): its own `--env-file`
    #[arg(long = "compose-env-file", global = true, value_name = "FILE")]
    compose_env_files: Vec<PathBuf>,
    /// A compose profile to enable (repeatable)
    #[arg(long = "profile", global = true, value_name = "NAME")]
    profiles: Vec<String>,
    /// The compose service that is the backend
    #[arg(long, global = true, value_name = "NAME")]
    service: Option<String>,
    /// The Convex CLI's `--env-file`: only this file is read for the selection
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// The Convex CLI's `--url`; counts only together with `--admin-key-stdin`
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// Read the admin key from the standard input; counts only together with `--url`
    #[arg(long, global = true)]
    admin_key_stdin: bool,
    /// The Docker engine, as in `docker -H`
    #[arg(short = 'H', long = "host", global = true, value_name = "DOCKER_HOST")]
    host: Option<String>,
    /// The Docker context, as in `docker --context`
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// Do not ask Docker
    #[arg(long, global = true)]
    no_docker: bool,
    /// Do not ask the URL
    #[arg(long, global = true)]
    no_network: bool,
    /// Exit with 3 when Docker could not be asked
    #[arg(long, global = true)]
    require_docker: bool,
    /// Exit with 3 when the URL could not be asked
    #[arg(long, global = true)]
    require_network: bool,
    /// A throw-away instance: what it would lose is only worth knowing
    #[arg(long, global = true)]
    ephemeral: bool,
    /// Look into detached volumes through never-started, read-only helper containers, and test big
    /// pushes
    #[arg(long, global = true)]
    deep: bool,
    /// The longest wait for one probe (`5s`, `500ms`)
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    timeout: Duration,
    /// Wait until the backend is ready, this long at most (`60s`); ends early when waiting cannot
    /// help
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// How to write the report (repeatable; the n-th --output belongs to the n-th --format)
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    format: Vec<Format>,
    /// Where to write it; `-` is the standard output
    #[arg(short = 'o', long, global = true, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// The level from which a finding makes the exit code 1
    #[arg(long, global = true, value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Leave out the findings of this id (repeatable)
    #[arg(long, global = true, value_name = "ID")]
    ignore: Vec<String>,
    /// Only the findings of this id or family (repeatable)
    #[arg(long, global = true, value_name = "ID|FAMILY")]
    only: Vec<String>,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Show passes, evidence and the time of each probe
    #[arg(short = 'v', long, global = true)]
    verbose: bool,
    /// Only the verdict
    #[arg(short = 'q', long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// What the settings file says is not to be shown.
    #[arg(skip)]
    suppressions: Vec<Suppression>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Diagnose the deployment of the current directory (the default)
    #[command(after_help = diagnose::HELP)]
    Diagnose,
    /// Serve a recorded broken deployment from inside the process, and diagnose it
    Demo(demo::Arguments),
    /// Run a command, and diagnose when it fails
    Run(run::Arguments),
    /// What a finding means, what proves it, how to mend it; or the answer to a question
    #[command(after_help = explain::HELP)]
    Explain {
        /// A finding's id, a topic, or a question in your own words; without it, the list
        #[arg(value_name = "ID|TOPIC")]
        words: Vec<String>,
    },
    /// What survives restart, up, down, down -v, prune, a rename, for this deployment
    Persistence(persistence::Arguments),
    /// What would mend it, as diffs and steps; with --apply, do it, look again, and take back what
    /// did not help
    #[command(after_help = fix::HELP)]
    Fix(fix::Arguments),
    /// What a key is, whose it is, when it was issued
    #[command(subcommand)]
    Key(key::Command),
    /// What the doctor understood
    #[command(subcommand)]
    Inspect(inspect::Command),
    /// The JSON Schema of `--format json`
    Schema,
    /// Completions for a shell
    #[command(after_help = packaging::COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page
    #[command(after_help = packaging::MAN_HELP)]
    Man,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// One object, schema version 1.
    Json,
    /// For a support thread.
    Markdown,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, a test case an id.
    Junit,
    /// Annotations of GitHub Actions; the Markdown report goes to the step's summary.
    Github,
    /// GitLab's Code Quality report.
    Gitlab,
    /// Lines for a shell's `eval`: `key mint` and `inspect selection` alone.
    Env,
}

/// The level from which a finding fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Errors.
    Error,
    /// Errors and warnings.
    Warning,
    /// Nothing.
    Never,
}

impl FailOn {
    fn level(self) -> Option<Level> {
        match self {
            Self::Error => Some(Level::Error),
            Self::Warning => Some(Level::Warning),
            Self::Never => None,
        }
    }
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// In order.
    Fine,
    /// Findings, a refused key, an input in error.
    Found,
    /// Wrong usage.
    Usage,
    /// It could not do its job.
    Failed,
    /// The exit code of the command that was run.
    Child(i32),
}

impl Exit {
    /// The exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Child(code) => u8::try_from(code).unwrap_or(1),
        }
    }
}

/// Parses the arguments and carries out the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let typed: Vec<OsString> = arguments.into_iter().collect();
    hide_keys(&typed, looks_like_key);
    let arguments = match understand(&typed) {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    let options = arguments.options;
    output::set_color(options.color);
    if let Err(problem) = env::check(arguments.command.as_ref(), &options) {
        output::note(&format!("convex-doctor: {problem}"));
        return Exit::Usage;
    }
    let result = match arguments.command {
        _ if arguments.version => version::run(&options),
        None | Some(Command::Diagnose) => diagnose::run(&options),
        Some(Command::Demo(demo)) => demo::run(&demo, &options),
        Some(Command::Run(arguments)) => run::run(&arguments, &options),
        Some(Command::Explain { words }) => explain::run(&words),
        Some(Command::Fix(command)) => fix::run(&command, &options),
        Some(Command::Persistence(command)) => persistence::run(&command, &options),
        Some(Command::Key(command)) => key::run(&command, &options),
        Some(Command::Inspect(command)) => inspect::run(&command, &options),
        Some(Command::Schema) => print(&render::json::schema()),
        Some(Command::Completions { shell }) => print(&packaging::completions(shell)),
        Some(Command::Man) => packaging::man().map_err(Into::into).and_then(|page| print(&page)),
    };
    result.unwrap_or_else(|error| failed(&error))
}

/// The arguments with the defaults of `convex-doctor.toml`, for the commands that look at a
/// project.
fn understand(typed: &[OsString]) -> Result<Arguments, Exit> {
    let refuse = |error: clap::Error| {
        // What clap did not take may be any secret; what it took may be a long path.
        hide_keys(typed, |value| value.len() >= 64);
        usage(&error.format(&mut Arguments::command()))
    };
    let matches = Arguments::command().try_get_matches_from(typed).map_err(refuse)?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(refuse)?;
    let looks_at_a_project = matches!(
        arguments.command,
        None | Some(
            Command::Diagnose
                | Command::Fix(_)
                | Command::Run(_)
                | Command::Key(_)
                | Command::Inspect(_)
        )
    );
    if arguments.version || !looks_at_a_project {
        return Ok(arguments);
    }
    let file = collect::settings_file(arguments.options.directory.as_deref())
        .map_err(|error| failed(&error))?;
    let Some(file) = file else { return Ok(arguments) };
    let mut settings = settings::parse(&file).map_err(|fault| {
        output::note(&format!("convex-doctor: {}", fault.0));
        Exit::Usage
    })?;
    if matches!(arguments.command, Some(Command::Key(key::Command::Mint(_)))) {
        settings.forget("format");
    }
    let all = settings::with_defaults(typed, &matches, &settings);
    let mut arguments = Arguments::try_parse_from(all).map_err(refuse)?;
    arguments.options.suppressions = settings.suppressions;
    Ok(arguments)
}

fn failed(error: &anyhow::Error) -> Exit {
    output::note(&format!("convex-doctor: {error:#}"));
    Exit::Failed
}

fn print(text: &str) -> anyhow::Result<Exit> {
    output::print(text)?;
    Ok(Exit::Fine)
}

/// Makes what may be a key known to the scrubber: somebody passes one by mistake, and many a
/// message quotes the argument that it does not know.
fn hide_keys(arguments: &[OsString], suspicious: fn(&str) -> bool) {
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        for text in [argument, argument.split_once('=').map_or(argument, |(_, value)| value)] {
            if suspicious(text) {
                drop(crate::secret::Secret::new(text));
            }
        }
    }
}

fn looks_like_key(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    text.contains('|') || (digits.len() >= 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Clap's own answer: help and version are asked for; anything else is wrong usage.
fn usage(error: &clap::Error) -> Exit {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        output::note(text.trim_end());
        return Exit::Usage;
    }
    match output::print(&text) {
        Ok(()) => Exit::Fine,
        Err(_) => Exit::Failed,
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is no duration; write 5s, 500ms or 2m"))?;
    match Duration::try_from(parsed) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration.min(Duration::from_mins(10))),
        _ => Err("a wait is longer than nothing".to_owned()),
    }
}

impl Options {
    /// What `collect` needs of the options. Reads the key from the standard input where that was
    /// asked for.
    fn request(&self) -> anyhow::Result<collect::Request> {
        let admin_key = if self.admin_key_stdin { Some(collect::stdin_line()?) } else { None };
        if self.url.is_some() != admin_key.is_some() {
            output::note(
                "note: --url and --admin-key-stdin count only together (as --url and --admin-key of the Convex CLI); \
                 the one given is ignored",
            );
        }
        Ok(collect::Request {
            directory: self.directory.clone(),
            compose_files: self.files.clone(),
            project_name: self.project_name.clone(),
            project_directory: self.project_directory.clone(),
            compose_env_files: self.compose_env_files.clone(),
            profiles: self.profiles.clone(),
            service: self.service.clone(),
            env_file: self.env_file.clone(),
            url: self.url.clone(),
            admin_key,
            docker_host: self.host.clone(),
            docker_context: self.context.clone(),
            no_docker: self.no_docker,
            no_network: self.no_network,
            ephemeral: self.ephemeral,
            deep: self.deep,
            history: self.deep,
            timeout: self.timeout,
            suppressions: self.suppressions.clone(),
            ..collect::Request::default()
        })
    }

    /// Says what `--deep` is about to do, before it is done.
    fn announce(&self) {
        self.announce_deep(self.deep.then_some("--deep"));
    }

    /// Says what looking into detached volumes is about to do, for the option that asks for it.
    fn announce_deep(&self, option: Option<&str>) {
        if let Some(option) = option
            && !self.no_docker
        {
            output::note(&format!(
                "note: {option} looks into volumes that no backend has; where their files cannot be read, through a helper container \
                 that is made from a backend's image, read-only and without a network, never started, and removed at once \
                 (label convex-doctor.helper)"
            ));
        }
    }

    /// Whether the first format asked for is JSON: what `key inspect` and `inspect` go by.
    fn wants_json(&self) -> bool {
        self.format.first() == Some(&Format::Json)
    }

    /// Whether lines for a shell are asked for.
    fn wants_env(&self) -> bool {
        self.format.contains(&Format::Env)
    }
}
