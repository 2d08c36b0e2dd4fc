//! The keys that a Compose file may have, and their values: the Compose specification's
//! schema, as tables.
//!
//! Source: compose-spec `schema/compose-spec.json` as Compose v2.40 carries it.

mod common;
mod deploy;
mod resources;
mod service;

use common::TEXT;
use resources::{CONFIG, INCLUDE, MODEL, NETWORK, SECRET, VOLUME};
use service::SERVICE;

/// What may be at a place.
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
    /// Scalars that are allowed instead.
    pub(super) also: &'static [Type],
    /// The keys that have a meaning.
    pub(super) keys: Fields,
    /// What else it may hold.
    pub(super) rest: Rest,
    /// The keys that have to be there.
    pub(super) required: &'static [&'static str],
}

/// The keys of a mapping that are not listed. A flag says whether what is not of the kind is
/// refused.
pub(super) enum Rest {
    /// None.
    Closed,
    /// `x-…`.
    Extensions,
    /// Any key with any value.
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

/// Keys and their values.
pub(super) type Fields = &'static [(&'static str, &'static Shape)];

use Rest::{Extensions, Names};
use Shape::{List, Map};

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

/// A mapping of these keys and nothing else.
const fn closed(keys: Fields) -> Shape {
    closed_requiring(&[], keys)
}

/// The same, some of whose keys have to be there.
const fn closed_requiring(required: &'static [&'static str], keys: Fields) -> Shape {
    Map(Mapping { also: &[], keys, rest: Rest::Closed, required })
}

/// A mapping of these keys, and any others.
const fn open(keys: Fields) -> Shape {
    Map(Mapping { also: &[], keys, rest: Rest::Open, required: &[] })
}

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
