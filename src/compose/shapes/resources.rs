//! What a file has besides its services.

use super::Rest::{Keys, Open};
use super::Shape::{List, Map, Or, Scalar};
use super::Type::{Boolean, Integer, Null, String as Str};
use super::common::{AMOUNT, FLAG, PAIRS, TEXT, TEXT_OR_LIST, TEXTS};
use super::{Mapping, Shape, any, closed, object, or_else, requiring};

pub(super) static INCLUDE: Shape = Or(&[
    &TEXT,
    &closed(&[("env_file", &TEXT_OR_LIST), ("path", &TEXT_OR_LIST), ("project_directory", &TEXT)]),
]);
pub(super) static NETWORK: Shape = or_else(
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
pub(super) static VOLUME: Shape = or_else(
    &[Null],
    &[
        ("driver", &TEXT),
        ("driver_opts", &any(Keys(&AMOUNT, false))),
        ("external", &or_else(&[Boolean, Str], &[("name", &TEXT)])),
        ("labels", &PAIRS),
        ("name", &TEXT),
    ],
);
static EXTERNAL: Shape =
    Map(Mapping { also: &[Boolean, Str], keys: &[("name", &TEXT)], rest: Open, required: &[] });
pub(super) static SECRET: Shape = object(&[
    ("driver", &TEXT),
    ("driver_opts", &any(Keys(&AMOUNT, false))),
    ("environment", &TEXT),
    ("external", &EXTERNAL),
    ("file", &TEXT),
    ("labels", &PAIRS),
    ("name", &TEXT),
    ("template_driver", &TEXT),
]);
pub(super) static CONFIG: Shape = object(&[
    ("content", &TEXT),
    ("environment", &TEXT),
    ("external", &EXTERNAL),
    ("file", &TEXT),
    ("labels", &PAIRS),
    ("name", &TEXT),
    ("template_driver", &TEXT),
]);
pub(super) static MODEL: Shape = requiring(
    &["model"],
    &[
        ("context_size", &Scalar(&[Integer])),
        ("model", &TEXT),
        ("name", &TEXT),
        ("runtime_flags", &TEXTS),
    ],
);
