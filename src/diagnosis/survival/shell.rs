//! A command line taken apart: words as a shell would make them, and the options among them.

/// Why the line could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct NotUnderstood {
    /// What is in the way.
    pub problem: String,
}

pub(super) fn no(problem: impl Into<String>) -> NotUnderstood {
    NotUnderstood { problem: problem.into() }
}

/// Words of a shell, command by command. What the shell itself would fill in cannot be read.
pub(super) fn split(line: &str) -> Result<Vec<(Vec<String>, bool)>, NotUnderstood> {
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.trim().trim_end_matches(';').chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '$' | '`') => {
                return Err(no("what the shell fills in (`$…`) is not known here; write it out"));
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (None, ';' | '\n') => {
                words.extend(word.take());
                commands.push((std::mem::take(&mut words), false));
            }
            (None, '&') if chars.peek() == Some(&'&') => {
                chars.next();
                words.extend(word.take());
                commands.push((std::mem::take(&mut words), true));
            }
            (None, '&' | '|' | '<' | '>' | '(' | ')' | '*' | '?') => {
                return Err(no(format!("`{c}` is shell syntax that convex-doctor does not know")));
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(no("a quote is not closed"));
    }
    words.extend(word);
    if !words.is_empty() || commands.last().is_some_and(|(_, and)| *and) {
        commands.push((words, false));
    }
    Ok(commands)
}

/// The options of a command: those that are switches, and those that take a value.
pub(super) struct KnownOptions {
    pub(super) switches: &'static [&'static str],
    pub(super) values: &'static [&'static str],
}

/// What was found of them: name and value, in the order of the line, and the words that are not.
pub(super) struct GivenOptions {
    options: Vec<(String, String)>,
    pub(super) words: Vec<String>,
}

impl GivenOptions {
    pub(super) fn has(&self, names: &[&str]) -> bool {
        let mut found = self.options.iter().filter(|(name, _)| names.contains(&name.as_str()));
        found.next_back().is_some_and(|(_, value)| value != "false" && value != "0")
    }

    pub(super) fn values(&self, names: &[&str]) -> Vec<String> {
        let found = self.options.iter().filter(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.clone()).collect()
    }
}

/// Takes options off the front, or, where `mixed`, from among all words.
pub(super) fn options(
    words: &[String],
    known: &KnownOptions,
    mixed: bool,
    of: &str,
) -> Result<GivenOptions, NotUnderstood> {
    let mut found = GivenOptions { options: Vec::new(), words: Vec::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            found.words.extend(words.cloned());
            break;
        }
        let Some(body) = word.strip_prefix('-').filter(|body| !body.is_empty()) else {
            found.words.push(word.clone());
            if !mixed {
                found.words.extend(words.cloned());
                break;
            }
            continue;
        };
        let mut value = |name: &str, attached: Option<&str>| match attached {
            Some(value) => Ok(value.to_owned()),
            None => words.next().cloned().ok_or_else(|| no(format!("{name} needs a value"))),
        };
        if let Some(long) = body.strip_prefix('-') {
            let (name, attached) = match long.split_once('=') {
                Some((name, value)) => (format!("--{name}"), Some(value)),
                None => (format!("--{long}"), None),
            };
            if known.values.contains(&name.as_str()) {
                let value = value(&name, attached)?;
                found.options.push((name, value));
            } else if known.switches.contains(&name.as_str()) {
                found.options.push((name, attached.unwrap_or("true").to_owned()));
            } else {
                return Err(no(format!("convex-doctor does not know {name} of {of}")));
            }
            continue;
        }
        for (at, letter) in body.char_indices() {
            let name = format!("-{letter}");
            if known.values.contains(&name.as_str()) {
                let attached =
                    Some(&body[at + letter.len_utf8()..]).filter(|rest| !rest.is_empty());
                let value = value(&name, attached.map(|rest| rest.trim_start_matches('=')))?;
                found.options.push((name, value));
                break;
            }
            if !known.switches.contains(&name.as_str()) {
                return Err(no(format!("convex-doctor does not know {name} of {of}")));
            }
            found.options.push((name, "true".to_owned()));
        }
    }
    Ok(found)
}
