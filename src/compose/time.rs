//! Dates and times in YAML, as Compose's reader understands and Go prints them.
//!
//! Source: yaml.v3 `resolve.go` (`allowedTimestampFormats`) and Go's `time.Time.String`. Only the
//! schema knows that no key takes a time: a mapping that is made a list of `KEY=value` before holds
//! it as a text.

/// What Go prints for a plain scalar that is a time: `2024-1-2` is `2024-01-02 00:00:00 +0000 UTC`.
///
/// The forms are `2006-1-2`, `2006-1-2 15:4:5.9` and `2006-1-2T15:4:5.9Z07:00`.
pub(super) fn print(text: &str) -> Option<String> {
    let (year, rest) = text.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    let year: u32 = (year.len() == 4).then(|| number(year, 4))??;
    let month = number(month, 2).filter(|month| (1..=12).contains(month))?;
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    let day = number(day, 2).filter(|day| (1..=days(year, month)).contains(day))?;
    let (clock, zone) = match rest.chars().next() {
        None => return Some(format!("{year:04}-{month:02}-{day:02} 00:00:00 +0000 UTC")),
        Some(' ') => (&rest[1..], "+0000 UTC".to_owned()),
        Some('T' | 't') => zone(&rest[1..])?,
        Some(_) => return None,
    };
    let (clock, part) = clock.split_once('.').unwrap_or((clock, "0"));
    if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut numbers = clock.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if hour > 23 || minute > 59 || second > 59 || numbers.next().is_some() {
        return None;
    }
    let part: String = part.chars().take(9).collect();
    let part = match part.trim_end_matches('0') {
        "" => String::new(),
        part => format!(".{part}"),
    };
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{part} {zone}"))
}

/// A clock without its zone, and how Go prints the zone.
fn zone(text: &str) -> Option<(&str, String)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, "+0000 UTC".to_owned()));
    }
    let at = text.rfind(['+', '-'])?;
    let (clock, zone) = text.split_at(at);
    let (hours, minutes) = zone[1..].split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| number(text, 2)).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    if hours > 24 || minutes > 60 {
        return None;
    }
    // The zone of the machine, which is taken to be this one, has a name; others are their own.
    if hours == 0 && minutes == 0 {
        return Some((clock, "+0000 UTC".to_owned()));
    }
    let sign = &zone[..1];
    let shown = format!("{sign}{hours:02}{minutes:02}");
    Some((clock, format!("{shown} {shown}")))
}

fn number(text: &str, most: usize) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (1..=most).contains(&text.len())).then(|| text.parse().ok())?
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_go_prints_them() {
        for (text, shown) in [
            ("2024-1-2", "2024-01-02 00:00:00 +0000 UTC"),
            ("2024-02-29 1:2:3.450", "2024-02-29 01:02:03.45 +0000 UTC"),
            ("2024-01-01T10:00:00Z", "2024-01-01 10:00:00 +0000 UTC"),
            ("2024-01-01t10:00:00+02:00", "2024-01-01 10:00:00 +0200 +0200"),
            ("2024-01-01T10:00:00-00:00", "2024-01-01 10:00:00 +0000 UTC"),
        ] {
            assert_eq!(print(text).as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn what_is_near_a_time_is_none() {
        for text in [
            "2023-02-29",
            "24-01-01",
            "2024-13-01",
            "2024-01-01T10:00:00",
            "2024-01-01 10:00",
            "2024-01-01x",
            "2024-01-01 24:00:00",
            "2024-01-001",
            "2024-01",
            "10-20",
            "2024-01-01 10:00:00Z",
        ] {
            assert_eq!(print(text), None, "{text}");
        }
    }
}
