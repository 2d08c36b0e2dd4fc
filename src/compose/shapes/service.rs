//! A service.

use super::Rest::{Keys, Names};
use super::Shape::{ContainerName, List, OneOf, Or, PullPolicy, Scalar, Within};
use super::Type::{Boolean, Null, Number, String as Str};
use super::common::{
    AMOUNT, COMMAND, COUNT, FILE_REFERENCES, FLAG, HOSTS, NUMBER, PAIRS, PURE_FLAG, SET, TEXT,
    TEXT_OR_LIST, TEXTS, ULIMITS,
};
use super::deploy::{DEPLOY, GPUS};
use super::{Shape, any, closed, closed_requiring, object, open, or_else, requiring};

static ENV_FILES: Shape = Or(&[
    &TEXT,
    &List(
        &Or(&[
            &TEXT,
            &closed_requiring(
                &["path"],
                &[("format", &TEXT), ("path", &TEXT), ("required", &FLAG)],
            ),
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
static BLKIO_LIMIT: Shape = closed(&[("path", &TEXT), ("rate", &COUNT)]);
static BLKIO_WEIGHT: Shape = closed(&[("path", &TEXT), ("weight", &COUNT)]);
pub(super) static SERVICE: Shape = object(&[
    ("annotations", &PAIRS),
    ("attach", &FLAG),
    (
        "blkio_config",
        &closed(&[
            ("device_read_bps", &List(&BLKIO_LIMIT, false)),
            ("device_read_iops", &List(&BLKIO_LIMIT, false)),
            ("device_write_bps", &List(&BLKIO_LIMIT, false)),
            ("device_write_iops", &List(&BLKIO_LIMIT, false)),
            ("weight", &COUNT),
            ("weight_device", &List(&BLKIO_WEIGHT, false)),
        ]),
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
        &Or(&[&TEXT, &closed_requiring(&["service"], &[("file", &TEXT), ("service", &TEXT)])]),
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
    ("storage_opt", &open(&[])),
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
