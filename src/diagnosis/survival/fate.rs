//! What became of the keys and the data between two moments of a [`World`], and why.

use super::model::{Id, Instance, Kind, Pin, Source, State, Trouble};
use super::setup::{Documents, Stake, cannot_write};
use super::world::World;
use crate::report::Fate;

/// One column: what becomes of it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) fate: Fate,
    pub(super) why: String,
}

/// Both columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) keys: Verdict,
    pub(super) data: Verdict,
}

impl Outcome {
    pub(super) fn unknown(why: &str) -> Self {
        let verdict = Verdict { fate: Fate::Unknown, why: why.to_owned() };
        Self { keys: verdict.clone(), data: verdict }
    }

    /// Both reasons in one sentence.
    pub(super) fn why(&self) -> String {
        if self.keys.why == self.data.why {
            self.keys.why.clone()
        } else {
            format!("keys: {}; data: {}", self.keys.why, self.data.why)
        }
    }
}

/// What the data is, beside what lies in the data directory.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub(super) documents: Documents,
    pub(super) files_elsewhere: bool,
    /// Whether the operation touches no container but the backend's, and no volume.
    pub(super) backend_only: bool,
}

/// Judges the world after an operation.
pub(super) fn judge(stake: &Stake, data: &Data, after: &World) -> Outcome {
    let instance = after.current();
    if after.trouble.is_none()
        && let Some(reason) = instance.and_then(cannot_write)
    {
        return Outcome::unknown(&reason);
    }
    let instance = instance.filter(|_| after.trouble.is_none());
    Outcome { keys: keys(stake, after, instance), data: data_fate(stake, data, after, instance) }
}

fn keys(stake: &Stake, after: &World, instance: Option<&Instance>) -> Verdict {
    let here = |instance: &Instance| after.behind(instance, &instance.settings.credentials_dir);
    let by_place = || place(stake.keys, after, instance.map(here));
    let Some(instance) = instance else {
        let verdict = by_place();
        let pin = after.plan.as_ref().map(|plan| &plan.settings.pin);
        return match pin {
            // It does not come up, but the secret stands in a file of the project.
            Some(Pin::Same(why) | Pin::Partly(why)) if verdict.fate == Fate::Lost => {
                Verdict { fate: Fate::Recoverable, why: format!("{why}, but {}", verdict.why) }
            }
            _ => verdict,
        };
    };
    match &instance.settings.pin {
        Pin::Same(why) => Verdict { fate: Fate::Kept, why: why.clone() },
        Pin::Unknown(why) => Verdict { fate: Fate::Unknown, why: why.clone() },
        Pin::No => by_place(),
        Pin::Partly(why) => match by_place() {
            verdict if verdict.fate == Fate::Lost => {
                Verdict { fate: Fate::Recoverable, why: why.clone() }
            }
            verdict => verdict,
        },
        Pin::Different(why) => match by_place() {
            // The entrypoint writes the new secret over the old one.
            verdict if verdict.fate == Fate::Kept && after.started.contains(&instance.name) => {
                Verdict { fate: Fate::Lost, why: why.clone() }
            }
            verdict => verdict,
        },
    }
}

fn data_fate(stake: &Stake, data: &Data, after: &World, instance: Option<&Instance>) -> Verdict {
    let directory =
        |instance: &Instance| instance.settings.data_dir.trim_end_matches('/').to_owned();
    let documents = match &data.documents {
        Documents::Here => place(
            stake.documents,
            after,
            instance.map(|instance| after.behind(instance, &directory(instance))),
        ),
        Documents::Elsewhere => Verdict {
            fate: Fate::Kept,
            why: "the documents are in SQL, outside of this project".to_owned(),
        },
        Documents::Service(_) | Documents::NotSeen if data.backend_only => Verdict {
            fate: Fate::Kept,
            why: "the documents are in SQL, which this does not touch".to_owned(),
        },
        Documents::Service(service) => Verdict {
            fate: Fate::Unknown,
            why: format!(
                "the documents are in service {service}, whose volumes were not looked at"
            ),
        },
        Documents::NotSeen => Verdict {
            fate: Fate::Unknown,
            why: "where the SQL database with the documents keeps them was not seen".to_owned(),
        },
    };
    if data.files_elsewhere && data.documents == Documents::Here {
        return documents;
    }
    let files = if data.files_elsewhere {
        Verdict { fate: Fate::Kept, why: "the files are in S3".to_owned() }
    } else {
        let storage = |instance: &Instance| {
            after.behind(instance, &format!("{}/storage", directory(instance)))
        };
        let verdict = place(stake.files, after, instance.map(storage));
        if data.documents == Documents::Here {
            verdict
        } else {
            Verdict { why: format!("files and functions: {}", verdict.why), ..verdict }
        }
    };
    match rank(files.fate).cmp(&rank(documents.fate)) {
        std::cmp::Ordering::Greater => files,
        std::cmp::Ordering::Less => documents,
        std::cmp::Ordering::Equal if files.why == documents.why => documents,
        std::cmp::Ordering::Equal => {
            Verdict { fate: documents.fate, why: format!("{}; {}", documents.why, files.why) }
        }
    }
}

/// The worst of two parts is the fate of both.
fn rank(fate: Fate) -> u8 {
    match fate {
        Fate::Kept => 0,
        Fate::Recoverable => 1,
        Fate::Unknown => 2,
        Fate::Lost => 3,
    }
}

/// What became of the bytes in `before`, when the backend now looks for them in `now`.
fn place(before: Id, after: &World, now: Option<Id>) -> Verdict {
    let kind = &after.places[before.0].kind;
    let name = describe(kind);
    let (fate, why) = match (after.state(before), &after.trouble) {
        (State::Gone(by), None) => (Fate::Lost, format!("{name}: {by}")),
        (State::Gone(by), Some(Trouble::Fails(reason))) => {
            (Fate::Lost, format!("{name}: {by}; then it does not come up, as {reason}"))
        }
        (State::Gone(by), Some(Trouble::NotSeen(_))) => (Fate::Lost, format!("{name}: {by}")),
        (State::Perhaps(why), _) => (Fate::Unknown, format!("{name}: {why}")),
        (State::There, Some(Trouble::NotSeen(reason))) => {
            (Fate::Unknown, format!("{name} is not touched, but {reason}"))
        }
        (State::There, Some(Trouble::Fails(reason))) => (
            Fate::Recoverable,
            format!("it does not come up, as {reason}; they are still in {name}"),
        ),
        (State::There, None) if now == Some(before) => match holder(before, after) {
            Some(other) => (
                Fate::Kept,
                format!(
                    "they stay in {name}, which {} then uses as well: never run both",
                    other.name
                ),
            ),
            None => (Fate::Kept, format!("they stay in {name}")),
        },
        (State::There, None) => {
            let left = match (holder(before, after), kind) {
                (Some(other), Kind::Volume { .. } | Kind::Directory(_)) => {
                    format!("which the container {} still uses", other.name)
                }
                (Some(other), _) => format!("as the container {} is still there", other.name),
                (None, Kind::Volume { .. }) => "to which nothing is attached then".to_owned(),
                (None, _) => "which is mounted no longer".to_owned(),
            };
            (Fate::Recoverable, format!("they stay behind in {name}, {left}"))
        }
    };
    Verdict { fate, why }
}

/// A container other than the deployment's that has this place.
fn holder(id: Id, world: &World) -> Option<&Instance> {
    let has = |instance: &&Instance| {
        instance.layer == id
            || instance.mounts.iter().any(|mount| match &mount.source {
                Source::Directory(other) | Source::Memory(other) => *other == id,
                Source::Volume { name, .. } => {
                    world.record(name).is_some_and(|record| record.content == id)
                }
            })
    };
    let others = world.instances.iter().filter(|one| world.current.as_ref() != Some(&one.name));
    others.filter(|one| one.running).find(has)
}

/// A place in words.
pub(super) fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Volume { name, anonymous: false } => format!("volume {name}"),
        Kind::Volume { name, anonymous: true } if name.starts_with("new-") => {
            "the volume without a name".to_owned()
        }
        Kind::Volume { name, anonymous: true } => {
            format!("the volume without a name {}", name.chars().take(12).collect::<String>())
        }
        Kind::Directory(path) => format!("directory {path}"),
        Kind::Layer(_) => "the container's own layer".to_owned(),
        Kind::Memory(_) => "memory (tmpfs)".to_owned(),
    }
}
