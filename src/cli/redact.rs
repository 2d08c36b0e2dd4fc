//! `convex-doctor redact`: a log or a file of the user's own, made safe to paste.

use std::path::{Path, PathBuf};

use super::Exit;
use crate::collect;
use crate::foreign::{self, Hidden};
use crate::output;

/// What to make safe.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  docker compose logs backend | convex-doctor redact
  convex-doctor redact docker-compose.yml
  convex-doctor redact --check .env.example
Each line stays a line. Secret values become ***; so do words that may be one.
With --check it prints nothing, and exits with 1 if something would be hidden.")]
pub(super) struct Arguments {
    /// File; - is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Only check; exit with 1 if something would be hidden
    #[arg(long)]
    check: bool,
}

/// Prints the text without what may be secret, and says what was hidden.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let text = collect::text_to_redact(&arguments.file)?;
    let redacted = foreign::redact(&text);
    if !arguments.check {
        output::print(&redacted.text)?;
    }
    output::note(&summary(&redacted.hidden, &arguments.file));
    Ok(if arguments.check && !redacted.hidden.is_empty() { Exit::Found } else { Exit::Fine })
}

/// What was hidden, in one line.
fn summary(hidden: &[Hidden], file: &Path) -> String {
    /// So many places are named.
    const SHOWN: usize = 8;
    let of = match file.to_str() {
        Some("-") | None => String::new(),
        Some(path) => format!(" in {}", foreign::name(path)),
    };
    if hidden.is_empty() {
        return format!("convex-doctor: nothing to hide{of}");
    }
    let places = hidden.iter().take(SHOWN).map(|one| match &one.name {
        Some(name) => format!("{name} (line {})", one.line),
        None => format!("line {}", one.line),
    });
    let more = hidden.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let values = if hidden.len() == 1 { "value" } else { "values" };
    let places = places.collect::<Vec<_>>().join(", ");
    format!("convex-doctor: hid {} {values}{of}: {places}{more}", hidden.len())
}
