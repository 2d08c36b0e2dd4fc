//! A project reduced to what checks ask. What is Convex about it is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{network_mounts, place::place, services};
use crate::admin_key::InstanceSecret;
use crate::collect::docker::{self, directory_inside};
use crate::compose::{self, NameSource, Project, Service, Variable, VariableSource, WarningKind};
use crate::evidence::compose::{
    BackendService, ComposeFacts, ComposeIssue, DeclaredMount, DeclaredMountKind, DeclaredPort,
    DeclaredVolume, EntryValue, EnvironmentEntry,
};
use crate::evidence::docker::{SecretState, VolumeBacking};
use crate::evidence::key::SecretPlace;
use crate::names::{API_PORT, DATA_DIR, INSTANCE_NAME, INSTANCE_SECRET, WORKDIR};
use crate::report::ComposeFlags;
use crate::secret::{Fingerprint, Secret};

/// Variables that only the backend reads.
const BACKEND_VARIABLES: [&str; 5] = [
    "CONVEX_CLOUD_ORIGIN",
    "CONVEX_SITE_ORIGIN",
    INSTANCE_NAME,
    INSTANCE_SECRET,
    "DO_NOT_REQUIRE_SSL",
];

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
        own_name: None,
        plain_project: None,
        sql_urls,
        databases: services::databases(project, directory),
        dashboards: services::dashboards(project, directory),
        wait_for_healthy: services::wait_for_healthy(project, chosen.as_deref()),
        undecided: services::undecided(project, &backends, directory),
        panel_marks: services::panel_marks(project),
        reads: reads(project),
        other_env_files: !project.own_env_file,
        network_mounts: network_mounts::find(project),
        project: project.name.value.clone(),
        name_from_directory: project.name_source == NameSource::Directory,
        directory: project.directory.display().to_string(),
        files: project.files.iter().map(|path| path.display().to_string()).collect(),
        errors: Vec::new(),
        warnings: warnings(project, &names, directory),
        names_backend: false,
        services: project.services.keys().cloned().collect(),
        flags: ComposeFlags::default(),
        found: None,
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
                by_project: volume.by_project.clone(),
                fixed_name: volume.external
                    || (volume.name.at.is_some() && volume.by_project.is_none()),
                backing: backing(volume),
                at: place(&volume.at, directory),
            })
            .collect(),
    }
}

/// How many variables, ports and mounts the backends have: each becomes evidence, and a part of the
/// report.
pub(super) fn parts_of_backends(project: &Project) -> usize {
    /// What a service counts for itself.
    const SERVICE: usize = 10;
    let backends = project.services.values().filter(|service| recognise(service).is_some());
    backends.map(|one| SERVICE + one.environment.len() + one.ports.len() + one.volumes.len()).sum()
}

/// The names of all variables that the project reads from the shell or a file.
fn reads(project: &Project) -> Vec<String> {
    let variables = project.services.values().flat_map(|service| &service.environment);
    let passed = variables.filter(|(_, variable)| {
        matches!(variable.source, VariableSource::EnvFile | VariableSource::Passthrough)
    });
    let names = project.names.iter().chain(passed.map(|(name, _)| name));
    names.map(|name| crate::secret::sanitize(name)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What Compose warns of; of a variable that is set nowhere the places in all files, because
/// Compose names it once.
fn warnings(project: &Project, backends: &[&str], directory: &Path) -> Vec<ComposeIssue> {
    let services = backends.iter().filter_map(|name| project.services.get(*name));
    let volumes = services.clone().flat_map(|service| &service.volumes);
    let volumes = volumes.filter_map(|mount| project.volumes.get(mount.source.as_ref()?));
    let mut places: BTreeSet<&compose::At> = services.flat_map(|service| &service.unset).collect();
    places.extend(volumes.filter_map(|volume| volume.name.at.as_ref()));
    let of_backend = |at: &compose::At| places.contains(at);
    let mut unset: BTreeMap<&str, Vec<&compose::At>> = BTreeMap::new();
    for (name, at) in &project.unset {
        unset.entry(name).or_default().push(at);
    }
    let issue = |message: &str, at: Option<&compose::At>, variable: Option<&String>| ComposeIssue {
        message: crate::secret::sanitize(message),
        at: at.map(|at| place(at, directory)),
        variable: variable.cloned(),
        of_backend: at.is_some_and(of_backend),
        in_value: false,
        line: None,
    };
    let mut issues: Vec<ComposeIssue> = Vec::new();
    for warning in &project.warnings {
        let WarningKind::UnsetVariable { name } = &warning.kind else {
            issues.push(issue(&warning.message, warning.at.as_ref(), None));
            continue;
        };
        // Of each file the backend's place, else the first.
        let places = unset.get(name.as_str()).into_iter().flatten();
        let mut files: BTreeMap<&Path, ComposeIssue> = BTreeMap::new();
        for at in places {
            let new = issue(&warning.message, Some(at), Some(name));
            let known = files.entry(&at.file).or_insert_with(|| new.clone());
            if new.of_backend && !known.of_backend {
                *known = new;
            }
        }
        issues.extend(files.into_values());
    }
    issues
}

fn backing(volume: &compose::Volume) -> VolumeBacking {
    let option = |name: &str| volume.driver_opts.get(name).map_or("", String::as_str);
    let device = crate::secret::sanitize(option("device"));
    let driver = volume.driver.as_deref().unwrap_or_default();
    VolumeBacking::of(driver, option("type"), &device, volume.device_is_relative)
}

/// By its image, its entrypoint or its command; never by its name alone.
pub(super) fn recognise(service: &Service) -> Option<String> {
    if let Some(image) = &service.image
        && docker::recognise::is_backend_image(&image.value)
    {
        return Some(format!("image {}", crate::secret::sanitize(&image.value)));
    }
    let words = [("entrypoint", &service.entrypoint), ("command", &service.command)];
    let by_words = words.into_iter().find_map(|(what, words)| {
        let words = words.as_ref()?;
        let runs = |word: &String| {
            word.ends_with("run_backend.sh") || word.ends_with("convex-local-backend")
        };
        words.value.iter().any(runs).then(|| format!("its {what} runs a Convex backend"))
    });
    by_words.or_else(|| by_signs(service))
}

/// A custom image is recognized by two of three signs: a container that only backs the data up has
/// the mount, and any program may use the port.
fn by_signs(service: &Service) -> Option<String> {
    if service
        .image
        .as_ref()
        .is_some_and(|image| docker::recognise::is_dashboard_image(&image.value))
    {
        return None;
    }
    let mounts = service.volumes.iter().any(|mount| mount.target.starts_with(DATA_DIR));
    let port = service.ports.iter().any(|port| port.target == u32::from(API_PORT));
    let set = |name: &&&str| service.environment.contains_key(**name);
    let variable = BACKEND_VARIABLES.iter().find(set);
    let signs = [
        mounts.then(|| format!("a mount at {DATA_DIR}")),
        port.then(|| format!("port {API_PORT}")),
        variable.map(|name| format!("variable {name}")),
    ];
    let signs: Vec<String> = signs.into_iter().flatten().collect();
    (signs.len() > 1).then(|| signs.join(" and "))
}

fn backend(
    name: &str,
    service: &Service,
    recognised_by: String,
    directory: &Path,
    secrets: &mut Vec<(Secret, SecretPlace)>,
) -> BackendService {
    let workdir = service.working_dir.as_deref().unwrap_or(WORKDIR);
    let value = |variable: &str| {
        let value = service.environment.get(variable)?.value.as_deref()?;
        (!value.is_empty()).then(|| directory_inside(workdir, value))
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
        by_project: None,
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
                by_project: mount.by_project.clone(),
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
    // The one place to change it; the digits of a secret are not there.
    let composed = variable.composed && name != INSTANCE_SECRET;
    let value_at = value_at.or_else(|| composed.then(|| at.clone()));
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
            if crate::foreign::names_a_secret(name) {
                drop(Secret::new(text));
            }
            EntryValue::Hidden
        }
    };
    let variable = variable.variable.clone();
    EnvironmentEntry { name: name.to_owned(), at, value_at, variable, value }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::ProjectRequest;
    use crate::collect::texts::FileTexts;

    /// The services of this text that are taken for backends.
    fn backends(services: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("compose.yaml"), services).unwrap();
        let (asked, environment) = (ProjectRequest::default(), std::collections::BTreeMap::new());
        let texts = FileTexts::default();
        let project = super::super::load(&asked, directory.path(), &environment, &texts).unwrap();
        let facts = reduce(&project, directory.path(), None, &mut Vec::new());
        facts.backends.into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_custom_image_is_recognized_by_two_signs() {
        let own = |body: &str| backends(&format!("services: {{x: {{build: ., {body}}}}}"));
        let none: [&str; 0] = [];
        assert_eq!(own("ports: ['8080:3210'], volumes: ['./data:/convex/data']"), ["x"]);
        assert_eq!(own("ports: ['3210:3210'], environment: [INSTANCE_SECRET]"), ["x"]);
        assert_eq!(
            own("volumes: ['./data:/convex/data/storage'], environment: {CONVEX_CLOUD_ORIGIN: a}"),
            ["x"]
        );
        // A backup has the mount, another program the port.
        assert_eq!(own("volumes: ['./data:/convex/data:ro']"), none);
        assert_eq!(own("ports: ['3210:3210']"), none);
        assert_eq!(own("environment: [INSTANCE_NAME]"), none);
    }
}
