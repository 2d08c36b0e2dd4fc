//! `convex-doctor --version`: one line, and with `-v` the versions of everything that has a part.

use std::ffi::OsString;

use super::{Exit, Options};
use crate::render::{json, versions};
use crate::{collect, output};

/// The one line.
const LINE: &str = concat!("convex-doctor ", env!("CARGO_PKG_VERSION"), "\n");

/// Shows it where nothing else was typed: what launchers and installers ask most, and to understand
/// every option first takes longer than the answer.
pub(super) fn alone(typed: &[OsString]) -> Option<Exit> {
    let [_, only] = typed else { return None };
    let is_asked = only == "--version" || only == "-V";
    is_asked.then(|| {
        output::print(LINE).map_or_else(|error| super::failed(&error.into()), |()| Exit::Fine)
    })
}

/// Shows it.
pub(super) fn run(options: &Options) -> anyhow::Result<Exit> {
    let text = if options.wants_json() {
        json::to_text(&collect::versions(&options.request()?)?)
    } else if options.report.verbose {
        versions::text(&collect::versions(&options.request()?)?)
    } else {
        LINE.to_owned()
    };
    output::print(&text)?;
    Ok(Exit::Fine)
}
