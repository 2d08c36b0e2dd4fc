//! `convex-doctor --version`: one line, and with `-v` the versions of everything that has a part.

use super::{Exit, Options};
use crate::render::{json, versions};
use crate::{collect, output};

/// Shows it.
pub(super) fn run(options: &Options) -> anyhow::Result<Exit> {
    let text = if options.wants_json() {
        json::to_text(&collect::versions(&options.request()?)?)
    } else if options.report.verbose {
        versions::text(&collect::versions(&options.request()?)?)
    } else {
        concat!("convex-doctor ", env!("CARGO_PKG_VERSION"), "\n").to_owned()
    };
    output::print(&text)?;
    Ok(Exit::Fine)
}
