//! Values that many keys have.

use super::Rest::{Keys, Lower};
use super::Shape::{List, Or, Scalar};
use super::Type::{Boolean, Integer, Null, Number, String as Str};
use super::{Shape, any, object, requiring};

pub(super) static TEXT: Shape = Scalar(&[Str]);
pub(super) static FLAG: Shape = Scalar(&[Boolean, Str]);
pub(super) static PURE_FLAG: Shape = Scalar(&[Boolean]);
pub(super) static COUNT: Shape = Scalar(&[Integer, Str]);
pub(super) static AMOUNT: Shape = Scalar(&[Number, Str]);
pub(super) static NUMBER: Shape = Scalar(&[Number]);
pub(super) static TEXTS: Shape = List(&TEXT, false);
pub(super) static SET: Shape = List(&TEXT, true);
pub(super) static TEXT_OR_LIST: Shape = Or(&[&TEXT, &SET]);
pub(super) static PAIRS: Shape =
    Or(&[&any(Keys(&Scalar(&[Str, Number, Boolean, Null]), true)), &SET]);
pub(super) static COMMAND: Shape = Or(&[&Scalar(&[Null]), &TEXT, &TEXTS]);
pub(super) static HOSTS: Shape = Or(&[&any(Keys(&Or(&[&TEXT, &List(&TEXT, false)]), true)), &SET]);
pub(super) static ULIMITS: Shape = any(Lower(&Or(&[
    &COUNT,
    &requiring(&["soft", "hard"], &[("hard", &COUNT), ("soft", &COUNT)]),
])));
pub(super) static FILE_REFERENCES: Shape = List(
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
