//! The project's name at the top level.

use super::Refusal;
use super::page::{New, Page};
use super::tree::Style;

pub(super) fn set(text: &str, name: &str) -> Result<String, Refusal> {
    let page = Page::read(text)?;
    let Some(index) = page.tree.root.index("name") else {
        return page.add_at_start("name", name);
    };
    let of_name = |refusal: Refusal| refusal.of("`name`");
    let node = page.own(&[index]).map_err(of_name)?;
    let line = page.line_of(node);
    if node.is_null() {
        return page.fill(&[], index, &New::Text(name.to_owned(), Style::Plain)).map_err(of_name);
    }
    match node.text() {
        Some(old) if old == name => Ok(text.to_owned()),
        Some(old) if old.contains('$') => {
            Err(Refusal::at(line, "the project's name is made of variables"))
        }
        _ => page.replace(&[index], name).map_err(of_name),
    }
}
