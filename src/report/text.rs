//! A text for a reader, in which the names of volumes are known as such.

use std::fmt;
use std::ops::{Deref, Range};

use serde::{Deserialize, Serialize};

/// A text with the places of volume names in it: a screen may show the first digits of a name that
/// Docker made up, a machine format shows it whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Text {
    text: String,
    volumes: Vec<Range<usize>>,
}

impl Text {
    /// Says that `name` is the name of a volume, everywhere in this text.
    pub fn volume(mut self, name: &str) -> Self {
        if !name.is_empty() {
            let found = self.text.match_indices(name);
            self.volumes.extend(found.map(|(at, name)| at..at + name.len()));
            self.volumes.sort_by_key(|range| range.start);
        }
        self
    }

    /// The text with each volume name as `shorten` writes it.
    pub fn with_volumes(&self, shorten: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut done = 0;
        for range in &self.volumes {
            if range.start < done {
                continue;
            }
            out.push_str(&self.text[done..range.start]);
            out.push_str(&shorten(&self.text[range.clone()]));
            done = range.end;
        }
        out.push_str(&self.text[done..]);
        out
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, volumes: Vec::new() }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.text
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, text: &&str) -> bool {
        self.text == *text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_shortened_where_it_is_named_and_nowhere_else() {
        let text = Text::from("abc is in abcdef, not in abd").volume("abcdef").volume("abc");
        let shown = text.with_volumes(|name| format!("{}…", &name[..2]));
        assert_eq!(shown, "ab… is in ab…, not in abd");
        assert_eq!(&*text, "abc is in abcdef, not in abd");
    }
}
