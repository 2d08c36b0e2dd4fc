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
            None => "without a member",
        };
        let when = opened.issued_at.as_deref().unwrap_or("past the year 9999");
        let legacy = if opened.legacy { ", in the format from before June 2025" } else { "" };
        let _infallible = writeln!(out, "type     {kind}, created {when}{legacy}");
    }
    let verdict = match inspection.verdict {
        Some(VerdictWord::Accepted) => "accepted: the key matches this instance's secret and name",
        Some(VerdictWord::WrongSecret) => "rejected: the key does not match this instance's secret",
        Some(VerdictWord::WrongInstance) => {
            "rejected: the key matches the secret, but has another instance's name"
        }
        Some(VerdictWord::Malformed) => "rejected: the key is not complete",
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
        Form::Placeholder => "placeholder that is still to be replaced",
        Form::LooksLikeInstanceSecret => "instance secret (64 hex digits), not a key",
        Form::CloudKey => "Convex Cloud deploy key",
        Form::NotMinted => "not a key that a Convex backend generated",
        Form::NameOnly => "only the part before the |",
        Form::Mangled => "damaged admin key",
        Form::Empty => "empty",
    };
    let mut line = form.to_owned();
    if let Some(bytes) = shape.hex_bytes {
        let _infallible = write!(line, ", {bytes} bytes");
    }
    if shape.form == Form::WellShaped && shape.legacy_length {
        line.push_str(", as long as the format from before June 2025");
    }
    if shape.prefix_refused {
        line.push_str("; the `preview:` or `project:` prefix breaks it");
    }
    for fault in &shape.faults {
        let text = serde_json::to_value(fault).unwrap_or_default();
        let _infallible = write!(line, ", {}", text.as_str().unwrap_or_default().replace('_', " "));
    }
    line
}
