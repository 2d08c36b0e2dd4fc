//! What `inspect` shows: the selection, the compose project, the instances on the engine.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::evidence::compose::ComposeIssue;
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::key::SecretPlace;
use crate::evidence::{DockerFacts, KeyFacts, SelectionFacts};
use crate::secret::{Fingerprint, sanitize};

/// The selection for a reader.
pub fn selection(facts: &SelectionFacts) -> String {
    let mut out = format!("{}\n", facts.kind.as_str());
    if let Some(url) = &facts.url {
        let _infallible = writeln!(out, "  url   {}  ({})", sanitize(&url.text), url.source);
    }
    if let (Some(key), Some(source)) = (&facts.admin_key, &facts.admin_key_source) {
        let fingerprint =
            key.fingerprint.as_ref().map_or("no well-shaped key", Fingerprint::as_str);
        let _infallible =
            writeln!(out, "  key   {fingerprint}, {} characters  ({source})", key.length);
    }
    if let Some(message) = &facts.message {
        let _infallible = writeln!(out, "  {}", sanitize(message));
    }
    for variable in &facts.variables {
        for definition in variable.definitions.iter().filter(|definition| !definition.wins) {
            let empty = if definition.empty { " (empty)" } else { "" };
            let _infallible =
                writeln!(out, "  hidden: {}{empty} at {}", variable.name, definition.source);
        }
    }
    out
}

/// The faults of a compose project for a reader: each sentence over the line it is about.
pub fn issues(issues: &[ComposeIssue], width: usize) -> String {
    let mut out = String::new();
    for (index, issue) in issues.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for line in super::text::wrap(&sanitize(&issue.message), width) {
            let _infallible = writeln!(out, "{line}");
        }
        if let Some(at) = &issue.at {
            out.push_str(&super::excerpt::of_issue(at, issue.line.as_ref(), width));
        }
    }
    out
}

/// A JSON value as indented lines, without the noise of JSON.
pub fn yaml(value: &Value) -> String {
    let text = serde_yaml::to_string(value).unwrap_or_default();
    text.lines().fold(String::new(), |mut out, line| {
        out.push_str(&sanitize(line));
        out.push('\n');
        out
    })
}

/// The instances as `inspect instances --format json` has them.
pub fn instances_json(docker: &DockerFacts, keys: &[KeyFacts]) -> Value {
    let instances: Vec<Value> = docker
        .backends
        .iter()
        .map(|container| {
            let secret = in_force(container);
            json!({
                "container": container.name,
                "project": container.project,
                "service": container.service,
                "instance_name": name(container),
                "state": container.state,
                "ports": container.ports,
                "volume": container.mount_over(&container.credentials_dir).and_then(|mount| mount.source.clone()),
                "secret_fingerprint": secret,
                "opens_key": secret.and_then(|secret| opens(secret, keys)),
            })
        })
        .collect();
    let detached: Vec<Value> = docker
        .volumes
        .seen()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|volume| volume.attached_to.is_empty())
        .map(|volume| {
            json!({
                "volume": volume.name,
                "project": volume.project,
                "changed_at": volume.changed_at.and_then(|time| jiff::Timestamp::from_second(time).ok()).map(|time| time.to_string()),
                "secret_fingerprint": null,
                "opens_key": null,
            })
        })
        .collect();
    json!({"instances": instances, "detached_volumes": detached})
}

/// The instances for a reader.
pub fn instances(docker: &DockerFacts, keys: &[KeyFacts]) -> String {
    if docker.backends.is_empty() {
        return format!("no Convex backend on {}\n", sanitize(&docker.address));
    }
    let mut out = String::new();
    for container in &docker.backends {
        let secret = in_force(container);
        let opens = match secret.and_then(|secret| opens(secret, keys)) {
            Some(true) => ", opens the selected key",
            Some(false) => ", does not open the selected key",
            None => "",
        };
        let mut ports: Vec<String> = container
            .ports
            .iter()
            .filter_map(|port| Some(format!("{}→{}", port.host?, port.container)))
            .collect();
        ports.dedup();
        let _infallible = writeln!(
            out,
            "{}  {}  {}  secret {}{opens}\n  project {}, ports {}, data in {}",
            sanitize(&container.name),
            container.state,
            sanitize(name(container).unwrap_or("name not seen")),
            secret.map_or("not seen", Fingerprint::as_str),
            sanitize(container.project.as_deref().unwrap_or("none")),
            if ports.is_empty() { "none".to_owned() } else { ports.join(", ") },
            sanitize(
                container
                    .mount_over(&container.credentials_dir)
                    .and_then(|mount| mount.source.as_deref())
                    .unwrap_or("the container's own layer")
            ),
        );
    }
    out
}

fn name(container: &Container) -> Option<&str> {
    let names = &container.instance_name;
    [&names.process, &names.file, &names.environment]
        .into_iter()
        .find_map(|place| place.seen().ok()?.as_deref())
}

fn in_force(container: &Container) -> Option<&Fingerprint> {
    let places = &container.secret;
    [&places.process, &places.file, &places.environment]
        .into_iter()
        .find_map(|place| place.seen().ok()?.as_ref().and_then(SecretState::fingerprint))
}

/// Whether that secret opens the selected key; `None` when there is no key or the secret was not tried on it.
fn opens(secret: &Fingerprint, keys: &[KeyFacts]) -> Option<bool> {
    let key = keys.iter().find(|key| key.selected)?;
    let trial = key.trials.iter().find(|trial| {
        trial.secret == *secret && !trial.places.contains(&SecretPlace::PublicDevelopment)
    });
    trial
        .or(key.trials.iter().find(|trial| trial.secret == *secret))
        .map(|trial| trial.opened.is_some())
}
