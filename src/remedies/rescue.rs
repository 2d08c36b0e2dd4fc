//! Moves data by hand: out of a container before anything else, and into the next one before it
//! starts.

use crate::evidence::Evidence;
use crate::evidence::docker::{Container, MountKind};
use crate::remedies::command::compose_command;
use crate::report::{Remedy, shell_word};

/// Copies the data out of the container, before anything else. The backend is stopped first so that
/// the database is at rest; only memory would not survive that.
pub(crate) fn copy_out(container: &Container) -> Remedy {
    let data = container.data_dir.trim_end_matches('/');
    let in_memory = container.mount_over(data).is_some_and(|mount| mount.kind == MountKind::Tmpfs);
    let remedy = Remedy::careful("First copy the data out of the container");
    let (name, path) = (shell_word(&container.name), shell_word(data));
    if in_memory {
        return remedy
            .run("npx convex export --path ./convex-export.zip")
            .run("mkdir -p ./convex-data-rescue")
            .run(format!(
                "docker exec {name} tar -C {path} -cf - . | tar -xf - -C ./convex-data-rescue"
            ));
    }
    let remedy =
        if container.is_running() { remedy.run(format!("docker stop {name}")) } else { remedy };
    remedy.run(format!(
        "docker cp {} ./convex-data-rescue",
        path_in_container(container, &format!("{data}/."))
    ))
}

/// `CONTAINER:PATH`, as `docker cp` takes it.
pub(crate) fn path_in_container(container: &Container, path: &str) -> String {
    shell_word(&format!("{}:{path}", container.name))
}

/// Creates the container anew with what the compose file mounts, and moves the rescued data in
/// before it starts.
pub(crate) fn move_in(
    evidence: &Evidence,
    title: String,
    service: &str,
    container: Option<&Container>,
) -> Remedy {
    let remedy = Remedy::careful(title);
    let start = compose_command(evidence, "up -d");
    let Some(container) = container else { return remedy.run(start) };
    let data = container.data_dir.trim_end_matches('/');
    remedy
        .run(compose_command(evidence, &format!("up --no-start {}", shell_word(service))))
        .run(format!("docker cp ./convex-data-rescue/. {}", path_in_container(container, data)))
        .run(start)
}
