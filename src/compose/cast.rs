//! Where a text has to become a number or a boolean when variables are filled in: `'80'` at
//! `target` is 80.
//!
//! Source: compose-go `loader/interpolate.go` as Compose v2.40 carries it. It casts every text at
//! these paths, with variables in it or without.

use super::tree::Value;

/// What the text at a path becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cast {
    Boolean,
    Integer,
    /// Go's `ParseInt`, whose complaint names another function than that of [`Cast::Integer`].
    Long,
    Float,
}

/// What a text turned into.
pub(super) enum CastValue {
    Value(Value),
    /// A boolean by a word that YAML 1.2 does not know, with Compose's warning.
    Old(bool, String),
}

/// The cast at a path of mapping keys and `[]`.
pub(super) fn at(path: &[String]) -> Option<Cast> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    Some(match parts.as_slice() {
        ["services", _, rest @ ..] => match rest {
            ["init" | "oom_kill_disable" | "privileged" | "read_only" | "stdin_open" | "tty"]
            | ["healthcheck", "disable"]
            | ["volumes", "[]", "read_only"]
            | ["volumes", "[]", "volume", "nocopy"] => Cast::Boolean,
            ["scale"]
            | ["configs" | "secrets", "[]", "mode"]
            | ["deploy", "replicas"]
            | ["deploy", "update_config" | "rollback_config", "parallelism"]
            | ["deploy", "restart_policy", "max_attempts"]
            | ["deploy", "placement", "max_replicas_per_node"]
            | ["healthcheck", "retries"]
            | ["ports", "[]", "target"]
            | ["ulimits", _]
            | ["ulimits", _, "hard" | "soft"] => Cast::Integer,
            [
                "cpu_count" | "cpu_period" | "cpu_quota" | "cpu_rt_period" | "cpu_rt_runtime"
                | "cpu_shares" | "oom_score_adj" | "pids_limit",
            ] => Cast::Long,
            ["cpu_percent" | "cpus"]
            | ["deploy", "update_config" | "rollback_config", "max_failure_ratio"] => Cast::Float,
            _ => return None,
        },
        ["networks", _, "external" | "internal" | "attachable" | "enable_ipv4" | "enable_ipv6"]
        | ["volumes" | "secrets" | "configs", _, "external"] => Cast::Boolean,
        _ => return None,
    })
}

/// Casts a text; the error is Go's sentence without the text, which may be a value of `.env`.
pub(super) fn cast(text: &str, cast: Cast) -> Result<CastValue, String> {
    match cast {
        Cast::Boolean => match text.to_lowercase().as_str() {
            "true" => Ok(CastValue::Value(Value::Bool(true))),
            "false" => Ok(CastValue::Value(Value::Bool(false))),
            "y" | "yes" | "on" => Ok(CastValue::Old(true, old(text, "true"))),
            "n" | "no" | "off" => Ok(CastValue::Old(false, old(text, "false"))),
            _ => Err("invalid boolean".to_owned()),
        },
        Cast::Integer | Cast::Long => {
            let function = if cast == Cast::Integer { "Atoi" } else { "ParseInt" };
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("strconv.{function}: invalid syntax"));
            }
            match text.parse::<i64>() {
                Ok(value) => Ok(CastValue::Value(Value::Int(value.into()))),
                Err(_) => Err(format!("strconv.{function}: value out of range")),
            }
        }
        Cast::Float => {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            match text.parse::<f64>().ok().filter(|_| plain) {
                Some(value) => Ok(CastValue::Value(Value::Float(value))),
                None => Err("strconv.ParseFloat: invalid syntax".to_owned()),
            }
        }
    }
}

fn old(word: &str, new: &str) -> String {
    format!("{word:?} for boolean is not supported by YAML 1.2, please use `{new}`")
}
