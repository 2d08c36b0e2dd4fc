//! The formats that each command can write, and what clap cannot see to be wrong with them.

use super::key::Command as KeyCommand;
use super::{Command, Format, Options, inspect};

const REPORT: &[Format] = &[
    Format::Text,
    Format::Json,
    Format::Markdown,
    Format::Html,
    Format::Sarif,
    Format::Junit,
    Format::Github,
    Format::Gitlab,
];

/// Refusal of `--format env` where no pair is written.
pub(super) const MISPLACED: &str =
    "--format env works only with `key mint` and `inspect selection`";

/// The command as it is typed, and the formats that it can write; `None` for one that writes text
/// alone and takes the option without looking at it.
fn formats(command: Option<&Command>) -> Option<(&'static str, &'static [Format])> {
    use Format::{Env, Json, Markdown, Text};
    use inspect::Command as Inspect;
    Some(match command? {
        Command::Diagnose => ("diagnose", REPORT),
        Command::Demo(_) => ("demo", REPORT),
        Command::Run(_) => ("run", REPORT),
        Command::Persistence(_) => ("persistence", &[Text, Json, Markdown]),
        Command::Bundle(_) => ("bundle", &[Json]),
        Command::Replay(_) => ("replay", REPORT),
        Command::Diff(_) => ("diff", &[Text, Json, Markdown]),
        Command::Fix(_) => ("fix", &[Text, Json]),
        Command::Key(KeyCommand::Inspect { .. }) => ("key inspect", &[Text, Json]),
        Command::Key(KeyCommand::Mint(_)) => ("key mint", &[Text, Env]),
        Command::Inspect(Inspect::Selection { .. }) => ("inspect selection", &[Text, Json, Env]),
        Command::Inspect(Inspect::Compose) => ("inspect compose", &[Text, Json]),
        Command::Inspect(Inspect::Instances) => ("inspect instances", &[Text, Json]),
        Command::Explain(_)
        | Command::Redact(_)
        | Command::Schema
        | Command::Completions { .. }
        | Command::Man => {
            return None;
        }
    })
}

/// Whether the command writes a report, so that the format which a project's settings ask for is
/// meant for it.
pub(super) fn writes_reports(command: Option<&Command>) -> bool {
    command.is_none() || formats(command).is_some_and(|(_, formats)| formats == REPORT)
}

/// Refuses a format that the command does not write, a key in two places, and a key shown in any
/// other way than as lines for a shell.
pub(super) fn check(command: Option<&Command>, options: &Options) -> Result<(), String> {
    let wants_env = options.wants_env();
    let (name, known) = match command {
        None => ("", REPORT),
        Some(_) => match formats(command) {
            Some(known) => known,
            None => return Ok(()),
        },
    };
    if wants_env && !known.contains(&Format::Env) {
        return Err(MISPLACED.to_owned());
    }
    if options.report.format.iter().any(|format| !known.contains(format)) {
        return Err(format!("`{name}` supports only --format {}", listed(known)));
    }
    if wants_env
        && matches!(command, Some(Command::Key(KeyCommand::Mint(it))) if it.write.is_some())
    {
        return Err("--write puts the key into a file and --format env shows it: use only one of \
                    them"
            .to_owned());
    }
    if !wants_env
        && matches!(
            command,
            Some(Command::Inspect(inspect::Command::Selection { show_secrets: true }))
        )
    {
        return Err(
            "--show-secrets works only with --format env: no other format shows a key".to_owned()
        );
    }
    if wants_env && (options.report.format.len() > 1 || !options.report.output.is_empty()) {
        return Err(
            "--format env goes to the standard output, and alone: redirect it with > or >>"
                .to_owned(),
        );
    }
    Ok(())
}

/// `text, json and markdown`.
fn listed(formats: &[Format]) -> String {
    let names: Vec<String> = formats
        .iter()
        .filter_map(clap::ValueEnum::to_possible_value)
        .map(|value| value.get_name().to_owned())
        .collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
    }
}
