//! Which engine to ask, decided as the docker command decides it: `-H`, DOCKER_HOST, `--context`,
//! DOCKER_CONTEXT, the current context of `config.json`, the default. It only reads files; it
//! connects to nothing.
//!
//! bollard 0.21.1 knows no contexts; its successor does, and may one day replace this file.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{DockerOptions, SshTarget, Unasked};
use crate::evidence::docker::EngineFailure;
use crate::names;

/// The socket that docker itself uses by default.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// The same on Windows.
const DEFAULT_PIPE: &str = "npipe:////./pipe/docker_engine";

/// The engine to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineTarget {
    /// Its address for the reader, a password masked.
    pub address: String,
    /// The context that names it; `None` for `-H`, DOCKER_HOST and the default.
    pub context: Option<String>,
    /// Whether it is on this machine: a Unix socket or a loopback address.
    pub local: bool,
    /// How to reach it.
    pub transport: Transport,
    /// What a reader should know about how it was chosen.
    pub notes: Vec<String>,
}

/// How an engine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket.
    Unix(PathBuf),
    /// A named pipe of Windows: `\\.\pipe\docker_engine`.
    Pipe(String),
    /// Plain HTTP to `host:port`.
    Http(String),
    /// TLS to `host:port`, with `ca.pem`, `cert.pem` and `key.pem` in the directory.
    Tls(String, PathBuf),
    /// `docker system dial-stdio` over ssh.
    Ssh(SshTarget),
}

/// Chooses the engine. An `Err` says in words for the reader why none could be chosen.
pub fn resolve(
    options: &DockerOptions,
    env: &BTreeMap<String, String>,
) -> Result<EngineTarget, Unasked> {
    let mut target = choose(options, env)?;
    if let Transport::Ssh(ssh) = &mut target.transport {
        ssh.path = env.get("PATH").cloned();
    }
    Ok(target)
}

fn choose(
    options: &DockerOptions,
    env: &BTreeMap<String, String>,
) -> Result<EngineTarget, Unasked> {
    let var = |name: &str| env.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let config_dir = config_dir(env);
    // DOCKER_TLS alone means to docker that the certificate is not looked at; here it always is.
    let verify = var("DOCKER_TLS_VERIFY").or(var("DOCKER_TLS")).is_some();
    let certs = verify
        .then(|| var("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| config_dir.clone()))
        .flatten();

    if let Some(host) = options.host.as_deref().filter(|host| !host.is_empty()) {
        if options.context.is_some() {
            let reason = "conflicting options: both --host and --context are given";
            return Err(refused(reason, &mask(host), None));
        }
        return target(host, None, certs, Vec::new());
    }
    if let Some(host) = var("DOCKER_HOST").filter(|_| options.context.is_none()) {
        return target(host, None, certs, Vec::new());
    }

    let mut notes = Vec::new();
    let name = options
        .context
        .clone()
        .or_else(|| var("DOCKER_CONTEXT").map(str::to_owned))
        .or_else(|| current_context(config_dir.as_deref(), &mut notes));
    match name {
        Some(name) if name != "default" && !name.is_empty() => {
            named(&name, config_dir.as_deref(), notes)
        }
        _ => Ok(default_target(env, notes)),
    }
}

/// More contexts than this are not asked.
const MOST_CONTEXTS: usize = 8;

/// The other contexts that docker knows, by name, `default` among them: each with its engine, or
/// why it cannot be asked. Those that lead to the engine of `current` are left out.
pub(super) fn others(
    current: &EngineTarget,
    env: &BTreeMap<String, String>,
) -> Vec<(String, Result<EngineTarget, Unasked>)> {
    let config_dir = config_dir(env);
    let meta = config_dir.as_deref().map(|dir| dir.join("contexts").join("meta"));
    let mut names: Vec<String> = meta
        .and_then(|meta| std::fs::read_dir(meta).ok())
        .into_iter()
        .flatten()
        .take(4 * MOST_CONTEXTS)
        .filter_map(|entry| {
            let text = read(&entry.ok()?.path().join("meta.json")).ok()?;
            let meta = serde_json::from_str::<Value>(&text).ok()?;
            meta["Name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
        })
        .collect();
    names.sort();
    let named = names.into_iter().map(|name| {
        let target = named(&name, config_dir.as_deref(), Vec::new());
        (name, target)
    });
    let default = ("default".to_owned(), Ok(default_target(env, Vec::new())));
    let mut seen = vec![current.transport.clone()];
    std::iter::once(default)
        .chain(named)
        .filter(|(_, target)| match target {
            Ok(target) => {
                let new = !seen.contains(&target.transport);
                seen.push(target.transport.clone());
                new
            }
            Err(_) => true,
        })
        // A socket that is not there is not an engine.
        .filter(|(_, target)| match target.as_ref().map(|target| &target.transport) {
            Ok(Transport::Unix(path)) => path.exists(),
            _ => true,
        })
        .take(MOST_CONTEXTS)
        .collect()
}

/// Where docker keeps its configuration.
fn config_dir(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
    var("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| var(names::HOME).map(|home| Path::new(home).join(".docker")))
}

/// `currentContext` of `config.json`. Docker goes on with the default when the file is broken, and
/// so does this.
fn current_context(config_dir: Option<&Path>, notes: &mut Vec<String>) -> Option<String> {
    let path = config_dir?.join("config.json");
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            notes.push(format!("{} cannot be read: {error}", path.display()));
            return None;
        }
    };
    // The error of serde could quote what stands there: credentials of a registry, perhaps.
    let Ok(config) = serde_json::from_str::<Value>(&text) else {
        notes.push(format!(
            "{} is not JSON; docker warns, and uses the default context",
            path.display()
        ));
        return None;
    };
    config["currentContext"].as_str().map(str::to_owned)
}

/// The engine of a context that has a name.
fn named(
    name: &str,
    config_dir: Option<&Path>,
    notes: Vec<String>,
) -> Result<EngineTarget, Unasked> {
    let digest = hex::encode(Sha256::digest(name.as_bytes()));
    let dir = config_dir.unwrap_or(Path::new(".docker")).join("contexts");
    let path = dir.join("meta").join(&digest).join("meta.json");
    let text = read(&path).map_err(|error| {
        let reason = if error.kind() == std::io::ErrorKind::NotFound {
            format!("the docker context \"{name}\" does not exist ({})", path.display())
        } else {
            format!("the docker context \"{name}\" cannot be read: {}: {error}", path.display())
        };
        refused(reason, "", Some(name))
    })?;
    let host = serde_json::from_str::<Value>(&text).ok().and_then(|meta| {
        meta["Endpoints"]["docker"]["Host"]
            .as_str()
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
    });
    let Some(host) = host else {
        let reason = format!(
            "the docker context \"{name}\" does not name a Docker host ({})",
            path.display()
        );
        return Err(refused(reason, "", Some(name)));
    };
    let certs = dir.join("tls").join(&digest).join("docker");
    let is_there = ["ca.pem", "cert.pem", "key.pem"].iter().any(|it| certs.join(it).is_file());
    let certs = is_there.then_some(certs);
    target(&host, Some(name), certs, notes)
}

/// The default socket, or, where that is missing, the first socket that another kind of engine puts
/// elsewhere.
fn default_target(env: &BTreeMap<String, String>, mut notes: Vec<String>) -> EngineTarget {
    if cfg!(windows) {
        return EngineTarget {
            address: DEFAULT_PIPE.to_owned(),
            context: None,
            local: true,
            transport: Transport::Pipe(pipe(DEFAULT_PIPE)),
            notes,
        };
    }
    let default = PathBuf::from(DEFAULT_SOCKET);
    let mut chosen = default.clone();
    if !default.exists() {
        let runtime = env.get("XDG_RUNTIME_DIR").map(PathBuf::from);
        let home = env.get(names::HOME).map(PathBuf::from);
        let elsewhere = [
            (&runtime, "docker.sock"),
            (&home, ".docker/run/docker.sock"),
            (&home, ".docker/desktop/docker.sock"),
            (&home, ".colima/default/docker.sock"),
            (&home, ".colima/docker.sock"),
            (&home, ".orbstack/run/docker.sock"),
            (&home, ".rd/docker.sock"),
            (&runtime, "podman/podman.sock"),
        ];
        let found = elsewhere
            .into_iter()
            .filter_map(|(base, path)| base.as_ref().map(|base| base.join(path)))
            .chain([PathBuf::from("/run/podman/podman.sock")])
            .find(|path| path.exists());
        if let Some(found) = found {
            notes.push(format!("{DEFAULT_SOCKET} does not exist; asked {}", found.display()));
            chosen = found;
        }
    }
    EngineTarget {
        address: format!("unix://{}", chosen.display()),
        context: None,
        local: true,
        transport: Transport::Unix(chosen),
        notes,
    }
}

/// The name that Windows has for the pipe of an address.
fn pipe(address: &str) -> String {
    address.trim_start_matches("npipe://").replace('/', "\\")
}

/// Reads an address as docker writes it.
fn target(
    host: &str,
    context: Option<&str>,
    certs: Option<PathBuf>,
    notes: Vec<String>,
) -> Result<EngineTarget, Unasked> {
    let address = mask(host);
    let (scheme, rest) = host.split_once("://").unwrap_or(("", host));
    let (local, transport) = match scheme {
        "unix" => {
            let path = if rest.is_empty() { DEFAULT_SOCKET } else { rest };
            (true, Transport::Unix(PathBuf::from(path)))
        }
        // A bare path or `host:port` is what docker takes for -H and DOCKER_HOST, too.
        "" if rest.starts_with('/') => (true, Transport::Unix(PathBuf::from(rest))),
        "tcp" | "http" | "https" | "" => {
            let tls = scheme == "https" || certs.is_some();
            let default_port = if tls { 2376 } else { 2375 };
            let authority = rest.split('/').next().unwrap_or_default();
            // A name and password mean nothing to an engine, and would go out in the Host header.
            let authority = authority.rsplit('@').next().unwrap_or_default();
            let authority = with_port(authority, default_port);
            let local = is_loopback(&authority);
            match certs {
                Some(dir) => (local, Transport::Tls(authority, dir)),
                None if tls => {
                    let reason = format!(
                        "{address} needs TLS, but there are no certificates for it (DOCKER_CERT_PATH)"
                    );
                    return Err(refused(reason, &address, context));
                }
                None => (local, Transport::Http(authority)),
            }
        }
        "ssh" => match SshTarget::parse(rest) {
            Ok(ssh) => (false, Transport::Ssh(ssh)),
            Err(reason) => {
                return Err(refused(format!("{address}: {reason}"), &address, context));
            }
        },
        "npipe" if cfg!(windows) => (true, Transport::Pipe(pipe(host))),
        other => {
            let reason = format!("{address}: addresses with {other}:// are not supported");
            return Err(refused(reason, &address, context));
        }
    };
    let context = context.map(str::to_owned);
    Ok(EngineTarget { address, context, local, transport, notes })
}

fn refused(reason: impl Into<String>, address: &str, context: Option<&str>) -> Unasked {
    Unasked {
        failure: EngineFailure::NotAsked,
        reason: reason.into(),
        address: address.to_owned(),
        context: context.map(str::to_owned),
    }
}

/// `host:port`, the port added where there is none.
fn with_port(authority: &str, default: u16) -> String {
    let authority = if authority.is_empty() { "127.0.0.1" } else { authority };
    let after_bracket = authority.rsplit(']').next().unwrap_or_default();
    match after_bracket.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
        _ => format!("{}:{default}", authority.trim_end_matches(':')),
    }
}

/// Whether `host:port` is on this machine, judged by its text.
fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address without the password that may be in it.
fn mask(host: &str) -> String {
    let (scheme, rest) = match host.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), host),
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rsplit_once('@') {
        Some((user, _)) => match user.split_once(':') {
            Some((user_name, _)) => {
                format!("{scheme}{user_name}:***{}", &rest[user.len()..])
            }
            None => host.to_owned(),
        },
        None => host.to_owned(),
    }
}

/// The text of a configuration file of sensible size.
fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = crate::files::open(path)?;
    file.take(crate::budget::PEM_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > crate::budget::PEM_BYTES {
        return Err(std::io::Error::other("no configuration file"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        for (name, host) in [("colima", "unix:///colima.sock"), ("far", "ssh://me@far")] {
            let digest = hex::encode(Sha256::digest(name.as_bytes()));
            let dir = docker.join("contexts/meta").join(digest);
            std::fs::create_dir_all(&dir).unwrap();
            let meta = serde_json::json!({"Name": name, "Endpoints": {"docker": {"Host": host}}});
            std::fs::write(dir.join("meta.json"), meta.to_string()).unwrap();
        }
        std::fs::write(docker.join("config.json"), r#"{"currentContext":"colima"}"#).unwrap();
        home
    }

    #[test]
    fn the_order_is_docker_s() {
        let home = home();
        let home = home.path().to_str().unwrap();
        for (case, host, context, vars, expected) in [
            ("current context", None, None, vec![], "unix:///colima.sock"),
            ("default overrides", None, None, vec![("DOCKER_CONTEXT", "default")], "unix://"),
            (
                "DOCKER_HOST beats DOCKER_CONTEXT",
                None,
                None,
                vec![("DOCKER_HOST", "tcp://1.2.3.4:1"), ("DOCKER_CONTEXT", "gone")],
                "tcp://1.2.3.4:1",
            ),
            (
                "-H beats all",
                Some("unix:///x"),
                None,
                vec![("DOCKER_HOST", "tcp://h")],
                "unix:///x",
            ),
            (
                "--context beats DOCKER_CONTEXT",
                None,
                Some("colima"),
                vec![("DOCKER_CONTEXT", "gone")],
                "unix:///colima.sock",
            ),
            ("by ssh", None, Some("far"), vec![], "ssh://me@far"),
            ("empty DOCKER_HOST", None, None, vec![("DOCKER_HOST", "")], "unix:///colima.sock"),
        ] {
            let mut env = env(&vars);
            env.insert("HOME".to_owned(), home.to_owned());
            let options = DockerOptions {
                host: host.map(str::to_owned),
                context: context.map(str::to_owned),
                ..DockerOptions::default()
            };
            let target = resolve(&options, &env).map_err(|refused| refused.reason).expect(case);
            assert!(target.address.starts_with(expected), "{case}: {}", target.address);
        }
    }

    #[test]
    fn the_other_contexts_are_those_that_lead_elsewhere() {
        let home = home();
        let socket = home.path().join("there.sock");
        std::fs::write(&socket, "").unwrap();
        let meta = home.path().join(".docker/contexts/meta/there");
        std::fs::create_dir_all(&meta).unwrap();
        let digest = hex::encode(Sha256::digest("there"));
        let meta = meta.with_file_name(digest);
        std::fs::create_dir_all(&meta).unwrap();
        let host = format!("unix://{}", socket.display());
        let json = serde_json::json!({"Name": "there", "Endpoints": {"docker": {"Host": host}}});
        std::fs::write(meta.join("meta.json"), json.to_string()).unwrap();
        let env = env(&[("HOME", home.path().to_str().unwrap())]);
        let names = |current: &str| -> Vec<String> {
            let current = target(current, None, None, Vec::new()).unwrap();
            let others = others(&current, &env).into_iter();
            others.map(|(name, _)| name).filter(|name| name != "default").collect()
        };
        // The socket of `colima` is not there; `far` is there and cannot be asked.
        assert_eq!(names("unix:///x.sock"), ["far", "there"]);
        assert_eq!(names(&host), ["far"]);
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        let home = home();
        let home = home.path().to_str().unwrap();
        for (vars, expected) in [
            (vec![("DOCKER_CONTEXT", "gone")], "context \"gone\" does not exist"),
            (vec![("DOCKER_HOST", "ssh://me:pw@far")], "password"),
            (vec![("DOCKER_HOST", "npipe:////./pipe/docker_engine")], "npipe://"),
            (vec![("DOCKER_HOST", "https://h")], "no certificates"),
        ] {
            let mut env = env(&vars);
            env.insert("HOME".to_owned(), home.to_owned());
            let refused = resolve(&DockerOptions::default(), &env).unwrap_err();
            assert_eq!(refused.failure, EngineFailure::NotAsked);
            assert!(refused.reason.contains(expected), "{}", refused.reason);
        }
    }

    #[test]
    fn broken_configuration_falls_back_to_the_default_and_is_told() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.json"), "{\"auths\": hunter2").unwrap();
        let env = env(&[("DOCKER_CONFIG", home.path().to_str().unwrap())]);
        let target = resolve(&DockerOptions::default(), &env).unwrap();
        assert!(target.local && target.context.is_none());
        assert!(target.notes[0].contains("not JSON") && !target.notes[0].contains("hunter2"));
    }

    #[test]
    fn addresses_are_read_and_passwords_masked() {
        for (host, address, local, transport) in [
            ("tcp://127.0.0.1", "tcp://127.0.0.1", true, "127.0.0.1:2375"),
            ("tcp://u:pw@h:9", "tcp://u:***@h:9", false, "h:9"),
            ("tcp://[::1]:2375", "tcp://[::1]:2375", true, "[::1]:2375"),
            ("http://[fe80::1]", "http://[fe80::1]", false, "[fe80::1]:2375"),
            ("localhost:2375", "localhost:2375", true, "localhost:2375"),
        ] {
            let target = target(host, None, None, Vec::new()).unwrap();
            assert_eq!((target.address.as_str(), target.local), (address, local));
            assert_eq!(target.transport, Transport::Http(transport.to_owned()));
        }
    }
}
