//! What `inspect` shows of the selection and of the compose project.

use std::fmt::Write as _;

use serde_json::Value;

use crate::evidence::SelectionFacts;
use crate::evidence::compose::ComposeIssue;
use crate::secret::{Fingerprint, sanitize};

/// The selection for a reader.
pub fn selection(facts: &SelectionFacts) -> String {
    let mut out = format!("{}\n", facts.kind.as_str());
    if let Some(url) = &facts.url {
        let _infallible = writeln!(out, "  url   {}  ({})", sanitize(&url.text), url.source);
    }
    if let (Some(key), Some(source)) = (&facts.admin_key, &facts.admin_key_source) {
        let fingerprint = key.fingerprint.as_ref().map_or("not an admin key", Fingerprint::as_str);
        let _infallible =
            writeln!(out, "  key   {fingerprint}, {} characters  ({source})", key.length);
    }
    if let Some(message) = &facts.message {
        let _infallible = writeln!(out, "  {}", sanitize(message));
    }
    for variable in &facts.variables {
        for definition in variable.definitions.iter().filter(|definition| !definition.wins) {
            let empty = if definition.empty { " (empty)" } else { "" };
            let _infallible =
                writeln!(out, "  hidden: {}{empty} at {}", variable.name, definition.source);
        }
    }
    out
}

/// The faults of a compose project for a reader: each sentence over the line it is about.
pub fn issues(issues: &[ComposeIssue], width: usize) -> String {
    let mut out = String::new();
    for (index, issue) in issues.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for line in super::words::wrap(&sanitize(&issue.message), width) {
            let _infallible = writeln!(out, "{line}");
        }
        if let Some(at) = &issue.at {
            out.push_str(&super::excerpt::of_issue(at, issue.line.as_ref(), width));
        }
    }
    out
}

/// A JSON value as indented lines, without the noise of JSON.
pub fn yaml(value: &Value) -> String {
    let text = serde_yaml::to_string(value).unwrap_or_default();
    text.lines().fold(String::new(), |mut out, line| {
        out.push_str(&sanitize(line));
        out.push('\n');
        out
    })
}
