//! `convex-doctor persistence`: what survives which operation here, or what one command would
//! destroy.

use super::{Exit, Format, Options};
use crate::collect;
use crate::diagnosis::survival;
use crate::output;
use crate::render::{json, persistence};
use crate::report::Fate;

/// What to predict.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  convex-doctor persistence
  convex-doctor persistence --before 'docker compose down -v'")]
pub(super) struct Arguments {
    /// Predict one command; exit with 1 if it can lose something
    #[arg(long, value_name = "COMMAND")]
    before: Option<String>,
}

/// Shows the table, or judges one command line.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    let outputs = super::diagnose::outputs(options);
    super::diagnose::check_outputs(&outputs)?;
    let findings_only = |format: &Format| {
        matches!(format, Format::Sarif | Format::Junit | Format::Github | Format::Gitlab)
    };
    if outputs.iter().any(|(format, _)| findings_only(format)) {
        output::note("convex-doctor: the table is written as text, json or markdown");
        return Ok(Exit::Usage);
    }
    let request = options.request()?;
    if let Some(line) = &arguments.before
        && let Err(error) = survival::check(line)
    {
        output::note(&format!(
            "convex-doctor: {error}\nWhat is understood: {}",
            survival::UNDERSTOOD
        ));
        return Ok(Exit::Usage);
    }
    let progress = super::progress::Progress::watch(&request.running);
    let evidence = collect::run(&request)?;
    drop(progress);
    if let Err(unseen) = evidence.docker.seen() {
        output::note(&format!("note: from the compose file alone: {}", unseen.reason));
    }
    let operations = survival::operations(&evidence);
    let foresight = match &arguments.before {
        Some(line) => Some(survival::before(&evidence, line)?),
        None => None,
    };
    for (format, path) in &outputs {
        let page = match (format, &foresight) {
            (Format::Text, None) => persistence::table(&operations, output::width()),
            (Format::Text, Some(one)) => persistence::foresight(one, output::width()),
            (Format::Json, None) => json::to_text(&json::Persistence::from(operations.as_slice())),
            (Format::Json, Some(one)) => json::to_text(one),
            (_, None) => persistence::markdown(&operations),
            (_, Some(one)) => persistence::foresight_markdown(one),
        };
        match path {
            Some(path) => output::write_file(path, &page)?,
            None if *format == Format::Text => output::show(&page)?,
            None => output::print(&page)?,
        }
    }
    if options.require_docker && evidence.docker.seen().is_err() {
        output::note("convex-doctor: Docker could not be asked (--require-docker)");
        return Ok(Exit::Failed);
    }
    let is_bad = |fate: Fate| matches!(fate, Fate::Lost | Fate::Unknown);
    Ok(match foresight {
        Some(one) if is_bad(one.keys) || is_bad(one.data) => Exit::Found,
        _ => Exit::Fine,
    })
}
