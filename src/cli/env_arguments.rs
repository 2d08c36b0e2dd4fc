//! `--format env` belongs to two commands, and goes to the standard output alone.

use super::env::MISPLACED;
use super::key::Command as KeyCommand;
use super::{Command, Format, Options, inspect};

/// What clap cannot see to be wrong: the format with another command, another format with `key
/// mint`, and a key shown in any other way.
pub(super) fn check(command: Option<&Command>, options: &Options) -> Result<(), &'static str> {
    let wants_env = options.wants_env();
    match command {
        Some(Command::Key(KeyCommand::Mint(mint))) => {
            if options.report.format.iter().any(|it| !matches!(it, Format::Text | Format::Env)) {
                return Err(
                    "`key mint` writes the key alone (text), or lines for a shell (--format env)",
                );
            }
            if wants_env && mint.write.is_some() {
                return Err(
                    "--write puts the key into a file and --format env shows it: take one of them",
                );
            }
        }
        Some(Command::Inspect(inspect::Command::Selection { show_secrets })) => {
            if *show_secrets && !wants_env {
                return Err("--show-secrets belongs to --format env: no other format shows a key");
            }
        }
        _ if wants_env => return Err(MISPLACED),
        _ => return Ok(()),
    }
    match (wants_env, options.report.format.len(), options.report.output.is_empty()) {
        (false, ..) | (true, 1, true) => Ok(()),
        _ => Err("--format env goes to the standard output, and alone: redirect it with > or >>"),
    }
}
