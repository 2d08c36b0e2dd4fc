//! The options that several commands share, and what the commands make of them.
//!
//! Every option is global: it is taken before and after the command. Which of them act under a
//! command, and are shown in its help, is said once in [`SHOWN`].

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::budget::{Deadline, RUN};
use crate::collect;
use crate::evidence::suppression::Suppression;
use crate::output::{self, Color};
use crate::report::Level;

/// The shared options, by the headings of the help.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten, next_help_heading = "Project")]
    pub(super) project: ProjectOptions,
    #[command(flatten, next_help_heading = "Convex CLI")]
    pub(super) cli: CliOptions,
    #[command(flatten, next_help_heading = "Docker and network")]
    pub(super) reach: ReachOptions,
    #[command(flatten, next_help_heading = "Report")]
    pub(super) report: ReportOptions,
    /// What the settings file suppresses.
    #[arg(skip)]
    pub(super) suppressions: Vec<Suppression>,
    /// The arguments as they were typed.
    #[arg(skip)]
    pub(super) typed: Vec<String>,
}

/// Which project is looked at.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectOptions {
    /// Project directory
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,
    /// Compose file (repeatable), as in docker compose -f
    #[arg(short = 'f', long = "file", global = true, value_name = "COMPOSE")]
    pub(super) files: Vec<PathBuf>,
    /// Compose project name, as in docker compose -p
    #[arg(short = 'p', long, global = true, value_name = "NAME")]
    pub(super) project_name: Option<String>,
    /// Compose project directory, as in docker compose
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) project_directory: Option<PathBuf>,
    /// Env file for Compose, like its --env-file (repeatable)
    #[arg(long = "compose-env-file", global = true, value_name = "FILE")]
    pub(super) compose_env_files: Vec<PathBuf>,
    /// Compose profile to enable (repeatable)
    #[arg(long = "profile", global = true, value_name = "NAME")]
    pub(super) profiles: Vec<String>,
    /// Name of the backend's compose service
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) service: Option<String>,
}

/// What stands for the settings that the Convex CLI would read.
#[derive(Debug, clap::Args)]
pub(super) struct CliOptions {
    /// Read the URL and key only from this file, as the CLI does
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,
    /// Backend URL; needs --admin-key-stdin
    #[arg(long, global = true, value_name = "URL")]
    pub(super) url: Option<String>,
    /// Read the admin key from stdin; needs --url
    #[arg(long, global = true)]
    pub(super) admin_key_stdin: bool,
}

/// What is contacted, and for how long.
#[derive(Debug, clap::Args)]
pub(super) struct ReachOptions {
    /// Docker engine, as in docker -H
    #[arg(short = 'H', long = "host", global = true, value_name = "DOCKER_HOST")]
    pub(super) host: Option<String>,
    /// Docker context, as in docker --context
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Do not contact Docker
    #[arg(long, global = true)]
    pub(super) no_docker: bool,
    /// Do not contact the URL
    #[arg(long, global = true)]
    pub(super) no_network: bool,
    /// Exit with 3 if Docker cannot be checked
    #[arg(long, global = true)]
    pub(super) require_docker: bool,
    /// Exit with 3 if the URL cannot be checked
    #[arg(long, global = true)]
    pub(super) require_network: bool,
    /// Time limit per request
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub(super) timeout: Duration,
    /// Wait up to this long for the backend to be ready
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(super) wait: Option<Duration>,
    /// Look inside unused volumes and test large requests
    ///
    /// It may create a container that never starts, and removes it at once.
    #[arg(long, global = true)]
    pub(super) deep: bool,
}

/// What is reported, and how.
#[derive(Debug, clap::Args)]
pub(super) struct ReportOptions {
    /// Report format (repeatable)
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(super) format: Vec<Format>,
    /// File of the n-th --format; - is standard output
    #[arg(short = 'o', long, global = true, value_name = "FILE")]
    pub(super) output: Vec<PathBuf>,
    /// Markdown for one chat message, at most 2,000 characters
    #[arg(long, global = true)]
    pub(super) brief: bool,
    /// Lowest level that makes the exit code 1
    #[arg(long, global = true, value_enum, default_value_t = FailOn::Error)]
    pub(super) fail_on: FailOn,
    /// Suppress this finding (repeatable)
    #[arg(long, global = true, value_name = "ID")]
    pub(super) ignore: Vec<String>,
    /// Report only this finding or family (repeatable)
    #[arg(long, global = true, value_name = "ID|FAMILY")]
    pub(super) only: Vec<String>,
    /// Temporary instance: report possible data loss as info
    #[arg(long, global = true)]
    pub(super) ephemeral: bool,
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
    /// Show every finding, evidence and timings
    #[arg(short = 'v', long, global = true)]
    pub(super) verbose: bool,
    /// Print only the verdict
    #[arg(short = 'q', long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
}

const PROJECT: &[&str] = &[
    "directory",
    "files",
    "project_name",
    "project_directory",
    "compose_env_files",
    "profiles",
    "service",
];
const CONVEX_CLI: &[&str] = &["env_file", "url", "admin_key_stdin"];
const ENGINE: &[&str] = &["host", "context", "no_docker", "timeout"];
const NETWORK: &[&str] = &["no_network"];
const FINDINGS: &[&str] = &["ignore", "only", "ephemeral"];

/// The options that act under each command, and so are shown in its help. The others are taken all
/// the same, so that a script can pass the same ones to every command.
const SHOWN: &[(&str, &[&[&str]])] = &[
    ("demo", &[&["format", "output", "verbose", "color"]]),
    (
        "run",
        &[
            PROJECT,
            CONVEX_CLI,
            ENGINE,
            NETWORK,
            FINDINGS,
            &["deep", "format", "output", "color", "verbose"],
        ],
    ),
    ("bundle", &[PROJECT, CONVEX_CLI, ENGINE, NETWORK, &["deep", "output", "color"]]),
    (
        "replay",
        &[&["ignore", "only", "fail_on", "format", "brief", "output", "color", "verbose", "quiet"]],
    ),
    ("diff", &[&["format", "output", "color"]]),
    ("redact", &[&["color"]]),
    ("explain", &[&["color"]]),
    (
        "persistence",
        &[
            PROJECT,
            CONVEX_CLI,
            ENGINE,
            NETWORK,
            &["require_docker", "deep", "format", "output", "color"],
        ],
    ),
    ("fix", &[PROJECT, CONVEX_CLI, ENGINE, NETWORK, FINDINGS, &["deep", "format", "color"]]),
    ("key", &[&["color"]]),
    ("key inspect", &[PROJECT, &["env_file"], ENGINE, &["format", "color"]]),
    ("key mint", &[PROJECT, &["env_file"], ENGINE, &["format", "color"]]),
    ("inspect", &[&["color"]]),
    ("inspect selection", &[&["directory"], CONVEX_CLI, &["format", "color"]]),
    ("inspect compose", &[PROJECT, &["format", "color"]]),
    ("inspect instances", &[PROJECT, CONVEX_CLI, ENGINE, NETWORK, &["deep", "format", "color"]]),
    ("schema", &[]),
    ("completions", &[]),
    ("man", &[]),
];

/// The command line in which each command shows the options that act there; one that is not named
/// in [`SHOWN`] shows all.
pub(super) fn tailor(command: clap::Command) -> clap::Command {
    let global: Vec<clap::Arg> =
        command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    each(command, "", &global)
}

fn each(command: clap::Command, path: &str, global: &[clap::Arg]) -> clap::Command {
    let names: Vec<String> =
        command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        let path = path.trim_start();
        let shown = SHOWN.iter().find(|(command, _)| *command == path).map(|(_, ids)| *ids);
        let acts = |arg: &clap::Arg| {
            shown.is_none_or(|ids| ids.iter().any(|ids| ids.contains(&arg.get_id().as_str())))
        };
        command.mut_subcommand(name, |inner| {
            // Clap hands a global option down where the command has none of that name.
            let inner = inner.args(global.iter().map(|arg| arg.clone().hide(!acts(arg))));
            each(inner, path, global)
        })
    })
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    #[default]
    Text,
    /// One JSON object, schema version 1
    Json,
    /// For a support thread
    Markdown,
    /// One page for a browser, which loads nothing
    Html,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, one test case per id
    Junit,
    /// GitHub Actions annotations and step summary
    Github,
    /// GitLab Code Quality report
    Gitlab,
    /// Shell lines of key mint and inspect selection
    Env,
}

/// The level from which a finding fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Nothing
    Never,
}

impl FailOn {
    /// The level itself.
    pub(super) fn level(self) -> Option<Level> {
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
    /// Nothing at or above the level that fails.
    Fine,
    /// Findings, a rejected key, an input in error.
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

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is not a duration; write 5s, 500ms or 2m"))?;
    match Duration::try_from(parsed) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration.min(Duration::from_mins(10))),
        _ => Err("must be more than 0".to_owned()),
    }
}

impl Options {
    /// What `collect` needs of the options. Reads the key from the standard input where that was
    /// asked for.
    pub(super) fn request(&self) -> anyhow::Result<collect::Request> {
        let admin_key = if self.cli.admin_key_stdin { Some(collect::stdin_line()?) } else { None };
        if self.cli.url.is_some() != admin_key.is_some() {
            output::note(
                "note: --url and --admin-key-stdin count only together (as --url and --admin-key of the Convex CLI); \
                 the one given is ignored",
            );
        }
        let (project, reach) = (&self.project, &self.reach);
        Ok(collect::Request {
            project: collect::ProjectRequest {
                directory: project.directory.clone(),
                compose_files: project.files.clone(),
                project_name: project.project_name.clone(),
                project_directory: project.project_directory.clone(),
                compose_env_files: project.compose_env_files.clone(),
                profiles: project.profiles.clone(),
                service: project.service.clone(),
            },
            cli: collect::CliRequest {
                env_file: self.cli.env_file.clone(),
                url: self.cli.url.clone(),
                admin_key,
                ..collect::CliRequest::default()
            },
            docker: collect::DockerRequest {
                host: reach.host.clone(),
                context: reach.context.clone(),
                no_docker: reach.no_docker,
                look_into_volumes: false,
            },
            no_network: reach.no_network,
            ephemeral: self.report.ephemeral,
            deep: reach.deep,
            history: reach.deep,
            timeout: reach.timeout,
            deadline: Deadline::after(RUN),
            suppressions: self.suppressions.clone(),
            ..collect::Request::default()
        })
    }

    /// Says what `--deep` is about to do, before it is done.
    pub(super) fn announce(&self) {
        self.announce_deep(self.reach.deep.then_some("--deep"));
    }

    /// Says what looking into detached volumes is about to do, for the option that asks for it.
    pub(super) fn announce_deep(&self, option: Option<&str>) {
        if let Some(option) = option
            && !self.reach.no_docker
        {
            output::note(&format!(
                "note: {option} looks into the volumes that no backend uses. Where it cannot read their files, it\n\
                 creates a read-only container that never starts, and removes it at once."
            ));
        }
    }

    /// Whether the first format asked for is JSON: what `key inspect` and `inspect` go by.
    pub(super) fn wants_json(&self) -> bool {
        self.report.format.first() == Some(&Format::Json)
    }

    /// Whether lines for a shell are asked for.
    pub(super) fn wants_env(&self) -> bool {
        self.report.format.contains(&Format::Env)
    }
}
