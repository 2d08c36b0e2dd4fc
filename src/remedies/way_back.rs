//! The way back to a volume: its project under its old name, or the lines that give this project
//! the volume.

use crate::deployment::compose::declared_backend;
use crate::deployment::data::StoredElsewhere;
use crate::deployment::data::declared_mount_over;
use crate::deployment::data::is_kept_by_file;
use crate::deployment::data::is_persistent;
use crate::evidence::Evidence;
use crate::remedies::command::compose_command;
use crate::report::Remedy;
use crate::report::shell_word;

/// Goes back to the project that has the volume; `None` where the volume belongs to no other
/// project. Nothing is lost: `down` keeps named volumes, and where the new instance has none it is
/// only stopped.
pub(crate) fn bring_back(
    evidence: &Evidence,
    volume: &str,
    project: Option<&str>,
) -> Option<Remedy> {
    let (compose, _) = declared_backend(evidence).ok()??;
    let project = project.filter(|project| *project != compose.project)?;
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let keeps = expected.is_none_or(|now| now.mount_over(&now.data_dir).is_some_and(is_persistent));
    let leave = if keeps { "down" } else { "stop" };
    let title = format!(
        "To get the data in {volume} back, run the project under its old name; for good: \
         `COMPOSE_PROJECT_NAME={project}` in .env, or `name: {project}` in the compose file"
    );
    Some(guarded(evidence, title, &|remedy| {
        remedy.run(format!(
            "{} && {}",
            compose_command(evidence, &format!("-p {} {leave}", shell_word(&compose.project))),
            compose_command(evidence, &format!("-p {} up -d", shell_word(project))),
        ))
    }))
}

/// Gives this project the volume, by the exact lines of its compose file; `None` where there is no
/// such file, or it has the volume.
pub(crate) fn attach(evidence: &Evidence, volume: &str) -> Option<Remedy> {
    let (compose, service) = declared_backend(evidence).ok()??;
    if compose.volumes.iter().any(|declared| declared.name == volume) {
        return None;
    }
    let data = &service.data_dir;
    let over = declared_mount_over(service, data);
    let named = over.filter(|line| is_kept_by_file(line) && line.is_volume());
    let key = named.and_then(|line| line.source.as_deref()).unwrap_or("data");
    // Quoted: 64 hex digits can read as a number.
    let entry = format!("`{key}: {{ external: true, name: \"{volume}\" }}`");
    let declared = compose.volumes.iter().find(|declared| declared.key == key);
    let entry = match declared {
        Some(declared) => format!("{entry} in place of `{key}:` ({})", declared.at.to_string()),
        None => format!("{entry} under the top-level `volumes:`"),
    };
    let mount = match (named, over) {
        (Some(_), _) => String::new(),
        (None, Some(line)) => format!("`- {key}:{data}` in place of {}, and ", line.at.to_string()),
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
    let declared = declared_backend(evidence).ok().flatten();
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let pinned =
        declared.is_some_and(|(_, service)| StoredElsewhere::of(service, container).secret);
    if pinned {
        return Remedy::careful(format!(
            "First take INSTANCE_SECRET out of the backend's environment: at the start it overwrites \
             the secret in the volume. {title} `{}`",
            run(Remedy::safe("")).commands.join(" && ")
        ));
    }
    run(Remedy::careful(title))
}
