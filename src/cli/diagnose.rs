//! `convex-doctor`, the main job: look, judge, write the report, and say by the exit code what it
//! came to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Exit, Format, Options};
use crate::collect;
use crate::diagnosis::{self, Choices, Outlook};
use crate::evidence::Evidence;
use crate::foreign::Admitted;
use crate::output;
use crate::render::{
    Detail, Screen, brief, github, gitlab, html, json, junit, markdown, sarif, text,
};
use crate::report::{Report, shell_word};

/// The end of its help.
pub(super) const HELP: &str = "\
Examples:
  convex-doctor diagnose -C path/to/project
  convex-doctor diagnose -f compose.prod.yml -p app
  convex-doctor diagnose --no-docker --require-network
  convex-doctor diagnose --only key --fail-on warning";

/// Diagnoses the deployment that the options describe.
pub(super) fn run(options: &Options) -> anyhow::Result<Exit> {
    if let Err(problem) = check(options) {
        output::note(&format!("error: {problem}"));
        return Ok(Exit::Usage);
    }
    let outputs = outputs(options);
    check_outputs(&outputs)?;
    let request = options.request()?;
    options.announce();
    let choices =
        Choices { ignore: options.report.ignore.clone(), only: options.report.only.clone() };
    let progress = super::progress::Progress::watch(&request.running);
    let evidence = match options.reach.wait {
        Some(longest) => wait(&request, longest)?,
        None => collect::run(&request)?,
    };
    drop(progress);
    if let Err(fault) = super::settings::check_comments(&evidence.asked.suppressions) {
        output::note(&format!("convex-doctor: {}", fault.0));
        return Ok(Exit::Usage);
    }
    let mut report = diagnosis::diagnose(&evidence, &choices);
    if let Some(step) = &mut report.summary.retry {
        step.command = Some(with_network(&options.typed));
    }
    write(options, &outputs, &report)?;
    if options.reach.require_docker && evidence.docker.seen().is_err() {
        output::note("error: Docker could not be checked (--require-docker)");
        return Ok(Exit::Failed);
    }
    if options.reach.require_network && !collect::network_was_asked(&evidence) {
        output::note("error: the URL could not be checked (--require-network)");
        return Ok(Exit::Failed);
    }
    Ok(exit(options, &report))
}

/// The command line as it was typed, but for the option that keeps the URL from being asked.
fn with_network(typed: &[String]) -> String {
    let words = typed.iter().filter(|word| *word != "--no-network").map(|word| shell_word(word));
    let words: Vec<String> = std::iter::once("convex-doctor".to_owned()).chain(words).collect();
    words.join(" ")
}

/// Looks again and again until the key goes through, waiting cannot help, or `longest` is over.
/// Says what is waited for.
fn wait(request: &collect::Request, longest: Duration) -> anyhow::Result<Admitted<Evidence>> {
    let mut said = None;
    collect::until(request, longest, &mut |evidence, waited| {
        // The caller's choices do not count: what is ignored still has to come up.
        let evidence = evidence.with(|evidence| evidence.asked.suppressions.clear());
        let report = diagnosis::diagnose(&evidence, &Choices::default());
        let outlook = diagnosis::outlook(&evidence, &report);
        if let Outlook::Passing(what) = &outlook
            && said.as_ref() != Some(what)
        {
            output::note(&format!("waiting, {:.0} s so far: {what}", waited.as_secs_f64()));
            said = Some(what.clone());
        }
        matches!(outlook, Outlook::Passing(_))
    })
}

/// The exit code of a report.
pub(super) fn exit(options: &Options, report: &Report) -> Exit {
    match options.report.fail_on.level() {
        Some(level) if report.reaches(level) => Exit::Found,
        _ => Exit::Fine,
    }
}

/// Writes the report in every format asked for.
pub(super) fn write(
    options: &Options,
    outputs: &[(Format, Option<PathBuf>)],
    report: &Report,
) -> anyhow::Result<()> {
    let detail = match (options.report.quiet, options.report.verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::Verbose,
        _ => Detail::Normal,
    };
    let links = output::shows_links();
    let screen = Screen { width: output::width(), detail, ascii: output::is_ascii(), links };
    for (format, path) in outputs {
        let page = match format {
            Format::Text => text::render(report, screen),
            Format::Json => json::render(report),
            Format::Markdown if options.report.brief => brief::render(report),
            Format::Markdown => markdown::render(report),
            Format::Html => html::render(report),
            Format::Sarif => sarif::render(report),
            Format::Junit => junit::render(report, options.report.fail_on.level()),
            Format::Github => github::render(report),
            Format::Gitlab => gitlab::render(report),
            Format::Env => anyhow::bail!(super::formats::MISPLACED),
        };
        if *format == Format::Github
            && let Err(error) = output::add_to_step_summary(&markdown::render(report))
        {
            // The annotations say it all; the summary only says it more legibly.
            output::note(&format!("note: no step summary: {error}"));
        }
        match path {
            Some(path) => output::write_file(path, &page)?,
            None if *format == Format::Text => output::show(&page)?,
            None => output::print(&page)?,
        }
    }
    Ok(())
}

/// Writes the report of `run` as text to stderr, other formats only where they are sent to: the
/// standard output is the command's, unless `-o -` asks for it.
pub(super) fn write_with_command(options: &Options, report: &Report) -> anyhow::Result<()> {
    let all = outputs(options);
    let sent = all.into_iter().take(options.report.output.len()).collect::<Vec<_>>();
    write(options, &sent, report)?;
    let detail = if options.report.verbose { Detail::Verbose } else { Detail::Normal };
    let links = output::notes_show_links();
    let screen = Screen { width: output::width(), detail, ascii: output::is_ascii(), links };
    output::note(text::render(report, screen).trim_end());
    Ok(())
}

/// Each format with its file; `None` is the standard output. A file without a format gets text.
pub(super) fn outputs(options: &Options) -> Vec<(Format, Option<PathBuf>)> {
    let count = options.report.format.len().max(options.report.output.len()).max(1);
    (0..count)
        .map(|index| {
            let usual = if options.report.brief { Format::Markdown } else { Format::Text };
            let format = options.report.format.get(index).copied().unwrap_or(usual);
            let path =
                options.report.output.get(index).filter(|path| path.as_path() != Path::new("-"));
            (format, path.cloned())
        })
        .collect()
}

/// Finds out before the long work whether every report can be written.
pub(super) fn check_outputs(outputs: &[(Format, Option<PathBuf>)]) -> anyhow::Result<()> {
    for path in outputs.iter().filter_map(|(_, path)| path.as_ref()) {
        output::check_writable(path)?;
    }
    Ok(())
}

/// What clap cannot see to be wrong: an id that does not exist (it would suppress nothing), one
/// file for two reports.
pub(super) fn check(options: &Options) -> Result<(), String> {
    for name in options.report.ignore.iter().chain(&options.report.only) {
        if !crate::checks::is_id_or_family(name) {
            return Err(super::explain::unknown(name));
        }
    }
    let outputs = outputs(options);
    let mut paths: Vec<&PathBuf> = outputs.iter().filter_map(|(_, path)| path.as_ref()).collect();
    paths.sort();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two reports cannot both go to {}", pair[0].display())),
        None => Ok(()),
    }
}
