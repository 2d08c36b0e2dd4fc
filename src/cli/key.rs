//! `convex-doctor key inspect`: the type, instance and date of a key; `key mint`: a new one.

mod mint;

use std::path::PathBuf;

use super::{Exit, Options};
use crate::admin_key::{self, InstanceSecret};
use crate::collect;
use crate::output;
use crate::render::json;
use crate::secret::Secret;

/// Commands about keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show what a key is and whether the backend accepts it
    #[command(after_help = "\
Examples:
  convex-doctor key inspect            the key that npx convex uses
  cat key.txt | convex-doctor key inspect -
  convex-doctor key inspect --secret-file secret.txt --instance-name app")]
    Inspect {
        /// Read the key from stdin; a key is never an argument
        #[arg(value_name = "-", value_parser = only_a_dash)]
        from_stdin: Option<String>,
        /// File with the instance secret
        #[arg(long, value_name = "FILE", requires = "instance_name")]
        secret_file: Option<PathBuf>,
        /// Name of the instance that the secret belongs to
        #[arg(long, value_name = "NAME")]
        instance_name: Option<String>,
    },
    /// Generate an admin key
    Mint(mint::Arguments),
}

/// A key on the command line would be in the shell's history and in every process list.
fn only_a_dash(text: &str) -> Result<String, String> {
    if text == "-" {
        return Ok(text.to_owned());
    }
    drop(Secret::new(text));
    Err("a key must not be an argument (it would stay in the shell's history); pipe it: … | convex-doctor key inspect -"
        .to_owned())
}

/// Carries out a command about keys.
pub(super) fn run(command: &Command, options: &Options) -> anyhow::Result<Exit> {
    let (from_stdin, secret_file, instance_name) = match command {
        Command::Inspect { from_stdin, secret_file, instance_name } => {
            (from_stdin, secret_file, instance_name)
        }
        Command::Mint(arguments) => return mint::run(arguments, options),
    };
    let request = options.request()?;
    let key = match from_stdin {
        Some(_) => Some(collect::stdin_line()?),
        None => collect::selected_key(&request)?,
    };
    let Some(key) = key else {
        output::note(
            "convex-doctor: no admin key is set here; pipe one: … | convex-doctor key inspect -",
        );
        return Ok(Exit::Found);
    };
    let secret = match secret_file {
        Some(path) => {
            let text = collect::secret_file(path)?;
            match InstanceSecret::parse(&text) {
                Ok(secret) => Some(secret),
                Err(fault) => {
                    output::note(&format!(
                        "convex-doctor: {} does not contain an instance secret: {fault}",
                        path.display()
                    ));
                    return Ok(Exit::Usage);
                }
            }
        }
        None => None,
    };
    let known = secret.as_ref().zip(instance_name.as_deref());
    let inspection = match known {
        Some((secret, name)) => admin_key::inspect(&key, Some((secret, name))),
        None => collect::inspect_with_docker(&request, &key, instance_name.as_deref())?,
    };
    if options.wants_json() {
        output::print(&json::to_text(&inspection))?;
    } else {
        output::show(&crate::render::key::render(&inspection))?;
    }
    Ok(if admin_key::refused(&inspection) { Exit::Found } else { Exit::Fine })
}
