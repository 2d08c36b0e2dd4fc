//! Durations as Compose reads and Go prints them: `90s` becomes `1m30s`.

/// Units and their nanoseconds, the longer spelling before the one it ends with. Days and weeks are
/// Compose's own.
const UNITS: [(&str, f64); 9] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
    ("w", 604_800e9),
];

/// The duration in Go's spelling; the error is Go's sentence.
pub(super) fn normalize(text: &str) -> Result<String, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos = 0.0_f64;
    if rest == "0" {
        rest = "";
    }
    while !rest.is_empty() {
        let end = rest.find(|char: char| !(char.is_ascii_digit() || char == '.'));
        let Some(end) = end else {
            return Err(format!("time: missing unit in duration {text:?}"));
        };
        let number: f64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let unit_end = rest.find(|char: char| char.is_ascii_digit() || char == '.');
        let unit = &rest[..unit_end.unwrap_or(rest.len())];
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("time: unknown unit {unit:?} in duration {text:?}"));
        };
        nanos += number * factor;
        rest = &rest[unit.len()..];
    }
    // 2^63 nanoseconds are 292 years.
    if nanos >= 9_223_372_036_854_775_808.0 {
        return Err(invalid());
    }
    #[expect(clippy::cast_possible_truncation, reason = "durations of Go are 64-bit nanoseconds")]
    let nanos = nanos.round() as i64;
    Ok(print(if negative { -nanos } else { nanos }))
}

/// Go's `Duration.String`.
fn print(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let all = nanos.unsigned_abs();
    if all == 0 {
        return "0s".to_owned();
    }
    if all < 1_000_000_000 {
        let (unit, size) = match all {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{sign}{}{unit}", fraction(all, size));
    }
    let seconds = all / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = fraction(all - (seconds - seconds % 60) * 1_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{rest}s"),
        (0, _) => format!("{sign}{minutes}m{rest}s"),
        _ => format!("{sign}{hours}h{minutes}m{rest}s"),
    }
}

fn fraction(value: u64, size: u64) -> String {
    let digits = size.ilog10() as usize;
    let part = value % size;
    if part == 0 {
        return (value / size).to_string();
    }
    let part = format!("{part:0digits$}");
    format!("{}.{}", value / size, part.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (text, expected) in [
            ("5s", "5s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1m30s", "1m30s"),
            ("500ms", "500ms"),
            ("100us", "100µs"),
            ("1.5s", "1.5s"),
            ("0s", "0s"),
            ("1d", "24h0m0s"),
            ("61.25s", "1m1.25s"),
        ] {
            assert_eq!(normalize(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "5", "5x", "s", "1..2s"] {
            assert!(normalize(text).is_err(), "{text}");
        }
    }
}
