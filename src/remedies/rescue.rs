//! Moving data by hand: out of a container first, and into the next one before it starts.

use crate::evidence::Evidence;
use crate::evidence::docker::{Container, MountKind};
use crate::remedies::command::{compose, up};
use crate::report::{Command, ComposeVerb, Remedy, shell_word};

/// The step that copies the data out of the container, before any other. The backend is stopped
/// first, because its files must not change meanwhile; data in memory, and a container started with
/// `--rm`, would not survive that.
pub(crate) fn copy_out(container: &Container) -> Remedy {
    let data = container.storage.data_dir.trim_end_matches('/');
    let name = &container.name;
    let in_memory = container.mount_over(data).is_some_and(|mount| mount.kind == MountKind::Tmpfs);
    if in_memory || container.life.auto_remove {
        let title = format!("Copy the data out of {name}, and do not stop it before");
        return Remedy::careful(title)
            .run("npx convex export --path ./convex-export.zip")
            .run("mkdir -p ./convex-data-rescue")
            .run(format!(
                "docker exec {} tar -C {} -cf - . | tar -xf - -C ./convex-data-rescue",
                shell_word(name),
                shell_word(data)
            ))
            .step();
    }
    let remedy = if container.is_running() {
        Remedy::careful(format!("Stop {name} and copy the data out of it"))
            .run(Command::docker(["stop", name]))
    } else {
        Remedy::careful(format!("Copy the data out of {name}"))
    };
    remedy.run(copy_from(container, &format!("{data}/."), RESCUE)).step()
}

/// Where data is copied to.
pub(crate) const RESCUE: &str = "./convex-data-rescue";

/// Copies a path out of a container.
pub(crate) fn copy_from(container: &Container, path: &str, to: &str) -> Command {
    Command::docker(["cp", &format!("{}:{path}", container.name), to])
}

/// The step that recreates the container with what the compose file mounts, and copies the data in
/// before it starts.
pub(crate) fn move_in(
    evidence: &Evidence,
    title: String,
    service: &str,
    container: &Container,
) -> Remedy {
    let data = container.storage.data_dir.trim_end_matches('/');
    Remedy::careful(title)
        .run(compose(evidence, ComposeVerb::Create(service.to_owned())))
        .run(Command::docker([
            "cp",
            "./convex-data-rescue/.",
            &format!("{}:{data}", container.name),
        ]))
        .run(up(evidence))
        .step()
}
