//! From the tree's values to the types of the fields: sizes, durations, and booleans where the
//! schema takes a word.
//!
//! Source: compose-go `types/` and `loader/loader.go` (`decoderHook`) as Compose v2.40 carries
//! them. It collects all faults of this step.

use super::cast::{self, Cast, Made};
use super::discover::Reader;
use super::duration;
use super::error::{Error, ErrorKind, MOST_ERRORS, WarningKind};
use super::merge::go_type;
use super::size;
use super::tree::{Node, Value};
use super::words;

/// The type of a field.
#[derive(Clone, Copy)]
enum Kind {
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
const FIELDS: &[(&str, Kind)] = &[
    ("services.*.attach", Kind::Boolean),
    ("services.*.blkio_config.device_read_bps.*.rate", Kind::Size),
    ("services.*.blkio_config.device_read_iops.*.rate", Kind::Size),
    ("services.*.blkio_config.device_write_bps.*.rate", Kind::Size),
    ("services.*.blkio_config.device_write_iops.*.rate", Kind::Size),
    ("services.*.blkio_config.weight", Kind::Unsigned("uint16")),
    ("services.*.blkio_config.weight_device.*.weight", Kind::Unsigned("uint16")),
    ("services.*.build.args", Kind::Environment),
    ("services.*.build.extra_hosts", Kind::Hosts),
    ("services.*.build.no_cache", Kind::Boolean),
    ("services.*.build.privileged", Kind::Boolean),
    ("services.*.build.pull", Kind::Boolean),
    ("services.*.build.secrets.*.mode", Kind::Mode),
    ("services.*.build.shm_size", Kind::Size),
    ("services.*.command", Kind::Command),
    ("services.*.configs.*.mode", Kind::Mode),
    ("services.*.depends_on.*.restart", Kind::Boolean),
    ("services.*.deploy.resources.limits.cpus", Kind::Processors),
    ("services.*.deploy.resources.limits.memory", Kind::Size),
    ("services.*.deploy.resources.reservations.cpus", Kind::Processors),
    ("services.*.deploy.resources.reservations.devices.*.count", Kind::Devices),
    ("services.*.deploy.resources.reservations.memory", Kind::Size),
    ("services.*.deploy.restart_policy.delay", Kind::Duration),
    ("services.*.deploy.restart_policy.window", Kind::Duration),
    ("services.*.deploy.rollback_config.delay", Kind::Duration),
    ("services.*.deploy.rollback_config.monitor", Kind::Duration),
    ("services.*.deploy.update_config.delay", Kind::Duration),
    ("services.*.deploy.update_config.monitor", Kind::Duration),
    ("services.*.develop.watch.*.exec.command", Kind::Command),
    ("services.*.develop.watch.*.exec.environment", Kind::Environment),
    ("services.*.entrypoint", Kind::Command),
    ("services.*.env_file.*.required", Kind::Boolean),
    ("services.*.environment", Kind::Environment),
    ("services.*.extra_hosts", Kind::Hosts),
    ("services.*.gpus.*.count", Kind::Devices),
    ("services.*.group_add.*", Kind::Text),
    ("services.*.healthcheck.interval", Kind::Duration),
    ("services.*.healthcheck.retries", Kind::Unsigned("uint64")),
    ("services.*.healthcheck.start_interval", Kind::Duration),
    ("services.*.healthcheck.start_period", Kind::Duration),
    ("services.*.healthcheck.timeout", Kind::Duration),
    ("services.*.mem_limit", Kind::Size),
    ("services.*.mem_reservation", Kind::Size),
    ("services.*.mem_swappiness", Kind::Size),
    ("services.*.memswap_limit", Kind::Size),
    ("services.*.ports.*.target", Kind::Unsigned("uint32")),
    ("services.*.post_start.*.command", Kind::Command),
    ("services.*.post_start.*.environment", Kind::Environment),
    ("services.*.post_start.*.privileged", Kind::Boolean),
    ("services.*.pre_stop.*.command", Kind::Command),
    ("services.*.pre_stop.*.environment", Kind::Environment),
    ("services.*.pre_stop.*.privileged", Kind::Boolean),
    ("services.*.secrets.*.mode", Kind::Mode),
    ("services.*.shm_size", Kind::Size),
    ("services.*.stop_grace_period", Kind::Duration),
    ("services.*.volumes.*.bind.create_host_path", Kind::Boolean),
    ("services.*.volumes.*.tmpfs.mode", Kind::Unsigned("uint32")),
    ("services.*.volumes.*.tmpfs.size", Kind::Size),
];

/// Brings the fields of a tree into their types.
pub(super) fn decode(root: &mut Node, reader: &mut Reader<'_>) -> Vec<Error> {
    let mut decoding = Decoding { reader, found: Vec::new() };
    for (path, kind) in FIELDS {
        let steps: Vec<&str> = path.split('.').collect();
        decoding.walk(root, &steps, "", *kind);
    }
    decoding.found
}

struct Decoding<'a, 'f> {
    reader: &'a mut Reader<'f>,
    found: Vec<Error>,
}

impl Decoding<'_, '_> {
    fn walk(&mut self, node: &mut Node, steps: &[&str], place: &str, kind: Kind) {
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
                if let Some(entry) = map.get_mut(*step) {
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

    fn field(&mut self, node: &mut Node, place: &str, kind: Kind) {
        if node.is_null() {
            return;
        }
        let made = match (kind, &node.value) {
            (Kind::Boolean, Value::Text(text)) => match cast::cast(text, Cast::Boolean) {
                Ok(Made::Value(value)) => Ok(value),
                Ok(Made::Old(value, warning)) => {
                    self.reader.warn(WarningKind::Deprecated, Some(node.pos), warning);
                    Ok(Value::Bool(value))
                }
                Err(why) => Err(why),
            },
            (Kind::Duration, Value::Text(text)) => duration::normalize(text).map(Value::Text),
            (Kind::Size, Value::Text(text)) => size::bytes(text).map(|it| Value::Int(it.into())),
            (Kind::Processors, Value::Text(text)) => match cast::cast(text, Cast::Float) {
                Ok(Made::Value(value)) => Ok(value),
                Ok(Made::Old(..)) => return,
                Err(why) => Err(why),
            },
            (Kind::Devices, Value::Text(text)) => match text.to_lowercase().as_str() {
                "all" => Ok(Value::Int(-1)),
                _ => text.parse::<i64>().map(|it| Value::Int(it.into())).map_err(|_| {
                    let only = "the only value allowed is 'all' or a number";
                    format!("invalid value {text:?}, {only}")
                }),
            },
            (Kind::Mode, Value::Text(text)) => i64::from_str_radix(text, 8)
                .map(|it| Value::Int(it.into()))
                .map_err(|_| "strconv.ParseInt: invalid syntax".to_owned()),
            (Kind::Unsigned(name), Value::Int(number)) if *number < 0 => {
                Err(format!("cannot parse value as '{name}': {number} overflows uint"))
            }
            (Kind::Unsigned(name), Value::Float(number)) if *number < 0.0 => {
                Err(format!("cannot parse value as '{name}': {number:.6} overflows uint"))
            }
            #[expect(clippy::cast_possible_truncation, reason = "as Go converts it")]
            (Kind::Unsigned(_), Value::Float(number)) => Ok(Value::Int(*number as i128)),
            (Kind::Unsigned(name), other @ Value::Text(_)) => Err(unconvertible(name, other)),
            (Kind::Text, Value::Int(number)) => Ok(Value::Text(number.to_string())),
            (Kind::Text, other) if !matches!(other, Value::Text(_)) => {
                Err(unconvertible("string", other))
            }
            (Kind::Hosts, Value::List(list)) => hosts(list),
            (Kind::Command, Value::Text(line)) => words(line, node),
            (Kind::Environment, Value::List(list)) => {
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
