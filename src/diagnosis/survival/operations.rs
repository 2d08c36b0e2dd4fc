//! The operations of the table: what somebody types, and what it does to a [`World`].

use super::compose::Up;
use super::world::World;

/// An operation of the table.
pub(super) struct Entry {
    /// Its public id: a row of the matrix that was measured (docs/facts.md, docker-survival).
    pub(super) id: &'static str,
    /// What is typed; `{compose}` and `{container}` stand for this deployment's.
    pub(super) command: &'static str,
    /// What it does.
    pub(super) act: fn(&mut World),
    /// It touches no container but the backend's, and no volume.
    pub(super) backend_only: bool,
}

impl Entry {
    const fn new(id: &'static str, command: &'static str, act: fn(&mut World)) -> Self {
        Self { id, command, act, backend_only: false }
    }

    const fn backend_only(mut self) -> Self {
        self.backend_only = true;
        self
    }
}

/// All of them, in the order of the table.
pub(super) static OPERATIONS: &[Entry] = &[
    Entry::new("restart", "{compose} restart", restart),
    Entry::new("stop_start", "{compose} stop && {compose} start", restart),
    Entry::new("docker_kill_start", "docker kill {container} && {compose} start", restart)
        .backend_only(),
    Entry::new("up_unchanged", "{compose} up -d", up),
    Entry::new("up_image_change", "{compose} pull && {compose} up -d", up_changed),
    Entry::new("up_force_recreate", "{compose} up -d --force-recreate", |world| {
        world.up(&Up { force: true, ..Up::default() });
    }),
    Entry::new("up_env_edit", "{compose} up -d # after an edit of environment:", up_changed),
    Entry::new("up_V_unchanged", "{compose} up -d -V", up_renew),
    Entry::new("up_V_force_recreate", "{compose} up -d -V --force-recreate", up_renew),
    Entry::new("up_V_env_edit", "{compose} up -d -V # after an edit of environment:", up_renew),
    Entry::new("down_up", "{compose} down && {compose} up -d", |world| {
        down(world, false);
        up(world);
    }),
    Entry::new("down_v_up", "{compose} down -v && {compose} up -d", |world| {
        down(world, true);
        up(world);
    }),
    Entry::new("rm_f_up", "docker rm -f {container} && {compose} up -d", rm_up).backend_only(),
    Entry::new("rm_fv_up", "docker rm -fv {container} && {compose} up -d", rm_v_up).backend_only(),
    Entry::new("compose_rm_sf_up", "{compose} rm -sf && {compose} up -d", rm_up),
    Entry::new("compose_rm_sfv_up", "{compose} rm -sfv && {compose} up -d", rm_v_up),
    Entry::new("volprune_running", "docker volume prune -f && {compose} restart", |world| {
        world.prune_volumes(false);
        restart(world);
    }),
    Entry::new(
        "stop_volprune_start",
        "{compose} stop && docker volume prune -f && {compose} start",
        |world| {
            world.stop(|_| true);
            world.prune_volumes(false);
            world.start(|_| true);
        },
    ),
    Entry::new(
        "down_volprune_up",
        "{compose} down && docker volume prune -f && {compose} up -d",
        |world| {
            down(world, false);
            world.prune_volumes(false);
            up(world);
        },
    ),
    Entry::new(
        "recreate_volprune",
        "{compose} down && {compose} up -d && docker volume prune -f",
        |world| {
            down(world, false);
            up(world);
            world.prune_volumes(false);
            up(world);
        },
    ),
    Entry::new(
        "sysprune_running",
        "docker system prune --volumes -f && {compose} restart",
        |world| {
            world.prune_system(true);
            restart(world);
        },
    ),
    Entry::new(
        "stop_sysprune_novol_up",
        "{compose} stop && docker system prune -f && {compose} up -d",
        |world| {
            world.stop(|_| true);
            world.prune_system(false);
            up(world);
        },
    ),
    Entry::new(
        "stop_sysprune_up",
        "{compose} stop && docker system prune --volumes -f && {compose} up -d",
        |world| {
            world.stop(|_| true);
            world.prune_system(true);
            up(world);
        },
    ),
    Entry::new(
        "down_sysprune_up",
        "{compose} down && docker system prune --volumes -f && {compose} up -d",
        |world| {
            down(world, false);
            world.prune_system(true);
            up(world);
        },
    ),
    Entry::new("p_other", "{compose} -p other up -d", up_other),
    Entry::new("COMPOSE_PROJECT_NAME", "COMPOSE_PROJECT_NAME=other {compose} up -d", up_other),
    Entry::new(
        "down_dir_renamed_up",
        "{compose} up -d # after down, and another name for the directory",
        |world| {
            down(world, false);
            world.rename_directory();
            up(world);
        },
    ),
    Entry::new(
        "dir_renamed_up_no_down",
        "{compose} up -d # after another name for the directory",
        |world| {
            world.rename_directory();
            up(world);
        },
    ),
    Entry::new(
        "service_renamed_up",
        "{compose} up -d --remove-orphans # after another name for the service",
        |world| {
            world.rename_service();
            world.up(&Up { remove_orphans: true, ..Up::default() });
        },
    ),
    Entry::new(
        "named_volume_entry_added_up",
        "{compose} up -d # after adding another named volume at /convex/data",
        |world| {
            world.add_named_volume();
            up(world);
        },
    ),
    Entry::new(
        "volume_entries_removed_up",
        "{compose} up -d # after deleting the service's volumes:",
        |world| {
            world.delete_entries();
            up(world);
        },
    ),
];

fn restart(world: &mut World) {
    world.stop(|_| true);
    world.start(|_| true);
}

fn up(world: &mut World) {
    world.up(&Up::default());
}

fn up_changed(world: &mut World) {
    world.changed = true;
    up(world);
}

fn up_renew(world: &mut World) {
    world.up(&Up { renew: true, ..Up::default() });
}

fn up_other(world: &mut World) {
    world.up(&Up { project: Some("other".to_owned()), ..Up::default() });
}

/// `down` of the deployment's own project.
fn down(world: &mut World, volumes: bool) {
    let project = match (world.current(), &world.plan) {
        (_, Some(plan)) => plan.project.clone(),
        (Some(instance), None) => instance.project.clone().unwrap_or_default(),
        (None, None) => return,
    };
    world.down(&project, volumes);
}

fn rm_up(world: &mut World) {
    world.remove(false, |_| true);
    up(world);
}

fn rm_v_up(world: &mut World) {
    world.remove(true, |_| true);
    up(world);
}
