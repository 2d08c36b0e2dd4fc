//! Whether keys and data outlive the next `docker compose down`: the data directory, what is
//! mounted over it, and which volumes lie about unattached.
//!
//! Speaks of the container that Compose would run here (`expected`) and of the compose file. "No
//! volume" is not "lost at every recreate": Compose carries mounts over from the old container, and
//! drops them at the next `down` (docs/facts.md, docker-carry-over).

use super::{Check, key};
use crate::evidence::compose::{
    At, BackendService, ComposeFacts, DeclaredMount, EntryValue, EnvironmentEntry,
};
use crate::evidence::docker::{Container, Mount, MountKind};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Finding, Level, Remedy};

pub mod bind_mount;
mod candidates;
pub mod data_not_writable;
pub mod data_volume;
pub mod detached;
pub(crate) mod mending;
pub mod not_attached;
pub mod project_renamed;
pub(crate) mod rotating;
pub mod shared;
pub mod sql_secret;
mod way_back;

pub(crate) use candidates::{candidates, look_for_candidates};
pub(crate) use way_back::{attach, bring_back, holds};

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &data_volume::CHECK,
    &data_not_writable::CHECK,
    &not_attached::CHECK,
    &not_attached::EXTERNAL_CHECK,
    &project_renamed::CHECK,
    &detached::CHECK,
    &shared::CHECK,
    &sql_secret::CHECK,
    &bind_mount::CHECK,
];

/// Where upstream's image keeps everything, and what it declares as a volume of its own.
pub(crate) const IMAGE_VOLUME: &str = "/convex/data";

/// The project and its backend service; `None` where there is none, and then nothing here applies.
pub(crate) fn declared(
    evidence: &Evidence,
) -> Result<Option<(&ComposeFacts, &BackendService)>, Unseen> {
    let Some(compose) = evidence.compose.seen()? else { return Ok(None) };
    if let Some(error) = compose.errors.first() {
        return Err(Unseen {
            reason: format!("Compose cannot read the project: {}", error.message),
        });
    }
    Ok(compose.backend().map(|service| (compose, service)))
}

/// What the compose file mounts over `path`. A mount over a parent of the image's own volume does
/// not reach into it: Docker puts an anonymous volume on top (docs/facts.md, docker-image-volume).
pub(crate) fn declared_over<'a>(
    service: &'a BackendService,
    path: &str,
) -> Option<&'a DeclaredMount> {
    let within = |path: &str, parent: &str| {
        path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    service.mount_over(path).filter(|mount| {
        !within(path, IMAGE_VOLUME) || within(mount.target.trim_end_matches('/'), IMAGE_VOLUME)
    })
}

/// Whether that line keeps what is written: a named volume, or a directory of the host.
pub(crate) fn keeps(mount: &DeclaredMount) -> bool {
    mount.source.is_some() && !mount.is_tmpfs()
}

/// Whether that mount keeps what is written beyond the container.
pub(crate) fn is_durable(mount: &Mount) -> bool {
    matches!(mount.kind, MountKind::Named | MountKind::Bind)
}

/// What would be left of an instance if its data directory were empty tomorrow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// INSTANCE_SECRET is set, so keys go on working.
    pub(crate) secret: bool,
    /// The documents lie in Postgres or MySQL.
    pub(crate) documents: bool,
    /// The files lie in S3.
    pub(crate) files: bool,
}

impl Elsewhere {
    /// From the compose file and the container: what either of them shows counts, and a blank is no
    /// opinion.
    pub(crate) fn of(service: &BackendService, container: Option<&Container>) -> Self {
        let pinned = |container: &Container| {
            container.secret.environment.seen().is_ok_and(|state| {
                state.as_ref().is_some_and(|state| state.fingerprint().is_some())
            })
        };
        Self {
            secret: set(service, "INSTANCE_SECRET") || container.is_some_and(pinned),
            documents: sql(service) || container.is_some_and(|container| container.uses_sql),
            files: storage_elsewhere(service)
                || container.is_some_and(|container| container.uses_s3),
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

/// The five variables without which the backend keeps files on disk.
const S3_BUCKETS: [&str; 5] = [
    "S3_STORAGE_EXPORTS_BUCKET",
    "S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET",
    "S3_STORAGE_MODULES_BUCKET",
    "S3_STORAGE_FILES_BUCKET",
    "S3_STORAGE_SEARCH_BUCKET",
];

/// Whether the compose file has the documents in SQL.
pub(crate) fn sql(service: &BackendService) -> bool {
    ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"].into_iter().any(|name| set(service, name))
}

/// Whether the compose file has the stored files in S3.
pub(crate) fn storage_elsewhere(service: &BackendService) -> bool {
    S3_BUCKETS.iter().all(|name| set(service, name))
}

fn set(service: &BackendService, name: &str) -> bool {
    service.variable(name).is_some_and(is_set)
}

fn is_set(entry: &EnvironmentEntry) -> bool {
    match &entry.value {
        EntryValue::Unset | EntryValue::Blank => false,
        EntryValue::Secret(state) => state.fingerprint().is_some(),
        EntryValue::Plain(text) => !text.is_empty(),
        EntryValue::Hidden => true,
    }
}

pub(crate) use crate::checks::compose::{
    command as compose_command, location as place, shell_word as word,
};

/// That place, for the source of a proof.
pub(crate) fn spot(at: &At) -> String {
    format!("{}:{}", at.file, at.line)
}

/// Copies the data out of the container, before anything else. The backend is stopped first so that
/// the database is at rest; only memory would not survive that.
pub(crate) fn rescue(container: &Container) -> Remedy {
    let data = container.data_dir.trim_end_matches('/');
    let in_memory = container.mount_over(data).is_some_and(|mount| mount.kind == MountKind::Tmpfs);
    let remedy = Remedy::careful("First copy the data out of the container");
    let (name, path) = (word(&container.name), word(data));
    if in_memory {
        return remedy
            .run("npx convex export --path ./convex-export.zip")
            .run("mkdir -p ./convex-data-rescue")
            .run(format!(
                "docker exec {name} tar -C {path} -cf - . | tar -xf - -C ./convex-data-rescue"
            ));
    }
    let remedy =
        if container.is_running() { remedy.run(format!("docker stop {name}")) } else { remedy };
    remedy
        .run(format!("docker cp {} ./convex-data-rescue", inside(container, &format!("{data}/."))))
}

/// `CONTAINER:PATH`, as `docker cp` takes it.
pub(crate) fn inside(container: &Container, path: &str) -> String {
    word(&format!("{}:{path}", container.name))
}

/// Creates the container anew with what the compose file mounts, and moves the rescued data in
/// before it starts.
pub(crate) fn move_in(
    evidence: &Evidence,
    title: String,
    service: &str,
    container: Option<&Container>,
) -> Remedy {
    let remedy = Remedy::careful(title);
    let start = compose_command(evidence, "up -d");
    let Some(container) = container else { return remedy.run(start) };
    let data = container.data_dir.trim_end_matches('/');
    remedy
        .run(compose_command(evidence, &format!("up --no-start {}", word(service))))
        .run(format!("docker cp ./convex-data-rescue/. {}", inside(container, data)))
        .run(start)
}

/// With `--ephemeral` an instance is meant to be thrown away; in CI a young one probably is.
pub(crate) fn for_a_throw_away(
    evidence: &Evidence,
    container: Option<&Container>,
    finding: Finding,
) -> Finding {
    let young = container
        .and_then(|container| container.created_at)
        .is_some_and(|created| evidence.collected_at - created < 3600);
    if evidence.asked.ephemeral {
        finding.level(Level::Info)
    } else if evidence.asked.ci && young && finding.level == Level::Error {
        finding.level(Level::Warning).because(
            "CI is set and the container is younger than an hour; `--ephemeral` says that \
                      this instance is meant to be thrown away",
            "environment",
        )
    } else {
        finding
    }
}

/// A volume brings back no key: where the one in use is refused and opens nothing here, says that
/// it is to be minted as well. The finding about the key is folded under this one, and its remedy
/// with it.
pub(crate) fn then_mint(evidence: &Evidence, finding: Finding) -> Finding {
    let opens_nothing = key::selected(evidence).is_some_and(|key| {
        !key::is_no_key(key) && key.trials.iter().all(|trial| trial.opened.is_none())
    });
    if !opens_nothing || key::said(evidence) != key::Said::Refused {
        return finding;
    }
    let title = match candidates(evidence).first() {
        Some(first) => format!(
            "The key stays refused: to start afresh ({} is kept), mint another",
            first.volume.name
        ),
        None => "The key stays refused: mint another".to_owned(),
    };
    finding.remedy(key::mint(evidence, &title))
}
