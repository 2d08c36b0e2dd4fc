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
        .map_or("no fingerprint: not the shape of a key", |f| f.as_str());
    let _infallible = writeln!(out, "key      {name}, {} characters", inspection.length);
    let _infallible = writeln!(out, "shape    {}", shape_line(shape));
    if let Some(instance) = &shape.name {
        let _infallible = writeln!(out, "name     {}", sanitize(instance));
    }
    if let Some(opened) = &inspection.opened {
        let kind = match opened.kind {
            Some(KeyKind::Admin) => "admin",
            Some(KeyKind::ReadOnly) => "read-only",
            Some(KeyKind::System) => "system",
            None => "names nobody",
        };
        let when = opened.issued_at.as_deref().unwrap_or("past the year 9999");
        let legacy = if opened.legacy { ", in the form used before 2025-06" } else { "" };
        let _infallible = writeln!(out, "says     {kind}, issued {when}{legacy}");
    }
    let verdict = match inspection.verdict {
        Some(VerdictWord::Accepted) => "the backend accepts it",
        Some(VerdictWord::WrongSecret) => "refused: it does not open with this instance's secret",
        Some(VerdictWord::WrongInstance) => {
            "refused: it opens with this instance's secret, and names another instance"
        }
        Some(VerdictWord::Malformed) => "refused: it is no complete key",
        None => "not tried: no instance secret at hand (--secret-file, or Docker)",
    };
    let _infallible = writeln!(out, "verdict  {verdict}");
    if let Some(reason) = &inspection.reason {
        let _infallible = writeln!(out, "         {}", sanitize(reason));
    }
    out
}

/// The shape in one line.
fn shape_line(shape: &Shape) -> String {
    let form = match shape.form {
        Form::WellShaped => "that of an admin key",
        Form::Placeholder => "a placeholder that was never filled in",
        Form::LooksLikeInstanceSecret => "64 hex digits: an instance secret, not a key",
        Form::CloudKey => "a key of Convex Cloud",
        Form::NotMinted => "not that of a minted key",
        Form::NameOnly => "only the part before the |",
        Form::Mangled => "a key that was mangled on the way",
        Form::Empty => "nothing",
    };
    let mut line = form.to_owned();
    if let Some(bytes) = shape.hex_bytes {
        let _infallible = write!(line, ", {bytes} bytes");
    }
    if shape.form == Form::WellShaped && shape.legacy_length {
        line.push_str(", as long as the form used before 2025-06");
    }
    if shape.prefix_refused {
        line.push_str("; its preview:/project: prefix is refused in the header");
    }
    for fault in &shape.faults {
        let text = serde_json::to_value(fault).unwrap_or_default();
        let _infallible = write!(line, ", {}", text.as_str().unwrap_or_default().replace('_', " "));
    }
    line
}
