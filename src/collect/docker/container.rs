//! One container as the engine shows it, reduced to facts: pure, and every secret met is taken into
//! custody on the way.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerInspectResponse, ContainerTopResponse, HostConfig, MountPoint, PortMap,
};

use crate::evidence::Observation;
use crate::evidence::docker::{
    BackendImage, Container, ContainerLabels, ContainerLife, ContainerNetwork, ContainerState,
    ContainerStorage, Mount, MountKind, Port, SecretState,
};
use crate::evidence::key::SecretPlace;
use crate::names::{
    CONFIG_FILES_LABEL, DATA_DIR, PROJECT_LABEL, S3_BUCKETS, SERVICE_LABEL, SQL_URLS, WORKDIR,
    WORKING_DIR_LABEL, is_anonymous_volume,
};
use crate::secret::{Fingerprint, Secret, sanitize, scrub};

/// What S3 needs in addition to the buckets.
const AWS_VARIABLES: [&str; 4] =
    ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Secrets, and where each was met.
pub type Secrets = Vec<(Secret, SecretPlace)>;

/// Everything `GET /containers/{id}/json` tells, without the places that need further calls.
pub fn reduce(
    inspect: &ContainerInspectResponse,
    recognised_by: &str,
    secrets: &mut Secrets,
) -> Container {
    let config = inspect.config.as_ref();
    let host = inspect.host_config.as_ref();
    let state = inspect.state.as_ref();
    let network = inspect.network_settings.as_ref();
    let labels = config.and_then(|config| config.labels.as_ref());
    let label = |name: &str| labels.and_then(|labels| labels.get(name)).cloned();
    let name = inspect.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();

    let env = environment(config.and_then(|config| config.env.as_deref()).unwrap_or_default());
    let set = |name: &str| env.get(name).copied().filter(|value| !value.is_empty());
    let workdir = config.and_then(|config| config.working_dir.as_deref());
    let workdir = workdir.filter(|path| path.starts_with('/')).unwrap_or(WORKDIR);
    let inside = |path| directory_inside(workdir, path);
    let data_dir = inside(set("DATA_DIR").unwrap_or(DATA_DIR));
    let credentials_dir = set("CREDENTIALS_DIR")
        .map_or_else(|| format!("{}/credentials", data_dir.trim_end_matches('/')), inside);

    let started_at = state.and_then(|state| seconds(state.started_at.as_deref()?));
    let finished_at = state.and_then(|state| seconds(state.finished_at.as_deref()?));
    let running = state.is_some_and(|state| state.running == Some(true));
    let words = [
        config.and_then(|config| config.entrypoint.clone()),
        config.and_then(|config| config.cmd.clone()),
    ];

    let mut container = Container {
        id: inspect.id.as_deref().unwrap_or_default().chars().take(12).collect(),
        cloud_origin: set("CONVEX_CLOUD_ORIGIN").map(sanitize),
        site_origin: set("CONVEX_SITE_ORIGIN").map(sanitize),
        labels: ContainerLabels {
            project: label(PROJECT_LABEL),
            service: label(SERVICE_LABEL),
            working_dir: label(WORKING_DIR_LABEL),
            config_files: label(CONFIG_FILES_LABEL)
                .map(|files| files.split(',').map(|file| file.trim().to_owned()).collect())
                .unwrap_or_default(),
            managed_by: labels.map(managed_by).unwrap_or_default(),
            ..ContainerLabels::default()
        },
        software: BackendImage {
            image: config.and_then(|config| config.image.clone()).unwrap_or_default(),
            recognised_by: recognised_by.to_owned(),
            upstream_entrypoint: words
                .into_iter()
                .flatten()
                .flatten()
                .any(|word| word.contains("run_backend.sh")),
            revision: label("org.opencontainers.image.revision"),
        },
        life: ContainerLife {
            state: state
                .and_then(|state| state.status)
                .map_or_else(ContainerState::default, |status| status.to_string().into()),
            exit_code: finished_at
                .filter(|_| !running)
                .and_then(|_| state.and_then(|state| state.exit_code)),
            health: state
                .and_then(|state| state.health.as_ref()?.status)
                .map(|health| health.to_string())
                .filter(|health| !health.is_empty() && health != "none")
                .map(Into::into),
            auto_remove: host.is_some_and(|host| host.auto_remove == Some(true)),
            oom_killed: state.is_some_and(|state| state.oom_killed == Some(true)),
            restarts: inspect.restart_count.unwrap_or_default(),
            created_at: inspect.created.as_deref().and_then(seconds),
            started_at,
            finished_at,
            ..ContainerLife::default()
        },
        net: ContainerNetwork {
            network_mode: host
                .and_then(|host| host.network_mode.clone())
                .filter(|mode| !mode.is_empty()),
            addresses: network
                .and_then(|network| network.networks.as_ref())
                .map(|networks| {
                    let mut addresses: Vec<String> = networks
                        .values()
                        .flat_map(|net| [net.ip_address.clone(), net.global_ipv6_address.clone()])
                        .flatten()
                        .filter(|address| !address.is_empty())
                        .collect();
                    addresses.sort();
                    addresses
                })
                .unwrap_or_default(),
            ports: ports(
                network.and_then(|network| network.ports.as_ref()),
                host.and_then(|host| host.port_bindings.as_ref()),
            ),
            networks: network
                .and_then(|network| network.networks.as_ref())
                .map(|networks| {
                    let mut names: Vec<String> =
                        networks.keys().map(|name| sanitize(name)).collect();
                    names.sort();
                    names
                })
                .unwrap_or_default(),
        },
        storage: ContainerStorage {
            credentials_written_at: None,
            mounts: mounts(
                inspect.mounts.as_deref().unwrap_or_default(),
                host.and_then(|host| host.tmpfs.as_ref()),
            ),
            uses_sql: SQL_URLS.into_iter().any(|name| set(name).is_some()),
            volumes_by_name: named_by_definition(host),
            uses_s3: S3_BUCKETS.into_iter().all(|name| set(name).is_some()),
            sql_url: SQL_URLS
                .into_iter()
                .find_map(|name| Some(super::super::sql_url::read(name, set(name)?))),
            storage_variables: SQL_URLS
                .into_iter()
                .chain(S3_BUCKETS)
                .chain(AWS_VARIABLES)
                .filter(|name| set(name).is_some())
                .map(str::to_owned)
                .collect(),
            data_dir,
            credentials_dir,
        },
        ..Container::default()
    };

    take_custody(&env);
    container.secret.environment = Observation::Seen(set("INSTANCE_SECRET").map(|text| {
        let place = SecretPlace::Environment { container: name.clone() };
        judge(text, place, secrets)
    }));
    container.instance_name.environment = Observation::Seen(set("INSTANCE_NAME").map(sanitize));
    // Only now that the secrets of its environment are known to the scrubber.
    container.life.start_error = state
        .and_then(|state| state.error.as_deref())
        .filter(|error| !error.is_empty())
        .map(|error| sanitize(&scrub(error)));
    let checks = state.and_then(|state| state.health.as_ref()?.log.as_ref());
    let last = checks.and_then(|checks| checks.last()?.output.as_deref());
    container.life.health_output = last.map(health_output).unwrap_or_default();
    container.name = name;
    container
}

/// The last lines of the output of a health check, without the progress table of curl.
fn health_output(output: &str) -> Vec<String> {
    const KEPT: usize = 3;
    let tells = |line: &&str| {
        let is_table = line.starts_with("% Total") || line.starts_with("Dload");
        let is_number =
            |word: &str| word.bytes().all(|b| b.is_ascii_digit() || b"-:.kMG".contains(&b));
        !line.is_empty() && !is_table && !line.split_whitespace().all(is_number)
    };
    // curl writes over a line of its table with carriage returns.
    let lines: Vec<&str> = output.split(['\n', '\r']).map(str::trim).filter(tells).collect();
    let last = &lines[lines.len().saturating_sub(KEPT)..];
    last.iter().map(|line| super::log::safe(line)).collect()
}

/// A place's text as the backend would take it; the text goes into custody, whatever it is.
pub(super) fn judge(text: &str, place: SecretPlace, secrets: &mut Secrets) -> SecretState {
    let secret = Secret::new(text);
    let state = Fingerprint::of_instance_secret(&secret)
        .map_or_else(|| SecretState::Invalid(fault(text)), SecretState::Valid);
    if !secret.is_empty() {
        secrets.push((secret, place));
    }
    state
}

/// What the backend says of a text that is not a secret (docs/facts.md, convex-secret-format),
/// without quoting any of it.
fn fault(text: &str) -> String {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() % 2 == 1 {
        return "Couldn't hexdecode key: odd number of digits".to_owned();
    }
    if let Some(at) = digits.bytes().position(|byte| !byte.is_ascii_hexdigit()) {
        return format!("Couldn't hexdecode key: no hex digit at position {at}");
    }
    format!("Hex-decoded key was {} bytes, not 32", digits.len() / 2)
}

/// The variables that are set. An entry without `=` is one that Compose passes through from
/// nowhere: not set.
fn environment(entries: &[String]) -> HashMap<&str, &str> {
    entries.iter().filter_map(|entry| entry.split_once('=')).collect()
}

/// Makes every value that may be secret known to the scrubber.
fn take_custody(env: &HashMap<&str, &str>) {
    for (name, value) in env {
        let name = name.to_ascii_uppercase();
        let telling = ["SECRET", "KEY", "TOKEN", "PASSWORD", "PASSWD"]
            .into_iter()
            .any(|part| name.contains(part));
        // A path to a secret is not one, and cutting it out would only hide where to look.
        if telling && !value.starts_with('/') {
            drop(Secret::new(*value));
        }
        // A password that is not percent-encoded may not be found in it.
        if SQL_URLS.contains(&name.as_str()) {
            drop(Secret::new(*value));
        }
        if let Some(password) = password_in_url(value) {
            drop(Secret::new(password));
            drop(Secret::new(*value));
        }
    }
}

/// `PASSWORD` of `scheme://user:PASSWORD@host`.
fn password_in_url(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let (_, password) = authority.rsplit_once('@')?.0.split_once(':')?;
    (!password.is_empty()).then_some(password)
}

/// What the process list says of the secret and the name in use; `Err` when there is no
/// backend in it.
pub(super) struct InForce {
    /// The value of `--instance-secret`.
    pub(super) secret: Option<String>,
    /// The value of `--instance-name`.
    pub(super) name: Option<String>,
}

/// Reads the backend's arguments from `docker top`. Its columns differ between engines; the backend
/// need not be PID 1.
pub(super) fn in_force(top: &ContainerTopResponse) -> Result<InForce, String> {
    let titles = top.titles.as_deref().unwrap_or_default();
    let column = titles
        .iter()
        .position(|title| matches!(title.as_str(), "CMD" | "COMMAND" | "ARGS"))
        .or_else(|| titles.len().checked_sub(1));
    let commands = top.processes.iter().flatten().filter_map(|process| match column {
        Some(column) => process.get(column).or_else(|| process.last()),
        None => process.last(),
    });
    let mut backend = None;
    for command in commands {
        // The CLI's own minting runs the same program for a moment.
        if command.contains("convex-local-backend") && !command.contains(" keygen ") {
            let given = |found: &InForce| found.secret.is_some();
            let found = InForce {
                secret: argument(command, "--instance-secret")
                    .map(|text| text.split(' ').next().unwrap_or_default().to_owned()),
                name: argument(command, "--instance-name").map(str::to_owned),
            };
            if backend.as_ref().is_none_or(|earlier| !given(earlier)) {
                backend = Some(found);
            }
        }
    }
    backend.ok_or_else(|| "no process of it is a convex-local-backend".to_owned())
}

/// The value of `--name value` or `--name=value`, up to the next option: the list joins arguments
/// with spaces.
fn argument<'a>(command: &'a str, name: &str) -> Option<&'a str> {
    let rest = command.split_once(name)?.1;
    let value = rest.strip_prefix('=').or_else(|| rest.strip_prefix(' '))?;
    let end = if value.starts_with("--") { 0 } else { value.find(" --").unwrap_or(value.len()) };
    Some(value[..end].trim_end_matches(['\n', '\r']).trim_end_matches(' '))
}

/// Seconds since 1970; `None` for the engine's "never", the year 1.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let at = text.parse::<jiff::Timestamp>().ok()?.as_second();
    (at > 0).then_some(at)
}

/// A path without its trailing slashes.
fn directory(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// A directory as `run_backend.sh` finds it: a relative path starts in the working directory.
pub fn directory_inside(workdir: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { workdir };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The labels by which panels and clusters mark what they run: coolify
/// `bootstrap/helpers/docker.php`, moby `daemon/cluster/executor/container/container.go`,
/// kubernetes `pkg/kubelet/types/labels.go`.
fn managed_by(labels: &HashMap<String, String>) -> BTreeMap<String, String> {
    const MARKS: [&str; 7] = [
        "coolify.managed",
        "coolify.type",
        "com.docker.stack.namespace",
        "com.docker.swarm.service.name",
        "io.kubernetes.container.name",
        "io.kubernetes.pod.name",
        "io.kubernetes.pod.namespace",
    ];
    MARKS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), sanitize(labels.get(name)?))))
        .collect()
}

/// All addresses of the host are written as an empty one.
pub(super) fn host_ip(address: Option<&str>) -> String {
    match address.unwrap_or_default() {
        "0.0.0.0" | "::" | "[::]" => String::new(),
        own => own.to_owned(),
    }
}

/// What is published now, or, of a container that does not run, what would be.
fn ports(now: Option<&PortMap>, planned: Option<&PortMap>) -> Vec<Port> {
    let mut ports = Vec::new();
    let now = now.filter(|now| now.values().any(Option::is_some));
    let exposed = planned.filter(|planned| !planned.is_empty());
    for (key, bindings) in now.or(exposed).into_iter().flatten() {
        let Some((port, "tcp")) = key.split_once('/').or(Some((key, "tcp"))) else { continue };
        let Ok(container) = port.parse() else { continue };
        let bindings = bindings.as_deref().unwrap_or_default();
        if bindings.is_empty() {
            ports.push(Port { container, host: None, host_ip: String::new() });
        }
        for binding in bindings {
            ports.push(Port {
                container,
                host: binding.host_port.as_deref().and_then(|port| port.parse().ok()),
                host_ip: host_ip(binding.host_ip.as_deref()),
            });
        }
    }
    ports.sort_by(|a, b| (a.container, a.host, &a.host_ip).cmp(&(b.container, b.host, &b.host_ip)));
    ports.dedup();
    ports
}

/// The targets whose volume the container's definition names.
fn named_by_definition(host: Option<&HostConfig>) -> Vec<String> {
    let Some(host) = host else { return Vec::new() };
    let short = host.binds.iter().flatten().filter_map(|bind| bind.split(':').nth(1));
    let long = host.mounts.iter().flatten().filter_map(|mount| {
        mount.source.as_deref().filter(|source| !source.is_empty()).and(mount.target.as_deref())
    });
    short.chain(long).map(directory).collect()
}

/// The mounts, and the short form of tmpfs that is elsewhere in the answer.
fn mounts(points: &[MountPoint], tmpfs: Option<&HashMap<String, String>>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = points
        .iter()
        .filter_map(|point| {
            let name = point.name.clone().filter(|name| !name.is_empty());
            let source = point.source.clone().filter(|source| !source.is_empty());
            let (kind, source) = match point.typ.as_deref().unwrap_or_default() {
                "tmpfs" => (MountKind::Tmpfs, None),
                "volume" | "cluster" => match name {
                    Some(name) if is_anonymous_volume(&name) => (MountKind::Anonymous, Some(name)),
                    name => (MountKind::Named, name.or(source)),
                },
                _ => (MountKind::Bind, source),
            };
            let target = directory(point.destination.as_deref()?);
            Some(Mount { kind, target, source, writable: point.rw != Some(false) })
        })
        .collect();
    for (target, mode) in tmpfs.into_iter().flatten() {
        let target = directory(target);
        if !mounts.iter().any(|mount| mount.target == target) {
            let writable = !mode.split(',').any(|option| option == "ro");
            mounts.push(Mount { kind: MountKind::Tmpfs, target, source: None, writable });
        }
    }
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use MountKind::{Anonymous, Bind, Named, Tmpfs};

    const SECRET: &str = "5a5b5c5d5e5f606162636465666768695a5b5c5d5e5f60616263646566676869";

    fn top(titles: &[&str], rows: &[&[&str]]) -> ContainerTopResponse {
        let owned = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect();
        ContainerTopResponse {
            titles: Some(owned(titles)),
            processes: Some(rows.iter().map(|row| owned(row)).collect()),
        }
    }

    #[test]
    fn the_secret_in_force_is_the_backend_s_own() {
        let long = format!(
            "./convex-local-backend --instance-name my app --instance-secret {SECRET} --port 3210"
        );
        let equals =
            format!("/x/convex-local-backend --instance-name=a --instance-secret={SECRET}");
        let last =
            format!("convex-local-backend --instance-secret {SECRET} /convex/data/db.sqlite3");
        for (case, titles, command, name) in [
            ("docker", ["PID", "CMD"], long.as_str(), Some("my app")),
            ("podman", ["USER", "COMMAND"], equals.as_str(), Some("a")),
            ("a path after it", ["PID", "CMD"], last.as_str(), None),
        ] {
            let list = top(&titles, &[&["1", "tini -- x"], &["7", command]]);
            let found = in_force(&list).expect(case);
            assert_eq!(found.secret.as_deref(), Some(SECRET), "{case}");
            assert_eq!(found.name.as_deref(), name, "{case}");
        }
        assert!(in_force(&top(&["CMD"], &[&["sleep 3"]])).is_err());
        let empty = top(&["CMD"], &[&["convex-local-backend --instance-secret  --port 1"]]);
        assert_eq!(in_force(&empty).unwrap().secret.as_deref(), Some(""));
        let minting =
            top(&["CMD"], &[&["convex-local-backend keygen admin-key --instance-secret 12"]]);
        assert!(in_force(&minting).is_err());
    }

    #[test]
    fn a_bad_secret_is_told_in_the_backend_s_words_and_not_quoted() {
        for (text, expected) in [
            ("", "0 bytes"),
            ("abc", "odd number"),
            ("hunter", "position 0"),
            ("abcd", "2 bytes"),
            (&format!("{SECRET}ff"), "33 bytes"),
        ] {
            let fault = fault(text);
            assert!(fault.contains(expected), "{text}: {fault}");
            assert!(text.is_empty() || !fault.contains(text));
        }
    }

    #[test]
    fn an_answer_becomes_facts() {
        let json = serde_json::json!({
            "Id": "0123456789abcdef", "Name": "/app-backend-1", "Created": "2026-01-02T03:04:05.6Z",
            "State": {"Status": "running", "Running": true, "StartedAt": "2026-01-02T03:04:06Z",
                "FinishedAt": "0001-01-01T00:00:00Z", "ExitCode": 0, "OOMKilled": false},
            "HostConfig": {"NetworkMode": "app_default", "Tmpfs": {"/convex/data/tmp/": "rw"}},
            "Mounts": [
                {"Type": "volume", "Name": "app_data", "Destination": "/convex/data", "RW": true},
                {"Type": "volume", "Name": "ab".repeat(32), "Destination": "/x", "RW": true},
                {"Type": "bind", "Source": "/srv", "Destination": "/y/", "RW": false}],
            "Config": {"Image": "ghcr.io/get-convex/convex-backend:latest",
                "Env": ["INSTANCE_NAME=app", "AWS_SESSION_TOKEN", format!("INSTANCE_SECRET={SECRET}"),
                    "POSTGRES_URL=postgres://u:containerpass@db:5432", "CONVEX_CLOUD_ORIGIN=http://h:3210"],
                "Entrypoint": ["./run_backend.sh"],
                "Labels": {"com.docker.compose.project": "app",
                    "com.docker.compose.project.config_files": "/a/compose.yaml,/a/o.yaml"}},
            "NetworkSettings": {
                "Ports": {"3210/tcp": [{"HostIp": "0.0.0.0", "HostPort": "3210"}, {"HostIp": "::", "HostPort": "3210"}],
                    "3211/tcp": null},
                "Networks": {"app_default": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": ""}}}
        });
        let inspect = serde_json::from_value(json).unwrap();
        let mut secrets = Secrets::new();
        let found = reduce(&inspect, "its image", &mut secrets);
        assert_eq!((found.name.as_str(), found.id.as_str()), ("app-backend-1", "0123456789ab"));
        assert_eq!(found.labels.config_files, ["/a/compose.yaml", "/a/o.yaml"]);
        assert!(
            found.software.upstream_entrypoint && found.storage.uses_sql && !found.storage.uses_s3
        );
        assert_eq!(found.storage.storage_variables, ["POSTGRES_URL"]);
        assert_eq!(found.storage.sql_url.as_ref().and_then(|url| url.host.as_deref()), Some("db"));
        assert_eq!((found.life.exit_code, found.life.finished_at), (None, None));
        assert_eq!(found.storage.credentials_dir, "/convex/data/credentials");
        assert_eq!(found.net.ports.len(), 2);
        assert_eq!(found.net.ports[0].host, Some(3210));
        let kinds: Vec<_> = found.storage.mounts.iter().map(|mount| mount.kind).collect();
        assert_eq!(kinds, [Named, Tmpfs, Anonymous, Bind]);
        assert_eq!(found.instance_name.environment, Observation::Seen(Some("app".to_owned())));
        assert_eq!(secrets.len(), 1);
        let json = serde_json::to_string(&found).unwrap();
        assert!(!json.contains(SECRET) && !json.contains("containerpass"));
        assert!(!scrub("x containerpass y").contains("containerpass"));
    }

    #[test]
    fn a_health_check_is_quoted_without_its_progress() {
        let not_found = r#"OCI runtime exec failed: exec failed: unable to start container process: exec: "nonesuch": executable file not found in $PATH: unknown"#;
        let curl = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 Dload  Upload   Total   Spent    Left  Speed\n\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\ncurl: (7) Failed to connect to localhost port 3210 after 0 ms: Couldn't connect to server\n";
        for (output, expected) in [
            (not_found, vec![not_found]),
            (
                curl,
                vec![
                    "curl: (7) Failed to connect to localhost port 3210 after 0 ms: Couldn't connect to server",
                ],
            ),
            ("a\nb\nc\nd\n", vec!["b", "c", "d"]),
            ("", vec![]),
        ] {
            assert_eq!(health_output(output), expected);
        }
    }

    #[test]
    fn an_empty_answer_is_no_panic() {
        let found = reduce(&ContainerInspectResponse::default(), "", &mut Secrets::new());
        assert_eq!(found.storage.data_dir, "/convex/data");
    }
}
