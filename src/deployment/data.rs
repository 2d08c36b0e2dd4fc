//! Where data and keys are stored: what is mounted over the data directory, and what is stored
//! elsewhere.

use crate::deployment::compose::declared_backend;
use crate::deployment::container::inspected;
use crate::deployment::variable::{entry_if_set, valid_secret};
use crate::evidence::compose::{BackendService, DeclaredMount};
use crate::evidence::docker::{
    Container, EngineEvent, EventSubject, Mount, MountKind, OtherContext, SecretState,
    VolumeContent,
};
use crate::evidence::{Evidence, Unseen};
use crate::names::{DATA_DIR, S3_BUCKETS, SQL_URLS};

/// What the compose file mounts over `path`. A mount over a parent of the image's own volume does
/// not reach into it: Docker puts an anonymous volume on top (docs/facts.md, docker-image-volume).
pub(crate) fn declared_mount_over<'a>(
    service: &'a BackendService,
    path: &str,
) -> Option<&'a DeclaredMount> {
    let within = |path: &str, parent: &str| {
        path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    service.mount_over(path).filter(|mount| {
        !within(path, DATA_DIR) || within(mount.target.trim_end_matches('/'), DATA_DIR)
    })
}

/// The full name of the volume that the compose file mounts at the data directory.
pub(crate) fn declared_volume(evidence: &Evidence) -> Option<&String> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let line = declared_mount_over(service, &service.data_dir).filter(|line| line.is_volume())?;
    let key = line.source.as_ref()?;
    compose.volumes.iter().find(|volume| volume.key == *key).map(|volume| &volume.name)
}

/// Whether that line keeps what is written: a named volume, or a directory of the host.
pub(crate) fn is_kept_by_file(mount: &DeclaredMount) -> bool {
    mount.source.is_some() && !mount.is_tmpfs()
}

/// Whether there may be a container of the project with data: one that was not checked, here or in
/// another Docker context, counts.
pub(crate) fn may_have_data(evidence: &Evidence) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return true };
    let others = docker.other_contexts.iter().flatten();
    let has_some = |it: &OtherContext| it.containers.seen().is_ok_and(|it| !it.is_empty());
    docker.expected().is_some() || others.into_iter().any(has_some)
}

/// Whether a recreate may leave data behind that was not copied: the compose file mounts nothing
/// that keeps the data, and the container that may have some was not checked.
pub(crate) fn awaits_a_copy(evidence: &Evidence) -> bool {
    let Ok(Some((_, service))) = declared_backend(evidence) else { return false };
    let over = declared_mount_over(service, &service.data_dir);
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let is_checked = expected.is_some_and(|container| inspected(container).is_ok());
    let chosen_elsewhere = !service.data_dir.starts_with(DATA_DIR) && over.is_none();
    let is_kept = over.is_some_and(is_kept_by_file) || chosen_elsewhere;
    let elsewhere = StoredElsewhere::of(service, expected.filter(|_| is_checked));
    !is_kept && !is_checked && !elsewhere.everything() && may_have_data(evidence)
}

/// Whether that mount outlives the container.
pub(crate) fn is_persistent(mount: &Mount) -> bool {
    matches!(mount.kind, MountKind::Named | MountKind::Bind)
}

/// What would be left of an instance if its data directory were empty tomorrow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredElsewhere {
    /// INSTANCE_SECRET is set, so keys keep working.
    pub(crate) secret: bool,
    /// The documents are in Postgres or MySQL.
    pub(crate) documents: bool,
    /// The files are in S3.
    pub(crate) files: bool,
}

impl StoredElsewhere {
    /// From the compose file and the container: a value in one of them is enough, and an empty
    /// value counts as not set.
    pub(crate) fn of(service: &BackendService, container: Option<&Container>) -> Self {
        let now = container.map(Self::of_container).unwrap_or_default();
        Self {
            secret: valid_secret(service).is_some() || now.secret,
            documents: declares_sql(service) || now.documents,
            files: declares_s3(service) || now.files,
        }
    }

    /// From the container alone.
    pub(crate) fn of_container(container: &Container) -> Self {
        let secret = container.secret.environment.seen().ok().and_then(Option::as_ref);
        Self {
            secret: secret.is_some_and(|state| state.fingerprint().is_some()),
            documents: container.storage.uses_sql,
            files: container.storage.uses_s3,
        }
    }

    /// Whether an empty data directory would lose nothing.
    pub(crate) fn everything(self) -> bool {
        self.secret && self.documents && self.files
    }

    /// What is lost with the data directory, in words.
    pub(crate) fn lost(self) -> &'static str {
        match (self.secret, self.documents, self.files) {
            (true, true, true) => "nothing",
            (true, true, false) => "all stored files and deployed functions",
            (true, false, _) => "all documents",
            (false, true, true) => "the instance secret, and with it all admin keys",
            (false, true, false) => "the instance secret, all admin keys and all stored files",
            (false, false, _) => "the database, the instance secret and all admin keys",
        }
    }

    /// What the next start does without the data directory, and what follows from it.
    pub(crate) fn next_start(self) -> (&'static str, &'static str) {
        match (self.secret, self.documents, self.files) {
            (true, true, true) => ("loses nothing", "Everything is stored elsewhere."),
            (true, true, false) => (
                "loses all stored files and deployed functions",
                "Keys and documents are kept (INSTANCE_SECRET, SQL).",
            ),
            (true, false, _) => (
                "starts an empty database",
                "The keys keep working, because INSTANCE_SECRET is set.",
            ),
            (false, true, true) => (
                "creates a new instance secret",
                "All admin keys stop working. The documents in SQL are kept.",
            ),
            (false, true, false) => (
                "creates a new secret and loses all stored files",
                "All admin keys stop working. The documents in SQL are kept.",
            ),
            (false, false, _) => {
                ("starts an empty database with a new secret", "All admin keys stop working.")
            }
        }
    }

    /// The same as a list.
    pub(crate) fn next_start_in_brief(self) -> &'static str {
        match (self.secret, self.documents, self.files) {
            (true, true, true) => "nothing is lost",
            (true, true, false) => "no stored files, no functions",
            (true, false, _) => "empty database, the same keys",
            (false, true, true) => "new secret, no key works",
            (false, true, false) => "new secret, no key works, no stored files",
            (false, false, _) => "empty database, new secret, no key works",
        }
    }
}

/// The last removal of the very volume that the container mounts at its data directory: a volume of
/// that name was created again since.
pub(crate) fn removed_volume<'a>(
    evidence: &'a Evidence,
    container: &Container,
) -> Option<&'a EngineEvent> {
    let volume = container.mount_over(&container.storage.data_dir)?.source.as_deref()?;
    let events = evidence.docker.seen().ok()?.events.seen().ok()?;
    events.iter().rfind(|event| {
        event.subject == EventSubject::Volume && event.action == "destroy" && event.name == volume
    })
}

/// Whether the compose file has the documents in SQL.
pub(crate) fn declares_sql(service: &BackendService) -> bool {
    SQL_URLS.into_iter().any(|name| entry_if_set(service, name).is_some())
}

/// Whether the compose file has the stored files in S3.
pub(crate) fn declares_s3(service: &BackendService) -> bool {
    S3_BUCKETS.iter().all(|name| entry_if_set(service, name).is_some())
}

/// A volume that the compose file mounts at the data directory, and the container does not have.
pub(crate) struct MissingVolume<'a> {
    /// The service.
    pub(crate) service: &'a BackendService,
    /// The line that declares it.
    pub(crate) line: &'a DeclaredMount,
    /// The container that Compose would run here.
    pub(crate) container: &'a Container,
    /// The volume, or the host directory.
    pub(crate) wanted: &'a str,
    /// The mount that the container has instead.
    pub(crate) attached: Option<&'a Mount>,
}

/// The mount of the data directory that the compose file has and the container does not have.
pub(crate) fn missing_volume(evidence: &Evidence) -> Result<Option<MissingVolume<'_>>, Unseen> {
    let Some((compose, service)) = declared_backend(evidence)? else { return Ok(None) };
    let Some(line) =
        declared_mount_over(service, &service.data_dir).filter(|line| is_kept_by_file(line))
    else {
        return Ok(None);
    };
    let Some(container) = evidence.docker.seen()?.expected() else { return Ok(None) };
    inspected(container)?;
    let attached = container.mount_over(&container.storage.data_dir);
    let source = line.source.as_deref().unwrap_or_default();
    let wanted = match compose.volumes.iter().find(|volume| volume.key == source) {
        _ if line.is_bind() => source,
        Some(volume) => volume.name.as_str(),
        None => return Ok(None),
    };
    let fits = match attached.map(|mount| (mount.kind, mount.source.as_deref())) {
        // One path of the host has several spellings (links, Docker Desktop): only another kind of
        // mount is a difference.
        Some((MountKind::Bind, _)) => line.is_bind(),
        // An anonymous volume may be declared by its name, as external.
        Some((MountKind::Named | MountKind::Anonymous, name)) => {
            line.is_volume() && name == Some(wanted)
        }
        _ => false,
    };
    // A different data directory is a difference of its own.
    let same_directory = container.storage.data_dir == service.data_dir;
    Ok((!fits && same_directory).then_some(MissingVolume {
        service,
        line,
        container,
        wanted,
        attached,
    }))
}

/// What a volume contains, as a line of evidence.
pub(crate) fn content_in_words(content: &VolumeContent) -> String {
    let name = content.instance_name.as_deref().filter(|name| !name.is_empty());
    let of = name.map(|name| format!(" of instance {name}")).unwrap_or_default();
    let secret = match &content.secret {
        Some(SecretState::Valid(print)) => Some(format!("secret {print}{of}")),
        Some(SecretState::Invalid(_)) => Some(format!("an invalid secret{of}")),
        None => None,
    };
    let database = content.database_bytes.map(|bytes| format!("a database of {}", size(bytes)));
    let held: Vec<String> = secret.into_iter().chain(database).collect();
    if held.is_empty() {
        "Contains no Convex data".to_owned()
    } else {
        format!("Contains {}", held.join(" and "))
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
