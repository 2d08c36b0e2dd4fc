//! What became of the keys and the data between two moments of a [`SimulatedWorld`], and why.

use super::model::{
    BackendInstance, BackendSettings, Id, Pin, PlaceKind, PlaceState, Source, StartFailure,
};
use super::world::{SimulatedWorld, over};
use crate::deployment::container::CredentialsFile;
use crate::report::Fate;

/// One column: what becomes of it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExplainedFate {
    pub(super) fate: Fate,
    pub(super) why: String,
}

/// Both columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prediction {
    pub(super) keys: ExplainedFate,
    pub(super) data: ExplainedFate,
}

impl Prediction {
    pub(super) fn unknown(why: &str) -> Self {
        let verdict = ExplainedFate { fate: Fate::Unknown, why: why.to_owned() };
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

/// Where the documents are, when they are in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Documents {
    /// In the data directory.
    Here,
    /// In a database outside the project.
    Elsewhere,
    /// In the database that this service of the project runs.
    Service(String),
    /// In a database whose host is not known.
    NotSeen,
}

/// What keys and data depend on, besides the directories.
#[derive(Clone, Debug)]
pub(super) struct DataParts {
    /// The file that the keys depend on, as it is at first.
    pub(super) credentials: CredentialsFile,
    pub(super) documents: Documents,
    pub(super) files_elsewhere: bool,
    /// Whether the operation touches no container but the backend's, and no volume.
    pub(super) backend_only: bool,
}

/// The places of what is at stake, in the container as it is at first.
#[derive(Clone, Debug)]
pub(super) struct Stake {
    pub(super) keys: Id,
    pub(super) documents: Id,
    pub(super) files: Id,
}

/// `Err` where the backend does not come up in the first place.
pub(super) fn stake(world: &SimulatedWorld) -> Result<Stake, String> {
    if let Some(StartFailure::Fails(reason) | StartFailure::NotSeen(reason)) = &world.trouble {
        return Err(format!("the backend does not start: {reason}"));
    }
    let Some(instance) = world.current() else { return Err("no container".to_owned()) };
    if let Some(reason) = cannot_write(instance) {
        return Err(reason);
    }
    let BackendSettings { data_dir, credentials_dir, .. } = &instance.settings;
    Ok(Stake {
        keys: world.behind(instance, credentials_dir),
        documents: world.behind(instance, data_dir),
        files: world.behind(instance, &format!("{}/storage", data_dir.trim_end_matches('/'))),
    })
}

/// Why a backend never starts in that container: it writes to both directories first.
pub(super) fn cannot_write(instance: &BackendInstance) -> Option<String> {
    let BackendSettings { data_dir, credentials_dir, .. } = &instance.settings;
    let path = [data_dir, credentials_dir]
        .into_iter()
        .find(|path| over(&instance.mounts, path).is_some_and(|mount| mount.read_only))?;
    Some(format!("{path} is mounted read-only, so the backend never starts"))
}

/// Judges the world after an operation.
pub(super) fn judge(stake: &Stake, data: &DataParts, after: &SimulatedWorld) -> Prediction {
    let instance = after.current();
    if after.trouble.is_none()
        && let Some(reason) = instance.and_then(cannot_write)
    {
        return Prediction::unknown(&reason);
    }
    let instance = instance.filter(|_| after.trouble.is_none());
    if let (CredentialsFile::Damaged(why), Some(instance)) = (&data.credentials, instance)
        && reads_the_file(stake, after, instance)
    {
        let reason = format!("the secret in the credentials file is not valid ({why})");
        let mut stuck = after.clone();
        stuck.trouble = Some(StartFailure::Fails(reason));
        let keys = ExplainedFate {
            fate: Fate::Lost,
            why: "the secret in use is only in the running process".to_owned(),
        };
        return Prediction { keys, data: data_fate(stake, data, &stuck, None) };
    }
    Prediction {
        keys: keys(stake, &data.credentials, after, instance),
        data: data_fate(stake, data, after, instance),
    }
}

/// Whether that container's entrypoint has read the credentials file that there was at first.
fn reads_the_file(stake: &Stake, after: &SimulatedWorld, instance: &BackendInstance) -> bool {
    instance.settings.pin == Pin::No
        && after.started.contains(&instance.name)
        && after.state(stake.keys) == PlaceState::There
        && after.behind(instance, &instance.settings.credentials_dir) == stake.keys
}

fn keys(
    stake: &Stake,
    credentials: &CredentialsFile,
    after: &SimulatedWorld,
    instance: Option<&BackendInstance>,
) -> ExplainedFate {
    let here =
        |instance: &BackendInstance| after.behind(instance, &instance.settings.credentials_dir);
    let by_place = || {
        let verdict = place(stake.keys, after, instance.map(here));
        // A process that keeps running does not read the file again.
        let keeps_running = after
            .instances
            .iter()
            .any(|it| it.running && !after.started.contains(&it.name) && here(it) == stake.keys);
        if keeps_running { verdict } else { by_file(credentials, verdict) }
    };
    let Some(instance) = instance else {
        let verdict = by_place();
        let pin = after.plan.as_ref().map(|plan| &plan.settings.pin);
        return match pin {
            // The backend does not start, but the secret is set in a file of the project.
            Some(Pin::Same(why) | Pin::Partly(why)) if verdict.fate == Fate::Lost => {
                ExplainedFate {
                    fate: Fate::Recoverable,
                    why: format!("{why}, but {}", verdict.why),
                }
            }
            _ => verdict,
        };
    };
    match &instance.settings.pin {
        Pin::Same(why) => ExplainedFate { fate: Fate::Kept, why: why.clone() },
        Pin::Unknown(why) => ExplainedFate { fate: Fate::Unknown, why: why.clone() },
        Pin::No => by_place(),
        Pin::Partly(why) => match by_place() {
            verdict if verdict.fate == Fate::Lost => {
                ExplainedFate { fate: Fate::Recoverable, why: why.clone() }
            }
            verdict => verdict,
        },
        Pin::Different(why) => match by_place() {
            // The entrypoint writes the new secret over the old one.
            verdict if verdict.fate == Fate::Kept && after.started.contains(&instance.name) => {
                ExplainedFate { fate: Fate::Lost, why: why.clone() }
            }
            verdict => verdict,
        },
    }
}

/// The keys are no better off than the file that they depend on.
fn by_file(credentials: &CredentialsFile, verdict: ExplainedFate) -> ExplainedFate {
    match credentials {
        _ if matches!(verdict.fate, Fate::Lost | Fate::Unknown) => verdict,
        CredentialsFile::There => verdict,
        CredentialsFile::Gone => ExplainedFate {
            fate: Fate::Lost,
            why: "there is no credentials file, so the next start generates a new secret"
                .to_owned(),
        },
        CredentialsFile::Differs => ExplainedFate {
            fate: Fate::Lost,
            why: "the credentials file has another secret than the one the backend is running with"
                .to_owned(),
        },
        CredentialsFile::Damaged(why) => ExplainedFate {
            fate: Fate::Lost,
            why: format!("the secret in the credentials file is not valid ({why})"),
        },
        CredentialsFile::NotSeen(reason) => {
            ExplainedFate { fate: Fate::Unknown, why: reason.clone() }
        }
    }
}

fn data_fate(
    stake: &Stake,
    data: &DataParts,
    after: &SimulatedWorld,
    instance: Option<&BackendInstance>,
) -> ExplainedFate {
    let directory =
        |instance: &BackendInstance| instance.settings.data_dir.trim_end_matches('/').to_owned();
    let documents = match &data.documents {
        Documents::Here => place(
            stake.documents,
            after,
            instance.map(|instance| after.behind(instance, &directory(instance))),
        ),
        Documents::Elsewhere => ExplainedFate {
            fate: Fate::Kept,
            why: "the documents are in a SQL database outside this project".to_owned(),
        },
        Documents::Service(_) | Documents::NotSeen if data.backend_only => ExplainedFate {
            fate: Fate::Kept,
            why: "the documents are in a SQL database, which this does not change".to_owned(),
        },
        Documents::Service(service) => ExplainedFate {
            fate: Fate::Unknown,
            why: format!("the documents are in service {service}, whose volumes were not checked"),
        },
        Documents::NotSeen => ExplainedFate {
            fate: Fate::Unknown,
            why: "not known where the SQL database stores the documents".to_owned(),
        },
    };
    if data.files_elsewhere && data.documents == Documents::Here {
        return documents;
    }
    let files = if data.files_elsewhere {
        ExplainedFate { fate: Fate::Kept, why: "the files are in S3".to_owned() }
    } else {
        let storage = |instance: &BackendInstance| {
            after.behind(instance, &format!("{}/storage", directory(instance)))
        };
        let verdict = place(stake.files, after, instance.map(storage));
        if data.documents == Documents::Here {
            verdict
        } else {
            ExplainedFate { why: format!("files and functions: {}", verdict.why), ..verdict }
        }
    };
    match rank(files.fate).cmp(&rank(documents.fate)) {
        std::cmp::Ordering::Greater => files,
        std::cmp::Ordering::Less => documents,
        std::cmp::Ordering::Equal if files.why == documents.why => documents,
        std::cmp::Ordering::Equal => {
            ExplainedFate { fate: documents.fate, why: format!("{}; {}", documents.why, files.why) }
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
fn place(before: Id, after: &SimulatedWorld, now: Option<Id>) -> ExplainedFate {
    let kind = &after.places[before.0].kind;
    let name = kind.describe();
    let (fate, why) = match (after.state(before), &after.trouble) {
        (PlaceState::Gone(by), None) => (Fate::Lost, format!("{name}: {by}")),
        (PlaceState::Gone(by), Some(StartFailure::Fails(reason))) => {
            (Fate::Lost, format!("{name}: {by}; then the backend does not start: {reason}"))
        }
        (PlaceState::Gone(by), Some(StartFailure::NotSeen(_))) => {
            (Fate::Lost, format!("{name}: {by}"))
        }
        (PlaceState::Perhaps(why), _) => (Fate::Unknown, format!("{name}: {why}")),
        (PlaceState::There, Some(StartFailure::NotSeen(reason))) => {
            (Fate::Unknown, format!("{name} is not changed, but {reason}"))
        }
        (PlaceState::There, Some(StartFailure::Fails(reason))) => (
            Fate::Recoverable,
            format!("the backend does not start: {reason}; everything is still in {name}"),
        ),
        (PlaceState::There, None) if now == Some(before) => match holder(before, after) {
            Some(other) => (
                Fate::Kept,
                format!("kept in {name}, which {} then uses, too: never run both", other.name),
            ),
            None => (Fate::Kept, format!("kept in {name}")),
        },
        (PlaceState::There, None) => {
            let left = match (holder(before, after), kind) {
                (Some(other), PlaceKind::Volume { .. } | PlaceKind::Directory(_)) => {
                    format!("which container {} still uses", other.name)
                }
                (Some(other), _) => format!("because container {} still exists", other.name),
                (None, PlaceKind::Volume { .. }) => "which no container uses any more".to_owned(),
                (None, _) => "which is no longer mounted".to_owned(),
            };
            (Fate::Recoverable, format!("left behind in {name}, {left}"))
        }
    };
    ExplainedFate { fate, why }
}

/// A container other than the deployment's that has this place.
fn holder(id: Id, world: &SimulatedWorld) -> Option<&BackendInstance> {
    let has = |instance: &&BackendInstance| {
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
