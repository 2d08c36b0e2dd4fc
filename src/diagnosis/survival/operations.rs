//! The operations of the table: what is typed, and what it does to a [`SimulatedWorld`].

use super::model::Up;
use super::world::SimulatedWorld;
use crate::report::Operation;

/// An operation of the table.
pub(super) struct TableEntry {
    /// Its public id: a row of the matrix that was measured (docs/facts.md, docker-survival).
    pub(super) id: &'static str,
    /// What is typed; `{compose}` and `{container}` are this deployment's.
    pub(super) command: &'static str,
    /// What is typed where no compose file runs the backend; `None` if there is no such thing.
    pub(super) by_hand: Option<&'static str>,
    /// What it does.
    pub(super) act: fn(&mut SimulatedWorld),
    /// It changes only the backend's container, and no volume.
    pub(super) backend_only: bool,
    /// It is common, so that the short table shows it.
    everyday: bool,
}

/// Of a container that Compose does not run, the short table has these as well: there is no `down`.
const EVERYDAY_BY_HAND: [&str; 4] = ["stop_start", "rm_f_up", "rm_fv_up", "stop_volprune_start"];

/// Whether the operation belongs into the short table.
pub fn is_everyday(operation: &Operation) -> bool {
    let entry = OPERATIONS.iter().find(|entry| entry.id == operation.id);
    entry.is_some_and(|entry| entry.everyday)
        || EVERYDAY_BY_HAND.contains(&operation.id.as_str())
            && !operation.command.contains("docker compose ")
}

impl TableEntry {
    const fn new(id: &'static str, command: &'static str, act: fn(&mut SimulatedWorld)) -> Self {
        Self { id, command, by_hand: None, act, backend_only: false, everyday: false }
    }

    const fn everyday(mut self) -> Self {
        self.everyday = true;
        self
    }

    const fn by_hand(mut self, command: &'static str) -> Self {
        self.by_hand = Some(command);
        self
    }

    const fn backend_only(mut self) -> Self {
        self.backend_only = true;
        self
    }
}

/// All of them, in the order of the table.
pub(super) static OPERATIONS: &[TableEntry] = &[
    TableEntry::new("restart", "{compose} restart", restart)
        .by_hand("docker restart {container}")
        .everyday(),
    TableEntry::new("stop_start", "{compose} stop && {compose} start", stop_start)
        .by_hand("docker stop {container} && docker start {container}"),
    TableEntry::new("docker_kill_start", "docker kill {container} && {compose} start", stop_start)
        .by_hand("docker kill {container} && docker start {container}")
        .backend_only(),
    TableEntry::new("up_unchanged", "{compose} up -d", up).everyday(),
    TableEntry::new("up_image_change", "{compose} pull && {compose} up -d", up_changed).everyday(),
    TableEntry::new("up_force_recreate", "{compose} up -d --force-recreate", |world| {
        world.up(&Up { force: true, ..Up::default() });
    }),
    TableEntry::new("up_env_edit", "{compose} up -d # after an edit of environment:", up_changed)
        .everyday(),
    TableEntry::new("up_V_unchanged", "{compose} up -d -V", up_renew),
    TableEntry::new("up_V_force_recreate", "{compose} up -d -V --force-recreate", up_renew),
    TableEntry::new(
        "up_V_env_edit",
        "{compose} up -d -V # after an edit of environment:",
        up_renew,
    )
    .by_hand("docker stop {container} && docker system prune -f"),
    TableEntry::new("down_up", "{compose} down && {compose} up -d", |world| {
        down(world, false);
        up(world);
    })
    .everyday(),
    TableEntry::new("down_v_up", "{compose} down -v && {compose} up -d", |world| {
        down(world, true);
        up(world);
    })
    .everyday(),
    TableEntry::new("rm_f_up", "docker rm -f {container} && {compose} up -d", rm_up)
        .by_hand("docker rm -f {container}")
        .backend_only(),
    TableEntry::new("rm_fv_up", "docker rm -fv {container} && {compose} up -d", rm_v_up)
        .by_hand("docker rm -fv {container}")
        .backend_only(),
    TableEntry::new("compose_rm_sf_up", "{compose} rm -sf && {compose} up -d", rm_up),
    TableEntry::new("compose_rm_sfv_up", "{compose} rm -sfv && {compose} up -d", rm_v_up),
    TableEntry::new("volprune_running", "docker volume prune -f && {compose} restart", |world| {
        world.prune_volumes(false);
        restart(world);
    })
    .by_hand("docker volume prune -f && docker restart {container}"),
    TableEntry::new(
        "stop_volprune_start",
        "{compose} stop && docker volume prune -f && {compose} start",
        |world| {
            world.stop(|_| true);
            world.prune_volumes(false);
            start(world);
        },
    )
    .by_hand("docker stop {container} && docker volume prune -f && docker start {container}"),
    TableEntry::new(
        "down_volprune_up",
        "{compose} down && docker volume prune -f && {compose} up -d",
        |world| {
            down(world, false);
            world.prune_volumes(false);
            up(world);
        },
    )
    .everyday(),
    TableEntry::new(
        "recreate_volprune",
        "{compose} down && {compose} up -d && docker volume prune -f",
        |world| {
            down(world, false);
            up(world);
            world.prune_volumes(false);
            up(world);
        },
    ),
    TableEntry::new(
        "sysprune_running",
        "docker system prune --volumes -f && {compose} restart",
        |world| {
            world.prune_system(true);
            restart(world);
        },
    )
    .by_hand("docker system prune --volumes -f && docker restart {container}"),
    TableEntry::new(
        "stop_sysprune_novol_up",
        "{compose} stop && docker system prune -f && {compose} up -d",
        |world| {
            world.stop(|_| true);
            world.prune_system(false);
            up(world);
        },
    ),
    TableEntry::new(
        "stop_sysprune_up",
        "{compose} stop && docker system prune --volumes -f && {compose} up -d",
        |world| {
            world.stop(|_| true);
            world.prune_system(true);
            up(world);
        },
    )
    .by_hand("docker stop {container} && docker system prune --volumes -f"),
    TableEntry::new(
        "down_sysprune_up",
        "{compose} down && docker system prune --volumes -f && {compose} up -d",
        |world| {
            down(world, false);
            world.prune_system(true);
            up(world);
        },
    )
    .everyday(),
    TableEntry::new("p_other", "{compose} -p other up -d", up_other),
    TableEntry::new("COMPOSE_PROJECT_NAME", "COMPOSE_PROJECT_NAME=other {compose} up -d", up_other),
    TableEntry::new(
        "down_dir_renamed_up",
        "{compose} up -d # after down, and another name for the directory",
        |world| {
            down(world, false);
            world.rename_directory();
            up(world);
        },
    ),
    TableEntry::new(
        "dir_renamed_up_no_down",
        "{compose} up -d # after another name for the directory",
        |world| {
            world.rename_directory();
            up(world);
        },
    ),
    TableEntry::new(
        "service_renamed_up",
        "{compose} up -d --remove-orphans # after another name for the service",
        |world| {
            world.rename_service();
            world.up(&Up { remove_orphans: true, ..Up::default() });
        },
    ),
    TableEntry::new(
        "named_volume_entry_added_up",
        "{compose} up -d # after adding another named volume at /convex/data",
        |world| {
            world.add_named_volume();
            up(world);
        },
    ),
    TableEntry::new(
        "volume_entries_removed_up",
        "{compose} up -d # after deleting the service's volumes:",
        |world| {
            world.delete_entries();
            up(world);
        },
    ),
];

fn restart(world: &mut SimulatedWorld) {
    world.restart(|_| true);
}

fn stop_start(world: &mut SimulatedWorld) {
    world.stop(|_| true);
    start(world);
}

/// What has gone with its stop has to be created again.
fn start(world: &mut SimulatedWorld) {
    match world.current() {
        Some(_) => world.start(|_| true),
        None => up(world),
    }
}

fn up(world: &mut SimulatedWorld) {
    world.up(&Up::default());
}

fn up_changed(world: &mut SimulatedWorld) {
    world.changed = true;
    up(world);
}

fn up_renew(world: &mut SimulatedWorld) {
    world.up(&Up { renew: true, ..Up::default() });
}

fn up_other(world: &mut SimulatedWorld) {
    world.up(&Up { project: Some("other".to_owned()), ..Up::default() });
}

/// `down` of the deployment's own project.
fn down(world: &mut SimulatedWorld, volumes: bool) {
    let project = match (world.current(), &world.plan) {
        (_, Some(plan)) => plan.project.clone(),
        (Some(instance), None) => instance.project.clone().unwrap_or_default(),
        (None, None) => return,
    };
    world.down(&project, volumes);
}

fn rm_up(world: &mut SimulatedWorld) {
    world.remove(false, |_| true);
    up(world);
}

fn rm_v_up(world: &mut SimulatedWorld) {
    world.remove(true, |_| true);
    up(world);
}
