//! `deploy`, and devices of a service.

use super::Shape::{List, OneOf, Or};
use super::Type::Null;
use super::common::{AMOUNT, COUNT, PAIRS, SET, TEXT, TEXTS};
use super::{Fields, Shape, object, open, or_else, requiring};

static GENERIC_RESOURCES: Shape = List(
    &object(&[("discrete_resource_spec", &object(&[("kind", &TEXT), ("value", &AMOUNT)]))]),
    false,
);
static DEVICE: Fields = &[
    ("capabilities", &SET),
    ("count", &COUNT),
    ("device_ids", &SET),
    ("driver", &TEXT),
    ("options", &PAIRS),
];
static ROLLOUT: Shape = object(&[
    ("delay", &TEXT),
    ("failure_action", &TEXT),
    ("max_failure_ratio", &AMOUNT),
    ("monitor", &TEXT),
    ("order", &OneOf(&["start-first", "stop-first"])),
    ("parallelism", &COUNT),
]);
pub(super) static DEPLOY: Shape = or_else(
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
                        ("devices", &List(&requiring(&["capabilities"], DEVICE), false)),
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
        ("rollback_config", &ROLLOUT),
        ("update_config", &ROLLOUT),
    ],
);
pub(super) static GPUS: Shape = Or(&[&OneOf(&["all"]), &List(&open(DEVICE), false)]);
