//! The parts of a [`SimulatedWorld`](super::world::SimulatedWorld): places of bytes, volumes,
//! containers, the compose file.

use crate::report::ComposeFlags;

/// What becomes of memory.
pub(super) const EMPTIED: &str = "memory is emptied when the container stops";

/// A place of bytes: an index into the world's places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) usize);

/// A place where bytes are.
#[derive(Clone, Debug)]
pub(super) struct DataPlace {
    pub(super) kind: PlaceKind,
    pub(super) state: PlaceState,
}

/// What kind of place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PlaceKind {
    /// A volume, by its name, and whether the engine made that up.
    Volume { name: String, anonymous: bool },
    /// A directory of the host or a share.
    Directory(String),
    /// The writable layer of that container.
    Layer(String),
    /// Memory that is mounted into that container.
    Memory(String),
}

impl PlaceKind {
    /// In words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Volume { name, anonymous: false } => format!("volume {name}"),
            Self::Volume { name, anonymous: true } if name.starts_with("new-") => {
                "the anonymous volume".to_owned()
            }
            Self::Volume { name, anonymous: true } => {
                format!("anonymous volume {}", name.chars().take(12).collect::<String>())
            }
            Self::Directory(path) => format!("directory {path}"),
            Self::Layer(_) => "the container itself".to_owned(),
            Self::Memory(_) => "memory (tmpfs)".to_owned(),
        }
    }
}

/// What became of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceState {
    /// Its bytes are there.
    There,
    /// They are not; the text says what took them.
    Gone(&'static str),
    /// It is not known; the text says why.
    Perhaps(&'static str),
}

/// A volume's entry on the engine.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) anonymous: bool,
    /// Has the label by which newer engines prune.
    pub(super) prunable: bool,
    pub(super) content: Id,
    pub(super) backing: Backing,
    pub(super) others: Others,
}

/// Whether containers that are not of this project refer to a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    No,
    Running,
    /// They may be stopped, so that `system prune` takes them away first.
    Perhaps,
}

/// What removing a volume does to its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Backing {
    /// It goes as well.
    WithEngine,
    /// It stays in that directory; the path as the volume's options have it.
    At(String),
    /// It is memory, and goes with the last container that uses it.
    InMemory,
    /// The driver decides, or it was not checked: [`Assumed::content_stays`].
    NotSeen,
}

/// What is mounted at a path of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A volume; `by_name`: the container's definition names it, so that `rm -v` leaves it.
    Volume {
        name: String,
        by_name: bool,
    },
    Directory(Id),
    Memory(Id),
}

/// A mount of a container.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    pub(super) target: String,
    pub(super) source: Source,
    pub(super) read_only: bool,
}

/// Where a backend keeps its things, and what its environment says of its secret.
#[derive(Clone, Debug)]
pub(super) struct BackendSettings {
    pub(super) data_dir: String,
    pub(super) credentials_dir: String,
    pub(super) pin: Pin,
}

/// INSTANCE_SECRET in the environment, against the secret that is in use at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pin {
    /// It is not set: the credentials file counts.
    No,
    /// It is the secret in use, and stays so; the text says where it is set.
    Same(String),
    /// It is, as long as something else stays as well; the text says what.
    Partly(String),
    /// It is another one, and overwrites the file.
    Different(String),
    /// It is not known whether the backend would start or which secret it would use; the text says
    /// why.
    Unknown(String),
}

/// A container of the backend.
#[derive(Clone, Debug)]
pub(super) struct BackendInstance {
    pub(super) name: String,
    /// The beginning of its id; empty for one that is only foreseen.
    pub(super) id: String,
    pub(super) project: Option<String>,
    pub(super) service: Option<String>,
    pub(super) running: bool,
    /// Its stop deletes it (`--rm`).
    pub(super) auto_remove: bool,
    pub(super) mounts: Vec<Attached>,
    pub(super) layer: Id,
    pub(super) settings: BackendSettings,
}

/// What the compose file mounts.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) target: String,
    pub(super) source: PlannedSource,
    pub(super) read_only: bool,
}

/// The source of a mount of the compose file.
#[derive(Clone, Debug)]
pub(super) enum PlannedSource {
    /// The volume with that key.
    Volume(String),
    Anonymous,
    Directory {
        path: String,
        /// The path with `{project}` for the project's name, where that is a part of it.
        by_project: Option<String>,
        relative: bool,
        made: bool,
    },
    Memory,
}

impl PlannedSource {
    /// The directory that it is in a project; `None` for anything else.
    pub(super) fn directory(&self, project: &str) -> Option<String> {
        match self {
            Self::Directory { by_project: Some(path), .. } => {
                Some(path.replace("{project}", project))
            }
            Self::Directory { path, .. } => Some(path.clone()),
            _ => None,
        }
    }
}

/// A top-level volume of the compose file.
#[derive(Clone, Debug)]
pub(super) struct PlannedVolume {
    pub(super) key: String,
    /// Its name with `{project}` for the project's, where the file makes it so.
    pub(super) by_project: Option<String>,
    /// Its name, where that is not made of the project's.
    pub(super) fixed: Option<String>,
    pub(super) external: bool,
    pub(super) used: bool,
    pub(super) backing: Backing,
    pub(super) relative: bool,
}

impl PlannedVolume {
    pub(super) fn name(&self, project: &str) -> String {
        match (&self.by_project, &self.fixed) {
            (Some(name), _) => name.replace("{project}", project),
            (None, Some(name)) => name.clone(),
            (None, None) => format!("{project}_{}", self.key),
        }
    }
}

/// The compose file.
#[derive(Clone, Debug)]
pub(super) struct ComposePlan {
    pub(super) project: String,
    /// The name of the same files without `-p`.
    pub(super) own_name: String,
    /// The project that `docker compose` without `-f` means here, where other files are this one's.
    pub(super) plain: Option<String>,
    pub(super) name_from_directory: bool,
    pub(super) directory: String,
    /// Where commands are typed.
    pub(super) here: String,
    pub(super) files: Vec<String>,
    pub(super) flags: ComposeFlags,
    pub(super) service: String,
    pub(super) mounts: Vec<Planned>,
    pub(super) volumes: Vec<PlannedVolume>,
    pub(super) settings: BackendSettings,
}

/// The answers to what could not be checked. Both answers to each question are tried, and an
/// outcome counts only where all of them lead to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Assumed {
    /// `volume prune` deletes volumes with a name as well (before API 1.42).
    pub(super) prunes_named: bool,
    /// The image declares `/convex/data` as a volume.
    pub(super) image_volume: bool,
    /// An anonymous volume that was not listed has the label by which newer engines prune.
    pub(super) prunable: bool,
    /// The content of a volume whose driver or options are not known stays when the volume is
    /// removed.
    pub(super) content_stays: bool,
    /// An anonymous volume is mounted by its generated name.
    pub(super) by_name: bool,
}

/// The options of `up`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Up {
    /// Another project than the file's.
    pub(super) project: Option<String>,
    /// `-V`.
    pub(super) renew: bool,
    /// `--force-recreate`.
    pub(super) force: bool,
    /// `--no-recreate`.
    pub(super) keep: bool,
    /// `--remove-orphans`.
    pub(super) remove_orphans: bool,
}

/// Why the backend does not run again at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StartFailure {
    /// The engine or Compose refuses.
    Fails(String),
    /// What would run was not seen.
    NotSeen(String),
}

/// A question whose answer can decide an outcome.
pub(super) struct Question {
    /// The answer; or why it is not known.
    pub(super) answer: Result<bool, String>,
    /// Where the answer is kept.
    pub(super) field: fn(&mut Assumed) -> &mut bool,
}
