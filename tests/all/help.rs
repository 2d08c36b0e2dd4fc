//! The help of every command: it fits a terminal of 80 columns, leaves nothing without a word, and
//! its examples are ones that the parser takes.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test starts the program")]

use crate::support::docs;
use std::process::Command as Process;

use clap::{Command, CommandFactory as _, Parser as _};
use convex_doctor::cli::Arguments;

const WIDTH: usize = 80;

/// The commands that people type by hand, which show how.
const WITH_EXAMPLES: &[&str] = &[
    "",
    "diagnose",
    "demo",
    "run",
    "explain",
    "inspect",
    "key inspect",
    "key mint",
    "persistence",
    "completions",
    "man",
];

/// Every command by its path, the program itself first.
fn commands() -> Vec<(String, Command)> {
    fn walk(path: &str, command: &Command, all: &mut Vec<(String, Command)>) {
        all.push((path.to_owned(), command.clone()));
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            walk(format!("{path} {}", inner.get_name()).trim_start(), inner, all);
        }
    }
    let mut all = Vec::new();
    walk("", &Arguments::command(), &mut all);
    assert!(all.len() > 10, "{}", all.len());
    all
}

fn shown(path: &str, flag: &str) -> String {
    let words = path.split(' ').filter(|word| !word.is_empty());
    let output = Process::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(words)
        .arg(flag)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{path} {flag}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_help_fits_80_columns() {
    for (path, _) in commands() {
        for flag in ["--help", "-h"] {
            let help = shown(&path, flag);
            for line in help.lines() {
                assert!(line.chars().count() <= WIDTH, "{path} {flag}: {line}");
            }
        }
    }
}

#[test]
fn every_command_option_and_value_has_a_word() {
    for (path, command) in commands() {
        assert!(command.get_about().is_some(), "{path}");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let id = argument.get_id();
            assert!(argument.get_help().is_some() || id == "help", "{path}: {id}");
            for value in argument.get_possible_values() {
                // The shells' names speak for themselves.
                let has_help = value.get_help().is_some() || id == "shell";
                let is_bool = matches!(value.get_name(), "true" | "false");
                assert!(has_help || is_bool, "{path}: {id} {}", value.get_name());
            }
        }
    }
}

/// The commands of an "Examples" section, without what stands behind two blanks.
fn examples(help: &str) -> Vec<String> {
    let Some((_, section)) = help.split_once("Examples:\n") else { return Vec::new() };
    section
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.trim().split("  ").next().unwrap().to_owned())
        .filter(|line| line.contains("convex-doctor"))
        .collect()
}

#[test]
fn examples_are_shown_and_taken_by_the_parser() {
    let mut checked = 0;
    for (path, _) in commands() {
        let examples = examples(&shown(&path, "--help"));
        let promised = WITH_EXAMPLES.contains(&path.as_str());
        assert!(!promised || examples.len() > 1, "{path}: {examples:?}");
        for line in examples {
            for words in docs::own_commands(&line) {
                let parsed = Arguments::try_parse_from(&words);
                assert!(parsed.is_ok(), "{path}: {words:?}: {}", parsed.unwrap_err());
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn the_manual_page_lists_every_command_and_option() {
    let page = shown("man", "--color=never").replace("\\-", "-");
    let root = Arguments::command();
    for inner in root.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        assert!(page.contains(&format!("convex-doctor-{}(1)", inner.get_name())));
    }
    for argument in root.get_arguments().filter(|argument| !argument.is_hide_set()) {
        if let Some(long) = argument.get_long() {
            assert!(page.contains(&format!("--{long}")), "{long}");
        }
    }
    // Its examples keep their lines.
    let (_, end) = page.split_once("\n.nf\n").unwrap();
    assert!(end.contains("\n  convex-doctor --wait 60s "), "{end}");
    assert!(end.contains("\n.fi\n.SH VERSION\n"), "{end}");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shown(&format!("completions {shell}"), "--color=never");
        for inner in Arguments::command().get_subcommands().filter(|inner| !inner.is_hide_set()) {
            assert!(script.contains(inner.get_name()), "{shell}: {}", inner.get_name());
        }
        assert!(script.contains("require-network"), "{shell}");
    }
}
