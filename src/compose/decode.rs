//! From the tree's values to the types of the fields: sizes, durations, and booleans where the
//! schema takes a word.
//!
//! Source: compose-go `types/` and `loader/loader.go` (`decoderHook`) as Compose v2.40 carries
//! them. It collects all faults of this step.

use super::cast::{self, Cast, CastValue};
use super::discover::ProjectReader;
use super::duration;
use super::error::{Error, ErrorKind, MOST_ERRORS, WarningKind};
use super::merge::go_type;
use super::size;
use super::tree::{Node, Value};
use super::words;

/// The type of a field.
#[derive(Clone, Copy)]
enum DecodeKind {
    Boolean,
    Duration,
    Size,
    /// A number of processors.
    Processors,
    /// A number of devices, or `all`.
    Devices,
    /// A file mode in octal digits.
    Mode,
    /// An unsigned integer of this type, read from a number alone.
    Unsigned(&'static str),
    Text,
    /// `NAME=ADDRESS` in a list, or a mapping.
    Hosts,
    /// `NAME=VALUE` in a list, or a mapping.
    Environment,
    /// Words, or a line of them.
    Command,
}

/// The fields that are not what the schema leaves of them; `*` is any key or element.
const FIELDS: &[(&str, DecodeKind)] = &[
    ("services.*.attach", DecodeKind::Boolean),
    ("services.*.blkio_config.device_read_bps.*.rate", DecodeKind::Size),
    ("services.*.blkio_config.device_read_iops.*.rate", DecodeKind::Size),
    ("services.*.blkio_config.device_write_bps.*.rate", DecodeKind::Size),
    ("services.*.blkio_config.device_write_iops.*.rate", DecodeKind::Size),
    ("services.*.blkio_config.weight", DecodeKind::Unsigned("uint16")),
    ("services.*.blkio_config.weight_device.*.weight", DecodeKind::Unsigned("uint16")),
    ("services.*.build.args", DecodeKind::Environment),
    ("services.*.build.extra_hosts", DecodeKind::Hosts),
    ("services.*.build.no_cache", DecodeKind::Boolean),
    ("services.*.build.privileged", DecodeKind::Boolean),
    ("services.*.build.pull", DecodeKind::Boolean),
    ("services.*.build.secrets.*.mode", DecodeKind::Mode),
    ("services.*.build.shm_size", DecodeKind::Size),
    ("services.*.command", DecodeKind::Command),
    ("services.*.configs.*.mode", DecodeKind::Mode),
    ("services.*.depends_on.*.restart", DecodeKind::Boolean),
    ("services.*.deploy.resources.limits.cpus", DecodeKind::Processors),
    ("services.*.deploy.resources.limits.memory", DecodeKind::Size),
    ("services.*.deploy.resources.reservations.cpus", DecodeKind::Processors),
    ("services.*.deploy.resources.reservations.devices.*.count", DecodeKind::Devices),
    ("services.*.deploy.resources.reservations.memory", DecodeKind::Size),
    ("services.*.deploy.restart_policy.delay", DecodeKind::Duration),
    ("services.*.deploy.restart_policy.window", DecodeKind::Duration),
    ("services.*.deploy.rollback_config.delay", DecodeKind::Duration),
    ("services.*.deploy.rollback_config.monitor", DecodeKind::Duration),
    ("services.*.deploy.update_config.delay", DecodeKind::Duration),
    ("services.*.deploy.update_config.monitor", DecodeKind::Duration),
    ("services.*.develop.watch.*.exec.command", DecodeKind::Command),
    ("services.*.develop.watch.*.exec.environment", DecodeKind::Environment),
    ("services.*.entrypoint", DecodeKind::Command),
    ("services.*.env_file.*.required", DecodeKind::Boolean),
    ("services.*.environment", DecodeKind::Environment),
    ("services.*.extra_hosts", DecodeKind::Hosts),
    ("services.*.gpus.*.count", DecodeKind::Devices),
    ("services.*.group_add.*", DecodeKind::Text),
    ("services.*.healthcheck.interval", DecodeKind::Duration),
    ("services.*.healthcheck.retries", DecodeKind::Unsigned("uint64")),
    ("services.*.healthcheck.start_interval", DecodeKind::Duration),
    ("services.*.healthcheck.start_period", DecodeKind::Duration),
    ("services.*.healthcheck.timeout", DecodeKind::Duration),
    ("services.*.mem_limit", DecodeKind::Size),
    ("services.*.mem_reservation", DecodeKind::Size),
    ("services.*.mem_swappiness", DecodeKind::Size),
    ("services.*.memswap_limit", DecodeKind::Size),
    ("services.*.ports.*.target", DecodeKind::Unsigned("uint32")),
    ("services.*.post_start.*.command", DecodeKind::Command),
    ("services.*.post_start.*.environment", DecodeKind::Environment),
    ("services.*.post_start.*.privileged", DecodeKind::Boolean),
    ("services.*.pre_stop.*.command", DecodeKind::Command),
    ("services.*.pre_stop.*.environment", DecodeKind::Environment),
    ("services.*.pre_stop.*.privileged", DecodeKind::Boolean),
    ("services.*.secrets.*.mode", DecodeKind::Mode),
    ("services.*.shm_size", DecodeKind::Size),
    ("services.*.stop_grace_period", DecodeKind::Duration),
    ("services.*.volumes.*.bind.create_host_path", DecodeKind::Boolean),
    ("services.*.volumes.*.tmpfs.mode", DecodeKind::Unsigned("uint32")),
    ("services.*.volumes.*.tmpfs.size", DecodeKind::Size),
];

/// Brings the fields of a tree into their types.
pub(super) fn decode(root: &mut Node, reader: &mut ProjectReader<'_>) -> Vec<Error> {
    let mut decoding = Decoding { reader, found: Vec::new() };
    for (path, kind) in FIELDS {
        let steps: Vec<&str> = path.split('.').collect();
        decoding.walk(root, &steps, "", *kind);
    }
    decoding.found
}

struct Decoding<'a, 'f> {
    reader: &'a mut ProjectReader<'f>,
    found: Vec<Error>,
}

impl Decoding<'_, '_> {
    fn walk(&mut self, node: &mut Node, steps: &[&str], place: &str, kind: DecodeKind) {
        let Some((step, rest)) = steps.split_first() else {
            return self.field(node, place, kind);
        };
        match &mut node.value {
            Value::Map(map) if *step == "*" => {
                for (key, entry) in map.iter_mut() {
                    self.walk(&mut entry.node, rest, &format!("{place}[{key}]"), kind);
                }
            }
            Value::List(list) if *step == "*" => {
                for (index, item) in list.iter_mut().enumerate() {
                    self.walk(item, rest, &format!("{place}[{index}]"), kind);
                }
            }
            Value::Map(map) => {
                if let Some(entry) = map.get_mut(step) {
                    let dot = if place.is_empty() { "" } else { "." };
                    self.walk(&mut entry.node, rest, &format!("{place}{dot}{step}"), kind);
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, node: &Node, place: &str, what: &str) {
        if self.found.len() < MOST_ERRORS {
            let at = Some(self.reader.sources.at(node.pos));
            let message = format!("'{place}' {what}");
            self.found.push(Error { message, at, kind: ErrorKind::Invalid });
        }
    }

    fn field(&mut self, node: &mut Node, place: &str, kind: DecodeKind) {
        if node.is_null() {
            return;
        }
        let made = match (kind, &node.value) {
            (DecodeKind::Boolean, Value::Text(text)) => match cast::cast(text, Cast::Boolean) {
                Ok(CastValue::Value(value)) => Ok(value),
                Ok(CastValue::Old(value, warning)) => {
                    self.reader.warn(WarningKind::Deprecated, Some(node.pos), warning);
                    Ok(Value::Bool(value))
                }
                Err(why) => Err(why),
            },
            (DecodeKind::Duration, Value::Text(text)) => duration::normalize(text).map(Value::Text),
            (DecodeKind::Size, Value::Text(text)) => {
                size::bytes(text).map(|it| Value::Int(it.into()))
            }
            (DecodeKind::Processors, Value::Text(text)) => match cast::cast(text, Cast::Float) {
                Ok(CastValue::Value(value)) => Ok(value),
                Ok(CastValue::Old(..)) => return,
                Err(why) => Err(why),
            },
            (DecodeKind::Devices, Value::Text(text)) => match text.to_lowercase().as_str() {
                "all" => Ok(Value::Int(-1)),
                _ => text.parse::<i64>().map(|it| Value::Int(it.into())).map_err(|_| {
                    let only = "the only value allowed is 'all' or a number";
                    format!("invalid value {text:?}, {only}")
                }),
            },
            (DecodeKind::Mode, Value::Text(text)) => i64::from_str_radix(text, 8)
                .map(|it| Value::Int(it.into()))
                .map_err(|_| "strconv.ParseInt: invalid syntax".to_owned()),
            (DecodeKind::Unsigned(name), Value::Int(number)) if *number < 0 => {
                Err(format!("cannot parse value as '{name}': {number} overflows uint"))
            }
            (DecodeKind::Unsigned(name), Value::Float(number)) if *number < 0.0 => {
                Err(format!("cannot parse value as '{name}': {number:.6} overflows uint"))
            }
            #[expect(clippy::cast_possible_truncation, reason = "as Go converts it")]
            (DecodeKind::Unsigned(_), Value::Float(number)) => Ok(Value::Int(*number as i128)),
            (DecodeKind::Unsigned(name), other @ Value::Text(_)) => Err(unconvertible(name, other)),
            (DecodeKind::Text, Value::Int(number)) => Ok(Value::Text(number.to_string())),
            (DecodeKind::Text, other) if !matches!(other, Value::Text(_)) => {
                Err(unconvertible("string", other))
            }
            (DecodeKind::Hosts, Value::List(list)) => hosts(list),
            (DecodeKind::Command, Value::Text(line)) => words(line, node),
            (DecodeKind::Environment, Value::List(list)) => {
                match list.iter().find_map(|item| trailing_space(item).map(|what| (item, what))) {
                    Some((item, what)) => return self.say(&item.clone(), place, &what),
                    None => return,
                }
            }
            _ => return,
        };
        match made {
            Ok(value) => node.value = value,
            Err(what) => self.say(node, place, &what),
        }
    }
}

fn unconvertible(wanted: &str, value: &Value) -> String {
    format!("expected type '{wanted}', got unconvertible type '{}'", go_type(value))
}

/// Only whether each host has an address.
fn hosts(list: &[Node]) -> Result<Value, String> {
    for host in list {
        let text = host.as_text().unwrap_or_default();
        if !text.contains(['=', ':']) {
            return Err(format!("invalid additional host, missing IP: {text}"));
        }
    }
    Ok(Value::List(list.to_vec()))
}

fn words(line: &str, node: &Node) -> Result<Value, String> {
    let words = words::split(line).ok_or_else(|| words::INVALID.to_owned())?;
    let each = words.into_iter().map(|word| Node::new(node.pos, Value::Text(word)));
    Ok(Value::List(each.collect()))
}

/// What is wrong with an entry whose name ends in a space. Go looks at the last byte, also where it
/// is the last one of a letter. A name that variables made may be a value: it is not shown.
fn trailing_space(item: &Node) -> Option<String> {
    let text = item.scalar()?;
    let name = text.split('=').next().unwrap_or_default();
    let last = name.bytes().next_back()?;
    if !matches!(last, b'\t'..=b'\r' | b' ' | 0x85 | 0xa0) {
        return None;
    }
    let shown = if item.used.is_none() { format!(" {name}") } else { String::new() };
    Some(format!("environment variable{shown} is declared with a trailing space"))
}
