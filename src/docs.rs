//! The published pages: where they are, and how a terminal leads to one.

/// Where the pages of `docs/site` are published. It serves the files of npm packages, so a release of
/// the package publishes its pages, too.
const BASE: &str = concat!("https://unpkg.com/", env!("CARGO_PKG_NAME"), "-docs/");

/// What ends an OSC sequence.
const END: &str = "\u{1b}\\";
/// What begins a link in a terminal, and with an empty address ends it (OSC 8,
/// <https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda>).
const LINK: &str = "\u{1b}]8;;";

/// The address of the page of a finding, a topic, or another page by its name: `index`.
pub fn page(name: &str) -> String {
    format!("{BASE}{name}.html")
}

/// A text that leads to the page of that name, for terminals that show links.
pub fn linked(text: &str, name: &str) -> String {
    format!("{LINK}{}{END}{text}{LINK}{END}", page(name))
}

/// The length of the sequence at the start of `text` that begins a link to one of the pages, or
/// ends a link.
pub(crate) fn link_sequence(text: &str) -> Option<usize> {
    let address = text.strip_prefix(LINK)?;
    let end = address.find(END)?;
    let name = match &address[..end] {
        "" => "",
        address => address.strip_prefix(BASE)?.strip_suffix(".html")?,
    };
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit());
    is_plain.then_some(LINK.len() + end + END.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_to_a_page_is_one() {
        let link = linked("more", "key-foreign");
        let begin = link.find("more").unwrap();
        assert_eq!(link_sequence(&link), Some(begin));
        assert_eq!(link_sequence(&link[begin + 4..]), Some(LINK.len() + END.len()));
        for other in [
            "\u{1b}]8;;https://example.com/\u{1b}\\",
            "\u{1b}]8;;https://unpkg.com/other-docs/key-foreign.html\u{1b}\\",
            &link.replace("key-foreign", "../../evil"),
            &link.replace("key-foreign", "a\u{7}b"),
            "\u{1b}]8;;",
            "\u{1b}]0;title\u{1b}\\",
        ] {
            assert_eq!(link_sequence(other), None, "{other:?}");
        }
    }
}
