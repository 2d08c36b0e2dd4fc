//! From the engine's answers to evidence: plain data, the secrets taken out.

use std::collections::HashMap;
use std::io::Read as _;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ContainerTopResponse, HealthStatusEnum, PortMap,
    Volume as EngineVolume,
};

use super::{Wanted, recognise};
use crate::admin_key::InstanceSecret;
use crate::evidence::Observation;
use crate::evidence::docker::{
    Container, Mount, MountKind, NamePlaces, Port, SecretPlaces, SecretState, Volume,
};
use crate::evidence::key::SecretPlace;
use crate::secret::{Fingerprint, Secret, sanitize};

/// At most so many volumes that belong to nobody are kept.
const MOST_VOLUMES: usize = 200;

type Secrets = Vec<(Secret, SecretPlace)>;

/// A container's name without the slash.
pub(super) fn name(summary: &ContainerSummary) -> String {
    let first = summary.names.as_ref().and_then(|names| names.first());
    sanitize(first.map_or("", |name| name.trim_start_matches('/')))
}

/// A label.
pub(super) fn label<'a>(summary: &'a ContainerSummary, label: &str) -> Option<&'a str> {
    summary.labels.as_ref()?.get(label).map(String::as_str)
}

/// Whether a list entry is worth an inspection: it looks like a backend, its image shows only as an id, or it is the service that
/// Compose would run as the backend here.
pub(super) fn may_be_backend(summary: &ContainerSummary, wanted: &Wanted<'_>) -> bool {
    if label(summary, "com.docker.compose.oneoff") == Some("True") {
        return false;
    }
    let image = summary.image.as_deref().unwrap_or_default();
    let command = summary.command.clone().unwrap_or_default();
    let labels = summary.labels.clone().unwrap_or_default();
    recognise::backend(image, &labels, &[command], &[]).is_some()
        || image.starts_with("sha256:")
        || is_wanted_service(summary, wanted)
}

fn is_wanted_service(summary: &ContainerSummary, wanted: &Wanted<'_>) -> bool {
    wanted.service.is_some()
        && label(summary, "com.docker.compose.project") == wanted.project
        && label(summary, "com.docker.compose.service") == wanted.service
}

/// The container; `None` when it is no backend after all.
pub(super) fn container(
    inspected: &ContainerInspectResponse,
    summary: &ContainerSummary,
) -> Option<(Container, Secrets)> {
    let config = inspected.config.clone().unwrap_or_default();
    let host = inspected.host_config.clone().unwrap_or_default();
    let state = inspected.state.clone().unwrap_or_default();
    let labels: HashMap<String, String> = config.labels.clone().unwrap_or_default();
    let entrypoint = config.entrypoint.clone().unwrap_or_default();
    let command = config.cmd.clone().unwrap_or_default();
    let image = config.image.clone().unwrap_or_default();
    let recognised_by = recognise::backend(&image, &labels, &entrypoint, &command)?;
    let own = name(summary);
    let of =
        |name: &str| labels.get(&format!("com.docker.compose.{name}")).map(|text| sanitize(text));
    let environment = environment(config.env.as_deref().unwrap_or_default());
    let value = |name: &str| environment.get(name).map(|secret| secret.expose().to_owned());
    let filled = |name: &str| value(name).filter(|value| !value.is_empty());
    let data_dir =
        filled("DATA_DIR").map_or_else(|| "/convex/data".to_owned(), |path| clean(&path));
    let credentials_dir = filled("CREDENTIALS_DIR")
        .map_or_else(|| format!("{data_dir}/credentials"), |path| clean(&path));
    let mut secrets = Vec::new();
    let secret_environment = filled("INSTANCE_SECRET")
        .map(|text| keep(&text, SecretPlace::Environment { container: own.clone() }, &mut secrets));
    let networks = inspected.network_settings.clone().and_then(|settings| settings.networks);
    let container = Container {
        id: inspected.id.as_deref().unwrap_or_default().chars().take(12).collect(),
        project: of("project"),
        service: of("service"),
        working_dir: of("project.working_dir"),
        config_files: of("project.config_files")
            .map(|files| files.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        files_gone: None,
        image: sanitize(&image),
        recognised_by,
        upstream_entrypoint: entrypoint.iter().any(|word| word.ends_with("run_backend.sh")),
        state: state.status.map(|status| status.to_string()).unwrap_or_default(),
        exit_code: state.exit_code,
        health: state.health.and_then(|health| health.status).and_then(|status| match status {
            HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
            other => Some(other.to_string()),
        }),
        oom_killed: state.oom_killed.unwrap_or(false),
        restarts: inspected.restart_count.unwrap_or(0),
        created_at: inspected.created.as_ref().and_then(|time| seconds(&time.to_string())),
        started_at: state.started_at.as_deref().and_then(seconds),
        finished_at: state.finished_at.as_deref().and_then(seconds),
        start_error: state.error.filter(|error| !error.is_empty()).map(|error| sanitize(&error)),
        network_mode: host.network_mode,
        addresses: networks
            .into_iter()
            .flatten()
            .filter_map(|(_, network)| network.ip_address.map(|address| address.to_string()))
            .filter(|address| !address.is_empty())
            .collect(),
        ports: ports(
            host.port_bindings.as_ref(),
            inspected.network_settings.as_ref().and_then(|settings| settings.ports.as_ref()),
        ),
        mounts: mounts(inspected),
        secret: SecretPlaces {
            environment: Observation::Seen(secret_environment),
            ..SecretPlaces::default()
        },
        instance_name: NamePlaces {
            environment: Observation::Seen(filled("INSTANCE_NAME").map(|name| sanitize(&name))),
            ..NamePlaces::default()
        },
        uses_sql: ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"]
            .iter()
            .any(|name| filled(name).is_some()),
        uses_s3: ["FILES", "MODULES", "SEARCH", "EXPORTS", "SNAPSHOT_IMPORTS"]
            .iter()
            .all(|bucket| filled(&format!("S3_STORAGE_{bucket}_BUCKET")).is_some()),
        log: Observation::unavailable("the log was not read: nothing asked for it"),
        name: own,
        data_dir,
        credentials_dir,
    };
    Some((container, secrets))
}

/// Entries may lack `=` (a pass-through that is set nowhere). Every value is held as a secret; most are none.
fn environment(entries: &[String]) -> HashMap<String, zeroizing::Value> {
    entries
        .iter()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| {
            if recognise::is_secretive(name) || value.contains("://") {
                remember(name, value);
            }
            (name.to_owned(), zeroizing::Value::new(value))
        })
        .collect()
}

/// Tells the scrubber of a secret value, or of the password in a URL.
fn remember(name: &str, value: &str) {
    if recognise::is_secretive(name) {
        drop(Secret::new(value));
    }
    let _masked_and_known = url::Url::parse(value)
        .ok()
        .and_then(|url| url.password().map(|password| drop(Secret::new(password))));
}

mod zeroizing {
    //! A value of an environment: wiped when dropped, and without Debug.

    use zeroize::Zeroizing;

    /// The value.
    pub(super) struct Value(Zeroizing<String>);

    impl Value {
        pub(super) fn new(text: &str) -> Self {
            Self(Zeroizing::new(text.to_owned()))
        }

        pub(super) fn expose(&self) -> &str {
            &self.0
        }
    }
}

fn keep(text: &str, place: SecretPlace, secrets: &mut Secrets) -> SecretState {
    let secret = Secret::new(text);
    let state = state_of(&secret);
    secrets.push((secret, place));
    state
}

/// How a text stands where an instance secret should, as the backend would find it.
fn state_of(secret: &Secret) -> SecretState {
    match (InstanceSecret::parse(secret), Fingerprint::of_instance_secret(secret)) {
        (Ok(_), Some(fingerprint)) => SecretState::Valid(fingerprint),
        (Ok(_), None) => SecretState::Invalid("not 64 hex digits".to_owned()),
        (Err(fault), _) => SecretState::Invalid(fault.to_string()),
    }
}

fn clean(path: &str) -> String {
    let path = sanitize(path);
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// Seconds since 1970; `None` for the engine's year 1, which means never.
fn seconds(time: &str) -> Option<i64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    (time.as_second() > 0).then(|| time.as_second())
}

/// What is published now; of a stopped container, what its start would publish.
fn ports(bindings: Option<&PortMap>, live: Option<&PortMap>) -> Vec<Port> {
    let chosen = live.filter(|map| map.values().flatten().next().is_some()).or(bindings);
    let mut ports: Vec<Port> = Vec::new();
    for (inside, bound) in chosen.into_iter().flatten() {
        let Some((number, "tcp")) = inside.split_once('/') else { continue };
        let Ok(container) = number.parse() else { continue };
        for binding in bound.iter().flatten() {
            let one = Port {
                container,
                host: binding.host_port.as_deref().and_then(|port| port.parse().ok()),
                host_ip: binding.host_ip.as_deref().map(sanitize).unwrap_or_default(),
            };
            if !ports.contains(&one) {
                ports.push(one);
            }
        }
    }
    ports.sort_by(|one, other| (one.container, one.host).cmp(&(other.container, other.host)));
    ports
}

/// `Mounts`, and the short form of tmpfs, which stands in HostConfig only (`facts/docker.md` §2.2).
fn mounts(inspected: &ContainerInspectResponse) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = inspected
        .mounts
        .iter()
        .flatten()
        .filter_map(|mount| {
            let target = clean(mount.destination.as_deref()?);
            let volume = mount.name.as_deref().map(sanitize);
            let kind = match mount.typ.as_ref().map(ToString::to_string).as_deref() {
                Some("volume") if volume.as_deref().is_some_and(is_engine_name) => {
                    MountKind::Anonymous
                }
                Some("volume") => MountKind::Named,
                Some("tmpfs") => MountKind::Tmpfs,
                _ => MountKind::Bind,
            };
            let source = match kind {
                MountKind::Named | MountKind::Anonymous => volume,
                MountKind::Bind => mount.source.as_deref().map(sanitize),
                MountKind::Tmpfs => None,
            };
            Some(Mount { kind, target, source, writable: mount.rw.unwrap_or(true) })
        })
        .collect();
    let tmpfs = inspected.host_config.as_ref().and_then(|host| host.tmpfs.clone());
    for target in tmpfs.into_iter().flatten().map(|(target, _)| clean(&target)) {
        if !mounts.iter().any(|mount| mount.target == target) {
            mounts.push(Mount { kind: MountKind::Tmpfs, target, source: None, writable: true });
        }
    }
    mounts
}

/// 64 hex digits: a name that the engine made.
fn is_engine_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The words of each command line of a process list, whatever its columns are called.
pub(super) fn commands(answer: &ContainerTopResponse) -> Vec<Vec<String>> {
    let titles = answer.titles.clone().unwrap_or_default();
    let column = titles.iter().position(|title| {
        matches!(title.to_ascii_uppercase().as_str(), "CMD" | "COMMAND" | "ARGS")
    });
    answer
        .processes
        .iter()
        .flatten()
        .filter_map(|row| column.map_or(row.last(), |column| row.get(column)))
        .map(|command| command.split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// The secret and the name in force, from the backend's own command line.
pub(super) fn add_processes(
    container: &mut Container,
    processes: Observation<Vec<Vec<String>>>,
    secrets: &mut Secrets,
) {
    let processes = match processes {
        Observation::Seen(processes) => processes,
        Observation::Unavailable { reason } => {
            container.secret.process = Observation::unavailable(&reason);
            container.instance_name.process = Observation::unavailable(&reason);
            return;
        }
    };
    let backend = processes.iter().find(|words| {
        words.iter().any(|word| word.rsplit('/').next() == Some("convex-local-backend"))
    });
    let Some(words) = backend else {
        let reason = format!("no convex-local-backend in the process list of {}", container.name);
        container.secret.process = Observation::unavailable(&reason);
        container.instance_name.process = Observation::unavailable(&reason);
        return;
    };
    let argument = |option: &str| {
        let joined = format!("{option}=");
        words.iter().enumerate().find_map(|(index, word)| {
            if word == option {
                words.get(index + 1).cloned()
            } else {
                word.strip_prefix(&joined).map(str::to_owned)
            }
        })
    };
    let place = SecretPlace::Process { container: container.name.clone() };
    let secret = argument("--instance-secret").map(|text| keep(&text, place, secrets));
    container.secret.process = Observation::Seen(secret);
    container.instance_name.process =
        Observation::Seen(argument("--instance-name").map(|name| sanitize(&name)));
}

/// The two credentials files, as far as they are there.
#[derive(Default)]
pub(super) struct Credentials {
    secret: Option<Secret>,
    name: Option<Secret>,
}

/// Records the credentials files.
pub(super) fn add_files(
    container: &mut Container,
    files: Observation<Credentials>,
    secrets: &mut Secrets,
) {
    let line = |text: &str| text.strip_suffix('\n').unwrap_or(text).to_owned();
    let files = match files {
        Observation::Seen(files) => files,
        Observation::Unavailable { reason } => {
            container.secret.file = Observation::unavailable(&reason);
            container.instance_name.file = Observation::unavailable(&reason);
            return;
        }
    };
    let over = container.mount_over(&container.credentials_dir);
    let volume = over.and_then(|mount| mount.source.clone());
    let place = SecretPlace::File { container: container.name.clone(), volume };
    container.secret.file =
        Observation::Seen(files.secret.map(|text| keep(&line(text.expose()), place, secrets)));
    container.instance_name.file =
        Observation::Seen(files.name.map(|text| sanitize(&line(text.expose()))));
}

/// The two files in an archive of the credentials directory. An archive that ends early gives what came before its end.
pub(super) fn credentials(bytes: &[u8]) -> Observation<Credentials> {
    let unreadable = || Observation::unavailable("the engine's archive cannot be read");
    let mut found = Credentials::default();
    let mut archive = tar::Archive::new(bytes);
    let Ok(entries) = archive.entries() else { return unreadable() };
    for entry in entries {
        let Ok(entry) = entry else { return unreadable() };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Ok(path) = entry.path().map(std::borrow::Cow::into_owned) else { continue };
        let slot = match path.file_name().and_then(|name| name.to_str()) {
            Some("instance_secret") => &mut found.secret,
            Some("instance_name") => &mut found.name,
            _ => continue,
        };
        let mut text = String::new();
        if entry.take(4096).read_to_string(&mut text).is_err() {
            return Observation::unavailable("a credentials file is no text");
        }
        *slot = Some(Secret::new(text));
    }
    Observation::Seen(found)
}

/// The container that Compose would run here (catalogue §0.1): project, files and directory agree.
pub(super) fn expected(backends: &[Container], wanted: &Wanted<'_>) -> Option<String> {
    let project = wanted.project?;
    let mut fitting: Vec<&Container> = backends
        .iter()
        .filter(|container| container.project.as_deref() == Some(project))
        .filter(|container| {
            let same_files = container.config_files.is_empty()
                || container.config_files.iter().any(|file| wanted.config_files.contains(file));
            let same_directory = container.working_dir.is_none()
                || container.working_dir.as_deref() == wanted.working_dir;
            same_files && same_directory
        })
        .filter(|container| {
            wanted.service.is_none() || container.service.as_deref() == wanted.service
        })
        .collect();
    fitting.sort_by_key(|container| !container.is_running());
    fitting.first().map(|container| container.name.clone())
}

/// The volumes that may belong to a Convex instance.
pub(super) fn volumes(
    volumes: &[EngineVolume],
    containers: &[ContainerSummary],
    backends: &[Container],
    wanted: &Wanted<'_>,
) -> Vec<Volume> {
    let mut attached: HashMap<&str, Vec<String>> = HashMap::new();
    for summary in containers {
        for volume in summary.mounts.iter().flatten().filter_map(|mount| mount.name.as_deref()) {
            attached.entry(volume).or_default().push(name(summary));
        }
    }
    let of_backend = |volume: &str| {
        backends.iter().any(|backend| {
            backend.mounts.iter().any(|mount| mount.source.as_deref() == Some(volume))
        })
    };
    let mut kept: Vec<Volume> = volumes
        .iter()
        .filter_map(|volume| {
            let label = |name: &str| {
                volume.labels.get(&format!("com.docker.compose.{name}")).map(|text| sanitize(text))
            };
            let holders = attached.get(volume.name.as_str()).cloned().unwrap_or_default();
            let anonymous = is_engine_name(&volume.name);
            let named_like_one = !anonymous
                && (volume.name.ends_with("_data")
                    || volume.name.to_ascii_lowercase().contains("convex")
                    || label("project").as_deref() == wanted.project && wanted.project.is_some());
            let dangling = anonymous && holders.is_empty();
            (of_backend(&volume.name) || named_like_one || dangling).then(|| Volume {
                name: sanitize(&volume.name),
                project: label("project"),
                key: label("volume"),
                changed_at: volume.created_at.as_ref().and_then(|time| seconds(&time.to_string())),
                attached_to: holders,
                anonymous,
            })
        })
        .collect();
    kept.sort_by(|one, other| {
        (one.attached_to.is_empty(), one.anonymous, &one.name).cmp(&(
            other.attached_to.is_empty(),
            other.anonymous,
            &other.name,
        ))
    });
    kept.truncate(MOST_VOLUMES);
    kept
}
