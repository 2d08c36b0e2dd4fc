//! The way back to a volume: its project under its old name, or the lines that give this project
//! the volume.

use super::{Elsewhere, compose_command, declared, declared_over, is_durable, keeps, spot, word};
use crate::evidence::Evidence;
use crate::evidence::docker::{SecretState, VolumeContent};
use crate::report::Remedy;

/// Goes back to the project that has the volume; `None` where the volume belongs to no other
/// project. Nothing is lost: `down` keeps named volumes, and where the new instance has none it is
/// only stopped.
pub(crate) fn bring_back(
    evidence: &Evidence,
    volume: &str,
    project: Option<&str>,
) -> Option<Remedy> {
    let (compose, _) = declared(evidence).ok()??;
    let project = project.filter(|project| *project != compose.project)?;
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let keeps = expected.is_none_or(|now| now.mount_over(&now.data_dir).is_some_and(is_durable));
    let leave = if keeps { "down" } else { "stop" };
    let title = format!(
        "To get the data in {volume} back, run the project under its old name; for good: \
         `COMPOSE_PROJECT_NAME={project}` in .env, or `name: {project}` in the compose file"
    );
    Some(guarded(evidence, title, &|remedy| {
        remedy.run(format!(
            "{} && {}",
            compose_command(evidence, &format!("-p {} {leave}", word(&compose.project))),
            compose_command(evidence, &format!("-p {} up -d", word(project))),
        ))
    }))
}

/// Gives this project the volume, by the exact lines of its compose file; `None` where there is no
/// such file, or it has the volume.
pub(crate) fn attach(evidence: &Evidence, volume: &str) -> Option<Remedy> {
    let (compose, service) = declared(evidence).ok()??;
    if compose.volumes.iter().any(|declared| declared.name == volume) {
        return None;
    }
    let data = &service.data_dir;
    let over = declared_over(service, data);
    let named = over.filter(|line| keeps(line) && line.is_volume());
    let key = named.and_then(|line| line.source.as_deref()).unwrap_or("data");
    // Quoted: 64 hex digits can read as a number.
    let entry = format!("`{key}: {{ external: true, name: \"{volume}\" }}`");
    let declared = compose.volumes.iter().find(|declared| declared.key == key);
    let entry = match declared {
        Some(declared) => format!("{entry} in place of `{key}:` ({})", spot(&declared.at)),
        None => format!("{entry} under the top-level `volumes:`"),
    };
    let mount = match (named, over) {
        (Some(_), _) => String::new(),
        (None, Some(line)) => format!("`- {key}:{data}` in place of {}, and ", spot(&line.at)),
        (None, None) => {
            format!("`- {key}:{data}` under `volumes:` of service {}, and ", service.name)
        }
    };
    let title = format!(
        "To give this project the volume {volume} (what it has now stays where it is), write \
         {mount}{entry}; then"
    );
    Some(guarded(evidence, title, &|remedy| remedy.run(compose_command(evidence, "up -d"))))
}

/// A secret that is set in the environment overwrites the one in the volume at the very start, for
/// good: then nothing may be run before it is taken away.
fn guarded(evidence: &Evidence, title: String, run: &dyn Fn(Remedy) -> Remedy) -> Remedy {
    let declared = declared(evidence).ok().flatten();
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let pinned = declared.is_some_and(|(_, service)| Elsewhere::of(service, container).secret);
    if pinned {
        return Remedy::careful(format!(
            "First take INSTANCE_SECRET out of the backend's environment: at the start it overwrites \
             the secret in the volume. {title} `{}`",
            run(Remedy::safe("")).commands.join(" && ")
        ));
    }
    run(Remedy::careful(title))
}

/// What a volume holds, in words.
pub(crate) fn holds(content: &VolumeContent) -> String {
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
