//! Which engine: `-H` before DOCKER_HOST before a context before the usual sockets, as the `docker` command has it
//! (`facts/docker.md` §2.9). bollard 0.21 knows no contexts; this file can go when it does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::super::files::{self, FileText};

/// An engine's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `unix:///…`, `tcp://…`, `http://…`, `npipe://…`, `ssh://…`
    pub address: String,
    /// The context that names it.
    pub context: Option<String>,
    /// Something the reader should know, such as a configuration file that cannot be read.
    pub note: Option<String>,
}

impl Target {
    /// The address without a password.
    pub(super) fn shown(&self) -> String {
        crate::secret::sanitize(&crate::selection::facts::masked(&self.address))
    }

    /// Whether the engine runs on this machine.
    pub(super) fn is_local(&self) -> bool {
        let Some((scheme, rest)) = self.address.split_once("://") else { return true };
        match scheme {
            "unix" | "npipe" => true,
            _ => ["127.", "localhost", "[::1]"].iter().any(|start| rest.starts_with(start)),
        }
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints", default)]
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host")]
    host: Option<String>,
}

/// Finds the engine; the error says in one sentence why there is none.
pub(super) fn find(
    host: Option<&str>,
    context: Option<&str>,
    environment: &BTreeMap<String, String>,
) -> Result<Target, String> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let plain = |address: &str| Target { address: normal(address), context: None, note: None };
    match (host, context) {
        (Some(_), Some(_)) => return Err("both --host and --context are given".to_owned()),
        (Some(host), None) => return Ok(plain(host)),
        _ => {}
    }
    let home = variable("HOME").map(PathBuf::from);
    let directory = variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".docker")));
    if context.is_none() {
        if let Some(host) = variable("DOCKER_HOST") {
            return Ok(plain(host));
        }
    }
    let mut note = None;
    let chosen = context
        .map(str::to_owned)
        .or_else(|| variable("DOCKER_CONTEXT").cloned())
        .or_else(|| {
            let path = directory.as_ref()?.join("config.json");
            let FileText::Text(text) = files::read(&path) else { return None };
            match serde_json::from_str::<Config>(&text) {
                Ok(config) => config.current_context.filter(|name| !name.is_empty()),
                Err(_) => {
                    note = Some(format!("{} is no valid JSON and is ignored", path.display()));
                    None
                }
            }
        })
        .filter(|name| name != "default");
    match chosen {
        Some(name) => {
            let address = of_context(directory.as_deref(), &name)?;
            Ok(Target { address: normal(&address), context: Some(name), note })
        }
        None => Ok(Target { address: usual(home.as_deref(), environment), context: None, note }),
    }
}

fn of_context(directory: Option<&Path>, name: &str) -> Result<String, String> {
    let missing = || format!("the Docker context \"{}\" does not exist", crate::secret::sanitize(name));
    let digest = hex::encode(Sha256::digest(name));
    let path = directory.ok_or_else(missing)?.join("contexts/meta").join(digest).join("meta.json");
    let FileText::Text(text) = files::read(&path) else { return Err(missing()) };
    let meta: Meta = serde_json::from_str(&text)
        .map_err(|_| format!("{} is no valid JSON", path.display()))?;
    meta.endpoints
        .get("docker")
        .and_then(|endpoint| endpoint.host.clone())
        .ok_or_else(|| format!("the Docker context \"{name}\" names no engine"))
}

/// `/var/run/docker.sock`, or the first of the usual places that is there when it is not.
fn usual(home: Option<&Path>, environment: &BTreeMap<String, String>) -> String {
    const DEFAULT: &str = "/var/run/docker.sock";
    if files::exists(Path::new(DEFAULT)) {
        return format!("unix://{DEFAULT}");
    }
    let runtime = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let in_home = [
        ".docker/run/docker.sock",
        ".docker/desktop/docker.sock",
        ".colima/default/docker.sock",
        ".orbstack/run/docker.sock",
        ".rd/docker.sock",
    ];
    runtime
        .iter()
        .map(|runtime| runtime.join("docker.sock"))
        .chain(home.iter().flat_map(|home| in_home.map(|path| home.join(path))))
        .chain(runtime.iter().map(|runtime| runtime.join("podman/podman.sock")))
        .chain([PathBuf::from("/run/podman/podman.sock")])
        .find(|path| files::exists(path))
        .map_or_else(|| format!("unix://{DEFAULT}"), |path| format!("unix://{}", path.display()))
}

/// A bare path is a socket, and a bare host:port is TCP, as the `docker` command reads them.
fn normal(address: &str) -> String {
    if address.contains("://") {
        address.to_owned()
    } else if address.starts_with('/') {
        format!("unix://{address}")
    } else {
        format!("tcp://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_docker_command() {
        let home = tempfile::tempdir().unwrap();
        let meta = home.path().join(".docker/contexts/meta").join(hex::encode(Sha256::digest("colima")));
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///c.sock"}}}"#,
        )
        .unwrap();
        std::fs::write(home.path().join(".docker/config.json"), r#"{"currentContext":"colima"}"#)
            .unwrap();
        let environment = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let home = ("HOME", home.path().to_str().unwrap());
            pairs.iter().chain([&home]).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        for (host, context, pairs, expected) in [
            (Some("tcp://h:1"), None, vec![("DOCKER_HOST", "unix:///x")], Ok("tcp://h:1")),
            (None, None, vec![("DOCKER_HOST", "unix:///x"), ("DOCKER_CONTEXT", "no")], Ok("unix:///x")),
            (None, None, vec![], Ok("unix:///c.sock")),
            (None, Some("colima"), vec![("DOCKER_HOST", "unix:///x")], Ok("unix:///c.sock")),
            (None, None, vec![("DOCKER_CONTEXT", "gone")], Err(())),
            (Some("h:2375"), None, vec![], Ok("tcp://h:2375")),
            (Some("a"), Some("b"), vec![], Err(())),
        ] {
            let found = find(host, context, &environment(&pairs));
            assert_eq!(found.map(|one| one.address).map_err(|_| ()), expected.map(str::to_owned));
        }
    }
}
