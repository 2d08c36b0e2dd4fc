//! A line of a file with the cause marked under it.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::evidence::compose::{At, SourceLine};
use crate::report::{Columns, Location};
use crate::secret::sanitize;

/// The excerpt of a place in a file that carries its line; `None` for others. It ends with a line
/// end and is at most about `width` columns wide.
pub fn of_location(location: &Location, width: usize) -> Option<String> {
    let Location::File { file, line, text: Some(text), mark: Some(mark), .. } = location else {
        return None;
    };
    Some(draw(file, *line, text, *mark, width))
}

/// The same for a fault of a compose file; without its line only the place.
pub fn of_issue(at: &At, line: Option<&SourceLine>, width: usize) -> String {
    match line {
        Some(source) => draw(&at.file, at.line, &source.text, source.mark, width),
        None => {
            let origin = Origin::path(sanitize(&at.file)).line(at.line).char_column(at.column);
            rendered(Group::with_level(Level::ERROR).element(origin), width)
        }
    }
}

fn draw(file: &str, line: usize, text: &str, mark: Columns, width: usize) -> String {
    let byte = |column: usize| {
        let at = text.char_indices().nth(column.saturating_sub(1));
        at.map_or(text.len(), |(at, _)| at)
    };
    let start = byte(mark.start);
    let annotation = AnnotationKind::Primary.span(start..byte(mark.end).max(start));
    let snippet =
        Snippet::source(text).line_start(line).path(sanitize(file)).annotation(annotation);
    rendered(Group::with_level(Level::ERROR).element(snippet), width)
}

fn rendered(group: Group<'_>, width: usize) -> String {
    let text = Renderer::styled().term_width(width).render(&[group]);
    format!("{text}\n")
}
