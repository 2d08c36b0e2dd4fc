//! Sizes as Compose reads them (docker/go-units `RAMInBytes`): `1g` is 1073741824, `1.5 GiB` one
//! and a half of them.

/// The number of bytes; the error is Compose's sentence.
pub(super) fn bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let end = text
        .char_indices()
        .rfind(|(_, char)| char.is_ascii_digit() || ". ".contains(*char))
        .map(|(index, _)| index)
        .ok_or_else(invalid)?;
    let (number, suffix) = text.split_at(end + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number: f64 = match number.parse() {
        Ok(number) if plain => number,
        _ => return Err("strconv.ParseFloat: invalid syntax".to_owned()),
    };
    if number < 0.0 {
        return Err(invalid());
    }
    let lower = suffix.to_lowercase();
    let (unit, rest) = lower.split_at(lower.chars().next().map_or(0, char::len_utf8));
    let shift = match (unit, rest) {
        ("" | "b", "") => 0,
        (unit, "" | "b" | "ib") if unit != "b" => match unit {
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            "p" => 50,
            _ => return Err(format!("invalid suffix: '{suffix}'")),
        },
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "as Go converts it"
    )]
    Ok((number * (1_i64 << shift) as f64) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_compose_reads_them() {
        for (text, expected) in [
            ("1", 1),
            ("10b", 10),
            ("64k", 65_536),
            ("1.5m", 1_572_864),
            ("1 GiB", 1 << 30),
            ("2gb", 2 << 30),
            ("1T", 1 << 40),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("", "invalid size: ''"),
            ("x", "invalid size: 'x'"),
            ("-1", "invalid size: '-1'"),
            ("1zz", "invalid suffix: 'zz'"),
            ("1bb", "invalid suffix: 'bb'"),
            ("1.2.3", "strconv.ParseFloat: invalid syntax"),
        ] {
            assert_eq!(bytes(text), Err(expected.to_owned()), "{text}");
        }
    }
}
