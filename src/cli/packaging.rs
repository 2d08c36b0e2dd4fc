//! What the definition of the command line makes for packagers: completions and the manual page;
//! and the end of the main help.

use clap::CommandFactory as _;

use super::Arguments;

/// The end of the main help.
pub(super) const HELP: &str = "\
Examples:
  convex-doctor                        diagnose the deployment in this directory
  convex-doctor run -- npx convex dev  run it, and diagnose it if it fails
  convex-doctor --wait 60s             wait until the backend is ready
  convex-doctor explain key-foreign    explain a finding
  convex-doctor --format markdown      a report to paste, without secrets
  convex-doctor --version -v           the versions of everything involved

Exit codes: 0 no finding at or above --fail-on, 1 such a finding, 2 wrong usage,
3 it could not do its job.
Limits: 8 MiB per file, 64 KiB per HTTP body, 256 KiB of logs per container,
5 s per request (--timeout), 30 s for everything.
Settings: table [self-hosted] of convex-doctor.toml, from the project directory
up to the root of its git repository, or `# convex-doctor: ignore[ID] reason` next to a line.
Characters: ASCII with TERM=dumb, without a UTF-8 locale (LC_ALL, LC_CTYPE,
LANG), and on a terminal without any locale.";

/// The end of the help on completions.
pub(super) const COMPLETIONS_HELP: &str = "\
Examples:
  convex-doctor completions bash
  convex-doctor completions zsh
  convex-doctor completions fish

A shell looks for them, by their usual names, in:
  bash  ~/.local/share/bash-completion/completions/convex-doctor
  zsh   _convex-doctor in a directory of $fpath
  fish  ~/.config/fish/completions/convex-doctor.fish";

/// The end of the help on the manual page.
pub(super) const MAN_HELP: &str = "\
Examples:
  convex-doctor man | man -l -
  convex-doctor man > /usr/local/share/man/man1/convex-doctor.1";

/// Completions for one shell.
pub(super) fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "convex-doctor", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page: one for all commands.
pub(super) fn man() -> std::io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
    // The examples keep their lines, which the page would run together.
    Ok(String::from_utf8_lossy(&page)
        .replace(".SH EXTRA\n", ".SH EXAMPLES AND BOUNDS\n.nf\n")
        .replace(".SH VERSION\n", ".fi\n.SH VERSION\n"))
}
