//! `--format env`: the pair as lines for a shell's `eval`, or for the end of an env file. The
//! standard output holds nothing else.

use zeroize::Zeroizing;

use super::Exit;
use crate::admin_key;
use crate::collect::minting::Minted;
use crate::collect::{self, Request};
use crate::evidence::selection::SelectionKind;
use crate::fix::env_file::exported;
use crate::output;
use crate::secret::{Fingerprint, Secret, sanitize, scrub};
use crate::selection::names::{ADMIN_KEY, URL};

/// Writes the pair for a key that was made just now.
pub(super) fn minted(minted: &Minted, request: &Request) -> anyhow::Result<Exit> {
    let selected = collect::selected(request)?;
    let selected = selected.url_in_force().map(|(url, _)| url);
    // A key and a URL that are not known to belong together are no pair.
    let (url, note) = match (selected, minted.url.as_deref()) {
        (Some(selected), _) if minted.answers => (Some(selected), None),
        (Some(selected), Some(own)) if selected != own => (
            Some(own),
            Some("the URL is that of this container; the selected one is not known to lead to it"),
        ),
        (_, Some(own)) => (Some(own), None),
        (Some(selected), None) => (
            Some(selected),
            Some(
                "the URL is the selected one: whether it leads to this instance was not looked at",
            ),
        ),
        (None, None) => (None, Some("the URL is not known: set CONVEX_SELF_HOSTED_URL as well")),
    };
    let mut lines = Lines::default();
    if let Some(url) = url {
        lines.export(URL, url);
    }
    lines.export(ADMIN_KEY, minted.key.expose());
    lines.notes.extend(note.map(str::to_owned));
    lines.write()
}

/// Writes the pair that the CLI would use; the key itself only where it is asked for.
pub(super) fn selection(request: &Request, show_secrets: bool) -> anyhow::Result<Exit> {
    let selected = collect::selected(request)?;
    let mut lines = Lines::default();
    match (&selected.url, show_secrets) {
        (Some((url, _)), true) => lines.export(URL, url),
        (Some((url, _)), false) => lines.export_if_plain(URL, url),
        (None, _) => {}
    }
    match (&selected.admin_key, show_secrets) {
        (Some(key), true) => lines.export(ADMIN_KEY, key.as_read.expose()),
        // The last line: an `eval` without quotes makes all lines one, and what follows a `#` a
        // comment.
        (Some(key), false) => lines.hide(ADMIN_KEY, &known_of(&key.as_sent)),
        (None, _) => {}
    }
    if let Some(message) = &selected.message {
        lines.notes.push(sanitize(message));
    } else if lines.text.is_empty() {
        lines.notes.push("no self-hosted pair is selected here".to_owned());
    }
    lines.write()?;
    Ok(match selected.kind {
        SelectionKind::Error => Exit::Found,
        _ => Exit::Fine,
    })
}

/// What may be said of a key.
fn known_of(key: &Secret) -> String {
    match admin_key::fingerprint(key).as_ref().map(Fingerprint::as_str) {
        Some(fingerprint) => format!("key {fingerprint}"),
        None => format!("no well-shaped key, {} characters", key.chars()),
    }
}

/// Lines for the standard output, which may hold secrets, and notes about them.
#[derive(Default)]
struct Lines {
    text: Zeroizing<String>,
    notes: Vec<String>,
}

impl Lines {
    /// The variable with its value, whatever that is.
    fn export(&mut self, name: &str, value: &str) {
        let Some(one) = exported(name, value) else {
            self.notes.push(format!("{name} is left out: no variable can hold a NUL"));
            return;
        };
        self.text.push_str(&one.line);
        if !one.fits_a_file {
            self.notes.push(format!(
                "{name} is for eval alone: no quotes hold this value in an env file"
            ));
        }
    }

    /// The same where the value holds nothing that the scrubber keeps back, such as a password in a
    /// URL.
    fn export_if_plain(&mut self, name: &str, value: &str) {
        if Zeroizing::new(scrub(value)).as_str() == value {
            self.export(name, value);
        } else {
            self.hide(name, "a value with a secret or odd characters in it");
        }
    }

    /// A comment in the place of the variable.
    fn hide(&mut self, name: &str, what: &str) {
        self.text.push_str(&format!("# {name}: {what} (--show-secrets prints it)\n"));
    }

    fn write(self) -> anyhow::Result<Exit> {
        for note in &self.notes {
            output::note(&format!("note: {note}"));
        }
        output::print_asked_for(&self.text)?;
        Ok(Exit::Fine)
    }
}
