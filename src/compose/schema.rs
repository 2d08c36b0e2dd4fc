//! What keys a Compose file may have and what may stand at them: the Compose specification's schema, as tables.
//!
//! Source: compose-spec `schema/compose-spec.json` as Compose v2.40 carries it. Messages are Compose's; they name paths and
//! types, never values.

use super::error::{Error, ErrorKind, MOST_ERRORS};
use super::source::{Pos, Sources};
use super::tree::{Node, Value};

/// What may stand at a place.
enum Shape {
    Any,
    Scalar(&'static [Type]),
    OneOf(&'static [&'static str]),
    /// A boolean, or a word for one.
    Flag,
    ContainerName,
    /// A list; the flag says that no element may occur twice.
    List(&'static Shape, bool),
    /// A map with any keys.
    Map(&'static Shape),
    /// A map whose keys are names: `[a-zA-Z0-9._-]+`.
    Names(&'static Shape),
    /// A map with these keys (and `x-…`), some of them required.
    Object(&'static [(&'static str, &'static Shape)], &'static [&'static str]),
    /// Any of these; they differ in type.
    Or(&'static [Shape]),
}

/// A scalar's type, in the order in which Compose lists them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Boolean,
    Integer,
    Null,
    Number,
    String,
}

use Shape::{Any, List, Map, Names, Object, OneOf, Or, Scalar};
use Type::{Boolean, Integer, Null, Number, String as Str};

static TEXT: Shape = Scalar(&[Str]);
static FLAG: Shape = Shape::Flag;
static FLAG_OR_TEXT: Shape = Scalar(&[Boolean, Str]);
static PURE_FLAG: Shape = Scalar(&[Boolean]);
static COUNT: Shape = Scalar(&[Integer, Str]);
static AMOUNT: Shape = Scalar(&[Number, Str]);
static NUMBER: Shape = Scalar(&[Number]);
static ANY: Shape = Any;
static SET: Shape = List(&TEXT, true);
static TEXTS: Shape = List(&TEXT, false);
static TEXT_OR_LIST: Shape = Or(&[Scalar(&[Str]), List(&TEXT, true)]);
static PAIR: Shape = Scalar(&[Boolean, Null, Number, Str]);
static PAIRS: Shape = Or(&[Map(&PAIR), List(&PAIR, true)]);
static COMMAND: Shape = Or(&[Scalar(&[Null, Str]), List(&TEXT, false)]);
static TEST: Shape = Or(&[Scalar(&[Str]), List(&TEXT, false)]);
static OPTION: Shape = Scalar(&[Number, Str]);
static OPTIONS: Shape = Map(&OPTION);
static HOST: Shape = Or(&[Scalar(&[Str]), List(&TEXT, false)]);
static HOSTS: Shape = Or(&[Map(&HOST), List(&TEXT, true)]);
static LIMIT: Shape = Or(&[
    Scalar(&[Integer, Str]),
    Object(&[("hard", &COUNT), ("soft", &COUNT)], &["soft", "hard"]),
]);
static ULIMITS: Shape = Map(&LIMIT);
static FILE_REFERENCE: Shape = Or(&[
    Scalar(&[Str]),
    Object(
        &[("source", &TEXT), ("target", &TEXT), ("uid", &TEXT), ("gid", &TEXT), ("mode", &AMOUNT)],
        &[],
    ),
]);
static FILE_REFERENCES: Shape = List(&FILE_REFERENCE, false);
static ENV_FILE: Shape = Or(&[
    Scalar(&[Str]),
    Object(&[("path", &TEXT), ("format", &TEXT), ("required", &FLAG)], &["path"]),
]);
static ENV_FILES: Shape = Or(&[Scalar(&[Str]), List(&ENV_FILE, false)]);
static EXTENDS: Shape =
    Or(&[Scalar(&[Str]), Object(&[("service", &TEXT), ("file", &TEXT)], &["service"])]);
static DEPENDENCY: Shape = Object(
    &[
        (
            "condition",
            &OneOf(&["service_started", "service_healthy", "service_completed_successfully"]),
        ),
        ("restart", &FLAG),
        ("required", &PURE_FLAG),
    ],
    &["condition"],
);
static DEPENDENCIES: Shape = Or(&[List(&TEXT, true), Names(&DEPENDENCY)]);
static HEALTHCHECK: Shape = Object(
    &[
        ("disable", &FLAG),
        ("interval", &TEXT),
        ("retries", &AMOUNT),
        ("test", &TEST),
        ("timeout", &TEXT),
        ("start_period", &TEXT),
        ("start_interval", &TEXT),
    ],
    &[],
);
static PORT: Shape = Or(&[
    Scalar(&[Number, Str]),
    Object(
        &[
            ("name", &TEXT),
            ("mode", &TEXT),
            ("host_ip", &TEXT),
            ("target", &COUNT),
            ("published", &COUNT),
            ("protocol", &TEXT),
            ("app_protocol", &TEXT),
        ],
        &[],
    ),
]);
static PORTS: Shape = List(&PORT, true);
static MOUNT: Shape = Or(&[
    Scalar(&[Str]),
    Object(
        &[
            ("type", &OneOf(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
            ("source", &TEXT),
            ("target", &TEXT),
            ("read_only", &FLAG),
            ("consistency", &TEXT),
            (
                "bind",
                &Object(
                    &[
                        ("propagation", &TEXT),
                        ("create_host_path", &FLAG),
                        ("recursive", &OneOf(&["enabled", "disabled", "writable", "readonly"])),
                        ("selinux", &OneOf(&["z", "Z"])),
                    ],
                    &[],
                ),
            ),
            ("volume", &Object(&[("labels", &PAIRS), ("nocopy", &FLAG), ("subpath", &TEXT)], &[])),
            ("tmpfs", &Object(&[("size", &COUNT), ("mode", &AMOUNT)], &[])),
            ("image", &Object(&[("subpath", &TEXT)], &[])),
        ],
        &["type"],
    ),
]);
static MOUNTS: Shape = List(&MOUNT, true);
static BUILD: Shape = Or(&[
    Scalar(&[Str]),
    Object(
        &[
            ("context", &TEXT),
            ("dockerfile", &TEXT),
            ("dockerfile_inline", &TEXT),
            ("entitlements", &TEXTS),
            ("args", &PAIRS),
            ("ssh", &PAIRS),
            ("labels", &PAIRS),
            ("cache_from", &TEXTS),
            ("cache_to", &TEXTS),
            ("no_cache", &FLAG),
            ("additional_contexts", &PAIRS),
            ("network", &TEXT),
            ("provenance", &FLAG_OR_TEXT),
            ("sbom", &FLAG_OR_TEXT),
            ("pull", &FLAG),
            ("target", &TEXT),
            ("shm_size", &COUNT),
            ("extra_hosts", &HOSTS),
            ("isolation", &TEXT),
            ("privileged", &FLAG),
            ("secrets", &FILE_REFERENCES),
            ("tags", &TEXTS),
            ("ulimits", &ULIMITS),
            ("platforms", &TEXTS),
        ],
        &[],
    ),
]);
static LOGGING: Shape =
    Object(&[("driver", &TEXT), ("options", &Map(&Scalar(&[Null, Number, Str])))], &[]);
static SERVICE_NETWORK: Shape = Or(&[
    Scalar(&[Null]),
    Object(
        &[
            ("aliases", &SET),
            ("interface_name", &TEXT),
            ("ipv4_address", &TEXT),
            ("ipv6_address", &TEXT),
            ("link_local_ips", &SET),
            ("mac_address", &TEXT),
            ("driver_opts", &OPTIONS),
            ("priority", &NUMBER),
            ("gw_priority", &NUMBER),
        ],
        &[],
    ),
]);
static SERVICE_NETWORKS: Shape = Or(&[List(&TEXT, true), Names(&SERVICE_NETWORK)]);
static UPDATE: Shape = Object(
    &[
        ("parallelism", &COUNT),
        ("delay", &TEXT),
        ("failure_action", &TEXT),
        ("monitor", &TEXT),
        ("max_failure_ratio", &AMOUNT),
        ("order", &OneOf(&["start-first", "stop-first"])),
    ],
    &[],
);
static DEVICE_REQUEST: Shape = Object(
    &[
        ("capabilities", &SET),
        ("count", &COUNT),
        ("device_ids", &SET),
        ("driver", &TEXT),
        ("options", &PAIRS),
    ],
    &[],
);
static DEPLOY: Shape = Or(&[
    Object(
        &[
            ("mode", &TEXT),
            ("endpoint_mode", &TEXT),
            ("replicas", &COUNT),
            ("labels", &PAIRS),
            ("rollback_config", &UPDATE),
            ("update_config", &UPDATE),
            (
                "resources",
                &Object(
                    &[
                        (
                            "limits",
                            &Object(&[("cpus", &AMOUNT), ("memory", &TEXT), ("pids", &COUNT)], &[]),
                        ),
                        (
                            "reservations",
                            &Object(
                                &[
                                    ("cpus", &AMOUNT),
                                    ("memory", &TEXT),
                                    ("generic_resources", &List(&ANY, false)),
                                    ("devices", &List(&DEVICE_REQUEST, false)),
                                ],
                                &[],
                            ),
                        ),
                    ],
                    &[],
                ),
            ),
            (
                "restart_policy",
                &Object(
                    &[
                        ("condition", &TEXT),
                        ("delay", &TEXT),
                        ("max_attempts", &COUNT),
                        ("window", &TEXT),
                    ],
                    &[],
                ),
            ),
            (
                "placement",
                &Object(
                    &[
                        ("constraints", &TEXTS),
                        ("preferences", &List(&Object(&[("spread", &TEXT)], &[]), false)),
                        ("max_replicas_per_node", &COUNT),
                    ],
                    &[],
                ),
            ),
        ],
        &[],
    ),
    Scalar(&[Null]),
]);
static HOOK: Shape = Object(
    &[
        ("command", &COMMAND),
        ("user", &TEXT),
        ("privileged", &FLAG),
        ("working_dir", &TEXT),
        ("environment", &PAIRS),
    ],
    &["command"],
);
static HOOKS: Shape = List(&HOOK, false);
static DEVICE: Shape = Or(&[
    Scalar(&[Str]),
    Object(&[("source", &TEXT), ("target", &TEXT), ("permissions", &TEXT)], &["source"]),
]);

static SERVICE: Shape = Object(
    &[
        ("annotations", &PAIRS),
        ("attach", &FLAG_OR_TEXT),
        ("blkio_config", &Map(&ANY)),
        ("build", &BUILD),
        ("cap_add", &SET),
        ("cap_drop", &SET),
        ("cgroup", &OneOf(&["host", "private"])),
        ("cgroup_parent", &TEXT),
        ("command", &COMMAND),
        ("configs", &FILE_REFERENCES),
        ("container_name", &Shape::ContainerName),
        ("cpu_count", &COUNT),
        ("cpu_percent", &COUNT),
        ("cpu_period", &AMOUNT),
        ("cpu_quota", &AMOUNT),
        ("cpu_rt_period", &AMOUNT),
        ("cpu_rt_runtime", &AMOUNT),
        ("cpu_shares", &AMOUNT),
        ("cpus", &AMOUNT),
        ("cpuset", &TEXT),
        (
            "credential_spec",
            &Object(&[("config", &TEXT), ("file", &TEXT), ("registry", &TEXT)], &[]),
        ),
        ("depends_on", &DEPENDENCIES),
        ("deploy", &DEPLOY),
        ("develop", &Or(&[Object(&[("watch", &List(&ANY, false))], &[]), Scalar(&[Null])])),
        ("device_cgroup_rules", &SET),
        ("devices", &List(&DEVICE, false)),
        ("dns", &TEXT_OR_LIST),
        ("dns_opt", &SET),
        ("dns_search", &TEXT_OR_LIST),
        ("domainname", &TEXT),
        ("entrypoint", &COMMAND),
        ("env_file", &ENV_FILES),
        ("environment", &PAIRS),
        ("expose", &List(&OPTION, true)),
        ("extends", &EXTENDS),
        ("external_links", &SET),
        ("extra_hosts", &HOSTS),
        ("gpus", &Or(&[OneOf(&["all"]), List(&ANY, false)])),
        ("group_add", &List(&OPTION, true)),
        ("healthcheck", &HEALTHCHECK),
        ("hostname", &TEXT),
        ("image", &TEXT),
        ("init", &FLAG),
        ("ipc", &TEXT),
        ("isolation", &TEXT),
        ("label_file", &Or(&[Scalar(&[Str]), List(&TEXT, false)])),
        ("labels", &PAIRS),
        ("links", &SET),
        ("logging", &LOGGING),
        ("mac_address", &TEXT),
        ("mem_limit", &AMOUNT),
        ("mem_reservation", &COUNT),
        ("mem_swappiness", &COUNT),
        ("memswap_limit", &AMOUNT),
        ("models", &Or(&[List(&TEXT, true), Map(&ANY)])),
        ("network_mode", &TEXT),
        ("networks", &SERVICE_NETWORKS),
        ("oom_kill_disable", &FLAG),
        ("oom_score_adj", &COUNT),
        ("pid", &Scalar(&[Null, Str])),
        ("pids_limit", &AMOUNT),
        ("platform", &TEXT),
        ("ports", &PORTS),
        ("post_start", &HOOKS),
        ("pre_stop", &HOOKS),
        ("privileged", &FLAG),
        ("profiles", &SET),
        ("provider", &Object(&[("type", &TEXT), ("options", &Map(&ANY))], &["type"])),
        ("pull_policy", &TEXT),
        ("pull_refresh_after", &TEXT),
        ("read_only", &FLAG),
        ("restart", &TEXT),
        ("runtime", &TEXT),
        ("scale", &COUNT),
        ("secrets", &FILE_REFERENCES),
        ("security_opt", &SET),
        ("shm_size", &AMOUNT),
        ("stdin_open", &FLAG),
        ("stop_grace_period", &TEXT),
        ("stop_signal", &TEXT),
        ("storage_opt", &Map(&ANY)),
        ("sysctls", &PAIRS),
        ("tmpfs", &TEXT_OR_LIST),
        ("tty", &FLAG),
        ("ulimits", &ULIMITS),
        ("use_api_socket", &PURE_FLAG),
        ("user", &TEXT),
        ("userns_mode", &TEXT),
        ("uts", &TEXT),
        ("volumes", &MOUNTS),
        ("volumes_from", &SET),
        ("working_dir", &TEXT),
    ],
    &[],
);
static EXTERNAL: Shape = Or(&[Scalar(&[Boolean, Str]), Object(&[("name", &TEXT)], &[])]);
static NETWORK: Shape = Or(&[
    Object(
        &[
            ("name", &TEXT),
            ("driver", &TEXT),
            ("driver_opts", &OPTIONS),
            (
                "ipam",
                &Object(
                    &[("driver", &TEXT), ("config", &List(&ANY, false)), ("options", &Map(&TEXT))],
                    &[],
                ),
            ),
            ("external", &EXTERNAL),
            ("internal", &FLAG),
            ("enable_ipv4", &FLAG),
            ("enable_ipv6", &FLAG),
            ("attachable", &FLAG),
            ("labels", &PAIRS),
        ],
        &[],
    ),
    Scalar(&[Null]),
]);
static VOLUME: Shape = Or(&[
    Object(
        &[
            ("name", &TEXT),
            ("driver", &TEXT),
            ("driver_opts", &OPTIONS),
            ("external", &EXTERNAL),
            ("labels", &PAIRS),
        ],
        &[],
    ),
    Scalar(&[Null]),
]);
static SECRET: Shape = Object(
    &[
        ("name", &TEXT),
        ("environment", &TEXT),
        ("file", &TEXT),
        ("external", &EXTERNAL),
        ("labels", &PAIRS),
        ("driver", &TEXT),
        ("driver_opts", &OPTIONS),
        ("template_driver", &TEXT),
    ],
    &[],
);
static CONFIG: Shape = Object(
    &[
        ("name", &TEXT),
        ("content", &TEXT),
        ("environment", &TEXT),
        ("file", &TEXT),
        ("external", &EXTERNAL),
        ("labels", &PAIRS),
        ("template_driver", &TEXT),
    ],
    &[],
);
static INCLUDE: Shape = Or(&[
    Scalar(&[Str]),
    Object(
        &[("path", &TEXT_OR_LIST), ("env_file", &TEXT_OR_LIST), ("project_directory", &TEXT)],
        &[],
    ),
]);

static ROOT: Shape = Object(
    &[
        ("version", &TEXT),
        ("name", &TEXT),
        ("include", &List(&INCLUDE, false)),
        ("services", &Names(&SERVICE)),
        ("models", &Map(&ANY)),
        ("networks", &Names(&NETWORK)),
        ("volumes", &Names(&VOLUME)),
        ("secrets", &Names(&SECRET)),
        ("configs", &Names(&CONFIG)),
    ],
    &[],
);

/// Checks a whole tree; `file` is the file Compose would name, each fault has its own place.
pub(super) fn validate(root: &Node, file: u32, sources: &Sources) -> Vec<Error> {
    let mut check = Check { file, sources, path: Vec::new(), found: Vec::new() };
    check.shape(root, &ROOT);
    check.found
}

struct Check<'s> {
    file: u32,
    sources: &'s Sources,
    path: Vec<String>,
    found: Vec<Error>,
}

impl Check<'_> {
    fn say(&mut self, pos: Pos, what: &str) {
        if self.found.len() >= MOST_ERRORS {
            return;
        }
        let path = self.path.join(".");
        let file = self.sources.path(self.file);
        self.found.push(Error {
            message: format!("validating {}: {path} {what}", file.display()),
            at: Some(self.sources.at(pos)),
            kind: ErrorKind::Invalid,
        });
    }

    fn shape(&mut self, node: &Node, shape: &'static Shape) {
        match (shape, &node.value) {
            (Any, _) => {}
            (Or(options), _) => {
                let fits = options.iter().find(|option| fits(node, option));
                if let Some(option) = fits.or_else(|| options.first()) {
                    self.shape(node, option);
                }
            }
            (Scalar(types), _) => {
                if !types.iter().any(|&wanted| is(node, wanted)) {
                    match node.value {
                        Value::Timestamp(_) => self.say(node.pos, "invalid jsonType time.Time"),
                        _ => self.say(node.pos, &format!("must be a {}", names(types))),
                    }
                }
            }
            (OneOf(words), Value::Text(text)) => {
                if !words.contains(&text.as_str()) {
                    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                    let what = format!("value must be one of {}", words.join(", "));
                    self.say(node.pos, &what);
                }
            }
            (Shape::Flag, Value::Bool(_)) => {}
            (Shape::Flag, Value::Text(word)) => {
                if !FLAGS.contains(&word.to_lowercase().as_str()) && self.found.len() < MOST_ERRORS
                {
                    let path = self.path.join(".");
                    self.found.push(Error {
                        message: format!(
                            "error while interpolating {path}: failed to cast to expected type: invalid boolean"
                        ),
                        at: Some(self.sources.at(node.pos)),
                        kind: ErrorKind::Invalid,
                    });
                }
            }
            (Shape::Flag, _) => self.say(node.pos, "must be a boolean or string"),
            (Shape::ContainerName, Value::Text(name)) => {
                let pair = |pair: &[u8]| {
                    pair.first().is_some_and(u8::is_ascii_alphanumeric)
                        && pair.last().is_some_and(|byte| {
                            byte.is_ascii_alphanumeric() || b"_.-".contains(byte)
                        })
                };
                if !name.as_bytes().windows(2).any(pair) {
                    let what = "does not match pattern '[a-zA-Z0-9][a-zA-Z0-9_.-]+'";
                    self.say(node.pos, &format!("'{name}' {what}"));
                }
            }
            (OneOf(_) | Shape::ContainerName, _) => self.say(node.pos, "must be a string"),
            (List(item, unique), Value::List(list)) => {
                for (index, element) in list.iter().enumerate() {
                    self.path.push(index.to_string());
                    self.shape(element, item);
                    self.path.pop();
                }
                if *unique {
                    self.unique(list);
                }
            }
            (List(..), _) => self.say(node.pos, "must be a array"),
            (Map(item), Value::Map(map)) => {
                for (key, entry) in map {
                    self.path.push(key.clone());
                    self.shape(&entry.node, item);
                    self.path.pop();
                }
            }
            (Names(item), Value::Map(map)) => {
                for (key, entry) in map {
                    if is_name(key) {
                        self.path.push(key.clone());
                        self.shape(&entry.node, item);
                        self.path.pop();
                    } else {
                        self.unknown(entry.key, key);
                    }
                }
            }
            (Object(known, required), Value::Map(map)) => {
                for (key, entry) in map {
                    if let Some((_, shape)) = known.iter().find(|(name, _)| name == key) {
                        self.path.push(key.clone());
                        self.shape(&entry.node, shape);
                        self.path.pop();
                    } else if !key.starts_with("x-") {
                        self.unknown(entry.key, key);
                    }
                }
                for name in *required {
                    if !map.contains_key(*name) {
                        self.say(node.pos, &format!("missing property '{name}'"));
                    }
                }
            }
            (Map(_) | Names(_) | Object(..), _) => self.say(node.pos, "must be a mapping"),
        }
    }

    fn unknown(&mut self, pos: Pos, key: &str) {
        self.say(pos, &format!("additional properties '{key}' not allowed"));
    }

    fn unique(&mut self, list: &[Node]) {
        let mut seen = std::collections::BTreeMap::new();
        for (index, item) in list.iter().enumerate() {
            let Some(text) = item.as_text() else { continue };
            if let Some(first) = seen.insert(text, index) {
                self.say(item.pos, &format!("items at {first} and {index} are equal"));
            }
        }
    }
}

/// The words Compose takes for a boolean.
const FLAGS: [&str; 12] = ["true", "false", "yes", "no", "y", "n", "on", "off", "1", "0", "t", "f"];

fn is_name(key: &str) -> bool {
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is(node: &Node, wanted: Type) -> bool {
    match &node.value {
        Value::Null => wanted == Null,
        Value::Bool(_) => wanted == Boolean,
        Value::Int(_) => matches!(wanted, Integer | Number),
        Value::Float(value) => wanted == Number || (wanted == Integer && value.fract() == 0.0),
        Value::Text(_) => wanted == Str,
        Value::Timestamp(_) | Value::List(_) | Value::Map(_) => false,
    }
}

/// Whether a node is of the type that a shape is about, right or wrong inside.
fn fits(node: &Node, shape: &Shape) -> bool {
    match shape {
        Any => true,
        Scalar(types) => types.iter().any(|&wanted| is(node, wanted)),
        OneOf(_) | Shape::ContainerName => matches!(node.value, Value::Text(_)),
        Shape::Flag => matches!(node.value, Value::Bool(_) | Value::Text(_)),
        List(..) => matches!(node.value, Value::List(_)),
        Object(_, required) => {
            node.as_map().is_some_and(|map| required.iter().all(|name| map.contains_key(*name)))
        }
        Map(_) | Names(_) => matches!(node.value, Value::Map(_)),
        Or(options) => options.iter().any(|option| fits(node, option)),
    }
}

fn names(types: &[Type]) -> String {
    let words: Vec<&str> = types
        .iter()
        .map(|name| match name {
            Boolean => "boolean",
            Integer => "integer",
            Null => "null",
            Number => "number",
            Str => "string",
        })
        .collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
