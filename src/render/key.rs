//! What `key inspect` shows to a reader.

use std::fmt::Write as _;

use crate::admin_key::{Form, Inspection, KeyKind, Shape, VerdictWord};
use crate::secret::sanitize_lines as sanitize;

/// The inspection in a few lines.
pub fn render(inspection: &Inspection) -> String {
    let mut out = String::new();
    let shape = &inspection.shape;
    let name = inspection
        .fingerprint
        .as_ref()
        .map_or("no fingerprint: not in the format of a key", |f| f.as_str());
    let _infallible = writeln!(out, "key      {name}, {} characters", inspection.length);
    let _infallible = writeln!(out, "format   {}", shape_line(shape));
    if let Some(instance) = &shape.name {
        let _infallible = writeln!(out, "name     {}", sanitize(instance));
    }
    if let Some(opened) = &inspection.opened {
        let kind = match opened.kind {
            Some(KeyKind::Admin) => "admin",
            Some(KeyKind::ReadOnly) => "read-only",
            Some(KeyKind::System) => "system",
            None => "names no member",
        };
        let when = opened.issued_at.as_deref().unwrap_or("after the year 9999");
        let legacy = if opened.legacy { ", in the format used before 2025-06" } else { "" };
        let _infallible = writeln!(out, "type     {kind}, created {when}{legacy}");
    }
    let verdict = match inspection.verdict {
        Some(VerdictWord::Accepted) => "the backend accepts it",
        Some(VerdictWord::WrongSecret) => "rejected: it does not match this instance's secret",
        Some(VerdictWord::WrongInstance) => {
            "rejected: it matches this instance's secret, but has another instance name"
        }
        Some(VerdictWord::Malformed) => "rejected: it is not a complete key",
        None => "not tested: no instance secret available (use --secret-file FILE, or Docker)",
    };
    let _infallible = writeln!(out, "result   {verdict}");
    if let Some(reason) = &inspection.reason {
        let _infallible = writeln!(out, "         {}", sanitize(reason));
    }
    out
}

/// The format in one line.
fn shape_line(shape: &Shape) -> String {
    let form = match shape.form {
        Form::WellShaped => "admin key",
        Form::Placeholder => "a placeholder that was never filled in",
        Form::LooksLikeInstanceSecret => "64 hex digits: an instance secret, not a key",
        Form::CloudKey => "a Convex Cloud deploy key",
        Form::NotMinted => "not an admin key",
        Form::NameOnly => "only the part before `|`",
        Form::Mangled => "damaged admin key",
        Form::Empty => "empty",
    };
    let mut line = form.to_owned();
    if let Some(bytes) = shape.hex_bytes {
        let _infallible = write!(line, ", {bytes} bytes");
    }
    if shape.form == Form::WellShaped && shape.legacy_length {
        line.push_str(", with the length used before 2025-06");
    }
    if shape.prefix_refused {
        line.push_str("; the backend rejects its preview: or project: prefix");
    }
    for fault in &shape.faults {
        let text = serde_json::to_value(fault).unwrap_or_default();
        let _infallible = write!(line, ", {}", text.as_str().unwrap_or_default().replace('_', " "));
    }
    line
}
