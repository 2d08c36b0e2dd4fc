//! What keys a Compose file may have and what may stand at them: the Compose specification's schema, as tables.
//!
//! Source: compose-spec `schema/compose-spec.json` as Compose v2.40 carries it.

/// What may stand at a place.
pub(super) enum Shape {
    Any,
    Scalar(&'static [Type]),
    /// An integer in these bounds.
    Within(i128, i128),
    OneOf(&'static [&'static str]),
    ContainerName,
    PullPolicy,
    /// A list; the flag says that no element may occur twice.
    List(&'static Shape, bool),
    Map(Mapping),
    /// One of these.
    Or(&'static [&'static Shape]),
}

/// A mapping.
pub(super) struct Mapping {
    /// Scalars that may stand in its place.
    pub(super) also: &'static [Type],
    /// The keys that have a meaning.
    pub(super) keys: Fields,
    /// What else it may hold.
    pub(super) rest: Rest,
    /// The keys that have to be there.
    pub(super) required: &'static [&'static str],
}

/// The keys of a mapping that are not listed. A flag says whether what is not of the kind is refused.
pub(super) enum Rest {
    /// None.
    Closed,
    /// `x-…`.
    Extensions,
    /// Any, whatever stands there.
    Open,
    /// Names: `[a-zA-Z0-9._-]+`.
    Names(&'static Shape, bool),
    /// Any that is not empty.
    Keys(&'static Shape, bool),
    /// `[a-z]+`, and others with anything.
    Lower(&'static Shape),
}

/// A scalar's type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Integer,
    Null,
    Number,
    String,
}

/// Keys and what may stand at them.
pub(super) type Fields = &'static [(&'static str, &'static Shape)];

use Rest::{Closed, Extensions, Keys, Lower, Names, Open};
use Shape::{ContainerName, List, Map, OneOf, Or, PullPolicy, Scalar, Within};
use Type::{Boolean, Integer, Null, Number, String as Str};

/// A mapping of these keys and extensions.
const fn object(keys: Fields) -> Shape {
    Map(Mapping { also: &[], keys, rest: Extensions, required: &[] })
}

/// An object some of whose keys have to be there.
const fn requiring(required: &'static [&'static str], keys: Fields) -> Shape {
    Map(Mapping { also: &[], keys, rest: Extensions, required })
}

/// An object, or one of these scalars.
const fn or_else(also: &'static [Type], keys: Fields) -> Shape {
    Map(Mapping { also, keys, rest: Extensions, required: &[] })
}

/// A mapping whose keys are free.
const fn any(rest: Rest) -> Shape {
    Map(Mapping { also: &[], keys: &[], rest, required: &[] })
}

static TEXT: Shape = Scalar(&[Str]);
static FLAG: Shape = Scalar(&[Boolean, Str]);
static PURE_FLAG: Shape = Scalar(&[Boolean]);
static COUNT: Shape = Scalar(&[Integer, Str]);
static AMOUNT: Shape = Scalar(&[Number, Str]);
static NUMBER: Shape = Scalar(&[Number]);
static TEXTS: Shape = List(&TEXT, false);
static SET: Shape = List(&TEXT, true);
static TEXT_OR_LIST: Shape = Or(&[&TEXT, &SET]);
static PAIRS: Shape = Or(&[&any(Keys(&Scalar(&[Str, Number, Boolean, Null]), true)), &SET]);
static COMMAND: Shape = Or(&[&Scalar(&[Null]), &TEXT, &TEXTS]);
static HOSTS: Shape = Or(&[&any(Keys(&Or(&[&TEXT, &List(&TEXT, false)]), true)), &SET]);
static ULIMITS: Shape = any(Lower(&Or(&[
    &COUNT,
    &requiring(&["soft", "hard"], &[("hard", &COUNT), ("soft", &COUNT)]),
])));
static FILE_REFERENCES: Shape = List(
    &Or(&[
        &TEXT,
        &object(&[
            ("gid", &TEXT),
            ("mode", &AMOUNT),
            ("source", &TEXT),
            ("target", &TEXT),
            ("uid", &TEXT),
        ]),
    ]),
    false,
);
static ENV_FILES: Shape = Or(&[
    &TEXT,
    &List(
        &Or(&[
            &TEXT,
            &Map(Mapping {
                also: &[],
                keys: &[("format", &TEXT), ("path", &TEXT), ("required", &FLAG)],
                rest: Closed,
                required: &["path"],
            }),
        ]),
        false,
    ),
]);
static LABEL_FILES: Shape = Or(&[&TEXT, &TEXTS]);
static HEALTHCHECK: Shape = object(&[
    ("disable", &FLAG),
    ("interval", &TEXT),
    ("retries", &AMOUNT),
    ("start_interval", &TEXT),
    ("start_period", &TEXT),
    ("test", &Or(&[&TEXT, &TEXTS])),
    ("timeout", &TEXT),
]);
static HOOK: Shape = requiring(
    &["command"],
    &[
        ("command", &COMMAND),
        ("environment", &PAIRS),
        ("privileged", &FLAG),
        ("user", &TEXT),
        ("working_dir", &TEXT),
    ],
);
static DEVELOP: Shape = or_else(
    &[Null],
    &[(
        "watch",
        &List(
            &requiring(
                &["path", "action"],
                &[
                    (
                        "action",
                        &OneOf(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"]),
                    ),
                    ("exec", &HOOK),
                    ("ignore", &TEXT_OR_LIST),
                    ("include", &TEXT_OR_LIST),
                    ("initial_sync", &PURE_FLAG),
                    ("path", &TEXT),
                    ("target", &TEXT),
                ],
            ),
            false,
        ),
    )],
);
static GENERIC_RESOURCES: Shape = List(
    &object(&[("discrete_resource_spec", &object(&[("kind", &TEXT), ("value", &AMOUNT)]))]),
    false,
);
static DEVICE_REQUESTS: Shape = List(
    &requiring(
        &["capabilities"],
        &[
            ("capabilities", &SET),
            ("count", &COUNT),
            ("device_ids", &SET),
            ("driver", &TEXT),
            ("options", &PAIRS),
        ],
    ),
    false,
);
static DEPLOY: Shape = or_else(
    &[Null],
    &[
        ("endpoint_mode", &TEXT),
        ("labels", &PAIRS),
        ("mode", &TEXT),
        (
            "placement",
            &object(&[
                ("constraints", &TEXTS),
                ("max_replicas_per_node", &COUNT),
                ("preferences", &List(&object(&[("spread", &TEXT)]), false)),
            ]),
        ),
        ("replicas", &COUNT),
        (
            "resources",
            &object(&[
                ("limits", &object(&[("cpus", &AMOUNT), ("memory", &TEXT), ("pids", &COUNT)])),
                (
                    "reservations",
                    &object(&[
                        ("cpus", &AMOUNT),
                        ("devices", &DEVICE_REQUESTS),
                        ("generic_resources", &GENERIC_RESOURCES),
                        ("memory", &TEXT),
                    ]),
                ),
            ]),
        ),
        (
            "restart_policy",
            &object(&[
                ("condition", &TEXT),
                ("delay", &TEXT),
                ("max_attempts", &COUNT),
                ("window", &TEXT),
            ]),
        ),
        (
            "rollback_config",
            &object(&[
                ("delay", &TEXT),
                ("failure_action", &TEXT),
                ("max_failure_ratio", &AMOUNT),
                ("monitor", &TEXT),
                ("order", &OneOf(&["start-first", "stop-first"])),
                ("parallelism", &COUNT),
            ]),
        ),
        (
            "update_config",
            &object(&[
                ("delay", &TEXT),
                ("failure_action", &TEXT),
                ("max_failure_ratio", &AMOUNT),
                ("monitor", &TEXT),
                ("order", &OneOf(&["start-first", "stop-first"])),
                ("parallelism", &COUNT),
            ]),
        ),
    ],
);
static GPUS: Shape = Or(&[
    &OneOf(&["all"]),
    &List(
        &Map(Mapping {
            also: &[],
            keys: &[
                ("capabilities", &SET),
                ("count", &COUNT),
                ("device_ids", &SET),
                ("driver", &TEXT),
                ("options", &PAIRS),
            ],
            rest: Open,
            required: &[],
        }),
        false,
    ),
]);
static BLKIO_LIMIT: Shape = Map(Mapping {
    also: &[],
    keys: &[("path", &TEXT), ("rate", &COUNT)],
    rest: Closed,
    required: &[],
});
static BLKIO_WEIGHT: Shape = Map(Mapping {
    also: &[],
    keys: &[("path", &TEXT), ("weight", &COUNT)],
    rest: Closed,
    required: &[],
});
static INCLUDE: Shape = Or(&[
    &TEXT,
    &Map(Mapping {
        also: &[],
        keys: &[("env_file", &TEXT_OR_LIST), ("path", &TEXT_OR_LIST), ("project_directory", &TEXT)],
        rest: Closed,
        required: &[],
    }),
]);
static NETWORK: Shape = or_else(
    &[Null],
    &[
        ("attachable", &FLAG),
        ("driver", &TEXT),
        ("driver_opts", &any(Keys(&AMOUNT, false))),
        ("enable_ipv4", &FLAG),
        ("enable_ipv6", &FLAG),
        ("external", &or_else(&[Boolean, Str], &[("name", &TEXT)])),
        ("internal", &FLAG),
        (
            "ipam",
            &object(&[
                (
                    "config",
                    &List(
                        &object(&[
                            ("aux_addresses", &any(Keys(&TEXT, true))),
                            ("gateway", &TEXT),
                            ("ip_range", &TEXT),
                            ("subnet", &TEXT),
                        ]),
                        false,
                    ),
                ),
                ("driver", &TEXT),
                ("options", &any(Keys(&TEXT, true))),
            ]),
        ),
        ("labels", &PAIRS),
        ("name", &TEXT),
    ],
);
static VOLUME: Shape = or_else(
    &[Null],
    &[
        ("driver", &TEXT),
        ("driver_opts", &any(Keys(&AMOUNT, false))),
        ("external", &or_else(&[Boolean, Str], &[("name", &TEXT)])),
        ("labels", &PAIRS),
        ("name", &TEXT),
    ],
);
static SECRET: Shape = object(&[
    ("driver", &TEXT),
    ("driver_opts", &any(Keys(&AMOUNT, false))),
    ("environment", &TEXT),
    (
        "external",
        &Map(Mapping {
            also: &[Boolean, Str],
            keys: &[("name", &TEXT)],
            rest: Open,
            required: &[],
        }),
    ),
    ("file", &TEXT),
    ("labels", &PAIRS),
    ("name", &TEXT),
    ("template_driver", &TEXT),
]);
static CONFIG: Shape = object(&[
    ("content", &TEXT),
    ("environment", &TEXT),
    (
        "external",
        &Map(Mapping {
            also: &[Boolean, Str],
            keys: &[("name", &TEXT)],
            rest: Open,
            required: &[],
        }),
    ),
    ("file", &TEXT),
    ("labels", &PAIRS),
    ("name", &TEXT),
    ("template_driver", &TEXT),
]);
static MODEL: Shape = requiring(
    &["model"],
    &[
        ("context_size", &Scalar(&[Integer])),
        ("model", &TEXT),
        ("name", &TEXT),
        ("runtime_flags", &TEXTS),
    ],
);
static SERVICE: Shape = object(&[
    ("annotations", &PAIRS),
    ("attach", &FLAG),
    (
        "blkio_config",
        &Map(Mapping {
            also: &[],
            keys: &[
                ("device_read_bps", &List(&BLKIO_LIMIT, false)),
                ("device_read_iops", &List(&BLKIO_LIMIT, false)),
                ("device_write_bps", &List(&BLKIO_LIMIT, false)),
                ("device_write_iops", &List(&BLKIO_LIMIT, false)),
                ("weight", &COUNT),
                ("weight_device", &List(&BLKIO_WEIGHT, false)),
            ],
            rest: Closed,
            required: &[],
        }),
    ),
    (
        "build",
        &Or(&[
            &TEXT,
            &object(&[
                ("additional_contexts", &PAIRS),
                ("args", &PAIRS),
                ("cache_from", &TEXTS),
                ("cache_to", &TEXTS),
                ("context", &TEXT),
                ("dockerfile", &TEXT),
                ("dockerfile_inline", &TEXT),
                ("entitlements", &TEXTS),
                ("extra_hosts", &HOSTS),
                ("isolation", &TEXT),
                ("labels", &PAIRS),
                ("network", &TEXT),
                ("no_cache", &FLAG),
                ("platforms", &TEXTS),
                ("privileged", &FLAG),
                ("provenance", &FLAG),
                ("pull", &FLAG),
                ("sbom", &FLAG),
                ("secrets", &FILE_REFERENCES),
                ("shm_size", &COUNT),
                ("ssh", &PAIRS),
                ("tags", &TEXTS),
                ("target", &TEXT),
                ("ulimits", &ULIMITS),
            ]),
        ]),
    ),
    ("cap_add", &SET),
    ("cap_drop", &SET),
    ("cgroup", &OneOf(&["host", "private"])),
    ("cgroup_parent", &TEXT),
    ("command", &COMMAND),
    ("configs", &FILE_REFERENCES),
    ("container_name", &ContainerName),
    ("cpu_count", &Or(&[&TEXT, &Within(0, i128::MAX)])),
    ("cpu_percent", &Or(&[&TEXT, &Within(0, 100)])),
    ("cpu_period", &AMOUNT),
    ("cpu_quota", &AMOUNT),
    ("cpu_rt_period", &AMOUNT),
    ("cpu_rt_runtime", &AMOUNT),
    ("cpu_shares", &AMOUNT),
    ("cpus", &AMOUNT),
    ("cpuset", &TEXT),
    ("credential_spec", &object(&[("config", &TEXT), ("file", &TEXT), ("registry", &TEXT)])),
    (
        "depends_on",
        &Or(&[
            &SET,
            &any(Names(
                &requiring(
                    &["condition"],
                    &[
                        (
                            "condition",
                            &OneOf(&[
                                "service_started",
                                "service_healthy",
                                "service_completed_successfully",
                            ]),
                        ),
                        ("required", &PURE_FLAG),
                        ("restart", &FLAG),
                    ],
                ),
                true,
            )),
        ]),
    ),
    ("deploy", &DEPLOY),
    ("develop", &DEVELOP),
    ("device_cgroup_rules", &SET),
    (
        "devices",
        &List(
            &Or(&[
                &TEXT,
                &requiring(
                    &["source"],
                    &[("permissions", &TEXT), ("source", &TEXT), ("target", &TEXT)],
                ),
            ]),
            false,
        ),
    ),
    ("dns", &TEXT_OR_LIST),
    ("dns_opt", &SET),
    ("dns_search", &TEXT_OR_LIST),
    ("domainname", &TEXT),
    ("entrypoint", &COMMAND),
    ("env_file", &ENV_FILES),
    ("environment", &PAIRS),
    ("expose", &List(&AMOUNT, true)),
    (
        "extends",
        &Or(&[
            &TEXT,
            &Map(Mapping {
                also: &[],
                keys: &[("file", &TEXT), ("service", &TEXT)],
                rest: Closed,
                required: &["service"],
            }),
        ]),
    ),
    ("external_links", &SET),
    ("extra_hosts", &HOSTS),
    ("gpus", &GPUS),
    ("group_add", &List(&AMOUNT, true)),
    ("healthcheck", &HEALTHCHECK),
    ("hostname", &TEXT),
    ("image", &TEXT),
    ("init", &FLAG),
    ("ipc", &TEXT),
    ("isolation", &TEXT),
    ("label_file", &LABEL_FILES),
    ("labels", &PAIRS),
    ("links", &SET),
    (
        "logging",
        &object(&[
            ("driver", &TEXT),
            ("options", &any(Keys(&Scalar(&[Str, Number, Null]), false))),
        ]),
    ),
    ("mac_address", &TEXT),
    ("mem_limit", &AMOUNT),
    ("mem_reservation", &COUNT),
    ("mem_swappiness", &COUNT),
    ("memswap_limit", &AMOUNT),
    (
        "models",
        &Or(&[
            &SET,
            &any(Names(
                &Or(&[&object(&[("endpoint_var", &TEXT), ("model_var", &TEXT)]), &Scalar(&[Null])]),
                false,
            )),
        ]),
    ),
    ("network_mode", &TEXT),
    (
        "networks",
        &Or(&[
            &SET,
            &any(Names(
                &Or(&[
                    &object(&[
                        ("aliases", &SET),
                        ("driver_opts", &any(Keys(&AMOUNT, false))),
                        ("gw_priority", &NUMBER),
                        ("interface_name", &TEXT),
                        ("ipv4_address", &TEXT),
                        ("ipv6_address", &TEXT),
                        ("link_local_ips", &SET),
                        ("mac_address", &TEXT),
                        ("priority", &NUMBER),
                    ]),
                    &Scalar(&[Null]),
                ]),
                true,
            )),
        ]),
    ),
    ("oom_kill_disable", &FLAG),
    ("oom_score_adj", &Or(&[&TEXT, &Within(-1000, 1000)])),
    ("pid", &Scalar(&[Str, Null])),
    ("pids_limit", &AMOUNT),
    ("platform", &TEXT),
    (
        "ports",
        &List(
            &Or(&[
                &NUMBER,
                &TEXT,
                &object(&[
                    ("app_protocol", &TEXT),
                    ("host_ip", &TEXT),
                    ("mode", &TEXT),
                    ("name", &TEXT),
                    ("protocol", &TEXT),
                    ("published", &COUNT),
                    ("target", &COUNT),
                ]),
            ]),
            true,
        ),
    ),
    ("post_start", &List(&HOOK, false)),
    ("pre_stop", &List(&HOOK, false)),
    ("privileged", &FLAG),
    ("profiles", &SET),
    (
        "provider",
        &requiring(
            &["type"],
            &[
                (
                    "options",
                    &any(Keys(
                        &Or(&[
                            &Scalar(&[Str, Number, Boolean]),
                            &List(&Scalar(&[Str, Number, Boolean]), false),
                        ]),
                        false,
                    )),
                ),
                ("type", &TEXT),
            ],
        ),
    ),
    ("pull_policy", &PullPolicy),
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
    ("storage_opt", &Map(Mapping { also: &[], keys: &[], rest: Open, required: &[] })),
    ("sysctls", &PAIRS),
    ("tmpfs", &TEXT_OR_LIST),
    ("tty", &FLAG),
    ("ulimits", &ULIMITS),
    ("use_api_socket", &PURE_FLAG),
    ("user", &TEXT),
    ("userns_mode", &TEXT),
    ("uts", &TEXT),
    (
        "volumes",
        &List(
            &Or(&[
                &TEXT,
                &requiring(
                    &["type"],
                    &[
                        (
                            "bind",
                            &object(&[
                                ("create_host_path", &FLAG),
                                ("propagation", &TEXT),
                                (
                                    "recursive",
                                    &OneOf(&["enabled", "disabled", "writable", "readonly"]),
                                ),
                                ("selinux", &OneOf(&["z", "Z"])),
                            ]),
                        ),
                        ("consistency", &TEXT),
                        ("image", &object(&[("subpath", &TEXT)])),
                        ("read_only", &FLAG),
                        ("source", &TEXT),
                        ("target", &TEXT),
                        (
                            "tmpfs",
                            &object(&[
                                ("mode", &AMOUNT),
                                ("size", &Or(&[&Within(0, i128::MAX), &TEXT])),
                            ]),
                        ),
                        ("type", &OneOf(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
                        (
                            "volume",
                            &object(&[("labels", &PAIRS), ("nocopy", &FLAG), ("subpath", &TEXT)]),
                        ),
                    ],
                ),
            ]),
            true,
        ),
    ),
    ("volumes_from", &SET),
    ("working_dir", &TEXT),
]);
/// A whole file.
pub(super) static ROOT: Shape = object(&[
    ("configs", &any(Names(&CONFIG, true))),
    ("include", &List(&INCLUDE, false)),
    ("models", &any(Names(&MODEL, false))),
    ("name", &TEXT),
    ("networks", &any(Names(&NETWORK, false))),
    ("secrets", &any(Names(&SECRET, true))),
    ("services", &any(Names(&SERVICE, true))),
    ("version", &TEXT),
    ("volumes", &any(Names(&VOLUME, true))),
]);
