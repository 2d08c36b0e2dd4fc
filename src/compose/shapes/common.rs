//! Values that many keys have.

use super::Rest::{Keys, Lower};
use super::Type::{Boolean, Integer, Null, Number, String as Str};
use super::ValueShape::{List, Or, Scalar};
use super::{ValueShape, any, object, requiring};

pub(super) static TEXT: ValueShape = Scalar(&[Str]);
pub(super) static FLAG: ValueShape = Scalar(&[Boolean, Str]);
pub(super) static PURE_FLAG: ValueShape = Scalar(&[Boolean]);
pub(super) static COUNT: ValueShape = Scalar(&[Integer, Str]);
pub(super) static AMOUNT: ValueShape = Scalar(&[Number, Str]);
pub(super) static NUMBER: ValueShape = Scalar(&[Number]);
pub(super) static TEXTS: ValueShape = List(&TEXT, false);
pub(super) static SET: ValueShape = List(&TEXT, true);
pub(super) static TEXT_OR_LIST: ValueShape = Or(&[&TEXT, &SET]);
pub(super) static PAIRS: ValueShape =
    Or(&[&any(Keys(&Scalar(&[Str, Number, Boolean, Null]), true)), &SET]);
pub(super) static COMMAND: ValueShape = Or(&[&Scalar(&[Null]), &TEXT, &TEXTS]);
pub(super) static HOSTS: ValueShape =
    Or(&[&any(Keys(&Or(&[&TEXT, &List(&TEXT, false)]), true)), &SET]);
pub(super) static ULIMITS: ValueShape = any(Lower(&Or(&[
    &COUNT,
    &requiring(&["soft", "hard"], &[("hard", &COUNT), ("soft", &COUNT)]),
])));
pub(super) static FILE_REFERENCES: ValueShape = List(
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
