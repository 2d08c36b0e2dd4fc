//! What `inspect instances` shows: every Convex instance on the engine, the data volumes that none
//! of them has, and whose the selected key is.

use serde_json::{Value, json};

use crate::evidence::docker::{Container, SecretState, Volume};
use crate::evidence::key::SecretPlace;
use crate::evidence::{DockerFacts, KeyFacts};
use crate::secret::{Fingerprint, sanitize};

use super::words::flow;

/// The instances as `inspect instances --format json` has them.
pub fn json(docker: &DockerFacts, keys: &[KeyFacts]) -> Value {
    let instances: Vec<Value> = docker
        .backends
        .iter()
        .map(|container| {
            let secret = in_force(container);
            json!({
                "container": container.name,
                "project": container.labels.project,
                "service": container.labels.service,
                "instance_name": name(container),
                "state": container.life.state,
                "ports": container.net.ports,
                "volume": volume_of(container),
                "secret_fingerprint": secret,
                "opens_key": secret.and_then(|secret| opens(secret, keys)),
            })
        })
        .collect();
    let detached: Vec<Value> = detached(docker)
        .map(|volume| {
            let secret = held(volume);
            json!({
                "volume": volume.name,
                "project": volume.project,
                "changed_at": volume.changed_at.and_then(|at| jiff::Timestamp::from_second(at).ok()).map(|at| at.to_string()),
                "secret_fingerprint": secret,
                "opens_key": secret.and_then(|secret| opens(secret, keys)),
            })
        })
        .collect();
    json!({"instances": instances, "detached_volumes": detached})
}

/// The instances for a reader, in lines of at most `width` columns where no name is longer.
pub fn text(docker: &DockerFacts, keys: &[KeyFacts], width: usize) -> String {
    let mut lines = Vec::new();
    if docker.backends.is_empty() {
        lines.push(format!("no Convex backend on {}", sanitize(&docker.address)));
    }
    for container in &docker.backends {
        lines.push(format!("{}  {}", sanitize(&container.name), container.life.state));
        let parts = [
            format!("instance {}", sanitize(name(container).unwrap_or("name not known"))),
            secret_in_words(in_force(container), keys),
            format!("project {}", project(container.labels.project.as_deref())),
            ports(container),
            format!(
                "data in {}",
                sanitize(volume_of(container).unwrap_or("the container's own layer"))
            ),
        ];
        lines.extend(details(&parts, width));
    }
    let mut unseen = 0;
    for volume in detached(docker) {
        let content = volume.content.seen().ok();
        unseen += usize::from(content.is_none());
        let name = content.and_then(|content| content.instance_name.as_deref());
        let held_by = if volume.attached_to.is_empty() {
            "not used by any container".to_owned()
        } else {
            format!("used by {}", sanitize(&volume.attached_to.join(", ")))
        };
        lines.push(format!("volume {}", sanitize(&volume.name)));
        let parts = [
            held_by,
            format!("instance {}", sanitize(name.unwrap_or("name not known"))),
            secret_in_words(held(volume), keys),
            format!("project {}", project(volume.project.as_deref())),
            format!("last changed {}", day(volume.changed_at)),
        ];
        lines.extend(details(&parts, width));
    }
    lines.extend(flow(&whose(docker, keys), " ", width));
    if unseen > 0 {
        let are = if unseen == 1 { "volume was" } else { "volumes were" };
        lines.push(format!("{unseen} {are} not checked (use --deep)"));
    }
    lines.join("\n") + "\n"
}

/// What there is to say of one instance, below its name.
fn details(parts: &[String], width: usize) -> impl Iterator<Item = String> {
    flow(parts, ", ", width.saturating_sub(2)).into_iter().map(|line| format!("  {line}"))
}

fn project(name: Option<&str>) -> String {
    sanitize(name.unwrap_or("none"))
}

/// The published ports of a container.
fn ports(container: &Container) -> String {
    let published =
        container.net.ports.iter().filter_map(|port| Some((port.host?, port.container)));
    let mut ports: Vec<String> =
        published.map(|(host, inside)| format!("{host}→{inside}")).collect();
    ports.dedup();
    match ports.len() {
        0 => "no published ports".to_owned(),
        1 => format!("port {}", ports[0]),
        _ => format!("ports {}", ports.join(" and ")),
    }
}

fn day(at: Option<i64>) -> String {
    let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or_else(|| "at an unknown time".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// The volumes that no backend has and that hold an instance's data, or may, where no one could
/// look.
fn detached(docker: &DockerFacts) -> impl Iterator<Item = &Volume> {
    let of_backend = |volume: &Volume| {
        volume.attached_to.iter().any(|container| docker.backend(container).is_some())
    };
    let volumes = docker.volumes.seen().map(Vec::as_slice).unwrap_or_default();
    volumes.iter().filter(move |volume| {
        let may = volume.attached_to.is_empty() && !volume.is_something_else();
        !of_backend(volume) && (volume.is_convex() || may)
    })
}

/// Whose the selected key is: the key, and what it belongs to.
fn whose(docker: &DockerFacts, keys: &[KeyFacts]) -> Vec<String> {
    let Some(key) = keys.iter().find(|key| key.selected) else {
        return vec!["no admin key is selected".to_owned()];
    };
    let Some(print) = &key.fingerprint else {
        return vec![format!("the value in {} is not an admin key", key.source)];
    };
    let mut owners: Vec<String> = docker
        .backends
        .iter()
        .filter(|container| {
            in_force(container).and_then(|secret| opens(secret, keys)) == Some(true)
        })
        .map(|container| container.name.clone())
        .collect();
    owners.extend(
        detached(docker)
            .filter(|volume| held(volume).and_then(|secret| opens(secret, keys)) == Some(true))
            .map(|volume| format!("volume {}", volume.name)),
    );
    let of = if owners.is_empty() {
        let opened = key.trials.iter().filter(|trial| trial.opened.is_some());
        let public = opened.flat_map(|trial| &trial.places).any(is_public);
        if public {
            "the public development secret".to_owned()
        } else {
            "none of these instances".to_owned()
        }
    } else {
        sanitize(&owners.join(" and "))
    };
    vec![format!("key {print} ({})", key.source), format!("belongs to {of}")]
}

fn secret_in_words(secret: Option<&Fingerprint>, keys: &[KeyFacts]) -> String {
    let Some(secret) = secret else { return "secret not known".to_owned() };
    let opens = match opens(secret, keys) {
        Some(true) => ", matches the selected key",
        Some(false) => ", does not match the selected key",
        None => "",
    };
    format!("secret {secret}{opens}")
}

fn volume_of(container: &Container) -> Option<&str> {
    container.mount_over(&container.storage.credentials_dir)?.source.as_deref()
}

fn held(volume: &Volume) -> Option<&Fingerprint> {
    volume.content.seen().ok()?.secret.as_ref()?.fingerprint()
}

fn is_public(place: &SecretPlace) -> bool {
    *place == SecretPlace::PublicDevelopment
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

/// Whether that secret opens the selected key; `None` when there is no key or the secret was not
/// tried on it.
fn opens(secret: &Fingerprint, keys: &[KeyFacts]) -> Option<bool> {
    let key = keys.iter().find(|key| key.selected)?;
    let trial = key.trials.iter().find(|trial| trial.secret == *secret);
    trial.map(|trial| trial.opened.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin_key::{Claims, shape};
    use crate::evidence::Observation::Seen;
    use crate::evidence::docker::{VolumeBacking, VolumeContent};
    use crate::evidence::key::Trial;
    use crate::evidence::selection::ValueSource;
    use crate::secret::Secret;

    fn volume(name: &str, attached_to: &[&str], content: Option<&str>) -> Volume {
        let content = content.map(|secret| {
            let secret =
                (!secret.is_empty()).then(|| SecretState::Valid(Fingerprint::of_text(secret)));
            Seen(VolumeContent { secret, ..VolumeContent::default() })
        });
        Volume {
            name: name.to_owned(),
            project: Some("old".to_owned()),
            key: None,
            changed_at: Some(1_780_000_000),
            attached_to: attached_to.iter().map(|&name| name.to_owned()).collect(),
            anonymous: false,
            prunable: false,
            copy_of: None,
            backing: VolumeBacking::Engine,
            content: content.unwrap_or_default(),
        }
    }

    fn key(secret: &str) -> KeyFacts {
        let text = Secret::new("app|01ab");
        KeyFacts {
            source: ValueSource::File { file: ".env.local".to_owned(), line: 2 },
            selected: true,
            fingerprint: Some(Fingerprint::of_text("key")),
            shape: shape(&text),
            repaired: None,
            equals_secret_of: None,
            trials: ["mine", "old"]
                .map(|tried| Trial {
                    secret: Fingerprint::of_text(tried),
                    places: vec![],
                    opened: (tried == secret).then(|| Claims::of_member_zero(1, false)),
                })
                .to_vec(),
        }
    }

    fn engine() -> DockerFacts {
        let mut backend = Container { name: "app-backend-1".to_owned(), ..Container::default() };
        backend.secret.process = Seen(Some(SecretState::Valid(Fingerprint::of_text("mine"))));
        let volumes = Seen(vec![
            volume("app_data", &["app-backend-1"], Some("mine")),
            volume("old_data", &[], Some("old")),
            volume("backup_data", &["backup"], Some("old")),
            volume("postgres_data", &[], Some("")),
            volume("cache_data", &["cache"], None),
            volume("unknown_data", &[], None),
        ]);
        DockerFacts { backends: vec![backend], volumes, ..DockerFacts::default() }
    }

    #[test]
    fn a_volume_counts_by_what_is_in_it_or_may_be() {
        let json = json(&engine(), &[key("old")]);
        let detached = json["detached_volumes"].as_array().unwrap();
        let seen: Vec<_> = detached
            .iter()
            .map(|it| (it["volume"].as_str().unwrap(), it["opens_key"].as_bool()))
            .collect();
        let expected =
            [("old_data", Some(true)), ("backup_data", Some(true)), ("unknown_data", None)];
        assert_eq!(seen, expected);
        assert_eq!(detached[0]["changed_at"], "2026-05-28T20:26:40Z");
        assert_eq!(json["instances"][0]["opens_key"], false);
    }

    #[test]
    fn the_last_line_says_whose_the_key_is() {
        for (secret, expected) in [
            ("old", "belongs to volume old_data and volume backup_data"),
            ("mine", "belongs to app-backend-1"),
            ("neither", "belongs to none of these instances"),
        ] {
            let text = text(&engine(), &[key(secret)], 80);
            assert!(text.contains(expected), "{text}");
            assert!(text.contains("1 volume was not checked"), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
        assert!(text(&DockerFacts::default(), &[], 80).contains("no admin key is selected"));
    }
}
