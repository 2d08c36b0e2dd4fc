//! `convex-doctor persistence`: which Docker commands keep or delete keys and data here.

use std::path::{Path, PathBuf};

use super::{Exit, Format, Options};
use crate::collect;
use crate::diagnosis::survival;
use crate::evidence::Evidence;
use crate::output;
use crate::render::{json, persistence};
use crate::report::{ComposeFlags, Fate, Operation};
use crate::secret::sanitize;

/// What to predict.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  convex-doctor persistence          the everyday commands
  convex-doctor persistence --all
  convex-doctor persistence --before 'docker compose down -v'")]
pub(super) struct Arguments {
    /// Predict one command; exit with 1 if it can lose something
    #[arg(long, value_name = "COMMAND")]
    before: Option<String>,
    /// Show all operations, not only the everyday ones
    #[arg(long, conflicts_with = "before")]
    all: bool,
}

/// Shows the table, or judges one command line.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    let outputs = super::diagnose::outputs(options);
    super::diagnose::check_outputs(&outputs)?;
    let mut request = options.request()?;
    let given = given(&request.project);
    if let Some(line) = &arguments.before {
        match survival::flags(line) {
            Ok(flags) => read_as_named(&mut request.project, flags),
            Err(error) => {
                let known = survival::UNDERSTOOD;
                output::note(&format!("convex-doctor: {error}\nSupported commands: {known}"));
                return Ok(Exit::Usage);
            }
        }
    }
    let progress = super::progress::Progress::watch(&request.running);
    let mut evidence = collect::run(&request)?;
    let other = match &arguments.before {
        Some(line) => survival::other_project(&evidence, line, &given)?,
        None => None,
    };
    if let Some(other) = other {
        // What is predicted is what becomes of the containers and volumes that the command is for.
        request.project.project_name = Some(other);
        evidence = collect::run(&request)?;
    }
    drop(progress);
    let operations = survival::operations(&evidence);
    let foresight = match &arguments.before {
        Some(line) => Some(survival::before(&evidence, line, &given)?),
        None => None,
    };
    let source = source_note(&evidence).map(|note| note + "\n\n").unwrap_or_default();
    for (format, path) in &outputs {
        let page = match (format, &foresight) {
            (Format::Text, None) => source.clone() + &screen(&operations, arguments.all),
            (Format::Text, Some(one)) => {
                source.clone() + &persistence::foresight(one, output::width())
            }
            (Format::Json, None) => json::to_text(&json::Persistence::from(operations.as_slice())),
            (Format::Json, Some(one)) => json::to_text(one),
            (_, None) => source.clone() + &persistence::markdown(&operations),
            (_, Some(one)) => source.clone() + &persistence::foresight_markdown(one),
        };
        match path {
            Some(path) => output::write_file(path, &page)?,
            None if *format == Format::Text => output::show(&page)?,
            None => output::print(&page)?,
        }
    }
    if options.reach.require_docker && evidence.docker.seen().is_err() {
        output::note("convex-doctor: Docker could not be checked (--require-docker)");
        return Ok(Exit::Failed);
    }
    let is_bad = |fate: Fate| matches!(fate, Fate::Lost | Fate::Unknown);
    Ok(match foresight {
        Some(one) if is_bad(one.keys) || is_bad(one.data) => Exit::Found,
        _ => Exit::Fine,
    })
}

/// How the options of this run name the project.
fn given(project: &collect::ProjectRequest) -> ComposeFlags {
    let texts = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    ComposeFlags {
        files: texts(&project.compose_files),
        project: project.project_name.clone(),
        directory: project.project_directory.as_ref().map(|path| path.display().to_string()),
        env_files: texts(&project.compose_env_files),
        profiles: project.profiles.clone(),
    }
}

/// The files of the project as the command names them, where the options of this run do not. Whether
/// its `-p` counts is decided when the engine was asked: what becomes of this project's volumes
/// under a name that has nothing is to be predicted as well.
fn read_as_named(project: &mut collect::ProjectRequest, flags: ComposeFlags) {
    let paths = |files: Vec<String>| files.into_iter().map(PathBuf::from).collect();
    if project.compose_files.is_empty() {
        project.compose_files = paths(flags.files);
    }
    if project.compose_env_files.is_empty() {
        project.compose_env_files = paths(flags.env_files);
    }
    if project.profiles.is_empty() {
        project.profiles = flags.profiles;
    }
    if project.project_directory.is_none() {
        project.project_directory = flags.directory.map(PathBuf::from);
    }
}

/// What the prediction is based on, where Docker was not checked.
fn source_note(evidence: &Evidence) -> Option<String> {
    let reason = evidence.docker.seen().err()?.reason;
    output::note(&format!("note: Docker was not checked: {reason}"));
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref)?;
    let relative = |file: &String| {
        let path = Path::new(file);
        let path = path.strip_prefix(&compose.directory).unwrap_or(path);
        sanitize(&path.display().to_string())
    };
    let files = compose.files.iter().map(relative).collect::<Vec<_>>().join(", ");
    Some(format!("Based on {files} only (Docker was not checked)."))
}

/// The everyday operations, or all of them.
fn screen(operations: &[Operation], all: bool) -> String {
    let is_shown = |one: &&Operation| all || survival::is_everyday(one);
    let shown: Vec<Operation> = operations.iter().filter(is_shown).cloned().collect();
    let mut page = persistence::table(&shown, output::width());
    let left = operations.len() - shown.len();
    if left > 0 {
        page.push_str(&format!("\n{left} more operations: convex-doctor persistence --all\n"));
    }
    page
}
