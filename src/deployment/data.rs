//! Where data and keys are kept: what is mounted over the data directory, and what is stored outside
//! of it.

use crate::deployment::variable::{entry_if_set, valid_secret};
use crate::evidence::compose::{BackendService, DeclaredMount};
use crate::evidence::docker::{Container, Mount, MountKind, SecretState, VolumeContent};
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

/// Whether that line keeps what is written: a named volume, or a directory of the host.
pub(crate) fn is_kept_by_file(mount: &DeclaredMount) -> bool {
    mount.source.is_some() && !mount.is_tmpfs()
}

/// Whether that mount keeps what is written beyond the container.
pub(crate) fn is_persistent(mount: &Mount) -> bool {
    matches!(mount.kind, MountKind::Named | MountKind::Bind)
}

/// What would be left of an instance if its data directory were empty tomorrow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredElsewhere {
    /// INSTANCE_SECRET is set, so keys go on working.
    pub(crate) secret: bool,
    /// The documents lie in Postgres or MySQL.
    pub(crate) documents: bool,
    /// The files lie in S3.
    pub(crate) files: bool,
}

impl StoredElsewhere {
    /// From the compose file and the container: what either of them shows counts, and a blank is no
    /// opinion.
    pub(crate) fn of(service: &BackendService, container: Option<&Container>) -> Self {
        let pinned = |container: &Container| {
            container.secret.environment.seen().is_ok_and(|state| {
                state.as_ref().is_some_and(|state| state.fingerprint().is_some())
            })
        };
        Self {
            secret: valid_secret(service).is_some() || container.is_some_and(pinned),
            documents: declares_sql(service)
                || container.is_some_and(|container| container.uses_sql),
            files: declares_s3(service) || container.is_some_and(|container| container.uses_s3),
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
            (true, true, false) => {
                "every stored file and deployed function (INSTANCE_SECRET is \
                                    set and the documents are in SQL, so keys and documents stay)"
            }
            (true, false, _) => "every document (INSTANCE_SECRET is set, so keys stay valid)",
            (false, true, true) => "the instance secret, and with it every admin key",
            (false, true, false) => {
                "the instance secret, and with it every admin key, and every \
                                     stored file (the documents are in SQL)"
            }
            (false, false, _) => {
                "the database and the instance secret, and with it every admin key"
            }
        }
    }
}

/// Whether the compose file has the documents in SQL.
pub(crate) fn declares_sql(service: &BackendService) -> bool {
    SQL_URLS.into_iter().any(|name| entry_if_set(service, name).is_some())
}

/// Whether the compose file has the stored files in S3.
pub(crate) fn declares_s3(service: &BackendService) -> bool {
    S3_BUCKETS.iter().all(|name| entry_if_set(service, name).is_some())
}

/// What a volume holds, in words.
pub(crate) fn content_in_words(content: &VolumeContent) -> String {
    let name = content.instance_name.as_deref().filter(|name| !name.is_empty());
    let of = name.map(|name| format!(" of the instance {name}")).unwrap_or_default();
    let secret = match &content.secret {
        Some(SecretState::Valid(print)) => Some(format!("the secret {print}{of}")),
        Some(SecretState::Invalid(_)) => Some(format!("a secret{of} that is none")),
        None => None,
    };
    let database = content.database_bytes.map(|bytes| format!("a database of {}", size(bytes)));
    let held: Vec<String> = secret.into_iter().chain(database).collect();
    if held.is_empty() {
        "holds nothing of Convex".to_owned()
    } else {
        format!("holds {}", held.join(" and "))
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
