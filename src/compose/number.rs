//! What YAML 1.1 makes of a plain scalar, as Compose's reader does.
//!
//! `0123` is 83, `1_000` is 1000, `1.50` is 1.5: a value that looks like text in the file is
//! another text in the container (facts: `docker compose config` v2.40.3). `yes`, `on` and `y` stay
//! text.

use super::time;
use super::tree::Value;

/// Reads a plain scalar.
pub(super) fn resolve(text: &str) -> Value {
    match time::print(text) {
        Some(shown) => Value::Timestamp(shown),
        None => resolve_no_time(text),
    }
}

/// Reads a scalar that is said to be of another type than a time.
pub(super) fn resolve_no_time(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return Value::Text(text.to_owned());
    }
    let plain = text.replace('_', "");
    if let Some(int) = integer(&plain) {
        return Value::Int(int);
    }
    match float(&plain) {
        Some(float) => Value::Float(float),
        None => Value::Text(text.to_owned()),
    }
}

/// Go's `ParseInt(text, 0, 64)` and, above, `ParseUint`: the prefix chooses the base, a leading
/// zero is octal.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, base).ok()?;
    let value = if negative { -value } else { value };
    // `ParseUint` takes no sign.
    let most = if text.starts_with(['+', '-']) { i64::MAX.into() } else { u64::MAX.into() };
    (i128::from(i64::MIN)..=most).contains(&value).then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the YAML reader's idea of a float.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = match mantissa.split_once('.') {
        Some((whole, part)) => {
            digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_formed = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    // What overflows stays text.
    let value = if well_formed && exponent_formed { text.parse().ok() } else { None };
    value.filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_yaml_1_1() {
        for (text, expected) in [
            ("0123", "83"),
            ("0x10", "16"),
            ("1_000", "1000"),
            ("1e3", "1000"),
            ("1.50", "1.5"),
            ("1.0", "1"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("08", "8"),
            ("-12", "-12"),
            ("+5", "5"),
            ("-0x1F", "-31"),
            ("18446744073709551615", "18446744073709551615"),
            (
                "12345678901234568901234567890123456789012345678901234567890123456789",
                "1.2345678901234569e+67",
            ),
            ("0.00001", "1e-05"),
            ("1e400", "1e400"),
            (".5", "0.5"),
            ("123456789.123", "1.23456789123e+08"),
            ("1.0e+5", "100000"),
            ("1:30", "1:30"),
            ("yes", "yes"),
            ("on", "on"),
            ("1.2.3", "1.2.3"),
            ("0xZZ", "0xZZ"),
            ("-", "-"),
            ("5s", "5s"),
            ("true", "true"),
        ] {
            assert_eq!(resolve(text).print(), Some(expected.to_owned()), "{text}");
        }
        assert!(matches!(resolve("2024-01-01"), Value::Timestamp(_)));
        assert!(matches!(resolve("10-20"), Value::Text(_)));
    }
}
