//! Moves data by hand: out of a container before anything else, and into the next one before it
//! starts.

use crate::evidence::Evidence;
use crate::evidence::docker::{Container, MountKind};
use crate::remedies::command::compose;
use crate::remedies::command::up;
use crate::report::{Command, ComposeVerb, Remedy, shell_word};

/// Copies the data out of the container, before anything else. The backend is stopped first so that
/// the database is at rest; only memory would not survive that.
pub(crate) fn copy_out(container: &Container) -> Remedy {
    let data = container.data_dir.trim_end_matches('/');
    let in_memory = container.mount_over(data).is_some_and(|mount| mount.kind == MountKind::Tmpfs);
    let remedy = Remedy::careful("First copy the data out of the container");
    if in_memory {
        return remedy
            .run("npx convex export --path ./convex-export.zip")
            .run("mkdir -p ./convex-data-rescue")
            .run(format!(
                "docker exec {} tar -C {} -cf - . | tar -xf - -C ./convex-data-rescue",
                shell_word(&container.name),
                shell_word(data)
            ));
    }
    let remedy = if container.is_running() {
        remedy.run(Command::docker(["stop", &container.name]))
    } else {
        remedy
    };
    remedy.run(copy_from(container, &format!("{data}/."), RESCUE))
}

/// Where data is copied to.
pub(crate) const RESCUE: &str = "./convex-data-rescue";

/// Copies a path out of a container.
pub(crate) fn copy_from(container: &Container, path: &str, to: &str) -> Command {
    Command::docker(["cp", &format!("{}:{path}", container.name), to])
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
    let start = up(evidence);
    let Some(container) = container else { return remedy.run(start) };
    let data = container.data_dir.trim_end_matches('/');
    remedy
        .run(compose(evidence, ComposeVerb::Create(service.to_owned())))
        .run(Command::docker([
            "cp",
            "./convex-data-rescue/.",
            &format!("{}:{data}", container.name),
        ]))
        .run(start)
}
