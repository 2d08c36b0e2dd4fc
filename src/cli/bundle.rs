//! `convex-doctor bundle`, `replay` and `diff`: the evidence written down, judged elsewhere, and held
//! against another.

use std::path::{Path, PathBuf};

use super::{Exit, Format, Options, diagnose};
use crate::bundle::{self, Bundle};
use crate::collect;
use crate::diagnosis::{self, Choices};
use crate::foreign::name;
use crate::output;
use crate::render::difference::{self, Differences};
use crate::render::json;
use crate::report::Report;

/// Refusal of a bundle where something is to be changed.
pub(super) const NO_FIX: &str = "`fix` changes the deployment that it looks at, and takes no file: \
                                 `convex-doctor replay FILE` reads a bundle";

/// How to write it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  convex-doctor bundle -o bundle.json
  convex-doctor bundle --anonymize --keep-table names.json -o bundle.json
  convex-doctor replay bundle.json       what others see of it
The file holds no secret.")]
pub(super) struct BundleArguments {
    /// Replace names: hosts, directories, projects, volumes
    #[arg(long)]
    anonymize: bool,
    /// Write which name became what; keep this file
    #[arg(long, value_name = "FILE", requires = "anonymize", value_parser = file)]
    keep_table: Option<PathBuf>,
}

/// A file's name. `-` would be a file of that name, and who types it means something else.
fn file(path: &str) -> Result<PathBuf, &'static str> {
    if path == "-" { Err("name a file: it is to be kept") } else { Ok(path.into()) }
}

/// Looks as a diagnosis does, and writes what was seen.
pub(super) fn write(arguments: &BundleArguments, options: &Options) -> anyhow::Result<Exit> {
    let outputs = diagnose::outputs(options);
    let table = arguments.keep_table.iter().map(|path| (Format::Json, Some(path.clone())));
    diagnose::check_outputs(&outputs.iter().cloned().chain(table).collect::<Vec<_>>())?;
    let request = options.request()?;
    options.announce();
    let progress = super::progress::Progress::watch(&request.running);
    let evidence = collect::run(&request)?;
    drop(progress);
    let text = if arguments.anonymize {
        let (anonymous, names) = bundle::anonymize(&evidence);
        if let Some(path) = &arguments.keep_table {
            output::write_file(path, &json::to_text(&names))?;
        }
        bundle::write(&anonymous, true)
    } else {
        bundle::write(&evidence, false)
    };
    for (_, path) in &outputs {
        match path {
            Some(path) => output::write_file(path, &text)?,
            None => output::print(&text)?,
        }
    }
    Ok(Exit::Fine)
}

/// What to judge.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  convex-doctor replay bundle.json
  convex-doctor replay report.json --format markdown
  convex-doctor replay thread.txt    a text that a bundle was pasted into
It looks at nothing but the file.")]
pub(super) struct ReplayArguments {
    /// Bundle, or report with --format json; - is standard input
    file: PathBuf,
}

/// Judges a bundle as if its evidence had just been collected.
pub(super) fn replay(arguments: &ReplayArguments, options: &Options) -> anyhow::Result<Exit> {
    if let Err(problem) = diagnose::check(options) {
        output::note(&format!("error: {problem}"));
        return Ok(Exit::Usage);
    }
    let outputs = diagnose::outputs(options);
    diagnose::check_outputs(&outputs)?;
    let bundle = read(&arguments.file)?;
    let report = judged(&bundle, options);
    diagnose::write(options, &outputs, &report)?;
    Ok(diagnose::exit(options, &report))
}

fn judged(bundle: &Bundle, options: &Options) -> Report {
    let choices =
        Choices { ignore: options.report.ignore.clone(), only: options.report.only.clone() };
    let mut report = diagnosis::diagnose(&bundle.evidence, &choices);
    report.evidence = bundle.with_unknown(report.evidence);
    report
}

fn read(path: &Path) -> anyhow::Result<Bundle> {
    let shown = name(&path.display().to_string());
    let text = collect::bundle_text(path)?;
    let bundle = bundle::read(&text).map_err(|refused| anyhow::anyhow!("{shown}: {refused}"))?;
    if bundle.is_newer {
        let by = bundle.written_by.as_deref().unwrap_or("a newer version");
        output::note(&format!(
            "note: {shown} was written by convex-doctor {by}; this is {}, which may miss something",
            env!("CARGO_PKG_VERSION")
        ));
    }
    Ok(bundle)
}

/// What to hold against each other.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  convex-doctor bundle -o works.json     while it works
  convex-doctor bundle -o broken.json    when it does not
  convex-doctor diff works.json broken.json")]
pub(super) struct DiffArguments {
    /// Bundle or JSON report of before
    old: PathBuf,
    /// Bundle or JSON report of now; - is standard input
    new: PathBuf,
}

/// Says what changed between two bundles. The exit code is 1 when something did.
pub(super) fn diff(arguments: &DiffArguments, options: &Options) -> anyhow::Result<Exit> {
    let outputs = diagnose::outputs(options);
    diagnose::check_outputs(&outputs)?;
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let (was, is) = (judged(&old, options), judged(&new, options));
    let changes = bundle::difference(&old.evidence, &new.evidence);
    let differences = Differences::between(&was, &is, changes);
    for (format, path) in outputs {
        let page = match format {
            Format::Json => json::to_text(&differences),
            Format::Markdown => difference::markdown(&differences),
            _ => difference::text(&differences, output::width()),
        };
        match path {
            Some(path) => output::write_file(&path, &page)?,
            None if format == Format::Text => output::show(&page)?,
            None => output::print(&page)?,
        }
    }
    Ok(if differences.is_empty() { Exit::Fine } else { Exit::Found })
}
