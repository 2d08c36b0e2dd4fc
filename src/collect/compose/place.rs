//! A place in a compose file, as reports name it.

use std::path::Path;

use crate::collect::shown;
use crate::compose;
use crate::evidence::compose::At;

/// The place, its file relative to the directory where it is inside.
pub(super) fn place(at: &compose::At, directory: &Path) -> At {
    At { file: shown(&at.file, directory), line: at.line, column: at.column }
}
