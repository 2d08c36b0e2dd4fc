//! `convex-doctor.toml`: suppressions with a reason, and defaults for the options of the command
//! line.
//!
//! ```toml
//! [self-hosted]
//! fail-on = "warning"
//! service = "backend"
//! ignore = [
//!   { id = "image-unpinned", reason = "pinned by Renovate in March", until = 2027-03-31 },
//!   { id = "env-not-ignored", where = ".env.local", reason = "the key of a test instance" },
//! ]
//! ```
//!
//! All other tables and keys belong to a static analyzer of the same name, which ignores ours: one
//! file serves both tools. A key is an option's long name. A text of the library's is never shown, for it quotes the line:
//! the place is shown by our own excerpt, in which no value stands.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Component, Path};

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory, ValueHint};
use toml::de::{DeTable, DeValue};

use super::{Arguments, explain};
use crate::collect::SettingsFile;
use crate::evidence::compose::{At, SourceLine};
use crate::evidence::suppression::{Suppression, is_day};
use crate::foreign::{excerpt, words};
use crate::render;
use crate::report::Columns;
use crate::secret::sanitize;

/// The table that is ours.
const TABLE: &str = "self-hosted";

/// The options that a file may set: they say how to report, and which part of this project is meant.
/// The file may have come with a stranger's repository: it names no host, engine, command or key,
/// and no file outside of the project.
const ALLOWED: &[&str] = &[
    "fail-on",
    "only",
    "format",
    "timeout",
    "ephemeral",
    "service",
    "profile",
    "file",
    "project-name",
];

/// What the file says.
#[derive(Debug, Default)]
pub struct Settings {
    /// Each option's long name, and its arguments as they would be typed.
    defaults: Vec<(String, Vec<OsString>)>,
    /// What is not to be shown.
    pub(super) suppressions: Vec<Suppression>,
}

impl Settings {
    /// Leaves out the default of an option that means something else to the command at hand.
    pub(super) fn forget(&mut self, option: &str) {
        self.defaults.retain(|(name, _)| name != option);
    }
}

/// What is wrong with the file, as it is to be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsFault(pub(super) String);

/// A fault on its way to a place: the bytes it is about.
type Problem = (Range<usize>, String);

type Entry<'a> = toml::Spanned<DeValue<'a>>;

/// Understands the file.
pub fn parse(file: &SettingsFile) -> Result<Settings, SettingsFault> {
    let parsed = match DeTable::parse(&file.text) {
        Ok(table) => Ok(table),
        // What the other tool's file looks like is its own affair.
        Err(_) if !file.text.contains(TABLE) => return Ok(Settings::default()),
        Err(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            Err((error.span().unwrap_or(0..0), message))
        }
    };
    parsed
        .and_then(|table| {
            let mut settings = Settings::default();
            let Some(ours) = table.get_ref().get(TABLE) else { return Ok(settings) };
            let form = || (ours.span(), format!("`{TABLE}` is a table: [{TABLE}]"));
            for (key, value) in ours.get_ref().as_table().ok_or_else(form)? {
                if key.get_ref() == "ignore" {
                    settings.suppressions = ignore(file, value)?;
                } else {
                    let arguments = option(file, key, value)?;
                    settings.defaults.push((key.get_ref().to_string(), arguments));
                }
            }
            Ok(settings)
        })
        .map_err(|problem| show(file, problem))
}

fn show(file: &SettingsFile, (span, message): Problem) -> SettingsFault {
    let (line, column) = position(&file.text, span.start);
    let found = excerpt(&file.text, line, column).map(|excerpt| SourceLine {
        text: excerpt.text,
        mark: Columns { start: excerpt.mark.start + 1, end: excerpt.mark.end + 1 },
    });
    let at = At { file: file.name.clone(), line, column };
    let drawn = render::excerpt::of_issue(&at, found.as_ref(), crate::output::width());
    SettingsFault(format!(
        "{}:{line}: {}\n{}",
        sanitize(&file.name),
        plain(&message),
        drawn.trim_end()
    ))
}

/// Text of the file's or of a library's, fit to be shown.
fn plain(text: &str) -> String {
    words(text)
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// `ignore = [{ id, reason, until, where }]`.
fn ignore(file: &SettingsFile, value: &Entry<'_>) -> Result<Vec<Suppression>, Problem> {
    let form = || {
        let form = "`ignore` is a list: ignore = [{ id = \"…\", reason = \"…\" }]";
        (value.span(), form.to_owned())
    };
    let entries = value.get_ref().as_array().ok_or_else(form)?;
    entries
        .iter()
        .map(|entry| {
            let table = entry.get_ref().as_table().ok_or_else(|| {
                let form = "an entry is { id = \"…\", reason = \"…\" }: nothing is ignored without a reason";
                (entry.span(), form.to_owned())
            })?;
            suppression(file, entry.span(), table)
        })
        .collect()
}

fn suppression(
    file: &SettingsFile,
    span: Range<usize>,
    table: &DeTable<'_>,
) -> Result<Suppression, Problem> {
    let mut one = Suppression {
        file: file.name.clone(),
        line: position(&file.text, span.start).0,
        ..Suppression::default()
    };
    for (key, value) in table {
        let text = || {
            let text = value.get_ref().as_str().filter(|text| !text.trim().is_empty());
            text.map(|text| text.trim().to_owned())
                .ok_or_else(|| (value.span(), format!("`{}` is a text", key.get_ref())))
        };
        match key.get_ref().as_ref() {
            "id" => {
                one.id = text()?;
                one.line = position(&file.text, value.span().start).0;
                known(&one.id).map_err(|problem| (value.span(), problem))?;
            }
            "reason" => one.reason = plain(&text()?),
            "where" => one.places = places(file, &text()?),
            "until" => {
                let written = match value.get_ref() {
                    DeValue::Datetime(day) => day.to_string(),
                    DeValue::String(day) => day.to_string(),
                    _ => String::new(),
                };
                if !is_day(&written) {
                    return Err((value.span(), "`until` is a day: until = 2027-01-31".to_owned()));
                }
                one.until = Some(written);
            }
            other => {
                let nearest = nearest(other, &["id", "reason", "until", "where"]);
                let problem = format!("an entry has no `{other}`; the nearest: {nearest}");
                return Err((key.span(), problem));
            }
        }
    }
    match (one.id.is_empty(), one.reason.is_empty()) {
        (true, _) => Err((span, "the entry has no `id`".to_owned())),
        (_, true) => Err((span, format!("{} is ignored without a `reason`", one.id))),
        _ => Ok(one),
    }
}

/// What is wrong with an id, if anything is.
fn known(id: &str) -> Result<(), String> {
    if crate::checks::rule(id).is_some() {
        return Ok(());
    }
    Err(explain::unknown(id))
}

/// What `where` may mean: a name as it stands, and a path, which starts where the file lies.
fn places(file: &SettingsFile, text: &str) -> Vec<String> {
    let text = text.strip_prefix("./").unwrap_or(text);
    let mut places = vec![text.to_owned()];
    if file.directory != file.project {
        let path = file.directory.join(text);
        let path = path.strip_prefix(&file.project).unwrap_or(&path);
        places.push(path.display().to_string());
    }
    places
}

/// An option's arguments as they would be typed.
fn option(
    file: &SettingsFile,
    key: &toml::Spanned<std::borrow::Cow<'_, str>>,
    value: &Entry<'_>,
) -> Result<Vec<OsString>, Problem> {
    let name = key.get_ref().as_ref();
    let command = Arguments::command();
    let option = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    let Some(arg) = option.filter(|_| ALLOWED.contains(&name)) else {
        if option.is_some() {
            return Err((key.span(), format!("`{name}` is only for the command line")));
        }
        let nearest = nearest(name, &[ALLOWED, &["ignore"]].concat());
        return Err((key.span(), format!("there is no option `{name}`; the nearest: {nearest}")));
    };
    let arguments: Vec<OsString> = if matches!(arg.get_action(), ArgAction::SetTrue) {
        let is_set = value.get_ref().as_bool();
        let is_set = is_set.ok_or_else(|| (value.span(), format!("`{name}` is true or false")))?;
        is_set.then(|| format!("--{name}").into()).into_iter().collect()
    } else {
        let takes_list = matches!(arg.get_action(), ArgAction::Append);
        let values: Vec<&Entry<'_>> = match value.get_ref() {
            DeValue::Array(values) if takes_list => values.iter().collect(),
            _ => vec![value],
        };
        let text = |value: &Entry<'_>| {
            let form = if takes_list { "a text, or a list of them" } else { "a text" };
            let text = value.get_ref().as_str();
            let text = text.ok_or_else(|| (value.span(), format!("`{name}` is {form}")))?;
            if name == "file" && leaves_the_project(text) {
                let problem = "`file` names a file outside of the project; use -f for it";
                return Err((value.span(), problem.to_owned()));
            }
            if name == "only" && !crate::checks::is_id_or_family(text) {
                known(text).map_err(|problem| (value.span(), problem))?;
            }
            let mut argument = OsString::from(format!("--{name}="));
            if arg.get_value_hint() == ValueHint::AnyPath && file.directory != file.project {
                argument.push(file.directory.join(Path::new(text)));
            } else {
                argument.push(text);
            }
            Ok(argument)
        };
        values.into_iter().map(text).collect::<Result<_, Problem>>()?
    };
    // What the command line would say of such a value.
    let typed = std::iter::once(OsString::from("convex-doctor")).chain(arguments.iter().cloned());
    match Arguments::command().try_get_matches_from(typed) {
        Ok(_) => Ok(arguments),
        Err(error) => {
            let text = error.render().to_string();
            let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
            let text = lines.collect::<Vec<_>>().join(" ");
            Err((value.span(), text.trim_start_matches("error: ").to_owned()))
        }
    }
}

/// Whether a path leads out of the directory where the settings file lies.
fn leaves_the_project(path: &str) -> bool {
    let mut depth = 0;
    Path::new(path).components().any(|part| {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return true,
        }
        depth < 0
    })
}

/// The one most like `name`.
fn nearest(name: &str, names: &[&str]) -> String {
    let score = |other: &&&str| strsim::jaro_winkler(name, other);
    let best = names.iter().max_by(|one, other| score(one).total_cmp(&score(other)));
    best.map_or_else(String::new, |best| format!("`{best}`"))
}

/// The arguments as typed with those of the file before them, but for options that were typed: a
/// typed one takes the place of what the file says.
pub(super) fn with_defaults(
    typed: &[OsString],
    matches: &ArgMatches,
    settings: &Settings,
) -> Vec<OsString> {
    let is_typed = |name: &str| {
        let command = Arguments::command();
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
        arg.is_some_and(|arg| {
            matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
        })
    };
    let defaults = settings.defaults.iter().filter(|(name, _)| !is_typed(name));
    let defaults = defaults.flat_map(|(_, arguments)| arguments.iter().cloned());
    typed.iter().take(1).cloned().chain(defaults).chain(typed.iter().skip(1).cloned()).collect()
}

/// What is wrong with a comment in a file that was read, if anything is.
pub(super) fn check_comments(suppressions: &[Suppression]) -> Result<(), SettingsFault> {
    for one in suppressions.iter().filter(|one| one.in_source) {
        let problem = match &one.problem {
            Some(problem) => Err(problem.clone()),
            None => known(&one.id),
        };
        problem.map_err(|problem| {
            SettingsFault(format!("{}: {}", sanitize(&one.source()), plain(&problem)))
        })?;
    }
    Ok(())
}
