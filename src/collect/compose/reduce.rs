//! A project reduced to what checks ask. What is Convex about it is decided here.

use std::path::Path;

use super::{network_mounts, place::place, services};
use crate::admin_key::InstanceSecret;
use crate::collect::docker;
use crate::compose::{self, NameSource, Project, Service, Variable, VariableSource, WarningKind};
use crate::evidence::compose::{
    BackendService, ComposeFacts, ComposeIssue, DeclaredMount, DeclaredMountKind, DeclaredPort,
    DeclaredVolume, EntryValue, EnvironmentEntry,
};
use crate::evidence::docker::{SecretState, VolumeBacking};
use crate::evidence::key::SecretPlace;
use crate::names::DATA_DIR;
use crate::secret::{Fingerprint, Secret};

/// Reduces a project, and collects the instance secrets in it.
pub(super) fn reduce(
    project: &Project,
    directory: &Path,
    service: Option<&str>,
    secrets: &mut Vec<(Secret, SecretPlace)>,
) -> ComposeFacts {
    let backends: Vec<BackendService> = project
        .services
        .iter()
        .filter_map(|(name, one)| {
            let by = match service {
                Some(asked) if asked == name => "--service names it".to_owned(),
                _ => recognise(one)?,
            };
            Some(backend(name, one, by, directory, secrets))
        })
        .collect();
    let chosen = service
        .filter(|asked| backends.iter().any(|one| one.name == *asked))
        .map(str::to_owned)
        .or_else(|| backends.iter().find(|one| one.name == "backend").map(|one| one.name.clone()))
        .or_else(|| backends.first().map(|one| one.name.clone()));
    let names: Vec<&str> = backends.iter().map(|one| one.name.as_str()).collect();
    let sql_urls = services::sql_urls(project, &names, directory);
    ComposeFacts {
        sql_urls,
        databases: services::databases(project, directory),
        dashboards: services::dashboards(project, directory),
        wait_for_healthy: services::wait_for_healthy(project, chosen.as_deref()),
        undecided: services::undecided(project, &backends, directory),
        panel_marks: services::panel_marks(project),
        other_env_files: !project.own_env_file,
        network_mounts: network_mounts::find(project),
        project: project.name.value.clone(),
        name_from_directory: project.name_source == NameSource::Directory,
        directory: project.directory.display().to_string(),
        files: project.files.iter().map(|path| path.display().to_string()).collect(),
        errors: Vec::new(),
        names_backend: false,
        warnings: project
            .warnings
            .iter()
            .map(|warning| ComposeIssue {
                message: crate::secret::sanitize(&warning.message),
                at: warning.at.as_ref().map(|at| place(at, directory)),
                variable: match &warning.kind {
                    WarningKind::UnsetVariable { name } => Some(name.clone()),
                    _ => None,
                },
                line: None,
            })
            .collect(),
        services: project.services.keys().cloned().collect(),
        chosen,
        backends,
        volumes: project
            .volumes
            .iter()
            .chain(&project.unused_volumes)
            .map(|(key, volume)| DeclaredVolume {
                key: key.clone(),
                name: volume.name.value.clone(),
                external: volume.external,
                used: project.volumes.contains_key(key),
                fixed_name: volume.name.at.is_some() || volume.external,
                backing: backing(volume),
                at: place(&volume.at, directory),
            })
            .collect(),
    }
}

fn backing(volume: &compose::Volume) -> VolumeBacking {
    let option = |name: &str| volume.driver_opts.get(name).map_or("", String::as_str);
    let device = crate::secret::sanitize(option("device"));
    let driver = volume.driver.as_deref().unwrap_or_default();
    VolumeBacking::of(driver, option("type"), &device, volume.device_is_relative)
}

/// By its image, its entrypoint or its command; never by its name alone.
fn recognise(service: &Service) -> Option<String> {
    if let Some(image) = &service.image
        && docker::recognise::is_backend_image(&image.value)
    {
        return Some(format!("image {}", crate::secret::sanitize(&image.value)));
    }
    let words = [("entrypoint", &service.entrypoint), ("command", &service.command)];
    words.into_iter().find_map(|(what, words)| {
        let words = words.as_ref()?;
        let runs = |word: &String| {
            word.ends_with("run_backend.sh") || word.ends_with("convex-local-backend")
        };
        words.value.iter().any(runs).then(|| format!("its {what} runs a Convex backend"))
    })
}

fn backend(
    name: &str,
    service: &Service,
    recognised_by: String,
    directory: &Path,
    secrets: &mut Vec<(Secret, SecretPlace)>,
) -> BackendService {
    let value = |variable: &str| {
        let value = service.environment.get(variable)?.value.as_deref()?;
        (!value.is_empty()).then(|| value.trim_end_matches('/').to_owned())
    };
    let data_dir = value("DATA_DIR").unwrap_or_else(|| DATA_DIR.to_owned());
    let credentials_dir =
        value("CREDENTIALS_DIR").unwrap_or_else(|| format!("{data_dir}/credentials"));
    let tmpfs = service.tmpfs.iter().map(|entry| DeclaredMount {
        kind: DeclaredMountKind::Tmpfs,
        source: None,
        target: entry.value.split(':').next().unwrap_or_default().to_owned(),
        read_only: false,
        relative: false,
        create_host_path: false,
        at: entry
            .at
            .as_ref()
            .map_or_else(|| place(&service.at, directory), |at| place(at, directory)),
    });
    BackendService {
        name: name.to_owned(),
        at: place(&service.at, directory),
        recognised_by,
        image: service.image.as_ref().map(|image| image.value.clone()),
        entrypoint_overridden: service.entrypoint.is_some(),
        network_mode: service.network_mode.as_ref().map(|mode| mode.value.clone()),
        ports: service
            .ports
            .iter()
            .filter(|port| port.protocol == "tcp")
            .filter_map(|port| {
                Some(DeclaredPort {
                    container: u16::try_from(port.target).ok()?,
                    published: port.published.clone(),
                    host_ip: port.host_ip.clone(),
                    at: place(&port.at, directory),
                })
            })
            .collect(),
        mounts: service
            .volumes
            .iter()
            .map(|mount| DeclaredMount {
                kind: mount.kind.as_str().into(),
                source: mount.source.clone(),
                target: mount.target.clone(),
                read_only: mount.read_only,
                relative: mount.relative,
                create_host_path: mount.create_host_path,
                at: place(&mount.at, directory),
            })
            .chain(tmpfs)
            .collect(),
        volumes_at: service.volumes_block.as_ref().map(|at| place(at, directory)),
        environment: service
            .environment
            .iter()
            .map(|(name, variable)| entry(name, variable, directory, secrets))
            .collect(),
        data_dir,
        credentials_dir,
    }
}

fn entry(
    name: &str,
    variable: &Variable,
    directory: &Path,
    secrets: &mut Vec<(Secret, SecretPlace)>,
) -> EnvironmentEntry {
    let at = place(&variable.at, directory);
    let literal = matches!(variable.source, VariableSource::Literal | VariableSource::EnvFile);
    let value_at = variable
        .origin
        .as_ref()
        .map(|origin| place(origin, directory))
        .or_else(|| (literal && variable.value.is_some()).then(|| at.clone()));
    let value = match variable.value.as_deref() {
        None => EntryValue::Unset,
        Some("") => EntryValue::Blank,
        Some(text) if name == "INSTANCE_SECRET" => {
            let secret = Secret::new(text);
            let state = secret_state(&secret);
            let literal = value_at.as_ref().unwrap_or(&at);
            let place = SecretPlace::Compose { file: literal.file.clone(), line: literal.line };
            secrets.push((secret, place));
            EntryValue::Secret(state)
        }
        // A name is not a URL and not a secret, whatever characters it has.
        Some(text) if name == "INSTANCE_NAME" => EntryValue::Plain(crate::secret::sanitize(text)),
        Some(text) if is_plain(name) => EntryValue::Plain(crate::selection::facts::masked(text)),
        Some(text) => {
            // Not shown; known to the scrubber, because it may be a password.
            if crate::mask::names_a_secret(name) {
                drop(Secret::new(text));
            }
            EntryValue::Hidden
        }
    };
    EnvironmentEntry { name: name.to_owned(), at, value_at, value }
}

/// What an instance secret is, as the backend would find it.
fn secret_state(secret: &Secret) -> SecretState {
    match InstanceSecret::parse(secret) {
        Ok(_) => match Fingerprint::of_instance_secret(secret) {
            Some(fingerprint) => SecretState::Valid(fingerprint),
            None => SecretState::Invalid("not 64 hex digits".to_owned()),
        },
        Err(fault) => SecretState::Invalid(fault.to_string()),
    }
}

/// Variables of a backend whose values are not secrets, and that checks compare.
fn is_plain(name: &str) -> bool {
    matches!(
        name,
        "INSTANCE_NAME"
            | "DATA_DIR"
            | "CREDENTIALS_DIR"
            | "STORAGE_DIR"
            | "TMPDIR"
            | "CONVEX_CLOUD_ORIGIN"
            | "CONVEX_SITE_ORIGIN"
            | "DISABLE_BEACON"
            | "REDACT_LOGS_TO_CLIENT"
            | "DO_NOT_REQUIRE_SSL"
            | "DISABLE_METRICS_ENDPOINT"
            | "RUST_LOG"
    )
}
